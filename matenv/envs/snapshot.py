"""Snapshots: where a batch of episodes stands, kept to go back to, or as arrays to write to a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from matenv.envs.state import Trail

if TYPE_CHECKING:
    from numpy.random import Generator


class Moving(Protocol):
    """Episodes, as far as snapshots are concerned."""

    state: Any
    terms: dict[str, NDArray[np.float64]]
    generators: list[Generator]

    @property
    def settings(self) -> Mapping[str, Any]:
        """What makes an episode what it is, by name."""


@dataclass(frozen=True)
class Snapshot:
    """All that the next steps of N episodes depend on but the oracle's count: what is paid for once stays paid for.

    Taking one copies no array: states are replaced, never changed in place.

    Attributes:
        state: Where the episodes stand; None before the first reset.
        terms: Unweighted reward terms of the last step (N,) each.
        generators: State of each row's random generator.
        done: Which rows have ended and wait for their reset (N,) bool; None for a single environment.
        trail: The episode so far; None if nothing is rendered.
        settings: What the episodes are about, by name: task, horizon, reward and the like.
    """

    state: Any
    terms: Mapping[str, NDArray[np.float64]]
    generators: tuple[Mapping[str, Any], ...]
    done: NDArray[np.bool_] | None = None
    trail: Sequence[Trail] = ()
    settings: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def arrays(self) -> dict[str, NDArray]:
        """Everything but the generators and the trail as arrays by a name such as ``"state.facts.score"``."""
        assert self.state is not None
        return (
            dict(_leaves("state", self.state)) | dict(_leaves("terms", self.terms)) | dict(_leaves("done", self.done))
        )

    def with_arrays(self, arrays: Mapping[str, NDArray], generators: Sequence[Mapping[str, Any]]) -> Snapshot:
        """A snapshot of this one's structure that holds what was written of another.

        Args:
            arrays: As `arrays` returned them.
            generators: State of each row's generator.

        Raises:
            ValueError: Arrays of another environment: one is missing, or has another shape or type.
        """
        parts = {name: _filled(name, getattr(self, name), arrays) for name in ("state", "terms", "done")}
        return replace(self, generators=tuple(generators), trail=(), **parts)


def take_snapshot(core: Moving, done: NDArray[np.bool_] | None = None, trail: Sequence[Trail] = ()) -> Snapshot:
    """The snapshot of some episodes."""
    generators = tuple(generator.bit_generator.state for generator in core.generators)
    copies = tuple(Trail(list(each.places), list(each.infos)) for each in trail)
    waiting = None if done is None else done.copy()
    return Snapshot(core.state, dict(core.terms), generators, waiting, copies, core.settings)


def go_back(core: Moving, snapshot: Snapshot) -> None:
    """Put episodes where they stood.

    Args:
        core: The episodes.
        snapshot: One of theirs, or of other episodes with the same arguments.

    Raises:
        ValueError: No snapshot, or of episodes that differ in number, in what they move or in what they are about.
    """
    if not isinstance(snapshot, Snapshot):
        raise ValueError(f"state={snapshot!r} must be what get_state() returned")
    if snapshot.settings is not core.settings:
        _check_same(snapshot.settings, core.settings)
    if len(snapshot.generators) != len(core.generators) or set(snapshot.terms) != set(core.terms):
        raise ValueError(
            f"state holds {len(snapshot.generators)} episodes with the reward terms {sorted(snapshot.terms)}; this "
            f"environment has {len(core.generators)} with {sorted(core.terms)}"
        )
    if core.state is not None and snapshot.state is not None:
        here, there = core.state.place, snapshot.state.place
        if here.shape != there.shape or here.dtype != there.dtype:
            raise ValueError(f"state holds places {there.shape} {there.dtype}; this environment's are {here.shape}")
    core.state, core.terms = snapshot.state, dict(snapshot.terms)
    for generator, state in zip(core.generators, snapshot.generators, strict=True):
        generator.bit_generator.state = dict(state)


def _check_same(there: Mapping[str, Any], here: Mapping[str, Any]) -> None:
    """Refuse a snapshot of episodes that are about something else."""
    if changed := [name for name in {**here, **there} if here.get(name) != there.get(name)]:
        told, own = (", ".join(f"{name}={str(each.get(name))[:60]}" for name in changed[:3]) for each in (there, here))
        raise ValueError(
            f"state is of an environment with {told}, this one has {own}; go back in an environment that was made with "
            "the same arguments"
        )


def _leaves(name: str, value: Any) -> list[tuple[str, NDArray]]:
    if value is None:
        return []
    if isinstance(value, Mapping):
        return [leaf for key in value for leaf in _leaves(f"{name}.{key}", value[key])]
    if is_dataclass(value):
        return [leaf for each in fields(value) for leaf in _leaves(f"{name}.{each.name}", getattr(value, each.name))]
    return [(name, np.asarray(value))]


def _filled(name: str, like: Any, arrays: Mapping[str, NDArray]) -> Any:
    """A record of the same structure with other arrays."""
    if like is None:
        return None
    if isinstance(like, Mapping):
        return {key: _filled(f"{name}.{key}", like[key], arrays) for key in like}
    if is_dataclass(like):
        kind: Any = type(like)
        return kind(**{f.name: _filled(f"{name}.{f.name}", getattr(like, f.name), arrays) for f in fields(like)})
    array = arrays.get(name)
    if array is None or array.shape != np.shape(like) or array.dtype != np.asarray(like).dtype:
        what = "is missing" if array is None else f"is {array.shape} {array.dtype}"
        raise ValueError(f"array {name!r} {what}; expected {np.shape(like)} {np.asarray(like).dtype}")
    return array
