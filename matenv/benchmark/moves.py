"""What a policy's moves led to: how many were wasted, how many ended on something valid, viable, successful.

This is the burden of constraints as an agent feels it: moves, rather than distinct formulas, repeats included.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from matenv.chemistry import is_charge_neutral
from matenv.composition import CompositionBatch

VIABLE = 0.5
"""P(stable) from which a formula counts as viable."""

NEAR_HULL = (0.05, 0.1)
"""Predicted decomposition energies up to which a formula counts as near the hull [eV/atom]."""


@dataclass(frozen=True)
class Moves:
    """Moves in the order they were made (S), of all episodes together.

    Attributes:
        compositions: What each move led to; empty where a move led to no composition.
        calls: The oracle's calls when the batch of moves was made (S,) int64, ascending.
        changed: The formula became another one (S,) bool.
        out_of_bounds: The move tried what its environment does not let happen: an edit that is not allowed, or a step
            out of the ball of trained positions, which is shortened (S,) bool.
        valid: Valid by the task's rules, those of its regime included (S,) bool.
        success: The task's success, by the predictor that pays the reward (S,) bool.
        p_stable: P(stable) (S,).
        decomposition_energy: Predicted E_d (S,) [eV/atom]; NaN where undefined.
    """

    compositions: CompositionBatch
    calls: NDArray[np.int64]
    changed: NDArray[np.bool_]
    out_of_bounds: NDArray[np.bool_]
    valid: NDArray[np.bool_]
    success: NDArray[np.bool_]
    p_stable: NDArray[np.float64]
    decomposition_energy: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.calls)

    def __getitem__(self, rows: NDArray | slice) -> Moves:
        return Moves(*(getattr(self, f.name)[rows] for f in fields(self)))

    @classmethod
    def concatenate(cls, parts: Sequence[Moves]) -> Moves:
        """Moves one after another; at least one part."""
        batches = CompositionBatch.concatenate([part.compositions for part in parts])
        rest = [f.name for f in fields(cls) if f.name != "compositions"]
        return cls(batches, *(np.concatenate([getattr(part, name) for part in parts]) for name in rest))


def shares(moves: Moves) -> dict[str, float]:
    """What became of some moves.

    Args:
        moves: At least one.

    Returns:
        Shares of the moves that ``changed`` the formula, were ``out_of_bounds``, led to something ``valid``,
        ``neutral`` (charge neutral, metals not exempt), ``viable`` (P(stable) of `VIABLE` or more), ``near_hull_50``
        and ``near_hull_100`` (E_d up to 50 and 100 meV/atom), ``valid_viable`` (both), ``useful`` (both, and another
        formula than before), ``success``; the mean ``p_stable``; ``formulas`` and ``systems``: distinct formulas and
        chemical systems per 1,000 moves; ``moves``: how many.
    """
    viable, batch = moves.p_stable >= VIABLE, moves.compositions
    formulas, systems = batch.distinct(), batch.systems().distinct()
    near = {f"near_hull_{1000 * t:.0f}": float((moves.decomposition_energy <= t).mean()) for t in NEAR_HULL}
    return {
        "changed": float(moves.changed.mean()),
        "out_of_bounds": float(moves.out_of_bounds.mean()),
        "valid": float(moves.valid.mean()),
        "neutral": float(is_charge_neutral(moves.compositions).mean()),
        "viable": float(viable.mean()),
        "valid_viable": float((moves.valid & viable).mean()),
        "useful": float((moves.valid & viable & moves.changed).mean()),
        **near,
        "success": float(moves.success.mean()),
        "p_stable": float(moves.p_stable.mean()),
        "formulas": 1000 * len(formulas) / len(moves),
        "systems": 1000 * len(systems) / len(moves),
        "moves": len(moves),
    }


WINDOWS = 10
"""Parts of a budget, equal in calls, over which the shares of moves are followed."""


def windows(moves: Moves, budget: int, parts: int = WINDOWS) -> list[dict[str, float]]:
    """Shares of moves in each of some parts of the budget.

    Args:
        moves: The moves.
        budget: Calls in all.
        parts: Parts, equal in calls.

    Returns:
        For each part with moves what `shares` says, and ``calls``, its last call.
    """
    ends = np.linspace(0, budget, parts + 1)
    cut = [
        (end, moves[(moves.calls >= start) & (moves.calls < end)])
        for start, end in zip(ends[:-1], ends[1:], strict=True)
    ]
    return [{"calls": int(end), **shares(part)} for end, part in cut if len(part)]
