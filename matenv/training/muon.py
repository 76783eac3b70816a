"""The optimizer Muon: momentum whose matrices are made orthogonal, so that a step moves every direction alike.

`torch.optim.Muon` casts to bfloat16 everywhere, which is emulated on most processors without a graphics card and then
takes nearly all of a training run. Here matrices of the same shape are made orthogonal together, in bfloat16 only where
the processor has it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from matenv.training.precision import has_bfloat16

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the polynomial s -> a s + b s^3 + c s^5, which drives singular values in (0, 1] to about 1 (Jordan et al.,
https://kellerjordan.github.io/posts/muon/)."""

ITERATIONS = 5
"""Applications of the polynomial (Jordan et al.)."""

LIKE_ADAM = 0.2
"""Root mean square of a step's entries over the learning rate, as AdamW's (Liu et al., arXiv:2502.16982)."""


class Muon(torch.optim.Optimizer):
    """Muon with Nesterov momentum and decoupled weight decay, for matrices.

    Args:
        matrices: Parameters (M, N).
        learning_rate: Root mean square of a step's entries is `LIKE_ADAM` times this.
        weight_decay: Share of the learning rate that a parameter loses at each step.
        momentum: Share of the old direction that is kept.

    Raises:
        ValueError: A parameter is no matrix.
    """

    def __init__(
        self, matrices: Iterable[nn.Parameter], learning_rate: float, weight_decay: float, momentum: float = 0.95
    ) -> None:
        matrices = list(matrices)
        if wrong := [tuple(matrix.shape) for matrix in matrices if matrix.ndim != 2]:
            raise ValueError(f"matrices has shapes {wrong}; Muon moves matrices only, give the rest to AdamW")
        super().__init__(matrices, {"lr": learning_rate, "weight_decay": weight_decay, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Move every matrix that has a gradient.

        Args:
            closure: Computes the loss anew, with gradients.

        Returns:
            What the closure gave, if any.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            alike: dict[torch.Size, list[nn.Parameter]] = defaultdict(list)
            for matrix in group["params"]:
                if matrix.grad is not None:
                    alike[matrix.shape].append(matrix)
            for shape, matrices in alike.items():
                directions = torch.stack([self._direction(matrix, group["momentum"]) for matrix in matrices])
                step = group["lr"] * LIKE_ADAM * max(shape) ** 0.5
                for matrix, direction in zip(matrices, orthogonal(directions), strict=True):
                    matrix.mul_(1 - group["lr"] * group["weight_decay"]).sub_(direction, alpha=step)
        return loss

    def _direction(self, matrix: nn.Parameter, momentum: float) -> Tensor:
        assert matrix.grad is not None
        state = self.state[matrix]
        if not state:
            state["momentum_buffer"] = torch.zeros_like(matrix)
        state["momentum_buffer"].lerp_(matrix.grad, 1 - momentum)
        return matrix.grad.lerp(state["momentum_buffer"], momentum)


def orthogonal(matrices: Tensor) -> Tensor:
    """The nearest matrices with singular values about 1, by Newton-Schulz iteration.

    Args:
        matrices: (G, M, N).

    Returns:
        (G, M, N) with singular values between about 0.7 and 1.2, those that were nearly 0 excepted.
    """
    a, b, c = COEFFICIENTS
    wide = matrices if matrices.shape[1] <= matrices.shape[2] else matrices.mT
    x = wide / wide.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    x = x.bfloat16() if has_bfloat16() else x.float()
    for _ in range(ITERATIONS):
        square = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(square, square, square, beta=b, alpha=c), x, beta=a)
    return (x if wide is matrices else x.mT).to(matrices.dtype)
