"""Pictures: of a run, and of how far predictions can be trusted.

May import: `matenv.benchmark`, `matenv.envs`, `matenv.latent`, `matenv.properties`.
"""
