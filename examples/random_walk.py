"""A random walk through the latent space, told step by step.

Run: python examples/random_walk.py
"""

import gymnasium as gym

import matenv  # noqa: F401  (registers the environments)


def main() -> None:
    env = gym.make("MaterialLatent-v0", task="stiff-stable", step_size=1.0, render_mode="ansi")
    env.reset(seed=0, options={"formula": "BaTiO3"})
    env.action_space.seed(0)
    done = False
    while not done:
        _, _, terminated, truncated, _ = env.step(env.action_space.sample())
        done = terminated or truncated
    print(env.render())


if __name__ == "__main__":
    main()
