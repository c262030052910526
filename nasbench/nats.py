"""Records of NAS-Bench-201 and NATS-Bench (pickled dictionaries of trainings) become arrays.

A record is what one architecture did: by schedule, and there by data set and seed, one training
with its numbers by epoch. An archive is a folder of records, which is read one by one, or a pickle
of all of them, which must fit into memory. What was read lies in the job's scratch folder in parts,
each written at once: an interrupted import goes on after the last one, and two at the same time
share them. Columns are put together from the parts, one at a time.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from functools import cache, partial
from hashlib import file_digest
from importlib import import_module
from itertools import accumulate, pairwise
from operator import itemgetter
from pathlib import Path
from typing import Any
from weakref import finalize

import numpy as np
from numpy.typing import NDArray

from nasbench.benchmark import Job, Published, digest
from nasbench.errors import BadFile
from nasbench.find import find
from nasbench.recipe import Live, Recipe
from nasbench.store import atomic
from nasbench.table import SPLITS, Column, Info, Point, Rows, Table, mean
from nasbench.task import Metric
from nasbench.unpickle import NUMPY, ORDERED, load

META = "meta.pickle.pbz2"
RECORD = "[0-9][0-9][0-9][0-9][0-9][0-9].pickle.pbz2"
EPOCHS = {"less": 12, "full": 200, "01": 1, "12": 12, "90": 90, "200": 200}
"""How long a schedule is, by the name it has in a record."""

SETS = {
    "cifar10-valid": {"x-valid": "valid", "ori-test": "test"},
    "cifar10": {"ori-test": "test"},
    "cifar100": {"x-valid": "valid", "x-test": "test"},
    "ImageNet16-120": {"x-valid": "valid", "x-test": "test"},
}
"""By data set: the images its networks were evaluated on, and which split of ours that is.

The `ori-test` of the last two is their validation and test images together, so it is neither.
"""

TASKS = {
    "cifar10": {"train": "cifar10", "valid": "cifar10-valid", "test": "cifar10"},
    "cifar10_valid": dict.fromkeys(SPLITS, "cifar10-valid"),
    "cifar100": dict.fromkeys(SPLITS, "cifar100"),
    "imagenet16_120": dict.fromkeys(SPLITS, "ImageNet16-120"),
}
"""By task: which data set each of its splits is from."""

TRAINED = {"top1": "train_acc1es", "top5": "train_acc5es", "loss": "train_losses"}
EVALUATED = {"top1": "eval_acc1es", "loss": "eval_losses"}
MILLION = 1_000_000
UNITS = {"params": "parameters", "flops": "multiply-adds", "latency": "s"}

UNPACKED_MEMORY = 7
"""How many times its size a `.pth` takes in memory."""

MOST_BLOCKS = 1000
"""A part of a real archive has about 200."""

PART = 250
"""Records in a part: some 15 MB, and few enough parts to keep all of them open."""

ALONE = 2000
"""So many records one process reads alone."""

FORM = 1
"""Goes up when parts change, so that none of an older form is taken for a new one."""


@dataclass(frozen=True)
class Kind:
    """What archives there are of a benchmark.

    `space` is what they are of and `short` what that is called in our file; `schedules` are their
    lengths in epochs; `memory` is how many times its size one bz2 file of all takes in memory, and
    `folder` what the folder is called that doesn't.
    """

    benchmark: str
    space: str
    short: str
    schedules: tuple[int, ...]
    memory: int
    folder: str


def live(kind: Kind) -> Live:
    """Return how the networks are trained for the longest schedule.

    Settings are those of D-X-Y/AutoDL-Projects, configs/nas-benchmark/hyper-opts. On `cifar10` two
    trainings are one row of the table (`TASKS`): it is no training, `cifar10_valid` is.
    """
    cifar = Recipe(
        images="cifar10",
        size=32,
        epochs=max(kind.schedules),
        batch=256,
        lr=0.1,
        nesterov=True,
        weight_decay=5e-4,
        augment="flip_crop",
    )
    recipes = {
        "cifar10_valid": cifar,
        "cifar100": replace(cifar, images="cifar100"),
        "imagenet16_120": replace(cifar, images="imagenet16_120", size=16),
    }
    return Live({kind.short: kind.space}, recipes)


@dataclass(frozen=True, eq=False)
class Archive:
    """Records that are read when they are asked for.

    `names` are the architectures of the records, in published order, `at` their places there, and
    `stamps` tell one state of each from another. `read(row)` gives a record, what to call it in a
    message, and the sha256 of its file ("" where all are in one); `sha256` is that of the rest.
    """

    names: Sequence[str]
    at: Sequence[int]
    stamps: Sequence[str]
    read: Callable[[int], tuple[Any, str, str]]
    source: str
    sha256: str


def read_folder(path: Path, kind: Kind, job: Job) -> Published:
    """Read a folder of records, `000000.pickle.pbz2` and so on, beside `meta.pickle.pbz2`.

    Raises `BadFile` for a file that is damaged, or not of this benchmark.
    """
    archive = _folder(path, kind)
    return _published(archive, _gather(archive, kind, job, path), kind)


def read_file(path: Path, kind: Kind, job: Job) -> Published:
    """Read all records from one pickle: a NATS-Bench file, or the `.pth` of NAS-Bench-201.

    Raises `BadFile` where there is too little memory for it, and as `read_folder` does.
    """
    need, free = needed_memory(path, kind), available_memory()
    told = f"{path} is one pickle, which takes about {need / 1e9:,.1f} GB of memory to read"
    if need > free:
        raise BadFile(
            f"{told}, and {free / 1e9:,.1f} GB are free; the folder {kind.folder} needs 0.5 GB"
        )
    job.say(f"{told}; {free / 1e9:,.1f} GB are free")
    archive = _file(path, kind, limit=free // 4)
    return _published(archive, _gather(archive, kind, job), kind)


def needed_memory(path: Path, kind: Kind) -> int:
    """Estimate how many bytes it takes to unpickle a file as a whole."""
    with path.open("rb") as file:
        packed = file.read(3) == b"BZh"
    return path.stat().st_size * (kind.memory if packed else UNPACKED_MEMORY)


def available_memory() -> int:
    """Return how many bytes can be had without swapping, as far as the system says."""
    try:
        text = Path("/proc/meminfo").read_text()
        return 1024 * int(text.split("MemAvailable:")[1].split()[0])
    except (OSError, IndexError):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


# ------------------------------------------------------------------------------- files to records


def _folder(path: Path, kind: Kind) -> Archive:
    if not (meta := path / META).is_file():
        raise BadFile(f"{path} has no {META}, which says what its records are")
    names = _names(_unpickled(meta, str(meta)), str(meta), kind)
    files = {int(file.name[:6]): file for file in sorted(path.glob(RECORD))}
    if not files:
        raise BadFile(f"{path} holds no record: they are called 000000.pickle.pbz2, and so on")
    if (last := max(files)) >= len(names):
        raise BadFile(f"{files[last]}: {META} names {len(names):,} architectures only")
    listed = list(files.values())

    def stamp(file: Path) -> str:
        told = file.stat()
        return f"{file.name} {told.st_size} {told.st_mtime_ns}"

    def read(row: int) -> tuple[Any, str, str]:
        data = listed[row].read_bytes()
        return _unpickled(data, str(listed[row])), str(listed[row]), digest(data)

    return Archive(
        names=[names[index] for index in files],
        at=list(files),
        stamps=list(map(stamp, listed)),
        read=read,
        source=f"{path.resolve().name}, a folder of {len(files):,} records",
        sha256=digest(meta.read_bytes()),
    )


def _file(path: Path, kind: Kind, limit: int) -> Archive:
    told = _unpickled(path, str(path), limit)
    names = _names(told, str(path), kind)
    records = told.get("arch2infos")
    if not isinstance(records, dict) or not records:
        raise BadFile(f"{path} holds no records; if they lie beside it, give the folder")
    if not all(type(index) is int and 0 <= index < len(names) for index in records):
        raise BadFile(
            f"{path}: expected records 0 to {len(names) - 1:,}, as it names architectures"
        )
    at = sorted(records)
    with path.open("rb") as file:
        sha256 = file_digest(file, "sha256").hexdigest()
    return Archive(
        names=[names[index] for index in at],
        at=at,
        stamps=[f"{sha256} {index}" for index in at],
        read=lambda row: (records[at[row]], f"{path}, record {at[row]}", ""),
        source=f"{path.name}, one file of {len(at):,} records",
        sha256=sha256,
    )


def _names(told: Any, what: str, kind: Kind) -> list[str]:
    """Return the names of all architectures, which must be members of the space."""
    names = told.get("meta_archs") if isinstance(told, dict) else None
    if not isinstance(names, list) or not all(type(name) is str for name in names):
        one = isinstance(told, dict) and told and told.keys() <= EPOCHS.keys()
        hint = "; it is one record: give the folder it is in" if one else ""
        raise BadFile(f"{what} is no archive: it has no list 'meta_archs' of architectures{hint}")
    space = find("spaces", kind.space)
    for name in names:
        space.read(name)
    return names


def _unpickled(source: Path | bytes, what: str, limit: int = 2**25) -> Any:
    return load(source, what, {**ORDERED, **NUMPY}, limit)


# ------------------------------------------------------------------------------- records to numbers


class Part:
    """Numbers of some successive rows, by name, as they are collected.

    A name is `200/cifar10-valid/777/curve/valid/top1` (one number an epoch),
    `.../final/valid/top1` where only the last epoch was recorded, `.../seconds`, `.../params`.
    """

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.blocks: dict[str, NDArray[Any]] = {}

    def add(self, row: int, record: Any, name: str, what: str, kind: Kind) -> None:
        """Take over the record of the architecture of that name; raises `BadFile`."""
        try:
            for schedule, told in record.items():
                epochs = EPOCHS[schedule]
                if epochs not in kind.schedules or told["arch_str"] != name:
                    raise ValueError(f"it is of another architecture than {name}, or schedule")
                for (data_set, seed), trial in told["all_results"].items():
                    if trial["epochs"] != epochs or type(seed) is not int or seed < 0:
                        raise ValueError(f"a training is not of {epochs} epochs, or has no seed")
                    self._add(f"{epochs}/{data_set}/{seed}", row, trial, epochs, SETS[data_set])
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            why = " ".join(f"{type(error).__name__}: {error}"[:200].split())
            raise BadFile(f"{what} is no record of {kind.benchmark}: {why}") from error

    def _add(self, at: str, row: int, trial: Any, epochs: int, sets: Mapping[str, str]) -> None:
        for metric, field in TRAINED.items():
            if values := trial[field]:
                self._series(f"{at}/%s/train/{metric}", row, values, range(epochs))
        for name, split in sets.items():
            for metric, field in EVALUATED.items():
                if values := trial[field]:
                    self._series(f"{at}/%s/{split}/{metric}", row, values, _keys(name, epochs))
        if times := trial["train_times"]:
            self._put(
                f"{at}/seconds", row, list(accumulate(float(times[e]) for e in range(epochs)))
            )
        self._put(f"{at}/params", row, [round(float(trial["params"]) * MILLION)], "<f8")
        self._put(f"{at}/flops", row, [round(float(trial["flop"]) * MILLION)], "<f8")
        if (latency := trial["latency"]) and min(latency) > 0:
            self._put(f"{at}/latency", row, [sum(latency) / len(latency)], "<f8")

    def _series(self, name: str, row: int, values: Any, keys: Sequence[Any]) -> None:
        """Keep a curve, or its end where there is no more of it."""
        try:
            if len(keys) > 1:
                return self._put(name % "curve", row, itemgetter(*keys)(values))
        except KeyError:
            if any(key in values for key in keys[:-1]):
                return self._put(name % "curve", row, [values.get(key, np.nan) for key in keys])
        if keys[-1] in values:
            self._put(name % "final", row, [values[keys[-1]]])

    def _put(self, name: str, row: int, values: Sequence[float], dtype: str = "<f4") -> None:
        """Keep one row of a block; what is never put is NaN."""
        if name not in self.blocks:
            if len(self.blocks) == MOST_BLOCKS:
                raise ValueError("it is of more trainings than there are")
            self.blocks[name] = np.full((self.rows, len(values)), np.nan, dtype)
        self.blocks[name][row] = array("d", values)  # refuses what isn't a number

    def write(self, path: Path, sums: Sequence[str]) -> None:
        """Write the blocks after one line that says where each begins; `sums` are checksums."""
        offsets = accumulate((block.nbytes for block in self.blocks.values()), initial=0)
        told = {
            name: (offset, block.shape[1], block.dtype.str)
            for (name, block), offset in zip(self.blocks.items(), offsets, strict=False)
        }
        with atomic(path) as out:
            out.write(json.dumps({"rows": self.rows, "sums": sums, "blocks": told}).encode())
            out.write(b"\n")
            for block in self.blocks.values():
                out.write(block.data)


@cache
def _keys(name: str, epochs: int) -> Sequence[str]:
    return [f"{name}@{epoch}" for epoch in range(epochs)]


class Parts:
    """All parts of an archive, from which blocks are put together; open until nobody needs it."""

    def __init__(self, paths: Iterable[Path]) -> None:
        stack = ExitStack()
        finalize(self, stack.close)
        self._files = [stack.enter_context(path.open("rb")) for path in paths]
        self._heads = [json.loads(file.readline()) for file in self._files]
        self._starts = [file.tell() for file in self._files]
        self._rows: list[int] = [*accumulate((head["rows"] for head in self._heads), initial=0)]
        self.sums: list[str] = [each for head in self._heads for each in head["sums"]]
        self.names = frozenset(name for head in self._heads for name in head["blocks"])

    def __len__(self) -> int:
        return self._rows[-1]

    def seeds(self, epochs: int, data_sets: Iterable[str]) -> list[int]:
        """List the seeds of a schedule's trainings on these data sets."""
        wanted = {(str(epochs), data_set) for data_set in data_sets}
        split = (name.split("/") for name in self.names)
        return sorted({int(seed) for a, b, seed, *_ in split if (a, b) in wanted})

    def read(self, name: str) -> NDArray[Any] | None:
        """Return a block of all rows (rows, width), NaN where a part lacks it; None if all do."""
        found = [head["blocks"].get(name) for head in self._heads]
        if name not in self.names:
            return None
        _, width, dtype = next(filter(None, found))
        block = np.full((len(self), width), np.nan, dtype)
        for file, start, place, rows in zip(
            self._files, self._starts, found, pairwise(self._rows), strict=True
        ):
            if place:
                file.seek(start + place[0])
                part = block[slice(*rows)]
                part[:] = np.fromfile(file, dtype, part.size).reshape(part.shape)
        return block

    def curve(self, start: str, what: str, main: Metric) -> NDArray[Any] | None:
        """Return the curve of a metric (rows, epochs), or None."""
        curve, end = self.read(f"{start}/curve/{what}"), self.read(f"{start}/final/{what}")
        if curve is not None and end is not None:
            curve[:, -1:] = np.where(np.isnan(end), curve[:, -1:], end)
        return curve

    def final(self, start: str, what: str, main: Metric) -> NDArray[Any] | None:
        """Return the last epoch of a curve (rows,), or what was recorded of that alone, or None."""
        found = self.curve(start, what, main)
        found = self.read(f"{start}/final/{what}") if found is None else found
        return None if found is None else found[:, -1]

    def best(self, start: str, what: str, main: Metric) -> NDArray[Any] | None:
        """Return a curve at the epoch with the best main validation metric (rows,), or None."""
        valid = self.read(f"{start}/curve/valid/{main.name}")
        curve = self.read(f"{start}/curve/{what}")
        if valid is None or curve is None:
            return None
        score = np.where(np.isnan(valid), -np.inf, main.sign * valid)
        values: NDArray[Any] = curve[np.arange(len(curve)), score.argmax(axis=1)]
        values[np.isnan(valid).all(axis=1)] = np.nan
        return values


# ------------------------------------------------------------------------------- the reading itself


def _gather(archive: Archive, kind: Kind, job: Job, folder: Path | None = None) -> Parts:
    """Read what no earlier run has read; with a large folder, a second process helps."""
    places = _places(archive, kind, job.scratch, PART)
    while left := _left(places):
        with _helper(folder, kind, job.scratch) if folder and left > ALONE else nullcontext():
            _read(archive, kind, places, job.tick)
    with suppress(FileNotFoundError):
        return Parts(places)
    return _gather(archive, kind, job, folder)  # an import beside this one was done, and tidied up


def _places(archive: Archive, kind: Kind, scratch: Path, size: int) -> dict[Path, range]:
    """Say which rows are in which file; what they were read from is in its name."""
    places = {}
    for first in range(0, len(archive.names), size):
        rows = range(first, min(first + size, len(archive.names)))
        told = [FORM, kind.space, *((archive.names[row], archive.stamps[row]) for row in rows)]
        places[scratch / f"{digest(json.dumps(told).encode())[:24]}.part"] = rows
    return places


def _left(places: Mapping[Path, range]) -> int:
    return sum(len(rows) for place, rows in places.items() if not place.exists())


def _read(
    archive: Archive, kind: Kind, places: Mapping[Path, range], tick: Callable[[int, int], None]
) -> None:
    """Read the parts that are not there, in this order."""
    total = len(archive.names)
    for place, rows in places.items():
        if place.exists():
            continue
        part, sums, done = Part(len(rows)), [], total - _left(places)
        for number, row in enumerate(rows):
            record, what, sha256 = archive.read(row)
            part.add(number, record, archive.names[row], what, kind)
            sums.append(sha256)
            tick(done + number + 1, total)
        try:
            part.write(place, sums)
        except BadFile as error:
            if not isinstance(error.__cause__, FileNotFoundError):
                raise  # else as in _gather


@contextmanager
def _helper(folder: Path, kind: Kind, scratch: Path) -> Iterator[None]:
    """Let another process read the same folder from its end, until both meet."""
    told = json.dumps([sys.path, kind.benchmark, str(folder), str(scratch), PART])
    code = (
        "import json, sys; path, *told = json.loads(sys.argv[1]); sys.path[:] = path; "
        "from nasbench.nats import help_along; help_along(*told)"
    )
    command = [sys.executable, "-c", code, told]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.kill()


def help_along(benchmark: str, folder: str, scratch: str, size: int) -> None:
    """Be the helper: read parts, the last one first, as long as the process that asked lives."""
    kind: Kind = import_module(f"nasbench.benchmarks.{benchmark}").KIND
    archive, parent = _folder(Path(folder), kind), os.getppid()

    def tick(done: int, total: int) -> None:
        if os.getppid() != parent:
            sys.exit()

    places = _places(archive, kind, Path(scratch), size)
    _read(archive, kind, dict(reversed(places.items())), tick)


# ------------------------------------------------------------------------------- numbers to tables


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


def _published(archive: Archive, parts: Parts, kind: Kind) -> Published:
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
