"""`SystemsBoard`: the systems track, whose methods are compared system by system on the same ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matenv.benchmark.board import Board
from matenv.benchmark.found import Found
from matenv.benchmark.measures import hits_of
from matenv.benchmark.results import Result
from matenv.benchmark.statistics import RESAMPLES, Estimate
from matenv.benchmark.systems import SIZES, stable_phases

Key = tuple[int, str]
"""Seed and chemical system; a seed decides which systems a run is about, unless it is about all."""


@dataclass(frozen=True)
class SystemsBoard(Board):
    """The runs of the systems track.

    Attributes:
        named: By method and key whether each of the ten proposals was a stable phase (10,).
        phases: Stable phases of each key's system.
    """

    named: Mapping[str, Mapping[Key, NDArray[np.float64]]]
    phases: Mapping[Key, int]

    @classmethod
    def of(
        cls,
        track: str,
        calls: str,
        runs: Mapping[str, Mapping[str, Mapping[int, Mapping[str, float]]]],
        seconds: Mapping[str, float],
        results: Sequence[Result],
    ) -> SystemsBoard:
        """The board of results, as `matenv.benchmark.leaderboard.boards` makes it."""
        named: dict[str, dict[Key, NDArray[np.float64]]] = {}
        phases: dict[Key, int] = {}
        truth = stable_phases("test")
        for result in results:
            for answer in result.answers:
                key = result.plan.seed, answer.name
                found = Found(answer.compositions, np.array(answer.scores, np.float64))
                named.setdefault(result.plan.method, {})[key] = hits_of(found)
                phases[key] = len(truth[tuple(answer.name.split("-"))])
        return cls(track, calls, runs, seconds, named, phases)

    @property
    def said(self) -> str:
        """What the values are."""
        return (
            "Means over the three numbers of elements, which count alike; intervals by a bootstrap of systems; "
            "improvement is counted system by system on the same ones, in the area under recall, ties half"
        )

    def estimate(self, method: str, measure: str) -> Estimate:
        """A measure with its interval over systems, such as ``"first"``, or ``"first.3"`` for one size."""
        name, _, size = measure.partition(".")
        keys = list(self.named[method])
        hits = np.stack([self.named[method][key] for key in keys])
        over = np.array([self.phases[key] for key in keys]) if name in ("recall", "auc") else np.ones(len(keys))
        value = {"first": hits[:, 0], "auc": hits.cumsum(axis=1).mean(axis=1)}.get(name, hits.sum(axis=1))
        return _mean(value, over, keys, [int(size)] if size else SIZES)

    def improvement(self, method: str, other: str) -> Estimate | None:
        """How likely a method has the larger area under recall on a system; None without one in common."""
        keys = [key for key in self.named[method] if key in self.named[other]]
        if not keys:
            return None
        mine, theirs = (
            np.stack([self.named[m][key] for key in keys]).cumsum(axis=1).sum(axis=1) for m in (method, other)
        )
        return _mean((mine > theirs) + 0.5 * (mine == theirs), np.ones(len(keys)), keys, SIZES)


def _mean(value: NDArray[np.float64], over: NDArray[np.float64], keys: Sequence[Key], shown: Sequence[int]) -> Estimate:
    """Sum of values over sum of what they are shares of, within each size; then the mean over sizes.

    Seeds of a system are no further systems: its mean over them counts once.
    """
    systems, of = np.unique([name for _, name in keys], return_inverse=True)
    value, over = (np.bincount(of, each) / np.bincount(of) for each in (value, over))
    sizes = np.char.count(systems, "-") + 1
    random = np.random.default_rng(0)
    exact, drawn = [], []
    for size in shown:
        rows = np.flatnonzero(sizes == size)
        if not len(rows):
            continue
        some = random.choice(rows, (RESAMPLES, len(rows)))
        exact.append(value[rows].sum() / over[rows].sum())
        drawn.append(value[some].sum(axis=1) / over[some].sum(axis=1))
    low, high = np.quantile(np.mean(drawn, axis=0), (0.025, 0.975))
    return Estimate(float(np.mean(exact)), float(low), float(high))
