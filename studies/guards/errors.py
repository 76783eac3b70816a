"""Which guard tells where the predictor is wrong: ``python -m studies.guards.errors`` measures it.

Errors are measured against DFT on held-out table rows, and against gold (`matenv.benchmark.gap`) where there is no
DFT: on random walks and samples of the latent space, and on what an adversary finds. A guard is worth its name if its
value rises with the error: by rank correlation, and by the mean error of the tenth of the rows it warns of most.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from matenv.benchmark import best_by_system, search
from matenv.composition import CompositionBatch
from matenv.data import load_dataset
from matenv.data.neighbours import Neighbours
from matenv.guards import GUARDS, Guards, NearestPoint, reference_rows
from matenv.latent import LatentSpace, load_latent
from matenv.oracle import Oracle
from matenv.properties import load_predictor
from matenv.tasks import load_task
from studies.honesty.reliability import SIZES
from tools.command import run

SOURCES: dict[str, str] = {
    "system": "test rows of the `system` split, against DFT",
    "frontier": "those of them that the `frontier` split holds out too, against DFT",
    "walk": "distinct formulas of random walks (16 full steps from training formulas), against gold",
    "prior": "distinct formulas of samples of the latent space, against gold",
    "adversary": "the 1,000 best of 10,000 formulas found by the adversary on wide-gap-novel, one per chemical system, "
    "against gold",
}
"""Where rows come from."""

PROPERTIES = ("formation_energy", "band_gap_pbe")

OTHERS: dict[str, str] = {
    "norm": "norm of the latent position (the environment's `ood`)",
    "nearest, all": "distance to the nearest of all training encodings",
    "novelty": "L1 distance to the nearest training formula on the same or fewer elements",
    "families": "difference between `default` and `statistics`",
    "elements": "number of elements",
}
"""Candidates measured beside the guards."""

_WALKS, _STEPS, _SAMPLES, _CALLS, _BEST = 400, 16, 6000, 10_000, 1000


@dataclass(frozen=True)
class Rows:
    """Rows to measure on.

    Attributes:
        source: Of `SOURCES`.
        compositions: The formulas (B).
        z: Their latent positions (B, n): where the walk or sample stood, else the encoding.
        truth: What predictions are compared with, by property (B,); NaN where there is nothing.
    """

    source: str
    compositions: CompositionBatch
    z: NDArray[np.float64]
    truth: dict[str, NDArray[np.float64]]


@dataclass(frozen=True)
class Verdict:
    """What one guard tells about the errors of one property.

    Attributes:
        source: Of `SOURCES`.
        predictor: Name of the predictor whose errors these are.
        property_name: The property.
        guard: Of `GUARDS` or `OTHERS`.
        rows: Number of rows.
        spearman: Rank correlation of guard and absolute error.
        within: The same among rows with equally many elements, averaged with their number as weight.
        worst: Mean absolute error of the tenth of the rows with the largest value, in the property's unit.
        rest: That of the other rows.
        by_size: ``worst / rest`` for each class of `reliability.SIZES` with at least 100 rows.
        deciles: Mean absolute error of each tenth of the rows by rising value (10,).
    """

    source: str
    predictor: str
    property_name: str
    guard: str
    rows: int
    spearman: float
    within: float
    worst: float
    rest: float
    by_size: dict[str, float]
    deciles: tuple[float, ...]


def gather(source: str, space: LatentSpace) -> Rows:
    """The rows of one source.

    Args:
        source: Key of `SOURCES`.
        space: The latent space.

    Returns:
        The rows; a function of the arguments alone.

    Raises:
        ValueError: An unknown source.
    """
    data = load_dataset("mp-ground-states")
    if source in ("system", "frontier"):
        table_rows = data.part("test")
        table_rows = table_rows[data.frontier[table_rows]] if source == "frontier" else table_rows
        part = data.subset(table_rows)
        gap = np.where(part.truth("band_gap_pbe"), part.labels["band_gap_pbe"], np.nan)
        truth = {"formation_energy": part.formation_energy, "band_gap_pbe": gap}
        return Rows(source, part.compositions, space.encode(part.compositions), truth)
    if source == "adversary":
        found = search("genetic", load_task("wide-gap-novel"), Oracle(budget=_CALLS))
        batch = found.compositions[best_by_system(found.compositions, found.scores, _BEST)]
        return Rows(source, batch, space.encode(batch), _gold(batch))
    if source not in SOURCES:
        raise ValueError(f"source={source!r} is unknown; choose one of {', '.join(SOURCES)}")
    z = _walks(space) if source == "walk" else space.sample(_SAMPLES, 0)
    batch = space.decode_batch(z)
    lawful = np.flatnonzero(load_task("stable-novel").allows(batch))
    lawful = lawful[batch[lawful].distinct()]
    return Rows(source, batch[lawful], z[lawful], _gold(batch[lawful]))


def verdicts(rows: Rows, predictor: str, space: LatentSpace) -> list[Verdict]:
    """What every guard tells about a predictor's errors on some rows.

    Args:
        rows: The rows.
        predictor: Name of a predictor that has seen train rows only.
        space: The latent space.

    Returns:
        One entry for each property and guard.
    """
    assessment = Oracle(predictor=predictor).assess(rows.compositions)
    model, size = load_predictor(predictor), rows.compositions.size
    everywhere = _latent_values(rows, space)
    families = [load_predictor(family).predict_batch(rows.compositions) for family in ("default", "statistics")]
    result = []
    for name in PROPERTIES:
        error = np.abs(assessment.mean[name] - rows.truth[name])
        known = np.isfinite(error)
        own = Guards(("uncertainty", "disagreement"), None, model, (name,))(None, assessment)
        apart = np.abs(families[0].mean[name] - families[1].mean[name])
        values = {**everywhere, **own, "families": apart, "elements": size.astype(np.float64)}
        for guard in (*GUARDS, *OTHERS):
            result.append(
                Verdict(
                    rows.source, predictor, name, guard, int(known.sum()),
                    *_judged(values[guard][known], error[known], size[known]),
                )
            )  # fmt: skip
    return result


def spearman(a: NDArray, b: NDArray) -> float:
    """Spearman's rank correlation, ties at their mean rank; 0 if one of them is constant."""
    x, y = _mean_ranks(a), _mean_ranks(b)
    return 0.0 if min(x.std(), y.std()) == 0 else float(np.corrcoef(x, y)[0, 1])


def _judged(
    value: NDArray, error: NDArray, size: NDArray
) -> tuple[float, float, float, float, dict[str, float], tuple[float, ...]]:
    """The fields of a `Verdict` from `spearman` on."""
    classes = [np.flatnonzero(size == n) for n in np.unique(size)]
    classes = [rows for rows in classes if len(rows) >= 30]
    inside = [spearman(value[rows], error[rows]) for rows in classes]
    within = float(np.average(inside, weights=[len(rows) for rows in classes])) if classes else float("nan")
    worst, rest = _tail(value, error)
    ratios = {}
    for label, low, high in SIZES:
        rows = np.flatnonzero((size >= low) & (size <= high))
        if len(rows) >= 100:
            a, b = _tail(value[rows], error[rows])
            ratios[label] = a / b
    order = _order(value)
    deciles = tuple(float(error[part].mean()) for part in np.array_split(order, 10))
    return spearman(value, error), within, worst, rest, ratios, deciles


def _tail(value: NDArray, error: NDArray) -> tuple[float, float]:
    """Mean error of the tenth with the largest values, and of the others."""
    order = _order(value)
    cut = len(order) - max(len(order) // 10, 1)
    return float(error[order[cut:]].mean()), float(error[order[:cut]].mean())


def _order(value: NDArray) -> NDArray[np.int64]:
    """Rows by rising value; ties at random, because the table's own order is no accident."""
    return np.lexsort((np.random.default_rng(0).permutation(len(value)), value))


def _mean_ranks(values: NDArray) -> NDArray[np.float64]:
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - 0.5 * (counts - 1))[which]


def _latent_values(rows: Rows, space: LatentSpace) -> dict[str, NDArray[np.float64]]:
    """The guards that do not depend on the predictor; of formulas nobody moved to, at their encodings."""
    guards = Guards(("mahalanobis", "nearest", "cycle"), space, load_predictor("default"))
    assessment = Oracle().assess(rows.compositions)
    moved_to = rows.source in ("walk", "prior")
    values = guards(rows.z, assessment) if moved_to else guards.of_formulas(assessment)
    cloud, known = _training(space)  # type: ignore[arg-type]
    values["norm"] = np.linalg.norm(rows.z, axis=1)
    values["nearest, all"] = cloud(rows.z)
    values["novelty"] = known.nearest(rows.compositions)[0][:, 0]
    return values


@lru_cache(maxsize=1)
def _training(space: LatentSpace) -> tuple[NearestPoint, Neighbours]:
    data = load_dataset("mp-ground-states")
    table = data.compositions[reference_rows(data, sys.maxsize)]
    return NearestPoint(space.encode(table)), Neighbours(table)


def _walks(space: LatentSpace) -> NDArray[np.float64]:
    """Positions of random walks, as `MaterialLatent-v0` takes them."""
    data, random = load_dataset("mp-ground-states"), np.random.default_rng(0)
    z = space.encode(data.compositions[random.choice(data.part("train"), _WALKS)])
    places = []
    for _ in range(_STEPS):
        z = z + random.uniform(-1.0, 1.0, z.shape)
        z = z / np.maximum(np.linalg.norm(z, axis=1, keepdims=True) / space.radius, 1.0)
        places.append(z)
    return np.concatenate(places)


def _gold(batch: CompositionBatch) -> dict[str, NDArray[np.float64]]:
    said = load_predictor("gold").predict_batch(batch).mean
    return {name: said[name] for name in PROPERTIES}


def table(found: list[Verdict], predictor: str, property_name: str) -> str:
    """Verdicts about one property of one predictor as a Markdown table.

    Args:
        found: Verdicts of any kind.
        predictor: Which to show.
        property_name: Likewise.

    Returns:
        The table: for each source, rank correlation / the same within number of elements, and error of the worst
        tenth / of the rest.
    """
    chosen = [v for v in found if (v.predictor, v.property_name) == (predictor, property_name)]
    sources = list(dict.fromkeys(v.source for v in chosen))
    rows = {v.source: v.rows for v in chosen}
    lines = [
        "| guard | " + " | ".join(f"{s}, {rows[s]:,}: rank corr. | worst tenth / rest" for s in sources) + " |",
        "|---" * (1 + 2 * len(sources)) + "|",
    ]
    for guard in dict.fromkeys(v.guard for v in chosen):
        of = {v.source: v for v in chosen if v.guard == guard}
        cells = [f"{of[s].spearman:+.2f} ({of[s].within:+.2f}) | {of[s].worst:.3f} / {of[s].rest:.3f}" for s in sources]
        lines.append(f"| {guard} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def size_table(found: list[Verdict], predictor: str) -> str:
    """Worst tenth over the rest by number of elements, on test rows of the `system` split, as a Markdown table."""
    chosen = [v for v in found if v.source == "system" and v.predictor == predictor]
    labels = [label for label, _, _ in SIZES]
    lines = [
        "| guard | " + " | ".join(f"{name}: {label}" for name in PROPERTIES for label in labels) + " |",
        "|---" * (1 + len(PROPERTIES) * len(labels)) + "|",
    ]
    for guard in dict.fromkeys(v.guard for v in chosen):
        of = {v.property_name: v.by_size for v in chosen if v.guard == guard}
        cells = [f"{of[name][label]:.2f}" for name in PROPERTIES for label in labels]
        lines.append(f"| {guard} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _rounded(value: Any) -> Any:
    """Four decimals, however deep: more than any of these numbers is worth."""
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(each) for each in value]
    return round(value, 4) if isinstance(value, float) else value


def main(
    predictors: Annotated[
        list[str] | None, typer.Option("--predictor", help="Name of a predictor; default: default, two-family.")
    ] = None,
    latent: Annotated[str, typer.Option(help="Name of the latent space.")] = "vae",
    sources: Annotated[
        list[str] | None, typer.Option("--source", help=f"Of {', '.join(SOURCES)}; default: all.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for guards.json and guards.md; default: print only.")] = None,
) -> None:
    """Measure, print and write everything."""
    predictors, sources = predictors or ["default", "two-family"], sources or list(SOURCES)
    space, found = load_latent(latent), []
    for source in sources:
        rows = gather(source, space)
        for predictor in predictors:
            found += verdicts(rows, predictor, space)
        print(f"{source}: done", file=sys.stderr, flush=True)
    texts = [
        f"`{predictor}`, absolute error of {name}:\n\n{table(found, predictor, name)}"
        for predictor in predictors
        for name in PROPERTIES
    ]
    if "system" in sources:
        texts += [f"`{p}`, worst tenth over the rest:\n\n{size_table(found, p)}" for p in predictors]
    text = "\n\n".join(texts)
    print(text)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        lines = ",\n".join(json.dumps(_rounded(asdict(v))) for v in found)
        head = json.dumps({"latent": latent, "sources": SOURCES})
        (out / "guards.json").write_text(f'{head[:-1]}, "verdicts": [\n{lines}\n]}}\n')
        (out / "guards.md").write_text(text + "\n")


if __name__ == "__main__":
    run(main)
