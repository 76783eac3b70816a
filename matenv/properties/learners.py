"""Models of a user's property: transfer from the shipped networks, a random forest, a Gaussian process.

Fitted by scikit-learn, stored as plain arrays and evaluated without it. A kind of one's own is a `Learner` in
`LEARNERS`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from matenv.properties import descriptors
from matenv.properties.compiled import learners as compiled

Array = NDArray[np.float64]
Arrays = Mapping[str, NDArray]

TREES = 100
LEAF = 2  # rows in a leaf
MOST_SHOWN = 1000
"""Rows that a Gaussian process keeps: a prediction takes the square of their number."""

MOST_TUNED = 400
"""Rows that its length and noise are fitted on."""


@dataclass(frozen=True)
class Learner:
    """A kind of model.

    Attributes:
        title: In the words of a card.
        describe: Descriptors (B, F) of atom fractions (B, 89).
        fit: Arrays of a model from descriptors (n, F), standardised values (n,) and a seed.
        predict: Means and standard deviations (B,) from these arrays and descriptors.
    """

    title: str
    describe: Callable[[Array], Array]
    fit: Callable[[Array, Array, int], dict[str, NDArray]]
    predict: Callable[[Arrays, Array], tuple[Array, Array]]


def _standardised(x: Array) -> tuple[Array, dict[str, NDArray]]:
    centre, scale = x.mean(axis=0), x.std(axis=0)
    scale = np.where(scale > 1e-9, scale, 1.0)
    return (x - centre) / scale, {"centre": centre, "scale": scale}


def _fit_linear(x: Array, y: Array, seed: int) -> dict[str, NDArray]:
    from sklearn.linear_model import BayesianRidge

    z, scaling = _standardised(x)
    model = BayesianRidge().fit(z, y)
    weights = np.append(model.coef_, model.intercept_)
    return {**scaling, "weights": weights, "covariance": model.sigma_, "noise": np.array(1.0 / model.alpha_)}


def _predict_linear(arrays: Arrays, x: Array) -> tuple[Array, Array]:
    z = (x - arrays["centre"]) / arrays["scale"]
    return compiled.linear(z, arrays["weights"], arrays["covariance"], float(arrays["noise"]))


def _fit_forest(x: Array, y: Array, seed: int) -> dict[str, NDArray]:
    from sklearn.ensemble import RandomForestRegressor

    model = RandomForestRegressor(TREES, min_samples_leaf=LEAF, max_features=1 / 3, random_state=seed).fit(x, y)
    trees = [tree.tree_ for tree in model.estimators_]
    sizes = [tree.node_count for tree in trees]

    def joined(name: str, kind: Any) -> NDArray:
        return np.concatenate([np.asarray(getattr(tree, name), kind) for tree in trees])

    return {
        "start": np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int32),
        "feature": joined("feature", np.int32),
        "threshold": joined("threshold", np.float64),
        "left": joined("children_left", np.int32),
        "right": joined("children_right", np.int32),
        "value": np.concatenate([tree.value[:, 0, 0] for tree in trees]).astype(np.float32),
    }


def _predict_forest(arrays: Arrays, x: Array) -> tuple[Array, Array]:
    names = ("start", "feature", "threshold", "left", "right", "value")
    return compiled.forest(x.astype(np.float32), *(arrays[name] for name in names))


def _fit_process(x: Array, y: Array, seed: int) -> dict[str, NDArray]:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

    z, scaling = _standardised(x)
    order = np.random.default_rng(seed).permutation(len(z))
    tuned, shown = order[:MOST_TUNED], np.sort(order[:MOST_SHOWN])
    start = ConstantKernel(1.0, (1e-2, 1e2)) * Matern(8.0, (0.5, 200.0), nu=2.5) + WhiteKernel(0.2, (1e-3, 2.0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a length or noise at its bound: left-out rows judge it
        kernel = GaussianProcessRegressor(start).fit(z[tuned], y[tuned]).kernel_
    parts = {"scale_": kernel.k1.k1.constant_value, "length": kernel.k1.k2.length_scale, "noise": kernel.k2.noise_level}
    covariance = kernel.k1(z[shown]) + parts["noise"] * np.eye(len(shown))
    root = solve_triangular(np.linalg.cholesky(covariance), np.eye(len(shown)), lower=True)
    middle = float(y[shown].mean())
    return {
        **scaling, "shown": z[shown], "root": root, "middle": np.array(middle),
        "weights": root.T @ (root @ (y[shown] - middle)),
        **{name: np.array(float(value)) for name, value in parts.items()},
    }  # fmt: skip


def _predict_process(arrays: Arrays, x: Array) -> tuple[Array, Array]:
    z = (x - arrays["centre"]) / arrays["scale"]
    mean, std = compiled.gaussian_process(
        z, arrays["shown"], arrays["weights"], arrays["root"], float(arrays["length"]), float(arrays["scale_"]),
        float(arrays["noise"]),
    )  # fmt: skip
    return mean + arrays["middle"], std


LEARNERS: dict[str, Learner] = {
    "transfer": Learner(
        "Bayesian ridge regression on what the shipped networks see (transfer)",
        descriptors.trunk, _fit_linear, _predict_linear,
    ),
    "forest": Learner(
        f"random forest of {TREES} trees on element statistics", descriptors.statistics, _fit_forest, _predict_forest
    ),
    "gp": Learner(
        "Gaussian process (Matern 5/2) on element statistics", descriptors.statistics, _fit_process, _predict_process
    ),
}  # fmt: skip
"""The kinds of models, by the name a card gives them."""
