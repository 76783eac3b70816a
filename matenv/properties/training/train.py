"""Fit the property predictor: ``matenv predictor train --out runs/predictor``.

Each member of the ensemble has its own folder with one checkpoint, rewritten after every epoch; the same command run
again goes on where it stopped, with the same result bit for bit.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from matenv.composition import CompositionBatch
from matenv.properties import heads
from matenv.properties.families import FAMILIES, build, find
from matenv.properties.labels import labelled_rows
from matenv.properties.networks.features import Tokens, pack
from matenv.properties.networks.references import References, describe_apart
from matenv.properties.predictor import open_predictor
from matenv.properties.training.batches import row_batches, seed_everything
from matenv.properties.training.export import export, score
from matenv.training.checkpoint import CHECKPOINT, Part, read_checkpoint
from matenv.training.optimizers import OPTIMIZERS, descend
from matenv.training.precision import quick_products
from matenv.training.run import run_epochs
from matenv.training.schedule import Moment, one_cycle, one_cycle_momentum, set_momentum, set_rate
from matenv.training.settings import at_least_one, check_rates, options


@dataclass(frozen=True)
class TrainConfig:
    """What a training run depends on.

    Attributes:
        family: Family of the networks, a key of `families.FAMILIES`.
        rows: "train" for the train part of the `system` split; "all" for every labelled row, held-out ones included.
            What has seen all rows can only judge: its role is "gold", and no reward may use it.
        keep: "best" for the weights of the epoch with the least validation error, "last" for the final ones.
        members: Networks of the ensemble, alike but for their seed.
        epochs: Passes over the training rows per member.
        width: Width of an element's state.
        layers: Rounds of exchange between elements.
        batch_size: Rows per step; a batch holds rows of one number of elements.
        learning_rate: Peak of the one-cycle schedule.
        weight_decay: Of the optimizer.
        optimizer: A key of `optimizer.OPTIMIZERS`.
        precision: Of matrix products while training, "float32", or "bfloat16" where the processor has it.
        dropout: Of hidden units.
        folds: For families that are told of other rows: parts into which the training rows fall, anew every epoch; each
            row is told what the other parts hold (`references.describe_apart`).
        seed: Of the initial weights, the order of the rows and the dropout.
        max_rows: Use only so many rows of each part, for a quick trial; 0 for all.
    """

    family: str = "set"
    rows: str = "train"
    keep: str = "best"
    members: int = 3
    epochs: int = 100
    width: int = 64
    layers: int = 3
    batch_size: int = 128
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    dropout: float = 0.05
    optimizer: str = "adamw"
    precision: str = "float32"
    folds: int = 5
    seed: int = 0
    max_rows: int = 0

    def __post_init__(self) -> None:
        allowed = {
            "family": tuple(FAMILIES),
            "rows": ("train", "all"),
            "keep": ("best", "last"),
            "optimizer": tuple(OPTIMIZERS),
            "precision": ("float32", "bfloat16"),
        }
        for name, choices in allowed.items():
            if getattr(self, name) not in choices:
                raise ValueError(f"{name}={getattr(self, name)!r} must be one of {', '.join(choices)}")
        if self.rows == "all" and self.keep == "best":
            raise ValueError("keep='best' chooses on validation rows, which rows='all' has fitted; use keep='last'")
        counted = "members", "epochs", "width", "layers", "batch_size"
        at_least_one(**{name: getattr(self, name) for name in counted})
        if self.folds < 2:
            raise ValueError(f"folds={self.folds} must be at least 2")
        check_rates(self.learning_rate, self.weight_decay)
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout={self.dropout} must lie in [0, 1)")


def train(out: str | Path, config: TrainConfig | None = None, *, progress: bool = True) -> list[Path]:
    """Train every member of the ensemble, resuming what exists in `out`.

    Args:
        out: Folder of the run; ``member-0/checkpoint.pt`` and so on are written into it.
        config: Settings; the defaults are those of the shipped predictor.
        progress: Print one line per epoch to stderr.

    Returns:
        The members' checkpoints, finished.

    Raises:
        ValueError: `out` holds a run with other settings.
    """
    config = config or TrainConfig()
    return train_on(out, config, *rows_for(config), progress=progress)


@dataclass(frozen=True)
class Rows:
    """Labelled rows as a network sees them.

    Attributes:
        batch: Compositions (N).
        targets: (N, 5) in the order of `heads.NAMES`, NaN where absent.
        references: As `References.describe` returns it (N, 10, width), for families that ask for it.
        retell: Draws new `references`; where there is one, an epoch of training begins with it.
    """

    batch: CompositionBatch
    targets: NDArray[np.float64]
    references: NDArray[np.float32] | None = None
    retell: Callable[[np.random.Generator], NDArray[np.float32]] | None = None

    def pack(self, rows: NDArray[np.int64] | slice = slice(None)) -> tuple[Tokens, NDArray[np.int64]]:
        """Tokens of some rows, as `features.pack`."""
        return pack(self.batch[rows], None if self.references is None else self.references[rows])


def rows_for(config: TrainConfig) -> tuple[Rows, Rows]:
    """Training and validation rows of the `system` split."""
    batch, targets = labelled_rows(config.rows, config.max_rows)
    other, other_targets = labelled_rows("validation", config.max_rows)
    if not find(config.family).needs_references:
        return Rows(batch, targets), Rows(other, other_targets)
    told = References(batch, targets).describe(other)
    return (
        Rows(batch, targets, retell=lambda rng: describe_apart(batch, targets, config.folds, rng)),
        Rows(other, other_targets, told),
    )


def train_on(
    out: str | Path,
    config: TrainConfig,
    training: Rows,
    validation: Rows,
    *,
    start: str | Path | None = None,
    progress: bool = True,
) -> list[Path]:
    """As `train`, on rows of one's own, such as a fold of a published benchmark.

    Args:
        out: As `train`.
        config: Settings; `rows` and `max_rows` have no effect.
        training: Rows to fit.
        validation: Rows whose errors are printed after each epoch; with ``keep="best"`` they choose the epoch.
        start: Folder of a finished run of as many members, whose weights are the first ones.
        progress: As `train`.

    Returns:
        As `train`.

    Raises:
        ValueError: As `train`.
    """
    paths: list[Path] = []
    for member in range(config.members):
        folder = Path(out) / f"member-{member}"
        with torch.random.fork_rng(devices=[]):
            first = None if start is None else read_checkpoint(Path(start) / folder.name / CHECKPOINT)["best"]
            _train_member(folder, config, member, training, validation, first, progress)
        paths.append(folder / CHECKPOINT)
    return paths


def _train_member(
    folder: Path,
    config: TrainConfig,
    member: int,
    training: Rows,
    validation: Rows,
    first: dict[str, Tensor] | None,
    progress: bool,
) -> None:
    targets = torch.from_numpy(training.targets.astype(np.float32))
    seed_everything(config.seed, member, 0)
    network = build(config.family, heads.OUTPUTS, config.width, config.layers, config.dropout)
    if first is not None:
        network.load_state_dict(first)
    best = copy.deepcopy(network)
    optimizers = OPTIMIZERS[config.optimizer](network, config.learning_rate, config.weight_decay)

    def next_epoch(history: list[list[float]]) -> list[float]:
        epoch = len(history)
        rng = seed_everything(config.seed, member, epoch + 1)
        shown = training if training.retell is None else replace(training, references=training.retell(rng))
        batches = list(row_batches(training.batch.size, config.batch_size, rng))
        network.train()
        for step, rows in enumerate(batches):
            at = Moment(epoch, config.epochs, step, len(batches))
            set_rate(one_cycle, config.learning_rate, at, *optimizers)
            set_momentum(one_cycle_momentum(at), *optimizers)
            tokens, order = shown.pack(rows)
            with quick_products(config.precision == "bfloat16"):
                outputs = network(tokens)
            descend(heads.loss(outputs.float(), targets[rows[order]]) / config.batch_size, network, *optimizers)
        errors = _mean_absolute_errors(network, validation).tolist()
        if config.keep == "last" or score(errors) < min(map(score, history), default=np.inf):
            best.load_state_dict(network.state_dict())
        return errors

    def report(history: list[list[float]], seconds: float) -> None:
        seen = "" if config.rows == "train" else " (on fitted rows)"
        shown = "  ".join(f"{name} {error:.4f}" for name, error in zip(heads.NAMES, history[-1], strict=True))
        epoch = f"member {member} epoch {len(history)}/{config.epochs} {seconds:.0f} s"
        print(f"{epoch}  validation MAE{seen}: {shown}", file=sys.stderr, flush=True)

    parts: dict[str, Part] = {"network": network, "best": best}
    parts |= {type(optimizer).__name__.lower(): optimizer for optimizer in optimizers}
    # The number of members may grow: it changes nothing for the members that exist.
    run_epochs(
        folder, asdict(config), parts, next_epoch, epochs=config.epochs, free=("members",),
        report=report if progress else None,
    )  # fmt: skip


@torch.no_grad()
def _mean_absolute_errors(network: nn.Module, rows: Rows) -> NDArray[np.float64]:
    """Mean absolute error (5,) of a single network; a gap's point prediction is 0 where a metal is likelier."""
    network.eval()
    tokens, order = rows.pack()
    location, _, logit = heads.decode(network(tokens))
    location[:, list(heads.HURDLE)] *= (logit < 0).to(location.dtype)
    error = (location - torch.from_numpy(rows.targets[order].astype(np.float32))).abs()
    return torch.nanmean(error, dim=0).double().numpy()


def command_line(out: str | Path, config: TrainConfig, calibrated_on: str | None = None) -> str:
    """The command that repeats a run: settings that differ from the defaults are spelled out."""
    changed = options(config)
    if calibrated_on is not None:
        changed.append(f"--calibrated-on {Path(calibrated_on).name}")
    return " ".join([f"matenv predictor train --out {Path(out).name}", *changed])


def train_and_export(out: str | Path, config: TrainConfig, calibrated_on: str | None = None, threads: int = 1) -> Path:
    """Train as `train`, then calibrate, test and write ``<out>/predictor.safetensors`` with its card.

    Args:
        out: As `train`.
        config: Settings.
        calibrated_on: As `export`: with ``rows="all"``, and only then.
        threads: Threads of torch; more than 2 rarely help.

    Returns:
        The file.

    Raises:
        ValueError: As `train`, or `calibrated_on` is missing or not wanted.
    """
    if (config.rows == "all") != (calibrated_on is not None):
        raise ValueError(
            f"calibrated_on={calibrated_on!r}, rows={config.rows!r}: it goes with rows='all' only, which needs it"
        )
    if calibrated_on is not None:  # now, not after the training
        open_predictor("calibrated_on", calibrated_on)
    torch.set_num_threads(threads)
    train(out, config)
    target = Path(out) / "predictor.safetensors"
    export(out, target, command_line(out, config, calibrated_on), calibrated_on)
    return target
