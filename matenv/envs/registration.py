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

OXIDE_IDS = {
    "MaterialOxides-v0": ("matenv.envs.oxides:MaterialOxidesEnv", "matenv.envs.oxides:MaterialOxidesVectorEnv"),
}
"""The one that builds a formula from nothing, as Pan et al. do."""

ALL_IDS = IDS | GOAL_IDS | SYSTEM_IDS | OXIDE_IDS
"""Every id that this package registers."""


def plain_id(env_id: str) -> str:
    """An id without the prefix ``matenv:``, by which Gymnasium imports this package before it looks the id up.

    Args:
        env_id: Such as ``"matenv:MaterialLatent-v0"``, or without the prefix.

    Returns:
        Such as ``"MaterialLatent-v0"``.
    """
    return env_id.removeprefix("matenv:") if isinstance(env_id, str) else env_id


def register_envs() -> None:
    """Register every id, single and natively batched. Calling it twice changes nothing.

    No `max_episode_steps`: the environments own their horizon, so that single and batched ones end alike.
    """
    for env_id, (single, batched) in ALL_IDS.items():
        if env_id not in gym.registry:
            gym.register(id=env_id, entry_point=single, vector_entry_point=batched)
