"""Environments: ways of proposing the next composition. `import matenv` registers their ids."""
