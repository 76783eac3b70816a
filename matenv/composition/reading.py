"""Compositions however people write them, checked at the door. Strings are parsed by pymatgen, and only here."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matenv import elements as alphabet
from matenv.composition.integers import MAX_ELEMENTS

if TYPE_CHECKING:
    from pymatgen.core import Composition


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
    check_width(dense, name)
    return np.ascontiguousarray(dense)


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


def check_width(x: NDArray, name: str = "counts") -> None:
    """Refuse amounts of any shape but (B, 89), by a ValueError that names the argument and its shape."""
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
