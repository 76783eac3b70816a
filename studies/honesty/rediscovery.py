"""Which formula of a system is stable: ``python -m studies.honesty.rediscovery`` prints how well it is answered.

All reduced compositions of at most 20 atoms and counts of at most 12 of chemical systems that the `system` split holds
out are ranked; nothing of these systems is in the hull, the counts or any model. Ranks are taken over systems with at
least one stable formula in the embedded table, masked (radioactive) elements left out. Sums of probabilities are taken
over these *and* over all held-out systems with any row in the table: the second is what p_found refers to, the first is
chosen by its outcome, so a calibrated model must promise less there than was found.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
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
        a = self.oracle.assess(batch)
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
        whole = sum(float(s.scores[method].sum()) for s in systems)
        some = sum(float(s.scores[method].sum()) for s in systems if s.stable.any())
        result["sum, all"] = whole / sum(int(s.stable.sum()) for s in systems)
        result["sum, with a stable one"] = some / stable.sum()
        result["brier"] = float(
            np.mean(np.concatenate([(s.scores[method] - s.stable) ** 2 for s in systems]))
            / np.mean(np.concatenate([s.stable for s in systems]))
        )
    return {name: float(value) for name, value in result.items()}


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
        a = Oracle(part).assess(data.compositions[rows])
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


def report(size: int, most: int, judges: Judges) -> dict[str, object]:
    """Print the tables of one number of elements."""
    masked = set(alphabet.positions(alphabet.MASKED_BY_DEFAULT).tolist())
    test = judges.data.part("test")
    systems = [
        judges.judge(*entry) for entry in enumerated(judges.data, test, size, most) if not masked & set(entry[0])
    ]
    stable = sum(int(s.stable.sum()) for s in systems)
    print(f"\n## {size} elements: {len(systems)} held-out systems, {len(systems[0].stable):,} compositions each, "
          f"{stable} stable phases in {sum(s.stable.any() for s in systems)} of them\n")  # fmt: skip
    print("| ranked by | systems | first is stable | one of first 5 | recall@10 | sum p / stable, systems with one "
          "| the same, all systems | Brier / share of stable |\n" + "|---" * 8 + "|")  # fmt: skip
    table = {}
    methods = [*systems[0].scores, "VAE likelihood", "sum of the three"]
    for method in dict.fromkeys(methods):
        if not any(method in s.scores for s in systems):
            continue
        r = table[method] = ranks(systems, method)
        first = f"{r['first']:.3f} ± {r['error of first']:.3f}"
        line = f"| {method} | {r['systems']:.0f} | {first} | {r['five']:.3f} | {r['recall']:.3f} |"
        if "brier" in r:
            line += f" {r['sum, with a stable one']:.2f} | {r['sum, all']:.2f} | {r['brier']:.3f} |"
        print(line, flush=True)
    print(
        "\n| p_found | compositions, quick | mean p | stable | compositions, thorough | mean p | stable |\n"
        + "|---" * 7
        + "|"
    )
    curves = {name: reliability(systems, f"p_found, {name}") for name in ("quick", "thorough")}
    for low in BINS[:-1]:
        cells = [next((b for b in curves[name] if b["low"] == low), None) for name in curves]
        text = [f"{c['compositions']:,} | {c['p']:.4f} | {c['stable']:.4f}" if c else " | | " for c in cells]
        print(f"| {low:g} .. | {text[0]} | {text[1]} |")
    rows = density(judges.data, systems)
    thirds = np.searchsorted(np.quantile(rows, [1 / 3, 2 / 3]), rows)
    parts: list[dict[str, Any]] = []
    print(
        "\n| train rows around | systems | stable | first is stable | recall@10 | sum p / stable, all "
        "| Brier / share |\n" + "|---" * 7 + "|"
    )
    for third in range(3):
        chosen = [s for s, t in zip(systems, thirds, strict=True) if t == third]
        if not any(s.stable.any() for s in chosen):
            continue
        r = ranks(chosen, "p_found, thorough")
        parts.append({"rows": [int(rows[thirds == third].min()), int(rows[thirds == third].max())], **r})
        found = sum(int(s.stable.sum()) for s in chosen)
        print(f"| {parts[-1]['rows'][0]} .. {parts[-1]['rows'][1]} | {len(chosen)} | {found} "
              f"| {r['first']:.3f} | {r['recall']:.3f} | {r['sum, all']:.2f} | {r['brier']:.3f} |")  # fmt: skip
    best = sorted(systems, key=lambda s: -s.known)[:20]
    sampled = {
        m: sum(float(s.scores[m].sum()) for s in best) / sum(int(s.stable.sum()) for s in best) for m in PROBABILITIES
    }
    print(
        "\nSum p / stable in the 20 best-sampled: " + ", ".join(f"{m} {v:.2f}" for m, v in sampled.items()), flush=True
    )
    return {"ranks": table, "reliability": curves, "density": parts, "20 best-sampled": sampled}


def main(
    size: Annotated[list[int] | None, typer.Option(help="Numbers of elements; default: 2, 3 and 4.")] = None,
    systems: Annotated[int, typer.Option(help="Most held-out systems of each; default: all.")] = 100_000,
    likelihood: Annotated[int, typer.Option(help="Systems ranked by the VAE, which is slow.")] = 120,
    out: Annotated[Path | None, typer.Option(help="JSON file to write.")] = None,
) -> None:
    """Print the tables."""
    judges = Judges(likelihood)
    results: dict[str, object] = {str(n): report(n, systems, judges) for n in size or (2, 3, 4)}
    rows = results["table rows"] = table_rows()
    print("\nHeld-out table rows, Brier: " + ", ".join(f"{name} {value:.4f}" for name, value in rows.items()))
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    run(main)
