"""A task of one's own: a lead-free PBE gap of 1.1-1.7 eV, stable, and new.

Run: python examples/own_task.py
"""

import gymnasium as gym

import matenv
from matenv.tasks import Task, Window


def main() -> None:
    task = Task(
        "solar-absorber",
        "PBE gap 1.1-1.7 eV (PBE underestimates: measured gaps are wider), stable, no near-copy of a known formula.",
        (Window("band_gap_pbe", 1.1, 1.7),),
        novel=True,
        success_utility=0.3,
    )
    task = matenv.load_task(task, exclude=["Pb", "Cd", "Hg", "As", "Tl"])
    envs = gym.make_vec("MaterialLatent-v0", num_envs=256, task=task, start="prior")
    envs.reset(seed=0)
    envs.action_space.seed(0)
    best: dict[str, float] = {}
    for _ in range(40):
        _, _, _, _, info = envs.step(envs.action_space.sample())
        best |= dict(zip(envs.unwrapped.formulas(), info["score"].tolist(), strict=True))
    for formula, score in sorted(best.items(), key=lambda item: -item[1])[:10]:
        print(f"{formula:20s} {score:.3f}")


if __name__ == "__main__":
    main()
