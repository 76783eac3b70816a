"""Property networks on published folds, beside their peers: ``python -m studies.predictors.published``.

Each part trains on the train rows of its own task alone, resumes where it stopped, and is written to
``studies/results/predictors.json`` as soon as it is done:

- ``energies``: formation energies of the 85,014 ground states, fold 0 of a random five-fold split; E_d from them
  through the hull of all phases and of the train phases;
- ``decomposition``: the same networks trained on, for a few epochs, with the decomposition energy as their label;
- ``band-gap``, ``moduli``, ``experimental``: fold 0 of the matbench tasks (`studies.predictors.matbench`).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from numpy.typing import NDArray

from benchmarks.machine import machine
from matenv.composition import CompositionBatch
from matenv.data import load_dataset
from matenv.properties import heads
from matenv.properties.families import build, find
from matenv.properties.networks.references import References, describe_apart
from matenv.properties.training.train import Rows, TrainConfig, train_on
from matenv.thermo import ConvexHull
from matenv.training.checkpoint import read_checkpoint
from studies import RESULTS
from studies.predictors import matbench
from tools.command import run

RESULT = RESULTS / "predictors.json"
MONITORED = 50
"""One in so many train rows is kept aside, to see errors while training and to choose a recipe by."""

INFORMED = TrainConfig(
    family="informed", keep="last", members=2, epochs=120, folds=3, width=128, layers=3, batch_size=1024,
    learning_rate=3e-3, weight_decay=0.02, dropout=0.1, optimizer="muon", precision="bfloat16",
)  # fmt: skip
"""Networks that are told of other train rows."""

PLAIN = TrainConfig(
    family="set", keep="last", members=1, epochs=60, width=96, layers=3, batch_size=128, learning_rate=2e-3,
    weight_decay=0.02, dropout=0.1,
)  # fmt: skip
"""Those that see the composition alone. They count as much: their errors are others."""

Recipe = tuple[TrainConfig, ...]
RECIPE: Recipe = (INFORMED, replace(PLAIN, family="informed", folds=3), replace(PLAIN, members=2))
"""What predicts together, each with the same share: told of other rows or not, trained in large batches or small ones.

Errors that differ average out; the monitored rows of the energies advised it."""

UNSTABLE = 0.5
"""E_d above which a material's share of the error is told [eV/atom]."""

PEERS: dict[str, dict[str, float]] = {
    "formation_energy": {"ElemNet": 0.097, "Roost": 0.056},
    "decomposition_energy F1": {"Roost": 0.770},
    "decomposition_energy direct": {"Roost": 0.069},
    "decomposition_energy direct F1": {"Roost": 0.725},
    "band_gap_pbe": {"RF/Magpie": 0.3452, "CrabNet": 0.2655, "Finder": 0.2308},
    "log10_bulk_modulus": {"RF/Magpie": 0.0820, "CrabNet": 0.0758, "Finder": 0.0764},
    "log10_shear_modulus": {"RF/Magpie": 0.1040, "CrabNet": 0.1014, "Finder": 0.0996},
    "band_gap_expt": {"RF/Magpie": 0.4461, "CrabNet": 0.3463, "SAASBO-CrabNet": 0.3310, "Darwin": 0.2865},
}
"""Published errors of composition-only models, means over five folds.

Energies: Bartel et al., npj Comput. Mater. 6, 97 (2020). The rest: the leaderboard of matbench v0.1.
"""

Array = NDArray[np.float64]


def five_fold(rows: int, fold: int = 0) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Train and test rows of a random five-fold split, a function of the number of rows alone."""
    part = np.random.default_rng(0).permutation(rows) % 5
    return np.flatnonzero(part != fold), np.flatnonzero(part == fold)


@dataclass(frozen=True)
class Said:
    """What trained networks say together, in the properties' units.

    Attributes:
        location: Of the test rows (n, 5).
        scale: Of the test rows (n, 5).
        zero: P(zero) of the test rows (n, 2).
        kept: Rows kept aside (k,).
        kept_location: Of the rows kept aside (k, 5).
        each_kept_location: The same of every network (networks, k, 5).
    """

    location: Array
    scale: Array
    zero: Array
    kept: NDArray[np.int64]
    kept_location: Array
    each_kept_location: Array


def fit_and_predict(
    out: Path, recipe: Recipe, batch: CompositionBatch, labels: Array, train: NDArray, test: NDArray,
    shift: Array | None = None, start: Path | None = None,
) -> Said:  # fmt: skip
    """Train a recipe on some rows, with all that a network is told coming from them, and predict others.

    Args:
        out: Folder of the runs, one folder in it for each of `recipe`.
        recipe: Settings of what predicts together.
        batch: Compositions (N).
        labels: (N, 5), NaN where absent; only train rows are read.
        train: Rows to fit.
        test: Rows to predict.
        shift: Labels to fit instead of the formation energies (N,), which still are what the networks are told of.
        start: Folder of a finished run to begin from.
    """
    known, told_of, targets = batch[train], labels[train], labels[train].copy()
    table = References(known, told_of, competitors="all", polymorphs=True)
    if shift is not None:
        targets[:, 0] = shift[train]
    monitored = np.arange(len(train)) % MONITORED == 0
    fitted, kept = np.flatnonzero(~monitored), np.flatnonzero(monitored)
    others = References(known[fitted], told_of[fitted], competitors="all", polymorphs=True)
    aside = Rows(known[kept], targets[kept], others.describe(known[kept]))
    asked = Rows(batch[test], labels[test], table.describe(batch[test]))
    said, said_aside = [], []
    for number, config in enumerate(recipe):
        name = f"{number}-{config.family}"

        def retell(rng: np.random.Generator, folds: int = config.folds) -> NDArray[np.float32]:
            return describe_apart(known, told_of, folds, rng, "all", polymorphs=True)[fitted]

        told = find(config.family).needs_references
        training = Rows(known[fitted], targets[fitted], retell=retell if told else None)
        paths = train_on(out / name, config, training, aside, start=None if start is None else start / name)
        members = [_outputs(path, config, asked) for path in paths]
        said.append([np.mean(part, axis=0) for part in zip(*members, strict=True)])
        said_aside.append(np.stack([_outputs(path, config, aside)[0] for path in paths]))
    location, scale, zero = (np.mean(part, axis=0) for part in zip(*said, strict=True))
    together = np.mean([locations.mean(axis=0) for locations in said_aside], axis=0)
    return Said(location, scale, zero, train[kept], together, np.concatenate(said_aside))


def _outputs(path: Path, config: TrainConfig, rows: Rows) -> tuple[Array, Array, Array]:
    """Location (n, 5), scale (n, 5) and P(zero) (n, 2) that a trained network says of rows."""
    network = build(config.family, heads.OUTPUTS, config.width, config.layers)
    network.load_state_dict(read_checkpoint(path)["best"])
    network.eval()
    outputs = np.empty((len(rows.batch), heads.OUTPUTS), np.float32)
    with torch.inference_mode():
        for block in np.array_split(np.arange(len(outputs)), -(-len(outputs) // 4096)):
            tokens, order = rows.pack(block)
            outputs[block[order]] = network(tokens).numpy()
    location, scale, logit = heads.decode(torch.from_numpy(outputs))
    return location.double().numpy(), scale.double().numpy(), torch.sigmoid(logit).double().numpy()


def median(location: Array, scale: Array, zero: Array) -> Array:
    """Median of a hurdle, which is 0 with probability `zero`, else a Laplace distribution: least absolute error."""
    quantile = np.clip((0.5 - zero) / np.maximum(1.0 - zero, 1e-9), 1e-9, 0.5)
    return np.where(zero >= 0.5, 0.0, np.maximum(location + scale * np.log(2.0 * quantile), 0.0))


def stability(predicted: Array, true: Array) -> dict[str, float]:
    """Errors of decomposition energies [eV/atom], and of calling stable what is <= 0."""
    said, stable = predicted <= 0, true <= 0
    hits = float((said & stable).sum())
    precision, recall = hits / max(said.sum(), 1), hits / max(stable.sum(), 1)
    return {
        "mae": float(np.abs(predicted - true).mean()),
        "f1": float(2 * precision * recall / max(precision + recall, 1e-12)),
        "precision": float(precision),
        "recall": float(recall),
        "accuracy": float((said == stable).mean()),
    }


def energies(out: Path, wheels: Path, recipe: Recipe) -> dict[str, Any]:
    """Formation energies, and decomposition energies from them."""
    data = load_dataset("mp-ground-states")
    train, test = five_fold(len(data))
    labels = _only("formation_energy", data.formation_energy)
    said = fit_and_predict(out / "energies", recipe, data.compositions, labels, train, test)
    predicted, true = said.location[:, 0], data.formation_energy[test]
    error = np.abs(predicted - true)
    batch, decomposition = data.compositions[test], data.labels["decomposition_energy"][test]
    all_phases = ConvexHull.from_dataset(data).energy(batch, exclude_self=True)
    train_phases = ConvexHull.from_dataset(data, train).energy(batch, exclude_self=True)
    unstable = decomposition > UNSTABLE
    each = said.each_kept_location[:, :, 0] - data.formation_energy[said.kept]
    return {
        "train_rows": len(train),
        "test_rows": len(test),
        "mae": float(error.mean()),
        "median_error": float(np.median(error)),
        f"E_d above {UNSTABLE} eV/atom": {
            "share_of_rows": float(unstable.mean()),
            "share_of_error": float(error[unstable].sum() / error.sum()),
            "mean_error": float((predicted - true)[unstable].mean()),
        },
        "kept_aside": {
            "rows": len(said.kept),
            "mae_of_each_network": np.abs(each).mean(axis=1).tolist(),
            "mae": float(np.abs(said.kept_location[:, 0] - data.formation_energy[said.kept]).mean()),
            "correlation_of_errors": np.corrcoef(each).tolist(),
        },
        "through the hull of all phases": stability(predicted - all_phases, decomposition),
        "through the hull of train phases": stability(predicted - train_phases, decomposition),
        "true energies, hull of train phases": stability(true - train_phases, decomposition),
    }


def decomposition(out: Path, wheels: Path, recipe: Recipe) -> dict[str, Any]:
    """Trained on decomposition energies: one network of each kind of `energies`, a few epochs more.

    The label is E_d plus the energy of the competing train phases, so that the networks' meaning changes little.
    """
    data = load_dataset("mp-ground-states")
    train, test = five_fold(len(data))
    labels, truth = _only("formation_energy", data.formation_energy), data.labels["decomposition_energy"]
    competing = ConvexHull.from_dataset(data, train).energy(data.compositions, exclude_self=True)
    said = fit_and_predict(
        out / "decomposition", recipe, data.compositions, labels, train, test, truth + competing, out / "energies"
    )
    return {
        "train_rows": len(train),
        "test_rows": len(test),
        **stability(said.location[:, 0] - competing[test], truth[test]),
    }


def band_gap(out: Path, wheels: Path, recipe: Recipe) -> dict[str, Any]:
    """PBE gaps, every polymorph a row."""
    return _matbench(out / "band-gap", wheels, recipe, ("band_gap_pbe",))


def moduli(out: Path, wheels: Path, recipe: Recipe) -> dict[str, Any]:
    """Bulk and shear modulus together: their folds are the same rows."""
    names = ("log10_bulk_modulus", "log10_shear_modulus")
    return _matbench(out / "moduli", wheels, recipe, names)


def experimental(out: Path, wheels: Path, recipe: Recipe) -> dict[str, Any]:
    """Experimental gaps."""
    return _matbench(out / "experimental", wheels, recipe, ("band_gap_expt",))


def _matbench(out: Path, wheels: Path, recipe: Recipe, names: Sequence[str]) -> dict[str, Any]:
    folds = [matbench.load(name, wheels) for name in names]
    first = folds[0]
    if any((fold.test != first.test).any() for fold in folds[1:]):
        raise ValueError(f"names={names} have different folds; train them one by one")
    labels = np.full((len(first.values), len(heads.NAMES)), np.nan)
    for name, fold in zip(names, folds, strict=True):
        labels[:, heads.NAMES.index(name)] = fold.values
    said = fit_and_predict(out, recipe, first.batch, labels, first.train, first.test)
    result: dict[str, Any] = {"train_rows": len(first.train), "test_rows": len(first.test)}
    result["share_of_test_formulas_in_train"] = first.known
    for name, fold in zip(names, folds, strict=True):
        k = heads.NAMES.index(name)
        point = said.location[:, k]
        if k in heads.HURDLE:
            point = median(point, said.scale[:, k], said.zero[:, heads.HURDLE.index(k)])
        result[name] = {"mae": float(np.abs(point - fold.values[fold.test]).mean())}
    return result


def _only(name: str, values: Array) -> Array:
    labels = np.full((len(values), len(heads.NAMES)), np.nan)
    labels[:, heads.NAMES.index(name)] = values
    return labels


PARTS = {
    "energies": energies,
    "decomposition": decomposition,
    "moduli": moduli,
    "band-gap": band_gap,
    "experimental": experimental,
}
"""What can be measured, in order."""


def recipe_of(part: str) -> Recipe:
    """`RECIPE`, fitted to a part.

    One network of each kind where rows are the most or where it goes on from a trained one; smaller batches, three
    of each and more dropout where rows are few.
    """
    changes: dict[str, Callable[[TrainConfig], TrainConfig]] = {
        "decomposition": lambda c: replace(c, members=1, epochs=c.epochs // 5, learning_rate=c.learning_rate / 3),
        "moduli": lambda c: replace(c, members=3, batch_size=min(256, c.batch_size), dropout=0.2),
        "band-gap": lambda c: replace(c, members=1, epochs=c.epochs // 2),
        "experimental": lambda c: replace(c, members=3, batch_size=min(128, c.batch_size), dropout=0.2),
    }
    return tuple(map(changes[part], RECIPE)) if part in changes else RECIPE


def table(results: dict[str, Any]) -> str:
    """Ours beside the peers, as a Markdown table."""
    ours: dict[str, tuple[float, float | None]] = {}
    if "energies" in results:
        part = results["energies"]
        ours["formation_energy"] = part["mae"], None
        ours["decomposition_energy F1"] = part["through the hull of all phases"]["f1"], None
    if "decomposition" in results:
        ours["decomposition_energy direct"] = results["decomposition"]["mae"], None
        ours["decomposition_energy direct F1"] = results["decomposition"]["f1"], None
    for part in results.values():
        for name in PEERS:
            if isinstance(part.get(name), dict):
                ours[name] = part[name]["mae"], part["share_of_test_formulas_in_train"]
    lines = ["| quantity | ours | peers | test formulas in train |", "|---|---|---|---|"]
    for name, (value, known) in ours.items():
        peers = ", ".join(f"{peer} {number:.4g}" for peer, number in PEERS[name].items())
        lines.append(f"| {name} | {value:.4f} | {peers} | {'' if known is None else f'{100 * known:.0f} %'} |")
    return "\n".join(lines)


def main(
    parts: Annotated[list[str] | None, typer.Argument(help=f"Any of {', '.join(PARTS)}; default: all.")] = None,
    out: Annotated[Path, typer.Option(help="Folder of the runs.")] = Path("runs/predictors"),
    wheels: Annotated[Path | None, typer.Option(help="Folder of the downloaded wheels; default: <out>/wheels.")] = None,
    result: Annotated[Path, typer.Option(help="File of the figures.")] = RESULT,
) -> None:
    """Train and measure, part by part, and print the table."""
    if unknown := set(parts or ()) - set(PARTS):
        raise ValueError(f"unknown parts {', '.join(sorted(unknown))}; choose among {', '.join(PARTS)}")
    torch.set_num_threads(1)
    document = json.loads(result.read_text()) if result.exists() else {"parts": {}}
    for name in parts or PARTS:
        started = time.process_time()
        recipe = recipe_of(name)
        part = PARTS[name](out, wheels or out / "wheels", recipe)
        minutes = (time.process_time() - started) / 60
        settings = [asdict(config) for config in recipe]
        made = {"recipe": settings, "core_minutes_of_this_run": round(minutes, 1), "machine": machine()}
        document["parts"][name] = part | made
        result.write_text(json.dumps(document, indent=1) + "\n")
        print(table(document["parts"]), flush=True)


if __name__ == "__main__":
    run(main)
