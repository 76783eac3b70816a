"""Fits what pulls points of the shipped latent spaces back to their training points: ``python -m tools.fit_clouds``."""

from __future__ import annotations

from typing import Annotated

import typer

from matenv.data import load_dataset
from matenv.latent import cloud, load_latent
from matenv.latent.store import SHIPPED
from matenv.latent.training.cloud import fit_cloud
from tools import CHECKOUT
from tools.command import run


def main(name: Annotated[list[str] | None, typer.Argument(help="Spaces; default: all that ship.")] = None) -> None:
    """Write a file beside each weights file."""
    for each in name or SHIPPED:
        space = load_latent(each)
        table = load_dataset(space.table)
        path = CHECKOUT / "matenv" / "latent" / "weights" / f"{each}.safetensors"
        cloud.write(fit_cloud(space.encode(table.compositions[table.split("system").train])), path)
        print(cloud.beside(path))


if __name__ == "__main__":
    run(main)
