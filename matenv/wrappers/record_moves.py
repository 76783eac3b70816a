"""`RecordMoves`: keeps what every move of a batch of episodes led to, final steps included."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from matenv.benchmark.moves import Moves
from matenv.checks import check_made
from matenv.composition import CompositionBatch, integer_counts


class RecordMoves(gym.vector.VectorWrapper):
    """Records the moves of a batched matenv environment; `moves()` has them.

    Moves beyond the oracle's budget, which are not assessed, are left out; so are the starts of episodes, which are no
    moves. What an oracle behind free checks refuses is kept, as invalid, while there is a budget.

    Args:
        env: A batched environment of this package, in SAME_STEP autoreset mode.

    Examples:
        >>> import gymnasium as gym, matenv
        >>> envs = RecordMoves(gym.make_vec("MaterialElements-v0", num_envs=8))
        >>> _ = envs.reset(seed=0), envs.action_space.seed(0)
        >>> for _ in range(16):
        ...     _ = envs.step(envs.action_space.sample())
        >>> moves = envs.moves()
        >>> len(moves), bool(moves.out_of_bounds.mean() > 0.5)      # most edits are not allowed, and no mask was heeded
        (128, True)
    """

    def __init__(self, env: gym.vector.VectorEnv) -> None:
        check_made("env", env, gym.vector.VectorEnv, "gym.make_vec")
        super().__init__(env)
        self._core: Any = env.unwrapped.core  # type: ignore[attr-defined]
        if not self._core.in_words:
            raise ValueError("info='numbers' leaves out what RecordMoves reads; make the environment with info='words'")
        self._parts: list[Moves] = []

    def step(self, actions: Any) -> Any:
        """Step, and record."""
        before, calls = self._core.state.compositions, self._core.oracle.calls
        result = self.env.step(actions)
        info = result[-1]
        ended: Any = info.get("_final_info")
        final: Any = info.get("final_info")
        after = self._core.state.compositions
        if final is not None:
            after = _replaced(after, np.flatnonzero(ended), final["formula"][ended].tolist())

        def led_to(name: str, *terms: str) -> NDArray:
            values: Any = info
            last: Any = final
            for key in (name, *terms):
                values, last = values[key], None if last is None else last[key]
            return values if last is None else np.where(ended, last, values)

        defined, energy = led_to("_decomposition_energy"), led_to("decomposition_energy")
        moved = Moves(
            compositions=after,
            calls=np.full(self.num_envs, calls),
            changed=~after.same_as(before),
            out_of_bounds=led_to("terms", self._core.PENALTY) < 0,
            valid=led_to("valid"),
            success=led_to("success"),
            p_stable=led_to("p_stable"),
            decomposition_energy=np.where(defined, energy, np.nan),
        )
        self._parts.append(moved[np.flatnonzero(led_to("evaluated") | (not self._core.oracle.exhausted))])
        return result

    def moves(self) -> Moves:
        """All moves so far; at least one step must have been made."""
        if not self._parts:
            raise RuntimeError("moves() was called before step(); there is nothing to report")
        return Moves.concatenate(self._parts)


def _replaced(batch: CompositionBatch, rows: NDArray[np.int64], formulas: list[str]) -> CompositionBatch:
    """A copy of a batch with other formulas in some rows; "" is the empty composition."""
    named = [(row, formula) for row, formula in zip(rows, formulas, strict=True) if formula]
    counts = batch.dense_counts()
    counts[rows] = 0
    if named:
        counts[[row for row, _ in named]] = integer_counts([formula for _, formula in named])
    return CompositionBatch.from_counts(counts, allow_empty=True)
