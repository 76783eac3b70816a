"""Adapters that make the environments speak to other worlds."""

from matenv.wrappers.record_moves import RecordMoves
from matenv.wrappers.sb3 import SB3VecEnv

__all__ = ["RecordMoves", "SB3VecEnv"]
