"""Run many methods on many tables, on one process or several, into a folder that can be resumed.

The folder holds `traces/SPACE/TASK/METHOD/seeds_<first>.npz`, one block of seeds a file. The files
say themselves what they are, so there is nothing else to keep in step with them.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, as_completed
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path

from nasbench.budget import Budget
from nasbench.errors import BadValue, RunnerFailed
from nasbench.loop import Method, head, run_method
from nasbench.store import Benchmark
from nasbench.trace import Traces

BLOCK = 100
"""Seeds in one unit of work and of storage."""


@dataclass(frozen=True)
class Unit:
    """A block of seeds of one method on one table: independent of all others."""

    benchmark: Path
    space: str
    task: str
    method: Method
    seeds: range
    budget: Budget
    out: Path

    @property
    def file(self) -> Path:
        """Where its traces go."""
        method = str(self.method).replace(":", ",")
        name = f"seeds_{self.seeds.start:06}.npz"
        return self.out / "traces" / self.space / self.task / method / name

    def pending(self) -> bool:
        """Say whether there is anything to do; raises `BadValue` for a file of another study."""
        if not self.file.is_file():
            return True
        table, done = _open(self.benchmark)[self.space, self.task], Traces.load(self.file)
        wanted = head(self.method, table, self.budget)
        if done.head == wanted and len(done) >= len(self.seeds):
            return False
        for key in wanted.keys() - {"budget"}:
            if done.head[key] != wanted[key]:
                raise BadValue(
                    f"{self.file} was run with {key} {done.head[key]}, asked was {wanted[key]}: "
                    "use another --out"
                )
        had, asked = done.head["budget"], wanted["budget"]
        if had.keys() != asked.keys() or any(had[name] > asked[name] for name in had):
            raise BadValue(
                f"{self.file} has runs of {Budget(**had)}, asked were {self.budget}: a budget can "
                f"only grow, or use another --out"
            )
        return True

    def run(self) -> None:
        """Do it, going on from what an earlier call left, and write the file."""
        table, seeds, done = _open(self.benchmark)[self.space, self.task], self.seeds, None
        if self.file.is_file():
            done = Traces.load(self.file)
            seeds = range(seeds.start, max(seeds.stop, seeds.start + len(done)))
        run_method(self.method, table, seeds, self.budget, done).save(self.file)


@cache
def _open(path: Path) -> Benchmark:
    return Benchmark(path)


def units(
    bench: Benchmark,
    out: Path,
    methods: Sequence[Method],
    seeds: int,
    budget: Budget,
    tables: Iterable[tuple[str, str]] | None = None,
) -> list[Unit]:
    """List what a study of seeds 0 to `seeds` - 1 has left to do in the folder `out`.

    `tables` are (space, task) pairs, all of the benchmark by default. Raises `BadValue` where the
    folder holds something else, or was run with a larger budget.
    """
    if seeds < 1:
        raise BadValue(f"a study of {seeds} seeds: it must be at least 1")
    blocks = [range(first, min(first + BLOCK, seeds)) for first in range(0, seeds, BLOCK)]
    every = (
        Unit(bench.path, space, task, method, block, budget, out)
        for (space, task), method, block in product(tables or bench, methods, blocks)
    )
    return [unit for unit in every if unit.pending()]


def study(todo: Sequence[Unit], executor: Executor | None = None) -> Iterator[Unit]:
    """Run the units, here or on an executor, and yield each when its file is written.

    The first one that fails ends the study; what was finished stays. Whatever the executor, the
    files are the same, byte for byte.
    """
    if executor is None:
        for unit in todo:
            unit.run()
            yield unit
        return
    futures = {executor.submit(_run, _packed(unit)): unit for unit in todo}
    try:
        for future in as_completed(futures):
            future.result()
            yield futures[future]
    except BrokenExecutor as error:
        raise RunnerFailed(f"a worker process died (out of memory?): {error}") from error
    finally:
        for future in futures:
            future.cancel()


def _packed(unit: Unit) -> bytes:
    import cloudpickle

    try:
        packed: bytes = cloudpickle.dumps(unit)
    except Exception as error:
        raise BadValue(
            f"{unit.method} can't be sent to another process ({error}): put it into a file"
        ) from error
    return packed


def _run(packed: bytes) -> None:
    unit: Unit = pickle.loads(packed)
    unit.run()
