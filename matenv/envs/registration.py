"""Registered ids. A change in what an id means bumps its version."""

import gymnasium as gym

IDS = {
    "MaterialLatent-v0": ("matenv.envs.latent:MaterialLatentEnv", "matenv.envs.latent:MaterialLatentVectorEnv"),
    "MaterialElements-v0": (
        "matenv.envs.elements:MaterialElementsEnv",
        "matenv.envs.elements:MaterialElementsVectorEnv",
    ),
}
"""Environments with a flat observation, with their single and their natively batched class."""

GOAL_IDS = {
    "MaterialLatentGoal-v0": (
        "matenv.envs.latent_goal:MaterialLatentGoalEnv",
        "matenv.envs.latent_goal:MaterialLatentGoalVectorEnv",
    ),
    "MaterialElementsGoal-v0": (
        "matenv.envs.elements_goal:MaterialElementsGoalEnv",
        "matenv.envs.elements_goal:MaterialElementsGoalVectorEnv",
    ),
}
"""Those whose observation holds what is achieved and what is asked for."""

SYSTEM_IDS = {
    "MaterialSystem-v0": ("matenv.envs.system:MaterialSystemEnv", "matenv.envs.system:MaterialSystemVectorEnv"),
}
"""The one whose reward is read from the table."""

ALL_IDS = IDS | GOAL_IDS | SYSTEM_IDS
"""Every id that this package registers."""


def register_envs() -> None:
    """Register every id, single and natively batched. Calling it twice changes nothing.

    No `max_episode_steps`: the environments own their horizon, so that single and batched ones end alike.
    """
    for env_id, (single, batched) in ALL_IDS.items():
        if env_id not in gym.registry:
            gym.register(id=env_id, entry_point=single, vector_entry_point=batched)
