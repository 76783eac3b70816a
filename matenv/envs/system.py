"""`MaterialSystem-v0`: name the stable phases of a chemical system, ten proposals, paid by what DFT found."""

from __future__ import annotations

from typing import Any

from matenv.envs.single import MaterialEnv
from matenv.envs.system_campaigns import SystemEpisodes
from matenv.envs.vector import MaterialVectorEnv


class MaterialSystemEnv(MaterialEnv):
    """Name the stable phases of a chemical system.

    ## Description
    Each episode gives a chemical system of two to four elements in which the embedded table has a stable phase. The
    agent has ten proposals, each a composition of exactly these elements. Nothing predicted is in the reward: a
    proposal is looked up in the DFT table. What it reveals (that the phase is stable, or computed and not stable, and
    its formation energy, or that nobody computed it) may guide the next. Systems of the train part are for training,
    those of the test part, of which no model fitted on the train part has seen a row, for the score: an agent has to
    have learnt chemistry, and there is no error of a model to exploit.

    ## Action space
    `MultiDiscrete([12] * 4)`: action k plus 1 is the count of the element in slot k, 1 to 12. Slots hold the elements
    by rising electronegativity, the order in which formulas are written (Li, Fe, P, O in LiFePO4); actions of slots
    beyond the system are ignored. Counts are reduced: 2, 2 is 1, 1.

    ## Observation space
    A flat float32 `Box` of named blocks: ``slots`` (4 x 5: whether there is an element, its electronegativity, group,
    period and Mendeleev number), ``system`` (which of the 89 elements), ``proposals`` (10 x 10: the counts over 12 in
    the slots; one of stable, unstable, unknown, repeated, too large; the formation energy over 5 eV/atom where it was
    revealed, else 0; zeros for proposals to come) and ``proposals_left`` (share). `env.unwrapped.observation_blocks`
    maps names to slices.

    ## Reward
    1 for each DFT-stable phase of the table (E_d <= 0 against all its phases) named for the first time, else 0.
    Proposals of more than 20 atoms per reduced formula unit, and repeated ones, earn 0. The return is the number of
    hits. Absence from the table is no proof that a compound does not exist: "unknown" means that nobody computed it.

    Mean returns over 100 held-out systems of each size, standard errors up to 0.13 (``python -m
    studies.honesty.system_baselines``). The ranking finds 92 to 95 % of what there is in ten proposals: there, a policy
    has room to win in the order (``horizon=1`` to 3), not in the sum.

    | Proposals | 2 elements | 3 elements | 4 elements |
    |---|---|---|---|
    | uniformly random counts | 0.63 | 0.04 | 0.00 |
    | PPO, 2,000,000 steps on train systems, one seed | 1.64 | 0.72 | 0.02 |
    | the ten likeliest by p_found of the train reference | 2.27 | 1.42 | 1.08 |
    | all stable phases (at most ten) | 2.38 | 1.55 | 1.17 |

    ## Episode end
    Truncated after `horizon` proposals. Never terminated.

    ## Info
    ``system`` (symbols in slots), ``formula``, ``status`` and ``formation_energy`` [eV/atom] (if it was revealed) of
    the last proposal, ``proposals`` (all so far: formula, status, energy if revealed), ``score`` (the last reward),
    ``success`` (it was a hit), ``hits`` so far, ``step``. The vector environment's ``final_info`` has ``phases``, how
    many there were to find.

    ## Reset options
    ``options={"system": ["Li", "Fe", "O"]}`` gives this system, whatever its part. Vector environments take one for all
    or a list of them.

    ## Arguments
    Args:
        part: Where systems are drawn from: ``"train"`` (to train), ``"validation"`` (to choose) or ``"test"`` (to
            score) of the `system` split. Systems with a radioactive element are left out.
        sizes: Numbers of elements, out of 2, 3 and 4; each is drawn equally often.
        horizon: Proposals per episode.
        observation: Names of the observation blocks; None for all.
        info: ``"words"``, or ``"numbers"`` for the same keys at every step, numbers only.
        render_mode: None or ``"ansi"``.

    ## Registered ids
    `MaterialSystem-v0`
    """

    metadata = {"render_modes": ["ansi"], "render_fps": 4}

    EPISODES = SystemEpisodes

    core: SystemEpisodes

    def render(self) -> Any:
        """The proposals so far, a line each."""
        if self.render_mode != "ansi":
            return super().render()
        info = self.describe()
        lines = ["-".join(info["system"])]
        for formula, status, *energy in info["proposals"]:
            lines.append(f"{formula:22s} {status}" + "".join(f"  {value:+.3f} eV/atom" for value in energy))
        return "\n".join(lines)


class MaterialSystemVectorEnv(MaterialVectorEnv):
    """N campaigns of `MaterialSystemEnv` in one batch: proposals are looked up once per step for all.

    Arguments are those of `MaterialSystemEnv`, and those of `MaterialVectorEnv` in `matenv.envs.vector`.
    """

    metadata = {**MaterialVectorEnv.metadata, "render_modes": []}

    EPISODES = SystemEpisodes

    core: SystemEpisodes
