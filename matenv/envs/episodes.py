"""N episodes as arrays: the core of every environment. Both the single and the vector environment own one.

An environment is only a way of proposing the next composition. `Episodes` holds everything else: oracle, task, reward
terms, observations, starts. `LatentEpisodes`, `ElementEpisodes` and `OxideEpisodes` say how a move leads to a
composition.
"""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matenv.bundle import load_bundle
from matenv.composition import CompositionBatch, integer_counts
from matenv.data import load_dataset
from matenv.elements import ABSENT, INDEX, positions
from matenv.envs import decomposition_terms
from matenv.envs.arguments import Arguments, read_options
from matenv.envs.context import Context, Held
from matenv.envs.core import Core, scatter
from matenv.envs.guarding import asked_for, beyond, guard_blocks, guard_terms
from matenv.envs.improving import Limits
from matenv.envs.info import describe_batch, describe_ends, describe_row, numbers_of
from matenv.envs.observations import Block, Observer, observed_scales, shared_blocks
from matenv.envs.repeats import BLOCK as VISITS
from matenv.envs.repeats import first_visits, next_visits, visits_block
from matenv.envs.reservoir_terms import reservoir_terms
from matenv.envs.rewards import TermFunction, Terms, Transition
from matenv.envs.snapshot import Snapshot
from matenv.envs.state import Facts, State, facts_of, replace_rows, take
from matenv.guards import LATENT_GUARDS, Guards, properties_of
from matenv.latent import LatentSpace, load_latent
from matenv.oracle import DEFAULT_PREDICTOR, DEFAULT_REFERENCE, Assessment, Oracle
from matenv.tasks import RESTRICTIONS, load_task
from matenv.tasks.as_data import task_told
from matenv.tasks.element_choices import named

if TYPE_CHECKING:
    from numpy.random import Generator
    from pymatgen.core import Composition


PLAIN = (
    "start", "part", "discount", "terminate_on_success", "repeat_decay", "wish", "campaign", "step_size",
    "reachability",
)  # fmt: skip
"""Arguments that episodes of the same kind have in common, beside those that something is made of."""


class Episodes(Core):
    """N episodes, up to how a move leads to the next composition: `enter`, `sample`, `move`, `read`.

    Args:
        rows: Number of episodes N.
        given: Arguments by name, of `ARGUMENTS`.

    Attributes:
        arguments: All arguments, with their defaults.
        task: What is asked for.
        oracle: What is known and predicted.

    Raises:
        TypeError: Unknown arguments.
        ValueError: Arguments that are not what the environment's page says.
    """

    ARGUMENTS: ClassVar[type[Arguments]]
    """Where the arguments are declared."""

    PENALTY: ClassVar[str]
    """Reward term that charges moves which leave their bounds, a key of `matenv.envs.rewards.PENALTIES`."""

    start_table: str = "mp-ground-states"
    """Dataset whose training formulas ``start="dataset"`` draws from."""

    def __init__(self, rows: int, given: Mapping[str, Any]) -> None:
        super().__init__(rows, given)
        arguments = self.arguments
        self.task = load_task(arguments.task, **{name: getattr(arguments, name) for name in RESTRICTIONS})
        limits = Limits.read(arguments.improve)
        if limits is not None and limits.replace is not None:
            self.task = load_task(self.task, exclude=[limits.replace])
        self.bundle = None if arguments.bundle is None else load_bundle(arguments.bundle)
        self.oracle = self._make_oracle()
        self.task.check(self.oracle.units)
        self.prepare()
        self.context = Context(arguments, self.task)
        drawn = arguments.start == "dataset" and self.task.start is None
        self._start_pool = self._allowed_starts() if drawn else None
        objectives, decay = self.task.parts, arguments.repeat_decay
        paid = self.context.reward if arguments.reward is None else arguments.reward
        offered_terms = self.reward_terms() | guard_terms() | self.context.terms
        self.reward = Terms(paid, self.PENALTY, offered_terms, objectives, decay)
        self.terms = {name: np.zeros(rows) for name in self.reward.weights}
        observed = self.default_blocks() if arguments.observation is None else arguments.observation
        if not isinstance(observed, str):  # the reward depends on these
            needed = ((VISITS,) if decay != 1.0 else ()) + self.needed_blocks()
            observed = (*observed, *(name for name in needed if name not in observed))
        offered = self.blocks() | shared_blocks(observed_scales(self.oracle), self.horizon) | self.context.blocks
        self.observer = Observer(observed, offered | guard_blocks() | {VISITS: visits_block(self.horizon)})
        self.counts_visits = VISITS in self.observer.slices
        guards = asked_for(self.observer.slices, self.reward.weights, arguments.end_beyond)
        self.guards: Guards | None = None
        if guards:
            space = self.space() if set(guards) & set(LATENT_GUARDS) else None
            properties = properties_of(self.task, self.oracle.predictor)
            self.guards = Guards(guards, space, self.oracle.predictor, properties)

    def about(self) -> dict[str, Any]:
        """The task with its restrictions, what is paid and observed, and the arguments that are numbers or words."""
        told = {f"task.{name}": value for name, value in task_told(self.task).items()}
        reward, blocks = dict(self.reward.weights), list(self.observer.slices)
        told |= {"reward": reward, "observation": blocks, "reference": self.oracle.reference}
        told |= {"improve": self.context.limits, "end_beyond": self.arguments.end_beyond}
        return told | {name: getattr(self.arguments, name) for name in PLAIN if hasattr(self.arguments, name)}

    def _make_oracle(self) -> Oracle:
        """The oracle that the arguments ask for."""
        arguments, properties = self.arguments, self.task.properties
        if isinstance(arguments.oracle, Oracle):
            return arguments.oracle
        if self.bundle is not None:
            return self.bundle.oracle(arguments.budget, properties=properties, device=arguments.device)
        return Oracle(
            DEFAULT_REFERENCE if arguments.reference is None else arguments.reference,
            arguments.budget,
            predictor=DEFAULT_PREDICTOR if arguments.predictor is None else arguments.predictor,
            properties=properties,
            device=arguments.device,
        )

    @abstractmethod
    def prepare(self) -> None:
        """Build what the moves need, once task and oracle are known: at least `action_space`."""

    @abstractmethod
    def default_blocks(self) -> tuple[str, ...]:
        """Observation blocks if none are asked for."""

    @abstractmethod
    def blocks(self) -> dict[str, Block]:
        """Observation blocks of this environment alone."""

    def needed_blocks(self) -> tuple[str, ...]:
        """Observation blocks that tell what the episode asks for: always there, named or not."""
        return tuple(self.context.blocks)

    def reward_terms(self) -> dict[str, TermFunction]:
        """Reward terms beside those that are always reported, by name: worked out only if `reward` names them."""
        return {
            "decomposition_energy": decomposition_terms.decomposition_energy,
            "components": decomposition_terms.components,
            "latent_similarity": decomposition_terms.latent_similarity(self.space, self.oracle.hull),
        } | reservoir_terms(self.oracle.hull)

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

    def complete(self, step: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which episodes terminate after so many steps because nothing is left to do, not because time is up (B,)."""
        return np.zeros(len(step), np.bool_)

    def details(self, place: NDArray) -> dict[str, Any]:
        """What one row's info says beside what all environments say; `place` is that row's."""
        return {}

    def arrays(self) -> dict[str, NDArray]:
        """What the vector environment's info says beside what all environments say, (N,) each, freshly allocated."""
        return {}

    def guard_values(self, guards: Guards, place: NDArray, assessment: Assessment) -> dict[str, NDArray[np.float64]]:
        """Values of the guards (B,) each, at some places and for what was assessed there."""
        return guards.of_formulas(assessment)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """The same place, from where both go their own ways; tables and models, which nothing changes, are shared."""
        twin = object.__new__(type(self))
        vars(twin).update(vars(self))
        memo[id(self)] = twin
        for name in ("generators", "seeds", "action_space", "oracle"):
            setattr(twin, name, copy.deepcopy(getattr(self, name), memo))
        if self.arguments.oracle is not None:
            twin.arguments = replace(self.arguments, oracle=twin.oracle)
        return twin

    def __reduce__(self) -> tuple[Any, ...]:
        """Made again from its arguments, then put where it stood: no table or shipped model is pickled."""
        given = {each.name: getattr(self.arguments, each.name) for each in fields(self.arguments)}
        return _made_again, (type(self), given, self.oracle, self.generators, self.seeds, self.get_state())

    @property
    def reward_threshold(self) -> float | None:
        """Return of an episode whose every formula only just meets the target; None where more than the score pays."""
        paid = {name: weight for name, weight in self.reward.weights.items() if weight}
        if set(paid) != {"score"} or self.arguments.repeat_decay != 1.0 or self.context.wish is not None:
            return None
        return float(self.horizon * paid["score"] * self.task.success_score)

    def reset(self, rows: NDArray[np.int64] | None = None, options: Any = None) -> None:
        """Begin new episodes in some rows, as `Core.reset`; options hold formulas to start from and wishes."""
        which = np.arange(self.rows) if rows is None else rows
        asked = read_options(options, len(which))
        wishes = self.context.wishes([self.generators[row] for row in which.tolist()], asked.wishes)
        start: CompositionBatch | None
        formulas = asked.formulas
        if formulas is None and self.task.start is not None:
            formulas = [self.task.start] * len(which)
        if formulas is not None:
            start = _read_starts(formulas)
            self._check_replaced(start)
            place = self.enter(start)
        elif self._start_pool is not None:
            draws = np.array([self.generators[row].random() for row in which.tolist()])
            start = self._start_pool[(draws * len(self._start_pool)).astype(np.int64)]
            place = self.enter(start)
        else:
            start = None
            place = self.sample([self.generators[row] for row in which.tolist()])
        compositions = self.read(place)
        held = self.context.begin(self.oracle, wishes, compositions if start is None else start, compositions)
        fresh = State(
            place=place,
            step=np.zeros(len(which), np.int64),
            compositions=compositions,
            facts=self._facts(place, compositions, held),
            start=compositions if start is None else start,
            round_trip=np.ones(len(which), np.bool_) if start is None else start.same_as(compositions),
            visits=first_visits(compositions, self.horizon) if self.counts_visits else None,
            wishes=held.wishes,
            origin=held.origin,
            best=held.best,
        )
        self.state = fresh if self.state is None or len(which) == self.rows else replace_rows(self.state, which, fresh)
        self.terms = {name: _with_zeros(values, which) for name, values in self.terms.items()}

    def step(
        self, actions: ArrayLike, rows: NDArray[np.int64] | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_]]:
        """Move some rows by one step, as `Core.step`."""
        if self.state is None:
            raise RuntimeError("step() was called before reset(); begin an episode with reset(seed=...)")
        old = self.state if rows is None else take(self.state, rows)
        place, outside = self.move(old.place, actions, old.step)
        compositions = self.read(place)
        changed = ~compositions.same_as(old.compositions)
        held = self.context.move(old, changed, compositions)
        facts = self._facts(place, compositions, held)
        visits = None if old.visits is None else next_visits(old.visits, old.step, compositions)
        best = None if held.best is None else held.best.after(compositions, facts.score)
        moved = State(
            place, old.step + 1, compositions, facts, old.start, old.round_trip, visits, held.wishes, held.origin, best
        )
        complete = self.complete(moved.step)
        truncated = (moved.step >= self.horizon) & ~complete
        terminated = complete | beyond(facts, self.arguments.end_beyond)
        terminated |= facts.success & self.arguments.terminate_on_success
        transition = Transition(old, moved, changed, outside, truncated | terminated, terminated)
        terms = self.reward(transition, self.arguments.discount)
        reward = self.reward.total(terms)
        if rows is None:
            self.state, self.terms = moved, terms
            return reward, terminated, truncated
        self.state = replace_rows(self.state, rows, moved)
        self.terms = {name: scatter(terms[name], rows, self.rows) for name in terms}
        return (
            scatter(reward, rows, self.rows),
            scatter(terminated, rows, self.rows),
            scatter(truncated, rows, self.rows),
        )

    def describe(self, row: int) -> dict[str, Any]:
        """Everything about one row's current formula, in words and Python numbers; undefined values are left out.

        Args:
            row: Row number.

        Returns:
            The `info` dictionary of the single environment.
        """
        if self.state is None:
            raise RuntimeError("describe() was called before reset(); begin an episode with reset(seed=...)")
        details = self.details(self.state.place[row])
        return describe_row(self.state, row, self.terms, details, self.oracle.hull)

    def tell(self) -> dict[str, Any]:
        """The `info` of a vector environment, in new arrays (N, ...)."""
        assert self.state is not None
        told = describe_batch(self.state, self.terms, self.arguments.potentials) | self.arrays()
        return told if self.in_words else numbers_of(self.state, told)

    def final_info(self, rows: NDArray[np.int64]) -> dict[str, Any]:
        """Facts and words about the rows whose episode ended; other rows hold zeros and None."""
        assert self.state is not None
        return self.tell() | (describe_ends(self.state, rows) if self.in_words else {})

    def _facts(self, place: NDArray, compositions: CompositionBatch, held: Held) -> Facts:
        guards = None if self.guards is None else partial(self.guard_values, self.guards, place)
        return facts_of(self.oracle, self.task, compositions, guards, self.context.narrowing(held))

    def _check_replaced(self, start: CompositionBatch) -> None:
        """A start must hold the element that is to be replaced in it."""
        element = None if self.context.limits is None else self.context.limits.replace
        if element is None:
            return
        lacking = start.dense_counts()[:, INDEX[element]] == 0
        if lacking.any():
            formula = start[np.flatnonzero(lacking)[:1]].formulas()[0]
            raise ValueError(
                f"options['formula']={formula!r} lacks {element}, which improve['replace'] names; give formulas "
                "that hold it"
            )

    def _allowed_starts(self) -> CompositionBatch:
        data = load_dataset(self.start_table) if self.bundle is None else self.bundle.dataset
        limits = self.context.limits
        pool = data.compositions[getattr(data.split("system"), self.arguments.part)]
        replaced = None if limits is None or limits.replace is None else [limits.replace]
        pool = pool[np.flatnonzero(load_task(self.task, require=replaced).admits(pool))]
        if len(pool) == 0:
            raise ValueError(
                f"no {self.arguments.part} formula of {data.name!r} obeys the rules of task {self.task.name!r} "
                f"(elements={named(self.task.elements)}, exclude={named(self.task.exclude)}, "
                f"require={self.task.require}, filters={self.task.filters}); widen them or use "
                f"start={self.arguments.STARTS[1]!r}"
            )
        return pool


@lru_cache(maxsize=4)
def shared_latent(name: str, device: str) -> LatentSpace:
    """A latent space by name, one for all environments that name it."""
    return load_latent(name, device=device)


def _made_again(
    kind: type[Episodes],
    given: dict[str, Any],
    oracle: Oracle,
    generators: list[Generator],
    seeds: list[int],
    state: Snapshot,
) -> Episodes:
    """The episodes that `Episodes.__reduce__` describes."""
    core = kind(len(generators), given)
    core.oracle, core.generators, core.seeds = oracle, generators, seeds
    core.set_state(state)
    return core


def _read_starts(formulas: Sequence[str | Composition]) -> CompositionBatch:
    asked = CompositionBatch.from_counts(integer_counts(formulas))
    absent = np.isin(asked.elements, positions(ABSENT)).any(axis=1)
    if absent.any():
        raise ValueError(
            f"start formula {str(formulas[int(absent.argmax())])!r} holds a noble gas; the embedded data know no "
            f"compound of {', '.join(ABSENT)}"
        )
    return asked


def _with_zeros(values: NDArray, rows: NDArray[np.int64]) -> NDArray:
    zeroed = values.copy()
    zeroed[rows] = 0.0
    return zeroed
