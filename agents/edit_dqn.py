"""DQN that keeps to the allowed actions; of edits of a formula, it explores by kind.

Stable-Baselines3's DQN knows no masks: of the edits it would try at random, most are refused.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from matenv.agents.edit_policy import EditQPolicy, RandomKinds
from matenv.agents.policies import RandomPolicy
from numpy.typing import NDArray
from stable_baselines3 import DQN
from stable_baselines3.common.noise import ActionNoise


class EditDQN(DQN):
    """DQN for `MaterialElements-v0` and `MaterialOxides-v0` that never chooses an action its mask forbids.

    Masks act on the choice of actions, greedy or exploring; the targets of the update are Stable-Baselines3's own.
    Without an `EditQPolicy` it explores uniformly among the actions allowed.
    """

    def _setup_model(self) -> None:
        super()._setup_model()
        edits = isinstance(self.policy, EditQPolicy)
        self.explorer = (RandomKinds if edits else RandomPolicy)(self.action_space, self.seed)

    def predict(  # type: ignore[override]
        self,
        observation: NDArray | dict[str, NDArray],
        state: Any = None,
        episode_start: Any = None,
        deterministic: bool = False,
        action_masks: NDArray[np.bool_] | None = None,
    ) -> tuple[NDArray, Any]:
        """The best allowed actions (N,) or (); exploring, unless deterministic, as often as training did at its end.

        Args:
            observation: Observations (N, width) or (width,), or a dictionary of them.
            state: Returned as it is.
            episode_start: Ignored.
            deterministic: Never explore.
            action_masks: Allowed actions (N, A) or (A,); None for all.

        Returns:
            Actions and `state`.
        """
        rows: Any
        if isinstance(observation, dict):
            shape = np.shape(observation["observation"])[:-1]
            rows = {key: np.atleast_2d(part) for key, part in observation.items()}
        else:
            shape, rows = np.shape(observation)[:-1], np.atleast_2d(observation)
        number = int(np.prod(shape))
        masks = np.ones((number, int(self.action_space.n)), np.bool_) if action_masks is None else action_masks  # type: ignore[attr-defined]
        actions = self._choose(rows, np.atleast_2d(masks), 0.0 if deterministic else self.exploration_rate)
        return actions.reshape(shape), state

    def _sample_action(
        self, learning_starts: int, action_noise: ActionNoise | None = None, n_envs: int = 1
    ) -> tuple[NDArray, NDArray]:
        assert self.env is not None
        masks = np.stack(self.env.env_method("action_masks"))
        explore = 1.0 if self.num_timesteps < learning_starts else self.exploration_rate
        assert self._last_obs is not None
        actions = self._choose(self._last_obs, masks, explore)
        return actions, actions

    def _choose(self, observation: Any, masks: NDArray[np.bool_], explore: float) -> NDArray[np.int64]:
        seen, _ = self.policy.obs_to_tensor(observation)
        with torch.no_grad():
            values = self.q_net(seen).cpu().numpy()
        best = np.where(masks, values, -np.inf).argmax(axis=1)
        if explore == 0.0:
            return best
        tried, _ = self.explorer.predict(masks, action_masks=masks)
        return np.where(self.explorer.random.random(len(best)) < explore, tried, best)
