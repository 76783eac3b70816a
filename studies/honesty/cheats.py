"""What each rule of a task, and each guard, stops: ``python -m studies.honesty.cheats`` switches them off one by one.

For each of them a search is made twice with equally many calls: on the score without the rule, and with it. It is the
adversary (`matenv.agents.searches.genetic`), whose steps are small, or for cheats that lie far away a list of all
dilute binary formulas. Of the 100 formulas it likes best, one per chemical system, the table shows how many are the
cheat that the rule is about, what they are paid, and what gold says of them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from matenv import elements as alphabet
from matenv.benchmark import Found, best_by_system, search
from matenv.benchmark.bare import bare_oracle
from matenv.composition import CompositionBatch
from matenv.data import load_dataset
from matenv.guards import GUARDS, Guards, properties_of
from matenv.latent import load_latent
from matenv.oracle import NOVEL_DISTANCE, Assessment, Oracle
from matenv.oracle.viability import ROOT
from matenv.tasks import TOO_GOOD, Task, TaskScore, load_task
from studies.honesty.stored import RESULTS, markdown, store
from tools.command import run

TOP = 100
"""Formulas judged, one per chemical system."""

DILUTE = (8, 12, 16, 24, 39, 60, 100)
"""Atoms of the main element in dilute binaries."""

UNSTABLE = 0.1
"""Decomposition energy above which a formula counts as unstable [eV/atom], by gold against the whole table."""

Values = NDArray[np.float64]
Flags = NDArray[np.bool_]
Rewrite = Callable[[Assessment, TaskScore], Values]


@dataclass(frozen=True)
class Altered(Task):
    """A task whose score is worked out in another way from the same assessment and parts."""

    rewrite: Rewrite = lambda assessment, scored: scored.score

    def score(self, assessment: Assessment) -> TaskScore:
        """Score a batch, as `Task.score`, then rewrite the score."""
        scored = super().score(assessment)
        return replace(scored, score=self.rewrite(assessment, scored))


@dataclass(frozen=True)
class Case:
    """One rule and the cheat it is about.

    Attributes:
        rule: Its name.
        cheat: What happens without it, in words.
        off: The task without the rule.
        on: The task with it.
        is_cheat: Which of some formulas are the cheat (B,), from the proxy's and from gold's assessment.
        dilute: Search the dilute binaries instead of sending the adversary.
        bare: The reward takes the predictor at its word (`matenv.benchmark.bare.bare_oracle`).
    """

    rule: str
    cheat: str
    off: Task
    on: Task
    is_cheat: Callable[[Assessment, Assessment], Flags]
    dilute: bool = False
    bare: bool = False


@dataclass(frozen=True)
class Outcome:
    """What the adversary found, means over the `TOP` best.

    Attributes:
        rule: The rule.
        setting: ``"off"`` or ``"on"``.
        paid: The score that the search was paid.
        gold: The score with the rule on, by gold.
        cheats: Share that are the cheat.
        stable: Share that gold says are on or below the hull of the whole table.
        unstable: Share that gold says are more than `UNSTABLE` above it.
        examples: The three best cheats, or formulas where there are none, each with gold's E_d in eV/atom.
    """

    rule: str
    setting: str
    paid: float
    gold: float
    cheats: float
    stable: float
    unstable: float
    examples: tuple[str, ...]


def alter(task: Task, rewrite: Rewrite) -> Altered:
    """A task with another score.

    Args:
        task: The task.
        rewrite: The new score (B,), from assessment and parts.

    Returns:
        The same task otherwise.
    """
    return Altered(**{f.name: getattr(task, f.name) for f in fields(Task)}, rewrite=rewrite)


def rules() -> list[Case]:
    """The rules of the tasks. The reward is that of the predictor `default`."""
    stiff, wide, stable = (load_task(name) for name in ("stiff-stable", "wide-gap-novel", "stable-novel"))
    unlimited: dict[str, Any] = {"max_atoms": 500, "max_count": 500}
    bare_stiff = replace(stiff, viability="none")
    dilute_stiff = replace(bare_stiff, **unlimited)
    untapered = alter(stable, lambda a, s: s.terms["utility"] * s.terms["validity"] * a.p_stable * a.p_found**ROOT)
    return [
        Case(
            "viability factor", f"unstable: gold's E_d above {UNSTABLE} eV/atom",
            bare_stiff, stiff,
            lambda proxy, gold: gold.decomposition_energy > UNSTABLE,
        ),
        Case(
            "unsaturated viability", f"unstable: gold's E_d above {UNSTABLE} eV/atom",
            alter(stiff, lambda a, s: s.terms["utility"] * s.terms["validity"] * (a.decomposition_energy <= 0.0)),
            stiff,
            lambda proxy, gold: gold.decomposition_energy > UNSTABLE,
        ),
        Case(
            "taper below TOO_GOOD", "predicted E_d below the limit for its number of elements",
            untapered, stable,
            lambda proxy, gold: proxy.decomposition_energy < _limit(proxy),
        ),
        Case(
            "taper, predictor at its word", "predicted E_d below the limit for its number of elements",
            untapered, stable,
            lambda proxy, gold: proxy.decomposition_energy < _limit(proxy), bare=True,
        ),
        Case(
            "at least 2 elements", "a pure element",
            replace(stiff, min_elements=1), stiff,
            lambda proxy, gold: proxy.compositions.size < stiff.min_elements,
        ),
        Case(
            "at most 6 elements", "7 or more elements",
            replace(stable, max_elements=10), stable,
            lambda proxy, gold: proxy.compositions.size > stable.max_elements,
        ),
        Case(
            "at most 20 atoms, counts at most 12", "more atoms, or a larger count",
            replace(stiff, **unlimited), stiff,
            lambda proxy, gold: _large(proxy, stiff),
        ),
        Case(
            "the same, dilute binaries, no viability", "more atoms, or a larger count",
            dilute_stiff, bare_stiff,
            lambda proxy, gold: _large(proxy, stiff), dilute=True,
        ),
        Case(
            "the same, dilute binaries", "more atoms, or a larger count",
            replace(stable, **unlimited), stable,
            lambda proxy, gold: _large(proxy, stable), dilute=True,
        ),
        Case(
            "minimum fraction 0.1, dilute binaries", "an element below 0.1 of the atoms",
            replace(stable, **unlimited), replace(stable, **unlimited, min_fraction=0.1),
            lambda proxy, gold: _scarcest(proxy) < 0.1, dilute=True,
        ),
        Case(
            "novelty", f"known, or within {NOVEL_DISTANCE} of a known formula",
            replace(stable, novel=False), stable,
            lambda proxy, gold: ~proxy.novel,
        ),
        Case(
            "novelty by distance (off: by name)", f"not known, but within {NOVEL_DISTANCE} of a known formula",
            alter(replace(stable, novel=False), lambda a, s: s.score * ~a.known), stable,
            lambda proxy, gold: ~proxy.novel & ~proxy.known,
        ),
        Case(
            "the same, dilute binaries, no viability, no count limits",
            f"not known, but within {NOVEL_DISTANCE} of a known formula",
            alter(dilute_stiff, lambda a, s: s.score * ~a.known), replace(dilute_stiff, novel=True),
            lambda proxy, gold: ~proxy.novel & ~proxy.known, dilute=True,
        ),
        Case(
            "ionic regime", "oxidation states do not balance",
            wide, replace(wide, regime="ionic", valence_share=0.0),
            lambda proxy, gold: ~proxy.electronegativity_balanced,
        ),
        Case(
            "excluded elements", "holds one of " + ", ".join(stable.exclude),
            replace(stable, exclude=()), stable,
            lambda proxy, gold: ~stable.allows(proxy.compositions),
        ),
    ]  # fmt: skip


def guard_cases(task: str = "wide-gap-novel") -> list[Case]:
    """Each guard as a gate: beyond a limit nothing is paid. And a gate that knows nothing, for comparison.

    Args:
        task: Name of the task.

    Returns:
        Two cases per guard of `matenv.guards.GUARDS`, closed for 1 % and for 10 % of held-out rows (one for `cycle`,
        which is 0 for nearly all of them), and a gate by chance that is closed for 10 % of all formulas.
    """
    bare = load_task(task)
    cases = [
        Case(
            f"guard {name}, {100 * (1 - share):.0f} % quantile", "beyond the limit",
            bare, alter(bare, partial(_gated, bare, name, share)), partial(_warned, bare, name, share),
        )
        for name in GUARDS
        for share in (0.01, 0.1)
        if name != "cycle" or share == 0.01
    ]  # fmt: skip
    chance = Case(
        "gate by chance", "one of a tenth of all formulas",
        bare, alter(bare, lambda a, s: s.score * ~_chance(a)), lambda proxy, gold: _chance(proxy),
    )  # fmt: skip
    return [*cases, chance]


def measure(case: Case, calls: int, seed: int = 0, predictor: str = "default") -> tuple[Outcome, Outcome]:
    """Search without and with a rule.

    Args:
        case: The rule.
        calls: Distinct formulas per search.
        seed: Of the search.
        predictor: Name of the predictor that pays.

    Returns:
        What was found with the rule off, and on.
    """
    return _search(case, "off", calls, seed, predictor), _search(case, "on", calls, seed, predictor)


def _search(case: Case, setting: str, calls: int, seed: int, predictor: str) -> Outcome:
    task = case.off if setting == "off" else case.on
    budget = None if case.dilute else calls
    oracle = bare_oracle(predictor, budget=budget) if case.bare else Oracle(budget=budget, predictor=predictor)
    found = dilute_binaries(task, oracle) if case.dilute else search("genetic", task, oracle, seed)
    rows = best_by_system(found.compositions, found.scores, TOP)
    best = found.compositions[rows]
    proxy = (bare_oracle(predictor) if case.bare else Oracle(predictor=predictor)).assess(best)
    gold = Oracle(predictor="gold", judge=True).assess(best)
    full = Oracle("all", predictor="gold", judge=True).assess(best)
    cheats = case.is_cheat(proxy, full)
    shown = np.flatnonzero(cheats)[:3] if cheats.any() else np.arange(min(3, len(best)))
    return Outcome(
        rule=case.rule,
        setting=setting,
        paid=float(found.scores[rows].mean()),
        # A guard's gate is about the proxy's opinion; gold is asked for the score alone.
        gold=float(Task.score(case.on, gold).score.mean()),
        cheats=float(cheats.mean()),
        stable=float((full.decomposition_energy <= 0.0).mean()),
        unstable=float((full.decomposition_energy > UNSTABLE).mean()),
        examples=tuple(f"{best[i : i + 1].formulas()[0]} ({full.decomposition_energy[i]:+.2f})" for i in shown),
    )


def dilute_binaries(task: Task, oracle: Oracle) -> Found:
    """All binary formulas of 1 atom of one element and 8 to 100 of another, that a task allows.

    Args:
        task: The task.
        oracle: What pays the score.

    Returns:
        The formulas and their scores.
    """
    allowed = np.flatnonzero(task.allowed)
    triples = [(n, a, b) for n in DILUTE for a in allowed for b in allowed if a != b]
    counts = np.zeros((len(triples), alphabet.NUM_ELEMENTS), np.int64)
    for row, (n, much, little) in enumerate(triples):
        counts[row, much], counts[row, little] = n, 1
    batch = CompositionBatch.from_counts(counts)
    batch = batch[np.flatnonzero(task.allows(batch))]
    return Found(batch, task.score(oracle.assess(batch)).score)


def average(outcomes: Sequence[Outcome]) -> Outcome:
    """The mean of what several seeds found, with the first one's examples."""
    names = ("paid", "gold", "cheats", "stable", "unstable")
    means = {name: float(np.mean([getattr(o, name) for o in outcomes])) for name in names}
    return replace(outcomes[0], **means)  # type: ignore[arg-type]


def tables(results: dict[str, Any]) -> str:
    """What was found, as a Markdown table; rules in the order of `rules` and `guard_cases`."""
    cases = {case.rule: case for case in [*rules(), *guard_cases()]}
    order = list(cases)
    headings = (
        "rule", "the cheat", "rule is", "paid", "gold", "cheats", "stable by gold", "unstable by gold",
        "for example (E_d)",
    )  # fmt: skip
    lines = [
        [o["rule"], cases[o["rule"]].cheat, o["setting"], f"{o['paid']:.3f}", f"{o['gold']:.3f}"]
        + [f"{100 * o[name]:.0f} %" for name in ("cheats", "stable", "unstable")]
        + [", ".join(o["examples"])]
        for o in sorted(results["outcomes"], key=lambda o: order.index(o["rule"]))
    ]
    return f"{results['calls']:,} calls, {results['seeds']} seeds.\n\n{markdown(headings, lines)}"


def _limit(assessment: Assessment) -> Values:
    return np.array([TOO_GOOD.get(int(n), -np.inf) for n in assessment.compositions.size])


def _scarcest(assessment: Assessment) -> Values:
    """Smallest atom fraction of an element present (B,)."""
    amounts = assessment.compositions.amounts
    return np.where(amounts > 0, amounts, 1.0).min(axis=1)


def _large(assessment: Assessment, task: Task) -> Flags:
    counts = assessment.compositions.counts
    return (counts.sum(axis=1) > task.max_atoms) | (counts.max(axis=1) > task.max_count)


@lru_cache(maxsize=8)
def _guard(task: Task, name: str) -> Guards:
    predictor = Oracle().predictor  # the one that pays
    return Guards((name,), load_latent("vae"), predictor, properties_of(task, predictor))


@lru_cache(maxsize=16)
def _closed_for(task: Task, name: str, share: float) -> float:
    """The limit that a share of held-out rows exceeds; for `cycle` its unit, which is one of samples, not of rows."""
    if name == "cycle":
        return 1.0
    data = load_dataset("mp-ground-states")
    held_out = Oracle().assess(data.compositions[data.part("validation")])
    return float(np.quantile(_guard(task, name).of_formulas(held_out)[name], 1.0 - share))


def _gated(task: Task, name: str, share: float, assessment: Assessment, scored: TaskScore) -> Values:
    """The score, or 0 where the guard warns."""
    return scored.score * ~_warned(task, name, share, assessment)


def _warned(task: Task, name: str, share: float, assessment: Assessment, gold: Assessment | None = None) -> Flags:
    """Whether formulas are beyond a guard's limit at their encodings (B,)."""
    values = _guard(task, name).of_formulas(assessment)[name]
    return values > _closed_for(task, name, share)


def _chance(assessment: Assessment) -> Flags:
    """A tenth of all formulas, by their counts (B,)."""
    batch = assessment.compositions
    return batch.keys(1) % np.uint64(10) == 0


def main(
    calls: Annotated[int, typer.Option(help="Distinct formulas per search.")] = 3000,
    seeds: Annotated[int, typer.Option(help="Repetitions.")] = 1,
    out: Annotated[Path, typer.Option(help="JSON file to write; rules finished in it are not done again.")] = RESULTS
    / "cheats.json",
) -> None:
    """Measure, write and print what was found."""
    results: dict[str, Any] = {"calls": calls, "seeds": seeds, "outcomes": []}
    if out.exists():
        kept = json.loads(out.read_text())
        if (kept["calls"], kept["seeds"]) != (calls, seeds):
            raise ValueError(f"{out} was made with {kept['calls']} calls and {kept['seeds']} seeds; give another --out")
        results = kept
    for case in [*rules(), *guard_cases()]:
        if case.rule in [o["rule"] for o in results["outcomes"]]:
            continue
        pairs = [measure(case, calls, seed) for seed in range(1 if case.dilute else seeds)]  # a list has no seed
        results["outcomes"] += [asdict(average(setting)) for setting in zip(*pairs, strict=True)]
        store(out, results)
        print(f"{case.rule}: done", file=sys.stderr, flush=True)
    print(tables(results))


if __name__ == "__main__":
    run(main)
