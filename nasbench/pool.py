"""Work that is done here or by other processes, and may be stopped at any moment."""

from __future__ import annotations

import os
import pickle
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
)
from concurrent.futures import wait as wait_for
from contextlib import contextmanager
from itertools import islice
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from threading import Thread, current_thread, main_thread
from typing import Any, TypeVar
from weakref import WeakSet

from nasbench.errors import BadValue, RunnerFailed

Job = TypeVar("Job")
Result = TypeVar("Result")

PATIENCE = 10
"""Seconds in which a cluster has to answer."""
AHEAD = 256
"""Jobs that are sent to an executor and not done yet; those behind them are not made yet."""


class Processes(ProcessPoolExecutor):
    """A pool of processes that end when this one does.

    Leaving the `with` block waits for the jobs at work, unless Ctrl-C comes meanwhile.
    """

    def __init__(self, workers: int) -> None:
        context = get_context("spawn")
        watched, self._held = context.Pipe(duplex=False)
        super().__init__(workers, context, be_a_worker, (watched,))
        self._sent = WeakSet[Future[Any]]()

    def submit(self, fn: Callable[..., Result], /, *args: Any, **named: Any) -> Future[Result]:
        """Send a job."""
        future = super().submit(fn, *args, **named)
        self._sent.add(future)
        return future

    def __exit__(self, *_: object) -> None:
        try:
            wait_for([*self._sent])
        except BaseException:
            self.stop()
            raise
        with _deaf():  # Python 3.11 takes a thread for ended whose join was interrupted
            self.shutdown()

    def stop(self) -> None:
        """End the processes now: jobs that are at work are lost."""
        with _deaf():
            self._held.close()
            self.shutdown(cancel_futures=True)


@contextmanager
def executor(workers: int, jobs: int, dask: str | None = None) -> Iterator[Executor | None]:
    """Make what does so many jobs: a Dask cluster at its scheduler's address, or processes here.

    None stands for this process, where one worker or job is all there is. A cluster has to have
    this version of nasbench, and the same files; raises `BadValue` where it isn't there, or hasn't.
    """
    if dask is not None:
        with _cluster(dask) as cluster:
            yield cluster
    elif min(workers, jobs) > 1:
        with Processes(min(workers, jobs)) as processes:
            yield processes
    else:
        yield None


@contextmanager
def _cluster(address: str) -> Iterator[Executor]:
    try:
        from distributed import Client, KilledWorker
    except ImportError:
        raise BadValue("--dask needs a library: pip install 'nasbench[cluster]'") from None
    try:
        client = Client(address, timeout=PATIENCE, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise BadValue(f"no Dask scheduler at {address}: {error}") from None
    with client:
        own = _version()
        try:
            versions = client.run(_version)
        except ImportError as error:
            raise BadValue(f"a worker of {address} can't import nasbench: {error}") from None
        if not versions:
            raise BadValue(f"the Dask scheduler at {address} has no workers")
        if other := sorted(set(versions.values()) - {own}):
            raise BadValue(f"workers of {address} have nasbench {', '.join(other)}, here is {own}")
        try:
            yield client.get_executor()  # type: ignore[no-untyped-call]
        except KilledWorker as error:
            raise RunnerFailed(f"Dask workers died of a job (out of memory?): {error}") from error
        except CancelledError as error:
            raise RunnerFailed(f"the Dask scheduler at {address} was lost") from error


def _version() -> str:
    import nasbench

    return nasbench.__version__


def each(
    function: Callable[[Job], Result], jobs: Iterable[Job], executor: Executor | None = None
) -> Iterator[tuple[Job, Result]]:
    """Do the jobs, here or on an executor, and yield each with its result when it's done.

    They are begun in order, and asked for when their turn comes near, so there may be many. The
    first one that fails ends them all; what was finished stays. Raises `RunnerFailed` where a
    worker dies, `BadValue` for a job that can't be sent to another process.
    """
    if executor is None:
        for job in jobs:
            yield job, function(job)
        return
    futures: dict[Future[Result], Job] = {}
    waiting = iter(jobs)
    try:
        while True:
            with _deaf():
                for job in islice(waiting, AHEAD - len(futures)):
                    futures[executor.submit(_run, _packed(function, job))] = job
            if not futures:
                return
            for future in wait_for(futures, return_when=FIRST_COMPLETED).done:
                yield futures.pop(future), future.result()
    except BrokenExecutor as error:
        raise RunnerFailed(f"a worker process died (out of memory?): {error}") from error
    except BaseException:
        for future in futures:
            future.cancel()
        raise


@contextmanager
def _deaf() -> Iterator[None]:
    """Let Ctrl-C wait. A process started meanwhile is deaf until it knows that it is a worker."""
    if sys.platform == "win32" or current_thread() is not main_thread():
        yield
        return
    heard: list[int] = []
    handler = signal.signal(signal.SIGINT, lambda number, _: heard.append(number))
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGINT, handler)
        for number in heard:
            signal.raise_signal(number)


def be_a_worker(watched: Connection) -> None:
    """Prepare a process of a pool: it leaves Ctrl-C to its parent, and doesn't outlive it.

    It ends when the other end of what is watched is closed, too.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    Thread(target=_die_with, args=(watched,), daemon=True).start()


def _die_with(watched: Connection) -> None:
    parent = parent_process()
    wait([watched, parent.sentinel] if parent else [watched])
    os._exit(1)


def _packed(function: Callable[[Job], Any], job: Job) -> bytes:
    import cloudpickle

    try:
        packed: bytes = cloudpickle.dumps((function, job))
    except Exception as error:
        raise BadValue(
            f"{job} can't be sent to another process ({error}): put it into a file"
        ) from error
    return packed


def _run(packed: bytes) -> Any:
    function, job = pickle.loads(packed)
    return function(job)
