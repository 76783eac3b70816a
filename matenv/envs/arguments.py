"""Arguments of the environments, each declared once, and what Gymnasium passes besides: all of it checked."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode

from matenv import elements as alphabet
from matenv.checks import (
    check_choice,
    check_device,
    check_flag,
    check_listed,
    check_number,
    check_path,
    check_seed,
    check_whole,
)
from matenv.composition import listed
from matenv.envs.guarding import check_limits
from matenv.envs.improving import Limits
from matenv.envs.rewards import Reward
from matenv.envs.wishes import check_wish
from matenv.oracle import Oracle
from matenv.tasks import DEFAULT_TASK, Task
from matenv.tasks.wishes import PARTS, Wish
from matenv.thermo.reservoirs import NAMES as RESERVOIRS

if TYPE_CHECKING:
    from pymatgen.core import Composition

    from matenv.properties import Predictor

LISTS = {
    "elements": "element symbols, such as ['Li', 'Fe', 'O']",
    "exclude": "element symbols, such as ['Pb', 'Hg']",
    "require": "element symbols or lists of alternatives, such as ['Li', 'F|Cl']",
    "stable_against": "names, such as ['Li', 'air']",
    "observation": "distinct blocks, such as ['composition', 'properties']",
}
"""Arguments that list names, and what they list."""

LIMITS = "{'price': (None, 50.0)}"

MOST_STEPS = 1_000_000
"""Longest episode; some arguments keep what happened at every step."""


INFOS = ("words", "numbers")
"""What `info` holds: everything, or numbers only, in a flat dictionary of the same structure at every step."""


@dataclass(kw_only=True)
class Arguments:
    """Arguments that all environments share, with their defaults; the environments' pages say what they mean.

    An environment with more of them has a subclass. All that an environment says about its arguments derives from the
    fields: the constructor's signature, which names exist, and what is refused.

    Raises:
        ValueError: An argument that is not what its page says.
    """

    STARTS: ClassVar[tuple[str, ...]]
    """Ways to start an episode; the first is a training formula, the others are those that the moves know."""

    task: str | Path | Task | Mapping[str, Any] = DEFAULT_TASK
    horizon: int = 16
    start: str = "dataset"
    observation: Sequence[str] | None = None
    reward: Reward | None = None
    discount: float = 0.99
    terminate_on_success: bool = False
    potentials: bool = False
    elements: Sequence[str] | None = None
    exclude: Sequence[str] | None = None
    require: Sequence[str | Sequence[str]] | None = None
    limits: Mapping[str, tuple[float | None, float | None]] | None = None
    stable_against: Sequence[str] | None = None
    min_elements: int | None = None
    max_elements: int | None = None
    oracle: Oracle | Mapping[str, Any] | None = None
    reference: str | None = None
    budget: int | None = None
    predictor: str | Predictor | None = None
    bundle: str | Path | None = None
    end_beyond: Mapping[str, float] | None = None
    repeat_decay: float = 1.0
    part: str = "train"
    wish: str | Wish | Mapping[str, Any] | None = None
    improve: Mapping[str, Any] | None = None
    campaign: int | None = None
    device: str = "cpu"
    info: str = "words"

    def __post_init__(self) -> None:
        """Check all that can be checked before task and oracle are there, which check the rest."""
        self.horizon = check_horizon(self.horizon, "steps", MOST_STEPS)
        check_choice("start", self.start, self.STARTS)
        self.discount = check_number("discount", self.discount, 0, 1, "a number in [0, 1]")
        self.terminate_on_success = check_flag("terminate_on_success", self.terminate_on_success)
        self.potentials = check_flag("potentials", self.potentials)
        self.end_beyond = check_limits(self.end_beyond)
        decay = "a number in [0, 1]; 1 for no decay"
        self.repeat_decay = check_number("repeat_decay", self.repeat_decay, 0, 1, decay)
        check_device(self.device)
        self._check_context()
        check_choice("info", self.info, INFOS)
        for name, what in LISTS.items():
            value = getattr(self, name)
            if value is None:
                continue
            if isinstance(value, np.ndarray | Set):  # a set's order differs from one process to the next
                value = value.tolist() if isinstance(value, np.ndarray) else sorted(value, key=str)
                setattr(self, name, value)
            if name == "require" and isinstance(value, list | tuple):  # an entry may itself list alternatives
                value = [each for entry in value for each in (entry if isinstance(entry, list | tuple) else [entry])]
            check_listed(name, value, what)
        for each in self.stable_against or ():
            if each not in RESERVOIRS and each not in alphabet.INDEX:
                raise ValueError(f"stable_against={each!r} is unknown; choose an element, {' or '.join(RESERVOIRS)}")
        if self.limits is not None and not isinstance(self.limits, Mapping):
            raise ValueError(f"limits={self.limits!r} must be a dictionary of ranges by property, such as {LIMITS}")
        for name in ("min_elements", "max_elements"):
            if (value := getattr(self, name)) is not None:
                setattr(self, name, check_whole(name, value, "elements, or None for the task's"))
        if not isinstance(self.task, str | Path | Task | Mapping):
            raise ValueError(f"task={self.task!r} must be the name of a task, the path of its file, or a matenv.Task")
        if self.reference is not None and not isinstance(self.reference, str):
            raise ValueError(
                f"reference={self.reference!r} must be 'train' or 'all'; a table goes to Oracle(reference=)"
            )
        if self.bundle is not None:
            self._check_bundle()
        if self.oracle is None:
            return
        if isinstance(self.oracle, Mapping):
            if not all(isinstance(key, str) for key in self.oracle):
                raise ValueError(f"oracle={self.oracle!r} must name arguments of an Oracle, such as {{'budget': 100}}")
            known = list(inspect.signature(Oracle).parameters)
            if unknown := [key for key in self.oracle if key not in known]:
                raise ValueError(f"oracle={self.oracle!r} has unknown keys {unknown}; it takes {', '.join(known)}")
            self.oracle = Oracle(**self.oracle)
        if not isinstance(self.oracle, Oracle):
            raise ValueError(f"oracle={self.oracle!r} must be a matenv.Oracle, or None for a new one")
        for name in ("reference", "budget", "predictor"):
            if (value := getattr(self, name)) is not None:
                raise ValueError(f"oracle= and {name}={value!r}: give one; Oracle({name}=...) is the other way")
        if self.oracle.copied:
            gym.logger.warn(
                "oracle is a copy, which counts for itself: gymnasium.make(env.spec) copies arguments. Share the "
                "first one by gymnasium.make(env.spec, oracle=oracle)"
            )
        if self.oracle.judge:
            raise ValueError(
                "oracle was made with judge=True, to score candidates that were found otherwise; an environment pays "
                "rewards and needs one without it"
            )

    def _check_bundle(self) -> None:
        """A bundle brings its own of these; it is loaded, and so checked, where the episodes are made."""
        check_path("bundle", self.bundle, "the folder of a bundle, which matenv build makes")
        for name in ("latent", "oracle", "reference", "predictor"):
            if (value := getattr(self, name, None)) is not None:
                raise ValueError(f"bundle= and {name}={value!r}: the bundle brings its own; give one of them")

    def _check_context(self) -> None:
        """Check what is asked beside the task."""
        check_choice("part", self.part, PARTS)
        if isinstance(self.wish, str) and self.wish != "draw":
            raise ValueError(f"wish={self.wish!r} must be 'draw', a wish, or None")
        if self.wish is not None and not isinstance(self.wish, str):
            self.wish = check_wish("wish", self.wish)
        if Limits.read(self.improve) is not None and self.start != "dataset":
            raise ValueError(f"improve={self.improve!r} needs a formula to improve; use start='dataset'")
        if self.campaign is not None:
            self.campaign = check_whole("campaign", self.campaign, "chemical systems")
            if self.campaign > self.horizon:
                raise ValueError(f"campaign={self.campaign} systems cannot be proposed in horizon={self.horizon} steps")


class SpelledOut:
    """The signature of an environment class, with each argument and its default in place of ``**arguments``."""

    def __get__(self, _: object, env: type[Any]) -> inspect.Signature:
        own = list(inspect.signature(env.__init__).parameters.values())[1:]  # without self
        declared = inspect.signature(env.EPISODES.ARGUMENTS).parameters.values()
        if own and own[-1].kind is inspect.Parameter.VAR_KEYWORD:
            own[-1:] = declared
        return inspect.Signature(own)


def check_horizon(horizon: Any, what: str, most: int) -> int:
    """The length of an episode.

    Args:
        horizon: What was given.
        what: What it counts, for the message.
        most: Largest.

    Returns:
        The number.

    Raises:
        ValueError: Anything but a whole number from 1 to `most`.
    """
    number = check_whole("horizon", horizon, what)
    if number > most:
        raise ValueError(f"horizon={horizon!r} must be at most {most:,} {what}")
    return number


def check_render_mode(render_mode: str | None, allowed: list[str]) -> None:
    """Raise a ValueError for a render mode that is not offered."""
    if render_mode is not None and (not isinstance(render_mode, str) or render_mode not in allowed):
        offer = ", ".join(repr(mode) for mode in allowed) or "none"
        raise ValueError(f"render_mode={render_mode!r} is not offered; choose {offer}")


def check_autoreset_mode(mode: AutoresetMode | str) -> AutoresetMode:
    """An autoreset mode from Gymnasium's enum, its name or its value.

    Args:
        mode: Such as `AutoresetMode.SAME_STEP`, ``"SAME_STEP"`` or ``"SameStep"``.

    Returns:
        The mode.

    Raises:
        ValueError: No such mode.
    """
    for known in AutoresetMode:
        if isinstance(mode, str | AutoresetMode) and mode in (known, known.name, known.value):
            return known
    raise ValueError(f"autoreset_mode={mode!r} is unknown; choose {', '.join(known.name for known in AutoresetMode)}")


def check_row_seeds(seed: Any, rows: int) -> list[int | None]:
    """The seed of every row.

    Args:
        seed: A whole number, of which row i gets the i-th successor; a list or array of one per row, in which None
            leaves a row as it is; or None.
        rows: Number of rows N.

    Returns:
        Python's numbers (N), which do not overflow.

    Raises:
        ValueError: Anything else.
    """
    if seed is None:
        return [None] * rows
    if isinstance(seed, int | np.integer):
        first = int(check_seed("seed", seed) or 0)
        return [first + row for row in range(rows)]
    listed_each = seed.ndim == 1 if isinstance(seed, np.ndarray) else isinstance(seed, Sequence)
    if not listed_each or isinstance(seed, str | bytes):
        raise ValueError(f"seed={seed!r} must be a whole number, a list of one per environment, or None")
    if len(seed) != rows:
        raise ValueError(f"seed has {len(seed)} entries; expected one per environment, {rows}")
    return [check_seed(f"seed[{row}]", own) for row, own in enumerate(seed)]


def check_options(options: Any) -> None:
    """Raise a ValueError for options to `reset` that are no dictionary."""
    if options is not None and not isinstance(options, dict):
        raise ValueError(f"options={options!r} must be a dictionary such as {{'formula': 'LiFePO4'}}")


class Asked(NamedTuple):
    """What reset options ask for.

    Attributes:
        formulas: Formula to start each episode from; None to draw starts.
        wishes: Wish of each episode; None for those the environment was made for.
    """

    formulas: list[str | Composition] | None = None
    wishes: list[Wish] | None = None


def read_options(options: Any, rows: int) -> Asked:
    """What reset options ask for, one entry per row.

    Args:
        options: The options given to `reset`.
        rows: Number of rows being reset.

    Returns:
        Lists of `rows` entries, or None.

    Raises:
        ValueError: Not a dictionary, an unknown option, or the wrong number or type of formulas or wishes.
    """
    check_options(options)
    options = dict(options or {})
    formula, wish = options.pop("formula", None), options.pop("wish", None)
    if options:
        raise ValueError(
            f"options holds unknown keys {sorted(map(str, options))}; known: 'formula', 'wish', and 'reset_mask' for "
            "batches"
        )
    formulas = None
    if formula is not None:
        given = listed(formula, "options['formula']")
        if not isinstance(given, list):
            raise ValueError(f"options['formula']={str(formula)[:60]} must be a formula or a list of formulas")
        formulas = given * rows if isinstance(formula, str) or hasattr(formula, "reduced_formula") else given
        if len(formulas) != rows:
            raise ValueError(f"options['formula'] holds {len(formulas)} formulas for {rows} episodes")
    wishes = each_row("wish", "wishes", wish, rows, Wish | Mapping)
    return Asked(formulas, None if wishes is None else [check_wish("options['wish']", each) for each in wishes])


def each_row(name: str, plural: str, value: Any, rows: int, kind: Any) -> list[Any] | None:
    """An option as one entry per row: a single one goes to all.

    Args:
        name: Name of the option.
        plural: Of several.
        value: What was given.
        rows: Number of rows.
        kind: Type of a single one.

    Raises:
        ValueError: Another number of entries.
    """
    if value is None:
        return None
    if isinstance(value, kind):
        return [value] * rows
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        raise ValueError(f"options[{name!r}]={str(value)[:60]!r} must be one for all episodes, or a list of them")
    values = list(value)
    if len(values) != rows:
        raise ValueError(f"options[{name!r}] holds {len(values)} {plural} for {rows} episodes")
    return values
