"""Campaigns in chemical systems: which of their compositions are stable phases, as the table knows them.

No predictor and no hull: a proposal is looked up. What the table knows of the system is what there is to find.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Self

import numpy as np
from gymnasium.spaces import MultiDiscrete
from numpy.typing import ArrayLike, NDArray

from matenv import elements as alphabet
from matenv.checks import check_choice, check_listed
from matenv.composition import MAX_ELEMENTS, CompositionBatch
from matenv.data import load_dataset
from matenv.data.dataset import PARTS
from matenv.envs.arguments import INFOS, check_horizon, each_row
from matenv.envs.core import Core, scatter
from matenv.envs.element_features import FEATURES
from matenv.envs.known_systems import MAX_ATOMS, MAX_COUNT, SIZES, SLOTS, by_electronegativity, known_systems
from matenv.envs.observations import Block, Observer
from matenv.envs.snapshot import Snapshot
from matenv.envs.state import replace_rows, take

STATUSES = ("stable", "unstable", "unknown", "repeated", "too large")
"""What becomes of a proposal; "unstable" and "unknown" are told apart by whether somebody computed it."""

STABLE, UNSTABLE, UNKNOWN, REPEATED, TOO_LARGE = range(1, 6)

ENERGY_BOUND = 5.0
"""eV/atom; formation energies in observations are divided by this."""

MOST_PROPOSALS = 10_000
"""Longest campaign: the observation holds every proposal."""

_PLACE = 4 + len(STATUSES) + 1  # counts, status, energy


@dataclass(kw_only=True)
class SystemArguments:
    """Arguments of the system environment; `matenv.envs.system.MaterialSystemEnv` says what they mean."""

    part: str = "train"
    sizes: Sequence[int] = SIZES
    horizon: int = 10
    observation: Sequence[str] | None = None
    info: str = "words"

    def __post_init__(self) -> None:
        """Check them."""
        check_choice("part", self.part, PARTS)
        sizes = () if isinstance(self.sizes, str) or not hasattr(self.sizes, "__iter__") else tuple(self.sizes)
        whole = all(isinstance(size, int | np.integer) for size in sizes)
        if not sizes or not whole or len(set(sizes)) < len(sizes) or set(sizes) - set(SIZES):
            raise ValueError(f"sizes={self.sizes!r} must be different numbers of elements out of {SIZES}")
        self.sizes = sizes
        self.horizon = check_horizon(self.horizon, "proposals", MOST_PROPOSALS)
        if self.observation is not None:
            check_listed("observation", self.observation, "distinct blocks, such as ['composition']")
        check_choice("info", self.info, INFOS)


@dataclass
class SystemState:
    """Where N campaigns stand.

    Attributes:
        place: Counts of the proposals so far, reduced, in slots (N, H, 4) int32; zeros where there is none yet.
        step: Proposals so far (N,) int64.
        slots: Elements of the system by electronegativity (N, 4) int16, padded with -1.
        status: What became of each proposal (N, H) int8: 0 for none yet, else one more than its place in `STATUSES`.
        energy: Formation energies revealed (N, H) [eV/atom]; NaN elsewhere.
        keys: Keys of the proposals (N, H) uint64.
        compositions: The last proposals (N), empty at the start.
        phases: Stable phases there are to find (N,) int64.
        hits: Found so far (N,) int64.
    """

    place: NDArray[np.int32]
    step: NDArray[np.int64]
    slots: NDArray[np.int16]
    status: NDArray[np.int8]
    energy: NDArray[np.float64]
    keys: NDArray[np.uint64]
    compositions: CompositionBatch
    phases: NDArray[np.int64]
    hits: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))


class SystemEpisodes(Core):
    """Campaigns of proposals, each in a chemical system of its own."""

    ARGUMENTS = SystemArguments

    state: SystemState | None

    def __init__(self, rows: int, given: Mapping[str, Any]) -> None:
        super().__init__(rows, given)
        self.known, self.data = known_systems(), load_dataset("mp-ground-states")
        self._stable = self.data.labels["decomposition_energy"] <= 0.0
        self._pools = [self.known.pool(self.arguments.part, size) for size in self.arguments.sizes]
        self.action_space = MultiDiscrete(np.full(SLOTS, MAX_COUNT))
        self.terms = {"hits": np.zeros(rows)}
        blocks = system_blocks(self.horizon)
        observed = self.arguments.observation
        self.observer = Observer(tuple(blocks) if observed is None else observed, blocks)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """The same place, from where both go their own ways; the table, which nothing changes, is shared."""
        twin = object.__new__(type(self))
        vars(twin).update(vars(self))
        memo[id(self)] = twin
        for name in ("generators", "seeds", "action_space"):
            setattr(twin, name, copy.deepcopy(getattr(self, name), memo))
        return twin

    def __reduce__(self) -> tuple[Any, ...]:
        """Made again from its arguments, then put where it stood: the table is not pickled."""
        given = {each.name: getattr(self.arguments, each.name) for each in fields(self.arguments)}
        return _made_again, (given, self.generators, self.seeds, self.get_state())

    def about(self) -> dict[str, Any]:
        """Which systems are drawn."""
        return {"part": self.arguments.part, "sizes": [int(size) for size in self.arguments.sizes]}

    def reset(self, rows: NDArray[np.int64] | None = None, options: Any = None) -> None:
        """Begin new campaigns in some rows, as `Core.reset`; the option ``system`` names their elements."""
        which = np.arange(self.rows) if rows is None else rows
        asked = read_systems(options, len(which))
        draws = np.array([self.generators[row].random() for row in which.tolist()])  # one each, used or not
        slots = self._draw(draws) if asked is None else asked
        n, shape = len(which), (len(which), self.horizon)
        fresh = SystemState(
            place=np.zeros((*shape, SLOTS), np.int32),
            step=np.zeros(n, np.int64),
            slots=slots,
            status=np.zeros(shape, np.int8),
            energy=np.full(shape, np.nan),
            keys=np.zeros(shape, np.uint64),
            compositions=pack(slots, np.zeros((n, SLOTS), np.int32)),
            phases=self.known.count(pack(slots, (slots >= 0).astype(np.int32))),
            hits=np.zeros(n, np.int64),
        )
        self.state = fresh if self.state is None or n == self.rows else replace_rows(self.state, which, fresh)
        hits = self.terms["hits"].copy()
        hits[which] = 0.0
        self.terms = {"hits": hits}

    def step(
        self, actions: ArrayLike, rows: NDArray[np.int64] | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_]]:
        """Make a proposal in some rows, as `Core.step`."""
        if self.state is None:
            raise RuntimeError("step() was called before reset(); begin an episode with reset(seed=...)")
        old = self.state if rows is None else take(self.state, rows)
        counts = self._counts(old.slots, actions)
        batch = pack(old.slots, counts)
        keys, n = batch.keys(), np.arange(len(counts))
        found = self.data.find(batch)
        energy = np.where(found >= 0, self.data.formation_energy[found], np.nan)
        stable = (found >= 0) & self._stable[found]
        status = np.where(stable, STABLE, np.where(np.isfinite(energy), UNSTABLE, UNKNOWN))
        status[(old.keys == keys[:, None]).any(axis=1)] = REPEATED
        status[batch.atoms > MAX_ATOMS] = TOO_LARGE
        reward = (status == STABLE).astype(np.float64)
        at = np.minimum(old.step, self.horizon - 1)  # a single environment may be stepped on past its horizon
        place, told, energies, log = old.place.copy(), old.status.copy(), old.energy.copy(), old.keys.copy()
        place[n, at], told[n, at], log[n, at] = counts, status, keys
        energies[n, at] = np.where(status <= UNSTABLE, energy, np.nan)
        hits = old.hits + (status == STABLE)
        moved = SystemState(place, old.step + 1, old.slots, told, energies, log, batch, old.phases, hits)
        truncated = moved.step >= self.horizon
        terminated = np.zeros(len(counts), np.bool_)
        if rows is None:
            self.state, self.terms = moved, {"hits": reward}
            return reward, terminated, truncated
        self.state = replace_rows(self.state, rows, moved)
        full = scatter(reward, rows, self.rows)
        self.terms = {"hits": full}
        return full, scatter(terminated, rows, self.rows), scatter(truncated, rows, self.rows)

    def describe(self, row: int) -> dict[str, Any]:
        """The system, the last proposal and what became of it, and all ``proposals`` so far."""
        state = self.state
        if state is None:
            raise RuntimeError("describe() was called before reset(); begin an episode with reset(seed=...)")
        made = int(min(state.step[row], self.horizon))
        slots = np.repeat(state.slots[row : row + 1], made, axis=0)
        names = pack(slots, state.place[row, :made]).formulas() if made else []
        proposals = [
            (name, STATUSES[status - 1]) + ((energy,) if np.isfinite(energy) else ())
            for name, status, energy in zip(
                names, state.status[row, :made].tolist(), state.energy[row, :made].tolist(), strict=True
            )
        ]
        info = {
            "system": [alphabet.SYMBOLS[k] for k in state.slots[row].tolist() if k >= 0],
            "formula": names[-1] if made else "",
            "status": proposals[-1][1] if made else "",
            "proposals": proposals,
            **{name: values[row].item() for name, values in self.tell().items()},
        }
        if made and len(proposals[-1]) == 3:
            info["formation_energy"] = proposals[-1][2]
        return info

    def tell(self) -> dict[str, Any]:
        """``score`` and ``success`` of the last proposal, ``hits`` so far, ``step``, (N,) each."""
        assert self.state is not None
        score = self.terms["hits"].copy()
        return {"score": score, "success": score > 0, "hits": self.state.hits.copy(), "step": self.state.step.copy()}

    def final_info(self, rows: NDArray[np.int64]) -> dict[str, Any]:
        """The same, how many stable phases there were to find, and the last formula."""
        assert self.state is not None
        info = self.tell() | {"phases": self.state.phases.copy()}
        if self.in_words:
            names = np.full(self.rows, None, dtype=object)
            names[rows] = self.state.compositions[rows].formulas()
            info |= {"formula": names, "_formula": np.isin(np.arange(self.rows), rows)}
        return info

    def _draw(self, draws: NDArray[np.float64]) -> NDArray[np.int16]:
        """Systems (B, 4) from numbers in [0, 1): every number of elements is as likely."""
        scaled = draws * len(self._pools)
        which, share = scaled.astype(np.int64), scaled % 1.0
        numbers = np.zeros(len(draws), np.int64)
        for k, pool in enumerate(self._pools):
            numbers = np.where(which == k, pool[(share * len(pool)).astype(np.int64)], numbers)
        return by_electronegativity(self.known.systems.elements[numbers, :SLOTS])

    def _counts(self, slots: NDArray[np.int16], actions: ArrayLike) -> NDArray[np.int32]:
        """Reduced counts (B, 4) from actions (B, 4); 0 in slots beyond the system."""
        action = np.asarray(actions)
        if action.shape != slots.shape or action.dtype.kind not in "iu":
            raise ValueError(f"actions have shape {action.shape} and type {action.dtype}; expected {slots.shape} whole")
        wrong = ((action < 0) | (action >= MAX_COUNT)).any(axis=1)
        if wrong.any():
            raise ValueError(f"action row {wrong.argmax()} is {action[wrong.argmax()]}; expected 0 to {MAX_COUNT - 1}")
        counts = np.where(slots >= 0, action + 1, 0)
        return (counts // np.gcd.reduce(counts, axis=1)[:, None]).astype(np.int32)


def _made_again(
    given: dict[str, Any], generators: list[np.random.Generator], seeds: list[int], state: Snapshot
) -> SystemEpisodes:
    """The episodes that `SystemEpisodes.__reduce__` describes."""
    core = SystemEpisodes(len(generators), given)
    core.generators, core.seeds = generators, seeds
    core.set_state(state)
    return core


def pack(slots: NDArray[np.int16], counts: NDArray[np.int32]) -> CompositionBatch:
    """Compositions from elements (B, 4) and reduced counts (B, 4), 0 where a slot is not used."""
    present = counts > 0
    order = np.argsort(np.where(present, slots, np.iinfo(np.int16).max), axis=1, kind="stable")
    elements, amounts = (
        np.full((len(slots), MAX_ELEMENTS), -1, np.int16),
        np.zeros((len(slots), MAX_ELEMENTS), np.int32),
    )
    elements[:, :SLOTS] = np.take_along_axis(np.where(present, slots, -1), order, axis=1)
    amounts[:, :SLOTS] = np.take_along_axis(counts, order, axis=1)
    return CompositionBatch(elements, amounts, present.sum(axis=1).astype(np.int16))


def read_systems(options: Any, rows: int) -> NDArray[np.int16] | None:
    """Systems that reset options ask for (rows, 4), by electronegativity; None to draw them.

    Raises:
        ValueError: Options other than ``system``, or one that is not two to four different elements.
    """
    if options is not None and not isinstance(options, dict):
        raise ValueError(f"options={options!r} must be a dictionary such as {{'system': ['Li', 'O']}}")
    options = dict(options or {})
    asked = options.pop("system", None)
    if options:
        raise ValueError(f"options holds unknown keys {sorted(options)}; known: 'system', and 'reset_mask' for batches")
    if asked is None:
        return None
    if isinstance(asked, str) or not isinstance(asked, Iterable):  # the letters of a string are elements, too
        raise ValueError(f"options['system']={asked!r} must be a list of elements, such as ['Fe', 'O'], or several")
    asked = list(asked)
    single = len(asked) > 0 and all(isinstance(each, str) for each in asked)
    systems = each_row("system", "systems", [tuple(asked)] * rows if single else asked, rows, str)
    slots = np.full((rows, SLOTS), -1, np.int16)
    for row, system in enumerate(systems or ()):
        found = np.unique(alphabet.positions(system, "options['system']"))
        if len(found) != len(system) or len(found) not in SIZES:
            raise ValueError(f"options['system']={list(system)!r} must be two to four different elements")
        slots[row, : len(found)] = found
    return by_electronegativity(slots)


def system_blocks(horizon: int) -> dict[str, Block]:
    """Observation blocks, as the environment's page says.

    Args:
        horizon: Proposals per campaign.
    """

    def slots(state: SystemState, view: NDArray[np.float32]) -> None:
        present = (state.slots >= 0)[:, :, None]
        view[:] = np.concatenate([present, FEATURES[state.slots] * present], axis=2).reshape(len(view), -1)

    def system(state: SystemState, view: NDArray[np.float32]) -> None:
        rows, places = np.nonzero(state.slots >= 0)
        view[rows, state.slots[rows, places]] = 1.0

    def proposals(state: SystemState, view: NDArray[np.float32]) -> None:
        told = np.zeros((len(view), horizon, _PLACE), np.float32)
        told[:, :, :SLOTS] = state.place / MAX_COUNT
        told[:, :, SLOTS:-1] = state.status[:, :, None] == np.arange(1, len(STATUSES) + 1)
        told[:, :, -1] = np.clip(np.nan_to_num(state.energy) / ENERGY_BOUND, -1.0, 1.0)
        view[:] = told.reshape(len(view), -1)

    def left(state: SystemState, view: NDArray[np.float32]) -> None:
        view[:, 0] = np.maximum(1.0 - state.step / horizon, 0.0)

    return {
        "slots": Block(SLOTS * (1 + FEATURES.shape[1]), 0.0, 1.0, slots),
        "system": Block(alphabet.NUM_ELEMENTS, 0.0, 1.0, system),
        "proposals": Block(horizon * _PLACE, -1.0, 1.0, proposals),
        "proposals_left": Block(1, 0.0, 1.0, left),
    }
