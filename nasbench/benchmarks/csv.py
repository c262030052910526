"""Any measurements as CSV: your own, or a benchmark that `nasbench convert` wrote.

One number a row, in the columns of `nasbench.convert.COLUMNS`; your own file needs space, task,
architecture, split, metric and value. `docs/format.md` describes both.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import zlib
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import file_digest
from operator import itemgetter
from pathlib import Path
from typing import Any, Literal, NamedTuple, TextIO

import numpy as np
from numpy.typing import NDArray

from nasbench.benchmark import Declared, Job, Published
from nasbench.convert import COLUMNS, CSV_VERSION, TOLD, WORDS
from nasbench.errors import BadFile, NasbenchError
from nasbench.find import find
from nasbench.space import Space
from nasbench.store import RECIPES
from nasbench.table import ANSWERS, SPLITS, Column, Info, Point, Rows, Table
from nasbench.task import Task

NEEDED = ("space", "task", "architecture", "split", "metric", "value")
INSTEAD = {"schedule": "full", "at": "final"}
"""What every row says where there is no such column; any other column is then empty."""
WANTS = f"a CSV file with the columns {', '.join(NEEDED)}, and more if you have them"
LONGEST_LINE = 1 << 24
DTYPES = ("<i4", "<i8", "<f4", "<f8")


class Numbers(NamedTuple):
    """Values, and the rows they belong to, in the order of the file."""

    rows: array[int]
    values: array[float]

    @classmethod
    def none(cls) -> Numbers:
        """Start with no value."""
        return cls(array("q"), array("d"))

    def into(self, target: NDArray[Any], what: str) -> None:
        """Put them at their rows of `target`, (N,); raises `BadFile` for two in one row."""
        if len(set(self.rows)) != len(self.rows):
            raise BadFile(f"{what}: two values of one architecture; seeds would tell them apart")
        try:
            with np.errstate(over="raise"):
                target[np.array(self.rows)] = np.array(self.values)
        except FloatingPointError:
            raise BadFile(f"{what}: a value is too large for {target.dtype}") from None


class Place(NamedTuple):
    """Where values go: to a trial of a column, and, of a curve, to an epoch (else 0)."""

    point: Point
    trial: int
    epoch: int


@dataclass
class Trained:
    """What is known of one table so far. Seconds are a point without a split."""

    task: Task
    epochs: set[int] = field(default_factory=set[int])
    seeds: dict[int, int] = field(default_factory=dict[int, int])
    columns: dict[Point, Mapping[str, str]] = field(default_factory=dict[Point, Mapping[str, str]])
    numbers: dict[Place, Numbers] = field(default_factory=dict[Place, Numbers])

    def at(self, trial: str, seed: str, at: str, split: str, metric: str) -> Numbers:
        """Find the values of one place, or make it; raises a `NasbenchError` for a wrong word."""
        epoch = 0 if at in ANSWERS else _whole("at", at, 1)
        if epoch:
            self.epochs.add(epoch)
        chosen = f"valid {self.task.metric.name}" if at == "best" else ""
        point = self.point("curve" if epoch else at, split, metric)
        self.columns.setdefault(point, {"epoch_chosen_by": chosen})
        place = Place(point, self._trial(trial, seed), epoch)
        return self.numbers.setdefault(place, Numbers.none())

    def point(self, at: str, split: str, metric: str) -> Point:
        """Check the words of a column: seconds have no split, and no best epoch."""
        if not split and at != "best":
            return Point(at, "", "seconds")
        if split not in SPLITS:
            raise BadFile(f"split {split!r}: expected {', '.join(SPLITS)}")
        return Point(at, split, self.task[metric].name)

    def _trial(self, trial: str, seed: str) -> int:
        """Find a trial by its number, else by its seed; without either there is but one."""
        told = _whole("seed", seed, most=2**63) if seed else -1
        if trial:
            number = _whole("trial", trial)
            known = self.seeds.setdefault(number, told)
            if seed and known != told:
                raise BadFile(f"trial {number} has the seed {told} here, and {known} elsewhere")
            return number
        if self.seeds and (told < 0) != (-1 in self.seeds.values()):
            raise BadFile("expected a seed in every row of a table, or in none")
        same = [number for number, known in self.seeds.items() if known == told]
        number = same[0] if same else len(self.seeds)
        self.seeds[number] = told
        return number


@dataclass
class Listed:
    """What is known of one space so far: architectures, facts about them, and tables."""

    space: Space
    info: dict[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])
    rows: dict[str, int] = field(default_factory=dict[str, int])
    facts: dict[tuple[str, str], Numbers] = field(default_factory=dict[tuple[str, str], Numbers])
    trained: dict[tuple[str, str], Trained] = field(default_factory=dict[tuple[str, str], Trained])

    def row(self, name: str) -> int:
        """Find an architecture's row, or make it; raises `OutsideSpace`."""
        if name not in self.rows:
            self.space.read(name)
            self.rows[name] = len(self.rows)
        return self.rows[name]


def read(path: Path | None, job: Job) -> Published:
    """Read it; raises `BadFile`, with the line, for whatever is wrong with it."""
    if path is None:
        raise BadFile(f"csv needs the path of {WANTS}")
    with path.open("rb") as raw:
        sha256 = file_digest(raw, "sha256").hexdigest()
        raw.seek(0)
        zipped = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        with io.TextIOWrapper(
            gzip.GzipFile(fileobj=raw) if zipped else raw, encoding="utf-8-sig", newline=""
        ) as text:
            lines = _Lines(text)
            try:
                header, titles = _header(lines)
                spaces = _described(header)
                _fill(spaces, titles, csv.reader(lines, strict=True))
            except (NasbenchError, ValueError, csv.Error, EOFError, OSError, zlib.error) as error:
                raise BadFile(f"{path}, line {lines.number}: {error}") from error
    name = re.sub(r"\W", "_", path.name.removesuffix(".gz").removesuffix(".csv"))
    answers = header.get("answers") or _answers(spaces)
    try:
        tables = [
            (short, table)
            for short, listed in spaces.items()
            for table in _tables(f"{name}/{short}", listed, answers)
        ]
    except NasbenchError as error:
        raise BadFile(f"{path}: {error}") from error
    if not tables:
        raise BadFile(f"{path} holds no measurement")
    own = f"{path.name} (sha256 {sha256})"
    if not header:
        title = f"Measurements of {path.name}"
        notes = [f"read from {own}", *_unsaid(titles, tables)]
        told = {"title": title, "citation": "none", "source": path.name, "source_sha256": sha256}
        header = {**told, "licence": "not told", "left_out": []}
    else:
        notes = [*header["notes"], f"by way of {own}, from content {header['content_sha256']}"]
    return Published(
        tables,
        **{key: header[key] for key in TOLD if key not in ("notes", "answers")},
        notes=notes,
        name=name,
        answers=answers,
        recipes=header.get(RECIPES, ""),
    )


class _Lines:
    """The lines of a text, counted; raises `BadFile` for one that would fill the memory."""

    def __init__(self, text: TextIO) -> None:
        self._text, self.number = text, 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._text.readline(LONGEST_LINE)
        self.number += bool(line)
        if len(line) == LONGEST_LINE:
            raise BadFile(f"expected lines of less than {LONGEST_LINE:,} characters")
        if not line:
            raise StopIteration
        return line


def _header(lines: Iterator[str]) -> tuple[dict[str, Any], list[str]]:
    """Read up to the titles of the columns: what `nasbench convert` said above them, and these."""
    header: dict[str, Any] = {}
    for line in lines:
        key, _, value = line[1:].strip().partition(": ")
        if not line.startswith("#"):
            break
        if header or key == "nasbench_csv":
            header[key] = json.loads(value)
    else:
        raise BadFile(f"expected {WANTS}")
    if header and header["nasbench_csv"] != CSV_VERSION:
        raise BadFile(f"its version is {header['nasbench_csv']}, this nasbench reads {CSV_VERSION}")
    if header and ({*TOLD, "content_sha256", "spaces"} - header.keys()):
        raise BadFile("the lines above the columns are not complete")
    for key in (*TOLD, RECIPES) if header else ():
        texts = header[key] if key in ("notes", "left_out") else [header.get(key, "")]
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise BadFile(f"{key} above the columns is {header[key]!r:.80}")
    if header and header["answers"] not in ANSWERS:
        raise BadFile(f"answers above the columns is {header['answers']!r}")
    titles = next(csv.reader([line], strict=True), [])
    if absent := [title for title in NEEDED if title not in titles]:
        raise BadFile(f"it lacks the column {absent[0]!r}; expected {WANTS}")
    for title in titles:
        if title not in COLUMNS or titles.count(title) > 1:
            raise BadFile(f"column {title!r}: expected each of {', '.join(COLUMNS)} at most once")
    return header, titles


def _described(header: Mapping[str, Any]) -> dict[str, Listed]:
    """Make the tables that the header describes, still without numbers."""
    spaces: dict[str, Listed] = {}
    try:
        for short, told in header.get("spaces", {}).items():
            listed = spaces[_plain("space", short)] = Listed(
                find("spaces", _plain("space", told["space"])), dict(told["info"])
            )
            for task, schedules in told["tasks"].items():
                for schedule, said in schedules.items():
                    trained = listed.trained[task, _plain("schedule", schedule)] = Trained(
                        find("tasks", _plain("task", task)),
                        {_whole("epoch", str(epoch), 1) for epoch in said["epoch"]},
                        dict(enumerate(np.array(said["seed"], np.int64).tolist())),
                    )
                    for text, attrs in said["columns"].items():
                        at, split, metric = text.split("/")
                        trained.columns[trained.point(_at(at), split, metric)] = dict(attrs)
                    if said["seconds"]:
                        trained.columns[trained.point(_at(said["seconds"]), "", "")] = {}
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
        raise BadFile(f"what it says of its spaces is damaged: {error}") from error
    return spaces


def _fill(spaces: dict[str, Listed], titles: list[str], rows: Iterator[list[str]]) -> None:
    """Read all numbers into `spaces`."""
    absent = [title for title in COLUMNS if title not in titles]
    places = [[*titles, *absent].index(title) for title in COLUMNS]
    words_of, name, value = itemgetter(*places[: len(WORDS)]), *places[len(WORDS) :]
    instead = [INSTEAD.get(title, "") for title in absent]
    known: dict[tuple[str, ...], tuple[Listed, Numbers]] = {}
    for row in rows:
        if len(row) != len(titles):
            if not row:
                continue
            raise BadFile(f"{len(row)} values under {len(titles)} titles of columns")
        row += instead
        words = words_of(row)
        if words not in known:
            known[words] = _numbers(spaces, *words)
        listed, numbers = known[words]
        numbers.rows.append(listed.row(row[name]))
        numbers.values.append(float(row[value] or "nan"))


def _numbers(
    spaces: dict[str, Listed],
    space: str,
    task: str,
    schedule: str,
    trial: str,
    seed: str,
    at: str,
    split: str,
    metric: str,
) -> tuple[Listed, Numbers]:
    """Find the values that a row's words are about, or make the list of them."""
    if space not in spaces:
        spaces[space] = Listed(find("spaces", _plain("space", space)))
    listed = spaces[space]
    if not split and metric != "seconds":
        fact = (_plain("metric", metric), task)
        return listed, listed.facts.setdefault(fact, Numbers.none())
    if (task, schedule) not in listed.trained:
        found = find("tasks", _plain("task", task))
        listed.trained[task, _plain("schedule", schedule)] = Trained(found)
    return listed, listed.trained[task, schedule].at(trial, seed, at, split, metric)


def _plain(what: str, word: str) -> str:
    """Check a word that becomes a name in the file: never the path of anything."""
    if re.fullmatch(r"\w+", word):
        return word
    raise BadFile(f"{what} {word!r}: expected letters, digits and _")


def _at(word: str) -> str:
    if word in (*ANSWERS, "curve"):
        return word
    raise BadFile(f"{word!r} is no point of training: best, final or curve")


def _whole(what: str, text: str, least: int = 0, most: int = 2**31) -> int:
    if text.isascii() and text.isdecimal() and least <= int(text) < most:
        return int(text)
    raise BadFile(f"{what} {text!r}: expected a whole number from {least}")


def _answers(spaces: Mapping[str, Listed]) -> str:
    """Choose what a lookup gives: the best epoch where every table has it."""
    tables = [trained for listed in spaces.values() for trained in listed.trained.values()]
    best = all(Point("best", "valid", t.task.metric.name) in t.columns for t in tables)
    return "best" if best else "final"


def _tables(address: str, listed: Listed, answers: str) -> Iterator[Table]:
    if not listed.rows:
        raise BadFile(f"{address}: no architecture")
    names = [*listed.info, *(name for name, _ in listed.facts if name != "trained_as")]
    info = {name: _info(listed, name) for name in dict.fromkeys(names)}
    rows = Rows.of(listed.space, list(listed.rows), **info)
    if ("trained_as", "") in listed.facts:
        listed.facts["trained_as", ""].into(rows.trained_as, "trained_as")
        if not ((rows.trained_as >= 0) & (rows.trained_as < len(rows))).all():
            raise BadFile(f"{address}, trained_as: expected rows from 0 to {len(rows) - 1}")
    for (_, schedule), trained in listed.trained.items():
        yield _table(f"{address}/{trained.task.name}", rows, schedule, trained, answers)


def _info(listed: Listed, name: str) -> Info:
    """Make a fact about architectures; one of a user's own was measured, in an unknown unit."""
    told = listed.info.get(name, {})
    source: Literal["measured", "derived"] = "measured"
    if told.get("source", source) == "derived":
        source = "derived"
    tasks = tuple(told.get("tasks", [task for fact, task in listed.facts if fact == name]))
    tasks = () if tasks == ("",) else tasks
    dtype = told.get("values") if told else "<f8"
    if dtype not in DTYPES or not all(isinstance(task, str) and task for task in tasks):
        raise BadFile(f"{name}: expected numbers of {', '.join(DTYPES)}, with a task or without")
    values = np.full((len(listed.rows), len(tasks) or 1), np.nan)
    for (fact, task), numbers in listed.facts.items():
        if fact == name:
            if (task not in tasks) if tasks else task:
                raise BadFile(f"{name}: it has no values for task {task!r}")
            numbers.into(values[:, tasks.index(task) if tasks else 0], name)
    if "i" in dtype and np.isnan(values).any():
        raise BadFile(f"{name}: whole numbers, of which {np.isnan(values).sum()} are missing")
    kept = values.astype(dtype) if tasks else values[:, 0].astype(dtype)
    return Info(kept, str(told.get("unit", "")), source, tasks)


def _table(address: str, rows: Rows, schedule: str, trained: Trained, answers: str) -> Table:
    trials, epochs = len(trained.seeds), sorted(trained.epochs)
    if sorted(trained.seeds) != list(range(trials)):
        raise BadFile(f"{address}: trials {sorted(trained.seeds)}: expected 0, 1, 2 ...")
    if not epochs:
        length = re.fullmatch(r"(\d{1,6})_epochs", schedule)
        epochs = [int(length[1]) if length else 1]
    arrays = {
        point: np.full(
            (len(rows), trials, len(epochs))[: 3 if point.at == "curve" else 2], np.nan, np.float32
        )
        for point in trained.columns
    }
    for (point, trial, epoch), numbers in trained.numbers.items():
        target = arrays[point][:, trial]
        target = target[:, epochs.index(epoch)] if epoch else target
        numbers.into(target, f"{address} {'/'.join(filter(None, point))}")
    seconds = [arrays.pop(point) for point in list(arrays) if not point.split]
    if len(seconds) > 1:
        raise BadFile(f"{address}: seconds of every epoch, and of the end: expected one of them")
    return Table(
        address,
        rows,
        trained.task,
        answers,
        np.array(epochs, np.int32),
        np.array([trained.seeds[trial] for trial in range(trials)], np.int64),
        {point: _column(values, trained.columns[point]) for point, values in arrays.items()},
        seconds[0] if seconds else None,
        schedule,
    )


def _column(values: NDArray[np.float32], told: Mapping[str, str]) -> Column:
    return Column(values, str(told.get("epoch_chosen_by", "")), str(told.get("data_set", "")))


def _unsaid(titles: Sequence[str], tables: Sequence[tuple[str, Table]]) -> Iterator[str]:
    """Say what a user's own file left open."""
    if "seed" not in titles:
        yield "the seeds of the trainings are not told"
    if any(table.epochs == 1 for _, table in tables):
        yield "where nothing tells the length of a training, it counts as one epoch"


BENCHMARK = Declared(
    name="csv",
    title="Your own measurements, or what nasbench convert wrote",
    citation="none",
    answers="final",
    wants=WANTS,
    read=read,
)
