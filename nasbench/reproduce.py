"""Do we get the numbers that papers print? Their protocols, run here, cell by cell.

`results/published/NAME.csv` has a line for each number, which says what it is of, where it was
read, and how it's repeated: nothing about a paper is written here.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib.resources import files
from math import hypot, isnan, nan, sqrt
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nasbench.budget import Budget
from nasbench.correlate import Target
from nasbench.errors import NasbenchError, NotRecorded, UnknownName
from nasbench.find import find, unknown
from nasbench.loop import Method
from nasbench.metrics.ranking import kendall, ranks, spearman
from nasbench.report.score import rows
from nasbench.store import Benchmark
from nasbench.study import Unit, lacking, units
from nasbench.table import Floats, Table
from nasbench.trace import Traces

FAR = 3.0
"""Standard errors beyond which two numbers differ."""

JUDGED = ("published", "computed")
"""Statuses of numbers that are judged by; others are shown."""


@dataclass(frozen=True)
class Cell:
    """One number of a paper, as its file has it, word for word.

    `value` is the mean of `n` runs, with the standard deviation `std`, or a correlation over `n`
    architectures, of `method` on a `task` ("": all of the space), at `split`, `at` and `schedule`
    ("": the table's default). It is of `metric`, in the source's unit, or of the main metric as
    papers print it (""). `repeats` says how we get it ("": we don't, and `remark` says why),
    `searched` on which other table a search runs. `status` is "published" (read where it was
    printed), "computed" (from the table, by others than us) or "unverified".
    """

    table: str
    paper: str
    space: str
    task: str
    schedule: str
    split: str
    at: str
    metric: str
    method: str
    value: str
    std: str
    n: str
    budget: str
    searched: str
    repeats: str
    remark: str
    status: str
    confidence: str
    source: str

    @cached_property
    def how(self) -> tuple[str, str]:
        """Split `repeats` into what is done, and with what."""
        kind, _, argument = self.repeats.partition(" ")
        return kind, argument

    @property
    def of(self) -> tuple[str, str | None, str | None]:
        """Return what of a table it is: split, metric and point of training."""
        return self.split, self.metric or None, self.at or None

    @cached_property
    def limits(self) -> Budget:
        """Read the budget of a search."""
        amount, _, price = self.budget.partition(" ")
        return Budget(**{price: float(amount) if price == "seconds" else int(amount)})


@dataclass(frozen=True)
class Number:
    """A number of ours: a value, over `n` runs with a deviation `std`; NaN and 0 where it's one."""

    value: float
    std: float = nan
    n: int = 0


@dataclass(frozen=True)
class Repeated:
    """A cell, our number for it, and their difference in standard errors.

    The `verdict` is "agrees" or "differs" (by more than `FAR`); "shown" for a number that isn't
    judged by, or whose error isn't known; or "not repeated". `why` says why, or what to know of it.
    """

    cell: Cell
    ours: Number | None
    difference: float
    verdict: str
    why: str = ""

    def as_row(self) -> dict[str, Any]:
        """Put all of it side by side, as text and numbers."""
        ours = {} if self.ours is None else {f"our_{k}": v for k, v in asdict(self.ours).items()}
        told = {"difference": self.difference, "verdict": self.verdict, "why": self.why}
        return {**asdict(self.cell), **ours, **told}


def published(name: str, only: Sequence[str] = ()) -> list[Cell]:
    """Read the numbers that papers print for a benchmark, of some tables; raises `UnknownName`."""
    folder = files("nasbench.results") / "published"
    known = sorted(file.name[:-4] for file in folder.iterdir() if file.name.endswith(".csv"))
    if name not in known:
        raise unknown("benchmark with published numbers", name, known)
    lines = (folder / f"{name}.csv").read_text("utf-8").splitlines()
    cells = [Cell(**row) for row in csv.DictReader(lines)]
    tables = dict.fromkeys(cell.table for cell in cells)
    for table in only:
        if table not in tables:
            raise unknown("published table", table, list(tables))
    return [cell for cell in cells if not only or cell.table in only]


def sampling(kind: str, value: float, cell: Cell, size: int) -> float:
    """Return the standard error of a correlation over `n` of `size` architectures.

    Bonett and Wright (Psychometrika, 2000), with the correction for a finite population. NaN where
    `n` isn't told.
    """
    if not cell.n:
        return nan
    n = int(cell.n)
    if n >= size:
        return 0.0
    squared = (1 + value**2 / 2) / (n - 3) if kind == "spearman" else 0.437 / (n - 4)
    return (1 - value**2) * sqrt(squared * (1 - n / size))


class Run(NamedTuple):
    """A search that a number needs, and the table in which what it finds is looked up."""

    bench: Benchmark
    key: tuple[str, str, str]
    method: Method
    budget: Budget
    out: Path
    table: Table

    def units(self, seeds: int) -> list[Unit]:
        """List what is left to do of so many runs."""
        return units(self.bench, self.out, [self.method], seeds, self.budget, [self.key])

    def found(self) -> NDArray[np.int64]:
        """Return the row of the table that each run would be judged by."""
        unit = Unit(self.bench.path, *self.key, self.method, range(1), self.budget, self.out)
        traces = Traces.join([Traces.load(f) for f in sorted(unit.file.parent.glob("[!.]*.npz"))])
        last = traces.judged[traces.start[1:] - 1]
        return rows(self.table, traces.arch[last])


class Reproduction:
    """The cells of some papers' tables, and what has to be run for them.

    Each number is looked up in the first of the benchmarks that has recorded it, and searches run
    there too. `todo` are the units of a study that are left to do in the folder `out`.
    """

    def __init__(
        self, cells: Sequence[Cell], benches: Sequence[Benchmark], seeds: int, out: Path
    ) -> None:
        self._cells, self._benches, self._out = cells, benches, out
        self._runs: dict[Cell, list[Run]] = {}
        self._skipped: dict[Cell, str] = {}
        for cell in cells:
            if cell.how[0] in ("found", "rank"):
                try:
                    self._runs[cell] = self._searches(cell)
                except NasbenchError as error:
                    self._skipped[cell] = str(error)
        every = [run for runs in self._runs.values() for run in runs]
        self.todo = list({u.file: u for run in every for u in run.units(seeds)}.values())

    def _searches(self, cell: Cell) -> list[Run]:
        """Say what is to be run for a number; raises `NotRecorded` where it can't be."""
        method, runs = Method.parse(cell.how[1]), []
        for bench, table in self._tables(cell):
            own = f"{table.task.name}@{table.schedule}"
            task, _, schedule = (cell.searched or own).partition("@")
            key = cell.space, task, schedule
            if why := lacking(bench, [method], [key]):
                raise NotRecorded(next(iter(why.values())))
            out = self._out / bench.name / cell.budget
            runs.append(Run(bench, key, method, cell.limits, out, table))
        return runs

    def _tables(self, cell: Cell) -> list[tuple[Benchmark, Table]]:
        """Find the tables that a number is of; raises `NotRecorded`."""
        for bench in self._benches:
            tasks = [cell.task] if cell.task else bench.spaces.get(cell.space, ())
            try:
                found = [bench[_key(cell.space, task, cell.schedule)] for task in tasks]
                for table in found:
                    table.column(*cell.of)
            except (NotRecorded, UnknownName):
                continue
            if found:
                return [(bench, table) for table in found]
        what = " ".join(filter(None, (cell.split, cell.metric, cell.at, cell.schedule)))
        raise NotRecorded(f"no table at hand has {cell.space}/{cell.task}, {what}")

    def repeat(self) -> Iterator[Repeated]:
        """Compute every number, once everything `todo` was run, and judge it."""
        for cell in self._cells:
            why = self._skipped.get(cell, "" if cell.repeats else cell.remark)
            try:
                ours, error = (None, nan) if why else self._ours(cell)
            except NasbenchError as problem:
                ours, why = None, str(problem)
            if ours is None:
                yield Repeated(cell, None, nan, "not repeated", why)
                continue
            difference = (ours.value - float(cell.value)) / error
            judged = cell.status in JUDGED and not isnan(difference)
            agrees = "agrees" if abs(difference) <= FAR else "differs"
            yield Repeated(cell, ours, difference, agrees if judged else "shown", cell.remark)

    def _ours(self, cell: Cell) -> tuple[Number, float]:
        """Return our number, and the standard error of its difference from the printed one."""
        kind, argument = cell.how
        if kind in ("found", "rank"):
            ours = _together([_told(cell, run) for run in self._runs[cell]])
            return ours, hypot(ours.std / sqrt(ours.n), _theirs(cell, ours.std), _rounding(cell))
        ((bench, table),) = self._tables(cell)
        scores, values = table.scores(*cell.of), _printed(cell, table)
        if kind == "best":
            return Number(float(values[np.nanargmax(scores)])), _rounding(cell)
        if kind == "value":
            return Number(float(values[table.row(argument)])), _rounding(cell)
        scorer, _, rest = argument.partition(":")
        told = find("scorers", scorer)(Target(table, bench), rest).values
        if kind == "first":
            first = Number(float(values[told == np.nanmax(told)].mean()))
            return first, hypot(_theirs(cell, 0.0), _rounding(cell))
        value = {"spearman": spearman, "kendall": kendall}[kind](told, scores)
        return Number(value), hypot(sampling(kind, value, cell, len(table)), _rounding(cell))


def _told(cell: Cell, run: Run) -> Floats:
    """Return what was found by each run: its value, or its rank in the table."""
    rank = cell.how[0] == "rank"
    return (ranks(run.table.scores(*cell.of)) if rank else _printed(cell, run.table))[run.found()]


def _printed(cell: Cell, table: Table) -> Floats:
    """Return a column of a table (N,) in the unit of what is printed."""
    return table.values(*cell.of) * (1 if cell.metric else table.task.metric.display)


def _key(space: str, task: str, schedule: str) -> tuple[str, ...]:
    return (space, task, schedule) if schedule else (space, task)


def _together(found: Sequence[Floats]) -> Number:
    """Average runs, of several tables first over these: their runs are independent."""
    runs = np.array(found)
    std = np.sqrt(runs.var(axis=1).mean() / len(runs))
    return Number(float(runs.mean()), float(std), runs.shape[1])


def _theirs(cell: Cell, std: float) -> float:
    """Return the standard error of a printed mean, by `std` where no deviation is printed."""
    return float(cell.std or std) / sqrt(int(cell.n))


def _rounding(cell: Cell) -> float:
    """Return the deviation that printing so many digits leaves."""
    return 10.0 ** -len(cell.value.partition(".")[2]) / sqrt(12)
