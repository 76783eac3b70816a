"""The demonstration: two policies learn on the embedded data; what they propose, judged by DFT, with pictures."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from matenv.agents.candidate_files import check_format, write_candidates
from matenv.agents.candidates import Candidate, rank_candidates, show_table
from matenv.agents.evaluation import evaluate_policy
from matenv.agents.policies import Policy, RandomPolicy
from matenv.agents.seeds import EVALUATION_SEEDS
from matenv.agents.train import ENV_ID, check_seed, train

from matenv import CompositionBatch, Oracle, Task, load_task
from matenv.benchmark import search
from matenv.benchmark.found import best_by_system
from matenv.benchmark.held_out import held_out_and_stable, in_held_out_system
from matenv.checks import check_whole
from matenv.composition import integer_counts
from matenv.envs.state import Trail
from matenv.report.pictures import draw_learning_curve, draw_trajectory

EPISODES = 512
"""Evaluation episodes of each policy."""

TOP = 256
"""Proposals that a list is cut to, the best of each chemical system."""

CAMPAIGN: dict[str, Any] = {"campaign": 8, "horizon": 32, "improve": {"distance": 12.0}}
"""What PPO's episodes are: campaigns for the eight best chemical systems near their start, in 32 steps.

Near is a matter of chemistry: an element mover's distance of twelve places of the modified Pettifor scale:
NaCl to KBr is 1, FeS2 to FeO 5, YCl3 to AlF3 15, NaF to MgF2 36. Held to no neighbourhood, most episodes end in the
same few families."""

SEARCHES = {"formula policy": "REINVENT", "prior samples": "prior", "uniform": "random"}
"""Methods of the benchmark that propose formulas, by what the table calls them; the first one learns."""


def demo(
    out: str | Path = "demo-output",
    task: str = "rediscovery-abundant",
    timesteps: int = 200_000,
    seed: int = 0,
    top: int = 12,
    progress: bool = True,
    require: Sequence[str] = (),
    kind: str = "csv",
    calls: int = 5_000,
) -> list[Candidate]:
    """Let two policies learn, set what they propose beside what needs no learning, rank it, draw.

    The formula policy (`matenv.agents.reinvent`) learns within so many calls of the oracle; PPO learns to move through
    the latent space, from training starts in campaigns for several materials.

    Args:
        out: Output folder; an interrupted training in it is resumed.
        task: Task name, or path of a task's file.
        timesteps: Training steps of PPO.
        seed: Seed of training.
        top: Candidates to list.
        progress: Show progress bars.
        require: Elements that every formula must hold, as `matenv.load_task` takes them.
        kind: Format of the candidates' file: csv, json or optimade.
        calls: Distinct formulas that the formula policy, and each search beside it, may assess.

    Returns:
        The candidates, best first.
    """
    check_seed(seed)
    check_format(kind)
    check_whole("calls", calls, "formulas")
    folder, started = Path(out), time.perf_counter()
    env_kwargs: dict[str, Any] = {"task": task, **CAMPAIGN} | ({"require": list(require)} if require else {})
    wanted = load_task(task, require=require)
    print(f"Task {task}: {wanted.description}{' Must hold ' + ', '.join(require) + '.' if require else ''}")
    print(f"The formula policy learns within {calls:,} calls; searches that do not learn get as many ...")
    proposed = {
        words: search(name, wanted, Oracle("train", calls, properties=wanted.properties), seed).formulas
        for words, name in SEARCHES.items()
    }
    print(f"PPO learns in {timesteps:,} steps on {ENV_ID} (an interrupted run resumes) ...")
    agent = train("ppo", folder / "ppo", timesteps, seed, env_kwargs=env_kwargs, progress=progress)
    space = gym.make(ENV_ID, **env_kwargs).action_space
    learned = evaluate_policy(agent, ENV_ID, EPISODES, **env_kwargs)
    random = evaluate_policy(RandomPolicy(space, seed), ENV_ID, EPISODES, **env_kwargs)
    started_from = set(_system_of([*learned.start_formulas, *random.start_formulas]))
    for words, e in (("PPO", learned), ("random policy", random)):
        proposed[words] = _outside(list(e.visited), started_from)
    print(f"PPO over {EPISODES} held-out starts: return {learned.returns.mean():.3f} +- {_half(learned.returns):.3f}, "
          f"a random policy {random.returns.mean():.3f} +- {_half(random.returns):.3f}")  # fmt: skip
    ends = [len(set(_system_of(e.final_formulas))) for e in (learned, random)]
    print(f"Its episodes end in {ends[0]} different chemical systems, those of a random policy in {ends[1]}")
    oracle = Oracle("train", properties=wanted.properties)
    _show_truth({name: Truth.of(formulas, wanted, oracle) for name, formulas in proposed.items() if formulas})

    found = list(dict.fromkeys(formula for name in ("formula policy", "PPO") for formula in proposed[name]))
    candidates = rank_candidates(found, wanted, oracle, top)
    show_table(candidates, f"Candidates for {task!r}, at most one per chemical system")
    listed = write_candidates(candidates, folder, kind)
    draw_learning_curve(
        folder / "ppo" / "episodes.csv", random.returns, random.final_scores, folder / "learning_curve.png",
        f"PPO on {ENV_ID}, task {task}",
    )  # fmt: skip
    steady = evaluate_policy(agent, ENV_ID, EPISODES, deterministic=True, **env_kwargs)
    best = int(np.argmax(steady.returns))
    trail, env = record_episode(agent, seed=EVALUATION_SEEDS + best, part="test", **env_kwargs)
    draw_trajectory(
        trail, env.core, folder / "trajectory.png",
        f"Best of {EPISODES} episodes without exploration: {trail.infos[0]['formula']} to {trail.infos[-1]['formula']}",
    )  # fmt: skip
    print(f"Wrote {listed.name}, learning_curve.png and trajectory.png to {folder.resolve()}")
    print(f"Done in {time.perf_counter() - started:.0f} s.")
    return candidates


def record_episode(policy: Policy, seed: int, deterministic: bool = True, **env_kwargs: Any) -> tuple[Trail, Any]:
    """One episode of a policy in a single environment, step by step.

    Args:
        policy: What chooses the moves.
        seed: Seed of the start.
        deterministic: Passed to the policy.
        **env_kwargs: Arguments of the environment.

    Returns:
        The trail and the (unwrapped) environment.
    """
    env: Any = gym.make(ENV_ID, **env_kwargs).unwrapped
    observation, info = env.reset(seed=seed)
    trail = Trail()
    trail.add(env.core.state, info)
    done = False
    while not done:
        action, _ = policy.predict(observation[None], deterministic=deterministic)
        observation, _, terminated, truncated, info = env.step(action[0])
        trail.add(env.core.state, info)
        done = terminated or truncated
    return trail, env


@dataclass(frozen=True)
class Truth:
    """What was proposed, judged by DFT values that nothing here has seen.

    Attributes:
        number: Distinct formulas proposed.
        stable: How many of them are stable compounds of held-out chemical systems.
        best: Number of the best `TOP`, one per chemical system, by the reward's own score.
        ranked: How many of those are such compounds.
        promised: How many p_found promised among those of held-out systems.
    """

    number: int
    stable: int
    best: int
    ranked: int
    promised: float

    @property
    def rate(self) -> float:
        """Stable ones of 1,000 proposed."""
        return 1000 * self.stable / self.number

    @classmethod
    def of(cls, formulas: Sequence[str], task: Task, oracle: Oracle) -> Truth:
        """Judge distinct formulas."""
        batch = CompositionBatch.from_counts(integer_counts(list(formulas)))
        assessment = oracle.assess(batch)
        best = best_by_system(batch, task.score(assessment).score, TOP)
        return cls(
            number=len(formulas),
            stable=int(held_out_and_stable(batch).sum()),
            best=len(best),
            ranked=int(held_out_and_stable(batch[best]).sum()),
            promised=float(assessment.p_found[best][in_held_out_system(batch[best])].sum()),
        )


def _show_truth(truths: Mapping[str, Truth]) -> None:
    """The table, and in one sentence what the first row is worth."""
    heads = ("proposed", "held out, stable", "of 1,000", f"of its best {TOP}", "promised there")
    print(f"{'':16s}" + "".join(f"{head:>18s}" for head in heads))
    for name, t in truths.items():
        print(f"{name:16s}{t.number:18,}{t.stable:18,}{t.rate:18.1f}{t.ranked:18,}{t.promised:18.1f}")
    print(
        "(held out, stable: stable by DFT, of chemical systems that predictor, latent space, hull and policy have "
        f"never seen.\n Best {TOP}: one per chemical system, by the reward's score, a ranking that any list of "
        "proposals can have.\n Promised: the sum of p_found over those of its best that lie in held-out systems.)"
    )
    policy, chance, prior = (truths.get(name) for name in ("formula policy", "random policy", "prior samples"))
    if policy and chance and prior:
        share = 1000 * policy.ranked / policy.best
        print(
            f"Of the formula policy's {policy.best} proposals, each of another chemical system, {policy.ranked} are "
            "stable compounds of held-out systems that\nnothing here has seen: "
            f"{share / max(chance.rate, 1e-9):.1f} times the random policy's rate per distinct formula, "
            f"{share / max(prior.rate, 1e-9):.1f} times that of prior samples;\nprior samples ranked likewise: "
            f"{prior.ranked} of {prior.best}."
        )


def _system_of(formulas: Sequence[str]) -> list[str]:
    """Chemical system of each formula, as the formula of its elements in equal parts."""
    return CompositionBatch.from_counts(integer_counts(formulas)).systems().formulas()


def _outside(formulas: Sequence[str], systems: set[str]) -> list[str]:
    """Formulas of other chemical systems."""
    return [f for f, system in zip(formulas, _system_of(formulas), strict=True) if system not in systems]


def _half(values: np.ndarray) -> float:
    """Half width of the 95 % interval of a mean over episodes."""
    return float(1.96 * values.std(ddof=1) / np.sqrt(len(values)))
