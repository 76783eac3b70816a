"""Distil the ensemble into one small network: ``matenv predictor distil --out runs/student``.

The student learns what the ensemble's members say together (`summary`) about the labelled training rows, of which it
also sees the labels, and about many unlabelled compositions (`transfer`). The checkpoint is rewritten after every
epoch; the same command run again goes on where it stopped, with the same result bit for bit.
"""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from matenv.checks import check_number
from matenv.composition import CompositionBatch
from matenv.properties import heads, student
from matenv.properties.labels import labelled_rows
from matenv.properties.networks.features import pack
from matenv.properties.networks.set_network import CompositionNetwork
from matenv.properties.predictor import Predictor, open_predictor
from matenv.properties.training.batches import row_batches, seed_everything
from matenv.properties.training.export import export_student
from matenv.properties.training.transfer import TransferSource, predictable
from matenv.training.checkpoint import CHECKPOINT, Part
from matenv.training.optimizers import OPTIMIZERS, descend
from matenv.training.run import run_epochs
from matenv.training.schedule import Moment, rise_and_fall, set_rate
from matenv.training.settings import at_least_one, check_rates, options


@dataclass(frozen=True)
class DistilConfig:
    """What a distillation depends on.

    Attributes:
        teacher: The ensemble to learn from: a name or path that `load_predictor` knows.
        epochs: Passes over the training rows and the transfer rows.
        width: Width of an element's state.
        layers: Rounds of exchange between elements.
        transfer: Unlabelled compositions per epoch.
        renewed: After how many epochs they are drawn anew.
        label_weight: Weight of the true labels beside the ensemble's word.
        batch_size: Rows per step; a batch holds rows of one number of elements.
        learning_rate: Peak of the schedule.
        weight_decay: Of AdamW.
        seed: Of the initial weights, the transfer rows and the order of the rows.
        max_rows: Use only so many labelled rows of each part, for a quick trial; 0 for all.
    """

    teacher: str = "ensemble"
    epochs: int = 150
    width: int = 64
    layers: int = 2
    transfer: int = 262_144
    renewed: int = 4
    label_weight: float = 0.3
    batch_size: int = 512
    learning_rate: float = 4e-3
    weight_decay: float = 0.01
    seed: int = 0
    max_rows: int = 0

    def __post_init__(self) -> None:
        counted = "epochs", "width", "layers", "transfer", "renewed", "batch_size"
        at_least_one(**{name: getattr(self, name) for name in counted})
        check_rates(self.learning_rate, self.weight_decay)
        check_number("label_weight", self.label_weight, 0, 1000, "a weight from 0 to 1000")


def distil(out: str | Path, config: DistilConfig | None = None, *, progress: bool = True) -> Path:
    """Train the student, resuming what exists in `out`.

    Args:
        out: Folder of the run; ``checkpoint.pt`` is written into it.
        config: Settings; the defaults are those of the shipped student.
        progress: Print one line per epoch to stderr.

    Returns:
        The checkpoint, finished.

    Raises:
        ValueError: `out` holds a run with other settings; an unknown teacher.
    """
    config = config or DistilConfig()
    teacher = open_predictor("teacher", config.teacher)
    with torch.random.fork_rng(devices=[]):
        _train(Path(out), config, teacher, progress)
    return Path(out) / CHECKPOINT


def _train(out: Path, config: DistilConfig, teacher: Predictor, progress: bool) -> None:
    labelled, labels = labelled_rows("train", config.max_rows)
    known = predictable(labelled)
    labelled, labels = labelled[known], labels[known]
    validation, truth = labelled_rows("validation", config.max_rows)
    wanted = _point(teacher.uncalibrated(validation))
    source = TransferSource()
    seed_everything(config.seed, 0)
    network = CompositionNetwork(student.OUTPUTS, config.width, config.layers)
    (optimizer,) = OPTIMIZERS["adamw"](network, config.learning_rate, config.weight_decay)

    @lru_cache(maxsize=1)
    def shown(drawing: int) -> _Rows:
        unlabelled = source.draw(config.transfer, seed_everything(config.seed, 1, drawing))
        return _Rows(CompositionBatch.concatenate([labelled, unlabelled]), labels, teacher)

    def next_epoch(history: list[list[list[float]]]) -> list[list[float]]:
        epoch = len(history)
        _run_epoch(network, optimizer, shown(epoch // config.renewed), epoch, config)
        said = _point(_said(network, validation))
        errors, away = np.nanmean(np.abs(said - truth), axis=0), np.abs(said - wanted).mean(axis=0)
        return [errors.tolist(), away.tolist()]

    def report(history: list[list[list[float]]], seconds: float) -> None:
        shown = "  ".join(f"{name} {e:.4f} ({a:.4f})" for name, e, a in zip(heads.NAMES, *history[-1], strict=True))
        epoch = f"epoch {len(history)}/{config.epochs} {seconds:.0f} s"
        print(f"{epoch}  validation MAE (distance to the teacher): {shown}", file=sys.stderr, flush=True)

    parts: dict[str, Part] = {"network": network, "optimizer": optimizer}
    run_epochs(out, asdict(config), parts, next_epoch, epochs=config.epochs, report=report if progress else None)


def _run_epoch(
    network: CompositionNetwork, optimizer: torch.optim.Optimizer, rows: _Rows, epoch: int, config: DistilConfig
) -> None:
    """One pass over the rows, whose number varies with what was drawn."""
    batches = list(row_batches(rows.batch.size, config.batch_size, seed_everything(config.seed, 2, epoch)))
    for step, chosen in enumerate(batches):
        set_rate(rise_and_fall, config.learning_rate, Moment(epoch, config.epochs, step, len(batches)), optimizer)
        tokens, order = pack(rows.batch[chosen])
        ordered = torch.from_numpy(chosen[order])
        value = student.loss(network(tokens), rows.targets[ordered], rows.labels[ordered], config.label_weight)
        descend(value / config.batch_size, network, optimizer)


class _Rows:
    """The rows of an epoch: compositions (N), targets (N, 17), labels (N, 5); the labelled ones come first."""

    def __init__(self, batch: CompositionBatch, labels: NDArray[np.float64], teacher: Predictor) -> None:
        self.batch = batch
        self.targets = torch.from_numpy(student.targets(teacher.uncalibrated(batch)))
        self.labels = torch.full((len(batch), len(heads.NAMES)), torch.nan)
        self.labels[: len(labels)] = torch.from_numpy(labels)


@torch.inference_mode()
def _said(network: CompositionNetwork, batch: CompositionBatch) -> student.Summary:
    tokens, order = pack(batch)
    outputs = np.empty((len(batch), student.OUTPUTS), np.float32)
    outputs[order] = network(tokens).numpy()
    return student.decode(outputs[None], batch.size)


def _point(said: student.Summary) -> NDArray[np.float64]:
    """Point predictions (B, 5): the location, or 0 for a gap where a metal is likelier."""
    location, _, _, zero = said
    point = location.copy()
    point[:, list(heads.HURDLE)] *= zero < 0.5
    return point


def command_line(out: str | Path, config: DistilConfig) -> str:
    """The command that repeats a run: settings that differ from the defaults are spelled out."""
    return " ".join([f"matenv predictor distil --out {Path(out).name}", *options(config)])


def distil_and_export(out: str | Path, config: DistilConfig, threads: int = 1) -> Path:
    """Distil as `distil`, then calibrate, test and write ``<out>/predictor.safetensors`` with its card.

    Args:
        out: As `distil`.
        config: Settings.
        threads: Threads of torch; more than 2 rarely help.

    Returns:
        The file.

    Raises:
        ValueError: As `distil`.
    """
    torch.set_num_threads(threads)
    distil(out, config)
    target = Path(out) / "predictor.safetensors"
    export_student(out, target, command_line(out, config))
    return target
