"""Stable-Baselines3 on the natively batched environment.

The task is a training wheel: quick to learn, and one formula answers it. Compare methods on the benchmark's tasks
(docs/benchmark_tasks.md).

Run: python examples/train_ppo.py
"""

import gymnasium as gym
from matenv.agents.evaluation import evaluate_policy
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecMonitor

import matenv  # noqa: F401  (registers the environments)
from matenv.wrappers import SB3VecEnv


def main() -> None:
    envs = VecMonitor(SB3VecEnv(gym.make_vec("MaterialLatent-v0", num_envs=64, task="stiff-stable")))
    agent = PPO("MlpPolicy", envs, n_steps=32, batch_size=512, gamma=0.95, seed=0, device="cpu")
    agent.learn(50_000)
    result = evaluate_policy(agent, episodes=128, task="stiff-stable")
    print(f"return {result.returns.mean():.2f}, final score {result.final_scores.mean():.3f}")
    print("final materials:", ", ".join(result.final_formulas[:8]))


if __name__ == "__main__":
    main()
