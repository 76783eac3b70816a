"""`Cloud`: where the training points of a latent space lie, as a pull that brings a point back to them.

A ball holds far more than the training points: in 32 dimensions nearly all of it lies between them, where a decoder was
never asked anything. A small network learns to undo a random move from a training point; what it does to a point is a
step towards the cloud (Vincent, Neural Comput. 23, 1661, 2011: along the gradient of the logarithm of its density).
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from matenv.compiled.folding import padded_bias
from matenv.compiled.jit import njit
from matenv.compiled.panels import Array, padded, panels
from matenv.compiled.products import FASTMATH, add_product, silu
from matenv.compiled.threads import run_blocks
from matenv.training.weights_file import WeightsFormat

WIDTH = 192
"""Width of both hidden layers."""

FORMAT = WeightsFormat("matenv-cloud-1", "cloud of training points", "matenv latent train vae --out <folder>")

ROWS_PER_THREAD = 256
"""Smallest block worth a thread of its own."""


def network(dim: int) -> nn.Sequential:
    """The network that says how a point (B, dim) should be moved."""
    return nn.Sequential(nn.Linear(dim, WIDTH), nn.SiLU(), nn.Linear(WIDTH, WIDTH), nn.SiLU(), nn.Linear(WIDTH, dim))


class Cloud(NamedTuple):
    """The network's weights as compiled products want them, float32; a row's result never depends on its batch.

    Attributes:
        dim: Dimension n of the space.
        enter: Points to the first hidden layer, as `panels` lays out a matrix.
        enter_bias: Its bias (1, width).
        middle: Between the hidden layers.
        middle_bias: Its bias (1, width).
        leave: To the shift.
        leave_bias: Its bias (1, padded n).
    """

    dim: int
    enter: Array
    enter_bias: Array
    middle: Array
    middle_bias: Array
    leave: Array
    leave_bias: Array

    @staticmethod
    @torch.no_grad()
    def of(trained: nn.Sequential) -> Cloud:
        """Copy the weights of a network."""
        layers = [layer for layer in trained if isinstance(layer, nn.Linear)]
        parts: list[Array] = []
        for layer in layers:
            columns = padded(layer.out_features)
            weight = np.ascontiguousarray(layer.weight.detach().float().numpy().T)
            parts += [panels(weight, layer.in_features, columns), padded_bias(layer.bias)[None]]
        return Cloud(layers[0].in_features, *parts)

    def shift(self, z: NDArray[np.float64]) -> NDArray[np.float64]:
        """How far and where points should move to come nearer to the training points.

        Args:
            z: Points (B, n), whitened.

        Returns:
            (B, n) float64.
        """
        return np.concatenate(run_blocks(lambda block: _shift(z[block], self), len(z), ROWS_PER_THREAD))


def beside(path: Path) -> Path:
    """Where the cloud of a latent space's weights file lies: ``vae.safetensors`` has ``vae.cloud.safetensors``."""
    return path.with_name(f"{path.stem}.cloud.safetensors")


def write(trained: nn.Sequential, path: Path) -> None:
    """Write the network beside a latent space's weights file, in half precision.

    Args:
        trained: The network.
        path: The latent space's weights file.
    """
    FORMAT.write(beside(path), {key: tensor.half().contiguous() for key, tensor in trained.state_dict().items()}, {})


def read(path: Path, dim: int) -> Cloud | None:
    """The cloud beside a latent space's weights file, or None where there is none.

    Args:
        path: The latent space's weights file.
        dim: Dimension of the space.

    Returns:
        The cloud.

    Raises:
        ValueError: A file that is damaged or of another space.
    """
    path = beside(path)
    if not path.exists():
        return None
    header, tensors = FORMAT.read(path)
    trained = network(dim)
    try:
        trained.load_state_dict({key: tensor.float() for key, tensor in tensors.items()})
    except RuntimeError as error:
        raise ValueError(f"{path} does not belong to a space of {dim} dimensions: {error}. {FORMAT.remedy}") from None
    FORMAT.verify(path, header, tensors)
    return Cloud.of(trained)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FASTMATH)
def _shift(z: NDArray[np.float64], cloud: Cloud) -> NDArray[np.float64]:
    rows = len(z)
    point = np.empty((rows, cloud.dim), np.float32)
    for i in range(rows):
        for k in range(cloud.dim):
            point[i, k] = z[i, k]
    first = np.empty((rows, cloud.enter_bias.shape[1]), np.float32)
    second = np.empty((rows, cloud.middle_bias.shape[1]), np.float32)
    moved = np.empty((rows, cloud.leave_bias.shape[1]), np.float32)
    add_product(cloud.enter_bias, point, cloud.enter, first)
    for i in range(rows):
        for k in range(first.shape[1]):
            first[i, k] = silu(first[i, k])
    add_product(cloud.middle_bias, first, cloud.middle, second)
    for i in range(rows):
        for k in range(second.shape[1]):
            second[i, k] = silu(second[i, k])
    add_product(cloud.leave_bias, second, cloud.leave, moved)
    return moved[:, : cloud.dim].astype(np.float64)
