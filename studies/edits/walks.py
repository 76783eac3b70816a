"""Where random edits lead, and what each remedy is worth: ``python -m studies.edits.walks``.

No learning: 10,000 distinct formulas per run on task `stiff-stable`, five seeds. Prints, for uniform random formulas,
the score by number of elements; then for random walks by edits the mean number of elements, the mean score and the mean
of the ten best scores (one formula per chemical system). A few minutes.
"""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
import typer
from matenv.agents.edit_policy import KINDS, RandomKinds, kinds_of
from matenv.agents.methods import ELEMENTS, Walk
from matenv.agents.policies import RandomPolicy
from numpy.typing import NDArray

from matenv import Oracle, load_task
from matenv.benchmark import Found, Problem, play, search
from matenv.benchmark.curve import best_so_far
from tools.command import run

TASK = load_task("stiff-stable")
EVEN = (1.0, 1.0, 1.0, 1.0, 1.0, 1.0)
NO_SWAP = (1.0, 1.0, 1.0, 1.0, 0.0, 1.0)


class NoSwap(RandomPolicy):
    """Uniform over the allowed edits that are no swaps."""

    def predict(self, observation: NDArray, *, deterministic: bool = False, action_masks: Any = None) -> Any:
        """Random actions (N,)."""
        kept = action_masks & (kinds_of(action_masks.shape[1]) != 4)
        return super().predict(observation, action_masks=kept)


def by_kind(kinds: tuple[float, ...]) -> Any:
    """Makes a walk that draws the kind of each edit first."""
    return lambda space, seed: RandomKinds(space, seed, kinds)


WALKS: dict[str, tuple[Any, dict[str, Any]]] = {
    "uniform over edits, no swap": (NoSwap, {}),
    "uniform over edits": (RandomPolicy, {}),
    "uniform over edits, random start": (RandomPolicy, {"start": "random"}),
    "uniform over edits, 6 steps": (RandomPolicy, {"horizon": 6}),
    "kinds even, no swap": (by_kind(NO_SWAP), {}),
    "kinds even": (by_kind(EVEN), {}),
    "kinds even, random start": (by_kind(EVEN), {"start": "random"}),
    "kinds as EditPolicy": (by_kind(KINDS), {}),
    "kinds as EditPolicy, random start": (by_kind(KINDS), {"start": "random"}),
    "kinds as EditPolicy, 6 steps": (by_kind(KINDS), {"horizon": 6}),
    "kinds as EditPolicy, 64 steps": (by_kind(KINDS), {"horizon": 64}),
}
"""Random walks by name: the policy, and arguments of the environment."""


def row(name: str, results: list[Found]) -> str:
    """One line of the table: means over seeds, and the standard deviation of the top-10."""
    top = np.array([best_so_far(result.compositions, result.scores, 10)[1][-1] for result in results])
    elements = np.mean([result.compositions.size.mean() for result in results])
    score = np.mean([result.scores.mean() for result in results])
    return f"{name:36s}{elements:10.2f}{score:12.3f}{top.mean():10.3f} (sd {top.std(ddof=1):.3f})"


def main(
    seeds: Annotated[int, typer.Option(help="Runs of each.")] = 5,
    budget: Annotated[int, typer.Option(help="Distinct formulas of a run.")] = 10_000,
) -> None:
    """Search and print."""
    uniform = [search("random", TASK, Oracle(budget=budget), seed) for seed in range(seeds)]
    n, score = np.concatenate([r.compositions.size for r in uniform]), np.concatenate([r.scores for r in uniform])
    print(f"Uniform random formulas, {len(n):,} over all seeds\n{'elements':10s}{'mean':>8s}{'best 0.1 %':>12s}")
    for size in range(2, 7):
        own = np.sort(score[n == size])[::-1]
        print(f"{size:<10d}{own.mean():8.3f}{own[: max(len(own) // 1000, 1)].mean():12.3f}")
    print(f"\n{'':36s}{'elements':>10s}{'mean score':>12s}{'top-10':>10s}")
    print(row("uniform random formulas", uniform), flush=True)
    for name, (make, arguments) in WALKS.items():
        found = [
            play(Walk(make, ELEMENTS, seed, **arguments), Problem(TASK, Oracle(budget=budget)), seed)
            for seed in range(seeds)
        ]
        print(row(name, found), flush=True)


if __name__ == "__main__":
    run(main)
