"""Jobs done here or by other processes."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

import pytest

from nasbench.errors import BadValue, RunnerFailed
from nasbench.pool import AHEAD, Processes, each


def square(number: int) -> int:
    return number * number


def die(number: int) -> None:
    os._exit(number)


@pytest.mark.parametrize("workers", [0, 2])
def test_each_job_comes_with_its_result(workers: int) -> None:
    pool = Processes(workers) if workers else None
    assert dict(each(square, range(5), pool)) == {n: n * n for n in range(5)}
    if pool:
        pool.shutdown()


def test_jobs_are_asked_for_when_their_turn_comes_near() -> None:
    asked: list[int] = []

    def noted(number: int) -> int:
        asked.append(number)
        return number

    with Processes(1) as pool:
        for done, _ in enumerate(each(square, map(noted, range(3 * AHEAD)), pool)):
            assert len(asked) <= done + AHEAD
    assert asked == list(range(3 * AHEAD))


def test_a_dead_worker_is_said() -> None:
    with Processes(1) as pool, pytest.raises(RunnerFailed, match="a worker process died"):
        list(each(die, [3], pool))


def test_what_can_not_be_sent_is_said() -> None:
    lock = Lock()
    with Processes(1) as pool, pytest.raises(BadValue, match="can't be sent to another process"):
        list(each(square, [lock], pool))  # type: ignore[arg-type]


@contextmanager
def ctrl_c(after: float) -> Iterator[None]:
    """Raise what Ctrl-C raises, so many seconds from now."""
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, after)
    try:
        yield
    finally:
        signal.signal(signal.SIGALRM, before)


def test_ctrl_c_ends_the_wait_for_a_job_at_work() -> None:
    start = time.monotonic()
    with ctrl_c(3), pytest.raises(KeyboardInterrupt), Processes(1) as pool:
        pool.submit(time.sleep, 600)
    assert time.monotonic() - start < 60
