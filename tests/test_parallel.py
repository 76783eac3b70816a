import threading

import numpy as np
import torch

from matenv.parallel import one_torch_thread, run_blocks


def test_blocks_cover_all_rows_in_order():
    for rows in (0, 1, 7, 1000):
        seen = run_blocks(range(rows).__getitem__, rows, smallest=10, threads=4)
        assert [row for block in seen for row in block] == list(range(rows))
    assert len(run_blocks(lambda block: block, 1000, smallest=10, threads=4)) == 4
    assert len(run_blocks(lambda block: block, 15, smallest=10, threads=4)) == 1


def test_torch_is_held_to_one_thread_and_released():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        counts = run_blocks(lambda block: torch.get_num_threads(), 100, smallest=10, threads=3)
        assert counts == [1, 1, 1] and torch.get_num_threads() == 2
        with one_torch_thread():
            assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


def test_a_block_may_ask_for_blocks_itself():
    def outer(block):
        return sum(run_blocks(lambda inner: inner.stop - inner.start, 50, smallest=1, threads=8))

    assert run_blocks(outer, 64, smallest=1, threads=8) == [50] * 8


def test_errors_come_through_and_threads_are_shared():
    names = set()

    def work(block):
        names.add(threading.current_thread().name)
        if block.start == 0:
            raise ValueError("row 0")
        return np.arange(block.start, block.stop)

    for _ in range(3):
        try:
            run_blocks(work, 100, smallest=10, threads=2)
        except ValueError as error:
            assert str(error) == "row 0"
    assert len(names) <= 17
