"""Where random edits lead, and what each remedy is worth: ``python -m studies.edits.walks``.

No learning, task `stiff-stable`. For uniform random formulas the score by number of elements; for random walks by edits
the mean number of elements, the mean score and the mean of the ten best scores (one formula per chemical system).
"""

from __future__ import annotations

from pathlib import Path
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
from studies.honesty.stored import RESULTS, markdown, store
from tools.command import run

TASK = load_task("stiff-stable")
BEST = 100
"""One formula in so many is among the best."""
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


def _described(results: list[Found]) -> dict[str, float]:
    """Means over runs, and the standard deviation of the mean score of the ten best systems."""
    top = np.array([best_so_far(result.compositions, result.scores, 10)[1][-1] for result in results])
    return {
        "elements": float(np.mean([result.compositions.size.mean() for result in results])),
        "score": float(np.mean([result.scores.mean() for result in results])),
        "top-10": float(top.mean()),
        "deviation": float(top.std(ddof=1)) if len(top) > 1 else 0.0,
    }


def measure(budget: int, seeds: int) -> dict[str, Any]:
    """Uniform random formulas by number of elements, and every walk.

    Args:
        budget: Distinct formulas of a run.
        seeds: Runs of each.

    Returns:
        Scores "by elements", and "walks" by name.
    """
    uniform = [search("random", TASK, Oracle(budget=budget), seed) for seed in range(seeds)]
    n, score = np.concatenate([r.compositions.size for r in uniform]), np.concatenate([r.scores for r in uniform])
    by_size = {size: np.sort(score[n == size])[::-1] for size in range(2, 7)}
    walks = {"uniform random formulas, no walk": _described(uniform)}
    for name, (make, arguments) in WALKS.items():
        walks[name] = _described(
            [
                play(Walk(make, ELEMENTS, seed, **arguments), Problem(TASK, Oracle(budget=budget)), seed)
                for seed in range(seeds)
            ]
        )
    return {
        "calls": budget,
        "seeds": seeds,
        "by elements": {
            str(size): {"mean": float(own.mean()), "best": float(own[: max(len(own) // BEST, 1)].mean())}
            for size, own in by_size.items()
        },
        "walks": walks,
    }


def tables(results: dict[str, Any]) -> str:
    """What `measure` found, as Markdown."""
    lines = [
        [name, f"{w['elements']:.2f}", f"{w['score']:.3f}", f"{w['top-10']:.3f} (sd {w['deviation']:.3f})"]
        for name, w in results["walks"].items()
    ]
    walks = markdown(("random walk", "elements per formula", "mean score", "top-10"), lines)
    sizes = results["by elements"]
    rows = [[what, *(f"{own[key]:.3f}" for own in sizes.values())] for what, key in (
        ("mean score", "mean"), (f"mean of the best {100 / BEST:g} %", "best"),
    )]  # fmt: skip
    heading = f"{results['calls']:,} calls, {results['seeds']} seeds."
    return f"{heading}\n\n{walks}\n\n{markdown(('uniform random formulas, elements', *sizes), rows)}"


def main(
    seeds: Annotated[int, typer.Option(help="Runs of each.")] = 2,
    budget: Annotated[int, typer.Option(help="Distinct formulas of a run.")] = 3000,
    out: Annotated[Path, typer.Option(help="JSON file to write.")] = RESULTS / "walks.json",
) -> None:
    """Search, write and print."""
    results = measure(budget, seeds)
    store(out, results)
    print(tables(results))


if __name__ == "__main__":
    run(main)
