"""Fine-tune a latent space on one's own compositions: ``matenv latent train --from vae --data my.csv --out runs/mine``.

All weights go on learning, from the table's formulas and their variants and, so that the space does not forget what it
knew, from as many or more of the rows it was trained on (replay: Robins, Connect. Sci. 7, 123, 1995). Held-out systems
of either kind stay unseen. Stop it with Ctrl-C and give the same command again to go on.
"""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from matenv.atomic import write_whole
from matenv.composition import CompositionBatch, FormulaIndex
from matenv.data import Dataset, load_dataset
from matenv.data.dataset import label_columns
from matenv.data.user_table import UserTable, digest, split_table
from matenv.latent import cloud
from matenv.latent.evaluation.evaluate import kl_divergence, prevalence, recovery
from matenv.latent.networks.counts_vae import MAX_COUNT
from matenv.latent.networks.protocol import KINDS
from matenv.latent.space import VAESpace, Whitening
from matenv.latent.store import open_space, read, write
from matenv.latent.training.anchors import choose_anchors
from matenv.latent.training.augment import Augmenter
from matenv.latent.training.cloud import fit_cloud
from matenv.latent.training.fit import learn, variants
from matenv.latent.training.recipe import Recipe, Shown, training_rows
from matenv.latent.training.recipes import RECIPES
from matenv.training.checkpoint import fingerprint
from matenv.training.settings import at_least_one

STEPS = 600
"""Steps of a run whose epochs are not given."""

BATCH = 256
"""Compositions per step."""

RATE = 0.25
"""Peak of the learning rate over that of the training from scratch."""

LEAST_REPLAYED = 2048
"""Fewest rows replayed an epoch, however small the table."""

MEASURED = 3000
"""Rows of the original held-out systems that forgetting is measured on."""

SAMPLES = 10_000
"""Samples whose prevalence is compared."""


def finetune(
    source: str | Path,
    data: Any,
    out: str | Path,
    *,
    epochs: int | None = None,
    seed: int = 0,
    replay: float = 1.0,
    holdout: str = "system",
    tolerance: float = 0.0,
    column: str | None = None,
    threads: int = 1,
    progress: bool = True,
) -> Path:
    """Fine-tune a latent space on a table of compositions, or go on with an interrupted run; then measure it.

    Args:
        source: Name of a shipped space, or path of a weights file.
        data: A table with a column of formulas, as `matenv.data.read_table` takes it; amounts may be fractional.
            Columns named like the labels that the space learns from, ``single_phase`` for instance, are learnt too.
        out: Folder of the run.
        epochs: Passes over the table; by default as many as make 600 steps.
        seed: Seed of everything random.
        replay: Rows of the original table shown per row of one's own, at least 2,048 an epoch; 0 for none.
        holdout: As `split_table`.
        tolerance: As `split_table`.
        column: As `split_table`.
        threads: PyTorch threads.
        progress: Whether to show a progress bar (needs tqdm).

    Returns:
        Path of the weights file, named as the source; its card, .json and .md, lies beside it.

    Raises:
        ValueError: `epochs`, `threads` or `replay` out of range; a space that is not a variational autoencoder trained
            on compositions; a table as `split_table` refuses it; `out` holds a checkpoint of another run or is the
            source's own folder.
        FileNotFoundError: The source or the table does not exist.
    """
    at_least_one(epochs=epochs, threads=threads)
    if not 0 <= replay < np.inf:
        raise ValueError(f"replay={replay} must not be negative; 0 shows no original rows, 1 as many as one's own")
    torch.set_num_threads(threads)
    before, folder = open_space("source", source), Path(out)
    path = folder / f"{before.name}.safetensors"
    if path.exists() and Path(source).exists() and path.samefile(source):
        raise ValueError(f"out={str(out)!r} is the source's own folder, whose weights would be overwritten")
    recipe = recipe_for(before)
    table = split_table(
        data, max_count=MAX_COUNT, holdout=holdout, tolerance=tolerance, column=column, labels=recipe.labels
    )
    original = load_dataset(before.table)
    number = max(round(replay * len(table.train)), LEAST_REPLAYED) if replay else 0
    epochs = epochs or max(round(STEPS * BATCH / (len(table.train) + number)), 1)
    network: Any = open_space("source", source).network.requires_grad_(True)
    identity = {
        "source": fingerprint(network), "table": digest(table.train), "epochs": epochs, "seed": seed,
        "replay": replay, **recipe.settings(),
    }  # fmt: skip
    if np.isfinite(table.train_labels).any():
        identity["labels"] = hashlib.sha256(table.train_labels.tobytes()).hexdigest()
    show = _shown(table, original, number, recipe)
    learn(network, recipe, show, table.test, folder, identity, epochs=epochs, seed=seed, progress=progress)
    export(before, network, table, original if replay else None, path, seed)
    card = {
        "name": path.stem,
        "source": str(source),
        "network": type(network).__name__,
        "table": table.report(),
        "replayed_rows_an_epoch": number,
        "epochs": epochs,
        "seed": seed,
        "holdout": holdout,
        "tolerance": tolerance,
        "recipe": recipe.settings(),
        "weights_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "before": measure(before, table, original, seed),
        "after": measure(read(path, path.stem), table, original, seed),
        "torch": torch.__version__,
        "date": datetime.date.today().isoformat(),
    }
    write_whole(path.with_suffix(".json"), json.dumps(card, indent=2) + "\n")
    write_whole(path.with_suffix(".md"), _markdown(card))
    return path


def recipe_for(space: VAESpace) -> Recipe:
    """How a space goes on learning: as it was trained, in smaller steps.

    Args:
        space: The space.

    Returns:
        The recipe.

    Raises:
        ValueError: There is more to the space than a variational autoencoder of compositions.
    """
    if space.recipe is None:
        sources = [kind.network.recipe for kind in KINDS.values() if kind.network.recipe]
        why = f": {space.instead}" if space.instead else ""
        raise ValueError(
            f"source={space.name!r} is a {type(space.network).__name__} in a {type(space).__name__}, which is not "
            f"fine-tuned{why}; choose one of {', '.join(sources)} or a weights file of their kind"
        )
    recipe = RECIPES[space.recipe]
    rate = RATE * recipe.learning_rate
    return replace(recipe, batch=BATCH, learning_rate=rate, beta_warmup=1e-9, augment=True, oversample=1)


def _shown(table: UserTable, original: Dataset, number: int, recipe: Recipe) -> Callable[[np.random.Generator], Shown]:
    """What an epoch shows: the table's formulas and as many original rows as asked, or variants of both."""
    rows = training_rows(original)
    labels = label_columns(original, recipe.labels)[rows]
    augmenter = Augmenter(CompositionBatch.concatenate([table.train, original.compositions[rows]]))
    unseen = FormulaIndex(table.test)

    def show(random: np.random.Generator) -> Shown:
        again = random.integers(len(rows), size=number)
        formulas = CompositionBatch.concatenate([table.train, original.compositions[rows[again]]])
        plain = Shown(formulas, np.concatenate([table.train_labels, labels[again]]))
        shown = variants(augmenter, plain, random)
        # Variants whose system is held out are never made; a formula of the table's may be held out all the same.
        seen = unseen.find(shown.formulas) < 0
        return Shown(shown.formulas[np.flatnonzero(seen)], shown.labels[seen])

    return show


def export(before: VAESpace, network: Any, table: UserTable, original: Dataset | None, path: Path, seed: int) -> None:
    """Write the weights file of a fine-tuned network.

    The space is whitened over all it was shown; its radius holds 99 % of the table's formulas as well; and `sample`
    draws around anchors like the table's formulas.

    Args:
        before: The space it was before.
        network: The network.
        table: The table.
        original: The table that was replayed, None if none was.
        path: Where to.
        seed: Seed of the anchors.
    """
    network.load_state_dict({key: value.half().float() for key, value in network.state_dict().items()})
    shown = [table.train] if original is None else [table.train, original.compositions[original.split().train]]
    kind, unit = type(before), Whitening(np.zeros(before.dim), np.ones(before.dim), 1.0)
    raw = kind(before.name, network, unit).encode(CompositionBatch.concatenate(shown))
    whitening = Whitening.of(raw)
    own = np.linalg.norm((raw[: len(table.train)] - whitening.mean) / whitening.std, axis=1)
    whitening = replace(whitening, radius=max(whitening.radius, float(np.percentile(own, 99))))
    anchors = None if before.anchors is None else choose_anchors(table.train, seed)
    write(kind(before.name, network, whitening, anchors), path)
    cloud.write(fit_cloud((raw - whitening.mean) / whitening.std, seed), path)


def measure(space: VAESpace, table: UserTable, original: Dataset, seed: int) -> dict[str, float]:
    """What a space makes of the table, and of the systems that it and every other space never saw.

    Args:
        space: The space.
        table: The table.
        original: The table that shipped spaces are trained on.
        seed: Seed of samples and of the choice of original rows.

    Returns:
        Shares of exact formulas and element sets and the mean ELBO [nats] by rows, and the prevalence KL between the
        table's formulas to learn from and samples; of a space of alloys also the share of labels that its head has
        right, where the table has any.
    """
    test = original.split().test
    chosen = np.random.default_rng(seed).choice(test, min(MEASURED, len(test)), replace=False)
    rows = {"train": table.train, "test": table.test, "original_test": original.compositions[chosen]}
    metrics: dict[str, float] = {}
    for part, batch in rows.items():
        metrics |= {f"{part}_{key}": value for key, value in recovery(space, batch).items()}
        metrics[f"{part}_elbo"] = float(space.score(batch).mean())
    if (coordinate := space.network.label_coordinate) is not None:
        for part, labels in (("train", table.train_labels), ("test", table.test_labels)):
            if len(known := np.flatnonzero(np.isfinite(labels[:, 0]))):
                log_odds = space.posterior(rows[part][known])[0][:, coordinate]
                metrics[f"{part}_label_right"] = float(((log_odds > 0) == (labels[known, 0] > 0.5)).mean())
    sampled = space.decode_batch(space.sample(SAMPLES, seed))
    metrics["sample_prevalence_kl"] = kl_divergence(prevalence(table.train), prevalence(sampled))
    return {key: round(value, 5) for key, value in metrics.items()}


def _markdown(card: dict[str, Any]) -> str:
    rows = "\n".join(f"| {key} | {value:g} | {card['after'][key]:g} |" for key, value in card["before"].items())
    recipe = ", ".join(f"{key} {value}" for key, value in card["recipe"].items())
    return f"""# Latent space `{card["name"]}`, fine-tuned

`{card["source"]}` ({card["network"]}), fine-tuned on a table of compositions.

- {card["table"]}.
- Held out: by {card["holdout"]}. Change of atom fractions accepted in reading: {card["tolerance"]:g}.
- Original rows replayed an epoch: {card["replayed_rows_an_epoch"]:,}.
- Recipe: {recipe}; {card["epochs"]} epochs, seed {card["seed"]}.
- Made on {card["date"]} with torch {card["torch"]}.

`train` and `test` rows are the table's, `original_test` are up to {MEASURED:,} rows of the chemical systems that
shipped spaces never saw: what they lose is forgotten. `sample_prevalence_kl` compares samples with the table's
`train` rows.

| metric | before | after |
|---|---|---|
{rows}

Samples are compositions without a structure; that they are likely under this model does not make them stable or
synthesizable.
"""
