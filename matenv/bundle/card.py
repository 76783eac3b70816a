"""The card of a bundle: what it holds and how good it is, on one page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matenv.bundle.request import Learned, Request


def card(request: Request, content: Mapping[str, Any], files: Mapping[str, Mapping[str, Any]], folder: Path) -> str:
    """The page, Markdown.

    Args:
        request: What was asked for.
        content: What the manifest says.
        files: Hashes and sizes by file.
        folder: The bundle, its other files in place.

    Returns:
        The text.
    """
    data = request.data
    space = _json(folder / content["latent"])
    measured = "\n".join(f"| {key} | {value:g} | {space['after'][key]:g} |" for key, value in space["before"].items())
    learned = "\n".join(_row(each, folder) for each in request.learned) or "| none | | | | | |"
    hashes = "\n".join(f"| {name} | {entry['bytes']:,} | `{entry['sha256']}` |" for name, entry in files.items())
    left_out = "" if data.report is None or data.report.good else f"\n- {data.report.summary()}."
    versions = ", ".join(f"{name} {version}" for name, version in content["versions"].items())
    return f"""# Bundle `{content["name"]}`

- Table `{data.name}`: {len(data):,} formulas of {len(set(data.systems.tolist())):,} chemical systems.{left_out}
- Hull: {request.energies.said}.
- Latent space `{request.latent}`, fine-tuned: {space["table"]}.
- Energies are predicted by the shipped predictor `default`; its errors on this table are not measured.
- Made with {versions}; seed {request.seed}.

| property | unit | kind | rows | error on left-out systems | of the mean of the table |
|---|---|---|---|---|---|
{learned}

| latent space | before | after |
|---|---|---|
{measured}

| file | bytes | SHA-256 |
|---|---|---|
{hashes}
"""


def _row(learned: Learned, folder: Path) -> str:
    card = _json(folder / "properties" / learned.name / f"{learned.name}.safetensors")
    errors = card["results"]
    return (
        f"| `{learned.name}` | {card['unit']} | {card['chosen']} | {card['rows']:,} | "
        f"{errors[card['chosen']]['mae_deciding']:.4g} | {errors['mean of the table']['mae_deciding']:.4g} |"
    )


def _json(weights: Path) -> dict[str, Any]:
    """The card beside a weights file."""
    return json.loads(weights.with_suffix(".json").read_bytes())
