"""A bare oracle: a predictor taken at its word, without any guard, as an adversary would wish it."""

from __future__ import annotations

from collections.abc import Sequence

from matenv.oracle import Oracle
from matenv.oracle.stability import StabilityModel
from matenv.properties import Predictor, load_predictor
from matenv.properties.distribution import UNCALIBRATED
from matenv.properties.own import Property


def bare_oracle(
    predictor: str,
    reference: str = "train",
    budget: int | None = None,
    judge: bool = False,
    properties: Sequence[Property] = (),
) -> Oracle:
    """An oracle without any guard: it takes the networks at their word.

    Their distributions are as trained, not calibrated on rows they have not seen, and P(stable) is what such a
    distribution has below the hull, as if no competing phase could be missing.

    Args:
        predictor: Name of the predictor.
        reference: Phases of the hull.
        budget: Most distinct formulas it evaluates.
        judge: As `Oracle`.
        properties: As `Oracle`.

    Returns:
        The oracle.
    """
    model = load_predictor(predictor)
    bare = Predictor(model.source, UNCALIBRATED, model.energy_scheme, model.role)
    oracle = Oracle(reference, budget, predictor=bare, judge=judge, properties=properties)
    oracle.stability = StabilityModel.at_its_word()
    return oracle
