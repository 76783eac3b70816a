"""Integer rules: ``python -m studies.chemistry.integer_formulas`` counts how often each returns the right formula.

From a formula's own, exact fractions, and from noisy ones; the whole embedded table.
"""

import numpy as np
from numpy.typing import NDArray

from matenv import load_dataset
from matenv.composition import PAPER_THRESHOLD, CompositionBatch, threshold_counts
from tools.command import run


def main() -> None:
    """Round-trip the whole embedded table through both rules and print the shares."""
    data = load_dataset()
    counts, size = data.compositions.dense_counts(), data.compositions.size
    rules: dict[str, NDArray] = {
        f"smallest total, N <= {cap}": CompositionBatch.from_fractions(data.fractions, max_atoms=cap).dense_counts()
        for cap in (24, 40, 60, 100)
    }
    rules["threshold T = 0.04 (El-Awady)"] = threshold_counts(data.fractions)
    print(f"{len(data):,} formulas; share returned exactly, by number of elements")
    print(f"{'rule':32s}{'all':>8s}" + "".join(f"{n:>8d}" for n in range(2, 8)))
    for name, found in rules.items():
        right = (found == counts).all(axis=1)
        by_size = "".join(f"{right[size == n].mean():8.1%}" for n in range(2, 8))
        print(f"{name:32s}{right.mean():8.1%}{by_size}")
    scaled = np.where(data.fractions >= PAPER_THRESHOLD, data.fractions / PAPER_THRESHOLD, 0.0)
    print("the threshold rule with other roundings:")
    for name, rounded in (("halves up", np.floor(scaled + 0.5)), ("down", np.floor(scaled))):
        found = CompositionBatch.from_counts(rounded, allow_empty=True).dense_counts()
        print(f"{name:32s}{(found == counts).all(axis=1).mean():8.1%}")
    noisy = data.fractions + np.where(
        data.fractions > 0, np.random.default_rng(0).normal(0, 0.005, data.fractions.shape), 0
    )
    right = {
        "smallest total, tolerance 0.01": CompositionBatch.from_fractions(np.abs(noisy), tolerance=0.01).dense_counts(),
        "threshold T = 0.04 (El-Awady)": threshold_counts(np.abs(noisy)),
    }
    print("with Gaussian noise of 0.005 on each fraction:")
    for name, found in right.items():
        print(f"{name:32s}{(found == counts).all(axis=1).mean():8.1%}")


if __name__ == "__main__":
    run(main)
