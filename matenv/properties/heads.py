"""The predicted properties: their order, how network outputs encode them, and the training loss.

A property is described by a location and a scale of a Laplace distribution, in standardised units. Band gaps have in
addition the logit of being exactly zero (a metal), and their location is non-negative: a hurdle model.
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from matenv.compiled.jit import njit

NAMES = ("formation_energy", "band_gap_pbe", "band_gap_expt", "log10_bulk_modulus", "log10_shear_modulus")
"""Predicted properties, in the order of every array of this package."""

HURDLE = (1, 2)
"""Positions in `NAMES` of the properties with a share of exact zeros."""

# Centre and width of each label over the training rows, rounded; in the label's unit.
_CENTRE = torch.tensor([-1.4, 0.0, 0.0, 1.9, 1.55])
_WIDTH = torch.tensor([1.1, 1.5, 1.5, 0.35, 0.4])
# Weight of one labelled row; the rarer labels count more.
_WEIGHT = torch.tensor([1.0, 0.5, 2.0, 2.0, 2.0])
_LOG_SCALE_RANGE = (-6.0, 2.0)
CENTRES, WIDTHS = _CENTRE.double().numpy(), _WIDTH.double().numpy()
"""Centre and width of each property in standardised units (5,), in its own unit."""

ERROR_UNIT = np.array([0.07, 0.4, 0.4, 0.075, 0.105])
"""Typical held-out mean absolute errors, which weigh the properties when the best epoch is chosen."""

OUTPUTS = 2 * len(NAMES) + len(HURDLE)
"""Network outputs per row: locations, log scales, logits of being zero."""


def decode(outputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Network outputs in the properties' units.

    Args:
        outputs: (B, 12).

    Returns:
        Location (B, 5) and Laplace scale (B, 5), in each property's unit, and the logit (B, 2) of a gap of zero.
    """
    location, scale, logit = _standardised(outputs)
    return location * _WIDTH + _CENTRE, scale * _WIDTH, logit


@njit(cache=True, nogil=True, error_model="numpy")
def combine(
    outputs: NDArray[np.float32], size: NDArray[np.int16]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Decode the outputs of an ensemble and sum up what its members say, compiled.

    Args:
        outputs: (members, B, 12).
        size: Number of elements (B,).

    Returns:
        Mean of the members' locations (B, 5), mean of their variances (B, 5), variance between their locations
        (B, 5), and mean of their probabilities of a zero gap (B, 2).
    """
    members, rows, _ = outputs.shape
    n = len(NAMES)
    location, within, between = np.empty((rows, n)), np.empty((rows, n)), np.empty((rows, n))
    zero = np.empty((rows, len(HURDLE)))
    said = np.empty(members)
    for row in range(rows):
        hurdle = 0
        for k in range(n):
            squares = 0.0
            for m in range(members):
                value: float = np.float64(outputs[m, row, k])
                log_scale = np.float64(outputs[m, row, n + k])
                if k in HURDLE and value < 20.0:  # beyond 20 softplus is the identity, here as in torch
                    value = math.log1p(math.exp(value))
                said[m] = value * WIDTHS[k] + CENTRES[k]
                squares += (math.exp(min(max(log_scale, _LOG_SCALE_RANGE[0]), _LOG_SCALE_RANGE[1])) * WIDTHS[k]) ** 2
            location[row, k] = said.mean()
            # The variance of a Laplace distribution is twice its squared scale.
            within[row, k] = 2.0 * squares / members
            between[row, k] = said.var()
            if k in HURDLE:
                probability = 0.0
                for m in range(members):
                    probability += 1.0 / (1.0 + math.exp(-np.float64(outputs[m, row, 2 * n + hurdle])))
                zero[row, hurdle] = probability / members
                hurdle += 1
        if size[row] == 1:  # against itself an element has no formation energy, by definition
            location[row, 0] = within[row, 0] = between[row, 0] = 0.0
    return location, within, between, zero


def loss(outputs: Tensor, targets: Tensor) -> Tensor:
    """Training loss of a batch, summed over its rows.

    Each Laplace likelihood is weighted by its own (detached) scale, so that the location learns with the gradient of
    the plain absolute error; without it, rows that are easy to fit crowd out the rest. The idea of weighting a
    heteroscedastic likelihood so is Seitzer et al., arXiv:2203.09168 (there for a Gaussian).

    Args:
        outputs: (B, 12).
        targets: (B, 5) in the properties' units, NaN where there is no label.

    Returns:
        A scalar.
    """
    location, scale, logit = _standardised(outputs)
    target = (targets - _CENTRE) / _WIDTH
    labelled = ~torch.isnan(target)
    target = torch.nan_to_num(target)
    hurdle = list(HURDLE)
    zero = target[:, hurdle] == 0.0
    fitted = labelled.clone()
    fitted[:, hurdle] &= ~zero
    likelihood = ((location - target).abs() / scale + scale.log()) * scale.detach()
    total = (torch.where(fitted, likelihood, 0.0) * _WEIGHT).sum()
    crossing = F.binary_cross_entropy_with_logits(logit, zero.to(logit.dtype), reduction="none")
    return total + (torch.where(labelled[:, hurdle], crossing, 0.0) * _WEIGHT[hurdle]).sum()


def _standardised(outputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    n = len(NAMES)
    location = outputs[:, :n].clone()
    location[:, list(HURDLE)] = F.softplus(location[:, list(HURDLE)])
    scale = outputs[:, n : 2 * n].clamp(*_LOG_SCALE_RANGE).exp()
    return location, scale, outputs[:, 2 * n :]
