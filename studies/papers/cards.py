"""Playing-card suits with known factors: does joint training turn the latent space towards the one it is asked for?

One of the two cases of Slautin et al. (arXiv:2503.02978): ``python -m studies.papers.cards``. Images of four
suits are drawn with a random rotation, shear and scale. A VAE with two latent dimensions has to choose what to keep;
the joint model (DKL-VAE) is asked to predict one factor besides. Three tries: rotation, shear, scale. Writes a table, a
JSON file and a picture; an interrupted run resumes. ``--quick`` is a small version for a test.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import torch.nn.functional as F
import typer
from torch import Tensor

from matenv.latent.networks.deep_kernel import DeepKernel
from studies.papers.vae_and_gp import VAE, Settings, alignment, mlp, prediction_errors, train
from tools.command import run

SUITS = ("hearts", "diamonds", "clubs", "spades")
FACTORS = {"rotation": "degrees", "shear": "", "scale": ""}
SIDE, FINE = 32, 3  # pixels, and samples per pixel along each side


def images_of(number: int, seed: int) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Images (number, 32, 32) in [0, 1], suits (number,), and factors by name."""
    random = np.random.default_rng(seed)
    suit = random.integers(len(SUITS), size=number)
    factors = {
        "rotation": random.uniform(-60, 60, number),
        "shear": random.uniform(-0.5, 0.5, number),
        "scale": random.uniform(0.7, 1.1, number),
    }
    ticks = (np.arange(SIDE * FINE) + 0.5) / (SIDE * FINE) * 3.2 - 1.6
    right, down = np.meshgrid(ticks, ticks)
    images = np.empty((number, SIDE, SIDE))
    for i in range(number):
        angle, shear, scale = np.deg2rad(factors["rotation"][i]), factors["shear"][i], factors["scale"][i]
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        inverse = np.linalg.inv(scale * turn @ np.array([[1.0, shear], [0.0, 1.0]]))
        x = inverse[0, 0] * right - inverse[0, 1] * down
        y = inverse[1, 0] * right - inverse[1, 1] * down
        images[i] = inside(suit[i], x, y).reshape(SIDE, FINE, SIDE, FINE).mean(axis=(1, 3))
    return images, suit, factors


def inside(suit: int, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Which points (x to the right, y upwards, of the order of 1) belong to a suit's shape."""
    stem = (np.abs(x) < 0.1 + 0.25 * np.clip(-0.2 - y, 0, 1) ** 2) & (y < 0) & (y > -1.1)
    if suit == 0:
        return (x * x + y * y - 0.85) ** 3 - x * x * y**3 <= 0
    if suit == 1:
        return np.abs(x) / 0.75 + np.abs(y) <= 1.1
    if suit == 2:
        leaves = [(x - a) ** 2 + (y - b) ** 2 <= 0.2 for a, b in ((0.0, 0.55), (-0.5, -0.15), (0.5, -0.15))]
        return leaves[0] | leaves[1] | leaves[2] | stem
    turned = 0.15 - y
    return ((x * x + turned * turned - 0.6) ** 3 - x * x * turned**3 <= 0) | stem


def bernoulli(logits: Tensor, x: Tensor) -> Tensor:
    """Log-likelihood (B,) of grey values as Bernoulli means."""
    return -F.binary_cross_entropy_with_logits(logits.float(), x, reduction="none").sum(1)


def measure(out: Path, number: int, settings: Settings, inducing: int, targets: list[str]) -> dict[str, Any]:
    """Train everything; the result, and latent codes for the picture."""
    images, suit, factors = images_of(number, seed=0)
    x = torch.from_numpy(images.reshape(number, -1)).float()
    held_out, tune = slice(0, number // 5), slice(number // 5, number // 5 + number // 10)
    learn = slice(number // 5 + number // 10, number)
    result: dict[str, Any] = {"images": number, "settings": vars(settings), "inducing": inducing, "targets": {}}
    codes: dict[str, np.ndarray] = {}
    for target in targets:
        y = torch.from_numpy(factors[target]).float()
        rows = {}
        for joint in (False, True):
            torch.manual_seed(settings.seed)
            vae, kernel = (
                VAE(mlp(SIDE * SIDE, 256, 256, 4), mlp(2, 256, 256, SIDE * SIDE), bernoulli),
                DeepKernel(2, inducing),
            )
            name = "DKL-VAE" if joint else "VAE, then GP"
            train(vae, kernel, x[learn], y[learn], settings, joint, out / f"{target}-{'joint' if joint else 'apart'}")
            z = vae.encode(x[held_out])
            with torch.no_grad():
                loss = float(-vae.log_likelihood(vae.decoder(z), x[held_out]).mean())
            rows[name] = {
                **prediction_errors(kernel, z, y[held_out], vae.encode(x[tune]), y[tune]),
                "standard_deviation": float(y[held_out].std()),
                "reconstruction_nats": loss,
                "alignment": {factor: alignment(z, values[held_out]) for factor, values in factors.items()},
            }
            codes[f"{target}/{name}"] = z.numpy()
        result["targets"][target] = rows
    result["codes"] = codes, {key: values[held_out] for key, values in factors.items()}, suit[held_out]
    return result


def draw(result: dict[str, Any], path: Path) -> None:
    """Latent space of the VAE and of each DKL-VAE, coloured by the target."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    codes, factors, suit = result["codes"]
    targets = list(result["targets"])
    widths = [0.8, *(1.0 for _ in targets)]
    figure, axes = plt.subplots(
        2, len(widths), figsize=(3.4 * sum(widths), 6.2), width_ratios=widths, layout="constrained"
    )
    images, suits, _ = images_of(400, seed=0)
    for row, corner in enumerate(axes[:, 0]):
        chosen = [np.flatnonzero(suits == kind)[row * 3 : row * 3 + 3] for kind in range(4)]
        corner.imshow(np.block([[images[i] for i in group] for group in chosen]), cmap="gray_r")
        corner.set_axis_off()
        corner.set_title("some of the images", fontsize=10)
    for column, target in enumerate(targets, start=1):
        for row, name in enumerate(("VAE, then GP", "DKL-VAE")):
            axis, z = axes[row, column], codes[f"{target}/{name}"]
            for kind, marker in enumerate("^Dos"):
                at = suit == kind
                points = axis.scatter(
                    *z[at].T, c=factors[target][at], s=9, marker=marker, cmap="viridis", linewidths=0,
                    vmin=factors[target].min(), vmax=factors[target].max(), label=SUITS[kind],
                )  # fmt: skip
            found = result["targets"][target][name]["alignment"][target]
            title = "VAE" if row == 0 else f"DKL-VAE, asked for {target}"
            axis.set_title(f"{title}: linear R² {found['linear_r2']:.2f}", fontsize=10)
            unit = f" [{FACTORS[target]}]" if FACTORS[target] else ""
            figure.colorbar(points, ax=axis, label=target + unit)
            axis.set_xlabel("latent 1")
            axis.set_ylabel("latent 2")
    axes[0, 1].legend(fontsize=7, loc="best", markerscale=1.5)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def main(
    out: Annotated[Path, typer.Option(help="Folder of the run.")] = Path("runs/cards"),
    targets: Annotated[
        list[str] | None, typer.Option("--target", help=f"Factor to ask for, of {', '.join(FACTORS)}; default: each.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Few images and epochs, for a test.")] = False,
    picture: Annotated[Path | None, typer.Option(help="Picture to draw; default: cards.png in the folder.")] = None,
) -> None:
    """Train both ways, then print, write and draw."""
    if unknown := set(targets or ()) - set(FACTORS):
        raise ValueError(f"--target {', '.join(sorted(unknown))}: choose among {', '.join(FACTORS)}")
    torch.set_num_threads(1)
    settings = Settings(epochs=4 if quick else 60, batch=128, beta=1.0, label_weight=30.0)
    result = measure(out, 400 if quick else 4000, settings, 20 if quick else 64, targets or list(FACTORS))
    draw(result, picture or out / "cards.png")
    del result["codes"]
    (out / "cards.json").write_text(json.dumps(result, indent=1) + "\n")
    print(
        "| target | model | MAE | of standard deviation | coverage of 90 % | linear R2 | best axis | reconstruction |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for target, rows in result["targets"].items():
        for name, row in rows.items():
            found = row["alignment"][target]
            print(
                f"| {target} | {name} | {row['mae']:.3f} | {row['mae'] / row['standard_deviation']:.2f} | "
                f"{row['coverage_90']:.2f} | {found['linear_r2']:.2f} | {found['best_axis']:.2f} | "
                f"{row['reconstruction_nats']:.1f} |"
            )
    print(f"Held-out images: {result['images'] // 5}; reconstruction in nats per image. Written to {out}")


if __name__ == "__main__":
    run(main)
