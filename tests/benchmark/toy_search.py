"""A method of one's own, whole: mixtures of two fixed elements in random amounts."""

import numpy as np

from matenv.benchmark.method import register
from matenv.benchmark.record import Search


def binaries(task, oracle, seed):
    """Oxides of random metals."""
    random = np.random.default_rng(seed)
    metals = ("Ti", "Zr", "Hf", "V", "Nb", "Ta")
    while not oracle.exhausted:
        a, b = random.integers(1, 9, size=2)
        oracle.assess(f"{random.choice(metals)}{a}O{b}")
    return Search.of(oracle, task)


register("my_toy", binaries)
