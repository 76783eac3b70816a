"""Make `matenv/benchmark/references.json` from result files, and the page that shows it.

python -m tools.build_references studies/results/benchmark studies/results/benchmark_wheels
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, replace
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from scipy.stats import mannwhitneyu

from matenv.atomic import write_whole
from matenv.benchmark import Result, best_by_system, read_results
from matenv.benchmark.board import COLUMNS as MEASURES
from matenv.benchmark.board import REFERENCES, SHARE
from matenv.benchmark.curve import LARGEST
from matenv.benchmark.found import Found
from matenv.benchmark.measures import search_measures
from matenv.benchmark.references import References, digest
from matenv.composition import CompositionBatch, read
from matenv.oracle import Oracle
from matenv.tasks import BENCHMARK, TASKS, TRAINING_WHEELS
from tools.command import run
from tools.references_page import PAGE, page
from tools.search_ceilings import FILE as CEILINGS

CALLS, MANY, SEEDS = 1_000, 10_000, 10
FILE = Path("matenv/benchmark/references.json")


def main(paths: Annotated[list[str], typer.Argument(help="Result files, or folders of them.")]) -> None:
    """Read, work out, write."""
    results = [each for each in read_results(paths) if each.plan.track == "single" and not each.plan.training]
    by_task: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        by_task[result.plan.task].append(result)
    made: dict[str, dict[str, Any]] = {}
    for name in (*BENCHMARK, *TRAINING_WHEELS):
        made[name] = {"digest": digest(TASKS[name]), "runs": trivial(by_task[name])}
        if name in BENCHMARK:
            values = asdict(of_task(name, by_task[name]))
            made[name]["values"] = {key: value for key, value in values.items() if key != "digest"}
    text = json.dumps(made, indent=1)
    in_a_line = re.sub(r"\[[^\[\]]*\]", lambda found: re.sub(r"\s+", " ", found[0]), text)
    write_whole(FILE, in_a_line + "\n")
    write_whole(PAGE, page())


def trivial(results: Sequence[Result]) -> dict[str, dict[str, dict[str, list[float]]]]:
    """What a leaderboard shows of the trivial methods: by method, calls and measure a value for each seed."""
    found: dict[str, dict[str, dict[str, list[float]]]] = {}
    for result in sorted(results, key=lambda each: (each.plan.budget, each.plan.seed)):
        if result.plan.method not in REFERENCES["single"]:
            continue
        calls = str(result.plan.budget)
        kept = found.setdefault(result.plan.method, {}).setdefault(calls, {})
        for name in MEASURES["single"]:
            if name != SHARE:
                kept.setdefault(name, []).append(float(f"{result.measures[calls][name]:.6g}"))
    return found


def of_task(name: str, results: Sequence[Result]) -> References:
    """The reference values of one task from all of its runs."""
    gold = gold_of(results, CALLS)
    means = {method: float(np.mean(values)) for method, values in gold.items()}
    enough = {method: means[method] for method, values in gold.items() if len(values) >= SEEDS}
    genetic = [
        each.measures[str(MANY)]["top100"]
        for each in results
        if each.plan.budget == MANY and each.plan.method == "GA, table starts"
    ]
    ceiling, met = pooled(name, results)
    best = max(enough, key=enough.__getitem__)
    start = TASKS[name].start
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
        hits=max(each.measures[str(MANY)]["gold_hits"] for each in results if each.plan.budget == MANY),
        digest=digest(TASKS[name]),
        start=None if start is None else worth(name, start, "gold"),
        start_proxy=None if start is None else worth(name, start, "default"),
    )


def gold_of(results: Sequence[Result], calls: int) -> dict[str, list[float]]:
    """By method, of each run with that many calls what its best 100 are worth by gold."""
    gold: dict[str, list[float]] = defaultdict(list)
    for result in results:
        if result.plan.budget == calls:
            gold[result.plan.method].append(result.measures[str(calls)]["gold100"])
    return gold


def worth(name: str, formula: str, predictor: str) -> float:
    """Utility x viability of a formula, whatever the task says about its elements and novelty."""
    task = replace(TASKS[name], novel=False)
    oracle = Oracle("train", predictor=predictor, judge=predictor == "gold")
    terms = task.score(oracle.assess(read([formula], whole=True))).terms
    return float(terms["utility"][0] * terms["viability"][0])


def share_of_retrieval(results: Sequence[Result]) -> float:
    """Share of the best method's gain over random that retrieval has with `MANY` calls, means over seeds, by gold."""
    means = {method: float(np.mean(values)) for method, values in gold_of(results, MANY).items()}
    return (means["retrieval"] - means["random"]) / (max(means.values()) - means["random"])


def told_apart(values: Sequence[Sequence[float]]) -> float:
    """Share of pairs of methods, each with values of `SEEDS` seeds or more, of which one is better at the 5 % level."""
    enough = [each for each in values if len(each) >= SEEDS]  # of fewer, the test could hardly say so
    return float(np.mean([mannwhitneyu(a, b).pvalue < 0.05 for a, b in combinations(enough, 2)]))


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
    best = best_by_system(met.compositions, met.scores, LARGEST)
    few = Found(met.compositions[best], met.scores[best])
    return search_measures(few, TASKS[name], len(few.scores)), len(met.compositions.distinct())


if __name__ == "__main__":
    run(main)
