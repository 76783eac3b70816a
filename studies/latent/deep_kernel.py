"""Does training a VAE and a Gaussian process together help? ``python -m studies.latent.deep_kernel``, after trainings.

    matenv latent train vae-gp --out runs/vae-gp      # the process afterwards, on the frozen latent space of vae
    matenv latent train dkl-vae --out runs/dkl-vae    # both together
    python -m studies.latent.deep_kernel runs/vae-gp/vae-gp.safetensors runs/dkl-vae/dkl-vae.safetensors

Prints, for each space, the metrics of `matenv.latent.evaluation.property_quality`, what is left of reconstruction, and,
because a sparse process with few inducing points may sell a space short, an exact Gaussian process on 4,000 random
training rows in the same coordinates. Writes them as JSON, and a picture.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from scipy.stats import norm
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

from matenv import load_dataset, load_latent
from matenv.data import Dataset
from matenv.latent.evaluation.evaluate import recovery
from matenv.latent.evaluation.property_quality import label, property_quality, truth
from matenv.latent.property_space import PropertySpace
from tools.command import run

ROWS, ASKED = 4000, 2000
"""Training rows of the exact process, and held-out rows of either kind that it is asked about."""

STRETCHES, NOISES = (0.6, 1.0), (0.25, 1.0)
"""Length scales and noise of the exact process, over those of the sparse one; the best on validation rows is taken."""

SHOWN = 6000
"""Held-out rows in the picture."""


def rows_of(space: PropertySpace, data: Dataset, part: str) -> NDArray[np.int64]:
    """Rows of a part whose label may serve as truth."""
    rows = data.part(part)
    return rows[truth(data, space.target)[rows]]


def exact_process(space: PropertySpace, data: Dataset) -> dict[str, float]:
    """Errors of an exact process on random training rows, kernel and noise as the sparse one's up to factors."""
    process, labels = space.process, label(data, space.target)
    train = np.random.default_rng(0).permutation(rows_of(space, data, "train"))[:ROWS]
    random = np.random.default_rng(1)
    tune, test = (random.permutation(rows_of(space, data, part))[:ASKED] for part in ("validation", "test"))
    z, z_tune, z_test = (space.encode(data.compositions[rows]) for rows in (train, tune, test))
    y, best = (labels[train] - process.shift) / process.scale, None
    whitened = process.length_scale / space.whitening.std
    for stretch in STRETCHES:
        for noise in NOISES:
            kernel = ConstantKernel(process.output_scale) * Matern(whitened * stretch, nu=2.5)
            model = GaussianProcessRegressor(kernel + WhiteKernel(process.noise * noise), optimizer=None).fit(z, y)
            error = np.abs(process.shift + process.scale * model.predict(z_tune) - labels[tune]).mean()
            if best is None or error < best[0]:
                best = error, stretch, noise, model
    assert best is not None
    predictions = [best[3].predict(points, return_std=True) for points in (z_tune, z_test)]
    (tuned, tuned_std), (mean, std) = (
        (process.shift + process.scale * mean, process.scale * std) for mean, std in predictions
    )
    widening = np.sqrt(np.mean(((labels[tune] - tuned) / tuned_std) ** 2))
    error, std = labels[test] - mean, std * widening
    return {
        "mae": float(np.abs(error).mean()),
        "rmse": float(np.sqrt(np.mean(error**2))),
        "nll": float(-norm.logpdf(error, scale=std).mean()),
        "coverage_90": float((np.abs(error) <= norm.ppf(0.95) * std).mean()),
        "stretch": best[1],
        "noise": best[2],
    }


def draw(spaces: list[PropertySpace], data: Dataset, path: Path) -> None:
    """Held-out rows along the direction that tells most of the property; coverage; error against deviation."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, len(spaces) + 2, figsize=(4.0 * len(spaces) + 7.4, 3.6), layout="constrained")
    levels = np.linspace(0.05, 0.95, 19)
    for axis, space in zip(axes, spaces, strict=False):
        labels, rows = label(data, space.target), rows_of(space, data, "test")
        z = space.encode(data.compositions[rows])
        centred = z - z.mean(axis=0)
        slope = np.linalg.lstsq(centred, labels[rows] - labels[rows].mean(), rcond=None)[0]
        along = centred @ slope / np.linalg.norm(slope)
        rest = centred - along[:, None] * slope / np.linalg.norm(slope)
        other = rest @ np.linalg.svd(rest[:3000], full_matrices=False)[2][0]
        shown = np.random.default_rng(0).permutation(len(rows))[:SHOWN]
        low, high = np.percentile(labels[rows], [1, 99])
        points = axis.scatter(
            along[shown], other[shown], c=labels[rows][shown], s=3, linewidths=0, cmap="viridis", vmin=low, vmax=high
        )
        axis.set_title(
            f"{space.name}: R² of the direction {np.corrcoef(along, labels[rows])[0, 1] ** 2:.2f}", fontsize=10
        )
        axis.set_xlabel("direction of the property [st. dev.]")
        axis.set_ylabel("largest other direction")
        mean, std = space.predict(z)
        error = np.abs(labels[rows] - mean)
        axes[-2].plot(levels, [(error <= norm.ppf(0.5 + p / 2) * std).mean() for p in levels], ".-", label=space.name)
        bins = np.array_split(np.argsort(std), 20)
        axes[-1].plot(
            [std[b].mean() for b in bins], [np.sqrt((error[b] ** 2).mean()) for b in bins], ".-", label=space.name
        )
    name = spaces[0].target.replace("_", " ")
    figure.colorbar(points, ax=axes[len(spaces) - 1], label=f"{name} [{spaces[0].unit}]")
    axes[-2].plot([0, 1], [0, 1], color="grey", lw=0.8)
    axes[-2].set_xlabel("interval should hold")
    axes[-2].set_ylabel("interval holds, held-out rows")
    limits = (0, 1.15 * axes[-1].get_xlim()[1])
    axes[-1].plot(limits, limits, color="grey", lw=0.8)
    axes[-1].set_xlabel(f"predicted deviation [{spaces[0].unit}]")
    axes[-1].set_ylabel(f"error (RMS) of a twentieth [{spaces[0].unit}]")
    for axis in axes[-2:]:
        axis.legend(fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def main(
    names: Annotated[list[str], typer.Argument(help="Shipped names, or paths of .safetensors files.")],
    out: Annotated[Path, typer.Option(help="File of the figures.")] = Path("runs/deep-kernel.json"),
    picture: Annotated[Path | None, typer.Option(help="Picture to draw.")] = None,
) -> None:
    """Measure, print, write and draw."""
    torch.set_num_threads(1)
    data = load_dataset()
    result: dict[str, dict[str, Any]] = {}
    spaces = []
    for name in names:
        space = load_latent(name)
        if not isinstance(space, PropertySpace):
            raise ValueError(f"{name!r} predicts no property")
        recovered = recovery(space, data.compositions[data.split("system").test])
        spaces.append(space)
        result[space.name] = {
            "target": space.target, "unit": space.unit,
            **property_quality(space, data),
            **{f"exact_{key}": value for key, value in exact_process(space, data).items()},
            **{f"test_{key}": value for key, value in recovered.items()},
        }  # fmt: skip
    print("| held-out systems | " + " | ".join(result) + " |\n|---" + "|---" * len(result) + "|")
    for key in result[spaces[0].name]:
        values = [column[key] for column in result.values()]
        print(f"| {key} | " + " | ".join(f"{v:.3f}" if isinstance(v, float) else v for v in values) + " |")
    out.parent.mkdir(parents=True, exist_ok=True)
    rounded = {
        name: {key: round(v, 5) if isinstance(v, float) else v for key, v in column.items()}
        for name, column in result.items()
    }
    out.write_text(json.dumps(rounded, indent=1) + "\n")
    if picture:
        draw(spaces, data, picture)


if __name__ == "__main__":
    run(main)
