"""A method of one's own, whole: oxides of random metals, the better ones varied."""

import numpy as np


class Oxides:
    def __init__(self, seed=0):
        self.rng, self.best = np.random.default_rng(seed), {"Ti": 0.0}

    def ask(self, n):
        metals = [*("Ti", "Zr", "Hf", "V", "Nb", "Ta"), max(self.best, key=lambda metal: self.best[metal])]
        return [
            f"{self.rng.choice(metals)}{self.rng.integers(1, 9)}O{self.rng.integers(1, 9)}" for _ in range(min(n, 8))
        ]

    def tell(self, compositions, scores):
        self.best |= {
            f.split("O")[0].rstrip("12345678"): s for f, s in zip(compositions.formulas(), scores, strict=True)
        }
