"""Fit the weights of `RevealingRanking`: ``python -m tools.fit_systems_ranking`` prints them.

A conditional logit on validation systems of two to four elements with a stable phase, whose hull and counts are those
of the train part without them. In each system the static ranking proposes ten times; each time the model is to put its
weight on the phases that are left. `--folds` also says what the weights are worth on systems they were not fitted on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
import torch
import typer
from matenv.agents.systems_agent import CONSIDERED, NEAR, WEIGHTS
from numpy.typing import NDArray

from matenv import elements as alphabet
from matenv.data import load_dataset
from matenv.oracle.found import CLIP, FoundModel
from matenv.oracle.sampling import Sampling
from matenv.oracle.stability import StabilityModel
from matenv.properties import load_predictor
from matenv.thermo import ConvexHull
from tools.command import run
from tools.fit_found import enumerated

SIZES = (2, 3, 4)

PROPOSALS = 10

_LIKELY = 150  # compositions of a system that the thorough model looks at: the likeliest by the quick one


@dataclass(frozen=True)
class System:
    """A validation system: its most probable compositions, best first.

    Attributes:
        fixed: Logit p_found and E_d by the accurate and the default predictor, clipped (N, 3).
        near: Nearness of each composition to each other (N, N).
        stable: Which are phases (N,) bool.
        phases: Phases of the system in all.
    """

    fixed: NDArray[np.float64]
    near: NDArray[np.float64]
    stable: NDArray[np.bool_]
    phases: int

    def features(self, proposed: list[int]) -> NDArray[np.float64]:
        """In the order of `WEIGHTS` (N, 4)."""
        missed = [row for row in proposed if not self.stable[row]]
        near = self.near[:, missed].max(axis=1) if missed else np.zeros(len(self.near))
        return np.column_stack([self.fixed, near])


def validation_systems(most: int) -> Iterator[System]:
    """The systems, by number of elements."""
    data = load_dataset("mp-ground-states")
    train = data.subset(data.part("train"))
    hull = ConvexHull.from_dataset(train)
    found = FoundModel.of(train, hull)
    default, accurate = load_predictor(), load_predictor("accurate")
    stability = replace(StabilityModel.load(), sampling=Sampling.of(train.compositions))
    masked = set(alphabet.positions(alphabet.MASKED_BY_DEFAULT).tolist())
    for size in SIZES:
        for elements, whole, labels in enumerated(data, data.part("validation"), size, most):
            if masked & set(elements) or not labels.any():
                continue
            rows = np.argsort(-found.formula_logit(whole), kind="stable")[:_LIKELY]
            said = default.predict_batch(whole[rows]).by_name["formation_energy"]
            competing = hull.decompose(whole[rows], exclude_self=True)
            p_stable = stability.prob(said, whole[rows], competing.energy, competing.members, competing.weights)
            p = np.clip(found.prob(whole[rows], p_stable, thorough=True), CLIP**3, 1 - CLIP**3)
            best = np.argsort(-p, kind="stable")[:CONSIDERED]
            batch = whole[rows[best]]
            other = accurate.predict_batch(batch).by_name["formation_energy"].mean
            energies = [np.clip(e - competing.energy[best], -0.4, 0.4) for e in (other, said.mean[best])]
            logit = np.log(p[best] / (1 - p[best]))
            shares = batch.fractions()
            near = np.exp(-np.abs(shares[:, None] - shares[None]).sum(axis=2) / NEAR)
            yield System(np.column_stack([logit, *energies]), near, labels[rows[best]], int(labels.sum()))


def fit(systems: list[System]) -> NDArray[np.float64]:
    """The weights (4,), drawn a little towards those of the static ranking."""
    inputs, open_, wanted = [], [], []
    for system in systems:
        for step in range(min(PROPOSALS, len(system.stable))):
            left = np.arange(len(system.stable)) >= step  # what the static ranking has not proposed yet
            if not (system.stable & left).any():
                break
            padded = np.zeros((CONSIDERED, len(WEIGHTS))), np.zeros(CONSIDERED, bool), np.zeros(CONSIDERED)
            for target, values in zip(
                padded, (system.features(list(range(step))), left, system.stable & left), strict=True
            ):
                target[: len(left)] = values
            inputs.append(padded[0])
            open_.append(padded[1])
            wanted.append(padded[2])
    x, y = torch.from_numpy(np.stack(inputs)), torch.from_numpy(np.stack(wanted))
    closed = ~torch.from_numpy(np.stack(open_))
    static = torch.tensor([1.0, 0.0, 0.0, 0.0], dtype=torch.float64)
    weights = static.clone().requires_grad_()
    optimizer = torch.optim.LBFGS([weights], max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        log_p = (x @ weights).masked_fill(closed, -1e9).log_softmax(dim=1)
        value = -(y * log_p).sum() / y.sum() + 1e-3 * ((weights - static) ** 2).sum()
        value.backward()
        return value

    optimizer.step(loss)
    return weights.detach().numpy()


def hits(system: System, weights: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether each of ten proposals is a phase."""
    proposed: list[int] = []
    for _ in range(min(PROPOSALS, len(system.stable))):
        score = system.features(proposed) @ weights
        score[proposed] = -np.inf
        proposed.append(int(score.argmax()))
    return system.stable[proposed]


def main(
    systems: Annotated[int, typer.Option(help="Most validation systems of each number of elements.")] = 10_000,
    folds: Annotated[int, typer.Option(help="Parts of a cross-validation; 1 for none.")] = 5,
) -> None:
    """Fit, print and cross-validate."""
    torch.set_num_threads(1)
    found = list(validation_systems(systems))
    print(f"{len(found):,} systems; " + ", ".join(f"{n} {w:.2f}" for n, w in zip(WEIGHTS, fit(found), strict=True)))
    part = np.random.default_rng(0).integers(max(folds, 1), size=len(found))
    rows: dict[str, list[NDArray[np.bool_]]] = {"static": [hits(s, np.eye(1, len(WEIGHTS))[0]) for s in found]}
    for number in range(folds if folds > 1 else 0):
        weights = fit([s for s, k in zip(found, part, strict=True) if k != number])
        for place in np.flatnonzero(part == number).tolist():
            rows.setdefault("fitted", [np.zeros(0, bool)] * len(found))[place] = hits(found[place], weights)
    for name, each in rows.items():
        first = np.mean([hit[0] for hit in each])
        recall = sum(int(hit.sum()) for hit in each) / sum(s.phases for s in found)
        print(f"{name}: first is stable {first:.3f}, recall@{PROPOSALS} {recall:.3f}")


if __name__ == "__main__":
    run(main)
