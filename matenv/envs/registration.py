"""Registered ids. A change in what an id means bumps its version.

May import: nothing of matenv (entry points are strings, so that registering stays light).
"""

import gymnasium as gym

IDS = ("MaterialLatent-v0",)
"""Ids this package registers."""


def register_envs() -> None:
    """Register every id, single and natively batched. Calling it twice changes nothing.

    No `max_episode_steps`: the environments own their horizon, so that single and batched ones end alike.
    """
    for env_id in IDS:
        if env_id not in gym.registry:
            gym.register(
                id=env_id,
                entry_point="matenv.envs.latent:MaterialLatentEnv",
                vector_entry_point="matenv.envs.latent:MaterialLatentVectorEnv",
            )
