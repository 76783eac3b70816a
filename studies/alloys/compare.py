"""Single-phase alloys: the semi-supervised `dvae` beside supervised models: ``python -m studies.alloys.compare``.

Ten random splits 80/20, stratified by label, and ten that hold out 20 % of the chemical systems; on the latter, few
labels too, and `dvae` without its parts. What is held out is not shown at all; labels taken away from the rest leave
alloys without a label, which `dvae` learns from as well, with those of Borg et al., whose labels are never shown: a
second test. Differences are paired, split by split. A run keeps each fit's figures as it goes, and resumes. Prints the
tables of docs/alloys.md and writes ``studies/results/alloys.json``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from scipy.stats import t as student
from sklearn.metrics import accuracy_score, balanced_accuracy_score, matthews_corrcoef, roc_auc_score
from sklearn.model_selection import GroupShuffleSplit, StratifiedShuffleSplit, train_test_split

from studies import IMAGES, RESULTS
from studies.alloys.models import ABLATIONS, BORG, DATA, EPOCHS, LABELLED, MODELS, OUTSIDE, TRUTH, Probability
from tools.command import run

RESULT = RESULTS / "alloys.json"
PICTURE = IMAGES / "alloy-labels.png"
SPLITS, HELD_OUT = 10, 0.2
LABELS = (25, 100, 400)
SETTINGS = ("random|all", *(f"system|{size}" for size in (*LABELS, "all")))
RATIO = HELD_OUT / (1 - HELD_OUT)
"""Held-out share over the rest: splits overlap, so their mean varies more than that of independent ones."""

Done = dict[str, dict[str, Any]]


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
        return f"{self.split}|{self.labels or 'all'}|{model}|{self.number}"


def cases() -> Iterator[tuple[Case, str]]:
    """Every split with every model that is to see it; split by split, so that a run cut short has some of each."""
    y, systems = TRUTH[LABELLED], DATA.systems[LABELLED]
    random = StratifiedShuffleSplit(SPLITS, test_size=HELD_OUT, random_state=0).split(LABELLED, y)
    by_system = GroupShuffleSplit(SPLITS, test_size=HELD_OUT, random_state=0).split(LABELLED, y, systems)
    for number, (pair, system_pair) in enumerate(zip(random, by_system, strict=True)):
        chosen: list[tuple[str, Any, Any, int | None]] = [("random", LABELLED[pair[0]], LABELLED[pair[1]], None)]
        shown, held_out = (LABELLED[rows] for rows in system_pair)
        chosen.append(("system", shown, held_out, None))
        for size in LABELS:
            few, _ = train_test_split(shown, train_size=size, stratify=TRUTH[shown], random_state=number)
            chosen.append(("system", few, held_out, size))
        for split, rows, rest, labels in chosen:
            for model in MODELS:
                some = labels == 100 or (labels is None and model != ABLATIONS[-1])
                if model not in ABLATIONS or (split == "system" and some):
                    yield Case(split, number, rows, rest, labels), model


def figures(p: Probability, held_out: NDArray[np.int64]) -> dict[str, Any]:
    """How good the probabilities are: held-out rows, those of four and more elements, and the alloys of Borg."""
    complex_rows = held_out[DATA.compositions.size[held_out] >= 4]
    values: dict[str, Any] = {"borg_p": p[OUTSIDE].round(5).tolist()}
    for prefix, rows, truth in (("", held_out, TRUTH), ("hea_", complex_rows, TRUTH), ("borg_", OUTSIDE, BORG)):
        y, said = truth[rows] == 1, p[rows] > 0.5
        values[f"{prefix}accuracy"] = accuracy_score(y, said)
        values[f"{prefix}balanced"] = balanced_accuracy_score(y, said)
        values[f"{prefix}mcc"] = matthews_corrcoef(y, said)
        values[f"{prefix}auc"] = roc_auc_score(y, p[rows])
    return values


def runs_of(done: Done, setting: str, model: str) -> list[dict[str, Any]]:
    """Figures of a model in a setting, in the order of the splits."""
    keys = [f"{setting}|{model}|{number}" for number in range(SPLITS)]
    return [done[key] for key in keys if key in done]


def summary(done: Done) -> dict[str, dict[str, dict[str, Any]]]:
    """Mean and standard deviation over splits: setting -> model -> figure."""
    table: dict[str, dict[str, dict[str, Any]]] = {}
    for setting in SETTINGS:
        for model in MODELS:
            if runs := runs_of(done, setting, model):
                columns = {name: np.array([run[name] for run in runs]) for name in runs[0] if name != "borg_p"}
                table.setdefault(setting, {})[model] = {"splits": len(runs)} | {
                    name: [round(float(x.mean()), 4), round(float(x.std(ddof=1)), 4)] for name, x in columns.items()
                }
    return table


def of_splits(d: NDArray[np.float64]) -> tuple[float, float, float]:
    """Mean of differences over splits (J,) and its 95 % interval.

    Splits share alloys: Student's t with the variance of Nadeau and Bengio (Mach. Learn. 52, 239, 2003).
    """
    half = student.ppf(0.975, len(d) - 1) * d.std(ddof=1) * np.sqrt(1 / len(d) + RATIO)
    return float(d.mean()), float(d.mean() - half), float(d.mean() + half)


def of_alloys(a: NDArray[np.float64], b: NDArray[np.float64]) -> tuple[float, float, float]:
    """Difference of balanced accuracy on Borg's alloys from P(single phase) (J, A) of two models, and its interval.

    The same alloys are asked after every split: 95 % interval from 2,000 draws of splits and of alloys.
    """
    truth, random = BORG[OUTSIDE] == 1, np.random.default_rng(0)
    gain = ((a > 0.5) == truth).astype(float) - ((b > 0.5) == truth)
    kinds = [gain[:, truth == kind] for kind in (True, False)]
    draws = []
    for _ in range(2000):
        splits = random.integers(len(gain), size=len(gain))
        chosen = (kind[splits][:, random.integers(kind.shape[1], size=kind.shape[1])] for kind in kinds)
        draws.append(np.mean([kind.mean() for kind in chosen]))
    low, high = np.quantile(draws, [0.025, 0.975])
    return float(np.mean([kind.mean() for kind in kinds])), float(low), float(high)


def differences(done: Done) -> dict[str, dict[str, dict[str, list[float]]]]:
    """Balanced accuracy of `dvae` minus that of each other model: setting -> model -> held-out alloys."""
    table: dict[str, dict[str, dict[str, list[float]]]] = {}
    for setting in SETTINGS:
        own = runs_of(done, setting, "dvae")
        for model in MODELS:
            other = runs_of(done, setting, model)
            pairs = list(zip(own, other, strict=False))
            if model == "dvae" or len(pairs) < 2:
                continue
            row = {
                key: of_splits(np.array([a[key] - b[key] for a, b in pairs])) for key in ("balanced", "hea_balanced")
            }
            mine, theirs = (np.array([run["borg_p"] for run in side]) for side in zip(*pairs, strict=True))
            row["borg_balanced"] = of_alloys(mine, theirs)
            wins = {f"{key}_wins": [sum(a[key] > b[key] for a, b in pairs), len(pairs)] for key in row}
            rounded = {key: [round(value, 4) for value in values] for key, values in row.items()}
            table.setdefault(setting, {})[model] = rounded | wins
    return table


def draw(table: dict[str, dict[str, dict[str, Any]]], path: Path) -> None:
    """Balanced accuracy on held-out systems against the number of labels; and by kind of held-out alloy."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    sizes = [*LABELS, round((1 - HELD_OUT) * len(LABELLED))]
    settings = SETTINGS[1:]
    shown = [model for model in MODELS if model not in ABLATIONS]
    colours = dict(zip(shown, plt.get_cmap("tab10")(range(10)), strict=False))
    figure, axes = plt.subplots(1, 3, figsize=(13.5, 4.6), constrained_layout=True, sharey=True)
    titles = ("all held-out alloys", "of four and more elements", "alloys of Borg et al., never shown")
    for axis, key, title in zip(axes, ("balanced", "hea_balanced", "borg_balanced"), titles, strict=True):
        for place, model in enumerate(shown):
            at = [size for size, setting in zip(sizes, settings, strict=True) if model in table.get(setting, {})]
            runs = [table[setting][model] for setting in settings if model in table.get(setting, {})]
            mean, spread = (np.array([run[key][k] for run in runs]) for k in (0, 1))
            style = {"lw": 2.5} if model == "dvae" else {"lw": 1.3, "ls": "--"}
            beside = np.array(at) * 1.035 ** (place - 2.5)  # bars side by side
            axis.errorbar(beside, mean, spread, marker="o", ms=4, capsize=2, label=model, color=colours[model], **style)
        axis.set_xscale("log")
        axis.set_xticks(sizes, [str(size) for size in sizes], fontsize=8)
        axis.minorticks_off()
        axis.set_xlabel("alloys with a label")
        axis.set_title(title, fontsize=11)
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("balanced accuracy (bars: standard deviation over splits)", fontsize=9)
    figure.legend(*axes[0].get_legend_handles_labels(), fontsize=9, loc="outside lower center", ncols=len(shown))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def show(table: dict[str, dict[str, dict[str, Any]]], paired: dict[str, Any], say: Callable[[str], None]) -> None:
    """Both kinds of table as Markdown."""
    columns = ("accuracy", "balanced", "mcc", "auc", "hea_balanced", "hea_mcc", "borg_balanced", "borg_auc")
    for setting, models in table.items():
        say(f"\n{setting.replace('|', ', ')} labels, {models['dvae']['splits']} splits\n")
        say(f"| | {' | '.join(columns)} |\n|{'---|' * 9}")
        for model, values in models.items():
            figures_of = ("{:.3f} +- {:.3f}".format(*values[key]) for key in columns)
            say(f"| {model} | {' | '.join(figures_of)} |")
    say("\n`dvae` minus each, balanced accuracy [95 % interval], splits on which it is ahead\n")
    say(f"| setting | minus | all held-out | >= 4 elements | Borg |\n|{'---|' * 5}")
    for setting, models in paired.items():
        for model, row in models.items():
            cells = [
                "{:+.3f} [{:+.3f}, {:+.3f}], {}/{}".format(*row[key], *row[f"{key}_wins"])
                for key in ("balanced", "hea_balanced", "borg_balanced")
            ]
            say(f"| {setting.replace('|', ', ')} | {model} | {' | '.join(cells)} |")


def main(
    out: Annotated[Path, typer.Option(help="Folder of single figures, for resuming.")] = Path("runs/alloys"),
    result: Annotated[Path, typer.Option(help="File of the tables.")] = RESULT,
    picture: Annotated[Path, typer.Option(help="Picture to draw.")] = PICTURE,
    most: Annotated[int | None, typer.Option(help="Stop after this many fits.")] = None,
) -> None:
    """Run what is missing, then write and print the tables."""
    torch.set_num_threads(1)
    path = out / "figures.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    done: Done = json.loads(path.read_text()) if path.exists() else {}
    left = [(case, model) for case, model in cases() if case.key(model) not in done]
    for case, model in left[:most]:
        done[case.key(model)] = figures(MODELS[model](case.shown, case.held_out, case.number), case.held_out)
        path.write_text(json.dumps(done))
    table, paired = summary(done), differences(done)
    note = {
        "command": "python -m studies.alloys.compare",
        "what": "mean and standard deviation over splits; differences of balanced accuracy, dvae minus the model, "
        "with 95 % intervals",
        "alloys": {"labelled": len(LABELLED), "all": len(DATA), "borg_test": len(OUTSIDE)},
        "epochs": EPOCHS,
    }
    result.write_text(json.dumps(note | {"table": table, "dvae minus": paired}, indent=1) + "\n")
    draw(table, picture)
    show(table, paired, print)


if __name__ == "__main__":
    run(main)
