"""The batched core of every environment: N episodes as arrays. Both the single and the vector environment own one.

An environment is only a way of proposing the next composition. `Core` holds everything else: oracle, task, reward
terms, observations, starts, descriptions. `LatentCore` and `ElementsCore` say how a move leads to a composition.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, ClassVar, TypedDict

import gymnasium as gym
import numpy as np
from gymnasium.utils.seeding import np_random
from numpy.typing import ArrayLike, NDArray

from matenv.checks import check_device, check_flag, check_number, check_whole
from matenv.composition import CompositionBatch, integer_counts
from matenv.data import load_dataset
from matenv.elements import ABSENT, SYMBOLS, positions
from matenv.envs import decomposition_terms
from matenv.envs.guarding import asked_for, beyond, check_limits, guard_blocks, guard_terms
from matenv.envs.observations import Block, Observer, observed_scales, shared_blocks
from matenv.envs.repeats import BLOCK as VISITS
from matenv.envs.repeats import first_visits, next_visits, visits_block
from matenv.envs.rewards import Reward, TermFunction, Terms, Transition
from matenv.envs.state import Facts, State, judge, replace_rows
from matenv.guards import LATENT_GUARDS, Guards, properties_of
from matenv.latent import LatentSpace, load_latent
from matenv.oracle import DEFAULT_PREDICTOR, Assessment, Oracle
from matenv.tasks import DEFAULT_TASK, Task, load_task

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.random import Generator

    from matenv.envs.rendering import Trail
    from matenv.properties import Predictor


class CoreArguments(TypedDict, total=False):
    """Arguments that all environments share; the environments' pages say what they mean."""

    task: str | Task
    horizon: int
    start: str
    observation: Sequence[str]
    reward: Reward | None
    discount: float
    terminate_on_success: bool
    potentials: bool
    elements: Sequence[str] | None
    exclude: Sequence[str] | None
    oracle: Oracle | None
    reference: str
    budget: int | None
    predictor: str | Predictor | None
    end_beyond: Mapping[str, float] | None
    repeat_decay: float
    device: str


class Core(ABC):
    """Dynamics of N episodes, up to how a move leads to the next composition: `enter`, `sample`, `move`, `read`.

    Attributes:
        state: Where the episodes stand; replaced, never changed in place.
        generators: One random generator per row.
        terms: Unweighted reward terms of the last step (N,) each.
        action_space: Moves of one row.
    """

    ARGUMENTS: ClassVar[type]
    """The `TypedDict` of the constructor's arguments."""

    STARTS: ClassVar[tuple[str, ...]]
    """Ways to start an episode; the first is a training formula, the others are those `sample` knows."""

    PENALTY: ClassVar[str]
    """Reward term that charges moves which leave their bounds, a key of `matenv.envs.rewards.PENALTIES`."""

    DEFAULT_BLOCKS: ClassVar[tuple[str, ...]]
    """Observation blocks if none are asked for."""

    action_space: gym.Space

    start_table: str = "mp-ground-states"
    """Dataset whose training formulas ``start="dataset"`` draws from."""

    def __init__(
        self,
        rows: int,
        *,
        task: str | Task = DEFAULT_TASK,
        horizon: int = 16,
        start: str = "dataset",
        observation: Sequence[str] | None = None,
        reward: Reward | None = None,
        discount: float = 0.99,
        terminate_on_success: bool = False,
        potentials: bool = False,
        elements: Sequence[str] | None = None,
        exclude: Sequence[str] | None = None,
        oracle: Oracle | None = None,
        reference: str = "train",
        budget: int | None = None,
        predictor: str | Predictor | None = None,
        end_beyond: Mapping[str, float] | None = None,
        repeat_decay: float = 1.0,
        device: str = "cpu",
    ) -> None:
        check_whole("num_envs", rows, "environments")
        self.horizon = check_whole("horizon", horizon, "steps")
        if start not in self.STARTS:
            raise ValueError(f"start={start!r} is unknown; choose one of {', '.join(self.STARTS)}")
        self.discount = check_number("discount", discount, 0, 1, "a number in [0, 1]")
        self.repeat_decay = check_number("repeat_decay", repeat_decay, 0, 1, "a number in [0, 1]; 1 for no decay")
        self.end_beyond = check_limits(end_beyond)
        if oracle is not None and not isinstance(oracle, Oracle):
            raise ValueError(f"oracle={oracle!r} must be a matenv.Oracle, or None for a new one")
        if oracle is not None and budget is not None:
            raise ValueError("give budget to the Oracle you pass, not to the environment as well")
        if oracle is not None and predictor is not None:
            raise ValueError(f"oracle= and predictor={predictor!r}: give one; Oracle(predictor=...) is the other way")
        if oracle is not None and oracle.judge:
            raise ValueError(
                "oracle was made with judge=True, to score candidates that were found otherwise; an environment pays "
                "rewards and needs one without it"
            )
        check_device(device)
        self.task = load_task(task, elements, exclude)
        self.oracle = oracle or Oracle(
            reference,
            budget,
            predictor=predictor or DEFAULT_PREDICTOR,
            properties=self.task.properties,
            device=device,
        )
        self.task.check(self.oracle.units)
        self.terminate_on_success = bool(terminate_on_success)
        self.potentials = check_flag("potentials", potentials)
        self.start = start
        self._start_pool = self._allowed_starts() if start == "dataset" else None
        self.generators: list[Generator] = [np_random(None)[0] for _ in range(rows)]
        self.state: State | None = None
        self.prepare()
        wishes = [wish.name for wish in self.task.objectives]
        self.reward = Terms(reward, self.PENALTY, self.reward_terms() | guard_terms(), wishes, self.repeat_decay)
        self.terms = {name: np.zeros(rows) for name in self.reward.weights}
        observed = self.DEFAULT_BLOCKS if observation is None else observation
        if self.repeat_decay != 1.0 and not isinstance(observed, str) and VISITS not in observed:
            observed = (*observed, VISITS)  # the reward depends on them
        offered = self.blocks() | shared_blocks(observed_scales(self.oracle), self.horizon)
        self.observer = Observer(observed, offered | guard_blocks() | {VISITS: visits_block(self.horizon)})
        self.counts_visits = VISITS in self.observer.slices
        guards = asked_for(self.observer.slices, self.reward.weights, self.end_beyond)
        self.guards: Guards | None = None
        if guards:
            space = self.space() if set(guards) & set(LATENT_GUARDS) else None
            properties = properties_of(self.task, self.oracle.predictor)
            self.guards = Guards(guards, space, self.oracle.predictor, properties)

    @abstractmethod
    def prepare(self) -> None:
        """Build what the moves need, once task and oracle are known: at least `action_space`."""

    @abstractmethod
    def blocks(self) -> dict[str, Block]:
        """Observation blocks of this environment alone."""

    def reward_terms(self) -> dict[str, TermFunction]:
        """Reward terms beside those that are always reported, by name: worked out only if `reward` names them."""
        return {
            "decomposition_energy": decomposition_terms.decomposition_energy,
            "components": decomposition_terms.components,
            "latent_similarity": decomposition_terms.latent_similarity(self.space, self.oracle.hull),
        }

    def space(self) -> LatentSpace:
        """The latent space in which formulas are compared."""
        return shared_latent("vae", "cpu")

    @abstractmethod
    def enter(self, formulas: CompositionBatch) -> NDArray:
        """Places (B, ...) to start from, from formulas (B)."""

    @abstractmethod
    def sample(self, generators: Sequence[Generator]) -> NDArray:
        """Places (B, ...) for ``start=`` other than a training formula, with the same number of draws at every call."""

    @abstractmethod
    def move(self, place: NDArray, actions: ArrayLike, step: NDArray[np.int64]) -> tuple[NDArray, NDArray[np.float64]]:
        """Where moves lead.

        Args:
            place: Where the rows stand (B, ...).
            actions: A move per row.
            step: Steps taken before (B,).

        Returns:
            The new places (B, ...), freshly allocated, and how far each move tried to leave its bounds (B,).
        """

    @abstractmethod
    def read(self, place: NDArray) -> CompositionBatch:
        """The compositions at some places."""

    @abstractmethod
    def plot(self, axes: Axes, trail: Trail) -> None:
        """Draw the path of an episode."""

    def details(self, place: NDArray) -> dict[str, Any]:
        """What one row's info says beside what all environments say; `place` is that row's."""
        return {}

    def arrays(self) -> dict[str, NDArray]:
        """What the vector environment's info says beside what all environments say, (N,) each, freshly allocated."""
        return {}

    def guard_values(self, guards: Guards, place: NDArray, assessment: Assessment) -> dict[str, NDArray[np.float64]]:
        """Values of the guards (B,) each, at some places and for what was assessed there."""
        return guards.of_formulas(assessment)

    @property
    def rows(self) -> int:
        """Number of episodes N."""
        return len(self.generators)

    def reset(self, rows: NDArray[np.int64] | None = None, formulas: Sequence[str] | None = None) -> None:
        """Begin new episodes in some rows.

        Args:
            rows: Row numbers, ascending; None for all.
            formulas: Formula to start each of them from; None to draw starts.
        """
        which = np.arange(self.rows) if rows is None else rows
        start: CompositionBatch | None
        if formulas is not None:
            start = _read_starts(formulas)
            place = self.enter(start)
        elif self._start_pool is not None:
            draws = np.array([self.generators[row].random() for row in which.tolist()])
            start = self._start_pool[(draws * len(self._start_pool)).astype(np.int64)]
            place = self.enter(start)
        else:
            start = None
            place = self.sample([self.generators[row] for row in which.tolist()])
        compositions = self.read(place)
        visits = first_visits(compositions, self.horizon) if self.counts_visits else {}
        fresh = State(
            place=place,
            step=np.zeros(len(which), np.int64),
            compositions=compositions,
            facts=self._facts(place, compositions) | visits,
            start=compositions if start is None else start,
            round_trip=np.ones(len(which), np.bool_) if start is None else start.same_as(compositions),
        )
        self.state = fresh if self.state is None or len(which) == self.rows else replace_rows(self.state, which, fresh)
        self.terms = {name: _with_zeros(values, which) for name, values in self.terms.items()}

    def step(
        self, actions: ArrayLike, rows: NDArray[np.int64] | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_]]:
        """Move some rows by one step.

        Args:
            actions: A move per row, as `move` takes them.
            rows: Row numbers, ascending; None for all.

        Returns:
            rewards (N,), terminated (N,), truncated (N,); zero and False for rows that did not move.

        Raises:
            ValueError: Actions of the wrong shape or kind.
            RuntimeError: `reset` has not been called.
        """
        if self.state is None:
            raise RuntimeError("step() was called before reset(); begin an episode with reset(seed=...)")
        old = self.state if rows is None else self.state[rows]
        place, outside = self.move(old.place, actions, old.step)
        compositions = self.read(place)
        facts = self._facts(place, compositions)
        if self.counts_visits:
            facts |= next_visits(old, compositions)
        moved = State(place, old.step + 1, compositions, facts, old.start, old.round_trip)
        truncated = moved.step >= self.horizon
        terminated = (facts["success"] & self.terminate_on_success) | beyond(facts, self.end_beyond)
        changed = ~compositions.same_as(old.compositions)
        transition = Transition(old, moved, changed, outside, truncated | terminated, terminated)
        terms = self.reward(transition, self.discount)
        reward = self.reward.total(terms)
        if rows is None:
            self.state, self.terms = moved, terms
            return reward, terminated, truncated
        self.state = replace_rows(self.state, rows, moved)
        self.terms = {name: _scatter(terms[name], rows, self.rows) for name in terms}
        return (
            _scatter(reward, rows, self.rows),
            _scatter(terminated, rows, self.rows),
            _scatter(truncated, rows, self.rows),
        )

    def observe(self) -> NDArray[np.float32]:
        """Observations of all rows (N, width), freshly allocated."""
        assert self.state is not None
        return self.observer(self.state)

    def describe(self, row: int) -> dict[str, Any]:
        """Everything about one row's current formula, in words and Python numbers; undefined values are left out.

        Args:
            row: Row number.

        Returns:
            The `info` dictionary of the single environment.
        """
        if self.state is None:
            raise RuntimeError("describe() was called before reset(); begin an episode with reset(seed=...)")
        state, facts = self.state, self.state.facts
        task_terms = {key[5:]: float(facts[key][row]) for key in facts if key.startswith("term.")}
        info: dict[str, Any] = {
            "formula": state.compositions[row : row + 1].formulas()[0],
            "score": float(facts["score"][row]),
            "terms": {**{name: float(values[row]) for name, values in self.terms.items()}, **task_terms},
            "success": bool(facts["success"][row]),
            "valid": bool(facts["valid"][row]),
            "evaluated": bool(facts["evaluated"][row]),
            "known": bool(facts["known"][row]),
            "novel": bool(facts["novel"][row]),
            "p_stable": float(facts["p_stable"][row]),
            "start_formula": state.start[row : row + 1].formulas()[0],
            "start_round_trip": bool(state.round_trip[row]),
            "step": int(state.step[row]),
            **self.details(state.place[row]),
        }
        if math.isfinite(facts["decomposition_energy"][row]):
            info["decomposition_energy"] = float(facts["decomposition_energy"][row])
            info["hull_energy"] = float(facts["hull_energy"][row])
            info["products"] = self.oracle.hull.products(facts["members"][row], facts["weights"][row])
            elements, potentials = state.compositions.elements[row].tolist(), facts["potentials"][row].tolist()
            info["potentials"] = {SYMBOLS[e]: mu for e, mu in zip(elements, potentials, strict=True) if e >= 0}
            info["potentials_unique"] = len(info["products"]) == len(info["potentials"])
            info["predicted"] = {
                name: (float(facts[f"mean.{name}"][row]), float(facts[f"std.{name}"][row]))
                for name in self.oracle.units
            }
        else:
            info["products"], info["predicted"] = [], {}
        for key, values in self.optional(state).items():
            info[key] = {name: float(v[row]) for name, v in values.items()} if key == "guards" else int(values[row])
        return info

    def optional(self, state: State) -> dict[str, Any]:
        """What infos hold only if it is asked for, in new arrays (N,): ``guards`` by name, and ``visits``."""
        found: dict[str, Any] = {}
        if self.guards is not None:
            found["guards"] = {name: state.facts[f"guard.{name}"].copy() for name in self.guards.names}
        if self.counts_visits:
            found[VISITS] = state.facts[VISITS].copy()
        return found

    def _facts(self, place: NDArray, compositions: CompositionBatch) -> Facts:
        further = None if self.guards is None else partial(self._guard_facts, self.guards, place)
        return judge(self.oracle, self.task, compositions, further)

    def _guard_facts(self, guards: Guards, place: NDArray, assessment: Assessment) -> Facts:
        return {f"guard.{name}": values for name, values in self.guard_values(guards, place, assessment).items()}

    def _allowed_starts(self) -> CompositionBatch:
        data = load_dataset(self.start_table)
        pool = data.compositions[data.split("system").train]
        pool = pool[np.flatnonzero(self.task.allows(pool))]
        if len(pool) == 0:
            raise ValueError(
                f"no training formula of {data.name!r} obeys the rules of task {self.task.name!r} "
                f"(elements={self.task.elements}, "
                f"exclude={self.task.exclude}); widen them or use start={self.STARTS[1]!r}"
            )
        return pool


@lru_cache(maxsize=4)
def shared_latent(name: str, device: str) -> LatentSpace:
    """A latent space by name, one for all environments that name it."""
    return load_latent(name, device=device)


def _read_starts(formulas: Sequence[str]) -> CompositionBatch:
    asked = CompositionBatch.from_counts(integer_counts(formulas))
    absent = np.isin(asked.elements, positions(ABSENT)).any(axis=1)
    if absent.any():
        raise ValueError(
            f"start formula {formulas[int(absent.argmax())]!r} holds a noble gas; the embedded data know no "
            f"compound of {', '.join(ABSENT)}"
        )
    return asked


def _scatter(values: NDArray, rows: NDArray[np.int64], length: int) -> NDArray:
    full = np.zeros(length, values.dtype)
    full[rows] = values
    return full


def _with_zeros(values: NDArray, rows: NDArray[np.int64]) -> NDArray:
    zeroed = values.copy()
    zeroed[rows] = 0.0
    return zeroed
