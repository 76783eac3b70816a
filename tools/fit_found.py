"""Fit `FoundModel`, the model behind p_found: ``python -m tools.fit_found``.

Cross-fitting: the chemical systems of the train part fall into ten folds; features of the systems of a fold are counted
over the phases of the other nine, likeness of elements, hull and all. The features of a fold are kept in `--work`, so a
run that was cut short goes on. Positives are the stable formulas, negatives all other compositions of the same systems,
of which the likely ones are kept and the others sampled, with weights. Validation systems choose nothing but the
coefficients of logit P(stable); a fifth of them at a time is counted over the train part and the other four, which is
as dense a reference as test systems meet. Test systems are not touched.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from matenv.composition import CompositionBatch
from matenv.data import Dataset, load_dataset
from matenv.data.splits import uniform
from matenv.oracle.found import CLIP, LARGEST, SMALLEST, Networks, load_weights
from matenv.oracle.found_features import QUICK_NAMES, THOROUGH_NAMES
from matenv.oracle.found_tables import FoundTables
from matenv.oracle.rivals import compositions, patterns
from matenv.oracle.sampling import Sampling
from matenv.oracle.stability import StabilityModel
from matenv.properties import load_predictor
from matenv.thermo import ConvexHull
from tools import CHECKOUT
from tools.command import run

TARGET = CHECKOUT / "matenv" / "oracle" / "weights"

SIZES = range(SMALLEST, LARGEST + 1)

FOLDS = 10

SYSTEMS = {2: 10_000, 3: 4_000, 4: 3_500, 5: 1_500}
"""Most systems fitted on, by number of elements."""

CERTAIN = 30
"""Likeliest negatives of each system that are always kept."""

KEPT = {2: 0.3, 3: 0.05, 4: 0.015, 5: 0.004}
"""Share of the other negatives that is kept, by number of elements."""

VALIDATED = {2: 10_000, 3: 10_000, 4: 10_000, 5: 200}
"""Most validation systems on which the coefficients of P(stable) are chosen, by number of elements."""

VALIDATION_FOLDS = 5
"""Parts of the validation systems, each judged by a reference of everything else but test systems."""

MEMBERS = {"quick": 1, "thorough": 3}
"""Networks in each ensemble."""

WIDTH = 48
EPOCHS = 15
BATCH = 1024
RATE = 3e-3

Systems = dict[tuple[int, ...], NDArray[np.int64]]


def systems_of(data: Dataset, rows: NDArray[np.int64], size: int) -> Systems:
    """Every chemical system of that many elements with a row among these, with its stable compositions' patterns."""
    place = {tuple(counts): number for number, counts in enumerate(patterns(size).tolist())}
    stable = data.labels["decomposition_energy"] <= 0.0
    found: dict[tuple[int, ...], list[int]] = {}
    for row in rows[data.compositions.size[rows] == size].tolist():
        stables = found.setdefault(tuple(data.compositions.elements[row, :size].tolist()), [])
        number = place.get(tuple(data.compositions.counts[row, :size].tolist()))
        if stable[row] and number is not None:
            stables.append(number)
    return {system: np.array(stables, np.int64) for system, stables in sorted(found.items())}


def fold_of(system: Sequence[str]) -> int:
    """Fold of a chemical system."""
    return int(uniform(system, "found") * FOLDS)


def _sample(tables: FoundTables, systems: Systems, size: int, random: np.random.Generator) -> dict[str, NDArray]:
    """Features, labels and weights of the positives and the kept negatives of systems."""
    parts: dict[str, list[NDArray]] = {name: [] for name in ("x", "y", "weight", "size")}
    for system, stable in systems.items():
        batch = compositions(system)
        quick = tables.quick(batch)
        keep = np.full(len(batch), KEPT[size])
        keep[np.argsort(-(quick[:, 1] + quick[:, 11]), kind="stable")[:CERTAIN]] = 1.0
        keep[stable] = 1.0
        label = np.zeros(len(batch), np.float32)
        label[stable] = 1.0
        rows = np.flatnonzero(random.random(len(batch)) < keep)
        parts["x"].append(tables.thorough(batch[rows]))
        parts["y"].append(label[rows])
        parts["weight"].append((1.0 / keep[rows]).astype(np.float32))
        parts["size"].append(np.full(len(rows), size, np.int16))
    return {name: np.concatenate(arrays) for name, arrays in parts.items()}


def _features(work: Path, fold: int) -> dict[str, NDArray]:
    """Training rows of one fold, from `work` if they are there."""
    path = work / f"fold-{fold}.npz"
    if not path.exists():
        started = time.time()
        data = load_dataset("mp-ground-states")
        train = data.part("train")
        folds = {name: fold_of(name.split("-")) for name in np.unique(data.systems[train]).tolist()}
        inside = np.array([folds[name] == fold for name in data.systems[train].tolist()])
        rest = data.subset(train[~inside])
        tables = FoundTables.of(rest, ConvexHull.from_dataset(rest))
        random = np.random.default_rng(fold)
        parts = []
        for size in SIZES:
            systems = systems_of(data, train[inside], size)
            names = list(systems)
            chosen = sorted(random.permutation(len(names))[: SYSTEMS[size] // FOLDS].tolist())
            parts.append(_sample(tables, {names[i]: systems[names[i]] for i in chosen}, size, random))
        work.mkdir(parents=True, exist_ok=True)
        whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        np.savez(path.with_suffix(".part.npz"), **whole)  # type: ignore[arg-type]
        path.with_suffix(".part.npz").rename(path)
        print(
            f"fold {fold}: {len(whole['y']):,} rows, {int(whole['y'].sum())} stable, {time.time() - started:.0f} s",
            flush=True,
        )
    with np.load(path) as archive:
        return dict(archive)


def _network(x: NDArray, y: NDArray, weight: NDArray, seed: int) -> list[NDArray[np.float32]]:
    """Weights of one network on standardised features: three arrays, biases as last rows."""
    import torch
    from torch.nn import functional

    torch.manual_seed(seed)
    torch.set_num_threads(1)  # the products are small
    inputs, labels, weights = torch.from_numpy(x), torch.from_numpy(y), torch.from_numpy(weight)
    shapes = (x.shape[1], WIDTH), (WIDTH, WIDTH), (WIDTH, 1)
    layers = [torch.nn.Linear(*shape) for shape in shapes]
    with torch.no_grad():
        layers[2].bias.fill_(-4.0)  # most compositions are none

    def logit(given: torch.Tensor, drop: bool) -> torch.Tensor:
        for layer in layers[:2]:
            given = layer(given)
            given = given * 0.5 * (1.0 + functional.softsign(given))
            given = functional.dropout(given, 0.1, drop)
        return layers[2](given)[:, 0]

    optimizer = torch.optim.AdamW(torch.nn.ModuleList(layers).parameters(), lr=RATE, weight_decay=1e-4)
    batches = len(y) // BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=EPOCHS * batches + 1)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(y))[: batches * BATCH].reshape(batches, BATCH):
            loss = functional.binary_cross_entropy_with_logits(
                logit(inputs[rows], True), labels[rows], weight=weights[rows], reduction="sum"
            )
            optimizer.zero_grad()
            (loss / 100.0).backward()
            optimizer.step()
            schedule.step()
    arrays = [torch.cat([layer.weight.T, layer.bias[None]]).detach().numpy() for layer in layers]
    return [arrays[0], arrays[1], arrays[2][:, 0]]


def fit_networks(rows: dict[str, NDArray], columns: int, members: int) -> Networks:
    """Ensembles for each number of elements on the first `columns` features."""
    means, scales, firsts, seconds, lasts = ([] for _ in range(5))  # type: ignore[var-annotated]
    for size in SIZES:
        chosen = rows["size"] == size
        x = rows["x"][chosen][:, :columns]
        mean, scale = x.mean(axis=0), (1.0 / (x.std(axis=0) + 1e-3)).astype(np.float32)
        x = np.clip((x - mean) * scale, -6.0, 6.0).astype(np.float32)
        trained = [_network(x, rows["y"][chosen], rows["weight"][chosen], seed) for seed in range(members)]
        means.append(mean)
        scales.append(scale)
        for parts, place in ((firsts, 0), (seconds, 1), (lasts, 2)):
            parts.append(np.stack([network[place] for network in trained]))
        print(f"{columns} features, {size} elements: fitted on {chosen.sum():,} rows", flush=True)
    return Networks(
        *(np.ascontiguousarray(np.stack(part), np.float32) for part in (means, scales, firsts, seconds, lasts))
    )


def enumerated(
    data: Dataset, rows: NDArray[np.int64], size: int, most: int, seed: int = 0
) -> Iterator[tuple[tuple[int, ...], CompositionBatch, NDArray[np.bool_]]]:
    """Systems with all their compositions, and which are stable."""
    systems = systems_of(data, rows, size)
    names = list(systems)
    for i in sorted(np.random.default_rng(seed).permutation(len(names))[:most].tolist()):
        stable = np.zeros(len(patterns(size)), np.bool_)
        stable[systems[names[i]]] = True
        yield names[i], compositions(names[i]), stable


def fit_energy(quick: Networks, thorough: Networks) -> NDArray[np.float64]:
    """Coefficients of logit P(stable) by maximum likelihood on validation systems (2, 4, 2)."""
    from scipy.optimize import minimize

    parts: list[list[tuple[NDArray, ...]]] = [[] for _ in SIZES]
    for fold in range(VALIDATION_FOLDS):
        for size, part in _judged(fold, quick, thorough):
            parts[size - SMALLEST].append(part)
        print(f"validation systems, part {fold}: judged", flush=True)
    result = np.zeros((2, len(SIZES), 2))
    for size in SIZES:
        *logits, energy, label = (np.concatenate(column) for column in zip(*parts[size - SMALLEST], strict=True))
        for kind, logit in enumerate(logits):

            def loss(ab: NDArray, given: NDArray = logit, energy: NDArray = energy, y: NDArray = label) -> float:
                value = given + ab[0] + ab[1] * energy
                return float(np.logaddexp(0.0, value).sum() - value[y].sum())

            result[kind, size - SMALLEST] = minimize(loss, np.zeros(2), bounds=[(-3, 3), (0, 2)]).x
        print(f"{size} elements: a, b = {result[:, size - SMALLEST].round(3).tolist()}", flush=True)
    return result


def _judged(fold: int, quick: Networks, thorough: Networks) -> Iterator[tuple[int, tuple[NDArray, ...]]]:
    """Logits by quick, by thorough and of P(stable), and labels, of a part's likely compositions (N,), by size."""
    data, predictor = load_dataset("mp-ground-states"), load_predictor()
    validation = data.part("validation")
    inside = np.array(
        [fold_of(name.split("-")) % VALIDATION_FOLDS == fold for name in data.systems[validation].tolist()]
    )
    reference = data.subset(np.sort(np.concatenate([data.part("train"), validation[~inside]])))
    hull = ConvexHull.from_dataset(reference)
    tables = FoundTables.of(reference, hull)
    stability = replace(StabilityModel.load(), sampling=Sampling.of(reference.compositions))
    for size in SIZES:
        for _, whole, stable in enumerated(data, validation[inside], size, VALIDATED[size] // VALIDATION_FOLDS):
            fast = tables.quick(whole)
            likely = quick.logit(fast, whole.size) > -12.0  # the others weigh nothing
            likely[stable] = True
            batch = whole[likely]
            said = predictor.predict_batch(batch).by_name["formation_energy"]
            competing = hull.decompose(batch, exclude_self=True)
            p = stability.prob(said, batch, competing.energy, competing.members, competing.weights)
            p = np.clip(p, CLIP, 1.0 - CLIP)
            slow = thorough.logit(tables.thorough(batch), batch.size)
            yield size, (quick.logit(fast[likely], batch.size), slow, np.log(p / (1.0 - p)), stable[likely])


def main(
    work: Annotated[Path, typer.Option(help="Where the features of folds are kept.")] = Path("runs/found"),
    fold: Annotated[list[int] | None, typer.Option(help="Only work out the features of these folds.")] = None,
    energy_only: Annotated[
        list[str] | None,
        typer.Option(help="Keep the networks, choose the coefficients of these anew: quick, thorough."),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder to write to.")] = TARGET,
) -> None:
    """Fit and write the shipped weights and their card."""
    if fold:
        for number in fold:
            _features(work, number)
        return
    if energy_only:
        quick, thorough, _ = load_weights()
        fitted = {key: json.loads((TARGET / "found.json").read_text())[key] for key in ("rows", "stable")}
    else:
        parts = [_features(work, number) for number in range(FOLDS)]
        rows = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        quick = fit_networks(rows, len(QUICK_NAMES), MEMBERS["quick"])
        thorough = fit_networks(rows, len(QUICK_NAMES) + len(THOROUGH_NAMES), MEMBERS["thorough"])
        fitted = {"rows": len(rows["y"]), "stable": int(rows["y"].sum())}
    arrays = {
        f"{kind}.{name}": getattr(networks, name)
        for kind, networks in (("quick", quick), ("thorough", thorough))
        for name in ("mean", "scale", "first", "second", "last")
    }
    energy = fit_energy(quick, thorough)
    for place, kind in enumerate(MEMBERS):
        if energy_only and kind not in energy_only:
            energy[place] = load_weights()[2][place]
    out.mkdir(exist_ok=True)
    np.savez_compressed(out / "found.npz", energy=energy, **arrays)
    card = {
        "what": "networks and coefficients of p_found, see matenv.oracle.found",
        "fitted_on": "systems of the train part of the system split, cross-fitted in ten folds",
        "coefficients of P(stable)": "validation systems; those of quick were counted over the train part alone",
        "command": "python -m tools.fit_found",
        "and then": "python -m tools.fit_found --energy-only thorough",
        "measured": "docs/viability.md, by python -m studies.honesty.rediscovery",
        **fitted,
        "quick features": list(QUICK_NAMES),
        "thorough features": list(THOROUGH_NAMES),
        "a, b by quick and thorough, number of elements": energy.round(4).tolist(),
        "sha256": hashlib.sha256((out / "found.npz").read_bytes()).hexdigest(),
    }
    (out / "found.json").write_text(json.dumps(card, indent=1) + "\n")


if __name__ == "__main__":
    run(main)
