"""How moves through a latent space should go: ``python -m studies.latent.moves`` sets a few laws beside each other.

Uniform random play, 16 steps from training formulas. A law should keep it among the training points, as near to them as
formulas lie that the space was never shown, and let a policy that knows where it wants to go get there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from matenv.data import load_dataset
from matenv.envs.latent_moves import moved, project
from matenv.latent import load_latent
from matenv.oracle import Oracle
from tools.command import run

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
STEPS = 16

Points = NDArray[np.float64]


def nearest(points: Points, cloud: NDArray[np.float32]) -> Points:
    """Distance of each point to the nearest of a cloud (B,)."""
    squares, result = (cloud**2).sum(axis=1), []
    for start in range(0, len(points), 512):
        block = points[start : start + 512].astype(np.float32)
        apart = (block**2).sum(axis=1)[:, None] - 2 * block @ cloud.T + squares
        result.append(np.sqrt(np.maximum(apart.min(axis=1), 0.0)))
    return np.concatenate(result)


def main(
    latent: Annotated[str, typer.Option(help="Latent space.")] = "vae",
    rows: Annotated[int, typer.Option(help="Episodes of each law.")] = 1_500,
    seed: Annotated[int, typer.Option(help="Of starts and moves.")] = 0,
) -> None:
    """Print the table."""
    space, table, random = load_latent(latent), load_dataset(), np.random.default_rng(seed)
    train = space.encode(table.compositions[table.split("system").train])
    held_out = space.encode(table.compositions[table.part("test")])
    cloud, radius = train.astype(np.float32), space.radius

    def ball(size: float, shrink: float = 1.0) -> Callable[[Points, Points], Points]:
        return lambda z, a: project(shrink * (z + size * np.clip(a, -1, 1)), radius)[0]

    def pulled(size: float, pull: float) -> Callable[[Points, Points], Points]:
        def law(z: Points, a: Points) -> Points:
            return project(moved(z, a, size, space.cloud, pull), radius)[0]

        return law

    laws = {
        "ball, step 1": ball(1.0), "ball, step 0.5": ball(0.5), "towards the origin by a quarter": ball(1.0, 0.75),
        "pulled by 1": pulled(1.0, 1.0), "pulled by 1.5": pulled(1.0, 1.5),
        "pulled by 1.5, step 0.75": pulled(0.75, 1.5),
    }  # fmt: skip
    known = np.quantile(nearest(held_out[random.permutation(len(held_out))[:3000]], cloud), QUANTILES)
    print(
        "| law | distance to the nearest training point, 5 / 25 / 50 / 75 / 95 % | over that of held-out formulas "
        "| on the rim | distinct formulas | p_found >= .1 | target reached | and held |\n" + "|---" * 8 + "|"
    )
    print(f"| held-out formulas | {' / '.join(f'{q:.2f}' for q in known)} | | | | | | |")
    oracle = Oracle("train")
    for name, law in laws.items():
        z, met = train[random.integers(len(train), size=rows)], set[str]()
        for _ in range(STEPS):
            z = law(z, random.uniform(-1, 1, z.shape))
            batch = space.decode_batch(z)
            met |= set(batch.formulas())
        far = np.quantile(nearest(z, cloud), QUANTILES)
        found = (oracle.assess(batch).p_found >= 0.1).mean()
        rim = (np.linalg.norm(z, axis=1) > 0.999 * radius).mean()
        target = held_out[random.permutation(len(held_out))[:400]]
        wanted, reached = space.decode_batch(target), np.zeros(len(target), np.bool_)
        w = train[random.integers(len(train), size=len(target))]
        for _ in range(STEPS):
            w = law(w, target - w)  # a full step at most
            there = space.decode_batch(w).same_as(wanted)
            reached |= there
        cells = (" / ".join(f"{q:.2f}" for q in column) for column in (far, far / known))
        print(
            f"| {name} | {' | '.join(cells)} | {rim:.3f} | {len(met):,} | {found:.3f} | {reached.mean():.3f} "
            f"| {there.mean():.3f} |",
            flush=True,
        )


if __name__ == "__main__":
    run(main)
