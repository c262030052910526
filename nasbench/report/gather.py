"""A study's traces, read, checked, and brought together with the tables they were run on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from nasbench.benchmark import open_benchmark
from nasbench.budget import Budget
from nasbench.check import seed_noise
from nasbench.errors import BadFile, BadValue
from nasbench.metrics.noise import Noise
from nasbench.space import Architecture
from nasbench.store import Benchmark
from nasbench.table import Table
from nasbench.trace import Traces

Address: TypeAlias = tuple[str, str]
"""A space and a task."""

TRAINED = "trained.h5"
"""In a study's folder: the tables of what it was answered with, where these were trainings."""


@dataclass(frozen=True, eq=False)
class Study:
    """Runs on tables of one benchmark, by the head's name of the method, all with one budget."""

    bench: Benchmark
    budget: Budget
    tables: Mapping[Address, Table]
    runs: Mapping[Address, Mapping[str, Traces]]

    @cached_property
    def methods(self) -> list[str]:
        """The methods, by alphabet; not every table need have runs of each."""
        return sorted({method for runs in self.runs.values() for method in runs})

    @property
    def live(self) -> bool:
        """Whether networks were trained in the course of it."""
        return any(traces.live for runs in self.runs.values() for traces in runs.values())

    @cached_property
    def spaces(self) -> dict[str, list[str]]:
        """The tasks that something was run on, by space, in the benchmark's order."""
        spaces: dict[str, list[str]] = {}
        for space, task in self.tables:
            spaces.setdefault(space, []).append(task)
        return spaces

    @cached_property
    def noise(self) -> dict[Address, tuple[Noise, str]]:
        """The noise of single trainings of each table, and where it is from ("" if unknown)."""
        return {
            (space, task): seed_noise(self.bench, space, table)
            for (space, task), table in self.tables.items()
        }


def read(folder: Path) -> list[Traces]:
    """Read every file of traces in a study's folder; raises `BadFile` where there is none."""
    files = sorted((folder / "traces").rglob("[!.]*.npz"))
    if not files:
        raise BadFile(f"no traces in {folder}: a study leaves them in traces/SPACE/TASK/METHOD/")
    return [Traces.load(file) for file in files]


def found(folder: Path, space: str, task: str) -> Architecture:
    """Return the best architecture by validation that any run of a study on a task has found.

    Of equal ones it is the first by seed, of the first method by alphabet. Raises `BadValue` where
    nothing was found.
    """
    best, which = -np.inf, None
    for block in read(folder):
        if (block.head["space"], block.head["task"]) == (space, task):
            for step in block.judged[block.start[1:][np.diff(block.start) > 0] - 1]:
                if block.score[step] > best:
                    best, which = block.score[step], block.arch[step]
    if which is None:
        raise BadValue(f"{folder} has no runs on {space}/{task} that found anything")
    return tuple(map(int, which))


def tables_of(folder: Path, bench: Benchmark | None = None) -> Benchmark | None:
    """Return the tables to judge a study by: those given, or what its trainings left there."""
    own = folder / TRAINED
    return Benchmark(own) if bench is None and own.is_file() else bench


def gather(blocks: Sequence[Traces], bench: Benchmark | None = None) -> Study:
    """Join the blocks of each method on each table, and open the tables.

    Raises `BadValue` for traces that don't belong together, or not to this benchmark; without one,
    the benchmark of the name that they say is opened.
    """
    name, answers = (_agreed(blocks, key) for key in ("benchmark", "answers"))
    budget, *more = dict.fromkeys(Budget(**block.head["budget"]) for block in blocks)
    if more:
        raise BadValue(
            f"these are runs of {budget} and of {' and of '.join(map(str, more))}: run the study "
            "with the largest budget, it goes on from where it is"
        )
    bench = bench or open_benchmark(name)
    if name != bench.name:
        raise BadValue(f"the traces are of {name}, the tables at hand of {bench.name}")
    if answers != bench.header["answers"]:
        raise BadValue(
            f"the traces were answered with the {answers} epoch, {bench.name} now answers with the "
            f"{bench.header['answers']} one: run the study again"
        )
    grouped: dict[Address, dict[str, list[Traces]]] = {}
    for block in blocks:
        methods = grouped.setdefault((block.head["space"], block.head["task"]), {})
        methods.setdefault(block.head["method"], []).append(block)
    if strange := grouped.keys() - set(bench):
        where = ", ".join(map("/".join, sorted(strange)))
        raise BadValue(f"traces on {where} are of no table of {bench.name}: delete their files")
    tables, runs = {}, {}
    for space, task in bench:
        if methods := grouped.get((space, task), {}):
            every = [block for some in methods.values() for block in some]
            schedule = _agreed(every, "schedule")
            if every[0].live and schedule not in bench.schedules(space, task):
                raise BadValue(
                    f"the traces on {bench.name}/{space}/{task} are of networks that were trained, "
                    "and the tables at hand are not: give the study command again, which leaves "
                    f"{TRAINED} in its folder"
                )
            table = tables[space, task] = bench[space, task, schedule]
            version, own = _agreed(every, "content_sha256"), table.content_sha256
            if every[0].live:  # the same trainings, of which there may be more by now
                own = bench.contents[f"{space}/{task}"]["content_sha256"]
            if version != own:
                raise BadValue(
                    f"the traces on {table.address} are of {version[:12]}, the table at hand is "
                    f"{own[:12]}: run the study again, or give the benchmark it was run on"
                )
            metric = table.task.metric
            if (_agreed(every, "metric"), _agreed(every, "sign")) != (metric.name, metric.sign):
                raise BadValue(
                    f"the traces on {table.address} are not of {metric.name} ({metric.goal}), "
                    "which now is the task's main metric: run the study again"
                )
            runs[space, task] = {method: Traces.join(some) for method, some in methods.items()}
    return Study(bench, budget, tables, runs)


def _agreed(blocks: Iterable[Traces], key: str) -> Any:
    """Return what all heads say."""
    told = list(dict.fromkeys(block.head[key] for block in blocks))
    if len(told) != 1:
        raise BadValue(f"a report takes traces of one {key}, here are {told or 'none'}")
    return told[0]
