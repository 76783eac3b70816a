"""`Reinvent`: the formula policy as a search, moved from its prior towards what scores well.

REINVENT's loss (Olivecrona and co-workers, J. Cheminform. 9, 48, 2017) with replay: (log p_prior + sigma score -
log p)^2 over the new formulas and the best met so far, one per chemical system. As options: no learning, maximum
likelihood of the best, the trajectory balance of GFlowNets, children of the best formulas beside the policy's own, and
a surrogate that picks among many.

Trajectory balance (Malkin and co-workers, NeurIPS 2022): a formula is built by edits, each of which adds an element and
its count, in one order, so that it has one trajectory and no backward policy is needed. The partition function is
estimated from each batch (Zhang and co-workers, Robust Scheduling with GFlowNets, ICLR 2023), which makes the loss a
variance: learned as a parameter it lags behind, and the policy forgets its prior before it has met anything good.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal, get_args

import numpy as np
import torch
from matenv.agents.archive import Archive
from matenv.agents.formula_policy import FormulaRules, Sequences, Unrolled, load_prior
from matenv.agents.searches.children import children
from matenv.agents.surrogate import Surrogate
from numpy.typing import NDArray
from torch import Tensor, nn

from matenv.benchmark import Problem, register
from matenv.composition import CompositionBatch
from matenv.elements import NUM_ELEMENTS

Update = Literal["none", "likelihood", "reinvent", "balance"]

FEW_CALLS = 2_000
"""Budgets up to this one are spent in small batches."""

_CHILDREN = 0.3  # share of children where calls are many
_ENOUGH = 10  # systems with a score, from which on there is something to learn
_PATIENCE = 12  # draws in search of formulas that pass, after which a batch is as small as it is
_MOST_DRAWN = 6_000
_PER_SYSTEM = 4  # formulas of one chemical system in a batch that the surrogate picks
_SHARPNESS, _FLOOR = 8.0, 0.1  # a GFlowNet's reward is prior x (score + floor)^sharpness
_EXPLORED = 0.1  # share of such a batch that is taken by chance


@dataclass(frozen=True)
class Options:
    """How the policy is moved.

    Attributes:
        update: The loss; ``"none"`` samples the prior.
        batch: Formulas per update; None for 25 at budgets of at most 2,000 calls and 100 beyond.
        steps: Gradient steps per update.
        rate: Learning rate.
        sigma: Weight of a score of 1, where the best met so far counts as 1 [nat].
        kept: Chemical systems kept for replay.
        fresh: New formulas, and as many replayed, in each gradient step.
        children: Share of a batch that are children of the best, made as a genetic search makes them; None for none at
            budgets of at most 2,000 calls and 0.3 beyond, where the policy alone narrows to what it found first.
        screen: Candidates per call from which an online surrogate picks; 0 for none.
    """

    update: Update = "reinvent"
    batch: int | None = None
    steps: int = 8
    rate: float = 1e-3
    sigma: float = 40.0
    kept: int = 250
    fresh: int = 32
    children: float | None = None
    screen: int = 0

    def __post_init__(self) -> None:
        """Check the options."""
        if self.update not in get_args(Update):
            raise ValueError(f"update={self.update!r} is unknown; choose one of {', '.join(get_args(Update))}")
        if self.children is not None and not 0 <= self.children <= 1:
            raise ValueError(f"children={self.children} must lie in [0, 1]: a share of a batch")
        for name in ("steps", "kept", "fresh"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be at least 1")


class Reinvent:
    """The policy as a search by ask and tell.

    Args:
        seed: Of everything random.
        options: How the policy is moved.
    """

    def __init__(self, seed: int = 0, options: Options | None = None) -> None:
        self.seed, self.options = seed, options or Options()

    def begin(self, problem: Problem) -> None:
        """A new problem: back to the prior."""
        torch.set_num_threads(1)  # more gain nothing for networks this small
        self.problem, self.rules = problem, FormulaRules.of(problem.task)
        self.rng, self.generator = np.random.default_rng(self.seed), torch.Generator().manual_seed(self.seed)
        self.policy, self.prior = load_prior(), load_prior().requires_grad_(False)
        self.optimizer = torch.optim.Adam(self.policy.parameters(), self.options.rate)
        self.archive = Archive(self.options.kept)
        self.surrogate: Surrogate | None = None
        self.passing = 0.5  # share of samples that pass, estimated as they are drawn
        self.narrowed = False  # whether the policy had nothing new once

    def ask(self, n: int) -> CompositionBatch:
        """A batch of formulas that pass the free checks and were not assessed before."""
        few = self.problem.budget <= FEW_CALLS
        share = (0.0 if few else _CHILDREN) if self.options.children is None else self.options.children
        room = min(n, self.options.batch or (25 if few else 100))
        wanted = room * max(self.options.screen, 1) if self.surrogate is not None else room
        bred = int(wanted * share) if len(self.archive) >= 2 * _ENOUGH else 0
        found = self._gather(bred, self._children)
        found = self._gather(wanted, self._samples, found, 1 if self.narrowed else _PATIENCE)
        if not len(found):  # the policy has narrowed to what was asked: the prior has more
            self.narrowed = True
            found = self._gather(wanted, self._of_prior)
        if self.surrogate is not None and len(found) > room:
            return found[self._picked(found, room)]
        return found[self.rng.permutation(len(found))[:room]]

    def tell(self, compositions: CompositionBatch, scores: NDArray[np.float64]) -> None:
        """Keep the best and learn."""
        self.archive.add(compositions, scores)
        if self.options.screen and len(compositions):
            self._teach_surrogate(compositions, scores)
        if self.options.update != "none" and len(self.archive) >= _ENOUGH and len(compositions):
            self._learn(compositions, scores)

    def _gather(
        self,
        number: int,
        draw: Callable[[int], CompositionBatch],
        found: CompositionBatch | None = None,
        patience: int = _PATIENCE,
    ) -> CompositionBatch:
        """Draw until there are that many distinct formulas that pass, or patience ends."""
        if found is None:
            found = CompositionBatch.from_counts(np.zeros((0, NUM_ELEMENTS), np.int64))
        for _ in range(patience):
            if len(found) >= number:
                break
            drawn = int(min((number - len(found)) / max(self.passing, 0.02) * 1.3 + 20, _MOST_DRAWN))
            new = draw(drawn)
            new = new[self.problem.fresh(new)]
            self.passing = 0.7 * self.passing + 0.3 * len(new) / drawn
            found = CompositionBatch.concatenate([found, new])
            found = found[found.distinct()]
        return found[:number]

    def _samples(self, number: int) -> CompositionBatch:
        return self.policy.sample(number, self.rules, self.generator)[0].compositions()

    def _of_prior(self, number: int) -> CompositionBatch:
        return self.prior.sample(number, self.rules, self.generator)[0].compositions()

    def _children(self, number: int) -> CompositionBatch:
        parents = self.archive.compositions[self.archive.draw(number, self.rng)]
        bred = children(parents, self.archive.compositions, self.problem.task, self.rng)
        return bred[np.flatnonzero((bred.size <= 6) & (bred.counts.max(axis=1) <= 12))]

    def _learn(self, new: CompositionBatch, scores: NDArray[np.float64]) -> None:
        """Gradient steps on the new formulas and on the best."""
        options, best = self.options, len(self.archive)
        formulas = CompositionBatch.concatenate([self.archive.compositions, new])
        known = Unrolled.of(Sequences.of(formulas), self.rules)
        with torch.no_grad():
            prior = self.prior.log_prob_of(known)
        score = np.concatenate([self.archive.scores, scores]) / max(self.archive.scores[0], 1e-3)
        worth = torch.from_numpy(score).float()
        alone = options.update == "likelihood"
        for _ in range(options.steps):
            replayed = self.archive.draw(options.fresh * (2 if alone else 1), self.rng)
            fresh = best + self.rng.integers(len(new), size=0 if alone else options.fresh)
            rows = torch.from_numpy(np.concatenate([replayed, fresh]))
            loss = self._loss(self.policy.log_prob_of(known[rows]), prior[rows], worth[rows])
            self.optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(self.policy.parameters(), 1.0)
            self.optimizer.step()

    def _loss(self, log_p: Tensor, prior: Tensor, score: Tensor) -> Tensor:
        if self.options.update == "likelihood":
            return -log_p.mean()
        if self.options.update == "reinvent":
            return ((prior + self.options.sigma * score - log_p) ** 2).mean() / 100
        return (log_p - prior - _SHARPNESS * torch.log(score + _FLOOR)).var(correction=0) / 100

    def _teach_surrogate(self, compositions: CompositionBatch, scores: NDArray[np.float64]) -> None:
        """The factors of the score, which are smoother than their product."""
        parts = [*self.problem.task.parts[: len(self.problem.task.objectives)], "viability"]
        told = self.problem.terms
        factors = [told[name] for name in parts] if set(parts) <= told.keys() else [scores]
        labels = np.stack(factors, axis=1)
        first = self.surrogate is None
        if self.surrogate is None:
            self.surrogate = Surrogate(labels.shape[1], seed=self.seed)
        self.surrogate.tell(compositions, labels, steps=150 if first else 40)

    def _picked(self, found: CompositionBatch, room: int) -> NDArray[np.int64]:
        """Rows of the most promising, few of each system, and some by chance."""
        assert self.surrogate is not None
        said = self.surrogate.predict(found).prod(axis=2)
        promise = said.mean(axis=0) + self.rng.random() * said.std(axis=0)
        explored = int(room * _EXPLORED)
        chosen: list[int] = []
        met: dict[int, int] = {}
        systems = found.systems().keys().tolist()
        for row in np.argsort(-promise, kind="stable").tolist():
            if len(chosen) == room - explored:
                break
            met[systems[row]] = met.get(systems[row], 0) + 1
            if met[systems[row]] <= _PER_SYSTEM:
                chosen.append(row)
        others = self.rng.permutation(np.setdiff1d(np.arange(len(found)), chosen))
        return np.array([*chosen, *others[: room - len(chosen)].tolist()], np.int64)


SCREENED = Options(screen=10)
"""With a surrogate, which learns from the scores and picks one of ten of the policy's proposals."""

_ABOUT = "The formula policy, which spells formulas element by element, pre-trained on train formulas; "


def _register(name: str, options: Options, does: str, tracks: tuple[str, ...] = ("single",)) -> None:
    register(name, partial(Reinvent, options=options), tracks, about=_ABOUT + does)


_register("formula prior", Options("none", children=0.0), "its samples, nothing is learned.", ("single", "amortised"))
_register(
    "REINVENT", Options(), "moved by REINVENT's loss with replay of the best of each chemical system. Beyond "
    f"{FEW_CALLS:,} calls {_CHILDREN:.0%} of a batch are children of the best.", ("single", "amortised")
)  # fmt: skip
_register(
    "REINVENT, screened", SCREENED, "moved as in REINVENT, and an ensemble, which learns the factors of the score from "
    f"what was asked, picks one of {SCREENED.screen} of its proposals."
)  # fmt: skip
_register("formula MLE", Options("likelihood", children=0.0), "moved to make the best it met likely.")
_register(
    "formula GFlowNet", Options("balance", children=0.0), "moved by the trajectory balance of GFlowNets, the partition "
    "function estimated from each batch, so that a formula becomes as likely as prior x (score + "
    f"{_FLOOR})^{_SHARPNESS:g} has it."
)  # fmt: skip
