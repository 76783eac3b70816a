"""The probability that an alloy is a single-phase solid solution, from the head of the latent space ``dvae``."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from matenv.properties.own import Property

if TYPE_CHECKING:
    from matenv.latent.networks.dvae import DisentangledVAE

ALLOYING_ELEMENTS = (
    "Al", "Co", "Cr", "Cu", "Fe", "Hf", "Li", "Mg", "Mn", "Mo", "Nb", "Ni", "Re", "Si", "Sn", "Ta", "Ti", "V", "W",
    "Y", "Zn", "Zr",
)  # fmt: skip
"""Elements of at least ten alloys of four or more elements in the table ``hea-phases``, without interstitial C."""


def p_single_phase(fractions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probability of a single phase as the shipped ``dvae`` sees it.

    Args:
        fractions: Atom fractions (B, 89), rows sum to 1.

    Returns:
        (B,) float64 in (0, 1). It says what experimentalists reported of cast and annealed alloys, not that a phase is
        the ground state.
    """
    import torch

    from matenv.latent.networks.dvae import probability

    network = _network()
    with torch.inference_mode():
        mean, log_variance, _ = network.infer(torch.from_numpy(fractions).float())
        return probability(mean[:, 0], log_variance[:, 0]).double().numpy()


SINGLE_PHASE = Property("p_single_phase", "1", p_single_phase, centre=0.5, scale=0.5)
"""What the task ``single-phase-alloy`` brings to its oracle."""


@lru_cache(maxsize=1)
def _network() -> DisentangledVAE:
    from matenv.latent import load_latent

    return load_latent("dvae").network  # type: ignore[return-value]
