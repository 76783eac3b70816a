"""Make `matenv/benchmark/references.json` from result files, and the page that shows it.

python -m tools.build_references studies/results/benchmark
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from itertools import combinations
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from scipy.stats import mannwhitneyu

from matenv.benchmark import Result, read_results
from matenv.benchmark.found import Found
from matenv.benchmark.measures import search_measures
from matenv.benchmark.references import References, digest, references
from matenv.composition import CompositionBatch, read
from matenv.oracle import Oracle
from matenv.tasks import BENCHMARK, TASKS
from tools.command import run
from tools.search_ceilings import FILE as CEILINGS

CALLS, MANY = 1_000, 10_000
FILE = Path("matenv/benchmark/references.json")
PAGE = Path("docs/benchmark_tasks.md")

COLUMNS = (
    "task", "random", "point", "retrieval", "best", "its method", "ceiling", "GA, 10,000", "retrieval, 10,000",
    "told apart", "what it asks",
)  # fmt: skip

HEAD = """# The benchmark's tasks

What each task asks, and what to hold a result against: gold's mean score of the best 100 chemical systems at
{calls:,} calls, means over seeds.

- *random*: uniform formulas that pass the free checks;
- *point*: hill climbing to one point of the latent space, all formulas on the way counted (a policy that goes to
  that point has one of them);
- *retrieval*: neighbours of the table's formulas, nothing learned from scores;
- *best*: the best method of the leaderboard, and its name;
- *ceiling*: the best 100 by proxy of all formulas that any run has met, those of longer searches included (`python -m
  tools.search_ceilings`: 50,000 calls of the genetic search), or those of one run where gold likes them better: an
  estimate from below, which a longer search may pass;
- *GA, 10,000*: what share of the ceiling, by proxy, a genetic search reaches with 10,000 calls;
- *retrieval, 10,000*: what share of the best method's gain over random retrieval has with 10,000 calls, both by gold;
- *told apart*: share of pairs of methods of which one is better over seeds (Mann and Whitney's test, two-sided, 5 %).

A test holds retrieval and point to half of the best method's gain over random at 1,000 calls, and the genetic search
with 10,000 to 95 % of the ceiling.

Made by `python -m tools.build_references studies/results/benchmark`; `matenv.benchmark.references(task)` has the
numbers.
"""


def main(paths: Annotated[list[str], typer.Argument(help="Result files, or folders of them.")]) -> None:
    """Read, work out, write."""
    results = [each for each in read_results(paths) if each.plan.track == "single"]
    by_task: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        by_task[result.plan.task].append(result)
    made = {name: asdict(of_task(name, by_task[name])) for name in BENCHMARK}
    FILE.write_text(json.dumps(made, indent=1) + "\n")
    PAGE.write_text(page())


def of_task(name: str, results: Sequence[Result]) -> References:
    """The reference values of one task from all of its runs."""
    gold: dict[str, list[float]] = defaultdict(list)
    for result in results:
        if result.plan.budget == CALLS:
            gold[result.plan.method].append(result.measures[str(CALLS)]["gold100"])
    means = {method: float(np.mean(values)) for method, values in gold.items()}
    genetic = [
        each.measures[str(MANY)]["top100"]
        for each in results
        if each.plan.budget == MANY and each.plan.method == "GA, table starts"
    ]
    ceiling, met = pooled(name, results)
    best = max(means, key=means.__getitem__)
    return References(
        calls=CALLS,
        floor=means["random"],
        point=means["point"],
        retrieval=means["retrieval"],
        best=means[best],
        best_method=best,
        ceiling=max(ceiling["gold100"], *(found["gold100"] for each in results for found in each.measures.values())),
        ceiling_proxy=ceiling["top100"],
        met=met,
        genetic=float(np.mean(genetic)),
        retrieval_many=share_of_retrieval(results),
        separation=told_apart(list(gold.values())),
        digest=digest(TASKS[name]),
    )


def share_of_retrieval(results: Sequence[Result]) -> float:
    """Share of the best method's gain over random that retrieval has with `MANY` calls, means over seeds, by gold."""
    gold: dict[str, list[float]] = defaultdict(list)
    for result in results:
        if result.plan.budget == MANY:
            gold[result.plan.method].append(result.measures[str(MANY)]["gold100"])
    means = {method: float(np.mean(values)) for method, values in gold.items()}
    return (means["retrieval"] - means["random"]) / (max(means.values()) - means["random"])


def told_apart(values: Sequence[Sequence[float]]) -> float:
    """Share of pairs of methods, each with a value for every seed, of which one is better at the 5 % level."""
    return float(np.mean([mannwhitneyu(a, b).pvalue < 0.05 for a, b in combinations(values, 2)]))


def pooled(name: str, results: Sequence[Result]) -> tuple[dict[str, float], int]:
    """Measures of all formulas that runs of a task have met, as if one run had met them, and how many they are."""
    answers = [answer for result in results for answer in result.answers]
    long = [kept["formulas"] for kept in json.loads(CEILINGS.read_text()).get(name, {}).values()]
    batches = [read(formulas, whole=True) for formulas in long]
    scores = [TASKS[name].score(Oracle("train").assess(batch)).score for batch in batches]
    met = Found(
        CompositionBatch.concatenate([*(answer.compositions for answer in answers), *batches]),
        np.concatenate([*(answer.scores for answer in answers), *scores]),
    )
    distinct = met.compositions.distinct()
    # The best 3,000 hold the best 100 chemical systems.
    best = distinct[np.argsort(-met.scores[distinct], kind="stable")[:3_000]]
    few = Found(met.compositions[best], met.scores[best])
    return search_measures(few, TASKS[name], len(few.scores)), len(distinct)


def page() -> str:
    """The page in Markdown."""
    lines = [
        HEAD.format(calls=CALLS).rstrip(),
        "",
        f"| {' | '.join(COLUMNS)} |",
        "|---" * len(COLUMNS) + "|",
    ]
    for name in BENCHMARK:
        task, known = TASKS[name], references(TASKS[name])
        assert known is not None
        values = [known.floor, known.point, known.retrieval, known.best]
        cells = [name, *(f"{value:.3f}" for value in values), known.best_method, f"{known.ceiling:.3f}"]
        cells += [
            f"{known.genetic / known.ceiling_proxy:.2f}",
            f"{known.retrieval_many:.2f}",
            f"{known.separation:.2f}",
            task.description,
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    run(main)
