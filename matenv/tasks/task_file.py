"""Tasks from a file, YAML or TOML: ``task="my-task.yml"`` wherever a task's name would do (docs/tasks.md)."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Callable, Collection, Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_type_hints

from matenv import elements as alphabet
from matenv.checks import check_flag, check_listed, check_number, check_whole
from matenv.properties.learned import load_property
from matenv.properties.own import Property
from matenv.tasks.as_data import KINDS, PROPERTIES
from matenv.tasks.objectives import Objective, Window, limit, maximise, minimise, target
from matenv.tasks.plain_yaml import read_yaml
from matenv.tasks.stable_against import StableAgainst
from matenv.tasks.task import Task

SUFFIXES = (".yml", ".yaml", ".toml")
"""Files that tasks are read from."""

SHORT: dict[str, Callable[..., Objective]] = {"maximise": maximise, "minimise": minimise, "target": target}
"""Kinds of objectives that a function makes, beside the classes of `matenv.tasks.as_data.KINDS`."""

MORE = ("limits", "stable_against")
"""Keys beside the fields of `Task`: as in `matenv.load_task`."""

_TEXT = ("name", "description", "regime", "viability", "start")
_FLAGS = ("novel", "unseen")
_WHOLE = ("min_elements", "max_elements", "max_atoms", "max_count")
_LISTS = {
    "elements": "element symbols, such as [Li, Fe, O]",
    "exclude": "element symbols, such as [Pb, Hg]",
    "stable_against": "names, such as [Li, air]",
    "properties": "names of shipped properties or files of one's own, such as [runs/hardness]",
}


def is_task_file(task: Any) -> bool:
    """Whether something given as a task is the path of a file."""
    return isinstance(task, Path) or (isinstance(task, str) and Path(task).suffix.lower() in SUFFIXES)


def read_task(path: str | Path) -> Task:
    """Read a task from its file.

    Args:
        path: A file that ends in .yml, .yaml or .toml. Paths of properties in it count from its own folder.

    Returns:
        The task.

    Raises:
        FileNotFoundError: No such file, or no such file of a property.
        ValueError: Anything that is not as it should be; file, key and value are named.
        ImportError: A YAML file without PyYAML.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"task={str(path)!r} is no file of a task; it must end in {', '.join(SUFFIXES)}")
    if not path.is_file():
        raise FileNotFoundError(f"task={str(path)!r} does not exist; give a registered task, or the path of a file")
    try:
        return _task(_parsed(path), path)
    except (ValueError, FileNotFoundError) as error:
        raise type(error)(f"{path}: {error}") from None


def _task(given: Any, path: Path) -> Task:
    if not isinstance(given, Mapping):
        raise ValueError("must hold keys with values, such as 'objectives:'")
    _check_keys(given, [*(each.name for each in fields(Task)), *MORE], "")
    values = {"name": path.stem, "objectives": [], **given}
    values.setdefault("description", f"The task of {path.name}.")
    for key, value in values.items():
        if key in _TEXT and not isinstance(value, str):
            raise ValueError(f"{key}={value!r} must be text; put it in quotes")
        if key in _FLAGS:
            check_flag(key, value)
        elif key in _WHOLE:
            check_whole(key, value, "atoms" if key == "max_atoms" else "elements")
        elif key in ("success_utility", "min_fraction", "max_fraction", "valence_share"):
            check_number(key, value, 0, 1, "a number between 0 and 1")
        elif key in _LISTS:
            check_listed(key, value, _LISTS[key])
    if "require" in values:
        values["require"] = _required(values["require"])
    for part in ("objectives", "filters"):
        if part in values:
            values[part] = _objectives(part, values[part])
    filters = [*values.get("filters", ()), *_limits(values.pop("limits", {}))]
    values["filters"] = (*filters, *map(StableAgainst, values.pop("stable_against", ())))
    values["properties"] = tuple(_property(name, path.parent) for name in values.get("properties", ()))
    if values.get("elements") is not None:
        values["elements"] = tuple(values["elements"])
    named = {*(values.get("elements") or ()), *(each for entry in values.get("require", ()) for each in _listed(entry))}
    masked = (symbol for symbol in alphabet.MASKED_BY_DEFAULT if symbol not in named)
    values["exclude"] = tuple(dict.fromkeys((*masked, *values.get("exclude", ()))))
    return Task(**values)


def _listed(entry: str | tuple[str, ...]) -> Collection[str]:
    return entry.split("|") if isinstance(entry, str) else entry


def _required(value: Any) -> tuple[Any, ...]:
    entries = value if isinstance(value, list) else [value]
    for entry in entries:
        check_listed("require", entry if isinstance(entry, list) else [entry], "elements, such as [Li, 'F|Cl']")
    if not isinstance(value, list):
        raise ValueError(f"require={value!r} must be a list of elements, such as [Li, 'F|Cl']")
    return tuple(tuple(entry) if isinstance(entry, list) else entry for entry in value)


def _objectives(part: str, listed: Any) -> tuple[Objective, ...]:
    if not isinstance(listed, list):
        raise ValueError(
            f"{part}={listed!r} must be a list, such as [{{kind: Window, property: band_gap_pbe, low: 5}}]"
        )
    return tuple(_objective(f"{part}[{row}]", each) for row, each in enumerate(listed))


def _objective(where: str, given: Any) -> Objective:
    known = {kind.lower(): kind for kind in (*SHORT, *KINDS)}
    if not isinstance(given, Mapping) or "kind" not in given:
        raise ValueError(f"{where}={given!r} must have a kind: one of {', '.join((*SHORT, *KINDS))}")
    kind = known.get(str(given["kind"]).lower())
    if kind is None:
        raise ValueError(f"{where}.kind={given['kind']!r} is unknown; choose one of {', '.join((*SHORT, *KINDS))}")
    hints, needed = _arguments(kind)
    values = {key: value for key, value in given.items() if key != "kind"}
    _check_keys(values, hints, f"{where}.")
    if lacking := [key for key in needed if key not in values]:
        raise ValueError(f"{where} lacks {', '.join(lacking)}, which the kind {kind} needs")
    checked = {key: _fitting(f"{where}.{key}", value, hints[key]) for key, value in values.items()}
    if "property" in checked:
        checked["property_name"] = checked.pop("property")
    try:
        return (SHORT.get(kind) or KINDS[kind])(**checked)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def _arguments(kind: str) -> tuple[dict[str, Any], list[str]]:
    """Types by key of a kind of objective, and the keys that must be there; a property's name goes by ``property``."""
    if kind in SHORT:
        hints = get_type_hints(SHORT[kind])
        del hints["return"]
        needed = list(hints)
    else:
        every = [each for each in fields(KINDS[kind]) if each.init]
        hints = {each.name: get_type_hints(KINDS[kind])[each.name] for each in every}
        needed = [each.name for each in every if each.default is MISSING and each.default_factory is MISSING]
    named = {"property_name": "property"}
    return {named.get(key, key): hint for key, hint in hints.items()}, [named.get(key, key) for key in needed]


def _fitting(where: str, value: Any, hint: Any) -> Any:
    """A value of an objective as its type asks: a number, text, a pair of numbers, or numbers by name."""
    if value is None and NoneType in get_args(hint):
        return None
    if hint is str:
        if not isinstance(value, str):
            raise ValueError(f"{where}={value!r} must be text; put it in quotes")
        return value
    if hint in (float, float | None):
        return check_number(where, value, float("-inf"), float("inf"), "a number, such as 1.5")
    if isinstance(value, Mapping):
        return {str(key): _fitting(f"{where}.{key}", each, float) for key, each in value.items()}
    if not isinstance(value, list) or len(value) != 2:
        raise ValueError(f"{where}={value!r} must be a pair of numbers, such as [1.5, 0.0]")
    return tuple(_fitting(f"{where}[{k}]", each, float) for k, each in enumerate(value))


def _limits(limits: Any) -> list[Window]:
    if not isinstance(limits, Mapping):
        raise ValueError(f"limits={limits!r} must name properties, such as {{price: [null, 50]}}")
    windows = []
    for name, ends in limits.items():
        if isinstance(ends, Mapping):  # TOML has no null
            _check_keys(ends, ("low", "high"), f"limits.{name}.")
            ends = [ends.get("low"), ends.get("high")]
        if not isinstance(ends, list) or len(ends) != 2:
            raise ValueError(f"limits.{name}={ends!r} must be a pair, such as [null, 50], or {{high: 50}}")
        low, high = (_fitting(f"limits.{name}", end, float | None) for end in ends)
        windows.append(limit(f"limits.{name}={ends!r}", str(name), low, high))
    return windows


def _property(name: str, folder: Path) -> Property:
    if name in PROPERTIES:
        return PROPERTIES[name]
    file = folder / Path(name).expanduser()
    if not file.exists():
        raise FileNotFoundError(
            f"properties holds {name!r}: neither a shipped property ({', '.join(PROPERTIES)}) nor a file of one "
            f"({file}); make one by matenv predictor train --data, or mend the path"
        )
    return load_property(file)


def _check_keys(given: Mapping[Any, Any], known: Collection[str], before: str) -> None:
    for key in given:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            hint = f"did you mean {before}{near[0]}?" if near else f"known: {', '.join(known)}"
            raise ValueError(f"{before}{key}={given[key]!r} is an unknown key; {hint}")


def _parsed(path: Path) -> Any:
    try:
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix.lower() == ".toml":
            return tomllib.loads(text)
        return read_yaml(text)
    except UnicodeDecodeError as error:
        raise ValueError(f"is not UTF-8 text ({error}); save it as UTF-8") from None
    except ImportError:
        raise ImportError(
            f"{path}: YAML needs PyYAML (pip install 'matenv[agents]'); a .toml file needs none"
        ) from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ValueError(f"cannot be read as TOML: {error}") from None
