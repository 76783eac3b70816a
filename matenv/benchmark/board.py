"""`Board`: the runs of one track and number of calls, and what is said about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from matenv.benchmark.statistics import Estimate, estimate, interquartile_mean, probability_of_improvement

REFERENCES = {
    "single": ("random", "point", "retrieval"),
    "amortised": ("random", "retrieval", "memory retrieval"),
    "systems": ("random", "stoichiometry ranking", "likelihood ranking", "P(stable) ranking"),
}
"""Methods that every leaderboard shows, unranked: what needs no search worth the name, by track."""

RANKED_BY = {"single": "gold100", "amortised": "gold10", "systems": "auc"}
"""Measure that ranks: gold or truth, never the proxy. In the single track, where each task has reference values, it is
`SHARE` instead: tasks then count alike, whatever their scores are."""

SHARE = "share"
"""`gold100` as the share of the way from random formulas to the best known (`References.share`)."""

PROXY = {"single": "top100", "amortised": "top10"}
"""The same formulas by the proxy; the systems track has none."""

COLUMNS: dict[str, dict[str, str]] = {
    "single": {
        SHARE: "share of the best known",
        "gold100": "best 100 by gold", "gold_auc100": "AUC, gold", "gold_hits": "hits, gold",
        "top100": "the same 100 by proxy", "auc100": "AUC, proxy", "hits": "hits, proxy", "gap": "hacking gap",
        "top10": "best 10, proxy", "rediscoveries": "rediscoveries", "viable": "viable", "diversity": "diversity",
    },
    "amortised": {
        "gold10": "best 10 by gold", "top10": "the same by proxy", "answered": "wishes answered",
        "gold_hits": "hits, gold", "hits": "hits, proxy", "gap": "hacking gap",
    },
    "systems": {
        "auc": "AUC of recall", "first": "first is stable", "hits": "hits in 10", "recall": "recall@10",
        "first.2": "first, 2 elements", "first.3": "3", "first.4": "4", "recall.2": "recall@10, 2 elements",
        "recall.3": "3", "recall.4": "4",
    },
}  # fmt: skip
"""Columns of the table over all tasks, by track."""

COUNTED = {"gold_hits", "hits", "rediscoveries"}
"""Measures that are counts, and printed so where they are large."""


@dataclass(frozen=True)
class Board:
    """The runs of one track and number of calls.

    Attributes:
        track: The track.
        calls: Calls at which runs are compared, and further settings that must agree, in words.
        runs: By method and task the measures of each seed; of unequally many seeds a method counts the fewest.
        seconds: By method the median CPU seconds of a run.
        training: By method the median calls that were spent before a run of the single track, whose rule is that
            nothing was learned before; without those that keep to it.
    """

    track: str
    calls: str
    runs: Mapping[str, Mapping[str, Mapping[int, Mapping[str, float]]]]
    seconds: Mapping[str, float]
    training: Mapping[str, float] = field(default_factory=dict, kw_only=True)

    @property
    def budget(self) -> int:
        """Calls at which runs are compared."""
        return int(self.calls.split()[0].replace(",", ""))

    @property
    def said(self) -> str:
        """What the values are."""
        return "Interquartile means over tasks and seeds, intervals by a bootstrap of seeds within tasks"

    @property
    def ranked_by(self) -> str:
        """Measure that ranks."""
        runs = [run for by_task in self.runs.values() for seeds in by_task.values() for run in seeds.values()]
        return SHARE if all(SHARE in run for run in runs) else RANKED_BY[self.track]

    @property
    def references(self) -> tuple[str, ...]:
        """The track's `REFERENCES`."""
        return REFERENCES[self.track]

    @property
    def tasks(self) -> list[str]:
        """All tasks that somebody ran."""
        return list(dict.fromkeys(task for by_task in self.runs.values() for task in by_task))

    @property
    def ended(self) -> dict[str, tuple[int, int]]:
        """Of methods in the single track that left calls unspent, in how many of how many runs."""
        if self.track != "single":
            return {}
        spent = {
            method: [run["calls"] for seeds in by_task.values() for run in seeds.values() if "calls" in run]
            for method, by_task in self.runs.items()
        }
        few = {method: (sum(each < self.budget for each in calls), len(calls)) for method, calls in spent.items()}
        return {method: (number, runs) for method, (number, runs) in sorted(few.items()) if number}

    def table(self, method: str, measure: str, tasks: Sequence[str] | None = None) -> list[list[float]]:
        """One measure of a method (tasks, seeds)."""
        by_task = [self.runs[method][task] for task in (tasks or list(self.runs[method]))]
        seeds = min(len(runs) for runs in by_task)
        return [[runs[seed][measure] for seed in sorted(runs)[:seeds]] for runs in by_task]

    def estimate(self, method: str, measure: str) -> Estimate:
        """Interquartile mean over all tasks and seeds, with its interval."""
        return estimate(interquartile_mean, self.table(method, measure))

    def complete(self) -> list[str]:
        """Methods that ran on every task, best first."""
        whole = [method for method, by_task in self.runs.items() if len(by_task) == len(self.tasks)]
        return sorted(whole, key=lambda method: -self.estimate(method, self.ranked_by).value)

    def improvement(self, method: str, other: str) -> Estimate | None:
        """How likely a run of a method beats one of another on the same task, in what ranks; None without a task."""
        both = [task for task in self.runs[method] if task in self.runs[other]]
        if not both:
            return None
        measure = self.ranked_by
        return estimate(
            probability_of_improvement, self.table(method, measure, both), self.table(other, measure, both)
        )  # fmt: skip
