"""What a latent space is worth, all metrics together: recovery, samples, smoothness, size."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from matenv.benchmark.diversity import diversity
from matenv.benchmark.smoothness import smoothness
from matenv.data import load_dataset
from matenv.latent import load_latent
from matenv.latent.evaluation.evaluate import evaluate
from matenv.properties import load_predictor

DIVERSE = 1000
"""Samples whose diversity is measured: it compares all pairs."""


def measure_space(name: str | Path) -> dict[str, float]:
    """Metrics of a latent space on the table that it was trained on.

    Args:
        name: Name of a latent space, or a weights file.

    Returns:
        What `matenv.latent.evaluation.evaluate` and `matenv.benchmark.smoothness` define; ``dim``; ``parameters``;
        ``sample_diversity``, `matenv.benchmark.diversity` of the first `DIVERSE` samples.
    """
    space = load_latent(name)
    data = load_dataset(space.table)
    samples = space.decode_batch(space.sample(DIVERSE, 0))
    return {
        "dim": space.dim,
        "parameters": sum(p.numel() for p in space.network.parameters()),
        **evaluate(space, data),
        "sample_diversity": diversity(samples[np.flatnonzero(samples.size > 0)]),
        **smoothness(space, data, load_predictor()),
    }
