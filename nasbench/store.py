"""The file of a benchmark: HDF5, written once, sealed, mapped into memory, no pickles.

`docs/format.md` describes it for readers in other languages. Opening reads no table; a column is
an offset into the mapped file.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import cached_property
from glob import escape
from hashlib import sha256
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from nasbench.errors import BadFile, BadValue, NasbenchError, NotRecorded
from nasbench.find import find, unknown
from nasbench.recipe import Recipe, Trainable
from nasbench.seal import room, seal, verify
from nasbench.space import Scale
from nasbench.table import Column, Info, Point, Rows, Table

if TYPE_CHECKING:
    import pandas as pd

FORMAT = "nasbench"
VERSION = 1
RECIPES = "recipes"
"""The attribute of a file that says how each of its tables was trained, as JSON."""


@contextmanager
def atomic(path: Path) -> Iterator[BinaryIO]:
    """Open a temporary file beside `path` that takes its place when all went well.

    Raises `BadFile` where it can't be written. Whatever happens, an earlier file is whole. A killed
    process leaves its temporary behind, which the next write to the same path removes.
    """
    if not path.name:
        raise BadFile(f"{str(path)!r} names no file to write")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for left in path.parent.glob(f".{escape(path.name)}.{'[0-9a-f]' * 8}"):
            with suppress(OSError), left.open("rb") as file:
                _lock(file)
                left.unlink()
        with _temporary(path) as file:
            try:
                yield file
                file.flush()
                os.fsync(file.fileno())
                if os.name == "nt":  # which renames no open file
                    file.close()
                os.replace(file.name, path)
            except BaseException:
                with suppress(FileNotFoundError):
                    os.unlink(file.name)
                raise
    except OSError as error:
        raise BadFile(f"{path} can't be written: {error.strerror or error}") from error


def _temporary(path: Path) -> BinaryIO:
    """Make a temporary file, locked as long as it's open: so it's known whose writer lives."""
    while True:
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        file = temporary.open("x+b")
        with suppress(OSError):  # some file systems know no locks: what is left there stays
            _lock(file, wait=True)
        if temporary.exists():  # nobody took it for an abandoned one before it was locked
            return file
        file.close()


def _lock(file: BinaryIO, wait: bool = False) -> None:
    """Lock a file until it's closed; raises `OSError` where that can't be had."""
    if sys.platform != "win32":
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))


def write(path: Path, header: Mapping[str, Any], tables: Sequence[tuple[str, Table]]) -> None:
    """Write (space name, table) pairs as one file.

    Tables of one space share their `Rows`; raises `BadValue` where they don't. `header` becomes the
    file's attributes (strings, or lists of strings) beside those that follow from the content:
    format, version, created, content_sha256.
    """
    import h5py

    most = sum(6 + len(table.rows.info) + len(table.columns) for _, table in tables)
    with atomic(path) as raw:
        with h5py.File(raw, "w", userblock_size=room(most)) as file:
            arrays = _fill(file, header, tables)
        seal(raw, arrays)


def _fill(
    file: Any, header: Mapping[str, Any], tables: Sequence[tuple[str, Table]]
) -> list[tuple[int, int]]:
    """Write everything into an open file; return where in it each array begins and ends."""
    listed: list[str] = []
    shared: dict[str, list[str]] = {}
    places: list[tuple[int, int]] = []

    def put(group: Any, name: str, array: NDArray[Any], **attrs: Any) -> None:
        array = np.ascontiguousarray(array)
        array = array.astype(array.dtype.newbyteorder("<"))
        dataset = group.create_dataset(name, data=array)
        dataset.attrs.update({key: value for key, value in attrs.items() if value})
        listed.append(entry(dataset.name, array))
        if array.size:
            offset = dataset.id.get_offset()
            places.append((offset, offset + array.nbytes))

    for space_name, table in tables:
        rows, space, first = table.rows, file.require_group(space_name), len(listed)
        if not len(space):
            space.attrs["space"] = rows.space.name
            put(space, "arch", rows.arch)
            put(space, "name", rows.name)
            put(space, "trained_as", rows.trained_as)
            for name, info in rows.info.items():
                attrs = {"unit": info.unit, "source": info.source, "tasks": list(info.tasks)}
                put(space, f"info/{name}", info.values, **attrs)
            shared[space_name] = listed[first:]
        elif not np.array_equal(space["arch"], rows.arch):
            raise BadValue(
                f"{table.address} has other rows than the tables of {space_name} before it"
            )
        task = space.require_group(table.task.name)
        task.attrs.setdefault("default", table.schedule)
        group, first = task.create_group(table.schedule), len(listed)
        put(group, "epoch", table.epoch)
        put(group, "seed", table.seed)
        if table.seconds is not None:
            put(group, "seconds", table.seconds, unit="s")
        for point, column in table.columns.items():
            metric = table.task[point.metric]
            attrs = {"goal": metric.goal, "unit": metric.unit}
            attrs |= {"data_set": column.data_set, "epoch_chosen_by": column.epoch_chosen_by}
            put(group, str(point), column.values, **attrs)
        group.attrs["content_sha256"] = content_sha256([*shared[space_name], *listed[first:]])
    created = datetime.now(UTC).isoformat(timespec="seconds")
    file.attrs.update({"format": FORMAT, "version": VERSION, "created": created})
    file.attrs.update({"content_sha256": content_sha256(listed), **header})
    return places


def entry(path: str, array: NDArray[Any]) -> str:
    """Write what stands for an array in a checksum."""
    return f"{path} {array.dtype.str} {array.shape} {sha256(array.tobytes()).hexdigest()}\n"


def content_sha256(listed: Iterable[str]) -> str:
    """Return the checksum of arrays, each as its `entry`, in any order."""
    return sha256("".join(sorted(listed)).encode()).hexdigest()


def _plain(name: str) -> str:
    """Refuse a name that is a path: a data file must not have a Python file loaded."""
    if name.isidentifier():
        return name
    raise BadFile(f"{name!r} names no space or task")


def split(
    bench: str, spaces: Mapping[str, Sequence[str]], parts: Sequence[str]
) -> tuple[tuple[str, ...], list[str]]:
    """Do what `Benchmark.split` does, for a benchmark of these spaces and their tasks."""
    if parts and parts[0] in spaces:
        space, *rest = parts
    elif len(spaces) == 1:
        space, *rest = *spaces, *parts
    else:
        raise unknown(f"space of {bench}", parts[0] if parts else "", list(spaces))
    named, *rest = rest or [""]
    task, *schedule = named.split("@", 1)
    if task not in spaces[space]:
        raise unknown(f"task of {bench}/{space}", task, list(spaces[space]))
    return (space, task, *schedule), rest


def choose(
    bench: str, spaces: Mapping[str, Sequence[str]], wanted: Sequence[str], tasks: Sequence[str]
) -> list[tuple[str, str]]:
    """List the (space, task) pairs of the wanted spaces and tasks, in the order given.

    `spaces` are those of the benchmark, with their tasks; nothing wanted means all. Raises
    `UnknownName`.
    """
    for space in wanted:
        if space not in spaces:
            raise unknown(f"space of {bench}", space, list(spaces))
    chosen = {space: spaces[space] for space in wanted or spaces}
    known = sorted({task for own in chosen.values() for task in own})
    for task in tasks:
        if task not in known:
            raise unknown(f"task of {bench}", task, known)
    return [
        (space, task)
        for space, own in chosen.items()
        for task in dict.fromkeys(tasks or own)
        if task in own
    ]


@contextmanager
def _intact(path: Path) -> Iterator[None]:
    """Say in one line what h5py found wrong with a damaged file."""
    try:
        yield
    except NasbenchError:
        raise
    except (AttributeError, LookupError, OSError, RuntimeError, TypeError, ValueError) as error:
        raise BadFile(f"{path} is damaged: {' '.join(str(error).split())}") from error


class Benchmark:
    """An open benchmark: tables by space and task, and where they come from.

    `bench["cell", "jigsaw"]`, or `bench["jigsaw"]` where there is one space; a third key, or
    `bench["jigsaw@12_epochs"]`, picks a schedule. Iterating gives the (space, task) pairs.
    Raises `BadFile` for a file that is missing, cut short, damaged, or of another format; damage
    to arrays is found by `nasbench.check` alone. Pickles as its path.
    """

    def __init__(self, path: str | Path) -> None:
        import h5py

        if not Path(path).is_file():
            raise BadFile(f"no file {Path(path).absolute()}")
        self.path = Path(path).resolve()
        try:
            verify(self.path)
            self._file = h5py.File(self.path, "r", locking=False)
        except OSError as error:
            why = str(error).removeprefix("Unable to synchronously open file ").strip("()")
            raise BadFile(f"{self.path} can't be read as HDF5: {why}") from error
        attrs = self._file.attrs
        with _intact(self.path):
            kind, version = attrs.get("format"), int(attrs.get("version", 0))
            self.name = str(attrs.get("benchmark", self.path.stem))
        if kind != FORMAT:
            raise BadFile(f"{self.path} is no nasbench file: it has no attribute format={FORMAT!r}")
        if version > VERSION:
            raise BadFile(
                f"{self.path} has format version {version}, this nasbench reads up to {VERSION}: "
                "upgrade nasbench, or import the benchmark again"
            )
        self._tables: dict[tuple[str, ...], Table] = {}
        self._rows: dict[str, Rows] = {}

    @cached_property
    def header(self) -> dict[str, Any]:
        """What the file says about itself: source, licence, checksums, notes, what was left out."""
        with _intact(self.path):
            return {
                key: value.tolist() if isinstance(value, np.ndarray | np.generic) else value
                for key, value in self._file.attrs.items()
            }

    @cached_property
    def contents(self) -> dict[str, Any]:
        """What a packed file tells of the trainings of each table: `Trainable.content`, and more.

        Keys are SPACE/TASK; there are none where trainings are not told about.
        """
        told: dict[str, Any] = json.loads(self.header.get(RECIPES, "{}"))
        return told

    @cached_property
    def trained_by(self) -> dict[tuple[str, str], Trainable]:
        """How the tables of a packed file were trained, by space and task, where it is told."""
        found = {}
        for key, content in self.contents.items():
            space, task = key.split("/")
            scale = content["recipe"]["scale"]
            recipe = Recipe(**{**content["recipe"], "scale": scale and Scale(**scale)})
            found[space, task] = Trainable(f"{self.name}/{key}", content["space"][0], recipe)
        return found

    @cached_property
    def spaces(self) -> dict[str, tuple[str, ...]]:
        """The spaces, and the tasks recorded on each."""
        own = {"arch", "name", "trained_as", "info"}
        with _intact(self.path):
            found = self._file.items()
            return {name: tuple(task for task in group if task not in own) for name, group in found}

    def schedules(self, space: str, task: str) -> tuple[str, ...]:
        """List the training schedules recorded for a space and task, the default one first."""
        with _intact(self.path):
            group = self._file[space][task]
            return tuple(sorted(group, key=lambda name: (name != group.attrs["default"], name)))

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return ((space, task) for space, tasks in self.spaces.items() for task in tasks)

    def __getitem__(self, keys: str | tuple[str, ...]) -> Table:
        key, rest = self.split([keys] if isinstance(keys, str) else keys)
        key = (*key, *rest)
        if len(key) > 3:
            raise BadValue(f"{keys} names no table of {self.name}: expected SPACE, TASK, SCHEDULE")
        if key not in self._tables:
            table = self._open(*key)
            self._tables[key] = self._tables.setdefault((*key[:2], table.schedule), table)
        return self._tables[key]

    def split(self, parts: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
        """Read an address, the key of a table, and what follows it.

        The key is a space, which may be left out where there is but one, a task, and the schedule
        if TASK@SCHEDULE names one. Raises `UnknownName`, with the nearest name.
        """
        return split(self.name, self.spaces, parts)

    def _open(self, space: str, task: str, schedule: str | None = None) -> Table:
        known = self.schedules(space, task)
        schedule = known[0] if schedule is None else schedule
        if schedule not in known:
            raise unknown(f"schedule of {self.name}/{space}/{task}", schedule, list(known))
        with _intact(self.path):
            group = self._file[space][task][schedule]
            return Table(
                f"{self.name}/{space}/{task}",
                self._rows_of(space),
                find("tasks", _plain(task)),
                self.header["answers"],
                self._array(group, "epoch"),
                self._array(group, "seed"),
                _Columns(self, group),
                self._array(group, "seconds") if "seconds" in group else None,
                schedule,
                str(group.attrs.get("content_sha256", self.header["content_sha256"])),
                self.trained_by.get((space, task)),
            )

    def _rows_of(self, space: str) -> Rows:
        if space not in self._rows:
            group = self._file[space]
            self._rows[space] = Rows(
                find("spaces", _plain(group.attrs["space"])),
                self._array(group, "arch"),
                self._array(group, "name"),
                self._array(group, "trained_as"),
                {name: self._info(group, name) for name in group.get("info", ())},
            )
        return self._rows[space]

    def _info(self, space: Any, name: str) -> Info:
        attrs = space["info"][name].attrs
        tasks = tuple(attrs.get("tasks", ()))
        values = self._array(space, f"info/{name}")
        return Info(values, attrs.get("unit", ""), attrs["source"], tasks)

    @cached_property
    def _mapped(self) -> mmap:
        """The file that was opened, even if another one has taken its place since."""
        return mmap(self._file.id.get_vfd_handle(), 0, access=ACCESS_READ)

    def _array(self, group: Any, name: str) -> NDArray[Any]:
        """View a dataset in the mapped file; read-only, and nothing is read until it's used."""
        from h5py import h5d

        dataset = h5d.open(group.id, name.encode())
        offset = dataset.get_offset()
        if offset is None:
            raise BadFile(f"{self.path}: {group.name}/{name} is not contiguous; was it rewritten?")
        return np.ndarray(dataset.shape, dataset.dtype, self._mapped, offset)

    def frame(self, split: str = "valid", at: str | int | None = None) -> pd.DataFrame:
        """Return the main metric of every task as a pandas frame, one (space, architecture) a row.

        NaN where a task has no such values, and `NotRecorded` where none has; `table.frame()` gives
        everything about one table.
        """
        import pandas as pd

        columns: dict[str, dict[str, Any]] = {space: {} for space in self.spaces}
        absent: list[NotRecorded] = []
        for space, task in self:
            try:
                columns[space][task] = self[space, task].values(split, None, at)
            except NotRecorded as error:
                columns[space][task] = np.nan
                absent.append(error)
        if len(absent) == len(list(self)):
            raise absent[0]
        parts = {
            space: pd.DataFrame(found, index=self._rows_of(space).names)
            for space, found in columns.items()
        }
        return pd.concat(parts, names=["space", "architecture"])

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.path,)

    def __repr__(self) -> str:
        tables = ", ".join(f"{space}: {len(tasks)} tasks" for space, tasks in self.spaces.items())
        return f"<benchmark {self.name} ({tables}) from {self.header['source']}>"


class _Columns(Mapping[Point, Column]):
    """The columns of one table, each opened when it's asked for."""

    def __init__(self, bench: Benchmark, group: Any) -> None:
        self._bench, self._group = bench, group
        self._opened: dict[Point, Column] = {}

    def __getitem__(self, point: Point) -> Column:
        if point not in self._opened:
            if point not in self:
                raise KeyError(point)
            with _intact(self._bench.path):
                told = self._group[str(point)].attrs
                self._opened[point] = Column(
                    self._bench._array(self._group, str(point)),
                    told.get("epoch_chosen_by", ""),
                    told.get("data_set", ""),
                )
        return self._opened[point]

    def __contains__(self, point: object) -> bool:
        if point in self._opened:
            return True
        with _intact(self._bench.path):
            return isinstance(point, Point) and str(point) in self._group

    def __iter__(self) -> Iterator[Point]:
        with _intact(self._bench.path):
            points = [
                Point(at, split, metric)
                for at in ("curve", "best", "final")
                for split, metrics in self._group.get(at, {}).items()
                for metric in metrics
            ]
        return iter(points)

    def __len__(self) -> int:
        return sum(1 for _ in self)
