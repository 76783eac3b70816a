"""Environments: ways of proposing the next composition. `import matenv` registers their ids.

May import: `matenv.tasks`, `matenv.oracle`, `matenv.latent`, `matenv.data`, `matenv.composition`.
"""
