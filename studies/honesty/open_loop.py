"""What one formula is worth as the answer to every wish: ``python -m studies.honesty.open_loop``.

Formulas are decoded from the prior of `vae` and screened as `stable-novel` asks; test wishes are numbered from 0. A
policy that does not read the wish can do no better than a single formula.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
import typer

from matenv import Oracle, load_latent, load_task
from matenv.envs.wishes import achieved, goal_reward, wish_table
from tools.command import run


def main(
    samples: Annotated[int, typer.Option(help="Formulas decoded from the prior.")] = 20_000,
    wishes: Annotated[int, typer.Option(help="Test wishes.")] = 256,
) -> None:
    """Print the mean scores over wishes."""
    space, task, oracle = load_latent("vae"), load_task("stable-novel"), Oracle("train")
    pool = space.decode_batch(space.sample(samples, 0))
    pool = pool[pool.distinct()]
    pool = pool[task.screen(pool)]
    assessment = oracle.assess(pool)
    vectors = achieved(pool, assessment.mean, task.score(assessment).score)
    scores, trained = (
        np.stack([goal_reward(vectors, wish[None]) for wish in wish_table(part)[np.arange(wishes)].vectors()])
        for part in ("test", "train")
    )
    print(f"{len(pool):,} new formulas, {wishes} test wishes; mean score of")
    print(f"  a random formula       {scores.mean():.4f}")
    print(f"  the best single one    {scores.mean(axis=0).max():.4f}")
    print(f"  that of training wishes {scores[:, trained.mean(axis=0).argmax()].mean():.4f}")
    print(f"  the best for each wish {scores.max(axis=1).mean():.4f} ({len(set(scores.argmax(axis=1)))} formulas)")


if __name__ == "__main__":
    run(main)
