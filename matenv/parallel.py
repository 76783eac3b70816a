"""Row blocks on our own threads.

The compiled kernels and torch's matrix products release Python's lock, so blocks of rows run side by side. Torch itself
is held to one thread meanwhile: its own threads wait for each other after every small operation, which on a busy
machine slows small batches down many times over.

May import: nothing of matenv.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
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
    with one_torch_thread():
        if blocks == 1:
            return [function(slice(0, rows))]
        edges = [rows * i // blocks for i in range(blocks + 1)]
        slices = list(map(slice, edges[:-1], edges[1:]))
        others = [_pool(os.getpid()).submit(_alone, function, block) for block in slices[1:]]
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


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Hold torch, if it is loaded, to one thread in the calling thread."""
    torch = sys.modules.get("torch")
    before = torch.get_num_threads() if torch is not None else 1
    if torch is None or before == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _alone(function: Callable[[slice], T], block: slice) -> T:
    with one_torch_thread():
        return function(block)


@lru_cache(maxsize=1)
def _pool(process: int) -> ThreadPoolExecutor:
    """The shared threads of a process; a forked child gets its own."""
    return ThreadPoolExecutor(available_threads(), thread_name_prefix=_NAME)
