"""Samples of a latent space's prior, decoded: the search that knows what formulas look like, and nothing else."""

from __future__ import annotations

from matenv.benchmark import AskTell, register
from matenv.composition import CompositionBatch
from matenv.latent import load_latent

BATCH = 256
"""Samples decoded at once."""

TRIES = 200
"""Batches in vain after which the search gives up."""


class PriorSearch(AskTell):
    """Decoded samples that pass the checks that cost no call."""

    def __init__(self, seed: int = 0, latent: str = "vae") -> None:
        super().__init__(seed)
        self.space = load_latent(latent)

    def ask(self, n: int) -> CompositionBatch:
        """New formulas, at most n."""
        for _ in range(TRIES):
            batch = self.space.decode_batch(self.space.sample(BATCH, int(self.rng.integers(2**31))))
            batch = batch[self.problem.fresh(batch)]
            if len(batch):
                break
        return batch[:n]


register("prior", PriorSearch)
