"""Recorded trainings of one space on one task, as arrays with named axes.

Axes: N architectures, S seeds, E recorded epochs. Looking at a table is free and sees every split;
a search sees it only through `nasbench.evaluate`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nasbench.errors import BadValue, NotRecorded
from nasbench.space import Architecture, Space
from nasbench.task import Metric, Task

if TYPE_CHECKING:
    import pandas as pd

    from nasbench.recipe import Trainable

Floats: TypeAlias = NDArray[np.float64]
Key: TypeAlias = Architecture | str | int
"""How an architecture is asked for: the tuple, its published spelling, or its row number."""

SPLITS = ("train", "valid", "test")
ANSWERS = ("best", "final")
OWN_MAXIMUM = "max of this very metric"
"""What a source that publishes only `max` over epochs leaves us: each metric at its own epoch."""


class Point(NamedTuple):
    """Which numbers: `at` is "best", "final" or "curve"."""

    at: str
    split: str
    metric: str

    def __str__(self) -> str:
        return "/".join(self)


def mean(trials: NDArray[np.floating[Any]]) -> Floats:
    """Average over seeds, (N, S) to (N,), leaving out NaN; NaN where nothing was measured."""
    if trials.shape[1] == 1:
        return trials[:, 0].astype(np.float64)
    measured = ~np.isnan(trials)
    total: Floats = np.where(measured, trials, 0).sum(axis=1, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        total /= measured.sum(axis=1)
    return total


@dataclass(frozen=True, eq=False)
class Column:
    """Values `(N, S)`, or `(N, S, E)` for a curve. NaN is what was not measured, and stays NaN.

    The array becomes read-only: what a table hands out can't be used to change it.
    `epoch_chosen_by` says which epoch a best value is from, `data_set` what was really measured
    where that has another name than the task (NAS-Bench-201 validates cifar10 on `cifar10-valid`).
    """

    values: NDArray[np.float32]
    epoch_chosen_by: str = ""
    data_set: str = ""

    def __post_init__(self) -> None:
        self.values.flags.writeable = False


@dataclass(frozen=True, eq=False)
class Info:
    """A fact about architectures: values `(N,)`, or `(N, tasks)` where it differs by task."""

    values: NDArray[Any]
    unit: str = ""
    source: Literal["measured", "derived"] = "measured"
    tasks: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Rows:
    """The architectures of a table in the order of their source.

    `trained_as` is the row that was really trained: itself, or the member of its isomorphism class
    that stands for it. A row is looked up as itself, never as its canonical twin: twins were often
    trained separately, with other results.
    """

    space: Space
    arch: NDArray[np.int8]
    name: NDArray[np.bytes_]
    trained_as: NDArray[np.int32]
    info: Mapping[str, Info] = field(default_factory=dict[str, Info])

    @classmethod
    def of(cls, space: Space, names: Sequence[str], **info: Info) -> Rows:
        """Read published spellings; raises `OutsideSpace` for one that is not a member."""
        archs = np.array([space.read(name) for name in names], np.int8)
        own = np.arange(len(names), dtype=np.int32)
        return cls(space, archs, np.array(names, np.bytes_), own, info)

    def __len__(self) -> int:
        return len(self.arch)

    @cached_property
    def archs(self) -> tuple[Architecture, ...]:
        """The architectures as tuples."""
        return tuple(map(tuple, self.arch.tolist()))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The published spellings."""
        return tuple(name.decode() for name in self.name.tolist())

    @cached_property
    def by_key(self) -> dict[Key, int]:
        """Row numbers by tuple, by spelling and by themselves."""
        index: dict[Key, int] = {}
        for keys in (range(len(self)), self.archs, self.names):
            index.update(zip(keys, range(len(self)), strict=True))
        return index


@dataclass(frozen=True, slots=True)
class Record:
    """One architecture's results at one point of its training, the mean over recorded seeds.

    `values[split][metric]` in the source's units; `value` is the main validation metric and `score`
    the same with more = better (NaN where it isn't recorded); `seconds` of training so far, NaN if
    unknown.
    """

    name: str
    arch: Architecture
    row: int
    at: str | int
    epochs: int
    value: float
    score: float
    values: Mapping[str, Mapping[str, float]]
    seconds: float
    info: Mapping[str, float]


@dataclass(frozen=True, eq=False, repr=False)
class Table:
    """Every recorded training of one space on one task under one schedule.

    `address` is BENCHMARK/SPACE/TASK, for messages; `answers` is what a lookup gives unless told
    otherwise: the epoch with the best main validation metric, or the last. `epoch` (E,) and `seed`
    (S,) are the coordinates (a seed of -1 was not told); `seconds` is cumulative: (N, S, E), (N, S)
    at the end, or None. `content_sha256` is the checksum of its arrays and its rows, `trained_by`
    how its networks were trained, where they can be trained again.
    """

    address: str
    rows: Rows
    task: Task
    answers: str
    epoch: NDArray[np.int32]
    seed: NDArray[np.int64]
    columns: Mapping[Point, Column]
    seconds: NDArray[np.float32] | None = None
    schedule: str = "full"
    content_sha256: str = ""
    trained_by: Trainable | None = None
    _lists: dict[Any, list[float]] = field(default_factory=dict, init=False, repr=False)
    _records: dict[Any, Any] = field(default_factory=dict, init=False, repr=False)

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        return f"<table {self.address}, {self.schedule}: {len(self):,} architectures>"

    @property
    def space(self) -> Space:
        """The space whose members these are."""
        return self.rows.space

    @property
    def epochs(self) -> int:
        """Length of a full training."""
        return int(self.epoch[-1])

    def row(self, key: Key | Sequence[int]) -> int:
        """Find the row of a tuple, a published spelling or a row number (numpy integers too).

        Raises `OutsideSpace` for what is no architecture of the space, `NotRecorded` for a member
        that this table doesn't hold.
        """
        try:
            return self.rows.by_key[key]  # type: ignore[index]
        except (KeyError, TypeError):
            pass
        if isinstance(key, int | np.integer):
            raise NotRecorded(f"no row {key} in {self.address}: rows are 0 to {len(self) - 1}")
        arch = self.space.read(key) if isinstance(key, str) else self.space.check(key)
        try:
            return self.rows.by_key[arch]
        except KeyError:
            spelt = self.space.spell(arch)
            raise NotRecorded(f"{self.address} holds no training of {spelt}") from None

    def value(
        self,
        key: Key,
        split: str = "valid",
        metric: str | None = None,
        at: str | int | None = None,
        seed: int | None = None,
    ) -> float:
        """Return one number in the source's unit: by default the main validation metric.

        `at` is "best", "final" or an epoch; `seed` one of the recorded ones instead of the mean.
        Raises `NotRecorded` where there is no such measurement.
        """
        try:
            value = self._lists[split, metric, at, seed][self.rows.by_key[key]]
        except (KeyError, TypeError):
            row = self.row(key)
            if (asked := (split, metric, at, seed)) not in self._lists:
                self._lists[asked] = self.values(*asked).tolist()
            value = self._lists[asked][row]
        if value != value:
            point = _spell(split, self.metric(metric).name, self.answers if at is None else at)
            trial = "" if seed is None else f", seed {seed},"
            name = self.rows.names[self.row(key)]
            raise NotRecorded(f"{self.address}: {point}{trial} was not measured for {name}")
        return value

    def values(
        self,
        split: str = "valid",
        metric: str | None = None,
        at: str | int | None = None,
        seed: int | None = None,
    ) -> Floats:
        """Return a whole column (N,) in the source's unit; arguments as in `value`, NaN stays."""
        trials = self.trials(split, metric, at)
        return mean(trials if seed is None else trials[:, self._seed(seed)][:, None])

    def scores(
        self,
        split: str = "valid",
        metric: str | None = None,
        at: str | int | None = None,
        seed: int | None = None,
    ) -> Floats:
        """Return `values` turned so that more is better."""
        return self.metric(metric).sign * self.values(split, metric, at, seed)

    def trials(
        self, split: str = "valid", metric: str | None = None, at: str | int | None = None
    ) -> NDArray[np.float32]:
        """Return the values of each seed (N, S) as recorded; arguments as in `value`."""
        column, epoch = self._find(split, self.metric(metric).name, at)
        return column.values if epoch is None else column.values[:, :, epoch]

    def column(
        self, split: str = "valid", metric: str | None = None, at: str | int | None = None
    ) -> Column:
        """Return the stored column behind `values`, with what is said about it."""
        return self._find(split, self.metric(metric).name, at)[0]

    def metric(self, name: str | None = None) -> Metric:
        """Return the task's main metric, or the one of that name."""
        return self.task.metric if name is None else self.task[name]

    def query(self, key: Key, at: str | int | None = None) -> Record:
        """Return everything recorded about one architecture at one point of its training."""
        at = self.answers if at is None else at
        try:
            columns, seconds = self._records[at]
        except KeyError:
            columns, seconds = self._records[at] = self._record_columns(at)
        row = self.row(key)
        values: dict[str, dict[str, float]] = {}
        for split, metric, numbers in columns:
            values.setdefault(split, {})[metric] = numbers[row]
        metric = self.task.metric
        value = values.get("valid", {}).get(metric.name, np.nan)
        return Record(
            self.rows.names[row],
            self.rows.archs[row],
            row,
            at,
            self.epochs if isinstance(at, str) else at,
            value,
            metric.sign * value,
            values,
            seconds[row],
            {name: numbers[row] for name, numbers in self.info.items()},
        )

    def best(
        self,
        k: int = 1,
        split: str = "valid",
        metric: str | None = None,
        at: str | int | None = None,
    ) -> list[Record]:
        """Return the `k` best, best first; equal ones in row order, unmeasured ones left out."""
        if k < 1:
            raise BadValue(f"the {k} best: it must be at least 1")
        scores = self.scores(split, metric, at)
        order = np.argsort(-scores, kind="stable")[: min(k, int((~np.isnan(scores)).sum()))]
        return [self.query(int(row), at) for row in order]

    def answer(self, epochs: int | None = None) -> Floats:
        """Return what a lookup answers after so many epochs (N,): the main validation metric.

        That is the best epoch so far where the table `answers` "best", else the last one.
        """
        if self.answers == "final":
            return self.values(at=epochs)
        if epochs is None or epochs == self.epochs:
            return self.values()
        curve = self.column(at=epochs).values[:, :, : self._epoch(epochs) + 1]
        sign = self.task.metric.sign
        return mean(sign * np.fmax.reduce(sign * curve, axis=2))

    def facts(self, key: Key) -> dict[str, float]:
        """Return what costs nothing to know about an architecture: parameters, latency ..."""
        row = self.row(key)
        return {name: numbers[row] for name, numbers in self.info.items()}

    def cost_seconds(self, at: int | None = None) -> Floats:
        """Return the seconds of training up to an epoch (N,), the mean over seeds; NaN if unknown.

        Raises `NotRecorded` for an epoch whose time was not recorded.
        """
        if self.seconds is None:
            return np.full(len(self), np.nan)
        if self.seconds.ndim == 3:
            seconds = self.seconds[:, :, self._epoch(self.epochs if at is None else at)]
        elif at is None or at == self.epochs:
            seconds = self.seconds
        else:
            raise NotRecorded(f"{self.address} has seconds at epoch {self.epochs} only, not {at}")
        return mean(seconds)

    def frame(self) -> pd.DataFrame:
        """Return all columns but curves as a pandas frame, one architecture a row."""
        import pandas as pd

        data: dict[str, Any] = {
            str(point): self.values(point.split, point.metric, point.at)
            for point in self.columns
            if point.at != "curve"
        }
        data["seconds"] = self.cost_seconds()
        data |= {name: np.array(numbers) for name, numbers in self.info.items()}
        return pd.DataFrame(data, index=pd.Index(self.rows.names, name="architecture"))

    @cached_property
    def info(self) -> dict[str, list[float]]:
        """What costs nothing to know: parameters, latency ..., by name, one number a row."""
        found: dict[str, list[float]] = {}
        for name, info in self.rows.info.items():
            if not info.tasks:
                found[name] = info.values.tolist()
            elif self.task.name in info.tasks:
                found[name] = info.values[:, info.tasks.index(self.task.name)].tolist()
        return found

    def _record_columns(self, at: str | int) -> Any:
        columns = []
        for split, metric in dict.fromkeys((p.split, p.metric) for p in self._ordered):
            with suppress(NotRecorded):
                columns.append((split, metric, self.values(split, metric, at).tolist()))
        if not columns:
            self.column(at=at)  # raises, and says what there is
        seconds = np.full(len(self), np.nan)
        with suppress(NotRecorded):
            seconds = self.cost_seconds(None if isinstance(at, str) else at)
        return columns, seconds.tolist()

    @cached_property
    def _ordered(self) -> list[Point]:
        main = self.task.metric.name
        return sorted(self.columns, key=lambda p: (SPLITS.index(p.split), p.metric != main))

    def _find(self, split: str, metric: str, at: str | int | None) -> tuple[Column, int | None]:
        at = self.answers if at is None else at
        if split not in SPLITS:
            raise NotRecorded(f"{split!r} is no split; there are {', '.join(SPLITS)}")
        if isinstance(at, str):
            if at not in ANSWERS:
                raise NotRecorded(f"{at!r} is no point of training: best, final or an epoch")
            if (point := Point(at, split, metric)) in self.columns:
                return self.columns[point], None
        elif (point := Point("curve", split, metric)) in self.columns:
            return self.columns[point], self._epoch(at)
        elif at == self.epochs and (point := Point("final", split, metric)) in self.columns:
            return self.columns[point], None
        there = ", ".join(map(str, self.columns)) or "nothing"
        raise NotRecorded(f"{self.address} has no {_spell(split, metric, at)}; recorded: {there}")

    def _epoch(self, at: int) -> int:
        index = int(np.searchsorted(self.epoch, at))
        if index < len(self.epoch) and self.epoch[index] == at:
            return index
        told = f"1 to {self.epochs}" if len(self.epoch) == self.epochs else str(self.epoch.tolist())
        raise NotRecorded(f"{self.address} has no epoch {at}; its epochs are {told}")

    def _seed(self, seed: int) -> int:
        if seed >= 0 and seed in self.seed:
            return int(np.flatnonzero(self.seed == seed)[0])
        told = ", ".join(str(s) for s in self.seed if s >= 0)
        there = f"its seeds are {told}" if told else "its trials are not told apart: ask the mean"
        raise NotRecorded(f"{self.address} has no seed {seed}; {there}")


def _spell(split: str, metric: str, at: str | int) -> str:
    return f"{at}/{split}/{metric}" if isinstance(at, str) else f"{split} {metric} at epoch {at}"
