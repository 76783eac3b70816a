"""Arguments of the environments, each declared once, and what Gymnasium passes besides: all of it checked."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from gymnasium.vector import AutoresetMode

from matenv.checks import check_device, check_flag, check_number, check_whole
from matenv.envs.guarding import check_limits
from matenv.envs.rewards import Reward
from matenv.oracle import Oracle
from matenv.tasks import DEFAULT_TASK, Task

if TYPE_CHECKING:
    from matenv.properties import Predictor


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

    task: str | Task | Mapping[str, Any] = DEFAULT_TASK
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
    reference: str = "train"
    budget: int | None = None
    predictor: str | Predictor | None = None
    end_beyond: Mapping[str, float] | None = None
    repeat_decay: float = 1.0
    device: str = "cpu"
    info: str = "words"

    def __post_init__(self) -> None:
        """Check all that can be checked before task and oracle are there, which check the rest."""
        self.horizon = check_whole("horizon", self.horizon, "steps")
        if self.start not in self.STARTS:
            raise ValueError(f"start={self.start!r} is unknown; choose one of {', '.join(self.STARTS)}")
        self.discount = check_number("discount", self.discount, 0, 1, "a number in [0, 1]")
        self.terminate_on_success = bool(self.terminate_on_success)
        self.potentials = check_flag("potentials", self.potentials)
        self.end_beyond = check_limits(self.end_beyond)
        decay = "a number in [0, 1]; 1 for no decay"
        self.repeat_decay = check_number("repeat_decay", self.repeat_decay, 0, 1, decay)
        check_device(self.device)
        if self.info not in INFOS:
            raise ValueError(f"info={self.info!r} is unknown; choose one of {', '.join(INFOS)}")
        if self.oracle is None:
            return
        if isinstance(self.oracle, Mapping):
            self.oracle = Oracle(**self.oracle)
        if not isinstance(self.oracle, Oracle):
            raise ValueError(f"oracle={self.oracle!r} must be a matenv.Oracle, or None for a new one")
        if self.budget is not None:
            raise ValueError("give budget to the Oracle you pass, not to the environment as well")
        if self.predictor is not None:
            raise ValueError(
                f"oracle= and predictor={self.predictor!r}: give one; Oracle(predictor=...) is the other way"
            )
        if self.oracle.judge:
            raise ValueError(
                "oracle was made with judge=True, to score candidates that were found otherwise; an environment pays "
                "rewards and needs one without it"
            )


class SpelledOut:
    """The signature of an environment class, with each argument and its default in place of ``**arguments``."""

    def __get__(self, _: object, env: type[Any]) -> inspect.Signature:
        own = list(inspect.signature(env.__init__).parameters.values())[1:]  # without self
        declared = inspect.signature(env.EPISODES.ARGUMENTS).parameters.values()
        if own and own[-1].kind is inspect.Parameter.VAR_KEYWORD:
            own[-1:] = declared
        return inspect.Signature(own)


def check_render_mode(render_mode: str | None, allowed: list[str]) -> None:
    """Raise a ValueError for a render mode that is not offered."""
    if render_mode is not None and render_mode not in allowed:
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
        if mode in (known, known.name, known.value):
            return known
    raise ValueError(f"autoreset_mode={mode!r} is unknown; choose {', '.join(known.name for known in AutoresetMode)}")


def start_formulas(options: Any, rows: int) -> list[str] | None:
    """Formulas that reset options ask for, one per row.

    Args:
        options: The options given to `reset`.
        rows: Number of rows being reset.

    Returns:
        A list of `rows` formulas, or None to draw starts.

    Raises:
        ValueError: Not a dictionary, an unknown option, or the wrong number or type of formulas.
    """
    if options is not None and not isinstance(options, dict):
        raise ValueError(f"options={options!r} must be a dictionary such as {{'formula': 'LiFePO4'}}")
    options = dict(options or {})
    formula = options.pop("formula", None)
    if options:
        raise ValueError(
            f"options holds unknown keys {sorted(options)}; known: 'formula', and 'reset_mask' for batches"
        )
    if formula is None:
        return None
    if not isinstance(formula, str | list | tuple | np.ndarray):
        raise ValueError(f"options['formula']={formula!r} must be a formula or a list of formulas")
    formulas = [formula] * rows if isinstance(formula, str) else list(formula)
    if len(formulas) != rows:
        raise ValueError(f"options['formula'] holds {len(formulas)} formulas for {rows} episodes")
    return formulas
