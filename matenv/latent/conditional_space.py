"""`ConditionalSpace`: a latent space whose first coordinates are properties, which can be held."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from matenv.composition import CompositionBatch
from matenv.latent.networks.conditional import ConditionalVAE
from matenv.latent.space import VAESpace, Whitening

NEARNESS = 0.3
"""Standard units: anchors count by exp(-d^2 / 2), d^2 their expected squared distance from a condition over this."""


class ConditionalSpace(VAESpace):
    """The space of a `ConditionalVAE`: its first coordinates are the conditions, and `at` holds them fixed."""

    network: ConditionalVAE

    def at(self, **targets: float) -> VAESpace:
        """The space at given values of conditions: their coordinates are gone, and every point decodes under them.

        `encode` says what a composition is beside the conditions, so that ``decode(encode(x))`` is the like of x at the
        asked values, not x itself. `sample` draws around the anchors whose estimated properties are near;
        `sample_nominal` trusts the decoder alone and draws from N(0, I). `score` is conditional: log p(x | targets).

        Args:
            targets: Values by name: ``formation_energy`` [eV/atom], ``band_gap_pbe`` [eV]; those not named stay
                coordinates.

        Returns:
            A space of as many dimensions less, to sample from or to move in.

        Raises:
            ValueError: No target, an unknown name, or a value outside the training rows' range.
        """
        conditions = self.network.conditions
        names = list(conditions)
        if not targets:
            raise ValueError(f"at() needs a target, such as at({names[0]}=-2.0); conditions are {', '.join(names)}")
        for name, value in targets.items():
            if name not in names:
                raise ValueError(f"{name!r} is not a condition of {self.name!r}; it has {', '.join(names)}")
            low, high = conditions[name][2:]
            if not low <= value <= high:
                raise ValueError(f"{name}={value} must lie within the training rows' range, {low} to {high}")
        held = {
            i: (targets[name] - conditions[name][0]) / conditions[name][1]
            for i, name in enumerate(names)
            if name in targets
        }
        kept = [i for i in range(self.dim) if i not in held]
        whitening = Whitening(self.whitening.mean[kept], self.whitening.std[kept], self.radius)
        label = ", ".join(f"{name}={value:g}" for name, value in targets.items())
        anchors = None if self.anchors is None else self._anchors_near(self.anchors, held)
        return VAESpace(f"{self.name} at {label}", self.network.holding(held), whitening, anchors, self.device)

    def _anchors_near(self, anchors: CompositionBatch, held: dict[int, float]) -> CompositionBatch:
        """As many anchors again, drawn by how near they are estimated to be; in the order of the anchors."""
        mean, log_variance = (moment[:, list(held)] for moment in self._posterior(anchors))
        away: NDArray[np.float64] = list(held.values()) - mean
        log_weight = -0.5 * (away**2 + np.exp(log_variance)).sum(axis=1) / NEARNESS**2
        weight = np.exp(log_weight - log_weight.max())
        ticks = (0.5 + np.arange(len(anchors))) / len(anchors)
        cumulative = np.cumsum(weight) / weight.sum()
        return anchors[np.searchsorted(cumulative, ticks).clip(max=len(anchors) - 1)]
