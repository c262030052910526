"""Run many methods on many tables, on one process or several, into a folder that can be resumed.

The folder holds `traces/SPACE/TASK/METHOD/seeds_<first>.npz`, one block of seeds a file. The files
say themselves what they are, so there is nothing else to keep in step with them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import quote

from nasbench.benchmark import trainables
from nasbench.budget import Budget
from nasbench.errors import BadValue, Diverged
from nasbench.evaluate import Evaluator, FromTable, has, missing
from nasbench.loop import Method, continues, head, origin, run_method
from nasbench.pool import each
from nasbench.recipe import Trainable
from nasbench.shard import WHOLE, Shard
from nasbench.store import Benchmark
from nasbench.store import choose as choose_tables
from nasbench.table import Table
from nasbench.trace import Traces

BLOCK = 25
"""Seeds in one unit of work and of storage; where something is trained, for minutes, only one."""


BASELINE = "random_search"


@dataclass(frozen=True)
class Unit:
    """A block of seeds of one method on one table: independent of all others but its `sources`.

    Those are blocks on other tasks, which are run before it and which it learns from. Answers are
    from the `source`: a benchmark's file, or trainings.
    """

    source: Path | Trainable
    space: str
    task: str
    schedule: str
    method: Method
    seeds: range
    budget: Budget
    out: Path
    sources: tuple[Unit, ...] = ()

    def __str__(self) -> str:
        return f"{self.method}{origin([source.task for source in self.sources])}"

    @property
    def head(self) -> dict[str, Any]:
        """What its traces will say that they are."""
        return head(self.method, self._where(), self.budget, [past.head for past in self.sources])

    @property
    def file(self) -> Path:
        """Where its traces go."""
        method = quote(str(self).replace(":", ","), safe="=., +-")
        name = f"seeds_{self.seeds.start:06}.npz"
        return self.out / "traces" / self.space / self.task / method / name

    def pending(self) -> bool:
        """Say whether there is anything to do; raises `BadValue` for a file of another study."""
        if not self.file.is_file():
            return True
        done, wanted, seeds = Traces.load(self.file), self.head, list(self.seeds)
        try:
            continues(done.head, wanted)
        except BadValue as error:
            raise BadValue(f"{self.file}: {error}; use another --out") from None
        return done.head != wanted or done.seed[: len(seeds)].tolist() != seeds

    def run(self) -> None:
        """Do it, going on from what an earlier call left, and write the file."""
        evaluate, seeds, done = self._evaluator(), self.seeds, None
        history = [Traces.load(source.file) for source in self.sources]
        if self.file.is_file():
            done = Traces.load(self.file)
            seeds = range(seeds.start, max(seeds.stop, seeds.start + len(done)))
        try:
            traces = run_method(self.method, evaluate, seeds, self.budget, done, history)
        except Diverged:
            before, now = done.head if done else {}, self.head
            if any(before.get(key) != now.get(key) for key in ("source_sha256", "history")):
                raise
            # The same method asks otherwise with more to spend: its runs are run again from the
            # start, which costs nothing where the answers are looked up.
            traces = run_method(self.method, evaluate, seeds, self.budget, None, history)
        traces.save(self.file)

    def _evaluator(self) -> Evaluator:
        where = self._where()
        if isinstance(where, Table):
            return FromTable(where)
        from nasbench.training import FromTraining

        return FromTraining(where)

    def _where(self) -> Table | Trainable:
        if isinstance(self.source, Trainable):
            return self.source
        return _open(self.source)[self.space, self.task, self.schedule]


class Trainings:
    """What is trained of a benchmark, where results are not looked up; see `trainables`."""

    def __init__(self, name: str, images: Path | None = None) -> None:
        self._by = {tuple(w.address.split("/")[1:]): w for w in trainables(name, images=images)}
        self.name = next(iter(self._by.values())).address.partition("/")[0]
        self.spaces: dict[str, list[str]] = {}
        for space, task in self._by:
            self.spaces.setdefault(space, []).append(task)

    def __getitem__(self, key: tuple[str, ...], /) -> Trainable:
        if len(key) > 2:
            raise BadValue(f"schedule {key[2]}: what is trained has none, its recipe is the task's")
        return self._by[key]

    def __iter__(self) -> Iterator[tuple[str, ...]]:
        return iter(self._by)


Source: TypeAlias = Benchmark | Trainings


@cache
def _open(path: Path) -> Benchmark:
    return Benchmark(path)


def choose(
    bench: Source,
    spaces: Sequence[str] = (),
    tasks: Sequence[str] = (),
    schedule: str | None = None,
) -> list[tuple[str, ...]]:
    """List the keys of the tables of these spaces and tasks, by default all.

    Each is (space, task), or (space, task, schedule) if one is asked for. Raises `UnknownName`.
    """
    rest = () if schedule is None else (schedule,)
    tables = choose_tables(bench.name, bench.spaces, spaces, tasks)
    return [(*table, *rest) for table in tables]


def not_applicable(
    bench: Source, tables: Iterable[tuple[str, ...]] | None = None
) -> dict[tuple[str, ...], str]:
    """Name the keys of tables that no search can run on, and why."""
    reasons = {key: missing(bench[key]) for key in tables or bench}
    return {key: why for key, why in reasons.items() if why}


def lacking(
    bench: Source, methods: Sequence[Method], tables: Iterable[tuple[str, ...]] | None = None
) -> dict[tuple[tuple[str, ...], str], str]:
    """Name the pairs of a table's key and a method that needs what is not there, and why."""
    pairs = product(tables or bench, methods)
    reasons = {(key, str(method)): method.lacks(has(bench[key])) for key, method in pairs}
    return {pair: why for pair, why in reasons.items() if why}


def with_baseline(methods: Sequence[Method]) -> list[Method]:
    """Put random search in front, unless it is there in some form.

    It is what a method has to beat. The other baseline, the average architecture, needs no runs:
    reports take it from the table.
    """
    there = BASELINE in {method.name for method in methods}
    return [*methods] if there else [Method(BASELINE), *methods]


def units(
    bench: Source,
    out: Path,
    methods: Sequence[Method],
    seeds: int,
    budget: Budget,
    tables: Iterable[tuple[str, ...]] | None = None,
    shard: Shard = WHOLE,
) -> list[Unit]:
    """List what a study of seeds 0 to `seeds` - 1 has left to do in the folder `out`.

    `tables` are (space, task) pairs, all of the benchmark by default, or have a schedule as the
    third; a folder has one of each table. Pairs that are `lacking` are left out. Shards have no
    unit in common: their folders, copied into one, are the study.
    Raises `BadValue` where the folder holds something else, or was run with a larger budget.
    """
    keys = list(tables or bench)
    without = lacking(bench, methods, keys)
    slow = [m for m in methods if isinstance(bench, Trainings) or "live" in m.needs]
    every = [
        Unit(source, key[0], key[1], bench[key].schedule, method, block, budget, out)
        for key, method in product(keys, methods)
        for source in [bench.path if isinstance(bench, Benchmark) else bench[key]]
        for block in blocks(seeds, BLOCK if method not in slow else 1)
        if (key, str(method)) not in without
    ]
    return left(bench, out, shard.of(every))


def blocks(seeds: int, size: int = BLOCK) -> list[range]:
    """Cut seeds 0 to `seeds` - 1 into blocks; raises `BadValue` for none and for too many."""
    if seeds < 1:
        raise BadValue(f"a study of {seeds} seeds: it must be at least 1")
    if seeds > 1_000_000:
        raise BadValue(f"a study of {seeds} seeds: a million is the most")
    return [range(first, min(first + size, seeds)) for first in range(0, seeds, size)]


def left(bench: Source, out: Path, every: Sequence[Unit]) -> list[Unit]:
    """List the units that are not finished; raises `BadValue` as `units` does."""
    if len({unit.file for unit in every}) < len(every):
        names = ", ".join(dict.fromkeys(map(str, every)))
        raise BadValue(f"two methods, or tables, go by the same name: {names}; rename one")
    if first := next((out / "traces").rglob("[!.]*.npz"), None):
        there = Traces.load(first).head.get("benchmark")
        if there != bench.name:
            raise BadValue(f"{out} is a study of {there}: use another --out for {bench.name}")
    return [unit for unit in every if unit.pending()]


def study(todo: Sequence[Unit], executor: Executor | None = None) -> Iterator[Unit]:
    """Run the units, here or on an executor, and yield each when its file is written.

    The first one that fails ends the study; what was finished stays. Whatever the executor, the
    files are the same, byte for byte.
    """
    return (unit for unit, _ in each(Unit.run, todo, executor))
