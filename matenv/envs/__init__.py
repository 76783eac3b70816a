"""Environments: ways of proposing the next composition. `import matenv` registers their ids.

May import: `matenv.sampling`, `matenv.tasks`, `matenv.oracle`, `matenv.latent`, `matenv.data`, `matenv.chemistry`,
`matenv.composition`.
"""
