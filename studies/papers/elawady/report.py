"""The results of the report: each trained network and each table is kept in the run's folder as soon as it is there."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from benchmarks.machine import machine
from matenv import load_latent
from matenv.data import Dataset
from matenv.latent.evaluation.evaluate import SAMPLES
from matenv.latent.networks.elawady_vae import ElAwadyVAE
from studies.papers.elawady.choices import Schedule, choose
from studies.papers.elawady.classifier import compare_classifiers
from studies.papers.elawady.plan import Networks, Plan
from studies.papers.elawady.readings import READINGS, most_to_gain
from studies.papers.elawady.samples import measure, neutral, sample_measures, without_chemistry
from studies.papers.elawady.superposition import (
    Encoder,
    Superposition,
    network_encoder,
    principal_components,
    random_affine,
    untrained,
)
from studies.papers.elawady.table import Materials, statistics
from studies.papers.elawady.training import OVERSAMPLE, Rows, Setting, dense, nelbo_and_kl, train

MAIN = "the paper's network"
"""Name in the results of the network with the paper's width."""


def make_results(folder: Path, data: Dataset, plan: Plan, progress: bool = True) -> dict[str, Any]:
    """Train and measure everything, or go on where an interrupted run stopped.

    Args:
        folder: Folder of the run.
        data: The table.
        plan: The networks.
        progress: Whether to show a progress bar per network.

    Returns:
        All results, as JSON holds them.

    Raises:
        ValueError: The folder holds a run of another plan or table.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _same_run(folder, {"table": data.name, "rows": len(data), **asdict(plan)})
    made = _kept(folder, "machine", machine)
    choices = [choose(reading, width, plan.trial, data, folder, progress) for reading, width in plan.to_choose()]
    wanted = Networks(plan, _chosen(choices))
    networks = {setting: train(setting, data, folder, progress) for setting in wanted.all()}
    shown = data.compositions[data.split("system").train]

    def measured(setting: Setting) -> dict[str, Any]:
        held_out = data.compositions[Rows.of(data, setting.split).test]
        found = measure(networks[setting], setting.reading, held_out, shown)
        validation = dense(data, Rows.of(data, setting.split).validation)
        history = json.loads((folder / f"{setting.name}.json").read_text())
        return {
            "setting": asdict(setting),
            **found,
            "validation_nelbo": nelbo_and_kl(networks[setting], setting.reading, validation)[0],
            "seconds": sum(row["seconds"] for row in history),
        }

    runs = {s: _kept(folder, f"measured-{s.name}", lambda s=s: measured(s)) for s in networks}  # type: ignore[misc]
    materials = Materials.of(data)
    main = runs[wanted.main()]
    tuned = min(main["thresholds"], key=lambda t: main["thresholds"][t]["size_tv"])
    shipped = cast(ElAwadyVAE, load_latent("vae-elawady").network)
    fresh = np.random.default_rng(0).choice(len(shown), SAMPLES)
    x = torch.from_numpy(data.fractions[data.split("system").test]).float()
    return {
        "machine": made,
        "table": data.name,
        "plan": asdict(plan),
        "choices": choices,
        "samples": SAMPLES,
        "oversample": OVERSAMPLE,
        "rows": {part: len(rows) for part, rows in vars(Rows.of(data, "system")).items()},
        "tuned_threshold": tuned,
        "statistics": _kept(folder, "statistics", lambda: statistics(materials)),
        "data": _kept(folder, "data", lambda: {**sample_measures(shown, shown), "neutral": neutral(shown)}),
        "floor": _kept(
            folder,
            "floor",
            lambda: {
                name: {**sample_measures(batch, shown), "neutral": neutral(batch)}
                for name, batch in (("fresh_rows", shown[fresh]), ("without_chemistry", without_chemistry(shown)))
            },
        ),
        "bernoulli_most_to_gain": most_to_gain(x),
        "main": main,
        "scan": [_short(runs[setting]) for setting in wanted.scan()],
        "readings": [{"says": READINGS[each.reading].says, **_short(runs[each])} for each in wanted.readings()],
        "random_split": _short(runs[wanted.random_split()]),
        "shipped": _kept(
            folder,
            "shipped",
            lambda: _short(measure(shipped, "multinomial", data.compositions[data.split("system").test], shown)),
        ),
        "superposition": _superposition(folder, materials, _encoders(data, wanted, networks)),
        "classifiers": _kept(
            folder,
            "classifiers",
            lambda: compare_classifiers(materials, network_encoder(networks[wanted.main()]), plan.chosen, folder),
        ),
    }


def _chosen(choices: list[dict[str, Any]]) -> Callable[[str, int], Schedule]:
    """Reading, width -> the schedule chosen for them."""
    found = {(made["reading"], made["width"]): made["chosen"] for made in choices}
    return lambda reading, width: Schedule(**{f.name: found[reading, width][f.name] for f in fields(Schedule)})


def _encoders(data: Dataset, wanted: Networks, networks: dict[Setting, Any]) -> dict[str, Encoder]:
    x = data.fractions[data.split("system").train]
    encoders = {MAIN: network_encoder(networks[wanted.main()])}
    encoders |= {
        f"... read as {setting.reading}": network_encoder(networks[setting])
        for setting in wanted.readings()
        if setting.reading != wanted.main().reading
    }
    return encoders | {
        "... untrained": untrained(wanted.plan.chosen),
        "PCA, 10 dimensions": principal_components(x),
        "a random affine map": random_affine(),
        "vae, 32 dimensions": load_latent("vae").encode,
    }


def _superposition(folder: Path, materials: Materials, encoders: dict[str, Encoder]) -> dict[str, Any]:
    similarity = Superposition(materials)
    return {
        name: _kept(folder, f"similarity, {name.strip('. ')}", lambda encode=encode: similarity.measure(encode))  # type: ignore[misc]
        for name, encode in encoders.items()
    }


def _short(run: dict[str, Any]) -> dict[str, Any]:
    """A network's results without the prevalence of every element at every T."""
    sweep = {t: {key: v for key, v in row.items() if key != "prevalence"} for t, row in run["thresholds"].items()}
    return {**run, "thresholds": sweep}


def _kept(folder: Path, name: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """A part of the results, from its file if it is there."""
    path = folder / f"{name}.part.json"
    if not path.exists():
        temporary = path.with_suffix(".tmp")
        temporary.write_text(json.dumps(make()))
        os.replace(temporary, path)
    return json.loads(path.read_text())


def _same_run(folder: Path, identity: dict[str, Any]) -> None:
    path, wanted = folder / "run.json", json.dumps(identity)
    if not path.exists():
        path.write_text(wanted)
    elif path.read_text() != wanted:
        raise ValueError(f"{folder} holds another run, {path.read_text()}; yours is {wanted}: give another --out")
