"""What happens while an agent trains: a log of episodes, and checkpoints between rollouts."""

from __future__ import annotations

import csv
import os
import signal
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from matenv.agents.checkpoint import CHECKPOINT, MODEL, save_checkpoint, save_model
from stable_baselines3.common.callbacks import BaseCallback

EPISODE_FIELDS = (
    "timestep",
    "episodes",
    "mean_return",
    "mean_final_score",
    "mean_p_stable",
    "success_rate",
    "best_formula",
)

_HEADER = ",".join(EPISODE_FIELDS) + "\n"

_TOLD = ("score", "p_stable", "success", "formula")


class EpisodeLog(BaseCallback):
    """Appends a line to a CSV file for every `every` episodes that end.

    Args:
        path: The file.
        every: Episodes per line.
    """

    def __init__(self, path: Path, every: int = 64) -> None:
        super().__init__()
        self.path, self.every = path, every
        self._ended: list[dict[str, Any]] = []
        self._episodes = 0

    def notes(self) -> dict[str, Any]:
        """Where the log stands, as JSON holds it."""
        written = self.path.stat().st_size if self.path.exists() else 0
        return {"episodes": self._episodes, "ended": self._ended, "bytes": written}

    def restore(self, notes: dict[str, Any]) -> None:
        """Go on from there: lines written later are cut off, as their episodes will be run again.

        A log that is gone or was shortened is gone on with, or begun anew, with a warning.
        """
        self._episodes, self._ended = notes["episodes"], notes["ended"]
        there = self.path.read_bytes() if self.path.exists() else b""
        if len(there) < notes["bytes"]:
            warnings.warn(f"{self.path} lacks episodes that this run had written to it", stacklevel=2)
            if not there.startswith(_HEADER.encode()) or not there.endswith(b"\n"):
                self.path.unlink(missing_ok=True)
        else:
            os.truncate(self.path, notes["bytes"])

    def _on_training_start(self) -> None:
        if not self.path.exists() or not self.path.stat().st_size:
            self.path.write_text(_HEADER)

    def _on_step(self) -> bool:
        dones = self.locals["dones"]
        if dones.any():
            for row in np.flatnonzero(dones).tolist():
                info = self.locals["infos"][row]
                self._ended.append({"return": float(info["episode"]["r"]), **{key: info.get(key) for key in _TOLD}})
            if len(self._ended) >= self.every:
                self._write()
        return True

    def _on_training_end(self) -> None:
        if self._ended:
            self._write()

    def _write(self) -> None:
        ended, self._ended = self._ended, []
        self._episodes += len(ended)
        best = max(ended, key=lambda info: info["score"])
        means = [_mean([info[key] for info in ended]) for key in ("return", "score", "p_stable", "success")]
        with self.path.open("a", newline="") as stream:
            csv.writer(stream).writerow([self.num_timesteps, self._episodes, *means, best["formula"]])
        for name, mean in zip(("return", "final_score", "p_stable", "success"), means, strict=True):
            if mean is not None:
                self.logger.record(f"design/{name}", mean)
        oracle = getattr(self.training_env.get_attr("core")[0], "oracle", None)
        if oracle is not None:  # MaterialSystem-v0 asks the table, not an oracle
            self.logger.record("design/distinct_formulas", oracle.calls)


def _mean(values: list[Any]) -> float | None:
    """Mean of what was told; None, an empty field of the table, where nothing was."""
    told = [value for value in values if value is not None]
    return round(float(np.mean(told)), 5) if told else None


class Checkpoint(BaseCallback):
    """Saves the agent between two rollouts, every so many steps and when a signal asks to stop.

    Args:
        folder: Folder of the run.
        every: Steps between checkpoints, at least.
        log: Whose place is saved with it.
    """

    def __init__(self, folder: Path, every: int, log: EpisodeLog) -> None:
        super().__init__()
        self.folder, self.every, self.log = folder, every, log
        self._last = 0
        self._stop = False

    @contextmanager
    def stopping_on_signals(self) -> Iterator[None]:
        """SIGINT and SIGTERM end the training between two rollouts, once it is saved; a second one at once."""
        if threading.current_thread() is not threading.main_thread():
            yield  # only the main thread may handle signals
            return

        def ask(number: int, frame: Any) -> None:
            if self._stop:
                raise KeyboardInterrupt
            self._stop = True

        before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _on_training_start(self) -> None:
        self._last = self.num_timesteps

    def _on_rollout_start(self) -> None:
        if self._stop or self.num_timesteps - self._last >= self.every:
            self._last = self.num_timesteps
            save_checkpoint(self.folder / CHECKPOINT, self.model, self.log.notes())
            save_model(self.folder / MODEL, self.model)
        if self._stop:
            raise KeyboardInterrupt

    def _on_step(self) -> bool:
        return True
