"""The decomposition classifier: the number of components, beside what the number of elements tells."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from studies.papers.elawady.superposition import Encoder
from studies.papers.elawady.table import CLASSES, Materials
from studies.papers.elawady.training import Rows

EPOCHS, BATCH = 20, 1024
"""Of the classifiers; the paper gives none. Of the epochs the one with the lowest loss on validation rows is kept."""

RATES = (0.002, 0.01)
"""Learning rates that are tried; the loss on validation rows chooses."""

SCALES = (1.0, 10.0)
"""Factors on atom fractions that are tried, likewise: a tenth is a small input to layers initialised for about 1."""

FEWEST = 20
"""Held-out materials that a class must have to count in class-balanced measures."""


class Classifier(nn.Module):
    """Linear-ELU-Linear-ELU-Linear, like the encoder.

    Args:
        inputs: Width of the input.
        width: Nodes per hidden layer.
        single: One output, the number of components by regression; else 10, one per class.
    """

    def __init__(self, inputs: int, width: int, single: bool) -> None:
        super().__init__()
        self.single = single
        self.layers = nn.Sequential(
            nn.Linear(inputs, width), nn.ELU(), nn.Linear(width, width), nn.ELU(),
            nn.Linear(width, 1 if single else CLASSES),
        )  # fmt: skip

    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        """Squared error or cross-entropy of a batch (B, inputs), (B,)."""
        output = self.layers(x)
        return F.mse_loss(output[:, 0], y.float()) if self.single else F.cross_entropy(output, y)

    def probabilities(self, x: Tensor) -> NDArray[np.float64]:
        """Class probabilities (B, 10); a single output is rounded to the nearest class."""
        with torch.inference_mode():
            output = self.layers(x)
            if self.single:
                nearest = output[:, 0].round().clamp(0, CLASSES - 1).long()
                return F.one_hot(nearest, CLASSES).double().numpy()
            return output.double().softmax(1).numpy()


@dataclass(frozen=True)
class Task:
    """What all classifiers are given, by row of the table: the class (N,), and the rows of the split."""

    y: Tensor
    rows: Rows


def fit(name: str, x: Tensor, task: Task, width: int, single: bool, rate: float, folder: Path) -> Classifier:
    """Train a classifier, or read it if it is finished.

    Args:
        name: Its name.
        x: Input of every material (N, inputs).
        task: Classes and rows; the validation rows choose the epoch.
        width: Nodes per hidden layer.
        single: As in `Classifier`.
        rate: Learning rate.
        folder: Where `classifier, <name>.safetensors` is kept.

    Returns:
        The classifier.
    """
    torch.manual_seed(0)
    network, path = Classifier(x.shape[1], width, single), folder / f"classifier, {name}.safetensors"
    if path.exists():
        network.load_state_dict(load_file(path))
        return network
    optimizer = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=0.01, fused=True)
    shown, classes = x[task.rows.train], task.y[task.rows.train]
    batch = min(BATCH, len(shown))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS * (len(shown) // batch))
    best, kept = np.inf, network.state_dict()
    for epoch in range(EPOCHS):
        order = torch.randperm(len(shown), generator=torch.Generator().manual_seed(epoch))
        for start in range(0, len(shown) - batch + 1, batch):
            picked = order[start : start + batch]
            optimizer.zero_grad(set_to_none=True)
            network.loss(shown[picked], classes[picked]).backward()
            optimizer.step()
            schedule.step()
        loss = validation_loss(network, x, task)
        if loss < best:
            best, kept = loss, {key: value.clone() for key, value in network.state_dict().items()}
    network.load_state_dict(kept)
    save_file(kept, path)
    return network


def validation_loss(network: Classifier, x: Tensor, task: Task) -> float:
    """Loss of the validation rows; what every choice is made by."""
    with torch.inference_mode():
        return float(network.loss(x[task.rows.validation], task.y[task.rows.validation]))


def best_of(
    label: str, inputs: dict[float, Tensor], task: Task, width: int, single: bool, folder: Path
) -> tuple[Classifier, Tensor, dict[str, float]]:
    """The classifier with the least loss on validation rows, over learning rates and scales of the input.

    Args:
        label: Name.
        inputs: Scale -> input of every material (N, inputs).
        task: As `fit`.
        width: As `fit`.
        single: As `fit`.
        folder: As `fit`.

    Returns:
        The classifier, its input, and its ``scale``, ``learning_rate`` and ``validation_loss``.
    """
    tried = []
    for scale, x in inputs.items():
        for rate in RATES:
            network = fit(f"{label}, x {scale:g}, {rate:g}", x, task, width, single, rate, folder)
            choice = {"scale": scale, "learning_rate": rate, "validation_loss": validation_loss(network, x, task)}
            tried.append((network, x, choice))
    return min(tried, key=lambda entry: entry[2]["validation_loss"])


def compare_classifiers(materials: Materials, encode: Encoder, width: int, folder: Path) -> dict[str, Any]:
    """Classifiers and simple predictors on held-out chemical systems.

    Args:
        materials: The table.
        encode: The trained encoder, for the classifier on latent vectors.
        width: Nodes per hidden layer.
        folder: Where trained classifiers are kept.

    Returns:
        Predictor -> `scores`; under ``balanced`` the same with the decision that is best for class-balanced measures,
        the most probable class after division by its share of the training rows; ``classes``: held-out materials of
        each class; ``choices``: what validation rows chose for each network.
    """
    data, rows = materials.data, Rows.of(materials.data, "system")
    y, x = materials.components, data.fractions
    task = Task(torch.from_numpy(y), rows)
    inputs = {
        "composition": {scale: scale * x for scale in SCALES},
        "latent vector": {1.0: encode(data.compositions)},
        "composition and presence": {scale: np.hstack([scale * x, x > 0]) for scale in SCALES},
    }
    train = y[rows.train]
    shares = np.bincount(train, minlength=CLASSES) / len(train)
    size = data.compositions.size
    told = np.zeros((size.max() + 1, CLASSES))
    np.add.at(told, (size[rows.train], train), 1.0)
    told /= np.maximum(told.sum(axis=1, keepdims=True), 1.0)
    test, held_out = size[rows.test], y[rows.test]
    predicted = {
        "always the largest class": np.tile(shares, (len(test), 1)),
        "the number of elements itself": np.eye(CLASSES)[np.minimum(test, CLASSES - 1)],
        "best guess by number of elements": told[test],
    }
    choices = {}
    for source, scaled in inputs.items():
        tensors = {scale: torch.from_numpy(values).float() for scale, values in scaled.items()}
        for outputs in ("10 outputs",) if "presence" in source else ("10 outputs", "one output"):
            label = f"network on {source}, {outputs}"
            network, best, choices[label] = best_of(label, tensors, task, width, outputs == "one output", folder)
            predicted[label] = network.probabilities(best[rows.test])
    corrected = {name: p / np.maximum(shares, 1e-9) * (shares > 0) for name, p in predicted.items()}
    soft = [name for name in predicted if name not in ("the number of elements itself",) and "one output" not in name]
    return {
        "choices": choices,
        "classes": np.bincount(held_out, minlength=CLASSES).tolist(),
        "plain": {name: scores(p, held_out) for name, p in predicted.items()},
        "balanced": {name: scores(corrected[name], held_out) for name in soft},
        "stable_auc": {name: area_under_curve(p[:, 0], held_out == 0) for name, p in predicted.items() if name in soft},
    }


def scores(p: NDArray[np.float64], truth: NDArray[np.int64]) -> dict[str, float]:
    """How good class probabilities (B, 10) are.

    Args:
        p: Probabilities, or other scores: the largest decides.
        truth: Classes (B,).

    Returns:
        ``accuracy``; ``balanced_accuracy`` and ``macro_f1``: means over classes with at least `FEWEST` materials;
        ``count_accuracy`` and ``count_balanced``: accuracy of the number of components among materials that decompose,
        when told that they do.
    """
    answer = p.argmax(axis=1)
    recalls, f1 = [], []
    for number in _large_classes(truth):
        hit = ((answer == number) & (truth == number)).sum()
        recalls.append(hit / (truth == number).sum())
        f1.append(2 * hit / max((answer == number).sum() + (truth == number).sum(), 1))
    decomposes = truth > 0
    count, counted = p[decomposes, 1:].argmax(axis=1) + 1, truth[decomposes]
    return {
        "accuracy": float((answer == truth).mean()),
        "balanced_accuracy": float(np.mean(recalls)),
        "macro_f1": float(np.mean(f1)),
        "count_accuracy": float((count == counted).mean()),
        "count_balanced": float(np.mean([(count[counted == k] == k).mean() for k in _large_classes(counted)])),
    }


def _large_classes(truth: NDArray[np.int64]) -> list[int]:
    number, materials = np.unique(truth, return_counts=True)
    return number[materials >= min(FEWEST, materials.max())].tolist()


def area_under_curve(score: NDArray[np.float64], positive: NDArray[np.bool_]) -> float:
    """Area under the ROC curve: how often a positive scores above a negative, ties counted half."""
    from scipy.stats import rankdata

    ranks = rankdata(score)
    wins = ranks[positive].sum() - positive.sum() * (positive.sum() + 1) / 2
    return float(wins / (positive.sum() * (~positive).sum()))
