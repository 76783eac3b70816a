"""A trained network's weights, folded and laid out for `matenv.compiled.products`.

Matrices are cut into panels. Widths are padded to whole panels with zeros, which stay zeros all the way through; what
stands side by side is padded each by itself. The affine part of a normalisation is folded into the map that follows.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from matenv.compiled.panels import Array, padded, panels


def fold(norm: nn.LayerNorm, linear: nn.Linear, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    """Weight and bias of ``linear(norm(x))`` in terms of x normalised without an affine part, worked out in `dtype`."""
    weight = linear.weight.to(dtype)
    bias = weight @ norm.bias.to(dtype)
    return weight * norm.weight, bias if linear.bias is None else bias + linear.bias


def numbers(tensor: Tensor) -> Array:
    """A tensor's numbers in C order, float32."""
    return np.array(tensor.detach().cpu().numpy(), dtype=np.float32, order="C")


def cut(weight: Tensor, inputs: int) -> Array:
    """A weight (out, in) as panels of its transpose, its inputs padded to a number, its outputs to whole panels."""
    return panels(numbers(weight.T), inputs, padded(len(weight)))


def padded_bias(bias: Tensor) -> Array:
    """A bias with zeros for the columns that fill up a panel."""
    return np.pad(numbers(bias), (0, padded(len(bias)) - len(bias)))


def beside(parts: Sequence[tuple[Tensor, Tensor]], inputs: int) -> tuple[Array, Array]:
    """Panels and bias (1, columns) of affine maps of the same inputs side by side, each padded to whole panels."""
    biases = [padded_bias(bias) for _, bias in parts]
    return np.concatenate([cut(weight, inputs) for weight, _ in parts]), np.concatenate(biases)[None]
