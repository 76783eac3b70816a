"""P(stable) with one ceiling per number of elements, as it was, beside the map that ships.

``python -m studies.honesty.ceilings`` prints both on test rows: scores, order within a number of elements, and by class
of elements and of how well the subsystems are known.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import spearmanr

from matenv import elements as alphabet
from matenv.composition import CompositionBatch
from matenv.data import load_dataset
from matenv.oracle.stability import CLIP, HULLS, LARGEST, SMALLEST, StabilityModel
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


def main() -> None:
    """Print the comparison, predictor `default`."""
    data = load_dataset("mp-ground-states")
    true = data.labels["decomposition_energy"][data.part("test")]
    for hull in HULLS:
        rows = held_out("default", hull, "test")
        maps = {"ceilings": Ceilings.at_its_word(), "shipped": StabilityModel.load("default", hull)}
        said = {name: m.correct(rows.raw, rows.compositions, rows.evidence) for name, m in maps.items()}
        print(f"\nHull {hull}; each cell: {' -> '.join(said)}\n")
        print("| rows | n | stable | mean P | Brier | ECE | AUC | average precision | stable where P >= .5 |")
        print("|---" * 9 + "|")
        for label, inside in classes(rows):
            found = [reliability(p[inside], rows.stable[inside]) for p in said.values()]
            cells = [" -> ".join(f"{f[key]:.3f}" for f in found) for key in ("mean_p", "brier", "ece", "auc", "ap")]
            sure = [rows.stable[inside & (p >= 0.5)] for p in said.values()]
            cells.append(" -> ".join(f"{s.mean():.2f} of {len(s):,}" if len(s) else "none" for s in sure))
            print(f"| {label} | {inside.sum():,} | {rows.stable[inside].mean():.3f} | {' | '.join(cells)} |")
        print()
        for name, p in said.items():
            ternary = np.flatnonzero(rows.compositions.size == 3)
            top = ternary[np.argsort(-p[ternary], kind="stable")[:MOST]]
            ranks = []
            for n in range(SMALLEST, LARGEST + 1):
                inside = np.minimum(rows.compositions.size, LARGEST) == n
                ranks.append(f"{spearmanr(p[inside], -true[inside])[0]:.2f}")
            shares = [rows.stable[top[:most]].mean() for most in (MOST, MOST // 10)]
            print(
                f"{name}: the {MOST} best ternaries have P {p[top].min():.3f} .. {p[top].max():.3f}, "
                f"{len(np.unique(np.round(p[top], 3)))} values in steps of 0.001, {shares[0]:.2f} of "
                f"them stable, the best {MOST // 10} {shares[1]:.2f}; rank correlation of P with -E_d by number of "
                f"elements {', '.join(ranks)}"
            )


if __name__ == "__main__":
    run(main)
