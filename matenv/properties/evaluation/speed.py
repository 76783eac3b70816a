"""What a prediction costs.

``python -m matenv.properties.evaluation.speed`` measures the shipped predictors side by side.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

import numpy as np

from matenv.properties.labels import labelled_rows
from matenv.properties.predictor import Predictor, load_predictor
from matenv.properties.store import SHIPPED

ROWS = (1, 1024)
"""Batch sizes that are measured."""

_REPEATS = {1: 1000, 1024: 30}


def core_microseconds(models: Sequence[Predictor]) -> list[dict[str, float]]:
    """Processor time of `Predictor.predict_batch`, all threads together, in turns so that models compare.

    Args:
        models: Predictors.

    Returns:
        For each model, by batch size, the median in core-microseconds a row; validation rows of the table.
    """
    batch, _ = labelled_rows("validation")
    batch = batch[np.random.default_rng(0).permutation(len(batch))]
    results: list[dict[str, float]] = [{} for _ in models]
    for rows in ROWS:
        part, taken = batch[:rows], np.empty((_REPEATS[rows], len(models)))
        for repeat in range(-2, _REPEATS[rows]):  # the first two compile and warm up
            for k, model in enumerate(models):
                started = time.process_time_ns()
                model.predict_batch(part)
                taken[max(repeat, 0), k] = time.process_time_ns() - started
        for result, median in zip(results, np.median(taken, axis=0), strict=True):
            result[str(rows)] = round(float(median) / 1000 / rows, 2)
    return results


def main(argv: list[str] | None = None) -> int:
    """Command line: print core-microseconds a row."""
    parser = argparse.ArgumentParser(prog="python -m matenv.properties.evaluation.speed", description=__doc__)
    parser.add_argument("models", nargs="*", default=list(SHIPPED), help="names or paths; default: the shipped ones")
    names = parser.parse_args(argv).models
    print("| predictor | " + " | ".join(f"core-us a row, batch of {rows:,}" for rows in ROWS) + " |")
    print("|---" * (1 + len(ROWS)) + "|")
    for name, result in zip(names, core_microseconds([load_predictor(name) for name in names]), strict=True):
        print(f"| {name} | " + " | ".join(f"{result[str(rows)]:.1f}" for rows in ROWS) + " |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
