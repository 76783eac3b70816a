"""Frozen train/test splits, by chemical system. One assignment serves every label table and every model.

The assignment is a pure function of the element set, so it extends to any formula outside the embedded table.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from itertools import combinations

TEST_SHARE = 0.20
"""Share of exact element sets that the `system` split holds out."""

VALIDATION_SHARE = 0.08
"""Further share of element sets, part of `train`, that models keep aside for calibration and early stopping."""

FRONTIER_SHARE = 0.03
"""Share of systems of >= 3 elements chosen as frontier seeds; every super-system of a seed is held out with it."""

System = tuple[str, ...]


def uniform(system: Iterable[str], salt: str) -> float:
    """A reproducible number in [0, 1) for an element set (SHA-256 of its sorted symbols).

    Args:
        system: Element symbols, any order.
        salt: Name of the split, so that splits are independent of each other.

    Returns:
        The first 8 bytes of the digest as a fraction of 2^64.
    """
    name = f"{salt}:{'-'.join(sorted(system))}"
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") / 2**64


def system_part(system: System) -> str:
    """Part of the `system` split an element set belongs to: "train", "validation" or "test"."""
    u = uniform(system, "system")
    if u < TEST_SHARE:
        return "test"
    return "validation" if u < TEST_SHARE + VALIDATION_SHARE else "train"


def is_frontier(system: System) -> bool:
    """Whether an element set is held out by the `frontier` split: it contains a chosen system of >= 3 elements."""
    return any(
        uniform(subset, "frontier") < FRONTIER_SHARE
        for size in range(3, len(system) + 1)
        for subset in combinations(sorted(system), size)
    )
