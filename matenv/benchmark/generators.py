"""Generators of formulas side by side: what each is worth, whether a conditional one obeys, and tables of both."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from matenv.atomic import read_json, write_whole
from matenv.benchmark.generative import Conditioning, compare_with_asked, conditioning, held_out_with, quality
from matenv.composition import CompositionBatch
from matenv.data import Dataset, load_dataset
from matenv.data.dataset import UNITS
from matenv.latent import load_latent
from matenv.latent.conditional_space import ConditionalSpace
from matenv.latent.evaluation.evaluate import recovery
from matenv.latent.space import VAESpace
from matenv.properties import load_predictor
from matenv.properties.predictor import Predictor
from matenv.tasks import load_task
from matenv.tasks.sampling import random_formulas

SPACES = ("vae", "vae-elawady", "cvae", "wgan-gp")

JUDGES = ("default", "gold")
"""Predictors of what samples are: the one in the step loop, and the one that is in no reward."""

SAMPLES = 10_000
"""Formulas of each generator."""

ASKED = {
    "formation_energy": (-4.0, -3.5, -3.0, -2.5, -2.0, -1.5, -1.0, -0.5, 0.0, 0.5),
    "band_gap_pbe": (0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0),
}
"""Values asked of the conditional space [eV/atom, eV]."""

AT_EACH = 500
"""Samples at each value."""

RETURNED = 3000
"""Formulas of each kind that are encoded and decoded."""

KINDS = ("held-out rows with that DFT value", "samples around near anchors", "z from N(0, I)")

HEADINGS = {
    "neutral": "neutral",
    "neutral_as_sized": "neutral as sized",
    "balanced": "balanced",
    "unique": "unique",
    "novel": "novel",
    "new_and_balanced": "new and balanced",
    "systems": "systems",
    "diversity": "diversity",
    "prevalence_kl": "prevalence KL",
    "elements_tv": "elements TV",
}


Asked = dict[str, dict[str, dict[str, Conditioning]]]
"""Judge -> label -> kind of sample (`KINDS`) -> result."""


def compare_generators(
    out: str | Path,
    spaces: Sequence[str] = SPACES,
    samples: int = SAMPLES,
    at_each: int = AT_EACH,
    seed: int = 0,
    draw: Callable[[Asked, Path, str], None] | None = None,
) -> dict[str, Any]:
    """Measure generators; print the tables; write ``generative.json`` and, if told how, ``conditioning.png``.

    The file is written after each space, and what it holds from an earlier run of the same settings and weights is
    taken over: a run that was stopped goes on, and a space can be added later.

    Args:
        out: Folder to write to.
        spaces: Names of latent spaces or weights files; the conditional ones among them are asked for values as well.
        samples: Formulas of each.
        at_each: Samples at each value that is asked for.
        seed: Seed of everything random.
        draw: Draws what was asked of a conditional space beside what came, into a file, under a title.

    Returns:
        ``settings``, and by space ``quality`` (by kind of sample), ``back`` (what returns from encoding and decoding)
        and, of conditional ones, ``conditioning`` (by judge, label and kind of sample); ``controls`` has the quality of
        training rows and random formulas.

    Raises:
        ValueError: An unknown space, or fewer than two samples.
    """
    if min(samples, at_each) < 2:
        raise ValueError(f"samples={samples} and at_each={at_each} must be at least 2")
    folder, data = Path(out), load_dataset()
    folder.mkdir(parents=True, exist_ok=True)
    settings, path = {"samples": samples, "at_each": at_each, "seed": seed}, folder / "generative.json"
    result: dict[str, Any] = read_json(path) if path.exists() else {}
    if not isinstance(result, dict) or result.get("settings") != settings:
        controls = {
            "training rows": _rows(data, samples, seed),
            "random formulas": random_formulas(load_task("stiff-stable"), samples, seed),
        }
        found = {name: quality(batch, data) for name, batch in controls.items()}
        result = {"settings": settings, "controls": found, "spaces": {}}
    loaded = {name: load_latent(name) for name in spaces}
    names = [space.name for space in loaded.values()]
    for given, space in loaded.items():
        name = space.name if names.count(space.name) == 1 else given  # two runs of one recipe
        weights = _fingerprint(space)
        if result["spaces"].get(name, {}).get("weights") != weights:
            measured, asked = _measured(name, space, data, settings)
            result["spaces"][name] = {"weights": weights} | measured
            if asked and draw is not None:
                draw(asked, folder / "conditioning.png", f"{name}: what is asked for, and what is predicted")
            write_whole(path, json.dumps(result, indent=1) + "\n")
    rows = [result["controls"], *(each["quality"] for each in result["spaces"].values())]
    print(quality_table({name: metrics for each in rows for name, metrics in each.items()}))
    print("\n" + back_table({name: each["back"] for name, each in result["spaces"].items()}))
    for each in result["spaces"].values():
        if "conditioning" in each:
            print("\n" + conditioning_table(each["conditioning"]))
    return result


def _measured(name: str, space: VAESpace, data: Dataset, settings: dict[str, int]) -> tuple[dict[str, Any], Asked]:
    samples, seed = settings["samples"], settings["seed"]
    own = space.decode_batch(space.sample(samples, seed))
    batches = {name: own}
    if space.anchors is not None:
        batches[f"{name}, prior N(0, I)"] = space.decode_batch(space.sample_nominal(samples, seed))
    for rule in space.network.rules:  # fractions are decoded: what is due to how they are rounded?
        if rule != space.network.config["rule"]:
            batches[f"{name}, rule {rule!r}"] = space.with_rule(rule).decode_batch(space.sample(samples, seed))
    result: dict[str, Any] = {"quality": {label: quality(batch, data) for label, batch in batches.items()}}
    result["back"] = _back(space, own, data, seed)
    if not isinstance(space, ConditionalSpace):
        return result, {}
    asked = {judge: ask(space, data, load_predictor(judge), settings["at_each"], seed) for judge in JUDGES}
    result["conditioning"] = {
        judge: {label: {kind: _numbers(each) for kind, each in kinds.items()} for label, kinds in by.items()}
        for judge, by in asked.items()
    }
    return result, asked


def _fingerprint(space: VAESpace) -> str:
    weights = b"".join(tensor.cpu().numpy().tobytes() for tensor in space.network.state_dict().values())
    return hashlib.sha256(weights).hexdigest()[:16]


def ask(
    space: ConditionalSpace, data: Dataset, model: Predictor, at_each: int, seed: int
) -> dict[str, dict[str, Conditioning]]:
    """Ask a conditional space for the values of `ASKED`, beside held-out rows that have them.

    Args:
        space: The space.
        data: The table.
        model: Predicts what the samples are.
        at_each: Samples at each value.
        seed: Seed of the samples.

    Returns:
        Label -> kind of sample (`KINDS`) -> result.
    """
    found = {}
    for label in space.network.conditions:
        values = ASKED[label]
        rows = held_out_with(data, label, values, min(at_each, 100), seed)
        found[label] = dict(
            zip(
                KINDS,
                (
                    compare_with_asked(rows, np.asarray(values), model, label),
                    conditioning(space, model, label, values, at_each, seed),
                    conditioning(space, model, label, values, at_each, seed, nominal=True),
                ),
                strict=True,
            )
        )
    return found


def quality_table(found: dict[str, dict[str, float]]) -> str:
    """The table of `quality`, in Markdown."""
    lines = [f"| formulas | {' | '.join(HEADINGS.values())} |", "|---" * (len(HEADINGS) + 1) + "|"]
    for name, metrics in found.items():
        cells = [
            f"{value:,.0f}" if key == "systems"
            else f"{value:.1f}" if key == "diversity"
            else f"{value:.3f}" if key in ("prevalence_kl", "elements_tv")
            else f"{value:.1%}"
            for key, value in ((key, metrics[key]) for key in HEADINGS)
        ]  # fmt: skip
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def conditioning_table(found: dict[str, dict[str, dict[str, dict[str, Any]]]]) -> str:
    """The table of conditioning, in Markdown: error and rank correlation by each judge."""
    judges = list(found)
    heads = [f"{what} by {judge}" for judge in judges for what in ("MAE", "rank correlation")]
    lines = [f"| asked for | samples | {' | '.join(heads)} | neutral | unique |", "|---" * (len(heads) + 4) + "|"]
    for label, kinds in found[judges[0]].items():
        for kind, each in kinds.items():
            judged = [found[judge][label][kind] for judge in judges]
            cells = [f"{one['mae']:.2f} {UNITS[label]} | {one['rank_correlation']:.2f}" for one in judged]
            shares = f"{each['neutral']:.1%} | {each['unique']:.1%}"
            lines.append(f"| {label} | {kind} | {' | '.join(cells)} | {shares} |")
    return "\n".join(lines)


def back_table(found: dict[str, dict[str, float]]) -> str:
    """Which formulas come back from encoding and decoding, in Markdown."""
    lines = ["| space | its own samples: elements | formula | held-out rows: elements | formula |", "|---" * 5 + "|"]
    lines += [f"| {name} | {' | '.join(f'{share:.1%}' for share in each.values())} |" for name, each in found.items()]
    return "\n".join(lines)


def _back(space: VAESpace, own: CompositionBatch, data: Dataset, seed: int) -> dict[str, float]:
    rows = np.random.default_rng(seed).choice(data.split("system").test, RETURNED, replace=False)
    given = {"own": own[np.flatnonzero(own.size)[:RETURNED]], "held_out": data.compositions[rows]}
    return {f"{of}_{key}": value for of, batch in given.items() for key, value in recovery(space, batch).items()}


def _rows(data: Dataset, samples: int, seed: int) -> CompositionBatch:
    train = data.split("system").train
    return data.compositions[np.random.default_rng(seed).choice(train, min(samples, len(train)), replace=False)]


def _numbers(each: Conditioning) -> dict[str, Any]:
    numbers = {key: value for key, value in asdict(each).items() if key not in ("asked", "predicted")}
    numbers |= {"asked": each.asked.tolist(), "median": np.median(each.predicted, axis=1).round(4).tolist()}
    return {key: round(value, 5) if isinstance(value, float) else value for key, value in numbers.items()}
