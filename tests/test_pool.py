"""Jobs done here or by other processes."""

from __future__ import annotations

import os
from threading import Lock

import pytest

from nasbench.errors import BadValue, RunnerFailed
from nasbench.pool import each, processes


def square(number: int) -> int:
    return number * number


def die(number: int) -> None:
    os._exit(number)


@pytest.mark.parametrize("workers", [0, 2])
def test_each_job_comes_with_its_result(workers: int) -> None:
    pool = processes(workers) if workers else None
    assert dict(each(square, range(5), pool)) == {n: n * n for n in range(5)}
    if pool:
        pool.shutdown()


def test_a_dead_worker_is_said() -> None:
    with processes(1) as pool, pytest.raises(RunnerFailed, match="a worker process died"):
        list(each(die, [3], pool))


def test_what_can_not_be_sent_is_said() -> None:
    lock = Lock()
    with processes(1) as pool, pytest.raises(BadValue, match="can't be sent to another process"):
        list(each(square, [lock], pool))  # type: ignore[arg-type]
