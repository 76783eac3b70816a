"""Methods: what is run and compared, from this package or from anywhere.

A *search* is asked for proposals and told their scores (`Search`). What drives itself, a policy in an environment or a
learner, has `play` instead (`matenv.benchmark.policy.PolicyMethod`).
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from matenv.benchmark.fresh import fresh
from matenv.benchmark.moves import Moves
from matenv.benchmark.problem import Problem, Proposals
from matenv.benchmark.result_file import check_label
from matenv.benchmark.results import TRACKS
from matenv.benchmark.training import Training
from matenv.checks import check_listed, check_made, check_seed, check_text
from matenv.composition import CompositionBatch

SHIPPED = (
    "matenv.agents.flagship",
    "matenv.agents.searches",
    "matenv.agents.reinvent",
    "matenv.agents.amortised",
    "matenv.agents.conditioned",
    "matenv.agents.systems_rankings",
    "matenv.agents.systems_agent",
    "matenv.agents.latent_critic",
    "matenv.agents.methods",
)
"""Modules whose import registers the shipped methods; the last needs the extra 'agents'."""


@runtime_checkable
class Search(Protocol):
    """A method by ask and tell; `train` and `begin` may be left out, and so may `tell`."""

    def ask(self, n: int) -> Proposals:
        """At most n proposals; fewer is fine, none ends the run."""


class AskTell:
    """A base for searches, for those who like one: everything but `ask` has a default.

    Args:
        seed: Of everything random; `rng` is made of it.
    """

    problem: Problem

    def __init__(self, seed: int = 0) -> None:
        check_seed("seed", seed)
        self.seed, self.rng = seed, np.random.default_rng(seed)

    def train(self, training: Training) -> None:
        """Learn before the test, in the amortised and the systems track; by default nothing."""

    def begin(self, problem: Problem) -> None:
        """A new problem; what was told before belongs to another. Each chemical system has its own chance."""
        check_made("problem", problem, Problem, "matenv.benchmark.Problem")
        self.problem = problem
        if problem.system is not None:
            self.rng = np.random.default_rng([self.seed, *"-".join(problem.system).encode()])

    def ask(self, n: int) -> Proposals:
        """At most n proposals; fewer is fine, none ends the run."""
        raise NotImplementedError

    def tell(self, compositions: CompositionBatch, scores: NDArray[np.float64]) -> None:
        """What the last proposals scored (B,); `problem.terms` and `problem.predicted` say more."""


@runtime_checkable
class Player(Protocol):
    """A method that drives itself: it assesses formulas with ``problem.oracle`` until the budget is spent."""

    def play(self, problem: Problem, seed: int) -> Moves | None:
        """Search until ``problem.oracle.exhausted``; moves, if they were recorded."""


Method = Search | Player


@dataclass(frozen=True)
class Registered:
    """A registered method.

    Attributes:
        name: Its name.
        factory: Makes it from a seed.
        tracks: Tracks it can run in.
        needs: A module that it imports and the extra that installs it; None for what is always there.
        about: What it does, in words; empty where the docstring of what `factory` makes says so.
    """

    name: str
    factory: Callable[[int], Method]
    tracks: tuple[str, ...]
    needs: tuple[str, str] | None = None
    about: str = ""

    @property
    def lacking(self) -> str:
        """How to install what it needs and is not there; empty if nothing is missing."""
        if self.needs is None or importlib.util.find_spec(self.needs[0]) is not None:
            return ""
        return f"pip install 'matenv[{self.needs[1]}]'"


METHODS: dict[str, Registered] = {}
"""Methods by name, in the order they were registered."""


def register(
    name: str,
    factory: Callable[[int], Method],
    tracks: Sequence[str] = ("single",),
    needs: tuple[str, str] | None = None,
    about: str = "",
) -> None:
    """Enter a method among those that can be run.

    Args:
        name: Its name in commands, files and tables, without a colon.
        factory: Makes the method from a seed: a class, or a function.
        tracks: Tracks it can run in.
        needs: As `Registered`: ``("botorch", "bo")``.
        about: What it does, which `matenv benchmark show` prints; empty for the docstring of what `factory` makes.

    Raises:
        ValueError: A name that is taken or holds a colon, or an unknown track.
    """
    taken = METHODS.get(check_text("name", name, "the method's name"))
    if ":" in name or (taken is not None and not _is_again(taken.factory, factory)):
        raise ValueError(f"name={name!r} is taken or holds a colon; give the method another name")
    check_label("name", name)
    if not callable(factory):
        raise ValueError(f"factory={factory!r} must make the method from a seed: a class, or a function")
    check_listed("tracks", tracks, f"tracks, out of {', '.join(TRACKS)}")
    if needs is not None and (not isinstance(needs, tuple) or not len(needs) == 2):
        raise ValueError(f"needs={needs!r} must be a module and an extra, such as ('botorch', 'bo')")
    if unknown := set(tracks) - set(TRACKS):
        raise ValueError(f"tracks={tracks!r} holds {sorted(unknown)}; choose from {', '.join(TRACKS)}")
    if not isinstance(about, str):
        raise ValueError(f"about={about!r} must be text that says what the method does")
    METHODS[name] = Registered(name, factory, tuple(tracks), needs, about)


def _is_again(factory: Any, other: Any) -> bool:
    """Whether a factory is what the same line of a file made when it was run before."""
    names = [(getattr(each, "__module__", None), getattr(each, "__qualname__", None)) for each in (factory, other)]
    return names[0] == names[1] and None not in names[0]


def find(name: str) -> Registered:
    """A method by name.

    Args:
        name: Name of a registered method; or ``"module:Name"`` or ``"file.py:Name"``, where Name is a class there, a
            function of a seed, or a method that is made already, of which every run gets a copy. What it is does not
            depend on registered names, which may be the same.

    Returns:
        The method's entry; what is from a module has the name given here and is taken to serve every track.

    Raises:
        ValueError: No such method.
        ImportError: No such module, or one that an extra of this package installs.
    """
    check_text("name", name, "a method's name, or module:Name")
    module, _, own = name.rpartition(":")
    if module:
        return Registered(name, _factory(_load(module), module, own), TRACKS)
    if own.endswith(".py"):
        raise ValueError(f"method={name!r} is a file; say what in it is the method: {name}:Name")
    for shipped in SHIPPED:
        if own not in METHODS:
            importlib.import_module(shipped)
    if own not in METHODS:
        raise ValueError(
            f"method={name!r} is no name of a method; choose from {', '.join(map(repr, METHODS))}; or give module:Name"
        )
    if METHODS[own].lacking:
        raise ImportError(f"method={name!r} needs what is not installed: {METHODS[own].lacking}")
    return METHODS[own]


def source_of(name: str) -> str | None:
    """Digest of the file that a method ``"module:Name"`` is from; None for a registered method.

    Args:
        name: As `find` takes it, which has found it.
    """
    module = name.rpartition(":")[0]
    if not module:
        return None
    path = module if module.endswith(".py") else getattr(sys.modules[module], "__file__", None)
    return None if path is None else hashlib.sha256(Path(path).read_bytes()).hexdigest()[:16]


def names() -> list[str]:
    """Names of all shipped methods; without the extra 'agents' only of those that need no environment."""
    for shipped in SHIPPED:
        try:
            importlib.import_module(shipped)
        except ModuleNotFoundError:  # torch or Stable-Baselines3 is not there
            continue
    return list(METHODS)


def _load(module: str) -> Any:
    if not module.endswith(".py"):
        if os.getcwd() not in sys.path:  # an installed command, unlike ``python -m``, does not look where it is run
            sys.path.insert(0, os.getcwd())
        try:
            return importlib.import_module(module)
        except ModuleNotFoundError as error:
            raise ImportError(f"method={module!r} cannot be imported: {error}", name=error.name) from error
    path = Path(module)
    if not path.is_file():
        raise ValueError(f"method={module!r}: there is no such file")
    # Run anew each time, so that no run sees what another left in it; under a name that hides no installed module.
    name = f"matenv_method_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:16]}_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    loaded = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def _factory(loaded: Any, module: str, own: str) -> Callable[[int], Method]:
    found = getattr(loaded, own, None)
    if found is None:
        raise ValueError(f"method='{module}:{own}' is unknown: {module} has no {own!r}")
    if isinstance(found, type) or not isinstance(found, Search | Player):
        if not callable(found):
            raise ValueError(f"method='{module}:{own}' has neither ask() nor play() and makes no method from a seed")
        said = f"method='{module}:{own}'"
        _check_takes_seed(found, said)
        return lambda seed: _made(found, seed, said)
    return lambda _: fresh(found, f"method='{module}:{own}'")


def _made(factory: Callable[[int], Any], seed: int, said: str) -> Method:
    """What a factory from outside makes of a seed."""
    try:
        made = factory(seed)
    except (TypeError, ValueError) as error:  # theirs, not a wrong argument here: with its traceback
        raise RuntimeError(f"{said} failed at seed {seed}: {type(error).__name__}: {error}") from error
    if not isinstance(made, Search | Player):
        raise ValueError(f"{said} made {str(made)[:60]!r}, which has neither ask() nor play()")
    return made


def _check_takes_seed(factory: Callable[..., Any], said: str) -> None:
    """Whether a factory can be called with a seed alone."""
    try:
        signature = inspect.signature(factory)
    except (TypeError, ValueError):  # some built-in callables have none
        return
    try:
        signature.bind(0)
    except TypeError as error:
        raise ValueError(
            f"{said} must make the method from a seed and nothing else, as 'def make(seed)' or "
            f"'def __init__(self, seed=0)': {error}"
        ) from None
