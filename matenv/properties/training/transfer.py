"""Unlabelled compositions for distillation: what an environment may visit, around and beyond the training formulas.

Half are training formulas with elements exchanged and counts redrawn, half are decoded from random walks through the
latent space, as an untrained agent makes them. Both come from models of the training rows alone. Formulas of held-out
table rows are left out: no label of theirs would be used in any case, but this way held-out errors and the agreement of
student and teacher are measured on formulas that the student has never met.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from matenv import elements as alphabet
from matenv.composition import CompositionBatch, FormulaIndex
from matenv.data.dataset import PARTS
from matenv.latent import load_latent
from matenv.latent.training.augment import Augmenter
from matenv.properties.labels import labelled_rows

WALK_LENGTH = 16
"""Steps of a walk: an episode of the environments."""

_IS_ABSENT = np.zeros(alphabet.NUM_ELEMENTS + 1, dtype=bool)  # the last entry stands for padding
_IS_ABSENT[[alphabet.INDEX[symbol] for symbol in alphabet.ABSENT]] = True


class TransferSource:
    """Draws unlabelled compositions. Which ones is a function of the generator's state alone."""

    def __init__(self) -> None:
        self._formulas, _ = labelled_rows(PARTS[0])
        self._augmenter = Augmenter(self._formulas)
        self._space = load_latent("vae")
        held_out = [labelled_rows(part)[0] for part in PARTS[1:]]
        self._held_out = FormulaIndex(CompositionBatch.concatenate(held_out))

    def draw(self, number: int, random: np.random.Generator) -> CompositionBatch:
        """About `number` compositions: those refused are not replaced.

        Args:
            number: How many to draw.
            random: Source of randomness.

        Returns:
            Compositions, none of them empty, a formula of a held-out row, or with a noble gas.
        """
        batch = CompositionBatch.concatenate([self._variants(number // 2, random), self._walks(number // 2, random)])
        wanted = predictable(batch) & (self._held_out.find(batch) < 0)
        return batch[np.flatnonzero(wanted)]

    def _variants(self, number: int, random: np.random.Generator) -> CompositionBatch:
        """Training formulas changed twice, so that some lie far from all of them."""
        batch = self._formulas[random.integers(len(self._formulas), size=number)]
        batch = self._augmenter.vary(batch, random, substituted=0.8, recounted=0.2, refuse_held_out=False)
        return self._augmenter.vary(batch, random, refuse_held_out=False)

    def _walks(self, number: int, random: np.random.Generator) -> CompositionBatch:
        """Every point of random walks within the ball the environments keep to; each walk has its own step length."""
        walks = -(-number // WALK_LENGTH)
        z = self._space.sample(walks, int(random.integers(1 << 31)))
        length, points = random.random((walks, 1)), [z]
        for _ in range(WALK_LENGTH - 1):
            z = z + length * random.uniform(-1.0, 1.0, z.shape)
            z = z * np.minimum(1.0, self._space.radius / np.linalg.norm(z, axis=1, keepdims=True))
            points.append(z)
        return self._space.decode_batch(np.concatenate(points)[:number])


def predictable(batch: CompositionBatch) -> NDArray[np.bool_]:
    """Which compositions (B,) a predictor accepts: not empty, and without noble gases."""
    return (batch.size > 0) & ~_IS_ABSENT[batch.elements].any(axis=1)
