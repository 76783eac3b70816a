"""Proxy, gold, truth: ``matenv gap --out runs/gap`` measures how far rewards can be trusted.

The *proxy* is what pays the reward. *Gold* is a model of another family that has seen all rows and is never in a
reward. The *hacking gap* is the mean proxy score minus the mean gold score of the 100 candidates the proxy likes best,
one per chemical system: among prior samples of the latent space, and among what an adversary found that optimises it.
*Truth* is DFT values of held-out table rows (`truth`).
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

import matenv
from matenv.atomic import write_whole
from matenv.benchmark import truth
from matenv.benchmark.bare import bare_oracle
from matenv.benchmark.found import best_by_system
from matenv.benchmark.play import search
from matenv.benchmark.results import file_name, stored_with
from matenv.benchmark.truth import Correlation, Truth, error_correlations, truth_check
from matenv.oracle import Oracle
from matenv.properties.element_properties import ELEMENT_PROPERTIES
from matenv.properties.own import Property
from matenv.properties.predictor import open_predictor
from matenv.properties.store import SHIPPED
from matenv.tasks import TASKS, Task, load_task
from matenv.tasks.registry import task_for_storage

TOP = 100
"""Candidates judged, one per chemical system."""

SOURCES = {"prior samples": "prior", "adversary": "genetic"}
"""Where candidates come from: methods by name."""

BARE = "bare-"
"""Put before the name of a predictor to take it at its word (`bare.bare_oracle`)."""

TASKS_WITH_TRUTH = tuple(name for name, task in TASKS.items() if not task.properties)
"""Registered tasks that gold and DFT values can judge: those about built-in properties."""

REWARDS = ("bare-default", "default", "two-family")
"""Rewards compared by default: names of predictors."""


@dataclass(frozen=True)
class Gap:
    """Scores of the `TOP` candidates that a reward likes best. Means over them.

    Attributes:
        task: Name of the task.
        reward: Name of the predictor, after `BARE` if taken at its word.
        source: Key of `SOURCES`.
        proxy: The score that the reward pays.
        gold: The same score computed with the gold predictor: same task, same hull, same way of scoring.
        calibrated: Gold's calibrated score, whatever the reward: what the candidates are worth on one scale.
        full_hull: The same against the hull of the whole table.
        stable: Share that gold says are on or below the hull of the whole table, by its mean prediction.
        examples: The first three candidates.
        spread: Standard deviation of the gap over seeds; 0 for one.
    """

    task: str
    reward: str
    source: str
    proxy: float
    gold: float
    calibrated: float
    full_hull: float
    stable: float
    examples: tuple[str, ...]
    spread: float = 0.0

    @property
    def gap(self) -> float:
        """Proxy minus gold."""
        return self.proxy - self.gold


def measure(task: Task, reward: str, source: str, calls: int, seed: int = 0) -> Gap:
    """The gap of one reward on one task.

    Args:
        task: The task.
        reward: Name or path of the predictor, after `BARE` to take it at its word.
        source: Key of `SOURCES`.
        calls: Distinct formulas the source may assess.
        seed: Of the source.

    Returns:
        The scores.

    Raises:
        ValueError: An unknown predictor or source, or a gold predictor as reward.
    """
    if source not in SOURCES:
        raise ValueError(f"source={source!r} is unknown; choose one of {', '.join(SOURCES)}")
    predictor, bare = reward.removeprefix(BARE), reward.startswith(BARE)
    own = task.properties
    oracle = (bare_oracle if bare else _oracle)(predictor, budget=calls, properties=own)
    found = search(SOURCES[source], task, oracle, seed)
    rows = best_by_system(found.compositions, found.scores, TOP)
    best = found.compositions[rows]
    gold = _oracle("gold", judge=True, properties=own).assess(best)
    same = bare_oracle("gold", judge=True, properties=own).assess(best) if bare else gold
    seen = _oracle("gold", "all", judge=True, properties=own).assess(best)
    return Gap(
        task=task.name,
        reward=reward,
        source=source,
        proxy=float(found.scores[rows].mean()),
        gold=float(task.score(same).score.mean()),
        calibrated=float(task.score(gold).score.mean()),
        full_hull=float(task.score(seen).score.mean()),
        stable=float((seen.decomposition_energy <= 0.0).mean()),
        examples=tuple(best[:3].formulas()),
    )


def average(gaps: Sequence[Gap]) -> Gap:
    """The mean of what several seeds found, with the first one's examples.

    Args:
        gaps: One or more, alike but for the seed.

    Returns:
        Their mean.
    """
    names = ("proxy", "gold", "calibrated", "full_hull", "stable")
    means = {name: float(np.mean([getattr(g, name) for g in gaps])) for name in names}
    return replace(gaps[0], **means, spread=float(np.std([g.gap for g in gaps])))  # type: ignore[arg-type]


def _oracle(
    name: str, reference: str = "train", budget: int | None = None, judge: bool = False,
    properties: Sequence[Property] = (),
) -> Oracle:  # fmt: skip
    """An oracle by name of a shipped predictor, or with one from a file, whose P(stable) is then that of "default"."""
    predictor = name if name in SHIPPED else open_predictor("reward", name)
    return Oracle(reference, budget, predictor=predictor, judge=judge, properties=properties)


def markdown(content: dict[str, Any]) -> str:
    """What `report` writes as ``gap.json``, as Markdown tables."""
    lines = [
        "| task | candidates from | reward | its score | gold, same scale | gap (std) | gold, calibrated "
        "| gold, full hull | stable by gold | first |",
        "|---" * 10 + "|",
    ]
    lines += [
        f"| {g['task']} | {g['source']} | {g['reward']} | {g['proxy']:.3f} | {g['gold']:.3f} "
        f"| {g['gap']:+.3f} ({g['spread']:.3f}) | {g['calibrated']:.3f} | {g['full_hull']:.3f} | {g['stable']:.2f} "
        f"| {', '.join(g['examples'])} |"
        for g in content["gaps"]
    ]
    text = "\n".join(lines)
    truths = [Truth(**each) for each in content["truth"]]
    correlations = [Correlation(**each) for each in content["error_correlations"]]
    text = (
        f"Top {TOP} by the reward's own score, one per chemical system, of {content['calls']:,} formulas; "
        f"{content['seeds']} seeds.\n\n{text}\n\n{truth.markdown(truths, correlations)}"
    )
    if untold := content.get("untold"):
        text += (
            f"\n\nNo truth of {', '.join(untold)}: the table has no labels of properties of one's own, which also say "
            "the same beside the proxy and beside gold."
        )
    return text


def report(tasks: Sequence[str], calls: int, seeds: int, out: Path | None, rewards: Sequence[str] = REWARDS) -> str:
    """Measure and describe everything; what a search found is kept in `out`, and the same call goes on from there.

    Args:
        tasks: Names or files of tasks.
        calls: Distinct formulas per search.
        seeds: Repetitions of every search, with the seeds 0, 1, ...
        out: Folder for ``gap.json``, ``gap.md`` and ``parts/``, a file per search; or None.
        rewards: As `measure`.

    Returns:
        The text.

    Raises:
        ValueError: As `measure`, or a folder that holds results of other settings.
    """
    gaps, truths = [], []
    untold: list[str] = []
    wanted = [load_task(name) for name in tasks]
    for reward in rewards:
        open_predictor("reward", reward.removeprefix(BARE))
    if out is not None:
        (out / "parts").mkdir(parents=True, exist_ok=True)
    for task in wanted:
        gaps += [
            average([_kept(task, reward, source, calls, seed, out) for seed in range(seeds)])
            for source in SOURCES
            for reward in rewards
        ]
        if any(each.name not in ELEMENT_PROPERTIES for each in task.properties):
            untold.append(task.name)
        else:
            truths += [truth_check(task, predictor) for predictor in ("default", "two-family", "gold-train")]
        print(f"{task.name}: done", file=sys.stderr, flush=True)
    correlations = error_correlations(("default", "statistics", "two-family", "gold-train"))
    content = {
        "calls": calls,
        "seeds": seeds,
        "gaps": [{**asdict(g), "gap": g.gap} for g in gaps],
        "truth": [asdict(t) for t in truths],
        "untold": untold,
        "error_correlations": [asdict(c) for c in correlations],
    }
    text = markdown(content)
    if out is not None:
        write_whole(out / "gap.json", json.dumps(content, indent=1) + "\n")
        write_whole(out / "gap.md", text + "\n")
    return text


def _kept(task: Task, reward: str, source: str, calls: int, seed: int, out: Path | None) -> Gap:
    """As `measure`, or what an earlier call measured."""
    if out is None:
        return measure(task, reward, source, calls, seed)
    predictor = Path(reward.removeprefix(BARE))
    settings = {
        "task": task_for_storage(task), "reward": reward, "source": source, "calls": calls, "seed": seed,
        "predictor": hashlib.sha256(predictor.read_bytes()).hexdigest() if predictor.is_file() else "shipped",
        "matenv": matenv.__version__,
    }  # fmt: skip
    path = out / "parts" / file_name([task.name, reward, source, str(calls), str(seed)])
    found = stored_with(path, settings, lambda: asdict(measure(task, reward, source, calls, seed)))
    return Gap(**{**found, "examples": tuple(found["examples"])})
