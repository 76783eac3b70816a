"""Pictures of a run.

May import: `matenv.envs`, `matenv.latent`.
"""
