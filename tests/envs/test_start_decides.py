"""What is to be improved decides what is answered: many starts end in as many materials, as wishes and systems do."""

from typing import Any

import gymnasium as gym
import numpy as np

import matenv
from matenv.composition import CompositionBatch
from matenv.composition.movers import movers_distance

STARTS, COPIES, MOVES, WITHIN = 24, 64, 6, 8.0


def test_a_search_from_many_starts_ends_in_as_many_materials():
    """Without learning: the best of random moves within the limits, from each start."""
    envs: Any = gym.make_vec(
        "MaterialElements-v0", num_envs=STARTS * COPIES, task="stable-novel", improve={"distance": WITHIN},
        horizon=MOVES + 1, part="test",
    )  # fmt: skip
    data = matenv.load_dataset("mp-ground-states")
    rng = np.random.default_rng(0)
    table = data.subset(data.part("test"))
    starts = table.compositions[rng.permutation(np.flatnonzero(table.compositions.size == 3))[:STARTS]]
    asked = [name for name in starts.formulas() for _ in range(COPIES)]
    envs.reset(seed=0, options={"formula": asked})
    best, answers = np.full(STARTS, -np.inf), [""] * STARTS
    for _ in range(MOVES):
        masks = envs.unwrapped.action_masks()
        actions = np.where(masks, rng.random(masks.shape), -1.0).argmax(axis=1)
        _, gains, *_ = envs.step(actions)
        formulas = envs.unwrapped.core.state.compositions.formulas()
        best_copies = np.asarray(gains).reshape(STARTS, COPIES).argmax(axis=1)
        for start, row in enumerate(best_copies + np.arange(STARTS) * COPIES):
            if gains[row] > best[start]:
                best[start], answers[start] = gains[row], formulas[row]
    won = np.flatnonzero(best > 0)
    assert len(won) > 0.5 * STARTS and best.mean() > 0.05, best  # a good policy: it improves on most starts
    ends = CompositionBatch.from_fractions(matenv.fractions([answers[start] for start in won]))
    assert (movers_distance(ends, starts[won]) <= WITHIN).all()
    assert len(set(ends.formulas())) >= 0.9 * len(won), answers
    # What answers one start answers few others: it lies beyond their limits.
    near = np.array([(movers_distance(starts, ends[k : k + 1]) <= WITHIN).sum() for k in range(len(won))])
    assert near.mean() < STARTS / 4, near
