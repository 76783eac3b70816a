"""`MaterialOxides-v0`: build an oxide in five steps, as Pan, Karpovich and Olivetti do."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from matenv.envs.oxide_moves import OxideEpisodes
from matenv.envs.oxide_steps import Step, number_of, step_of
from matenv.envs.single import MaterialEnv
from matenv.envs.vector import MaterialVectorEnv


class MaterialOxidesEnv(MaterialEnv):
    """Build the formula of an oxide from nothing, an element and its count at a time, oxygen last.

    ## Description
    The construction of Pan, Karpovich and Olivetti (arXiv:2210.11931; Karpovich, Pan and Olivetti, npj Comput. Mater.
    10, 287, 2024): five steps, each an element and a count from 0 to 9, where 0 leaves the element out; the last
    element is oxygen; one reward, at the end. Any `Task` is the score, by default ``pan-oxides``, as stiff as possible.
    ``docs/pan.md`` compares agents with the paper's in its own measures, and says what their formulas are worth.

    Two things differ from the paper. There, an element chosen twice counts twice (Fe2, then Fe9, is Fe11), and
    oxygen may come early as well; here no element is chosen twice and oxygen only last, so that every formula keeps
    to counts of at most 9. And the default task leaves Th, U, Pu and Am out of their 80 elements.

    Until the last step there is no formula: ``info["formula"]`` is empty, nothing is predicted, and no call of the
    oracle is spent. An episode is one call.

    ## Action space
    `Discrete(890)`: action 10 e + c puts c atoms (0 to 9) of element e, its position in `matenv.elements.SYMBOLS`.
    `env.unwrapped.step_of(action)` says what a number means, `env.unwrapped.number("Fe", 2)` is the way back.

    ## Action masks
    `env.unwrapped.action_masks()` is (890,) bool, (N, 890) from the vector environment, and never all False. Before the
    last step: elements that the task allows, but oxygen, either left out (count 0) or, if not there yet, with as many
    atoms as the task's rules on elements, counts and atoms allow, given what it still requires. In the last step:
    oxygen, 1 to 9 atoms. Whoever follows the masks ends on a formula that obeys these rules; limits on atom fractions,
    oxidation states, filters and novelty are left to the score.

    An action that is not allowed raises no error: nothing is added and the step counts. It is reported as
    ``info["terms"]["illegal"]`` = -1 (a reward term, at weight 0 until asked for) and counted in ``info["refused"]``.
    In the last step it leaves a formula without oxygen, which earns 0.

    ## Observation space
    A flat float32 `Box` of named blocks: by default ``counts`` (atoms of the 89 elements so far, over 9) and ``step``
    (steps taken, 0 to 5, one-hot). Optional: ``steps_left``, and, told only of a finished formula, ``composition``,
    ``properties`` and ``decomposition_energy``. `env.unwrapped.observation_blocks` maps names to slices.

    ## Reward
    The score of the formula in [0, 1] with the last step, 0 before. Other terms by `reward`, as `MaterialElements-v0`.

    ## Episode end
    Terminated with the last step: the formula is built, and there is no more to come.

    ## Info
    Everything in the info of `MaterialLatent-v0`, and ``counts`` (atoms by symbol so far, not reduced) and ``refused``
    (actions that were not allowed, in this episode).

    ## Reset options
    ``"wish"`` as in `MaterialLatent-v0`. There is no ``"formula"`` to start from.

    ## Arguments
    Args:
        task: Name of a task in `matenv.tasks.TASKS`, path of a task's file (.yml, .yaml, .toml), or a `Task`.
        horizon: Steps per formula, oxygen's included. Gymnasium's `max_episode_steps` cuts an episode short of it,
            before there is a formula.
        start: ``"empty"``: nothing is there at first.
        observation: Names of the observation blocks.
        reward: Weight by term name; ``(weight, function)`` for a term of one's own, whose function takes a
            `matenv.envs.rewards.Transition` of N moves and returns N numbers.
        discount: Discount of the ``shaping`` term.
        terminate_on_success: Without effect: every episode terminates with its formula.
        potentials: Whether the vector environment's info holds the chemical potentials too, (N, 89).
        elements: If given, the only elements allowed; oxygen must be one of them.
        exclude: Elements never allowed, likewise, beside those the task leaves out.
        require: Elements that a formula must hold, such as ``["Li", "F|Cl|Br"]``, the second entry one of three,
            beside oxygen.
        limits: Lowest and highest value by property name, such as ``{"price": (None, 50.0)}``: a formula beyond them
            scores 0.
        stable_against: What a formula must not react with: elements such as ``"Li"``, ``"air"``, ``"water"``; one more
            likely to react than not scores 0 (`matenv.tasks.StableAgainst`).
        min_elements: Fewest elements, in place of the task's.
        max_elements: Most elements, likewise.
        oracle: An `Oracle` to share; None for a new one.
        reference: Phases of the new oracle's hull: ``"train"`` (None means it) or ``"all"``.
        budget: Most distinct formulas the new oracle evaluates; later ones score 0.
        predictor: Name of the new oracle's property predictor, or one already loaded; None for ``"default"``.
            ``"two-family"`` pays for what two families of models agree on and is harder to fool.
        bundle: Folder of a bundle (``matenv build``), which brings hull and properties; in place of
            `oracle`, `reference` and `predictor`.
        end_beyond: Of no use here, as every episode ends with its formula: limit by guard, see ``docs/guards.md``.
        repeat_decay: Without effect: an episode has one formula.
        part: ``"train"`` or ``"test"``: which wishes are drawn.
        wish: ``"draw"`` for a wish (`matenv.tasks.wishes`) in every episode, or one for all: a `Wish` or its fields as
            in the reset option. The task's score is multiplied by the wish's utility and by whether its elements fit,
            and the observation gets the block ``goal`` (the table of `MaterialLatentGoal-v0`); ``task="stable-novel"``
            asks for nothing else.
        improve: Refused: there is no formula to improve.
        campaign: Of no use here: an episode proposes one chemical system.
        device: Where the predictor runs.
        info: ``"words"`` (everything) or ``"numbers"``: numbers only, flat, of the same keys and shapes at every step,
            for what stacks infos (Minari, Tianshou, TorchRL's batches); `describe()` has the words.
        render_mode: None, ``"ansi"`` or ``"rgb_array"`` (needs Pillow); ``"human"`` through `gymnasium.make`.

    ## Registered ids
    `MaterialOxides-v0`
    """

    EPISODES = OxideEpisodes

    core: OxideEpisodes

    def action_masks(self) -> NDArray[np.bool_]:
        """Which actions are allowed now (890,) bool; `MaskablePPO` asks for them by this name."""
        return self.core.masks()[0]

    def step_of(self, action: int) -> Step:
        """What an action number means, such as ``Step(element="Fe", atoms=2)``; `str` puts it into words."""
        return step_of(action)

    def number(self, element: str, count: int) -> int:
        """The action number of a step: the inverse of `step_of`."""
        return number_of(element, count)


class MaterialOxidesVectorEnv(MaterialVectorEnv):
    """N episodes of `MaterialOxidesEnv` in one batch: masks, prediction and hull run once per step for all.

    Arguments are those of `MaterialOxidesEnv`, and those of `MaterialVectorEnv` in `matenv.envs.vector`.
    """

    EPISODES = OxideEpisodes

    core: OxideEpisodes

    def action_masks(self) -> NDArray[np.bool_]:
        """Which actions are allowed now (N, 890) bool."""
        return self.core.masks()

    def step_of(self, action: int) -> Step:
        """What an action number means."""
        return step_of(action)

    def number(self, element: str, count: int) -> int:
        """The action number of a step: the inverse of `step_of`."""
        return number_of(element, count)
