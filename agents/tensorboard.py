"""What TensorBoard is told beside Stable-Baselines3's own numbers: every reward term, the parts of final scores."""

from __future__ import annotations

from typing import Any

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback

EVERY = 1_000
"""Steps over all rows between two means."""


class RewardTerms(BaseCallback):
    """Logs means since the last log.

    ``reward/NAME`` is an unweighted reward term over all steps, ``final/NAME`` a part of the score where an episode
    ended, ``oracle/calls`` the distinct formulas assessed, where there is an oracle.

    Args:
        every: As `EVERY`.
    """

    def __init__(self, every: int = EVERY) -> None:
        super().__init__()
        self.every = every
        self._steps: dict[str, list[float]] = {}
        self._ends: dict[str, list[float]] = {}
        self._last = 0

    def _on_training_start(self) -> None:
        self._last = self.num_timesteps

    def _on_step(self) -> bool:
        core: Any = self.training_env.get_attr("core")[0]
        for name, values in core.terms.items():
            self._steps.setdefault(name, []).append(float(np.mean(values)))
        for row in np.flatnonzero(self.locals["dones"]):
            for name, value in self.locals["infos"][row].get("terms", {}).items():
                if name not in core.terms:
                    self._ends.setdefault(name, []).append(float(value))
        if self.num_timesteps - self._last >= self.every:
            self._write()
        return True

    def _on_training_end(self) -> None:
        if self._steps:
            self._write()

    def _write(self) -> None:
        self._last = self.num_timesteps
        oracle = getattr(self.training_env.get_attr("core")[0], "oracle", None)
        if oracle is not None:  # MaterialSystem-v0 asks the table, not an oracle
            self.logger.record("oracle/calls", oracle.calls)
        for group, columns in (("reward", self._steps), ("final", self._ends)):
            for name, values in columns.items():
                self.logger.record(f"{group}/{name}", float(np.mean(values)))
            columns.clear()
        self.logger.dump(self.num_timesteps)
