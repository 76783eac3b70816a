"""Registered ids. A change in what an id means bumps its version."""

import gymnasium as gym

IDS = {
    "MaterialLatent-v0": ("matenv.envs.latent:MaterialLatentEnv", "matenv.envs.latent:MaterialLatentVectorEnv"),
    "MaterialElements-v0": (
        "matenv.envs.elements:MaterialElementsEnv",
        "matenv.envs.elements:MaterialElementsVectorEnv",
    ),
}
"""Ids this package registers, with their single and their natively batched environment."""


def register_envs() -> None:
    """Register every id, single and natively batched. Calling it twice changes nothing.

    No `max_episode_steps`: the environments own their horizon, so that single and batched ones end alike.
    """
    for env_id, (single, batched) in IDS.items():
        if env_id not in gym.registry:
            gym.register(id=env_id, entry_point=single, vector_entry_point=batched)
