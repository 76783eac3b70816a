"""Adapters that make the environments speak to other worlds.

May import: `matenv.envs` (through its public behaviour only).
"""

from matenv.wrappers.sb3 import SB3VecEnv

__all__ = ["SB3VecEnv"]
