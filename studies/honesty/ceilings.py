"""P(stable) with one ceiling per number of elements, as it was, beside the map that ships.

``python -m studies.honesty.ceilings`` measures both on test rows: scores, order within a number of elements, and by
class of elements and of how well the subsystems are known.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import spearmanr

from matenv import elements as alphabet
from matenv.composition import CompositionBatch
from matenv.data import load_dataset
from matenv.oracle.stability import CLIP, HULLS, LARGEST, SMALLEST, StabilityModel
from studies.honesty.stored import RESULTS, markdown, store
from tools.command import run
from tools.fit_stability import Rows, held_out, reliability

INTERCEPT, SLOPE, CEILING = (
    np.array(values)
    for values in (
        (-0.9921, 0.5565, 1.0165, 0.5659),
        (0.4405, 1.0352, 1.29, 0.993),
        (0.7734, 0.6051, 0.547, 0.509),
    )
)
"""Of `default`, for 2, 3, 4 and >= 5 elements: P = ceiling sigmoid(intercept + slope logit(CDF)), for either hull."""

MOST = 1000
"""Ternaries at the top whose P are counted."""

CLASSES = {"Cr": "Cr", "Mn": "Mn", "Fe": "Fe", "Ir": "Ir", "oxides": "O", "fluorides": "F", "lithium": "Li"}
"""Classes of rows by an element that they hold."""


class Ceilings(StabilityModel):
    """The former map, to be put in an oracle's `stability`."""

    def correct(
        self, raw: NDArray[np.float64], compositions: CompositionBatch, evidence: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """As `StabilityModel.correct`."""
        clipped = np.clip(raw, CLIP, 1 - CLIP)
        n = np.clip(compositions.size, SMALLEST, LARGEST) - SMALLEST
        return CEILING[n] * expit(INTERCEPT[n] + SLOPE[n] * np.log(clipped / (1 - clipped)))


def classes(rows: Rows) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Names of classes and which of N rows are in them (N,)."""
    size, unknown = rows.compositions.size, rows.evidence[:, 0]
    yield "all", np.ones(len(size), bool)
    for n in range(SMALLEST, LARGEST + 1):
        yield f"{n}{'+' if n == LARGEST else ''} elements", np.minimum(size, LARGEST) == n
    for name, symbol in CLASSES.items():
        yield name, (rows.compositions.elements == alphabet.SYMBOLS.index(symbol)).any(axis=1)
    yield "3+ elements, all pairs known", (size >= 3) & (unknown == 0)
    yield "3+ elements, some pairs unknown", (size >= 3) & (unknown > 0)
    yield "pure elements among the competitors", rows.evidence[:, 6] > 0


def measure() -> dict[str, Any]:
    """Both maps on test rows, predictor `default`, by hull.

    Returns:
        For each of `HULLS` a list "classes" and, by map, how the best ternaries are told apart, "order".
    """
    data = load_dataset("mp-ground-states")
    true = data.labels["decomposition_energy"][data.part("test")]
    results = {}
    for hull in HULLS:
        rows = held_out("default", hull, "test")
        maps = {"ceilings": Ceilings.at_its_word(), "shipped": StabilityModel.load("default", hull)}
        said = {name: m.correct(rows.raw, rows.compositions, rows.evidence) for name, m in maps.items()}
        results[hull] = {
            "classes": [
                {"rows": label, **{name: _scores(p[inside], rows.stable[inside]) for name, p in said.items()}}
                for label, inside in classes(rows)
            ],
            "order": {name: _order(p, rows, true) for name, p in said.items()},
        }
    return results


def _scores(p: NDArray[np.float64], stable: NDArray[np.bool_]) -> dict[str, Any]:
    """`reliability` of some rows, and how many of those with P >= .5 are stable."""
    sure = p >= 0.5
    return {**reliability(p, stable), "sure": int(sure.sum()), "sure and stable": int((sure & stable).sum())}


def _order(p: NDArray[np.float64], rows: Rows, true: NDArray[np.float64]) -> dict[str, Any]:
    """What the best ternaries look like, and rank correlations of P with -E_d by number of elements."""
    ternary = np.flatnonzero(rows.compositions.size == 3)
    top = ternary[np.argsort(-p[ternary], kind="stable")[:MOST]]
    size = np.minimum(rows.compositions.size, LARGEST)
    ranks = [spearmanr(p[size == n], -true[size == n])[0] for n in range(SMALLEST, LARGEST + 1)]
    return {
        "lowest": float(p[top].min()),
        "highest": float(p[top].max()),
        "values": len(np.unique(np.round(p[top], 3))),
        "stable": float(rows.stable[top].mean()),
        "stable of the first tenth": float(rows.stable[top[: MOST // 10]].mean()),
        "rank correlations": [float(rank) for rank in ranks],
    }


def tables(results: dict[str, Any]) -> str:
    """What `measure` found, as Markdown; each cell is ceilings -> shipped."""
    headings = ("rows", "n", "stable", "mean P", "Brier", "ECE", "AUC", "average precision", "stable where P >= .5")
    parts = []
    for hull, found in results.items():
        lines = []
        for entry in found["classes"]:
            label, *pair = entry.values()
            cells = [
                " -> ".join(f"{each[key]:.3f}" for each in pair) for key in ("mean_p", "brier", "ece", "auc", "ap")
            ]
            sure = [(each["sure and stable"], each["sure"]) for each in pair]
            cells.append(" -> ".join(f"{hit / most:.2f} of {most:,}" if most else "none" for hit, most in sure))
            lines.append([label, f"{pair[0]['n']:,.0f}", f"{pair[0]['stable']:.3f}", *cells])
        parts.append(f"Hull of {'train rows' if hull == 'train' else 'the whole table'}, ceilings -> shipped:\n")
        parts.append(markdown(headings, lines) + "\n")
        parts += [
            f"- {name}: the {MOST:,} best ternaries have P {o['lowest']:.3f} .. {o['highest']:.3f}, {o['values']} "
            f"values in steps of 0.001; {o['stable']:.2f} of them are stable, of the best {MOST // 10} "
            f"{o['stable of the first tenth']:.2f}.\n  Rank correlation of P with -E_d for 2, 3, 4 and more elements: "
            f"{', '.join(f'{rank:.2f}' for rank in o['rank correlations'])}."
            for name, o in found["order"].items()
        ]
        parts.append("")
    return "\n".join(parts).strip()


def main(out: Annotated[Path, typer.Option(help="JSON file to write.")] = RESULTS / "ceilings.json") -> None:
    """Measure, write and print the comparison."""
    results = measure()
    store(out, results)
    print(tables(results))


if __name__ == "__main__":
    run(main)
