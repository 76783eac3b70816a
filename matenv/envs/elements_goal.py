"""`MaterialElementsGoal-v0`: edit a formula towards what an episode wishes for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matenv.envs.element_moves import ElementArguments, ElementEpisodes
from matenv.envs.elements import MaterialElementsEnv
from matenv.envs.goals import DEFAULT_TASK, GoalEpisodes, GoalReward, arguments_of, check_goal_arguments
from matenv.envs.single import MaterialEnv
from matenv.envs.vector import MaterialVectorEnv
from matenv.tasks import Task
from matenv.tasks.wishes import Wish


@dataclass(kw_only=True)
class ElementGoalArguments(ElementArguments):
    """Arguments of `ElementArguments`, with a wish in every episode."""

    task: str | Path | Task | Mapping[str, Any] = DEFAULT_TASK
    wish: str | Wish | Mapping[str, Any] | None = "draw"

    def __post_init__(self) -> None:
        """Check its own besides."""
        super().__post_init__()
        check_goal_arguments(self)


class ElementGoalEpisodes(GoalEpisodes, ElementEpisodes):
    """Edits towards a wish."""

    ARGUMENTS = ElementGoalArguments


@arguments_of(MaterialElementsEnv)
class MaterialElementsGoalEnv(GoalReward, MaterialEnv):
    """Design a material by editing its formula, towards what the episode wishes for.

    ## Description
    Every episode wishes for something else, and a policy must read what: one or two predicted properties near a target
    or inside a window (half of them each), elements that must and must not occur, perhaps a number of elements
    (`matenv.tasks.wishes`). Wishes are made from formulas of the train part, so that something like them exists.
    ``part="train"`` and ``part="test"`` never ask for the same pair of required elements. Moves, oracle and episode end
    are those of `MaterialElements-v0`.

    ## Action space
    That of `MaterialElements-v0`. Masks follow the task's rules, not the wish; a refused edit leaves the
    formula, and earns what it scores.

    ## Observation space
    A `Dict`: ``observation``, the flat `Box` of `MaterialElements-v0` without the wish; ``achieved_goal`` and
    ``desired_goal``, `Box(-10, 10, (188,), float32)` each, of one form:

    | Values | What is asked for | What is achieved |
    |---|---|---|
    | 0-1 | lowest log10 bulk modulus and PBE gap, scaled; 0 if there is no lower end | predicted means, scaled |
    | 2-3 | highest, likewise; of a target both are the same | the same predicted means |
    | 4-5 | whether there is a lower end | whether they are predicted |
    | 6-7 | whether there is an upper end | whether they are predicted |
    | 8-96 | elements that must occur | elements present |
    | 97-185 | elements that must not | zeros |
    | 186 | number of elements / 10; 0 for two to four | number of elements / 10 |
    | 187 | 1 | the task's score without the wish: novelty x viability x validity |

    ## Reward
    ``compute_reward(achieved_goal, desired_goal, info)``, bit for bit: the product over the properties
    asked about of exp(-(d / tolerance)^2 / 2), d the distance of the predicted mean from the target or the window (0
    inside), tolerance 0.1 (log10 GPa) and 0.45 eV, times 1 if the elements fit, times the last value of what is
    achieved. It is batched and needs no `info`, so that hindsight
    experience replay (Andrychowicz et al., NeurIPS 2017; `HerReplayBuffer` of Stable-Baselines3) can ask what a
    formula would have earned had it been the goal: a relabelled goal asks for that formula's properties and elements.
    ``info["score"]`` is the same in double precision.

    ## Episode end
    As `MaterialElements-v0`.

    ## Info
    As `MaterialElements-v0`, and ``wish`` in words.

    ## Reset options
    ``options={"wish": wish}``, a `matenv.tasks.wishes.Wish` or its fields, such as
    ``{"targets": {"band_gap_pbe": 2.0}, "required": ["Zn", "O"], "excluded": ["Pb"], "elements": 3}`` or
    ``{"windows": {"band_gap_pbe": [1.0, 2.5], "log10_bulk_modulus": [2.0, None]}}``, None for an open end;
    ``"formula"`` as in `MaterialElements-v0`. Vector environments take one for all or a list.
    """

    EPISODES = ElementGoalEpisodes

    core: ElementGoalEpisodes

    def action_masks(self) -> NDArray[np.bool_]:
        """Which actions are allowed now (A,) bool."""
        return self.core.masks()[0]


class MaterialElementsGoalVectorEnv(GoalReward, MaterialVectorEnv):
    """N episodes of `MaterialElementsGoalEnv` in one batch; arguments likewise."""

    EPISODES = ElementGoalEpisodes

    core: ElementGoalEpisodes

    def action_masks(self) -> NDArray[np.bool_]:
        """Which actions are allowed now (N, A) bool."""
        return self.core.masks()
