"""Energies of different schemes: how far apart they are, and an explicit, fitted step from one to the other."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from matenv import elements as alphabet
from matenv.checks import check_made
from matenv.data.dataset import Dataset
from matenv.data.embedded import load_dataset
from matenv.data.splits import uniform

LEAST_SHARED = 20
"""Fewest formulas that a conversion is fitted on."""

RIDGE = 0.01
"""Weight of the pull of an element's offset towards zero, in formulas."""

FOLDS = 5
"""Parts, by chemical system, that the residual is measured on."""

SAME = 0.02
"""eV/atom; mean absolute difference on shared formulas up to which two tables hold the same energies."""


def is_stated(scheme: str) -> bool:
    """Whether a scheme was named by somebody, and not made up for a table that names none."""
    return not scheme.startswith("file:") and scheme not in ("user", "none")


def shared(data: Dataset, reference: Dataset) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of the compounds that both tables have a formation energy of.

    Args:
        data: A table.
        reference: Another.

    Returns:
        Rows of `data` and the rows of the same formulas in `reference`.
    """
    place = reference.find(data.compositions)
    both = (place >= 0) & np.isfinite(data.formation_energy) & (data.compositions.size > 1)
    both &= np.isfinite(np.where(place >= 0, reference.formation_energy[place], np.nan))
    return np.flatnonzero(both), place[both]


def difference(data: Dataset, reference: Dataset) -> tuple[int, float]:
    """How many compounds two tables share, and the mean absolute difference of their formation energies [eV/atom]."""
    mine, theirs = shared(data, reference)
    if not len(mine):
        return 0, np.nan
    return len(mine), float(np.abs(data.formation_energy[mine] - reference.formation_energy[theirs]).mean())


def compare_with_embedded(data: Dataset) -> list[str]:
    """What the energies of a table are like beside the embedded ones, in words; empty without energies.

    Args:
        data: The table.
    """
    if not np.isfinite(data.formation_energy).any():
        return []
    table = load_dataset()
    number, apart = difference(data, table)
    words = f"energies: {number:,} formulas shared with {table.name} ({table.energy_scheme})"
    if not number:
        return [words]
    verdict = "the same energies" if apart <= SAME else "other energies, not to be mixed with them"
    return [f"{words}, mean absolute difference {apart:.4f} eV/atom: {verdict}"]


@dataclass(frozen=True)
class Conversion:
    """From one scheme's formation energies to another's: E' = E + sum of x_i d_i, with an offset d of each element.

    Attributes:
        source: The scheme converted from.
        target: The scheme converted to.
        offsets: d (89,) in eV per atom of the element; 0 where unknown.
        known: Elements (89,) that shared formulas hold.
        shared: Formulas fitted on.
        before: Mean absolute difference of the two tables on them, eV/atom.
        residual: The same after conversion, on chemical systems left out of the fit.
        worst: 95th percentile of that.
    """

    source: str
    target: str
    offsets: NDArray[np.float64]
    known: NDArray[np.bool_]
    shared: int
    before: float
    residual: float
    worst: float

    def __str__(self) -> str:
        return (
            f"{self.source} -> {self.target}: fitted on {self.shared:,} shared formulas; mean absolute difference "
            f"{self.before:.4f} eV/atom before, {self.residual:.4f} after "
            f"(left-out systems; 95 % below {self.worst:.4f})"
        )

    def apply(self, data: Dataset) -> Dataset:
        """Convert a table.

        Args:
            data: A table of the scheme `source`.

        Returns:
            The table with energies of the scheme `target`; NaN for formulas with an element the fit has not seen.

        Raises:
            ValueError: A table of another scheme.
        """
        check_made("data", data, Dataset, "load_dataset")
        if data.energy_scheme != self.source:
            raise ValueError(f"{data.name} holds energies {data.energy_scheme!r}; this converts from {self.source!r}")
        x = data.fractions
        shift = np.einsum("ij,j->i", x, self.offsets)
        energies = np.where(data.compositions.size > 1, data.formation_energy + shift, data.formation_energy)
        energies[(x[:, ~self.known] > 0).any(axis=1) & (data.compositions.size > 1)] = np.nan
        return replace(data, formation_energy=energies, energy_scheme=self.target)


def fit_conversion(data: Dataset, reference: Dataset) -> Conversion:
    """Fit the step from one table's energies to another's on the formulas they share.

    Args:
        data: The table to convert.
        reference: The table whose scheme is wanted.

    Returns:
        The conversion, with its residual: a scatter that no offset of elements removes stays in the converted energies.

    Raises:
        ValueError: Fewer than `LEAST_SHARED` shared formulas, or something else than tables.

    Examples:
        >>> from matenv.data import load_dataset
        >>> table = load_dataset()
        >>> mine = replace(table.subset(np.arange(500)), energy_scheme="mine", name="mine")
        >>> round(fit_conversion(mine, table).residual, 6)
        0.0
    """
    check_made("data", data, Dataset, "load_dataset")
    check_made("reference", reference, Dataset, "load_dataset")
    mine, theirs = shared(data, reference)
    if len(mine) < LEAST_SHARED:
        raise ValueError(
            f"{data.name} and {reference.name} share {len(mine)} formulas with energies; a conversion needs "
            f"{LEAST_SHARED}"
        )
    x = data.fractions[mine]
    apart = reference.formation_energy[theirs] - data.formation_energy[mine]
    fold = np.array([int(FOLDS * uniform(system.split("-"), "conversion")) for system in data.systems[mine].tolist()])
    left = np.concatenate(
        [apart[fold == k] - x[fold == k] @ _offsets(x[fold != k], apart[fold != k]) for k in range(FOLDS)]
    )
    return Conversion(
        data.energy_scheme, reference.energy_scheme, _offsets(x, apart), np.any(x > 0, axis=0), len(mine),
        float(np.abs(apart).mean()), float(np.abs(left).mean()), float(np.percentile(np.abs(left), 95)),
    )  # fmt: skip


def _offsets(x: NDArray, apart: NDArray) -> NDArray[np.float64]:
    return np.linalg.solve(x.T @ x + RIDGE * np.eye(alphabet.NUM_ELEMENTS), x.T @ apart)
