"""Reliability and sharpness of P(stable) and of property intervals, on held-out rows by number of elements.

A probability is reliable if, of the rows it is given to, that share comes true; it is sharp if it says more than the
average. `studies.honesty.draw` draws what is measured here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matenv.data import Dataset, load_dataset
from matenv.oracle import Oracle
from matenv.oracle.sampling import Sampling
from matenv.oracle.stability import StabilityModel
from matenv.properties import heads
from matenv.properties.evaluation.evaluate import probability_transform
from studies.honesty.stored import markdown

SPLITS = ("system", "frontier")
"""Which rows are held out. The shipped predictors were trained for `system`, so `frontier` takes those of its rows that
`system` holds out too; the hull then lacks all of them and their super-systems."""

SIZES = (("2 elements", 2, 2), ("3 elements", 3, 3), ("4 elements", 4, 4), ("5 or more", 5, 99))
"""Classes of rows: label, fewest and most elements."""

LEVELS = np.linspace(0.05, 0.95, 19)
"""Nominal coverages of central intervals."""

SHOWN = (0.5, 0.9, 0.95)
"""Those of tables."""

_BINS = 10


@dataclass(frozen=True)
class Stability:
    """P(stable) of held-out rows of one class.

    Attributes:
        split: Of `SPLITS`.
        label: Of `SIZES`.
        p: P(stable) of each row (n,).
        stable: Whether it is, by DFT against the whole table (n,) bool.
    """

    split: str
    label: str
    p: NDArray[np.float64]
    stable: NDArray[np.bool_]

    def bins(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
        """Mean P, share stable and number of rows of each of ten bins of equal width that is not empty."""
        which = np.minimum((self.p * _BINS).astype(np.int64), _BINS - 1)
        rows = np.bincount(which, minlength=_BINS)
        filled = rows > 0
        mean, share = (np.bincount(which, values, _BINS)[filled] / rows[filled] for values in (self.p, self.stable))
        return mean, share, rows[filled]

    @property
    def calibration_error(self) -> float:
        """Expected calibration error: mean distance of the bins from the diagonal, weighted by their rows."""
        mean, share, rows = self.bins()
        return float((np.abs(mean - share) * rows).sum() / rows.sum())

    @property
    def sharpness(self) -> float:
        """Standard deviation of P; a forecast that always says the average has 0."""
        return float(self.p.std())


@dataclass(frozen=True)
class Intervals:
    """Central intervals of one property on held-out rows of one class.

    Attributes:
        split: Of `SPLITS`.
        name: The property.
        label: Of `SIZES`.
        rows: Truth rows.
        inside: Share of them inside the interval of each nominal coverage of `LEVELS` (19,).
        width: Median width of the 90 % interval, in the property's unit.
    """

    split: str
    name: str
    label: str
    rows: int
    inside: NDArray[np.float64]
    width: float


def stability(predictor: str = "default") -> list[Stability]:
    """P(stable) of held-out rows beside DFT.

    Args:
        predictor: Name of a predictor that has seen train rows only.

    Returns:
        One entry for each split and class.

    Raises:
        ValueError: A gold predictor.
    """
    result = []
    for split in SPLITS:
        held_out, reference = _rows(split)
        oracle = Oracle(reference, predictor=predictor)
        # Phases are missing here as from the hull of train rows, and one can count which.
        oracle.stability = replace(
            StabilityModel.load(predictor, "train"), sampling=Sampling.of(reference.compositions)
        )
        p = oracle.assess(held_out.compositions).p_stable
        stable = held_out.labels["decomposition_energy"] <= 0.0
        result += [Stability(split, label, p[rows], stable[rows]) for label, rows in _classes(held_out)]
    return result


def intervals(predictor: str = "default") -> list[Intervals]:
    """Coverage and width of property intervals on held-out truth rows.

    Args:
        predictor: As `stability`.

    Returns:
        One entry for each split, property and class of at least 30 rows.
    """
    result = []
    for split in SPLITS:
        held_out, _ = _rows(split)
        prediction = Oracle("train", predictor=predictor).predictor.predict_batch(held_out.compositions)
        for name in heads.NAMES:
            energy = name == "formation_energy"
            truth = held_out.formation_energy if energy else held_out.labels[name]
            known = np.isfinite(truth) if energy else held_out.truth(name)
            low, high = prediction.interval(name, 0.9)
            position = np.abs(probability_transform(prediction, name, truth) - 0.5)
            for label, rows in _classes(held_out):
                rows = rows[known[rows]]
                if len(rows) >= 30:
                    inside = (position[rows, None] <= 0.5 * LEVELS).mean(axis=0)
                    width = float(np.median((high - low)[rows]))
                    result.append(Intervals(split, name, label, len(rows), inside, width))
    return result


def described(stabilities: list[Stability], found: list[Intervals]) -> dict[str, Any]:
    """Both measurements as numbers that JSON holds."""
    return {
        "stability": [
            {
                "split": s.split,
                "label": s.label,
                "rows": len(s.p),
                "stable": float(s.stable.mean()),
                "mean": float(s.p.mean()),
                "calibration error": s.calibration_error,
                "sharpness": s.sharpness,
                "brier": float(((s.p - s.stable) ** 2).mean()),
            }
            for s in stabilities
        ],
        "intervals": [
            {
                **{name: getattr(i, name) for name in ("split", "name", "label", "rows", "width")},
                "inside": [float(np.interp(level, LEVELS, i.inside)) for level in SHOWN],
            }
            for i in found
        ],
    }


def tables(results: dict[str, Any]) -> str:
    """What `described` holds, as two Markdown tables."""
    headings = ("split", "rows of", "rows", "stable", "mean P", "calibration error", "sharpness", "Brier")
    keys = ("stable", "mean", "calibration error", "sharpness", "brier")
    first = (
        [s["split"], s["label"], f"{s['rows']:,}", *(f"{s[key]:.3f}" for key in keys)] for s in results["stability"]
    )
    second = (
        [i["split"], i["name"], i["label"], f"{i['rows']:,}", " / ".join(f"{100 * share:.0f}" for share in i["inside"]),
         f"{i['width']:.2f}"]
        for i in results["intervals"]
    )  # fmt: skip
    inside = f"inside {' / '.join(f'{100 * level:.0f}' for level in SHOWN)} %"
    intervals = markdown(("split", "property", "rows of", "rows", inside, "median 90 % width"), second)
    return f"{markdown(headings, first)}\n\n{intervals}"


def _rows(split: str) -> tuple[Dataset, Dataset]:
    """Held-out rows, and the phases of the hull that they are judged against."""
    data = load_dataset("mp-ground-states")
    train, test = data.split("system")
    if split == "frontier":
        train, test = train[~data.frontier[train]], test[data.frontier[test]]
    return data.subset(test), data.subset(train)


def _classes(data: Dataset) -> Iterator[tuple[str, NDArray[np.int64]]]:
    size = data.compositions.size
    for label, low, high in SIZES:
        rows = np.flatnonzero((size >= low) & (size <= high))
        if len(rows):
            yield label, rows
