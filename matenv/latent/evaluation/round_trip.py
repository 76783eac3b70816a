"""Round-trip test: do compositions come back from the latent space, from the posterior mean and from draws around it?

A draw stands for what an agent or a search sees who arrives near an encoding, not on it. Decoding is deterministic
here: of the usual 10 encodings by 10 decodings of a molecule (Gomez-Bombarelli et al., ACS Cent. Sci. 4, 268, 2018)
the encodings remain.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matenv.composition import CompositionBatch, Compositions
from matenv.data import Dataset
from matenv.latent.space import VAESpace, packed

DRAWS = 10
"""Encodings drawn per composition."""


@dataclass(frozen=True)
class RoundTrip:
    """What came back of B compositions.

    Attributes:
        compositions: What was encoded.
        returned: What the posterior mean decodes to.
        exact: Whether that is the formula (B,).
        same_elements: Whether it has the same elements (B,).
        drawn_exact: Share of posterior draws that decode to the formula (B,).
        drawn_same_elements: Share of posterior draws that decode to the same elements (B,).
    """

    compositions: CompositionBatch
    returned: CompositionBatch
    exact: NDArray[np.bool_]
    same_elements: NDArray[np.bool_]
    drawn_exact: NDArray[np.float64]
    drawn_same_elements: NDArray[np.float64]

    def summary(self) -> str:
        """Shares over all compositions, in words."""
        return (
            f"{len(self.exact):,} compositions: formula back {self.exact.mean():.1%}, "
            f"element set back {self.same_elements.mean():.1%}; from draws of the posterior "
            f"{self.drawn_exact.mean():.1%} and {self.drawn_same_elements.mean():.1%}"
        )

    def table(self) -> str:
        """One line for each composition."""
        lines = [f"{'formula':>24s}  {'comes back as':24s} {'of draws: formula':>17s} {'element set':>12s}"]
        for given, back, exact, same in zip(
            self.compositions.formulas(), self.returned.formulas(), self.drawn_exact, self.drawn_same_elements,
            strict=True,
        ):  # fmt: skip
            lines.append(f"{given:>24s}  {back or '(no element)':24s} {exact:17.0%} {same:12.0%}")
        return "\n".join(lines)


def held_out(data: Dataset, rows: int, seed: int = 0) -> CompositionBatch:
    """Random held-out compositions of a table.

    Args:
        data: The table.
        rows: How many, at most all.
        seed: Seed of the choice.

    Returns:
        Rows of the test part of its `system` split.

    Raises:
        ValueError: `rows` below 1, or a table without held-out rows.
    """
    test = data.split("system").test
    if rows < 1 or not len(test):
        raise ValueError(f"rows={rows} of {len(test)} held-out rows in {data.name}: at least 1 is needed")
    return data.compositions[np.random.default_rng(seed).permutation(test)[:rows]]


def round_trip(space: VAESpace, X: Compositions, draws: int = DRAWS, seed: int = 0) -> RoundTrip:  # noqa: N803
    """Encode compositions and decode them again.

    Args:
        space: The latent space.
        X: Compositions, as `LatentSpace.encode` takes them.
        draws: Draws from each posterior.
        seed: Seed of the draws.

    Returns:
        What came back.

    Raises:
        ValueError: `draws` below 1, or compositions that cannot be read.
    """
    if draws < 1:
        raise ValueError(f"draws={draws} must be at least 1")
    batch = packed(X)
    mean, log_variance = space.posterior(batch)
    random, whitening = np.random.default_rng(seed), space.whitening
    std = np.exp(0.5 * log_variance)

    def decode(raw: NDArray[np.float64]) -> tuple[CompositionBatch, NDArray[np.bool_], NDArray[np.bool_]]:
        back = space.decode_batch((raw - whitening.mean) / whitening.std)
        return back, back.same_as(batch), back.systems().same_as(batch.systems())

    returned, exact, same = decode(mean)
    drawn = [decode(mean + std * random.standard_normal(mean.shape))[1:] for _ in range(draws)]
    drawn_exact, drawn_same = (np.mean(parts, axis=0) for parts in zip(*drawn, strict=True))
    return RoundTrip(batch, returned, exact, same, drawn_exact, drawn_same)
