"""What the shipped `dvae` has learnt: its head explained, its latent taken apart: ``python -m studies.alloys.head``.

*Head*: exact Shapley values of the log-odds t (Shapley 1953; the value of a coalition of features is the mean over a
background of 50 training alloys that lend the others; 8 features: seven descriptors, and the composition itself);
permutation importance, the loss in balanced accuracy on held-out systems when one feature is shuffled; and what 5 at.%
of an element does to P(single phase) of held-out alloys of four and more elements, descriptors worked out anew.
*Latent*: how well the label is told from t alone and from the rest z alone, on held-out systems; and what moving t
alone does. Figures go to ``studies/results/alloy-head.json``, the pictures to ``docs/images``.
"""

from __future__ import annotations

import json
from itertools import combinations
from math import factorial
from pathlib import Path
from typing import Annotated, cast

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

import matenv
from matenv.chemistry.alloys import DESCRIPTORS, alloy_descriptors, expert_log_odds
from matenv.latent.networks.dvae import SCALES, DisentangledVAE
from matenv.tasks.single_phase import ALLOYING_ELEMENTS, p_single_phase
from studies import IMAGES, RESULTS
from tools.command import run

RESULT = RESULTS / "alloy-head.json"
PICTURE = IMAGES / "alloy-head.png"
FEATURES = (*DESCRIPTORS, "composition")
BACKGROUND, EXPLAINED, ADDED = 50, 100, 0.05
EXAMPLES = ("CoCrFeMnNi", "AlCoCrFeNi", "NbMoTaW", "Al(TiVCr)3")

Array = NDArray[np.float64]
HEAD = cast(DisentangledVAE, matenv.load_latent("dvae").network).head


def log_odds(x: Array, described: Array) -> Array:
    """Mean log-odds t (B,) from fractions (B, 89) and descriptors (B, 7), which need not belong together."""
    scaled = (torch.from_numpy(described).float() - SCALES[:, 0]) / SCALES[:, 1]
    with torch.inference_mode():
        shift, _ = HEAD(torch.from_numpy(x).float(), scaled)
    return expert_log_odds(described) + shift.double().numpy()


def mixed(own: tuple[int, ...], x: Array, described: Array, row: int, back: NDArray[np.int64]) -> Array:
    """Log-odds (len(back),) of a row whose features outside `own` are lent by background rows."""
    d = described[back].copy()
    kept = [i for i in own if i < len(DESCRIPTORS)]
    d[:, kept] = described[row, kept]
    fractions = np.repeat(x[row][None], len(back), axis=0) if len(DESCRIPTORS) in own else x[back]
    return log_odds(fractions, d)


def shapley(x: Array, described: Array, rows: NDArray[np.int64], back: NDArray[np.int64]) -> Array:
    """Exact Shapley values (len(rows), 8) of the log-odds."""
    n = len(FEATURES)
    coalitions = [own for size in range(n + 1) for own in combinations(range(n), size)]
    values = np.zeros((len(rows), n))
    for place, row in enumerate(rows.tolist()):
        worth = {own: mixed(own, x, described, row, back).mean() for own in coalitions}
        for own in coalitions:
            for i in set(range(n)) - set(own):
                weight = factorial(len(own)) * factorial(n - len(own) - 1) / factorial(n)
                values[place, i] += weight * (worth[tuple(sorted((*own, i)))] - worth[own])
    return values


def permutation_importance(x: Array, described: Array, y: NDArray[np.bool_], rng: np.random.Generator) -> Array:
    """Loss of balanced accuracy (8,) when each feature is shuffled; mean over 20 shuffles."""
    whole = balanced_accuracy_score(y, log_odds(x, described) > 0)
    loss = np.zeros(len(FEATURES))
    for i in range(len(FEATURES)):
        for _ in range(20):
            order = rng.permutation(len(y))
            d, fractions = described.copy(), x
            if i < len(DESCRIPTORS):
                d[:, i] = d[order, i]
            else:
                fractions = x[order]
            loss[i] += (whole - balanced_accuracy_score(y, log_odds(fractions, d) > 0)) / 20
    return loss


def added_element(x: Array) -> dict[str, float]:
    """Mean change of P(single phase) of alloys when 5 at.% of each element is added."""
    before, change = p_single_phase(x), {}
    for symbol in ALLOYING_ELEMENTS:
        i = matenv.elements.INDEX[symbol]
        rows = np.flatnonzero((x[:, i] == 0) & ((x > 0).sum(axis=1) < 10))
        more = (1 - ADDED) * x[rows]
        more[:, i] += ADDED
        change[symbol] = float((p_single_phase(more) - before[rows]).mean())
    return change


def disentangled(train: NDArray, test: NDArray) -> dict[str, float]:
    """How well t, and how well z, tell the label of held-out alloys (area under the ROC curve, forest for both)."""
    data, space = matenv.load_dataset("hea-phases"), matenv.load_latent("dvae")
    codes, y = space.encode(data.compositions), data.labels["single_phase"]
    told = {}
    for name, columns in (("t", slice(0, 1)), ("z", slice(1, None)), ("both", slice(None))):
        forest = RandomForestClassifier(300, min_samples_leaf=3, random_state=0, n_jobs=1)
        forest.fit(codes[train][:, columns], y[train])
        told[name] = float(roc_auc_score(y[test], forest.predict_proba(codes[test][:, columns])[:, 1]))
    return told


def moves(rows: NDArray[np.int64]) -> dict[str, dict[str, float]]:
    """What becomes of alloys when t alone is moved, or z alone by a random vector of the same length."""
    data, space = matenv.load_dataset("hea-phases"), matenv.load_latent("dvae")
    codes, rng = space.encode(data.compositions[rows]), np.random.default_rng(0)
    direction = rng.standard_normal((len(rows), space.dim - 1))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    start = space.decode(codes)
    result = {}
    for step in (-2.0, -1.0, 1.0, 2.0):
        along_t, along_z = codes.copy(), codes.copy()
        along_t[:, 0] += step
        along_z[:, 1:] += step * direction
        for name, moved in (("t", along_t), ("z", along_z)):
            x = space.decode(moved)
            result[f"{name} {step:+g}"] = {
                "p_change": float((p_single_phase(x) - p_single_phase(start)).mean()),
                "absolute_p_change": float(np.abs(p_single_phase(x) - p_single_phase(start)).mean()),
                "l1": float(np.abs(x - start).sum(axis=1).mean()),
                "same_elements": float(((x > 0) == (start > 0)).all(axis=1).mean()),
            }
    return result


def traverse(formula: str) -> list[tuple[float, str, float]]:
    """(t in standard deviations from the alloy's own, formula, P) on the line through an alloy along t."""
    space = matenv.load_latent("dvae")
    steps = np.linspace(-3, 3, 7)
    points = np.repeat(space.encode(formula), len(steps), axis=0)
    points[:, 0] += steps
    batch = space.decode_batch(points)
    return list(zip(steps.tolist(), batch.formulas(), p_single_phase(batch.fractions()).round(3).tolist(), strict=True))


def draw(values: Array, described: Array, importance: Array, change: dict[str, float], path: Path) -> None:
    """Shapley values by feature, permutation importance, and the elements."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (left, middle, right) = plt.subplots(
        1, 3, figsize=(13.5, 4.8), width_ratios=(1.5, 0.8, 1.4), constrained_layout=True
    )
    order = np.argsort(np.abs(values).mean(axis=0))
    rng = np.random.default_rng(0)
    for place, i in enumerate(order.tolist()):
        if i < described.shape[1]:
            ranks = np.argsort(np.argsort(described[:, i])) / (len(described) - 1)
            kind = {"c": ranks, "cmap": "coolwarm"}
        else:
            kind = {"color": "0.5"}
        points = left.scatter(values[:, i], place + rng.uniform(-0.25, 0.25, len(values)), s=12, **kind)
        if i < described.shape[1]:
            shades = points
    names = [FEATURES[i].replace("_", " ") for i in order]
    left.set_yticks(range(len(order)), names)
    left.axvline(0, color="0.7", lw=0.8)
    left.set_xlabel("Shapley value: share in the log-odds of a single phase")
    left.set_title("Head, 100 held-out alloys", fontsize=11)
    bar = figure.colorbar(shades, ax=left, ticks=[0, 1], pad=0.01, aspect=30)
    bar.ax.set_yticklabels(["low", "high"])
    bar.set_label("value of the descriptor", labelpad=-14)
    middle.barh(range(len(order)), 100 * importance[order], color="tab:blue")
    middle.set_yticks(range(len(order)), [""] * len(order))
    middle.set_xlabel("loss of balanced accuracy\nwhen shuffled [points]")
    middle.set_title("Permutation importance", fontsize=11)
    symbols = sorted(change, key=lambda symbol: change[symbol])
    right.bar(
        range(len(symbols)), [change[s] for s in symbols],
        color=["tab:red" if change[s] < 0 else "tab:green" for s in symbols],
    )  # fmt: skip
    right.set_xticks(range(len(symbols)), symbols, fontsize=7)
    right.axhline(0, color="0.3", lw=0.8)
    right.set_ylabel("mean change of P(single phase)")
    right.set_title("5 at.% of an element added to held-out alloys\nof four and more elements", fontsize=11)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def main(
    result: Annotated[Path, typer.Option(help="File of the figures.")] = RESULT,
    picture: Annotated[Path, typer.Option(help="Picture to draw.")] = PICTURE,
) -> None:
    """Measure, draw, write and print."""
    torch.set_num_threads(1)
    data, rng = matenv.load_dataset("hea-phases"), np.random.default_rng(0)
    y = data.labels["single_phase"]
    train, test = (rows[np.isfinite(y[rows])] for rows in data.split("system"))
    x, described = data.fractions, alloy_descriptors(data.fractions)
    rows = rng.permutation(test)[:EXPLAINED]
    values = shapley(x, described, rows, rng.permutation(train)[:BACKGROUND])
    importance = permutation_importance(x[test], described[test], y[test] == 1, rng)
    held_out = data.split("system").test
    change = added_element(x[held_out[data.compositions.size[held_out] >= 4]])
    figures = {
        "command": "python -m studies.alloys.head",
        "shapley_mean_absolute": dict(zip(FEATURES, np.abs(values).mean(axis=0).round(3).tolist(), strict=True)),
        "permutation_loss": dict(zip(FEATURES, importance.round(4).tolist(), strict=True)),
        "element_added": {symbol: round(value, 3) for symbol, value in change.items()},
        "auc_of_label": {name: round(value, 3) for name, value in disentangled(train, test).items()},
        "moves": {k: {n: round(v, 3) for n, v in each.items()} for k, each in moves(held_out).items()},
        "traverse": {formula: traverse(formula) for formula in EXAMPLES},
    }
    draw(values, described[rows], importance, change, picture)
    result.write_text(json.dumps(figures, indent=1) + "\n")
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    run(main)
