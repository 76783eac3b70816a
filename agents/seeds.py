"""Which seeds training uses and which evaluation: no environment row of the one is ever a row of the other.

A batched environment seeds row i with the seed it is given plus i. Runs get blocks of `ROWS` seeds of their own, so
that runs with consecutive seeds share no row either; evaluation has all seeds from `EVALUATION_SEEDS` up.
"""

from __future__ import annotations

EVALUATION_SEEDS = 2**31
"""Training seeds lie below, evaluation seeds from here up."""

ROWS = 2**16
"""Seeds in the block of a training run: most rows of its environment."""


def training_seeds(seed: int) -> int:
    """First environment seed of a training run.

    Args:
        seed: Seed of the run; blocks of seeds below 32,768 are disjoint.

    Returns:
        A number below `EVALUATION_SEEDS`; so are the `ROWS` - 1 after it.

    Examples:
        >>> training_seeds(0), training_seeds(1), training_seeds(32_767) + ROWS == EVALUATION_SEEDS
        (0, 65536, True)
    """
    return int(seed) * ROWS % EVALUATION_SEEDS
