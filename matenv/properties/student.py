"""What a student says: the ensemble's summary, as the outputs of a single network.

An ensemble's summary is what `heads.combine` returns: per property the mean location, the members' mean variance and
the variance between the members, and for band gaps the mean probability of a metal. A student that learns all of it
keeps the difference between noise in the labels and disagreement of the models (ensemble distribution distillation:
Malinin, Mlodozeniec and Gales, arXiv:1905.00076).
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from matenv.compiled.jit import njit
from matenv.properties.heads import CENTRES, HURDLE, NAMES, WIDTHS

OUTPUTS = 3 * len(NAMES) + len(HURDLE)
"""Network outputs per row: locations, log standard deviations within and between members, logits of being zero."""

# Logarithms of standard deviations in standardised units; a network may say nothing beyond.
_LOWEST, _HIGHEST = -7.0, 3.0
_SMALLEST_VARIANCE = math.exp(2.0 * _LOWEST)

# Weight of each property: about inverse to its typical error in standardised units (`heads.ERROR_UNIT`).
_WEIGHT = torch.tensor([1.0, 0.3, 0.3, 0.3, 0.3])
# A label counts more where labels are rare.
_LABEL_WEIGHT = torch.tensor([1.0, 0.5, 2.0, 2.0, 2.0])
_METAL_SHARE = 0.05  # how much the gap of a certain metal matters

Summary = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]


@njit(cache=True, nogil=True, error_model="numpy")
def decode(outputs: NDArray[np.float32], size: NDArray[np.int16]) -> Summary:
    """The summary that a student's outputs stand for, compiled.

    Args:
        outputs: (1, B, 17): a student is alone where an ensemble has members.
        size: Number of elements (B,).

    Returns:
        As `heads.combine`.
    """
    (_, rows, _), n = outputs.shape, len(NAMES)
    said = outputs[0]
    location, within, between = np.empty((rows, n)), np.empty((rows, n)), np.empty((rows, n))
    zero = np.empty((rows, len(HURDLE)))
    for row in range(rows):
        hurdle = 0
        for k in range(n):
            value: float = np.float64(said[row, k])
            if k in HURDLE:
                if value < 20.0:  # beyond 20 softplus is the identity, here as in torch
                    value = math.log1p(math.exp(value))
                zero[row, hurdle] = 1.0 / (1.0 + math.exp(-np.float64(said[row, 3 * n + hurdle])))
                hurdle += 1
            location[row, k] = value * WIDTHS[k] + CENTRES[k]
            log_within = min(max(np.float64(said[row, n + k]), _LOWEST), _HIGHEST)
            log_between = min(max(np.float64(said[row, 2 * n + k]), _LOWEST), _HIGHEST)
            within[row, k] = math.exp(2.0 * log_within) * WIDTHS[k] ** 2
            between[row, k] = math.exp(2.0 * log_between) * WIDTHS[k] ** 2
        if size[row] == 1:  # against itself an element has no formation energy, by definition
            location[row, 0] = within[row, 0] = between[row, 0] = 0.0
    return location, within, between, zero


def targets(summary: Summary) -> NDArray[np.float32]:
    """What a student should put out for an ensemble's summary, in standardised units.

    Args:
        summary: As `heads.combine` returns it, of B rows.

    Returns:
        (B, 17) float32: locations, variances within and between members, probabilities of a zero gap.
    """
    location, within, between, zero = summary
    variances = [np.maximum(v / WIDTHS**2, _SMALLEST_VARIANCE) for v in (within, between)]
    return np.concatenate([(location - CENTRES) / WIDTHS, *variances, zero], axis=1).astype(np.float32)


def loss(outputs: Tensor, target: Tensor, labels: Tensor, label_weight: float) -> Tensor:
    """Distillation loss of a batch, summed over its rows.

    Absolute errors of the locations and of the log standard deviations within members; the log likelihood of the
    variance between them, which is a noisy estimate from a few members; cross entropy of the metals. What concerns
    spreads is weighted by the spread, as in `heads.loss`, so that it does not crowd out the locations.

    Args:
        outputs: (B, 17).
        target: (B, 17), as `targets`.
        labels: (B, 5) true values in the properties' units, NaN where there is no label.
        label_weight: Weight of the labels beside the ensemble's word.

    Returns:
        A scalar.
    """
    n, hurdle = len(NAMES), list(HURDLE)
    location, logit = outputs[:, :n].clone(), outputs[:, 3 * n :]
    location[:, hurdle] = F.softplus(location[:, hurdle])
    log_within, log_between = outputs[:, n : 3 * n].clamp(_LOWEST, _HIGHEST).split(n, dim=1)
    wanted, within, between, zero = target.split((n, n, n, len(HURDLE)), dim=1)
    weight = _WEIGHT.expand(len(target), n).clone()
    weight[:, hurdle] *= 1.0 - (1.0 - _METAL_SHARE) * zero
    spreads = (log_within - 0.5 * within.log()).abs() * within.sqrt()
    spreads = spreads + (log_between + 0.5 * between * torch.exp(-2.0 * log_between)) * between.sqrt()
    total = (((location - wanted).abs() + 0.5 * spreads) * weight).sum()
    crossing = F.binary_cross_entropy_with_logits(logit, zero, reduction="none")
    total = total + (crossing * _WEIGHT[hurdle]).sum()
    rows = torch.isfinite(labels).any(1).nonzero()[:, 0]
    return total + label_weight * _label_loss(location[rows], logit[rows], labels[rows])


def _label_loss(location: Tensor, logit: Tensor, labels: Tensor) -> Tensor:
    hurdle = list(HURDLE)
    labelled = torch.isfinite(labels)
    zero = labels[:, hurdle] == 0.0
    fitted = labelled.clone()
    fitted[:, hurdle] &= ~zero
    wanted = (torch.nan_to_num(labels) - torch.from_numpy(CENTRES).float()) / torch.from_numpy(WIDTHS).float()
    total = (torch.where(fitted, (location - wanted).abs(), 0.0) * _LABEL_WEIGHT).sum()
    crossing = F.binary_cross_entropy_with_logits(logit, zero.to(logit.dtype), reduction="none")
    return total + (torch.where(labelled[:, hurdle], crossing, 0.0) * _LABEL_WEIGHT[hurdle]).sum()
