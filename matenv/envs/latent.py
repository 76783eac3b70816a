"""`MaterialLatent-v0`: design a material by moving through the latent space of a composition VAE."""

from __future__ import annotations

from matenv.envs.latent_moves import LatentEpisodes
from matenv.envs.single import MaterialEnv
from matenv.envs.vector import MaterialVectorEnv


class MaterialLatentEnv(MaterialEnv):
    """Design a material by moving through the latent space of a composition VAE.

    ## Description
    Each episode starts at a known material. The agent moves a point z in the latent space of a VAE trained on
    Materials Project compositions; after each move the point is decoded to an integer formula, and the oracle says
    what that formula is predicted to be and what it would decompose into. A move that leads to a stiffer, more stable,
    wider-gapped ... formula, as the task asks, earns more.

    ## Action space
    `Box(-1, 1, (n,), float32)`: the direction of the move; n is the latent dimension. z is whitened: one unit is one
    standard deviation of the training data along that dimension. y = z + step_size x a is pulled back towards the
    training points, z' = project(y + pull x w x shift(y)), where shift is a small network that undoes random moves
    from training points (`matenv.latent.cloud`) and w the length of a over that of a uniformly random one, at most 1;
    then z' is projected onto the ball that holds 99 % of them. So uniform random play stays as near to the training
    points as held-out formulas lie, and a = 0 holds z where it is. The move never depends on what is decoded.

    ## Observation space
    A flat float32 `Box` of named blocks: by default ``latent`` (z / radius, n values) and ``composition`` (89 atom
    fractions of the decoded formula). Optional: ``properties``, ``decomposition_energy``, ``steps_left``, ``ood``,
    ``visits`` (earlier visits to this formula in the episode, over the horizon), and the out-of-distribution guards
    ``mahalanobis``, ``nearest``, ``cycle``, ``uncertainty`` and ``disagreement`` (`matenv.guards`), each one value.
    `env.unwrapped.observation_blocks` maps names to slices.

    ## Reward
    A weighted sum of named terms, by default ``{"score": 1}``. The score, in [0, 1], is utility x viability x validity:
    how well the predicted property meets the task, the calibrated probability that the formula is stable against
    decomposition, and whether it obeys the task's composition rules. It is earned at every step for the formula the
    step ends on: holding a good material pays as long as it is held, going to and fro pays no more. Other
    terms, at weight 0 until asked for: ``ood``, ``novelty``, ``step_cost``, ``shaping``. `info["terms"]` reports
    each, whatever its weight, beside the parts of the score. Worked out and
    reported only if named: ``decomposition_energy`` (minus E_d), ``components`` (how many phases the formula decomposes
    into), ``latent_similarity``; each guard (minus what exceeds its unit); and functions of your own.

    ## Episode end
    Truncated after `horizon` steps. Never terminated, unless `terminate_on_success` or `end_beyond` is set.

    ## Info
    ``formula``, ``score``, ``terms``, ``predicted`` (mean and standard deviation by property), ``decomposition_energy``
    and ``hull_energy`` [eV/atom], ``p_stable`` (if somebody computed it), ``p_found`` (of all compositions of its
    system), ``products`` (formula, atom fraction), ``potentials`` (chemical potential by element [eV/atom]) and
    ``potentials_unique``, ``known`` (in the reference), ``rediscovered`` (in the table, but held out of the
    reference), ``novel``, ``valid`` (obeys the task's composition rules), ``success`` (target met by the predictor
    in use, P(stable) at least 0.5 and p_found 0.1), ``evaluated`` (within
    the oracle's budget), ``start_formula``, ``start_round_trip``, ``step``. If asked for: ``guards`` (value by name),
    ``visits``. Undefined values are left out.

    ## Reset options
    ``options={"formula": "LiFePO4"}`` starts this episode there: z = encode(formula). The composition is always
    decode(z); ``start_round_trip`` tells whether that gives the formula back. ``"wish"``: what this episode asks for,
    as in `MaterialLatentGoal-v0`, where the environment was made with one.

    ## Arguments
    Args:
        task: Name of a task in `matenv.tasks.TASKS`, path of a task's file (.yml, .yaml, .toml), or a `Task`.
        latent: Name of a latent space, path of a weights file, or a space already loaded; None for ``"vae"``, or the
            bundle's.
        horizon: Steps per episode. Gymnasium's `max_episode_steps` cuts an episode short of it, in whatever way
            the environment is made, and leaves ``steps_left`` as it is.
        step_size: Length of a full move along one dimension, in latent standard deviations. 0.75 suits search, 0.3
            local editing, where most random moves leave the formula as it is.
        radius: Radius of the ball z is kept in; None for the 99th percentile of the training norms.
        pull: How much of the way back to the training points every move is taken; 0 for none, None for 1.5 where the
            latent space knows where they lie, which the shipped ones do, and 0 where it does not.
        start: ``"dataset"`` (a training formula of the latent space that the task allows) or ``"prior"`` (a sample of
            the VAE's prior).
        observation: Names of the observation blocks.
        reward: Weight by term name; ``(weight, function)`` for a term of one's own, whose function takes a
            `matenv.envs.rewards.Transition` of N moves and returns N numbers.
        discount: Discount of the ``shaping`` term.
        terminate_on_success: End the episode once the task's target is met.
        potentials: Whether the vector environment's info holds the chemical potentials too, (N, 89).
        elements: If given, the only elements allowed: episodes start within them, formulas with others score 0.
        exclude: Elements never allowed, likewise, beside those the task leaves out.
        require: Elements that a formula must hold, such as ``["Li", "F|Cl|Br"]``, the second entry one of three:
            episodes start with them (``start="dataset"``) and a formula without scores 0.
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
        bundle: Folder of a bundle (``matenv build``), which brings latent space, hull, properties and starts; in
            place of `latent`, `oracle`, `reference` and `predictor`.
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
        device: Where decoder and predictor run.
        info: ``"words"`` (everything) or ``"numbers"``: numbers only, flat, of the same keys and shapes at every step,
            for what stacks infos (Minari, Tianshou, TorchRL's batches); `describe()` has the words.
        render_mode: None, ``"ansi"`` or ``"rgb_array"`` (needs Pillow); ``"human"`` through `gymnasium.make`.

    ## Registered ids
    `MaterialLatent-v0`
    """

    EPISODES = LatentEpisodes

    core: LatentEpisodes


class MaterialLatentVectorEnv(MaterialVectorEnv):
    """N episodes of `MaterialLatentEnv` in one batch: decoding, prediction and hull run once per step for all.

    Arguments are those of `MaterialLatentEnv`, and those of `MaterialVectorEnv` in `matenv.envs.vector`.
    """

    EPISODES = LatentEpisodes

    core: LatentEpisodes
