"""Fit the pull of a latent space towards its training points (`matenv.latent.cloud`)."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from matenv.latent.cloud import network
from matenv.training.run import full_batches, seed_torch

EPOCHS, BATCH, RATE = 60, 512, 4e-3

LARGEST = 1.2
"""Largest move that is to be undone, along each dimension: a little beyond a full step of an environment."""


def fit_cloud(points: NDArray[np.float64], seed: int = 0) -> torch.nn.Sequential:
    """Learn to undo random moves from training points.

    Args:
        points: Encodings of the training rows (N, n), whitened.
        seed: Of everything random.

    Returns:
        The trained network, weights rounded to half precision as files keep them.
    """
    seed_torch(seed)
    data = torch.from_numpy(np.asarray(points, np.float32))
    net = network(data.shape[1])
    steps = EPOCHS * len(full_batches(np.arange(len(data)), BATCH))
    optimizer = torch.optim.Adam(net.parameters(), RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps)
    for _ in range(EPOCHS):
        for rows in full_batches(torch.randperm(len(data)), BATCH):
            clean = data[rows]
            size = LARGEST * torch.rand(len(clean), 1)
            moved = clean + size * (2 * torch.rand_like(clean) - 1)
            loss = ((moved + net(moved) - clean) ** 2).sum(1).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    net.load_state_dict({key: value.half().float() for key, value in net.state_dict().items()})
    return net.eval().requires_grad_(False)
