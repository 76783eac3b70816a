"""Tables however they come, as one pandas frame: files (CSV, JSON, Parquet), frames, series, lists and DFT entries."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from matenv.composition import FormulaError, parse
from matenv.data import entries

if TYPE_CHECKING:
    import pandas as pd

SUFFIXES = (".csv", ".tsv", ".txt", ".json", ".jsonl", ".parquet")
"""Files that are read as tables."""

_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}
_SNIFFED = 20  # lines that the separator is told by


@dataclass
class RawTable:
    """A table before its cells are read.

    Attributes:
        frame: Cells as they stand; column names are distinct.
        name: What to call it.
        lines: Line, or row number, of each row.
        place: What these count, "line" or "row".
        said: How it was read.
        decimal_comma: Whether a comma may be a decimal point.
        attributes: What the source says of itself: ``units``, ``energy_scheme``.
        ragged: Why a row cannot be used, by row.
    """

    frame: pd.DataFrame
    name: str
    lines: Sequence[int]
    place: str = "row"
    said: list[str] = field(default_factory=list)
    decimal_comma: bool = False
    attributes: Mapping[str, Any] = field(default_factory=dict)
    ragged: dict[int, str] = field(default_factory=dict)


def open_table(source: Any, column: str = "formula", parameter: str = "source") -> RawTable:
    """Bring a table of any kind into one form.

    Args:
        source: Path of a file (`SUFFIXES`); a pandas DataFrame, Series or Index; a list of formulas; a mapping of
            columns; or a list of pymatgen `ComputedEntry`, `ComputedStructureEntry` or `PDEntry`.
        column: What to call the formulas of a series, an index or a list.
        parameter: What the caller calls `source`, for messages.

    Returns:
        The table.

    Raises:
        ValueError: Something else, or a file that is damaged: two columns of one name, a quote that does not end, no
            text, no rows.
        FileNotFoundError: The file does not exist.
        ImportError: A Parquet file without the extra ``tables``.
    """
    import pandas as pd

    if isinstance(source, str) and not source:
        raise ValueError(f"{parameter}='' is no table; give a file that ends in {', '.join(SUFFIXES)}")
    if isinstance(source, str | Path):
        raw = _open_file(Path(source), parameter)
    elif isinstance(source, pd.DataFrame):
        raw = _of_frame(source, column)
    elif isinstance(source, pd.Series):
        formulas = source.dtype == object or pd.api.types.is_string_dtype(source.dtype)
        named = {column: source} if formulas else {column: source.index, str(source.name or "value"): source}
        raw = _of_frame(pd.DataFrame({key: np.asarray(cells, object) for key, cells in named.items()}), column)
    elif isinstance(source, Mapping):
        raw = _of_frame(_frame(source, parameter), column)
    elif isinstance(source, pd.Index | np.ndarray | list | tuple):
        raw = _of_list(list(source), column, parameter)
    else:
        raise ValueError(
            f"{parameter}={str(source)[:60]!r} ({type(source).__name__}) is no table; give the path of a file "
            f"({', '.join(SUFFIXES)}), a pandas object, or a list of formulas or DFT entries"
        )
    if not len(raw.frame):
        raise ValueError(f"{parameter}: {raw.name} holds no rows{' below its header' * (raw.place == 'line')}")
    twice = [str(name) for name, n in Counter(raw.frame.columns).items() if n > 1]
    if twice:
        raise _twice(raw.name, twice)
    return raw


def _frame(columns: Any, parameter: str) -> pd.DataFrame:
    import pandas as pd

    try:
        return pd.DataFrame(columns, dtype=object)
    except ValueError as error:
        raise ValueError(f"{parameter}={str(columns)[:60]} is no table: {error}") from None


def _of_frame(frame: pd.DataFrame, column: str) -> RawTable:
    names = [str(name) for name in frame.columns]
    attributes = {key: frame.attrs[key] for key in ("units", "energy_scheme") if key in frame.attrs}
    kept = frame.reset_index() if frame.index.name is not None and str(frame.index.name) not in names else frame
    kept = kept.set_axis([str(name) for name in kept.columns], axis=1).reset_index(drop=True)
    return RawTable(kept, "table", range(len(kept)), attributes=attributes)


def _of_list(items: list[Any], column: str, parameter: str) -> RawTable:
    if items and entries.is_entry(items[0]):
        frame, said, unusable = entries.frame_of(items)
        return RawTable(frame, "entries", range(len(frame)), said=said, attributes=frame.attrs, ragged=unusable)
    return RawTable(_frame({column: items}, parameter), "list", range(len(items)))


def _open_file(path: Path, parameter: str) -> RawTable:
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise ValueError(f"{parameter}={str(path)!r} is not a table; give a file that ends in {', '.join(SUFFIXES)}")
    if not path.exists():
        raise FileNotFoundError(
            f"{parameter}={str(path)!r} does not exist; give a file that ends in {', '.join(SUFFIXES)}"
        )
    if suffix == ".parquet":
        return _parquet(path)
    text, said = _text(path)
    if not text.strip():
        raise ValueError(f"{path} is empty; it needs a header with a column 'formula', and a formula in each line")
    return _json(path, text, said) if suffix in (".json", ".jsonl") else _delimited(path, text, said)


def _text(path: Path) -> tuple[str, list[str]]:
    content = path.read_bytes()
    utf16 = content[:2] in (b"\xff\xfe", b"\xfe\xff")
    for encoding in ("utf-16",) if utf16 else ("utf-8-sig", "latin-1"):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text, [] if encoding == "utf-8-sig" else [f"encoding: {encoding}, as it is not UTF-8"]
    raise ValueError(f"{path} is not text in UTF-8, UTF-16 or latin-1; save it again as CSV (UTF-8)")


def _delimited(path: Path, text: str, said: list[str]) -> RawTable:
    separator = _separator(text)
    if separator != ",":
        said.append(f"separator: {_SEPARATORS[separator]}")
    reader = csv.reader(StringIO(text, newline=""), delimiter=separator, strict=True)
    rows, lines, start = [], [], 1
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                rows.append(row)
                lines.append(start)
            start = reader.line_num + 1
    except csv.Error as error:
        raise ValueError(f'{path} line {start}: {error}; is a quote (") unbalanced there?') from None
    if not rows:
        raise ValueError(f"{path} is empty; it needs a header with a column 'formula', and a formula in each line")
    header, width = [name.strip() for name in rows[0]], len(rows[0])
    body, ragged = [], {}
    for number, row in enumerate(rows[1:]):
        if len(row) != width:
            ragged[number] = f"has {len(row)} cells where the header has {width}"
        elif any(_holds_lines(cell, width, separator) for cell in row):
            raise ValueError(
                f'{path} line {lines[number + 1]}: a cell holds several lines of the table; is a quote (") unbalanced '
                "there?"
            )
        body.append([*row, *[""] * width][:width])
    frame = _named(path, header, body)
    return RawTable(frame, path.name, lines[1:], "line", said, separator != ",", ragged=ragged)


def _holds_lines(cell: str, width: int, separator: str) -> bool:
    """Whether a cell holds lines of the table: several, or one in whose cells a formula stands."""
    if "\n" not in cell or separator not in cell:
        return False
    lines = [line.replace('"', "").split(separator) for line in cell.split("\n")[1:]]
    return len(lines) > 2 or any(len(line) == width and any(map(_is_formula, line)) for line in lines)


def _is_formula(cell: str) -> bool:
    try:
        parse([cell])
    except FormulaError:
        return False
    return True


def _named(path: Path, header: list[str], body: list[list[str]]) -> pd.DataFrame:
    """Cells under their names; a column without a name is left out if it only counts rows or is empty."""
    import pandas as pd

    twice = [name for name, n in Counter(filter(None, header)).items() if n > 1]
    if twice:
        raise _twice(path, twice)
    frame = pd.DataFrame(body, columns=pd.RangeIndex(len(header)), dtype=object)
    for place, name in enumerate(header):
        cells = {*frame[place]}
        if not name and cells - {""} and cells != {str(row) for row in range(len(body))}:
            raise ValueError(f"{path}: column {place + 1} has no name; give it one in the header line")
    kept = [place for place, name in enumerate(header) if name]
    return frame[kept].set_axis([header[place] for place in kept], axis=1)


def _twice(name: str | Path, columns: list[str]) -> ValueError:
    return ValueError(f"{name} has more than one column called {', '.join(map(repr, columns))}; rename all but one")


def _separator(text: str) -> str:
    """The separator that cuts the first lines into most cells, equally many in each."""
    # Lines as the reader of the table ends them: str.splitlines() also cuts at a form feed and at U+2028.
    lines = [line for line in re.split(r"\r\n|\r|\n", text) if line.strip()][:_SNIFFED]

    def score(separator: str) -> tuple[bool, int]:
        try:
            cut = list(csv.reader(lines, delimiter=separator))
        except csv.Error:  # the reader of the table says what is wrong, and where
            return False, 0
        widths = Counter(map(len, cut))
        width, often = widths.most_common(1)[0]
        return width > 1 and len(cut[0]) == width and 2 * often > widths.total(), width

    return max(_SEPARATORS, key=score)


def _json(path: Path, text: str, said: list[str]) -> RawTable:
    def distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        twice = [key for key, n in Counter(key for key, _ in pairs).items() if n > 1]
        if twice:
            raise ValueError(f"more than one {twice[0]!r} in one object")
        return dict(pairs)

    try:
        if path.suffix.lower() == ".jsonl":
            content = [json.loads(line, object_pairs_hook=distinct) for line in text.split("\n") if line.strip()]
        else:
            content = json.loads(text, object_pairs_hook=distinct)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not JSON: {error}") from None
    attributes: dict[str, Any] = {}
    if isinstance(content, dict):
        attributes = {key: content[key] for key in ("units", "energy_scheme") if key in content and "data" in content}
    if isinstance(content, dict) and "columns" in content and "data" in content:  # pandas' "split"
        try:
            if twice := [str(name) for name, n in Counter(content["columns"]).items() if n > 1]:
                raise _twice(path, twice)
            content = [dict(zip(content["columns"], row, strict=True)) for row in content["data"]]
        except (TypeError, ValueError) as error:
            raise ValueError(f"{path}: 'columns' and the rows of 'data' do not go together: {error}") from None
    elif isinstance(content, dict) and isinstance(content.get("data"), list):
        content = content["data"]
    if isinstance(content, list) and content and isinstance(content[0], dict) and "@class" in content[0]:
        raw = _of_list(entries.from_dicts(content), "formula", str(path))
        return RawTable(raw.frame, path.name, raw.lines, "row", [*said, *raw.said], False, raw.attributes, raw.ragged)
    rows = isinstance(content, list) and all(isinstance(row, dict) for row in content)
    columns = isinstance(content, dict) and all(isinstance(cells, list | dict) for cells in content.values())
    if not rows and not columns:
        raise ValueError(f"{path} holds no table; write a list of objects, or an object with a list for each column")
    frame = _frame(content, str(path)).reset_index(drop=True)
    return RawTable(frame, path.name, range(len(frame)), "row", said, attributes=attributes)


def _parquet(path: Path) -> RawTable:
    import pandas as pd

    try:
        import pyarrow  # noqa: F401
    except ImportError:
        raise ImportError("Parquet files need the extra 'tables': pip install 'matenv[tables]'") from None
    try:
        frame = pd.read_parquet(path)
    except Exception as error:
        raise ValueError(f"{path} is not a readable Parquet file ({error}); is it truncated?") from None
    raw = _of_frame(frame, "formula")
    raw.name = path.name
    return raw
