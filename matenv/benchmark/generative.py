"""What generators of formulas are worth: validity, uniqueness, novelty, diversity, and whether a condition is obeyed.

Definitions. *Neutral / balanced*: `matenv.is_charge_neutral` / `matenv.is_electronegativity_balanced`, metals not
exempt. *Neutral as sized*: the same, samples weighted so that numbers of elements are as frequent as among training
rows; formulas of many elements are neutral more easily. *Unique*: distinct formulas over all. *Novel*: share of the
formulas that the embedded table, held-out rows included, does not have. *New and balanced*: distinct formulas that are
novel and balanced, over all. *Diversity*: `matenv.benchmark.diversity` of the first 2,000. *Systems*: distinct element
sets. *Prevalence KL* and *elements TV* against the training rows, as `matenv.latent.evaluation.evaluate` defines them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from matenv.benchmark.diversity import diversity
from matenv.chemistry import is_charge_neutral, is_electronegativity_balanced
from matenv.composition import CompositionBatch
from matenv.data import Dataset
from matenv.latent.conditional_space import ConditionalSpace
from matenv.latent.evaluation.evaluate import kl_divergence, prevalence, size_shares
from matenv.properties.predictor import Predictor

MEASURED = 2000
"""Formulas whose pairwise distances are averaged."""


def quality(batch: CompositionBatch, data: Dataset) -> dict[str, float]:
    """The metrics of this module's docstring.

    Args:
        batch: Generated compositions (B); empty ones count as invalid.
        data: The table: what is known, and the rows that were learned from.

    Returns:
        Metric name -> value; shares in [0, 1], the divergence in nats, diversity in places of the Pettifor scale.
    """
    train = data.compositions[data.split("system").train]
    neutral, balanced = is_charge_neutral(batch), is_electronegativity_balanced(batch)
    novel = data.find(batch) < 0
    filled = np.flatnonzero(batch.size)
    return {
        "neutral": float(neutral.mean()),
        "neutral_as_sized": float(np.average(neutral, weights=_as_sized(batch, train))),
        "balanced": float(balanced.mean()),
        "unique": len(batch.distinct()) / len(batch),
        "novel": float(novel.mean()),
        "new_and_balanced": len(batch[novel & balanced].distinct()) / len(batch),
        "systems": float(len(batch.systems().distinct())),
        "diversity": diversity(batch[filled[:MEASURED]]),
        "prevalence_kl": kl_divergence(prevalence(train), prevalence(batch)),
        "elements_tv": float(0.5 * np.abs(size_shares(batch) - size_shares(train)).sum()),
    }


def _as_sized(batch: CompositionBatch, train: CompositionBatch) -> NDArray[np.float64]:
    """Weights (B,) that make numbers of elements as frequent in a batch as among training rows."""
    wanted, found = size_shares(train), size_shares(batch)
    weights = wanted[batch.size] / found[batch.size]
    return weights if weights.any() else np.ones(len(batch))


@dataclass(frozen=True)
class Conditioning:
    """What was asked of a conditional generator, and what its samples are predicted to be.

    Attributes:
        asked: Values asked for (V,).
        predicted: Predicted property of samples (V, k).
        mae: Mean absolute difference of the two.
        rank_correlation: Spearman's, over all samples.
        neutral: Share of charge-neutral samples.
        unique: Share of distinct formulas, for each value, averaged.
    """

    asked: NDArray[np.float64]
    predicted: NDArray[np.float64]
    mae: float
    rank_correlation: float
    neutral: float
    unique: float


def conditioning(
    space: ConditionalSpace,
    model: Predictor,
    label: str,
    values: Sequence[float],
    number: int = 500,
    seed: int = 0,
    nominal: bool = False,
) -> Conditioning:
    """Sample at values of a condition, and predict what the samples are.

    Args:
        space: The conditional space.
        model: Predicts the property.
        label: The condition, a property of the model.
        values: Values to ask for (V).
        number: Samples at each value k.
        seed: Seed of the samples.
        nominal: Draw z from N(0, I), which leaves all to the decoder, in place of around anchors near the value.

    Returns:
        The result.
    """
    batches = []
    for value in values:
        held = space.at(**{label: value})
        points = held.sample_nominal(number, seed) if nominal else held.sample(number, seed)
        batches.append(held.decode_batch(points))
    return compare_with_asked(batches, np.asarray(values, dtype=np.float64), model, label)


def compare_with_asked(
    batches: Sequence[CompositionBatch], asked: NDArray[np.float64], model: Predictor, label: str
) -> Conditioning:
    """Predicted property of compositions beside what each batch, all of one length, was asked to have."""
    predicted = np.array([model.predict(batch)[label][0] for batch in batches])
    wanted = np.repeat(asked, predicted.shape[1])
    return Conditioning(
        asked=asked,
        predicted=predicted,
        mae=float(np.abs(predicted.ravel() - wanted).mean()),
        rank_correlation=float(spearmanr(wanted, predicted.ravel()).statistic),
        neutral=float(np.mean([is_charge_neutral(batch).mean() for batch in batches])),
        unique=float(np.mean([len(batch.distinct()) / len(batch) for batch in batches])),
    )


def held_out_with(
    data: Dataset, label: str, values: Sequence[float], number: int, seed: int = 0
) -> list[CompositionBatch]:
    """Held-out rows whose label lies nearest to each value: what a perfect generator might have given.

    Args:
        data: The table.
        label: ``"formation_energy"`` or a key of its labels.
        values: Values.
        number: Rows for each.
        seed: Breaks ties, such as the many gaps of zero.

    Returns:
        One batch (number) for each value.
    """
    labels = data.formation_energy if label == "formation_energy" else data.labels[label]
    rows = np.random.default_rng(seed).permutation(data.split("system").test)
    rows = rows[np.isfinite(labels[rows])]
    nearest = [np.argsort(np.abs(labels[rows] - value), kind="stable")[:number] for value in values]
    return [data.compositions[rows[chosen]] for chosen in nearest]
