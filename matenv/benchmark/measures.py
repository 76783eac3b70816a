"""What a search is worth: its best formulas, hits that gold confirms, the hacking gap, what its calls were spent on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from matenv.benchmark.curve import LARGEST, area_under_curve, best_rows, values_at
from matenv.benchmark.diversity import diversity
from matenv.benchmark.found import Found, best_by_system
from matenv.benchmark.held_out import held_out_and_stable
from matenv.benchmark.moves import VIABLE
from matenv.benchmark.systems import PROPOSALS, SIZES
from matenv.chemistry import is_electronegativity_balanced
from matenv.composition import CompositionBatch
from matenv.oracle import Oracle
from matenv.tasks import Task

TOP = (1, 10, 100)
"""Numbers of best formulas that are averaged, one formula per chemical system."""

PER_WISH = 10
"""Best formulas averaged for a wish."""


def search_measures(found: Found, task: Task, budget: int, reference: str = "train") -> dict[str, float]:
    """Measures of a search cut off after so many calls.

    Args:
        found: What was assessed, in order.
        task: What the score is.
        budget: Calls that count; areas carry the last value forward to it.
        reference: Phases of the oracle's hull, as in the search.

    Returns:
        By name. ``calls``: distinct formulas assessed. ``top1``, ``top10``, ``top100``: mean of the best scores, one
        formula per chemical system, missing ones 0; ``auc1``, ``auc10``, ``auc100``: areas under their curves.
        ``gold100``: mean score by gold of the formulas of ``top100``, missing ones 0; ``gold_auc100``: area under its
        curve; ``gap``: ``top100`` minus ``gold100``. ``hits``: chemical systems with a success; ``gold_hits``: those
        with one that succeeds by gold, too. ``rediscoveries``: formulas that the task's rules allow and DFT says are
        stable, of chemical systems that the `system` split holds out. ``valid``, ``neutral``
        (electronegativity-balanced, metals not exempt), ``viable`` (P(stable) of 0.5 or more), ``success``: shares of
        the calls. ``systems``: distinct chemical systems. ``diversity``: of the formulas of ``top100``.
    """
    batch, scores = found.compositions[:budget], found.scores[:budget]
    calls, best = best_rows(batch, scores)
    sums = values_at(best, scores).cumsum(axis=1)
    measures: dict[str, float] = {"calls": len(batch)}
    for k in TOP:
        measures |= {f"top{k}": sums[-1, k - 1] / k, f"auc{k}": area_under_curve(calls, sums[:, k - 1] / k, budget)}
    rows = best[-1][best[-1] >= 0]
    gold = _gold_means(task, batch, best, reference)
    measures |= {"gold100": gold[-1], "gap": measures["top100"] - gold[-1]}
    measures["gold_auc100"] = area_under_curve(calls, gold, budget)
    assessment = Oracle(reference, properties=task.properties).assess(batch)
    scored = task.score(assessment)
    measures |= _hits(batch, scored.success, task, reference)
    measures["rediscoveries"] = int((held_out_and_stable(batch) & task.allows(batch)).sum())
    shares = {
        "valid": scored.terms["validity"] > 0,
        "neutral": is_electronegativity_balanced(batch) if len(batch) else np.zeros(0, np.bool_),
        "viable": assessment.p_stable >= VIABLE,
        "success": scored.success,
    }
    measures |= {name: float(share.sum() / max(len(batch), 1)) for name, share in shares.items()}
    measures["systems"] = len(batch.systems().distinct())
    measures["diversity"] = diversity(batch[rows])
    return {name: float(value) for name, value in measures.items()}


def wish_measures(found: Sequence[Found], tasks: Sequence[Task], reference: str = "train") -> dict[str, float]:
    """Measures of the amortised track.

    Args:
        found: What was assessed for each wish.
        tasks: The wishes as tasks.
        reference: Phases of the oracle's hull, as in the search.

    Returns:
        Means over the wishes. ``top10``: mean of the best ten scores, one formula per chemical system, missing ones 0;
        ``gold10``: the same formulas' by gold; ``gap``: the difference. ``hits``, ``gold_hits``: as `search_measures`.
        ``calls``: calls. ``answered``: share of the wishes with a hit that gold confirms.
    """
    rows = []
    for search, task in zip(found, tasks, strict=True):
        batch = search.compositions
        best = best_by_system(batch, search.scores, PER_WISH)
        success = task.score(Oracle(reference, properties=task.properties).assess(batch)).success
        counted = _hits(batch, success, task, reference)
        proxy, gold = search.scores[best].sum() / PER_WISH, _gold(task, batch[best], reference)[0].sum() / PER_WISH
        rows.append(
            {"top10": proxy, "gold10": gold, "gap": proxy - gold, **counted, "calls": len(batch),
             "answered": counted["gold_hits"] > 0}
        )  # fmt: skip
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def system_measures(found: Sequence[Found], systems: Sequence[tuple[str, ...]], stable: Sequence[int]) -> dict:
    """Measures of the systems track, all by DFT.

    Args:
        found: The proposals for each system, and their scores.
        systems: The systems.
        stable: Number of stable phases of each.

    Returns:
        For each number of elements n: ``first.n``, share of systems whose first proposal is a stable phase; ``hits.n``,
        stable phases named per system; ``recall.n``, share of all stable phases that were named; ``auc.n``, mean of
        that share after 1, 2, ... proposals; ``systems.n``. ``first``, ``hits``, ``recall``, ``auc``: means over the
        numbers of elements, which count alike.
    """
    measures: dict[str, float] = {}
    sizes, phases = np.array([len(system) for system in systems]), np.array(stable)
    named = np.stack([hits_of(each) for each in found])
    for size in SIZES:
        chosen = sizes == size
        if chosen.any():
            own, number = named[chosen], phases[chosen].sum()
            measures[f"first.{size}"], measures[f"hits.{size}"] = own[:, 0].mean(), own.sum(axis=1).mean()
            measures[f"recall.{size}"] = own.sum() / number
            measures[f"auc.{size}"] = own.cumsum(axis=1).mean(axis=1).sum() / number
            measures[f"systems.{size}"] = int(chosen.sum())
    for name in ("first", "hits", "recall", "auc"):
        measures[name] = float(np.mean([value for key, value in measures.items() if key.startswith(f"{name}.")]))
    return {name: float(value) for name, value in measures.items()}


def hits_of(found: Found) -> NDArray[np.float64]:
    """Whether each of ten proposals was a stable phase (`PROPOSALS`,), proposals that were not made 0."""
    scores = found.scores[:PROPOSALS]
    return np.pad(scores, (0, PROPOSALS - len(scores)))


def _gold(task: Task, batch: CompositionBatch, reference: str) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Scores and successes by the gold predictor (B,)."""
    judge = Oracle(reference, predictor="gold", judge=True, properties=task.properties)
    said = task.score(judge.assess(batch))
    return said.score, said.success


def _gold_means(
    task: Task, batch: CompositionBatch, best: NDArray[np.int64], reference: str
) -> NDArray[np.float64]:  # fmt: skip
    """Mean score by gold of the formulas at each row of row numbers (P, 100), missing ones 0 (P,)."""
    met = np.unique(best[best >= 0])
    values = np.zeros(len(batch))
    values[met] = _gold(task, batch[met], reference)[0]
    return values_at(best, values).sum(axis=1) / LARGEST


def _hits(
    batch: CompositionBatch, success: NDArray[np.bool_], task: Task, reference: str
) -> dict[str, float]:  # fmt: skip
    hit = batch[np.flatnonzero(success)]
    confirmed = hit[np.flatnonzero(_gold(task, hit, reference)[1])]
    return {"hits": len(hit.systems().distinct()), "gold_hits": len(confirmed.systems().distinct())}
