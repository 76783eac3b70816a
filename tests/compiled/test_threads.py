import threading

import numpy as np

from matenv.compiled.threads import alongside, run_blocks


def test_blocks_cover_all_rows_in_order():
    for rows in (0, 1, 7, 1000):
        seen = run_blocks(range(rows).__getitem__, rows, smallest=10, threads=4)
        assert [row for block in seen for row in block] == list(range(rows))
    assert len(run_blocks(lambda block: block, 1000, smallest=10, threads=4)) == 4
    assert len(run_blocks(lambda block: block, 15, smallest=10, threads=4)) == 1


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


def test_work_alongside_goes_on_meanwhile_and_its_errors_come_through():
    go = threading.Event()
    result = alongside(lambda: go.wait(10))
    go.set()
    assert result() is True
    try:
        alongside(lambda: 1 / 0)()
    except ZeroDivisionError:
        return
    raise AssertionError("the error was lost")
