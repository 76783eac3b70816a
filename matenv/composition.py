"""Compositions: formula <-> integer counts <-> atom fractions over the 89-element alphabet.

Two layouts are used. *Dense*: an array (B, 89) in alphabet order, what users see. *Packed*: `CompositionBatch`, which
lists only the elements present, what the hot path computes with. Strings are parsed by pymatgen, and only here.

May import: `matenv.elements`, `matenv.rational`, `matenv.spelling`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matenv import elements as alphabet
from matenv.rational import MAX_ELEMENTS, smallest_counts
from matenv.spelling import spell

if TYPE_CHECKING:
    from pymatgen.core import Composition

PAPER_THRESHOLD = 0.04
"""Threshold T of El-Awady (arXiv:2401.06779): fractions below it are dropped, the rest multiplied by 1/T = 25."""

MAX_ATOMS = 60
"""Default cap on atoms per formula unit when a noisy composition is turned into integers."""

TOLERANCE = 1e-4
"""Default largest deviation of a fraction. Formulas of at most 60 atoms differ by >= 1/3600: none is confused."""


@dataclass(frozen=True)
class CompositionBatch:
    """A batch of integer compositions, reduced and packed: only the elements present are listed.

    Attributes:
        elements: Alphabet positions (B, 10) int16, ascending within a row, padded with -1.
        counts: Atoms per reduced formula unit (B, 10) int32, padded with 0; a row's counts have no common divisor.
        size: Number of elements in each row (B,) int16; 0 marks an empty composition.
    """

    elements: NDArray[np.int16]
    counts: NDArray[np.int32]
    size: NDArray[np.int16]

    def __len__(self) -> int:
        return len(self.size)

    def __getitem__(self, rows: NDArray | slice) -> CompositionBatch:
        return CompositionBatch(self.elements[rows], self.counts[rows], self.size[rows])

    @cached_property
    def atoms(self) -> NDArray[np.int64]:
        """Atoms per reduced formula unit (B,)."""
        return self.counts.sum(axis=1, dtype=np.int64)

    @cached_property
    def amounts(self) -> NDArray[np.float64]:
        """Atom fractions of the listed elements (B, 10), padded with 0; rows sum to 1 (0 if empty)."""
        return self.counts / np.maximum(self.atoms, 1)[:, None]

    def dense_counts(self) -> NDArray[np.int32]:
        """Counts over the whole alphabet (B, 89) int32."""
        return self.scatter(self.counts)

    def fractions(self) -> NDArray[np.float64]:
        """Atom fractions over the whole alphabet (B, 89) float64; rows sum to 1 (0 if empty)."""
        return self.scatter(self.amounts)

    def formulas(self) -> list[str]:
        """Reduced formulas, spelled as pymatgen's `reduced_formula`; "" for an empty composition."""
        return spell(self.elements, self.counts, self.size)

    @classmethod
    def concatenate(cls, batches: Sequence[CompositionBatch]) -> CompositionBatch:
        """Several batches, at least one, as one."""
        parts = zip(*((batch.elements, batch.counts, batch.size) for batch in batches), strict=True)
        return cls(*map(np.concatenate, parts))

    def scatter(self, values: NDArray, elsewhere: float = 0) -> NDArray:
        """Spread values of the listed elements (B, 10) over the alphabet (B, 89), with one value for all others."""
        dense = np.full((len(self), alphabet.NUM_ELEMENTS + 1), elsewhere, values.dtype)
        np.put_along_axis(dense, self.elements.astype(np.int64), values, axis=1)  # padding lands in the last column
        return np.ascontiguousarray(dense[:, :-1])

    @classmethod
    def from_counts(cls, counts: ArrayLike) -> CompositionBatch:
        """Pack and reduce dense integer counts.

        Args:
            counts: Array (B, 89) of non-negative integers with at most 10 non-zero entries a row.

        Returns:
            The packed batch.

        Raises:
            ValueError: If the width is not 89, an entry is negative or not an integer, or a row has > 10 elements.
        """
        dense = np.atleast_2d(np.asarray(counts))
        _check_width(dense)
        if not np.all(np.isfinite(dense)) or np.any(dense < 0) or np.any(dense != np.floor(dense)):
            row = int(np.argmax(~(np.isfinite(dense) & (dense >= 0) & (dense == np.floor(dense))).all(axis=1)))
            raise ValueError(f"counts row {row} must hold non-negative integers")
        size = np.count_nonzero(dense, axis=1)
        if size.max(initial=0) > MAX_ELEMENTS:
            row = int(size.argmax())
            raise ValueError(f"counts row {row} has {size[row]} elements; at most {MAX_ELEMENTS} are supported")
        # Stable sort of "absent" brings the elements present to the front in ascending order.
        order = np.argsort(dense == 0, axis=1, kind="stable")[:, :MAX_ELEMENTS]
        packed = np.take_along_axis(dense, order, axis=1).astype(np.int64)
        divisor = np.gcd.reduce(packed, axis=1)
        packed //= np.maximum(divisor, 1)[:, None]
        present = packed > 0
        return cls(
            np.where(present, order, -1).astype(np.int16), packed.astype(np.int32), present.sum(axis=1).astype(np.int16)
        )

    @classmethod
    def from_fractions(
        cls, fractions: ArrayLike, max_atoms: int = MAX_ATOMS, tolerance: float = TOLERANCE
    ) -> CompositionBatch:
        """The integer formula of each fraction vector, by the smallest-total rule.

        For each row the smallest number of atoms N <= `max_atoms` is taken for which rounding N x to integers changes
        no fraction by more than `tolerance`; if none qualifies, the N with the smallest change.

        Args:
            fractions: Array (B, 89) or (89,), non-negative; rows are normalised to sum to 1.
            max_atoms: Cap on atoms per formula unit.
            tolerance: Largest accepted change of an atom fraction.

        Returns:
            The packed batch; exact for fractions of formulas up to `max_atoms` atoms at the default tolerance.

        Raises:
            ValueError: If a row holds NaN, infinite or negative values, sums to zero, or has > 10 elements.
        """
        if max_atoms < 1:
            raise ValueError(f"max_atoms={max_atoms} must be at least 1")
        if not tolerance > 0:
            raise ValueError(f"tolerance={tolerance} must be positive")
        x = check_fractions(fractions)
        elements, counts, size = smallest_counts(x, max_atoms, tolerance)
        return cls(elements, counts, size)


def listed(x: Any, name: str = "X") -> list[str | Composition] | NDArray[np.float64]:
    """Compositions however they are written, as a list of formulas or as rows of amounts.

    Args:
        x: A formula (a string or pymatgen `Composition`), a list, tuple or array of formulas, or amounts (B, 89) or
            (89,). An empty list is an empty batch.
        name: What to call the argument in an error.

    Returns:
        Formulas as given, or amounts (B, 89) float64, C-contiguous, their values unchecked.

    Raises:
        ValueError: Something else, or an array of another width.
    """
    if isinstance(x, str) or hasattr(x, "reduced_formula"):
        return [x]
    if isinstance(x, np.ndarray) and x.dtype.kind in "UO":
        x = x.ravel().tolist() if x.ndim < 2 else x.tolist()
    if isinstance(x, Sequence) and len(x) and (isinstance(x[0], str) or hasattr(x[0], "reduced_formula")):
        return list(x)
    try:
        dense = np.asarray(x, dtype=np.float64)
    except (TypeError, ValueError):
        dense = None
    if dense is None or x is None or isinstance(x, str | bytes):
        raise ValueError(
            f"{name}={str(x)[:60]!r} ({type(x).__name__}) is not understood; give a formula such as 'LiFePO4', a list "
            "of formulas, or fractions (B, 89)"
        )
    if dense.shape == (0,):
        return np.zeros((0, alphabet.NUM_ELEMENTS))
    dense = dense[None] if dense.ndim == 1 else dense
    _check_width(dense, name)
    return np.ascontiguousarray(dense)


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
            "holds NaN or infinite values" if not np.isfinite(total[row])
            else "holds a negative amount" if x[row].min() < 0
            else "sums to zero; a composition needs at least one element"
        )  # fmt: skip
        raise ValueError(f"{name} row {row} {why}")
    size = np.count_nonzero(x, axis=1)
    if size.max(initial=0) > MAX_ELEMENTS:
        row = int(size.argmax())
        raise ValueError(f"{name} row {row} has {size[row]} elements; at most {MAX_ELEMENTS} are supported")
    return np.ascontiguousarray(x / total[:, None])


def _check_width(x: NDArray, name: str = "counts") -> None:
    if x.ndim != 2 or x.shape[1] != alphabet.NUM_ELEMENTS:
        raise ValueError(
            f"{name} has shape {x.shape}; expected (B, 89), one column per symbol of matenv.elements.SYMBOLS"
        )


def parse(formulas: Iterable[str | Composition]) -> NDArray[np.float64]:
    """Amounts of each element in a list of formulas, as written (not reduced).

    Args:
        formulas: Formula strings, such as ``"LiFePO4"`` or ``"Pb1.75Ag0.5GeS4"``, or pymatgen `Composition` objects.

    Returns:
        Array (B, 89) float64 of atoms per formula as written.

    Raises:
        ValueError: Empty or unreadable formula, unknown element, an element outside the 89, or an amount that is
            negative, zero or NaN. The message quotes the formula and the culprit.
    """
    from pymatgen.core import Composition, Species

    rows = list(formulas)
    counts = np.zeros((len(rows), alphabet.NUM_ELEMENTS))
    for row, formula in enumerate(rows):
        if isinstance(formula, str):
            if not formula.strip():
                raise ValueError(f"formula {row} is empty; write it like 'LiFePO4'")
            try:
                amounts = Composition(formula, strict=True)
            except Exception as error:
                raise ValueError(f"formula {formula!r} cannot be read: {error}") from None
        elif isinstance(formula, Composition):
            amounts = formula
        else:
            raise ValueError(
                f"formula {row} is a {type(formula).__name__}; expected a string or a pymatgen Composition"
            )
        if not len(amounts):
            raise ValueError(f"formula {formula!r} holds no element")
        for key, amount in amounts.items():
            symbol = key.symbol if not isinstance(key, Species) else key.element.symbol
            symbol = "H" if symbol in ("D", "T") else symbol
            if symbol not in alphabet.INDEX:
                raise ValueError(
                    f"formula {formula!r} holds {symbol}, which is outside matenv's 89 elements "
                    "(H..Pu without Po, At, Rn, Fr, Ra)"
                )
            if not (amount > 0 and math.isfinite(amount)):
                raise ValueError(
                    f"formula {formula!r} has an amount of {amount} for {symbol}; amounts must be positive"
                )
            counts[row, alphabet.INDEX[symbol]] += amount
    return counts


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
        (near,) = CompositionBatch.from_fractions(amounts[[row]], max_atoms=1000).formulas()
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
        >>> x = fractions("Fe2O3")
        >>> float(x.sum()), float(x[alphabet.INDEX["O"]])
        (1.0, 0.6)
    """
    if isinstance(formulas, np.ndarray):
        formulas = formulas.tolist()
    single = isinstance(formulas, str) or not isinstance(formulas, Sequence)
    counts = parse([formulas] if single else formulas)  # type: ignore[list-item, arg-type]
    x = counts / counts.sum(axis=1, keepdims=True)
    return x[0] if single else x


# `formula` is meant for exact fractions, so it looks further and tolerates less than the decoder's rule does.
_EXACT_MAX_ATOMS = 1000
_EXACT_TOLERANCE = 2e-7


def formula(
    fractions: ArrayLike, max_atoms: int = _EXACT_MAX_ATOMS, tolerance: float = _EXACT_TOLERANCE
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
    _check_width(x, "fractions")
    counts = np.rint(np.where(x >= threshold, x / threshold, 0.0)).astype(np.int64)
    return counts // np.maximum(np.gcd.reduce(counts, axis=1), 1)[:, None]
