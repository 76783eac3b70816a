"""`MaterialElements-v0`: design a material by adding, removing, counting and swapping its elements."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from matenv.envs.edits import Edit
from matenv.envs.element_moves import ElementEpisodes
from matenv.envs.single import MaterialEnv
from matenv.envs.vector import MaterialVectorEnv


class MaterialElementsEnv(MaterialEnv):
    """Design a material by editing its formula, one element at a time.

    ## Description
    Each episode starts at a known material. The agent edits the formula: it adds or removes an element, counts one up
    or down, or swaps one for another. After each edit the oracle says what the formula is predicted to be and what it
    would decompose into. Tasks, oracle, reward, budget and info are those of `MaterialLatent-v0`; the moves differ.

    The formula is kept as the agent left it, not reduced: from Fe2O3 one edit leads to Fe2O4, which the oracle sees as
    FeO2, and the next can lead to Fe2O5.

    ## Action space
    `Discrete(A)`, A = 4 x 89 + 89 x S + 1, where S is the largest number of elements the task allows (891 for S = 6).
    `env.unwrapped.edit(action)` says what a number means, `env.unwrapped.number("swap", "Co", 1)` is the way back.

    | Edit | Numbers | Allowed if |
    |---|---|---|
    | add e, one atom | 0 + e | e is allowed by the task and absent, with room for one more element and atom |
    | remove e | 89 + e | e is present, and the task's fewest elements remain |
    | increment e | 178 + e | e is present, with room for one more atom; the formula has at least two elements |
    | decrement e | 267 + e | e is present with two atoms or more; the formula has at least two elements |
    | swap element k for e | 356 + 89 k + e | there is an element k; e is allowed by the task and absent |
    | stay | A - 1 | the formula obeys the task's rules, or nothing else is |

    e is the element's position in `matenv.elements.SYMBOLS`. Element k of a swap is counted from 0 in order of
    electronegativity, in which formulas are written: in LiFePO4, element 1 is Fe. The new element takes over its count.

    ## Action masks
    `env.unwrapped.action_masks()` is the last column of the table as (A,) bool, (N, A) from the vector environment. It
    is never all False. From a formula that obeys the task's rules on elements and counts, allowed edits lead to
    formulas that obey them: in particular, never through a formula of fewer elements than the task's fewest. From one
    that does not (a start formula beyond them, or the empty start) they lead no further away, and while elements are
    too few only additions are allowed. What the task requires (`require=`) is never edited away; where it is missing,
    only edits that bring it in are allowed. Every allowed edit but "stay" changes the formula.

    An edit that is not allowed raises no error: the formula stays, the step counts and earns a score of 0. It is
    reported as ``info["terms"]["illegal"]`` = -1 (a reward term, at weight 0 until asked for) and counted in
    ``info["refused"]``.

    With ``reachability=True`` the masks also keep a charge-neutral formula within reach until the end of the episode:
    an edit is allowed only if the formula it leads to is neutral (`matenv.is_charge_neutral`: one oxidation state per
    element, ICSD24 set, in an ionic task the common ones in it) or can be made so, within the task's rules, by no more
    edits than remain after it. So each episode that follows the masks ends on a neutral formula, and "stay" is allowed
    on neutral formulas only. The last step's mask is exact; earlier ones are cautious
    (`matenv.envs.neutrality` says why and when). It holds from the first formula on that obeys the task's rules and for
    which it can be said (100,000 of 100,000 random formulas under the default rules, 16 steps before the end), and is
    lost by an edit not allowed.

    ## Observation space
    A flat float32 `Box` of named blocks: by default ``counts`` (atoms of the 89 elements over the task's largest
    count) and ``slots`` (S x 6: for each element, in the order swaps count them, whether there is one, its count,
    electronegativity, group, period and Mendeleev number, each in [0, 1]). ``counts`` alone tells the whole state of a
    formula within the task's rules. Optional: ``composition``, ``properties``, ``decomposition_energy``,
    ``steps_left`` (on by default with ``reachability=True``, where masks depend on it), ``visits``, and the guards of
    `MaterialLatent-v0`, measured at the encoding of the formula in the default latent space.
    `env.unwrapped.observation_blocks` maps names to slices.

    ## Reward
    As `MaterialLatent-v0`: a weighted sum of named terms, by default ``{"score": 1}``, the score of the task at every
    step. Other terms, at weight 0 until asked for: ``illegal``,
    ``novelty``, ``step_cost``, ``shaping``, and all others that it has.

    ## Episode end
    Truncated after `horizon` steps. Never terminated, unless `terminate_on_success` or `end_beyond` is set.

    ## Info
    Everything in the info of `MaterialLatent-v0`, and ``counts`` (atoms by symbol, not reduced) and ``refused`` (edits
    that were not allowed, in this episode).

    ## Reset options
    ``options={"formula": "LiFePO4"}`` starts this episode at one reduced formula unit of it. ``"wish"`` as in
    `MaterialLatent-v0`.

    ## Arguments
    Args:
        task: Name of a task in `matenv.tasks.TASKS`, path of a task's file (.yml, .yaml, .toml), or a `Task`.
        horizon: Steps per episode. Gymnasium's `max_episode_steps` cuts an episode short of it, in whatever way
            the environment is made, and leaves ``steps_left`` as it is.
        start: ``"dataset"`` (a training formula the task allows), ``"random"`` (uniformly random elements and counts
            within the task's rules, see `matenv.tasks.sampling`) or ``"empty"`` (nothing: the first edits add
            elements).
        observation: Names of the observation blocks.
        reward: Weight by term name; ``(weight, function)`` for a term of one's own, whose function takes a
            `matenv.envs.rewards.Transition` of N moves and returns N numbers.
        discount: Discount of the ``shaping`` term.
        terminate_on_success: End the episode once the task's target is met.
        potentials: Whether the vector environment's info holds the chemical potentials too, (N, 89).
        elements: If given, the only elements allowed: episodes start within them, and no edit brings in others.
        exclude: Elements never allowed, likewise, beside those the task leaves out.
        require: Elements that a formula must hold, such as ``["Li", "F|Cl|Br"]``, the second entry one of three:
            episodes start with them and no edit loses the last of them.
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
        bundle: Folder of a bundle (``matenv build``), which brings hull, properties and starts; in
            place of `oracle`, `reference` and `predictor`.
        end_beyond: Limit by guard, such as ``{"uncertainty": 1.0}``: the episode ends beyond it. A guard's unit
            is its 99 % quantile over held-out data; ``docs/guards.md`` says which guards are worth it. None for never.
        repeat_decay: Factor of the ``score`` term for each earlier visit to the formula in this episode; 1 for none.
            Below 1 the reward depends on the episode's history, and the observation gets the block ``visits``.
        part: ``"train"`` or ``"test"``: which rows of the `system` split starts are drawn from, and which wishes; train
            on the one, evaluate on the other.
        wish: ``"draw"`` for a wish (`matenv.tasks.wishes`) in every episode, or one for all: a `Wish` or its fields as
            in the reset option. The task's score is multiplied by the wish's utility and by whether its elements fit,
            and the observation gets the block ``goal`` (the table of `MaterialLatentGoal-v0`); ``task="stable-novel"``
            asks for nothing else.
        improve: Improve the start formula, such as ``{"distance": 5.0}`` (valid within that element mover's distance,
            in places of the modified Pettifor scale), ``{"edits": 3}`` (valid after at most so many moves that changed
            the formula), ``{"replace": "Co"}`` (starts hold Co, valid formulas do not), or several of them. The reward
            is the term ``gain``: score minus the start's utility x viability; the observation gets the block ``start``
            (fractions of the start, shares used of distance and edits). A task with a `start` of its own does the same.
        campaign: Number k of systems: the reward is the term ``campaign``, the rise of the mean score of the k best
            chemical systems that the episode's steps proposed. 16 to 64 steps suit it. The observation gets the block
            ``campaign``, 90 k + 91 values that tell what was proposed: for each of the k systems, best first, the atom
            fractions of its best formula (89) and its score, zeros where there is none yet; then how many proposals so
            far, also of those that scored 0, held each element, over the horizon (89); the mean score of the k systems;
            the share of the horizon used.
        device: Where the predictor runs.
        reachability: Allow only edits that keep a charge-neutral formula within reach.
        info: ``"words"`` (everything) or ``"numbers"``: numbers only, flat, of the same keys and shapes at every step,
            for what stacks infos (Minari, Tianshou, TorchRL's batches); `describe()` has the words.
        render_mode: None, ``"ansi"`` or ``"rgb_array"`` (needs Pillow); ``"human"`` through `gymnasium.make`.

    ## Registered ids
    `MaterialElements-v0`
    """

    EPISODES = ElementEpisodes

    core: ElementEpisodes

    def action_masks(self) -> NDArray[np.bool_]:
        """Which actions are allowed now (A,) bool; `MaskablePPO` asks for them by this name."""
        return self.core.masks()[0]

    def edit(self, action: int) -> Edit:
        """What an action number means, such as ``Edit(kind="add", element="Fe")``; `str` puts it into words."""
        return self.core.edits.edit(action)

    def number(self, kind: str, element: str | None = None, slot: int | None = None) -> int:
        """The action number of an edit: the inverse of `edit`."""
        return self.core.edits.number(kind, element, slot)


class MaterialElementsVectorEnv(MaterialVectorEnv):
    """N episodes of `MaterialElementsEnv` in one batch: edits, masks, prediction and hull run once per step for all.

    Arguments are those of `MaterialElementsEnv`, and those of `MaterialVectorEnv` in `matenv.envs.vector`.
    """

    EPISODES = ElementEpisodes

    core: ElementEpisodes

    def action_masks(self) -> NDArray[np.bool_]:
        """Which actions are allowed now (N, A) bool."""
        return self.core.masks()

    def edit(self, action: int) -> Edit:
        """What an action number means."""
        return self.core.edits.edit(action)

    def number(self, kind: str, element: str | None = None, slot: int | None = None) -> int:
        """The action number of an edit: the inverse of `edit`."""
        return self.core.edits.number(kind, element, slot)
