"""Formulas to atom fractions and back, by the exact rule and by the paper's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matenv.composition.batch import EXACT_MAX_ATOMS, EXACT_TOLERANCE, CompositionBatch
from matenv.composition.reading import amounts_of, check_width, listed, parse

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
        (near,) = CompositionBatch.from_fractions(amounts[[row]], EXACT_MAX_ATOMS).formulas()
        raise ValueError(
            f"formulas[{row}]={str(formulas[row])!r} has fractional amounts; write an integer formula, such as {near}"
        )
    return amounts.astype(np.int64)


@overload
def fractions(formulas: str | Composition) -> NDArray[np.float64]: ...
@overload
def fractions(formulas: Sequence[str | Composition] | NDArray) -> NDArray[np.float64]: ...
def fractions(formulas: str | Composition | Sequence[str | Composition] | NDArray) -> NDArray[np.float64]:
    """Atom fractions of one formula or of a list of formulas.

    Args:
        formulas: A formula string or pymatgen `Composition`, or a sequence or array of them.

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
    if isinstance(formulas, np.ndarray):
        formulas = formulas.tolist()
    single = isinstance(formulas, str) or not isinstance(formulas, Sequence)
    counts = parse([formulas] if single else formulas)  # type: ignore[list-item, arg-type]
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
        max_atoms: As `CompositionBatch.from_fractions`.
        tolerance: Likewise; as it stands, amounts are taken as exact.
        whole: Whether text must give whole amounts. These are kept, however many; otherwise text may give fractional
            amounts and is read as its amounts are.

    Returns:
        The packed batch, B = 1 for a single composition; a packed batch is returned as it is.

    Raises:
        ValueError: As `listed`, `parse`, `check_fractions` and, if `whole`, `integer_counts`.
    """
    if isinstance(X, CompositionBatch):
        return X
    if whole and isinstance(text := listed(X, name), list):
        return CompositionBatch.from_counts(integer_counts(text))
    return CompositionBatch.from_fractions(amounts_of(X, name), max_atoms, tolerance)


# `formula` is meant for exact fractions, so it looks further and tolerates less than the decoder's rule does.
def formula(
    fractions: ArrayLike, max_atoms: int = EXACT_MAX_ATOMS, tolerance: float = EXACT_TOLERANCE
) -> str | list[str]:
    """Reduced formula of composition vectors, spelled as pymatgen's `reduced_formula`.

    Args:
        fractions: Array (89,) or (B, 89) of amounts or atom fractions.
        max_atoms: Cap on atoms per formula unit.
        tolerance: Largest accepted change of an atom fraction by rounding; for noisy input use 1e-4 and 60 atoms.

    Returns:
        A string for a vector, a list of strings for a matrix.

    Raises:
        ValueError: As `check_fractions`.

    Examples:
        >>> formula(globals()["fractions"]("Li2Fe2P2O8"))
        'LiFePO4'
    """
    batch = CompositionBatch.from_fractions(fractions, max_atoms, tolerance)
    names = batch.formulas()
    return names[0] if np.ndim(fractions) == 1 else names


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
        ValueError: If `threshold` is outside (0, 1) or the shape is wrong.
    """
    if not 0 < threshold < 1:
        raise ValueError(f"threshold={threshold} must lie between 0 and 1")
    x = np.atleast_2d(np.asarray(fractions, dtype=np.float64))
    check_width(x, "fractions")
    counts = np.rint(np.where(x >= threshold, x / threshold, 0.0)).astype(np.int64)
    return counts // np.maximum(np.gcd.reduce(counts, axis=1), 1)[:, None]
