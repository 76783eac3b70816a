"""Compositions however people write them, checked at the door. Strings are parsed by pymatgen, and only here."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matenv import elements as alphabet
from matenv.checks import check_unmasked
from matenv.composition.integers import MAX_ELEMENTS, TRACE
from matenv.composition.pasted import parts_of

if TYPE_CHECKING:
    from pymatgen.core import Composition

NAMED = 5
"""Formulas that an error names."""

LONGEST = 60
"""Letters of a formula that an error quotes."""

_SYMBOL = re.compile("[A-Z][a-z]?")


def listed(x: Any, name: str = "X") -> list[str | Composition] | NDArray[np.float64]:
    """Compositions however they are written, as a list of formulas or as rows of amounts.

    Args:
        x: A formula (a string or pymatgen `Composition`), a list, array, or pandas Series or Index of
            formulas, or amounts (B, 89) or (89,) as an array, a table or a tensor. Nothing listed is an empty batch.
        name: What to call the argument in an error.

    Returns:
        Formulas as given, or amounts (B, 89) float64, C-contiguous, their values unchecked.

    Raises:
        ValueError: Something else, complex or masked amounts, or an array of another width.
    """
    if isinstance(x, str) or hasattr(x, "reduced_formula"):
        return [x]
    if isinstance(x, Sequence) and len(x) and not isinstance(x, bytes):
        if _is_formula(x[0]):
            return list(x)
        if any(map(_is_formula, x)):  # numpy would turn the rest into text
            _refuse(x, name)
    dense = numbers(x, name)
    if dense.dtype.kind in "OU":
        return dense.ravel().tolist() if dense.ndim < 2 else _refuse(x, name)
    if dense.shape == (0,):
        return np.zeros((0, alphabet.NUM_ELEMENTS))
    dense = dense[None] if dense.ndim == 1 else dense
    check_width(dense, name)
    return np.ascontiguousarray(dense)


def numbers(x: Any, name: str) -> NDArray:
    """Amounts as float64, or as they are where they are no numbers but may be formulas (dtype object or text)."""
    if x is None or isinstance(x, bytes | Mapping | Set | Iterator):
        _refuse(x, name)
    check_unmasked(name, x)
    try:
        array = np.asarray(x)
    except (TypeError, ValueError, RuntimeError) as error:  # a ragged list; a tensor with a gradient, or on a GPU
        if hasattr(x, "detach"):
            raise ValueError(f"{name} is a tensor that numpy cannot read; give {name}.detach().cpu()") from None
        _refuse(x, name, error)
    if array.ndim == 0 and not (array.size and _is_formula(array.item())):
        _refuse(x, name)
    if array.dtype.kind in "biuf":
        return array.astype(np.float64, copy=False)
    if array.dtype.kind == "c":
        raise ValueError(f"{name} is complex ({array.dtype}); amounts are real: give its real part")
    if array.dtype.kind not in "OU":
        _refuse(x, name)
    if array.dtype.kind == "O" and array.size and not any(_is_formula(value) for value in array.flat):
        if any(isinstance(value, complex | np.complexfloating) for value in array.flat):
            raise ValueError(f"{name} holds complex numbers; amounts are real: give their real part")
        try:
            return array.astype(np.float64)
        except (TypeError, ValueError) as error:
            _refuse(x, name, error)
    return array


def _is_formula(value: Any) -> bool:
    return isinstance(value, str) or hasattr(value, "reduced_formula")


def _refuse(x: Any, name: str, error: Exception | None = None) -> NoReturn:
    raise ValueError(
        f"{name}={str(x)[:60]!r} ({type(x).__name__}) is not understood; give a formula such as 'LiFePO4', a list "
        "of formulas, or fractions (B, 89)"
    ) from error


def amounts_of(x: Any, name: str = "X") -> NDArray[np.float64]:
    """Amounts (B, 89) of compositions however they are written, their values unchecked where they come as numbers.

    Args:
        x: As `listed`.
        name: As `listed`.

    Raises:
        ValueError: As `listed` and `parse`.
    """
    given = listed(x, name)
    return parse(given) if isinstance(given, list) else given


def check_fractions(fractions: ArrayLike, name: str = "fractions") -> NDArray[np.float64]:
    """Check composition vectors at the door and normalise them.

    Args:
        fractions: Array (B, 89) or (89,) of non-negative amounts.
        name: What to call the argument in an error.

    Returns:
        Array (B, 89) float64 whose rows sum to 1.

    Raises:
        ValueError: Wrong width; NaN, infinite or negative entry; zero sum; more than 10 elements. The row is named.
    """
    x = listed(fractions, name)
    if isinstance(x, list):
        raise ValueError(f"{name}={str(x)[:60]} holds formulas; expected amounts (B, 89): read it by matenv.fractions")
    total = x.sum(axis=1)
    good = np.isfinite(total) & (x.min(axis=1) >= 0) & (total > 0)
    if not good.all():
        row = int(np.argmin(good))
        why = (
            "holds NaN or infinite values" if not np.isfinite(x[row]).all()
            else "holds amounts too large to add up" if not np.isfinite(total[row])
            else "holds a negative amount" if x[row].min() < 0
            else "sums to zero; a composition needs at least one element"
        )  # fmt: skip
        raise ValueError(f"{name} row {row} {why}")
    shares = np.ascontiguousarray(x / total[:, None])
    trace = (shares > 0) & (shares <= TRACE)
    if trace.any():
        shares[trace] = 0.0
        shares /= shares.sum(axis=1, keepdims=True)
    size = np.count_nonzero(shares, axis=1)
    if size.max(initial=0) > MAX_ELEMENTS:
        row = int(size.argmax())
        raise ValueError(f"{name} row {row} has {size[row]} elements; at most {MAX_ELEMENTS} are supported")
    return shares


def check_width(x: NDArray, name: str = "counts") -> None:
    """Refuse amounts of any shape but (B, 89), by a ValueError that names the argument and its shape."""
    if x.ndim != 2 or x.shape[1] != alphabet.NUM_ELEMENTS:
        raise ValueError(
            f"{name} has shape {x.shape}; expected (B, 89), one column per symbol of matenv.elements.SYMBOLS"
        )


class FormulaError(ValueError):
    """Formulas that cannot be read.

    Attributes:
        rows: Their row numbers, ascending: all others can be read.
    """

    def __init__(self, message: str, rows: Sequence[int] = (0,)) -> None:
        super().__init__(message)
        self.rows = list(rows)


def parse(formulas: Iterable[str | Composition]) -> NDArray[np.float64]:
    """Amounts of each element in a list of formulas, as written (not reduced).

    Args:
        formulas: Formula strings, such as ``"LiFePO4"``, ``"Pb1.75Ag0.5GeS4"``, ``"Fe₂O₃"`` or ``"CuSO4·5H2O"``, or
            pymatgen `Composition` objects.

    Returns:
        Array (B, 89) float64 of atoms per formula as written.

    Raises:
        FormulaError: A formula that is empty or unreadable, has an element outside the 89, an isotope, a charge, or an
            amount that is not positive. The message quotes the first formula and the culprit and counts the others;
            `rows` lists them all.
    """
    rows = list(formulas)
    counts = np.zeros((len(rows), alphabet.NUM_ELEMENTS))
    bad: dict[int, str] = {}
    for row, formula in enumerate(rows):
        try:
            _parse(formula, row, counts[row])
        except FormulaError as error:
            bad[row] = str(error)
    if bad:
        first, more = next(iter(bad)), len(bad) - 1
        where = f"row {first}: " if len(rows) > 1 else ""
        others = ", ".join(f"row {row} {str(rows[row])[:30]!r}" for row in list(bad)[1:NAMED])
        tail = f"; {more} more cannot be read: {others}{', ...' if more >= NAMED else ''}" if more else ""
        raise FormulaError(f"{where}{bad[first]}{tail}", list(bad))
    return counts


def _parse(formula: Any, row: int, counts: NDArray[np.float64]) -> None:
    """Add the amounts (89,) of one formula."""
    from pymatgen.core import Composition, Species

    if not isinstance(formula, str | Composition):
        raise FormulaError(
            f"formula {row} is {str(formula)[:30]!r} ({type(formula).__name__}); expected a string or a pymatgen "
            "Composition"
        )
    said = f"formula {str(formula)[:LONGEST]!r}"
    if isinstance(formula, str) and not formula.strip():
        raise FormulaError(f"formula {row} is empty; write it like 'LiFePO4'")
    try:
        parts = parts_of(formula) if isinstance(formula, str) else [(1.0, formula)]
    except ValueError as error:
        raise FormulaError(f"{said} cannot be read: {error}") from None
    try:
        read = [(factor, Composition(part, strict=True)) for factor, part in parts]
    except Exception as error:  # pymatgen raises many kinds
        raise FormulaError(f"{said} cannot be read: {_why(str(formula), error)}") from None
    for (factor, amounts), (_, part) in zip(read, parts, strict=True):
        if not len(amounts):
            raise FormulaError(f"{said} holds no element")
        if isinstance(part, str) and (lost := {*_SYMBOL.findall(part)} - {each.symbol for each in amounts.elements}):
            raise FormulaError(f"{said} has an amount of {min(lost)} that is too small to be read; leave it out")
        for key, each in amounts.items():
            element, amount = key.element if isinstance(key, Species) else key, factor * each
            symbol = element.symbol
            if getattr(element, "name", symbol) in ("D", "T"):
                raise FormulaError(f"{said} holds the isotope {element.name}; matenv knows elements only: write H")
            if symbol not in alphabet.INDEX:
                raise FormulaError(
                    f"{said} holds {symbol}, which is outside matenv's 89 elements (H..Pu without Po, At, Rn, Fr, Ra)"
                )
            if not (amount > 0 and math.isfinite(amount)):
                raise FormulaError(f"{said} has an amount of {amount} for {symbol}; amounts must be positive")
            counts[alphabet.INDEX[symbol]] += amount


def _why(text: str, error: Exception) -> str:
    """What is wrong with a formula, in pymatgen's words where there are no better ones."""
    from pymatgen.core import Element

    words = str(error)[:200].strip()
    if words.endswith(rest := " is an invalid formula!"):
        words = f"{words.removesuffix(rest).strip()!r} is not understood"
    if strange := [symbol for symbol in _SYMBOL.findall(text) if not Element.is_valid_symbol(symbol)]:
        words = f"{strange[0]!r} is no element"
    if text.lstrip()[:1].isdigit():
        words = "a number stands before it; leave that out, a formula is one formula unit"
    if text in (text.lower(), text.upper()):
        words += "; a symbol is a capital and perhaps a small letter: 'Fe2O3', not 'FE2O3' or 'fe2o3'"
    return words
