"""Row blocks on our own threads.

The compiled kernels release Python's lock, so blocks of rows run side by side.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from threading import current_thread
from typing import TypeVar

T = TypeVar("T")

_NAME = "matenv-rows"


def available_threads() -> int:
    """Processors this process may run on, at most 16."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(count, 16)


def run_blocks(function: Callable[[slice], T], rows: int, smallest: int, threads: int | None = None) -> list[T]:
    """Call a function on consecutive blocks of rows that together cover all of them.

    Args:
        function: Takes a slice of rows; must not depend on the order of the calls.
        rows: Number of rows B.
        smallest: Fewest rows worth a thread; batches below twice this run in the calling thread, as one block.
        threads: Most blocks; None for the processors available.

    Returns:
        The results in row order.
    """
    nested = current_thread().name.startswith(_NAME)  # a block that asked for more threads could wait for itself
    blocks = 1 if nested else max(min(threads or available_threads(), rows // smallest), 1)
    if blocks == 1:
        return [function(slice(0, rows))]
    edges = [rows * i // blocks for i in range(blocks + 1)]
    slices = list(map(slice, edges[:-1], edges[1:]))
    others = [_pool(os.getpid()).submit(function, block) for block in slices[1:]]
    first = function(slices[0])
    return [first, *(other.result() for other in others)]


def alongside(function: Callable[[], T]) -> Callable[[], T]:
    """Start a function on a thread of its own, for work that waits on another device.

    Args:
        function: Takes nothing.

    Returns:
        A function that waits for the result.
    """
    return _pool(os.getpid()).submit(function).result


@lru_cache(maxsize=1)
def _pool(process: int) -> ThreadPoolExecutor:
    """The shared threads of a process; a forked child gets its own."""
    return ThreadPoolExecutor(available_threads(), thread_name_prefix=_NAME)
