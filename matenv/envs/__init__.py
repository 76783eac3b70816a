"""Environments: ways of proposing the next composition. Importing this room registers the ids.

May import: `matenv.tasks`, `matenv.oracle`, `matenv.latent`, `matenv.data`, `matenv.composition`.
"""

from matenv.envs.registration import register_envs

register_envs()
