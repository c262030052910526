"""Is a benchmark's file whole, do its numbers make sense, and how much of them is chance?"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nasbench.benchmark import open_benchmark, verify
from nasbench.convert import arrays, tables
from nasbench.errors import BadFile, NasbenchError
from nasbench.metrics.noise import Noise, between_runs, between_seeds
from nasbench.space import LISTED
from nasbench.store import Benchmark, content_sha256, entry
from nasbench.table import Point, Rows, Table


@dataclass(frozen=True)
class Classes:
    """The isomorphism classes, as built, of the architectures of a space.

    Of the classes with `several` members, `agree` have the same numbers in all tasks for all of
    them. `runs` are the distinct ones: members of a class with the same numbers share one.
    """

    classes: int
    several: int
    agree: int
    runs: int


@dataclass(frozen=True)
class Counted:
    """A column of a table, how many values it has, and how many of them are missing (NaN)."""

    column: str
    values: int
    missing: int


@dataclass(frozen=True)
class CheckedTable:
    """What was found of one table.

    `noise` is that of the column `noise_of`, and `disagree` counts the classes of several members
    whose values there are not all the same. `noise_from` is "seeds", "classes", or "" where no
    network was trained twice.
    """

    address: str
    schedule: str
    architectures: int
    trainings: int
    columns: list[Counted]
    disagree: int
    noise_of: str
    noise_from: str
    noise: Noise


@dataclass(frozen=True)
class Checked:
    """What was found of a benchmark; it is sound if there are no `problems`."""

    name: str
    path: Path
    content_sha256: str
    problems: list[str]
    spaces: dict[str, Classes]
    tables: list[CheckedTable]


def check(name: str | Path) -> Checked:
    """Check a benchmark, by its name or its file.

    Raises `BadFile` for one that can't be read, or whose numbers are not those that were written.
    """
    try:
        bench = open_benchmark(name)
        told = bench.header["content_sha256"]
        entries = {path: entry(f"/{path}", array) for path, array in arrays(bench)}
        found = content_sha256(entries.values())
    except (NasbenchError, MemoryError):
        raise
    except Exception as error:  # h5py has one for every way that metadata can be damaged
        raise BadFile(f"{name} is damaged: {type(error).__name__}: {error}") from error
    if told != found:
        raise BadFile(
            f"{bench.path} is damaged: its numbers have content_sha256 {found}, those that were "
            f"written had {told}; import it again"
        )
    checked = Checked(bench.name, bench.path, found, [], {}, [])
    for space in bench.spaces:
        own = [table for short, table in tables(bench) if short == space]
        wrong = [f"{bench.name}/{space}: {what}" for what in wrong_rows(own[0].rows)]
        if not wrong:
            for table in own:
                where = f"{table.address}, schedule {table.schedule}"
                wrong += [f"{where}: {what}" for what in wrong_numbers(space, table)]
                own_sha256 = content_sha256(_of_table(space, table, entries))
                if table.content_sha256 not in (told, own_sha256):
                    wrong.append(
                        f"{where}: its own content_sha256 is {table.content_sha256}, of its "
                        f"numbers it is {own_sha256}"
                    )
        checked.problems.extend(wrong)
        if not wrong:
            equal = _Equal.of(own)
            checked.spaces[space] = equal.classes()
            checked.tables.extend(_checked(table, equal) for table in own)
    return checked


@lru_cache(maxsize=64)
def seed_noise(
    bench: Benchmark, space: str, table: Table, split: str = "valid"
) -> tuple[Noise, str]:
    """Return the noise that `check` tells of one table of a space, and where it is from."""
    own = [each for short, each in tables(bench) if short == space]
    return _noise(_judged(table, split)[1], _Equal.of(own))


def _of_table(space: str, table: Table, entries: Mapping[str, str]) -> list[str]:
    """Return the entries of a table and of its rows."""
    rows = {f"{space}/{name}" for name in ("arch", "name", "trained_as")}
    below = f"{space}/info/", f"{space}/{table.task.name}/{table.schedule}/"
    return [told for path, told in entries.items() if path in rows or path.startswith(below)]


def wrong_rows(rows: Rows) -> list[str]:
    """Say what is wrong with the architectures of a space."""
    types = [rows.arch.dtype, rows.name.dtype.kind, rows.trained_as.dtype]
    if types != [np.int8, "S", np.int32]:
        return ["expected arch as int8, name as bytes and trained_as as int32"]
    shapes = [rows.arch.shape, rows.name.shape, rows.trained_as.shape]
    number, decisions = len(rows), len(rows.space.choices)
    if shapes != [(number, decisions), (number,), (number,)]:
        return [f"expected arch {(number, decisions)}, name and trained_as {(number,)}"]
    if ((rows.trained_as < 0) | (rows.trained_as >= number)).any():
        return [f"trained_as has rows outside of 0 to {number - 1}"]
    for name, arch in zip(rows.name.tolist(), rows.archs, strict=True):
        try:
            same = rows.space.read(name.decode()) == arch
        except (NasbenchError, UnicodeDecodeError):
            same = False
        if not same:
            return [f"the name {name!r} does not read back to its architecture {arch}"]
    for name, info in rows.info.items():
        if info.values.shape != ((number, len(info.tasks)) if info.tasks else (number,)):
            return [f"info {name} has the shape {info.values.shape}"]
    return []


def wrong_numbers(space: str, table: Table) -> list[str]:
    """Say what is wrong with the numbers of a table."""
    ends, curves = (len(table), len(table.seed)), (len(table), len(table.seed), len(table.epoch))
    if (table.epoch < 1).any() or (np.diff(table.epoch) < 1).any():
        return [f"epochs {table.epoch.tolist()} do not increase from 1"]
    try:
        verify(space, table)
    except NasbenchError as error:
        return [str(error)]
    wrong = [
        f"{point} is {column.values.dtype}, expected float32"
        for point, column in table.columns.items()
        if column.values.dtype != np.float32
    ]
    if table.seconds is not None:
        if table.seconds.shape not in (ends, curves):
            return [*wrong, f"seconds have the shape {table.seconds.shape}"]
        falls = np.diff(table.seconds.reshape(*ends, -1), axis=2) < 0
        wrong += _at(table, falls, "seconds get less with more epochs")
    main = table.task.metric
    best, final = (table.columns.get(Point(at, "valid", main.name)) for at in ("best", "final"))
    if best and final:
        better = main.sign * final.values > main.sign * best.values
        wrong += _at(table, better, "the last epoch is better than the best")
    for point, column in table.columns.items():
        stands = column.values[table.rows.trained_as]
        other = (stands != column.values) & ~(np.isnan(stands) & np.isnan(column.values))
        wrong += _at(table, other, f"{point} is not that of the architecture it was trained as")
    return wrong


def _at(table: Table, wrong: NDArray[np.bool_], what: str) -> list[str]:
    """Say where something is wrong (N, ...), in how many architectures; nothing where it isn't."""
    rows = np.flatnonzero(wrong.reshape(len(table), -1).any(axis=1))
    return (
        [f"{what}: {len(rows):,} architectures, as {table.rows.names[rows[0]]}"]
        if len(rows)
        else []
    )


@dataclass(frozen=True)
class _Equal:
    """Which rows (N,) are the same network, as built, and which share one run of it.

    `flows` is False where nothing of the input reaches the output: such a network answers the same
    whatever it is shown, and its results say nothing about noise.
    """

    network: NDArray[np.int64]
    run: NDArray[np.int64]
    flows: NDArray[np.bool_]

    @classmethod
    def of(cls, own: Sequence[Table]) -> _Equal:
        """Compare the rows of all tables of one space."""
        rows, space = own[0].rows, own[0].space
        if space.size > LISTED:
            forms = dict[Hashable, int]()
            known = [forms.setdefault(space.form(arch), len(forms)) for arch in rows.archs]
            network = np.array(known, np.int64)
        else:
            network = space.class_ids()[[space.index(arch) for arch in rows.archs]]
        ends = [
            (column.values[..., -1] if point.at == "curve" else column.values)
            for table in own
            for point, column in table.columns.items()
        ]
        flows = np.array([space.has_path(arch) for arch in rows.archs])
        return cls(network, _alike(network, np.concatenate(ends, axis=1)), flows)

    def classes(self) -> Classes:
        """Count."""
        members, runs = self.members(), _distinct(self.network, self.run)
        several = members > 1
        return Classes(
            int((members > 0).sum()),
            int(several.sum()),
            int((several & (runs == 1)).sum()),
            int(runs.sum()),
        )

    def members(self) -> NDArray[np.int64]:
        """Return how many rows are the network of each number."""
        return np.bincount(self.network)


def _alike(network: NDArray[np.int64], values: NDArray[np.float32]) -> NDArray[np.int64]:
    """Number rows (N,): two of one network share a number if they share all values (N, V)."""
    seen: dict[tuple[int, bytes], int] = {}
    keys = zip(network.tolist(), map(bytes, np.ascontiguousarray(values)), strict=True)
    return np.array([seen.setdefault(key, len(seen)) for key in keys])


def _distinct(network: NDArray[np.int64], run: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many different runs the network of each number has."""
    return np.bincount(network[np.unique(run, return_index=True)[1]])


def _checked(table: Table, equal: _Equal) -> CheckedTable:
    columns = {str(point): column.values for point, column in table.columns.items()}
    if table.seconds is not None:
        columns["seconds"] = table.seconds
    counted = [Counted(name, v.size, int(np.isnan(v).sum())) for name, v in columns.items()]
    point, values = _judged(table)
    different = _distinct(equal.network, _alike(equal.network, values))
    noise, source = _noise(values, equal)
    return CheckedTable(
        table.address,
        table.schedule,
        len(table),
        len(table.seed),
        counted,
        int((different > 1).sum()),
        str(point),
        source,
        noise,
    )


def _noise(values: NDArray[np.float32], equal: _Equal) -> tuple[Noise, str]:
    """Return the noise of values (N, S), and where it is from."""
    first = np.unique(equal.run, return_index=True)[1]
    first = first[equal.flows[first]]
    noise = between_seeds(values[first].astype(np.float64))
    if noise.networks:
        return noise, "seeds"
    runs = values[first, 0].astype(np.float64)
    noise = between_runs(runs, equal.network[first], np.random.default_rng(0))
    return noise, "classes" if noise.networks else ""


def _judged(table: Table, first: str = "valid") -> tuple[Point, NDArray[np.float32]]:
    """Choose the column whose noise is told: the main metric, validation rather than test."""
    wanted = [
        Point(at, split, table.task.metric.name)
        for split in (first, "valid", "test", "train")
        for at in (table.answers, "best", "final", "curve")
    ]
    point = next((point for point in wanted if point in table.columns), next(iter(table.columns)))
    values = table.columns[point].values
    return point, values[..., -1] if point.at == "curve" else values
