"""`Surrogate`: what a search has been told, as an ensemble of small networks that it can ask for free."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from matenv import elements as alphabet
from matenv.composition import CompositionBatch

_PROPERTIES = ("number", "group", "period", "mass", "electronegativity", "radius", "ionization_energy", "mendeleev")

RATE = 2e-3
"""Learning rate at first."""

_RECENT = 0.3  # share of each batch that is drawn from what was told last


class Surrogate(nn.Module):
    """Networks on atom fractions and statistics of element properties, refined as scores come in.

    Args:
        outputs: Numbers predicted of each formula.
        bounded: The numbers lie in [0, 1] (the factors of a score), not anywhere.
        members: Networks in the ensemble.
        width: Units of each hidden layer.
        seed: Of weights and batches.
    """

    def __init__(self, outputs: int, bounded: bool = True, members: int = 4, width: int = 96, seed: int = 0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        sizes = [features_of(alphabet_row()).shape[1], width, width, outputs]
        self.layers = nn.ParameterList()
        for inputs, units in zip(sizes, sizes[1:], strict=False):
            weight = torch.randn(members, inputs, units, generator=generator) * (2 / inputs) ** 0.5
            self.layers.extend([nn.Parameter(weight), nn.Parameter(torch.zeros(members, 1, units))])
        self.bounded, self.members, self.outputs = bounded, members, outputs
        self.rng = np.random.default_rng(seed)
        self.optimizer = torch.optim.Adam(self.parameters(), RATE, weight_decay=1e-5)
        self.features = np.zeros((0, sizes[0]), np.float32)
        self.labels = np.zeros((0, outputs), np.float32)

    def __len__(self) -> int:
        """Formulas told so far."""
        return len(self.labels)

    def tell(self, batch: CompositionBatch, labels: NDArray, steps: int, size: int = 128) -> None:
        """Learn what formulas (B) were worth (B, outputs), in so many steps of `size` formulas per network.

        Bounded outputs learn from 0 to 1, and 0 where nothing is known.
        """
        if self.bounded:
            labels = np.clip(np.nan_to_num(labels), 0.0, 1.0)
        self.features = np.concatenate([self.features, features_of(batch)])
        self.labels = np.concatenate([self.labels, labels.astype(np.float32)])
        self.fit(steps, size, recent=2 * len(batch))

    def fit(self, steps: int, size: int = 128, recent: int = 300) -> None:
        """Learn from what was told, the last `recent` formulas more often than others; 0 for all alike."""
        number, shape = len(self.labels), (self.members, size)
        for _ in range(steps if number else 0):
            rows = self.rng.integers(number, size=shape)
            if recent:
                last = self.rng.integers(max(number - recent, 0), number, size=shape)
                rows = np.where(self.rng.random(shape) < _RECENT, last, rows)
            said, true = self(torch.from_numpy(self.features[rows])), torch.from_numpy(self.labels[rows])
            if self.bounded:
                loss = functional.binary_cross_entropy_with_logits(said, true)
            else:
                loss = functional.smooth_l1_loss(said, true)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()

    def settle(self, steps: int, size: int, after: float) -> None:
        """Learn from all that was told alike, at a rate that falls to zero as a cosine; go on at the rate `after`."""
        parts = 60
        for part in range(parts):
            self.set_rate(RATE * 0.5 * (1 + np.cos(np.pi * part / parts)))
            self.fit(steps // parts, size, recent=0)
        self.set_rate(after)

    def set_rate(self, rate: float) -> None:
        """Learn at this rate from now on."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate

    def forward(self, inputs: Tensor) -> Tensor:
        """Outputs (members, B, outputs) of features (members, B, F); logits if bounded."""
        for at in range(0, len(self.layers), 2):
            inputs = inputs @ self.layers[at] + self.layers[at + 1]
            if at + 2 < len(self.layers):
                inputs = inputs.relu()
        return inputs

    @torch.no_grad()
    def predict(self, batch: CompositionBatch) -> NDArray[np.float32]:
        """What each network says (members, B, outputs)."""
        said = self(torch.from_numpy(features_of(batch))[None].expand(self.members, -1, -1))
        return (said.sigmoid() if self.bounded else said).numpy()


def features_of(batch: CompositionBatch) -> NDArray[np.float32]:
    """Atom fractions, then mean, spread, largest and smallest of each element property, size and atoms (B, F)."""
    table = element_table()
    fractions = batch.fractions()
    mean = fractions @ table
    spread = np.sqrt(np.maximum(fractions @ table**2 - mean**2, 0.0))
    held = table[batch.elements]
    absent = (batch.counts == 0)[:, :, None]
    largest = np.where(absent, -np.inf, held).max(axis=1)
    smallest = np.where(absent, np.inf, held).min(axis=1)
    counts = np.column_stack([(batch.size - 3) / 2, batch.atoms / 10 - 1])
    return np.concatenate([3 * fractions, mean, spread, largest, smallest, counts], axis=1).astype(np.float32)


def alphabet_row() -> CompositionBatch:
    """One formula, to measure features with."""
    return CompositionBatch.from_counts(np.eye(1, alphabet.NUM_ELEMENTS))


@lru_cache(maxsize=1)
def element_table() -> NDArray[np.float64]:
    """Element properties in standard units (89, 8); 0 where there is none."""
    table = np.stack([np.asarray(alphabet.values(name), np.float64) for name in _PROPERTIES], axis=1)
    return np.nan_to_num((table - np.nanmean(table, axis=0)) / np.nanstd(table, axis=0))
