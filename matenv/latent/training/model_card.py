"""The card of a latent space: what it is, where it comes from, what was measured on the very file."""

from __future__ import annotations

import datetime
import hashlib
import json
from pathlib import Path
from typing import Any

import torch

from matenv.atomic import write_whole
from matenv.data import Dataset
from matenv.latent.evaluation.evaluate import evaluate
from matenv.latent.space import VAESpace
from matenv.latent.training.recipe import training_rows


def write_card(
    path: Path,
    space: VAESpace,
    data: Dataset,
    run: dict[str, Any],
    former: VAESpace | None = None,
    about: str | None = None,
) -> dict[str, Any]:
    """Measure a space, and write its card beside its weights, as JSON and as a page.

    Args:
        path: The weights file.
        space: The space, as read from it.
        data: The table it was trained on.
        run: How it was trained: ``recipe``, ``epochs``, ``seed``, ``last_epoch``, ``command``.
        former: The space with the decoder that this one's replaces; its metrics are given beside, and `run` has
            ``agreement_with_former``.
        about: What the page says of the space; by default what its network says of itself.

    Returns:
        The card.
    """
    network = space.network
    card: dict[str, Any] = {
        "name": path.stem,
        "network": type(network).__name__,
        "config": network.config,
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "weights_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "table": data.name,
        "table_sha256": hashlib.sha256("\n".join(data.formulas.tolist()).encode()).hexdigest(),
        "split": "system; trained on its train part without validation, counts up to 64",
        "training_rows": len(training_rows(data)),
        **run,
        "metrics": _measured(space, data),
        "torch": torch.__version__,
        "date": datetime.date.today().isoformat(),
    }
    if former is not None:
        card["former"] = {"config": former.network.config, "metrics": _measured(former, data)}
    if (process := space.process) is not None:
        card["process"] = {"target": process.target, "unit": process.unit, "inducing_points": len(process.inducing)}
    write_whole(path.with_suffix(".json"), json.dumps(card, indent=2) + "\n")
    write_whole(path.with_suffix(".md"), _markdown(card, about or network.about()))
    return card


def _measured(space: VAESpace, data: Dataset) -> dict[str, float]:
    return {key: round(value, 5) for key, value in evaluate(space, data).items()}


def _markdown(card: dict[str, Any], about: str) -> str:
    """The card as a page."""
    recipe = ", ".join(f"{key} {value}" for key, value in card["recipe"].items())
    head, rule, made = "| metric | value |", "|---|---|", ""
    rows = {key: f"| {key} | {value:g} |" for key, value in card["metrics"].items()}
    if former := card.get("former"):
        at = {key: f"{100 * value:.1f} %" for key, value in card["agreement_with_former"].items()}
        made = f"""
The decoder replaces a larger one of the same latent space: then {_decoder(former["config"])};
now {_decoder(card["config"])}.
The encoder, the whitening and the radius are the same to the bit; the anchors were chosen anew. The new decoder learnt
from the likelihood of formulas and from the former decoder (`matenv.latent.training.distil`). The table has both;
`elbo` is computed with each. Both name the same elements / formula at {at["sample_element_set"]} /
{at["sample_exact_formula"]} of samples; at points away from the data (`visited_points`), where no answer is right, at
{at["visited_element_set"]} / {at["visited_exact_formula"]}.
"""
        head, rule = "| metric | value | with the former decoder |", "|---|---|---|"
        rows = {key: f"{row} {former['metrics'][key]:g} |" for key, row in rows.items()}
    table = "\n".join((head, rule, *rows.values()))
    return f"""# Latent space `{card["name"]}`

{about}
{made}
- Table: `{card["table"]}` (SHA-256 of its formulas: {card["table_sha256"][:16]}...).
- Training rows: {card["training_rows"]:,}.
- Split: {card["split"]}. Whitening and radius: all rows of `split("system").train`.
- Recipe: {recipe}; {card["epochs"]} epochs, seed {card["seed"]}; {card["parameters"]:,} parameters stored as float16.
- Made by `{card["command"]}` on {card["date"]} with torch {card["torch"]}.

Measured on the stored weights by `matenv latent evaluate {card["name"]}`; `matenv.latent.evaluation.evaluate` defines
each metric. `test` rows are the held-out chemical systems, `sample` is `space.sample`, `nominal` is the prior N(0, I).

{table}

Samples are compositions without a structure; that they are likely under this model does not make them stable or
synthesizable.
"""


def _decoder(config: dict[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in config.items() if key.startswith(("decoder", "head")))
