"""How gradually formulas and predicted properties change along straight lines through a latent space.

Lines run between the encodings of random pairs of training rows, `LINE_POINTS` points on each. Coordinates are
whitened, so a unit is one standard deviation of the training rows. Spaces of different dimension have lines of
different length, so changes are given per unit *and* as detours, which do not depend on units. Definitions, medians
over lines:

- *change per unit*: changes from point to point added up, over the length of the line: L1 distance of atom fractions,
  and magnitude of the predicted property (formation energy, eV/atom);
- *detour*: the same over the change between the two ends: 1 if it goes straight over. For the property, lines whose
  ends differ by less than 0.1 eV/atom are left out;
- *largest jump*: the largest change between neighbouring points, a two-hundredth of the line apart;
- *formulas per line*: stretches of one formula.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from matenv import elements as alphabet
from matenv.composition import CompositionBatch
from matenv.data import Dataset
from matenv.latent import LatentSpace
from matenv.latent.evaluation.evaluate import LINE_POINTS, LINES, lines

LEAST_DIFFERENCE = 0.1
"""eV/atom by which the ends of a line must differ for a property detour."""


class Predicts(Protocol):
    """What is asked of a predictor."""

    def predict(self, X: CompositionBatch) -> dict[str, tuple[NDArray, NDArray]]:  # noqa: N803
        """Mean and standard deviation (B,) of each property."""
        ...


def smoothness(
    space: LatentSpace, data: Dataset, predictor: Predicts, property: str = "formation_energy", seed: int = 0
) -> dict[str, float]:
    """Measure the lines of a space.

    Args:
        space: The latent space.
        data: The table whose training rows the lines run between.
        predictor: Predicts the property of a formula.
        property: Which property.
        seed: Seed of the pairs.

    Returns:
        The metrics that this module's docstring defines, and ``line_length`` in whitened units.
    """
    codes = space.encode(data.compositions[data.split("system").train])
    points = lines(codes, seed)
    batch = space.decode_batch(points.reshape(-1, space.dim))
    # A point without an element, or with a noble gas, has no prediction: it counts for the formula only.
    named = (batch.size > 0) & ~np.isin(batch.elements, [alphabet.INDEX[symbol] for symbol in alphabet.ABSENT]).any(1)
    x = batch.fractions().reshape(LINES, LINE_POINTS, -1)
    values = np.full(len(batch), np.nan)
    values[named] = predictor.predict(batch[named])[property][0]
    energy = values.reshape(LINES, LINE_POINTS)
    length = np.linalg.norm(points[:, -1] - points[:, 0], axis=1)
    step, jump = np.abs(np.diff(x, axis=1)).sum(axis=2), np.abs(np.diff(energy, axis=1))
    apart, rise = np.abs(x[:, -1] - x[:, 0]).sum(axis=1), np.abs(energy[:, -1] - energy[:, 0])
    formulas = (step > 0).sum(axis=1) + 1
    moved, far, uphill = length > 0, apart > 0, rise > LEAST_DIFFERENCE
    way = np.nansum(jump, axis=1)
    return {
        "line_length": float(np.median(length)),
        "formulas_per_line": float(np.median(formulas)),
        "formula_change_per_unit": float(np.median(step.sum(axis=1)[moved] / length[moved])),
        "formula_detour": float(np.median(step.sum(axis=1)[far] / apart[far])),
        "formula_largest_jump": float(np.median(step.max(axis=1))),
        "property_change_per_unit": float(np.median(way[moved] / length[moved])),
        "property_detour": float(np.median(way[uphill] / rise[uphill])),
        "property_largest_jump": float(np.median(np.nanmax(jump, axis=1))),
    }
