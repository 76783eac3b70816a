"""P(metal) of the measured gap, fitted last: a trained network with its last layer's row of that logit fitted anew.

Few measured gaps are exact zeros of materials that exist, and nothing says so of the insulators without a measurement.
PBE gaps are known for most rows and too small, so that a compound with one is no metal. That is evidence of its own,
with a small weight because such rows are many. Nothing but the one row of the last layer changes: every other output
stays the same to the bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit
from torch import Tensor

from matenv.composition import CompositionBatch
from matenv.data.dataset import PARTS
from matenv.properties import families, heads
from matenv.properties.distribution import Calibration
from matenv.properties.labels import ALL, labelled_rows
from matenv.properties.networks.features import pack
from matenv.properties.networks.references import References
from matenv.properties.predictor import Predictor
from matenv.properties.store import CommitteeFile, Weights
from matenv.properties.training.export import calibrate

PBE, MEASURED = heads.NAMES.index("band_gap_pbe"), heads.NAMES.index("band_gap_expt")
NO_METAL = 0.5
"""eV: a PBE gap above it says that the material is no metal."""

# Chosen on validation rows among a few of each: 0, 0.02, 0.05, 0.2 and 1, 3, 10, 30.
_EVIDENCE = 0.05  # weight of such a row beside one with a measured gap
_SHRINKAGE = 30.0  # of the weights of standardised features, which start from zero

_LOGIT = -1  # of an ensemble's and of a student's outputs alike
_BLOCK = 8192

Array = NDArray[np.float64]


def refit(weights: Weights) -> Weights:
    """A predictor whose logit of a measured gap of zero is fitted anew; its calibration is left to `recalibrated`.

    Args:
        weights: A trained predictor: an ensemble, a student, or gold, which is fitted on all rows.

    Returns:
        The same but for one row of the last layer of each network.
    """
    batch, labels = labelled_rows(ALL if weights.role == "gold" else PARTS[0])
    table = References(batch, labels) if families.find(weights.family).needs_references else None
    measured = np.isfinite(labels[:, MEASURED])
    rows = np.flatnonzero(measured | (labels[:, PBE] > NO_METAL))
    weight = np.where(measured[rows], 1.0, _EVIDENCE)
    members = [
        _with_row(member, *_logistic(_inputs(weights, member, batch[rows], table), labels[rows, MEASURED] == 0, weight))
        for member in weights.members
    ]
    return replace(weights, members=tuple(members))


def recalibrated(contents: Weights | CommitteeFile, caution: float = 1.0) -> dict[str, Calibration]:
    """Calibrations of a predictor with that of the measured gap fitted anew on validation rows, and no other.

    Args:
        contents: A predictor fitted on train rows, or a committee of such.
        caution: As of `committee.assemble`.
    """
    model = Predictor.from_weights(contents)
    found = calibrate(model, (heads.NAMES[MEASURED],))[heads.NAMES[MEASURED]]
    return {**contents.calibrations, heads.NAMES[MEASURED]: replace(found, between=caution * found.between)}


@torch.inference_mode()
def _inputs(weights: Weights, member: Mapping[str, Tensor], batch: CompositionBatch, table: References | None) -> Array:
    """What enters the last layer of a network (N, width)."""
    network = families.build(weights.family, weights.outputs, weights.width, weights.layers)
    network.load_state_dict(member)
    seen: list[Tensor] = []
    network.eval().get_submodule("head").register_forward_pre_hook(lambda _, entering: seen.append(entering[0]))
    blocks = []
    for start in range(0, len(batch), _BLOCK):
        part = batch[np.arange(start, min(start + _BLOCK, len(batch)))]
        tokens, order = pack(part, None if table is None else table.describe(part))
        network(tokens)
        entering = seen.pop().double().numpy()
        block = np.empty_like(entering)
        block[order] = entering
        blocks.append(block)
    return np.concatenate(blocks)


def _logistic(x: Array, is_zero: NDArray[np.bool_], weight: Array) -> tuple[Array, float]:
    """Weights and bias of a ridge logistic regression on standardised columns, for the columns as they are."""
    centre, scale = x.mean(0), x.std(0) + 1e-6
    standard = (x - centre) / scale

    def objective(parameters: Array) -> tuple[float, Array]:
        slope, logit = parameters[:-1], standard @ parameters[:-1] + parameters[-1]
        value = weight @ (np.logaddexp(0.0, logit) - is_zero * logit) + 0.5 * _SHRINKAGE * (slope @ slope)
        residual = weight * (expit(logit) - is_zero)
        return float(value), np.append(residual @ standard + _SHRINKAGE * slope, residual.sum())

    found = minimize(objective, np.zeros(x.shape[1] + 1), jac=True, method="L-BFGS-B", options={"maxiter": 1000}).x
    slope = found[:-1] / scale
    return slope, float(found[-1] - slope @ centre)


def _with_row(member: Mapping[str, Tensor], slope: Array, bias: float) -> dict[str, Tensor]:
    """Weights of a network with another last row of its last layer, in the half precision that files keep."""
    changed = dict(member)
    for name, values in (("head.weight", slope), ("head.bias", bias)):
        changed[name] = member[name].clone()
        changed[name][_LOGIT] = torch.as_tensor(values).half().float()
    return changed
