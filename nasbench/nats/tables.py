"""Numbers become tables, whose columns are put together one at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nasbench.benchmark import Published, digest
from nasbench.find import find
from nasbench.nats.archive import Archive, Kind
from nasbench.nats.parts import Parts
from nasbench.table import SPLITS, Column, Info, Point, Rows, Table, mean
from nasbench.task import Metric

TASKS = {
    "cifar10": {"train": "cifar10", "valid": "cifar10-valid", "test": "cifar10"},
    "cifar10_valid": dict.fromkeys(SPLITS, "cifar10-valid"),
    "cifar100": dict.fromkeys(SPLITS, "cifar100"),
    "imagenet16_120": dict.fromkeys(SPLITS, "ImageNet16-120"),
}
"""By task: which data set each of its splits is from."""

UNITS = {"params": "parameters", "flops": "multiply-adds", "latency": "s"}


class Columns(Mapping[Point, Column]):
    """Columns that are made when they are asked for, each time anew: together they are large."""

    def __init__(self, made: Mapping[Point, Callable[[], Column]]) -> None:
        self._made = made

    def __getitem__(self, point: Point) -> Column:
        return self._made[point]()

    def __iter__(self) -> Iterator[Point]:
        return iter(self._made)

    def __len__(self) -> int:
        return len(self._made)


def published(archive: Archive, parts: Parts, kind: Kind) -> Published:
    """Make the tables, of each task the longest schedule first: it is the default."""
    longest = sorted(kind.schedules, reverse=True)
    trained = {
        task: [epochs for epochs in longest if parts.seeds(epochs, sets.values())]
        for task, sets in TASKS.items()
    }
    present = [task for task, schedules in trained.items() if schedules]
    info = {}
    for name, unit in UNITS.items():
        values = [_fact(parts, name, TASKS[task]["test"], longest) for task in present]
        info[name] = Info(np.stack(values, axis=1), unit, "measured", tuple(present))
    rows = Rows.of(find("spaces", kind.space), archive.names, **info)
    tables = [
        _table(parts, kind, rows, task, epochs) for task in present for epochs in trained[task]
    ]
    sums = [f"{at} {each}\n" for at, each in zip(archive.at, parts.sums, strict=True) if each]
    return Published(
        [(kind.short, table) for table in tables],
        source=archive.source,
        source_sha256=digest((archive.sha256 + "\n" + "".join(sums)).encode())
        if sums
        else archive.sha256,
        licence="MIT",
        notes=list(_notes(rows, tables)),
        left_out=(
            "ori-test of cifar100 and ImageNet16-120: it is their validation and test images "
            "together, so it is neither",
            "seconds of evaluations, and weights",
        ),
    )


def _table(parts: Parts, kind: Kind, rows: Rows, name: str, epochs: int) -> Table:
    task, sets = find("tasks", name), TASKS[name]
    seeds = parts.seeds(epochs, sets.values())
    columns: dict[Point, Callable[[], Column]] = {}
    for split, data_set in sets.items():
        starts = [f"{epochs}/{data_set}/{seed}" for seed in seeds]
        for metric in task:
            for at in _recorded(parts, starts, f"{split}/{metric.name}", task.metric):
                point = Point(at, split, metric.name)
                said = "" if data_set == name else data_set
                columns[point] = partial(_column, parts, starts, point, task.metric, said)
    spent = [parts.read(f"{epochs}/{sets['valid']}/{seed}/seconds") for seed in seeds]
    return Table(
        f"{kind.benchmark}/{kind.short}/{name}",
        rows,
        task,
        "final",
        epoch=np.arange(1, epochs + 1, dtype=np.int32),
        seed=np.array(seeds),
        columns=Columns(columns),
        seconds=None if all(each is None for each in spent) else _stacked(spent),
        schedule=f"{epochs}_epochs",
    )


def _recorded(parts: Parts, starts: Sequence[str], what: str, main: Metric) -> Iterator[str]:
    """Say which of "curve", "best" and "final" there is of a metric."""
    curves = [start for start in starts if f"{start}/curve/{what}" in parts.names]
    if curves:
        yield "curve"
    if any(f"{start}/curve/valid/{main.name}" in parts.names for start in curves):
        yield "best"
    if curves or any(f"{start}/final/{what}" in parts.names for start in starts):
        yield "final"


def _column(
    parts: Parts, starts: Sequence[str], point: Point, main: Metric, data_set: str
) -> Column:
    make = {"curve": parts.curve, "final": parts.final, "best": parts.best}[point.at]
    values = _stacked([make(start, f"{point.split}/{point.metric}", main) for start in starts])
    return Column(values, f"valid {main.name}" if point.at == "best" else "", data_set)


def _stacked(blocks: Sequence[NDArray[Any] | None]) -> NDArray[np.float32]:
    """Put a block (rows, ...) of each seed side by side, (rows, seeds, ...); None becomes NaN."""
    there = next(block for block in blocks if block is not None)
    values = np.full((len(there), len(blocks), *there.shape[1:]), np.nan, np.float32)
    for seed, block in enumerate(blocks):
        if block is not None:
            values[:, seed] = block
    return values


def _fact(parts: Parts, name: str, data_set: str, longest: Sequence[int]) -> NDArray[np.float64]:
    """Return a fact of each row as its longest schedule has it; NaN is unknown.

    Latency is the mean of the trials. Counts must be the same in all of them.
    """
    values = np.full(len(parts), np.nan)
    told = np.zeros(len(parts), bool)
    for epochs in longest:
        starts = [f"{epochs}/{data_set}/{seed}" for seed in parts.seeds(epochs, [data_set])]
        blocks = [block for start in starts if (block := parts.read(f"{start}/{name}")) is not None]
        if blocks:
            trials = np.hstack(blocks)
            found = mean(trials)
            if name != "latency":
                same = np.fmin.reduce(trials, axis=1) == np.fmax.reduce(trials, axis=1)
                found = np.where(same, found, np.nan)
            values = np.where(told, values, found)
            told |= ~np.isnan(trials).all(axis=1)
    return values


def _notes(rows: Rows, tables: Sequence[Table]) -> Iterator[str]:
    if len(rows) < len(rows.space):
        yield (
            f"INCOMPLETE: {len(rows):,} of {len(rows.space):,} architectures; the best of these is "
            "not the best of the space"
        )
    yield (
        f"{', '.join(dict.fromkeys(table.schedule for table in tables))}: each schedule is a "
        "training of its own, whose learning rate ends with it; the default is the longest"
    )
    yield (
        "cifar10 is validated on cifar10-valid (trained on half of the images) and tested on "
        "cifar10 (trained on all); cifar10_valid is the former alone: its test is not the paper's"
    )
    for table in tables:
        curves = {point.split for point in table.columns if point.at == "curve"}
        ends = {point.split for point in table.columns if point.at == "final"} - curves
        if ends and curves:
            yield (
                f"{table.task.name}, {table.schedule}: {' and '.join(sorted(ends, reverse=True))} "
                "at the last epoch only"
            )
    yield (
        "seconds: cumulative training of the validated network; the published time of an epoch is "
        "one number per architecture, scaled by the size of the data set"
    )
    if unknown := int(np.isnan(rows.info["params"].values).any(axis=1).sum()):
        yield f"params are missing (NaN) for {unknown} architectures whose trials disagree on them"
