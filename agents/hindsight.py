"""Hindsight experience replay for wishes: what was reached is relabelled as a wish, not as everything that it is."""

from __future__ import annotations

import numpy as np
from stable_baselines3.her import HerReplayBuffer

from matenv.envs.wishes import as_wishes


class WishReplayBuffer(HerReplayBuffer):
    """`HerReplayBuffer` whose hindsight goals have the form of drawn wishes (`matenv.envs.wishes.as_wishes`).

    Plain hindsight asks for every element, the number of elements and all properties of what was reached, which no wish
    does: an agent tells such goals from wishes at a glance, and learns that wishes pay nothing.
    """

    def _sample_goals(self, batch_indices: np.ndarray, env_indices: np.ndarray) -> np.ndarray:
        reached = super()._sample_goals(batch_indices, env_indices)
        return as_wishes(reached, np.random.default_rng(np.random.randint(2**31)))  # SB3's own source of chance
