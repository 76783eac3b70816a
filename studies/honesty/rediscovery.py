"""Which formula of a system is stable: ``python -m studies.honesty.rediscovery`` prints how well it is answered.

All reduced compositions of at most 20 atoms and counts of at most 12 of chemical systems that the `system` split holds
out are ranked; nothing of these systems is in the hull, the counts or any model. Ranks are taken over systems with at
least one stable formula in the embedded table, masked (radioactive) elements left out. Sums of probabilities are taken
over these *and* over all held-out systems with any row in the table: the second is what p_found refers to, the first is
chosen by its outcome, so a calibrated model must promise less there than was found.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from matenv import elements as alphabet
from matenv.composition import CompositionBatch
from matenv.data import Dataset, load_dataset
from matenv.latent import load_latent
from matenv.oracle import Oracle
from matenv.oracle.found import CLIP, LARGEST, SMALLEST, FoundModel
from matenv.oracle.sampling import Sampling
from matenv.oracle.stability import StabilityModel
from studies.honesty.stored import RESULTS, markdown, store
from tools.command import run
from tools.fit_found import enumerated

UNLIKELY = -14.0
"""Compositions whose quick logit lies below keep it: the thorough one could not matter."""

BINS = (0.0, 0.001, 0.01, 0.03, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0)


@dataclass
class System:
    """One held-out system: scores of its compositions by method, and which are stable."""

    elements: tuple[int, ...]
    stable: NDArray[np.bool_]
    known: int
    scores: dict[str, NDArray[np.float64]]


PROBABILITIES = ("P(stable)", "formula, quick", "p_found, quick", "formula, thorough", "p_found, thorough")


class Judges:
    """Everything that ranks compositions, on the train reference."""

    def __init__(self, likelihood: int) -> None:
        self.data = load_dataset("mp-ground-states")
        self.oracle, self.found, self.space = Oracle("train"), FoundModel.load("train"), load_latent("vae")
        self.random = np.random.default_rng(0)
        self.likelihood = likelihood
        self.members = {n: 0 for n in range(SMALLEST, LARGEST + 1)}

    def judge(self, elements: tuple[int, ...], batch: CompositionBatch, stable: NDArray[np.bool_]) -> System:
        """Scores of all compositions of a system."""
        a = self.oracle.anew().assess(batch)  # none keeps a list of millions of formulas
        features = self.found.tables.quick(batch)
        quick = self.found.quick.logit(features, batch.size)
        thorough = quick.copy()
        likely = quick > UNLIKELY
        if likely.any():
            thorough[likely] = self.found.formula_logit(batch[likely], thorough=True)
        p = np.clip(a.p_stable, CLIP, 1.0 - CLIP)
        energy = np.log(p / (1.0 - p))
        scores = {
            "random": self.random.random(len(batch)),
            "P(stable)": a.p_stable,
            "stoichiometry in train rows": features[:, 7].astype(np.float64) + 1e-3 * features[:, 9],
        }
        n = len(elements)
        if self.members.get(n, 0) < self.likelihood and stable.any():
            self.members[n] += 1
            scores["VAE likelihood"] = self.space.score(batch)
            scores["sum of the three"] = (
                scores["VAE likelihood"] + scores["stoichiometry in train rows"] + np.log(a.p_stable + 1e-3)
            )
        for kind, (name, logit) in enumerate((("quick", quick), ("thorough", thorough))):
            first, second = self.found.energy[kind, min(n, LARGEST) - SMALLEST]
            scores[f"formula, {name}"] = _sigmoid(logit)
            scores[f"p_found, {name}"] = _sigmoid(logit + first + second * energy)
        return System(elements, stable, int(np.isfinite(a.dft_formation_energy).sum()), scores)


def _sigmoid(logit: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1.0 / (1.0 + np.exp(-logit))


def ranks(systems: Sequence[System], method: str) -> dict[str, float]:
    """First is stable, one of the first five, recall in the first ten, over systems with a stable formula."""
    rows = []
    for system in systems:
        if method in system.scores and system.stable.any():
            top = system.stable[np.argsort(-system.scores[method], kind="stable")[:10]]
            rows.append((top[0], top[:5].any(), top.sum(), system.stable.sum()))
    first, five, hits, stable = np.array(rows, np.float64).T
    result = {
        "systems": len(rows), "first": first.mean(), "five": five.mean(), "recall": hits.sum() / stable.sum(),
        "error of first": first.std() / np.sqrt(len(rows)),
    }  # fmt: skip
    if method in PROBABILITIES:
        said = np.array([s.scores[method].sum() for s in systems])
        true = np.array([s.stable.sum() for s in systems])
        result["sum, all"] = said.sum() / true.sum()
        result["low"], result["high"] = ratio_interval(said, true)
        result["sum, with a stable one"] = said[true > 0].sum() / true.sum()
        result["brier"] = float(
            np.mean(np.concatenate([(s.scores[method] - s.stable) ** 2 for s in systems]))
            / np.mean(np.concatenate([s.stable for s in systems]))
        )
    return {name: float(value) for name, value in result.items()}


def ratio_interval(said: NDArray[np.float64], true: NDArray[np.int64], draws: int = 4000) -> tuple[float, float]:
    """95 % interval of a ratio of sums over systems (Q,), by a bootstrap over systems."""
    drawn = np.random.default_rng(0).multinomial(len(said), np.full(len(said), 1.0 / len(said)), draws)
    low, high = np.quantile((drawn @ said) / np.maximum(drawn @ true, 1), (0.025, 0.975))
    return float(low), float(high)


def reliability(systems: Sequence[System], method: str) -> list[dict[str, float]]:
    """Mean probability and share of stable compositions by bins of the probability."""
    p = np.concatenate([s.scores[method] for s in systems])
    y = np.concatenate([s.stable for s in systems])
    bins = np.clip(np.searchsorted(BINS, p, side="right") - 1, 0, len(BINS) - 2)
    return [
        {"low": BINS[b], "high": BINS[b + 1], "compositions": int((bins == b).sum()),
         "p": float(p[bins == b].mean()), "stable": float(y[bins == b].mean())}
        for b in range(len(BINS) - 1) if (bins == b).any()
    ]  # fmt: skip


def density(data: Dataset, systems: Sequence[System]) -> NDArray[np.int64]:
    """How well each system's surroundings are sampled (Q,): train rows within its proper subsets.

    Binaries have none: there, the binary train rows with one of the two elements.
    """
    train = data.compositions[data.split("system").train]
    present = np.zeros((len(train), alphabet.NUM_ELEMENTS + 1), np.int64)
    np.put_along_axis(present, train.elements.astype(np.int64), 1, axis=1)
    binary = train.size == 2
    rows = []
    for system in systems:
        shared = present[:, list(system.elements)].sum(axis=1)
        rows.append((binary & (shared == 1)).sum() if len(system.elements) == 2 else (shared == train.size).sum())
    return np.array(rows)


def table_rows() -> dict[str, float]:
    """Brier score of P(stable) on held-out table rows, alone and with the formula's logit (fitted on validation)."""
    from scipy.optimize import minimize

    data = load_dataset("mp-ground-states")
    stable = data.labels["decomposition_energy"] <= 0.0
    inputs = {}
    for name, base in (("validation", data.part("train")), ("test", data.split("system").train)):
        rows = data.part(name)
        part = data.subset(base)
        oracle = Oracle(part)  # which takes its table for one that lacks nothing
        oracle.stability = replace(StabilityModel.load(reference="train"), sampling=Sampling.of(part.compositions))
        a = oracle.assess(data.compositions[rows])
        found = FoundModel.of(part)
        p = np.clip(a.p_stable, CLIP, 1.0 - CLIP)
        size = np.clip(data.compositions.size[rows], SMALLEST, LARGEST)
        inputs[name] = (
            np.log(p / (1 - p)), found.formula_logit(data.compositions[rows], True), size, stable[rows], a.p_stable
        )  # fmt: skip
    result = {"P(stable)": float(np.mean((inputs["test"][4] - inputs["test"][3]) ** 2))}
    error = np.zeros(len(inputs["test"][3]))
    for number in range(SMALLEST, LARGEST + 1):

        def columns(name: str, number: int = number) -> tuple[NDArray, NDArray, NDArray]:
            energy, formula, sizes, label, _ = inputs[name]
            chosen = sizes == number
            x = np.stack([np.ones(chosen.sum()), energy[chosen], np.clip(formula[chosen], -8, 4)], axis=1)
            return np.column_stack([x, x[:, 1] * x[:, 2]]), label[chosen], chosen

        x, y, _ = columns("validation")
        best = minimize(
            lambda c, x=x, y=y: np.logaddexp(0, x @ c).sum() - (x @ c)[y].sum() + 0.5 * (c**2).sum(), np.zeros(4)
        ).x
        x, y, chosen = columns("test")
        error[chosen] = (_sigmoid(x @ best) - y) ** 2
        result[f"P(stable), {number} elements"] = float(np.mean((inputs["test"][4][chosen] - y) ** 2))
        result[f"both, {number} elements"] = float(error[chosen].mean())
    return {**result, "both": float(error.mean())}


def measure(size: int, most: int, judges: Judges) -> dict[str, Any]:
    """All that is known of one number of elements.

    Args:
        size: Number of elements.
        most: Held-out systems, drawn by chance where there are more.
        judges: What ranks.

    Returns:
        Numbers of systems and phases; `ranks` by method, of the thorough p_found by thirds of `density`, curves of
        `reliability`, and sums of probabilities over stable phases in the 20 systems with most rows in the table.
    """
    masked = set(alphabet.positions(alphabet.MASKED_BY_DEFAULT).tolist())
    test = judges.data.part("test")
    systems = [
        judges.judge(*entry) for entry in enumerated(judges.data, test, size, most) if not masked & set(entry[0])
    ]
    methods = dict.fromkeys(method for s in systems for method in s.scores)
    around = density(judges.data, systems)
    thirds = np.searchsorted(np.quantile(around, [1 / 3, 2 / 3]), around)
    parts = []
    for third in range(3):
        chosen = [s for s, t in zip(systems, thirds, strict=True) if t == third]
        if any(s.stable.any() for s in chosen):
            ends = [int(around[thirds == third].min()), int(around[thirds == third].max())]
            parts.append({"rows": ends, **_numbers(chosen), **ranks(chosen, "p_found, thorough")})
    best = sorted(systems, key=lambda s: -s.known)[:20]
    return {
        **_numbers(systems),
        "compositions": len(systems[0].stable),
        "ranks": {method: ranks(systems, method) for method in methods},
        "reliability": {name: reliability(systems, f"p_found, {name}") for name in ("quick", "thorough")},
        "density": parts,
        "20 best-sampled": {m: ranks(best, m)["sum, all"] for m in PROBABILITIES},
    }


def _numbers(systems: Sequence[System]) -> dict[str, int]:
    return {
        "number": len(systems),
        "stable": sum(int(s.stable.sum()) for s in systems),
        "with one": sum(bool(s.stable.any()) for s in systems),
    }


def tables(results: dict[str, Any]) -> str:
    """What was measured, as Markdown."""
    parts = [text for size, found in results["elements"].items() for text in _tables(size, found)]
    rows = results["table rows"]
    headings = ("held-out table rows, hull of train rows", "Brier of P(stable)", "with the formula's logit beside it")
    kinds = ["", *(f", {n} elements" for n in range(SMALLEST, LARGEST + 1))]
    lines = [
        [kind.removeprefix(", ") or "all", f"{rows[f'P(stable){kind}']:.3f}", f"{rows[f'both{kind}']:.3f}"]
        for kind in kinds
    ]
    return "\n\n".join([*parts, markdown(headings, lines)])


def _tables(size: str, found: dict[str, Any]) -> list[str]:
    """The tables of one number of elements."""
    whole = (
        f"{size} elements: {found['number']} held-out systems, {found['compositions']:,} compositions each, "
        f"{found['stable']} stable phases in {found['with one']} of them."
    )
    headings: tuple[str, ...] = (
        "ranked by", "first is stable", "one of first 5", "recall@10", "sum p / stable, all systems [95 %]",
        "the same, systems with one", "Brier / share of stable",
    )  # fmt: skip
    lines = []
    for method, r in found["ranks"].items():
        cells = [method, f"{r['first']:.3f} ± {r['error of first']:.3f}", f"{r['five']:.3f}", f"{r['recall']:.3f}"]
        if "brier" in r:
            cells += [f"{r['sum, all']:.2f} [{r['low']:.2f}, {r['high']:.2f}]", f"{r['sum, with a stable one']:.2f}"]
        lines.append([*cells, f"{r['brier']:.3f}"] if "brier" in r else [*cells, "", "", ""])
    ranked = markdown(headings, lines)
    headings = (
        "p_found",
        *(f"{what}, {name}" for name in found["reliability"] for what in ("compositions", "p", "stable")),
    )
    lines = []
    for low in BINS[:-1]:
        cells = [f"{low:g} .."]
        for bins in found["reliability"].values():
            b = next((each for each in bins if each["low"] == low), None)
            cells += [f"{b['compositions']:,}", f"{b['p']:.4f}", f"{b['stable']:.4f}"] if b else ["", "", ""]
        lines.append(cells)
    curves = markdown(headings, lines)
    headings = ("train rows around", "systems", "stable", "first is stable", "recall@10", "sum p / stable [95 %]")
    dense = markdown(
        headings,
        (
            [f"{d['rows'][0]} .. {d['rows'][1]}", f"{d['number']}", f"{d['stable']}", f"{d['first']:.3f}",
             f"{d['recall']:.3f}", f"{d['sum, all']:.2f} [{d['low']:.2f}, {d['high']:.2f}]"]
            for d in found["density"]
        ),
    )  # fmt: skip
    sampled = ", ".join(f"{m} {value:.2f}" for m, value in found["20 best-sampled"].items())
    return [whole, ranked, curves, dense, f"Sum p / stable in the 20 best-sampled: {sampled}."]


def main(
    size: Annotated[list[int] | None, typer.Option(help="Numbers of elements; default: 2, 3 and 4.")] = None,
    systems: Annotated[int, typer.Option(help="Most held-out systems of each.")] = 1000,
    likelihood: Annotated[int, typer.Option(help="Systems ranked by the VAE as well, which is slow.")] = 0,
    out: Annotated[Path, typer.Option(help="JSON file to write.")] = RESULTS / "rediscovery.json",
) -> None:
    """Measure, write and print."""
    judges = Judges(likelihood)
    results: dict[str, Any] = {"elements": {}, "table rows": table_rows()}
    for n in size or (2, 3, 4):
        results["elements"][str(n)] = measure(n, systems, judges)
        store(out, results)
        print(f"{n} elements: done", file=sys.stderr, flush=True)
    print(tables(results))


if __name__ == "__main__":
    run(main)
