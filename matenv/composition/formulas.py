"""Formulas to atom fractions and back, by the exact rule and by the paper's."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, TypeAlias, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matenv.checks import check_share
from matenv.composition.batch import (
    EXACT_MAX_ATOMS,
    EXACT_TOLERANCE,
    LARGEST,
    MAX_ATOMS,
    TOLERANCE,
    CompositionBatch,
    check_packed,
    check_rounding,
)
from matenv.composition.integers import MOST_ATOMS, TRACE
from matenv.composition.packing import pack
from matenv.composition.reading import amounts_of, check_fractions, listed, parse

if TYPE_CHECKING:
    from pymatgen.core import Composition

Compositions: TypeAlias = "CompositionBatch | ArrayLike | str | Composition | Sequence[str | Composition]"
"""Ways of giving compositions: a packed batch, amounts (B, 89) or (89,), a formula, or a list of formulas."""

PAPER_THRESHOLD = 0.04
"""Threshold T of El-Awady (arXiv:2401.06779): fractions below it are dropped, the rest multiplied by 1/T = 25."""


def integer_counts(formulas: Sequence[str | Composition]) -> NDArray[np.int64]:
    """Atoms of each element in integer formulas, as written.

    Args:
        formulas: Formula strings or pymatgen `Composition` objects with whole amounts.

    Returns:
        Array (B, 89) int64.

    Raises:
        ValueError: As `parse`, and for a formula with fractional amounts.
    """
    amounts = parse(formulas)
    whole = (amounts == np.floor(amounts)).all(axis=1)
    if not whole.all():
        row = int(np.argmin(whole))
        scaled = next((near for k in range(1, 7) if _is_whole(near := amounts[row] * 10**k)), None)
        (name,) = ("Fe3O4",) if scaled is None else CompositionBatch.from_counts(np.rint(scaled)).formulas()
        raise ValueError(
            f"formulas[{row}]={str(formulas[row])!r} has fractional amounts; write an integer formula, such as {name}"
        )
    atoms = amounts.sum(axis=1)
    for row in np.flatnonzero(atoms > MOST_ATOMS).tolist():
        if atoms[row] > LARGEST or atoms[row] / np.gcd.reduce(amounts[row].astype(np.int64)) > MOST_ATOMS:
            raise ValueError(
                f"formulas[{row}]={str(formulas[row])[:60]!r} has {atoms[row]:,.0f} atoms; at most {MOST_ATOMS:,} per "
                "reduced formula unit are supported"
            )
    return amounts.astype(np.int64)


def _is_whole(amounts: NDArray[np.float64]) -> bool:
    return bool(np.allclose(amounts, np.rint(amounts), rtol=1e-9, atol=0) and amounts.sum() <= MOST_ATOMS)


@overload
def fractions(formulas: str | Composition) -> NDArray[np.float64]: ...
@overload
def fractions(formulas: Iterable[str | Composition]) -> NDArray[np.float64]: ...
def fractions(formulas: str | Composition | Iterable[str | Composition]) -> NDArray[np.float64]:
    """Atom fractions of one formula or of a list of formulas.

    Args:
        formulas: A formula string or pymatgen `Composition`, or a list, array or pandas Series of them.

    Returns:
        Array (89,) float64 that sums to 1 for a single formula, (B, 89) for a sequence; order `elements.SYMBOLS`.

    Raises:
        ValueError: As `parse`.

    Examples:
        >>> from matenv.elements import INDEX
        >>> x = fractions("Fe2O3")
        >>> float(x.sum()), float(x[INDEX["O"]])
        (1.0, 0.6)
    """
    single = isinstance(formulas, str) or hasattr(formulas, "reduced_formula")
    given = list(formulas) if isinstance(formulas, list | tuple) else listed(formulas, "formulas")
    if not isinstance(given, list) and len(given):
        raise ValueError("formulas holds numbers; give a formula such as 'LiFePO4' or a list of formulas")
    counts = parse(given) if isinstance(given, list) else given
    x = counts / counts.sum(axis=1, keepdims=True)
    return x[0] if single else x


def read(
    X: Compositions,
    name: str = "X",
    max_atoms: int = EXACT_MAX_ATOMS,
    tolerance: float = EXACT_TOLERANCE,
    whole: bool = False,
) -> CompositionBatch:
    """The integer formulas of compositions however they are written.

    Args:
        X: Compositions.
        name: What to call the argument in an error.
        max_atoms: As `CompositionBatch.from_fractions`; whole amounts are kept, however many.
        tolerance: Likewise; as it stands, amounts are taken as exact.
        whole: Whether text must give whole amounts. These are kept, however many; otherwise text may give fractional
            amounts and is read as its amounts are.

    Returns:
        The packed batch, B = 1 for a single composition; a packed batch is returned as it is.

    Raises:
        ValueError: As `listed`, `parse`, `check_fractions`, `check_packed` and, if `whole`, `integer_counts`.
    """
    if isinstance(X, CompositionBatch):
        check_packed(name, X)
        return X
    if whole and isinstance(text := listed(X, name), list):
        return CompositionBatch.from_counts(integer_counts(text))
    batch, deviation = nearest_formulas(X, max_atoms, tolerance, name)
    _say_rounded(batch, deviation, tolerance, name)
    return batch


class RoundingWarning(UserWarning):
    """Amounts that are no formula within the tolerance were read as the nearest one."""


def read_noisy(X: Compositions, name: str = "X") -> tuple[CompositionBatch, NDArray[np.float64]]:  # noqa: N803
    """The integer formulas of compositions, text exactly and amounts as a decoder or a mixture gives them.

    Amounts stand for the smallest formula of at most `MAX_ATOMS` atoms within `TOLERANCE`, else of at most
    `EXACT_MAX_ATOMS` within `EXACT_TOLERANCE`, else for the nearest of the former, and a `RoundingWarning` says so.

    Args:
        X: Compositions; text with whole amounts.
        name: What to call the argument in an error.

    Returns:
        The packed batch, and the largest change of an atom fraction by rounding (B,).

    Raises:
        ValueError: As `read`.
    """
    if isinstance(X, CompositionBatch):
        check_packed(name, X)
        return X, np.zeros(len(X))
    given = listed(X, name)
    if isinstance(given, list):
        batch = CompositionBatch.from_counts(integer_counts(given))
        return batch, np.zeros(len(batch))
    elements, amounts, _ = pack(given, name)
    batch, deviation = CompositionBatch.nearest(elements, amounts, MAX_ATOMS, TOLERANCE)
    # Exact fractions of a formula of more than 60 atoms are not those of a small one nearby.
    far = np.flatnonzero(deviation > TOLERANCE)
    if len(far):
        large, change = CompositionBatch.nearest(elements[far], amounts[far], EXACT_MAX_ATOMS, EXACT_TOLERANCE)
        found = change <= EXACT_TOLERANCE
        rows = far[found]
        batch.elements[rows], batch.counts[rows], batch.size[rows] = (part[found] for part in large.arrays)
        deviation[rows] = change[found]
        _say_rounded(batch, deviation, TOLERANCE, name)
    return batch, deviation


def _say_rounded(batch: CompositionBatch, deviation: NDArray[np.float64], tolerance: float, name: str) -> None:
    if deviation.max(initial=0.0) > tolerance * (1 + 1e-9):
        row = int(deviation.argmax())
        (formula,) = batch[row : row + 1].formulas()
        many = np.count_nonzero(deviation > tolerance)
        warnings.warn(
            f"{name} row {row} is no formula within {tolerance:g} and is read as {formula}, whose fractions differ "
            f"by up to {deviation[row]:.2g} ({many} of {len(batch)} rows); give the formula that is meant",
            RoundingWarning,
            stacklevel=4,
        )


# `formula` is meant for exact fractions, so it looks further and tolerates less than the decoder's rule does.
def formula(
    fractions: ArrayLike, max_atoms: int = EXACT_MAX_ATOMS, tolerance: float = EXACT_TOLERANCE
) -> str | list[str]:
    """Reduced formula of composition vectors, spelled as pymatgen's `reduced_formula`.

    Args:
        fractions: Array (89,) or (B, 89) of amounts or atom fractions.
        max_atoms: Cap on atoms per formula unit.
        tolerance: Largest accepted change of an atom fraction by rounding; for noisy input use 1e-4 and 60 atoms, for
            any input `CompositionBatch.from_fractions`, which takes the nearest formula where none is within it.

    Returns:
        A string for a vector, a list of strings for a matrix.

    Raises:
        ValueError: As `check_fractions`; no formula of at most `max_atoms` atoms is within `tolerance`.

    Examples:
        >>> formula(globals()["fractions"]("Li2Fe2P2O8"))
        'LiFePO4'
    """
    if isinstance(listed(fractions, "fractions"), list):
        raise ValueError(f"fractions={str(fractions)[:60]} holds formulas; expected amounts (B, 89)")
    batch, deviation = nearest_formulas(fractions, max_atoms, tolerance, "fractions")
    names = batch.formulas()
    if deviation.max(initial=0.0) > tolerance * (1 + 1e-9):
        row = int(deviation.argmax())
        raise ValueError(
            f"fractions row {row} is no formula of at most {max_atoms} atoms within tolerance={tolerance:g}: the "
            f"nearest, {names[row]}, differs by {deviation[row]:.2g}; raise max_atoms or tolerance"
        )
    x = amounts_of(fractions, "fractions")
    lost = np.count_nonzero(x > TRACE * x.sum(axis=1, keepdims=True), axis=1) > batch.size
    if lost.any():
        row = int(lost.argmax())
        raise ValueError(
            f"fractions row {row} loses an element in {names[row]}, the nearest formula of at most {max_atoms} atoms; "
            "raise max_atoms, or set so small an amount to 0"
        )
    return names[0] if len(names) == 1 and np.ndim(fractions) == 1 else names


def nearest_formulas(
    X: Compositions, max_atoms: int = EXACT_MAX_ATOMS, tolerance: float = EXACT_TOLERANCE, name: str = "X"
) -> tuple[CompositionBatch, NDArray[np.float64]]:
    """Integer formulas of compositions however they are written, and the largest change of a fraction in each (B,).

    Args:
        X: Compositions; text is read as its amounts are.
        max_atoms: As `CompositionBatch.from_fractions`; whole amounts are kept, however many.
        tolerance: Likewise.
        name: What to call the argument in an error.

    Returns:
        The packed batch, and 0 where the formula is exact.

    Raises:
        ValueError: As `listed`, `parse` and `check_fractions`.
    """
    check_rounding(max_atoms, tolerance)
    elements, amounts, _ = pack(amounts_of(X, name), name)
    return CompositionBatch.nearest(elements, amounts, max_atoms, tolerance)


def threshold_counts(fractions: ArrayLike, threshold: float = PAPER_THRESHOLD) -> NDArray[np.int64]:
    """Integer counts by the rule of El-Awady (arXiv:2401.06779): threshold, multiply by 1/T, round, reduce.

    The paper does not say how it rounds; here to the nearest integer, halves to even, as Python does. Kept for
    comparison: it returns the right formula for only 29.0 % of the embedded table's own fraction vectors (16.2 % with
    halves rounded up, 42.7 % rounded down).

    Args:
        fractions: Array (B, 89) or (89,) of non-negative amounts.
        threshold: T; entries below it are dropped.

    Returns:
        Counts (B, 89) int64; a row of zeros where nothing reaches the threshold.

    Raises:
        ValueError: If `threshold` is below 1e-6 or at least 1, or as `check_fractions`.
    """
    if check_share("threshold", threshold) < 1 / MOST_ATOMS:
        raise ValueError(f"threshold={threshold} must lie between {1 / MOST_ATOMS:g} and 1")
    x = listed(fractions, "fractions")
    assert not isinstance(x, list)
    check_fractions(x, "fractions")
    counts = np.rint(np.where(x >= threshold, x / threshold, 0.0)).astype(np.int64)
    return counts // np.maximum(np.gcd.reduce(counts, axis=1), 1)[:, None]
