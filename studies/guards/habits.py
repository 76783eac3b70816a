"""What an agent learns with and without repeat decay and guards: ``python -m studies.guards.habits``.

Short PPO runs that differ in one argument of the environment. Each policy is then watched in an environment without
penalties and ends, so that all are measured alike.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import gymnasium as gym
import numpy as np
import typer
from matenv.agents.policies import Policy
from matenv.agents.train import ENV_ID, train
from stable_baselines3.common.utils import set_random_seed

import matenv
from matenv.benchmark import best_by_system
from matenv.guards import GUARDS
from matenv.tasks import load_task
from tools.command import run

TOP = 100
"""Formulas judged by gold, one per chemical system."""

REPEATS: dict[str, dict[str, Any]] = {
    "no decay": {},
    "decay 0.5": {"repeat_decay": 0.5},
    "decay 0": {"repeat_decay": 0.0},
}
"""Arguments by setting, task stiff-stable. What the policy without decay learned is tried with `Shuttle` besides."""

GUARDED: dict[str, dict[str, Any]] = {
    "no guard": {},
    "uncertainty as penalty (weight 1)": {"reward": {"score": 1.0, "uncertainty": 1.0}},
    "uncertainty ends the episode beyond 1": {"end_beyond": {"uncertainty": 1.0}},
    "cycle ends the episode beyond 1": {"end_beyond": {"cycle": 1.0}},
}
"""Arguments by setting, task wide-gap-novel."""


class Shuttle:
    """The cheat that repeat decay is about: follows a policy for some steps, then repeats its last move to and fro.

    Args:
        policy: What it follows; `visits` is hidden from it.
        follow: For how many steps of an episode.
        horizon: Steps per episode.
    """

    def __init__(self, policy: Any, follow: int = 8, horizon: int = 16) -> None:
        self._policy, self._follow, self._horizon = policy, follow, horizon
        self._width, self._step, self._move = policy.observation_space.shape[0], 0, np.zeros(0)

    def predict(self, observation: Any, *, deterministic: bool = False) -> tuple[Any, Any]:
        """Moves (N, n); all rows are at the same step of their episodes."""
        if self._step < self._follow:
            self._move = self._policy.predict(observation[:, : self._width], deterministic=deterministic)[0]
        else:
            self._move = -self._move
        self._step = (self._step + 1) % self._horizon
        return self._move, None


@dataclass(frozen=True)
class Habits:
    """What a policy does in E episodes of T steps.

    Attributes:
        setting: The arguments it was trained with, by name.
        score: Mean score of the steps that change the formula, over all steps; never decayed.
        earned: Mean reward of a step, as the environment pays it with the repeat decay in question.
        once: The score if each formula counts once per episode.
        distinct: Mean number of distinct formulas of an episode's T.
        back: Share of steps that lead to a formula the episode has left before.
        still: Share of steps that leave the formula unchanged.
        beyond: Share of steps beyond the unit of each guard.
        paid: Mean proxy score of the `TOP` best formulas met.
        gold: Gold's score of them.
        favourite: The pair of formulas most often gone to and fro between, and how often.
    """

    setting: str
    score: float
    earned: float
    once: float
    distinct: float
    back: float
    still: float
    beyond: dict[str, float]
    paid: float
    gold: float
    favourite: str


def watch(policy: Policy, setting: str, task: str, episodes: int = 256, seed: int = 10_000, **kwargs: Any) -> Habits:
    """Let a policy act and write down its habits.

    Args:
        policy: The policy; it samples its moves.
        setting: Name of what it was trained with.
        task: Name of the task.
        episodes: Number of episodes E.
        seed: Seed of the starts and of the moves.
        **kwargs: Arguments of the environment that change what the policy observes.

    Returns:
        Its habits.
    """
    set_random_seed(seed)  # policies of Stable-Baselines3 draw their moves from torch's own generator
    reported = {"score": 1.0, **dict.fromkeys(GUARDS, 0.0)}
    envs = gym.make_vec(ENV_ID, num_envs=episodes, **{"task": task, "reward": reported, **kwargs})
    observation, _ = envs.reset(seed=seed)
    names: list[list[str]] = [envs.unwrapped.formulas()]  # type: ignore[attr-defined]
    scores, beyond, earned = [], [], []
    for _ in range(envs.unwrapped.core.horizon):  # type: ignore[attr-defined]
        observation, reward, _, truncated, info = envs.step(policy.predict(observation)[0])
        earned.append(reward.mean())
        last = info["final_info"] if truncated.all() else info
        names.append(last["formula"].tolist() if truncated.all() else envs.unwrapped.formulas())  # type: ignore[attr-defined]
        scores.append(last["score"])
        beyond.append([(last["guards"][guard] > 1.0).mean() for guard in GUARDS])
    envs.close()
    paths = list(zip(*names, strict=True))
    moved = np.array([[a != b for a, b in zip(path, path[1:], strict=False)] for path in paths]).T
    new = np.array([[path[t] not in path[:t] for t in range(1, len(path))] for path in paths]).T
    score = np.array(scores) * moved
    swings = Counter(
        tuple(sorted((path[t], path[t + 1])))
        for path in paths
        for t in range(len(path) - 2)
        if path[t] == path[t + 2] != path[t + 1]
    )
    pair, times = swings.most_common(1)[0] if swings else (("-", "-"), 0)
    visited: dict[str, float] = {}
    for row, line in zip(names[1:], scores, strict=True):
        visited |= dict(zip(row, line.tolist(), strict=True))
    paid, gold = _judge(visited, task)
    return Habits(
        setting=setting,
        score=float(score.mean()),
        earned=float(np.mean(earned)),
        once=float((score * new).mean()),
        distinct=float(np.mean([len(set(path[1:])) for path in paths])),
        back=float((moved & ~new).mean()),
        still=float((~moved).mean()),
        beyond=dict(zip(GUARDS, np.mean(beyond, axis=0).tolist(), strict=True)),
        paid=paid,
        gold=gold,
        favourite=f"{pair[0]} - {pair[1]}, {times} times",
    )


def _judge(visited: Mapping[str, float], task: str) -> tuple[float, float]:
    """Proxy and gold score of the best formulas, one per chemical system."""
    batch = matenv.Oracle().assess([name for name in visited if name]).compositions
    scores = np.array([score for name, score in visited.items() if name])
    rows = best_by_system(batch, scores, TOP)
    gold = matenv.Oracle(predictor="gold", judge=True).assess(batch[rows])
    return float(scores[rows].mean()), float(load_task(task).score(gold).score.mean())


def repeats_table(found: list[Habits]) -> str:
    """Habits with and without repeat decay as a Markdown table."""
    lines = [
        "| policy | score per step | earned | each formula once | distinct of 16 | back | still | often to and fro |",
        "|---" * 8 + "|",
    ]
    lines += [
        f"| {h.setting} | {h.score:.3f} | {h.earned:.3f} | {h.once:.3f} | {h.distinct:.1f} | {100 * h.back:.0f} % "
        f"| {100 * h.still:.0f} % | {h.favourite} |"
        for h in found
    ]
    return "\n".join(lines)


def guards_table(found: list[Habits]) -> str:
    """Habits with and without guards as a Markdown table."""
    lines = [
        "| trained with | score per step | best 100: paid | gold | gap | beyond 1: " + " | ".join(GUARDS) + " |",
        "|---" * (5 + len(GUARDS)) + "|",
    ]
    lines += [
        f"| {h.setting} | {h.score:.3f} | {h.paid:.3f} | {h.gold:.3f} | {h.paid - h.gold:+.3f} | "
        + " | ".join(f"{100 * h.beyond[guard]:.0f} %" for guard in GUARDS)
        + " |"
        for h in found
    ]
    return "\n".join(lines)


def main(
    timesteps: Annotated[int, typer.Option(help="Steps per run.")] = 150_000,
    seed: Annotated[int, typer.Option(help="Seed of the runs.")] = 0,
    out: Annotated[Path, typer.Option(help="Folder of the runs and tables.")] = Path("runs/guard-study"),
) -> None:
    """Train, watch, print and write the tables; interrupted runs resume."""
    found: dict[str, list[Habits]] = {}
    for task, settings in (("stiff-stable", REPEATS), ("wide-gap-novel", GUARDED)):
        found[task] = []
        for number, (setting, kwargs) in enumerate(settings.items()):
            folder = out / task / str(number)
            env_kwargs = {"task": task, **kwargs}
            agent = train("ppo", folder, timesteps, seed, ENV_ID, env_kwargs, progress=False)
            seen = {key: value for key, value in kwargs.items() if key == "repeat_decay"}
            found[task].append(watch(agent, f"PPO, {setting}", task, **seen))  # type: ignore[arg-type]
            text = _write(out, {"timesteps": timesteps, "seed": seed}, found)
            if setting == "no decay":
                for name, asked in REPEATS.items():
                    found[task].append(watch(Shuttle(agent), f"its moves to and fro, {name}", task, **asked))
            print(f"{task}, {setting}: done", file=sys.stderr, flush=True)
    print(text)


def _write(out: Path, settings: dict[str, int], found: dict[str, list[Habits]]) -> str:
    """Write what has been found so far, and return it as text."""
    text = f"{repeats_table(found['stiff-stable'])}\n\n{guards_table(found.get('wide-gap-novel', []))}"
    content = settings | {task: [asdict(h) for h in habits] for task, habits in found.items()}
    (out / "guard-study.json").write_text(json.dumps(content, indent=1) + "\n")
    (out / "guard-study.md").write_text(text + "\n")
    return text


if __name__ == "__main__":
    run(main)
