"""Single-phase alloys: the semi-supervised `dvae` beside supervised models: ``python -m benchmarks.alloys``.

Ten random splits 80/20, stratified by label; ten splits that hold out 20 % of the chemical systems; and, on three of
the latter, few labels. What is held out is not shown at all; labels taken away from the rest leave alloys without a
label, which `dvae` learns from as well, with those of Borg et al., whose labels are never shown: a second test.
A run keeps each model's figures as it goes, and resumes. The table goes to ``benchmarks/results/alloys.json``.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, balanced_accuracy_score, matthews_corrcoef, roc_auc_score
from sklearn.model_selection import GroupShuffleSplit, StratifiedShuffleSplit, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import matenv
from matenv.chemistry.alloys import alloy_descriptors, expert_log_odds
from matenv.latent.dvae import SCALES, DisentangledVAE, PhaseHead, probability
from matenv.latent.fit import RECIPES, fit
from matenv.latent.pairs import Pairs

RESULT = Path(__file__).parent / "results" / "alloys.json"
PICTURE = Path(__file__).parent.parent / "docs" / "images" / "alloy-labels.png"
SPLITS, CURVE_SPLITS, HELD_OUT = 10, 3, 0.2
LABELS = (25, 100, 400)
EPOCHS = 40
"""Of `dvae` here: its head is done by then, its decoder, which no figure here needs, is not."""

DATA = matenv.load_dataset("hea-phases")
TRUTH, BORG = DATA.labels["single_phase"], DATA.labels["single_phase_borg"]
DESCRIBED = alloy_descriptors(DATA.fractions)
SHAPE = np.stack([DATA.compositions.size, DATA.fractions.max(axis=1)], axis=1)
"""What a formula looks like, whatever its elements: how many there are, and the largest fraction."""
LABELLED = np.flatnonzero(np.isfinite(TRUTH))
OUTSIDE = np.flatnonzero(np.isfinite(BORG) & ~np.isfinite(TRUTH))

Probability = NDArray[np.float64]
Model = Callable[[NDArray[np.int64], NDArray[np.int64], int], Probability]
"""P(single phase) of all rows of the table, from (rows with a label, rows held out, seed)."""


def rules(shown: NDArray[np.int64], held_out: NDArray[np.int64], seed: int) -> Probability:
    """The textbook, which learns nothing."""
    return 1 / (1 + np.exp(-expert_log_odds(DESCRIBED)))


def classifier(make: Callable, features: NDArray, shown: NDArray, held_out: NDArray, seed: int) -> Probability:
    """A scikit-learn classifier."""
    return make(seed).fit(features[shown], TRUTH[shown]).predict_proba(features)[:, 1]


def logistic(seed: int) -> object:
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))


def forest(seed: int) -> object:
    return RandomForestClassifier(200, random_state=seed, n_jobs=1)


def supervised(shown: NDArray[np.int64], held_out: NDArray[np.int64], seed: int) -> Probability:
    """The head of `dvae` alone, trained on labels alone, as many steps as `dvae` sees labels, at least 400."""
    torch.manual_seed(seed)
    x = torch.from_numpy(DATA.fractions).float()
    descriptors = (torch.from_numpy(DESCRIBED).float() - SCALES[:, 0]) / SCALES[:, 1]
    y = torch.tensor(TRUTH, dtype=torch.float32)
    head = PhaseHead(64, 0.2)
    optimizer = torch.optim.AdamW(head.parameters(), lr=3e-3, weight_decay=1e-3)
    steps, rng = max(EPOCHS * len(shown) // 64, 400), np.random.default_rng(seed)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps)
    for _ in range(steps):
        rows = torch.from_numpy(rng.choice(shown, min(64, len(shown)), replace=False))
        loss = F.binary_cross_entropy_with_logits(head(x[rows], descriptors[rows])[0], y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    with torch.inference_mode():
        return torch.sigmoid(head.eval()(x, descriptors)[0]).double().numpy()


def dvae(expert: bool, unlabelled: bool, shown: NDArray, held_out: NDArray, seed: int) -> Probability:
    """The semi-supervised model, with or without the textbook's prior, and with or without unlabelled alloys."""
    column = np.full(len(DATA), np.nan)
    column[shown] = TRUTH[shown]
    part = np.zeros(len(DATA), np.uint8)
    part[held_out] = 2
    if not unlabelled:
        part[~np.isfinite(column)] = 2
    recipe = replace(RECIPES["dvae"], augment=False, build=partial(DisentangledVAE, expert=expert))
    data = replace(DATA, system_part=part, labels={"single_phase": column})
    with tempfile.TemporaryDirectory() as folder:
        epochs = EPOCHS if unlabelled else max(EPOCHS, 400 * 64 // len(shown))
        network, _ = fit("dvae", data, Path(folder), epochs=epochs, seed=seed, progress=False, recipe=recipe)
    with torch.inference_mode():
        mean, log_variance = network.posterior(Pairs.of(DATA.compositions))  # type: ignore[operator]
        return probability(mean[:, 0], log_variance[:, 0]).double().numpy()


BOTH = np.hstack([DESCRIBED, DATA.fractions])
MODELS: dict[str, Model] = {
    "textbook rules": rules,
    "shape only": partial(classifier, forest, SHAPE),
    "logistic, descriptors": partial(classifier, logistic, DESCRIBED),
    "random forest": partial(classifier, forest, BOTH),
    "supervised network": supervised,
    "dvae": partial(dvae, True, True),
    "dvae, flat prior": partial(dvae, False, True),
    "dvae, labelled only": partial(dvae, True, False),
}
ABLATIONS = ("dvae, flat prior", "dvae, labelled only")


@dataclass(frozen=True)
class Case:
    """One split, with labels for some rows."""

    split: str
    number: int
    shown: NDArray[np.int64]
    held_out: NDArray[np.int64]
    labels: int | None

    def key(self, model: str) -> str:
        """What its figures are kept under."""
        return f"{self.split}|{self.number}|{self.labels or 'all'}|{model}"


def cases() -> Iterator[tuple[Case, str]]:
    """Every split with every model that is to see it; split by split, so that a run cut short has some of each."""
    y, systems = TRUTH[LABELLED], DATA.systems[LABELLED]
    random = StratifiedShuffleSplit(SPLITS, test_size=HELD_OUT, random_state=0).split(LABELLED, y)
    by_system = GroupShuffleSplit(SPLITS, test_size=HELD_OUT, random_state=0).split(LABELLED, y, systems)
    for number, (pair, system_pair) in enumerate(zip(random, by_system, strict=True)):
        chosen = [("random", LABELLED[pair[0]], LABELLED[pair[1]], None)]
        shown, held_out = (LABELLED[rows] for rows in system_pair)
        chosen.append(("system", shown, held_out, None))
        for size in LABELS if number < CURVE_SPLITS else ():
            few, _ = train_test_split(shown, train_size=size, stratify=TRUTH[shown], random_state=number)
            chosen.append(("system", few, held_out, size))
        for split, rows, rest, labels in chosen:
            ablated = split == "system" and number < CURVE_SPLITS and labels in (None, 100)
            for model in MODELS:
                if ablated or model not in ABLATIONS:
                    yield Case(split, number, rows, rest, labels), model


def figures(p: Probability, held_out: NDArray[np.int64]) -> dict[str, float]:
    """How good the probabilities are: held-out rows, those of four and more elements, and the alloys of Borg."""
    complex_rows = held_out[DATA.compositions.size[held_out] >= 4]
    values: dict[str, float] = {}
    for prefix, rows, truth in (("", held_out, TRUTH), ("hea_", complex_rows, TRUTH), ("borg_", OUTSIDE, BORG)):
        y, said = truth[rows] == 1, p[rows] > 0.5
        values[f"{prefix}accuracy"] = accuracy_score(y, said)
        values[f"{prefix}balanced"] = balanced_accuracy_score(y, said)
        values[f"{prefix}mcc"] = matthews_corrcoef(y, said)
        values[f"{prefix}auc"] = roc_auc_score(y, p[rows])
    return values


def summary(done: dict[str, dict[str, float]]) -> dict[str, dict[str, dict[str, list[float]]]]:
    """Mean and standard deviation over splits: split and labels -> model -> figure."""
    groups: dict[tuple[str, str], list[dict[str, float]]] = {}
    for key, values in done.items():
        split, _, labels, model = key.split("|")
        groups.setdefault((f"{split}, {labels} labels", model), []).append(values)
    table: dict[str, dict[str, dict[str, list[float]]]] = {}
    for (setting, model), runs in groups.items():
        table.setdefault(setting, {})[model] = {
            name: [round(float(f([run[name] for run in runs])), 4) for f in (np.mean, np.std)] for name in runs[0]
        } | {"splits": [len(runs), 0]}
    return table


def draw(table: dict[str, dict[str, dict[str, list[float]]]], path: Path) -> None:
    """Balanced accuracy on held-out systems against the number of labels; and by kind of held-out alloy."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    whole = round((1 - HELD_OUT) * len(LABELLED))
    sizes = [*LABELS, whole]
    settings = [f"system, {size} labels" for size in LABELS] + ["system, all labels"]
    shown = [model for model in MODELS if model not in ABLATIONS]
    colours = dict(zip(shown, plt.get_cmap("tab10").colors, strict=False))
    figure, axes = plt.subplots(1, 3, figsize=(13.5, 4.4), constrained_layout=True, sharey=True)
    titles = ("all held-out alloys", "of four and more elements", "alloys of Borg et al., never shown")
    for axis, key, title in zip(axes, ("balanced", "hea_balanced", "borg_balanced"), titles, strict=True):
        for model in shown:
            at = [size for size, setting in zip(sizes, settings, strict=True) if model in table.get(setting, {})]
            runs = [table[setting][model] for setting in settings if model in table.get(setting, {})]
            mean = np.array([run[key][0] for run in runs])
            error = np.array([run[key][1] / np.sqrt(run["splits"][0]) for run in runs])
            style = {"lw": 2.5} if model == "dvae" else {"lw": 1.3, "ls": "--"}
            axis.errorbar(at, mean, error, marker="o", ms=4, capsize=2, label=model, color=colours[model], **style)
        axis.set_xscale("log")
        axis.set_xticks(sizes, [str(size) for size in sizes], fontsize=8)
        axis.minorticks_off()
        axis.set_xlabel("alloys with a label")
        axis.set_title(title, fontsize=11)
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("balanced accuracy, held-out systems")
    axes[0].legend(fontsize=8, loc="lower right")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def main() -> None:
    """Run what is missing, then write and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/alloys"), help="folder of single figures, for resuming")
    parser.add_argument("--result", type=Path, default=RESULT)
    parser.add_argument("--picture", type=Path, default=PICTURE)
    parser.add_argument("--most", type=int, help="stop after this many fits")
    options = parser.parse_args()
    torch.set_num_threads(1)
    path = options.out / "figures.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    done = json.loads(path.read_text()) if path.exists() else {}
    left = [(case, model) for case, model in cases() if case.key(model) not in done]
    for case, model in left[: options.most]:
        done[case.key(model)] = figures(MODELS[model](case.shown, case.held_out, case.number), case.held_out)
        path.write_text(json.dumps(done))
    table = summary(done)
    note = {
        "command": "python -m benchmarks.alloys", "what": "mean and standard deviation over splits",
        "alloys": {"labelled": len(LABELLED), "all": len(DATA), "borg_test": len(OUTSIDE)}, "epochs": EPOCHS,
    }  # fmt: skip
    options.result.write_text(json.dumps(note | {"table": table}, indent=1) + "\n")
    draw(table, options.picture)
    for setting, models in table.items():
        print(f"\n{setting}: accuracy, balanced accuracy, MCC, AUC; >= 4 elements balanced, MCC; Borg balanced, AUC")
        for model, values in models.items():
            shown = [values[k] for k in ("accuracy", "balanced", "mcc", "auc", "hea_balanced", "hea_mcc")]
            shown += [values[k] for k in ("borg_balanced", "borg_auc")]
            print(f"  {model:24s}" + "  ".join(f"{mean:.3f} +- {std:.3f}" for mean, std in shown))


if __name__ == "__main__":
    main()
