"""What benchmarks there are, where their tables lie, and how published files become tables."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from shutil import rmtree

from nasbench.errors import BadFile, BadValue, NotApplicable, OutsideSpace
from nasbench.find import find, names, unknown
from nasbench.recipe import Live, Trainable
from nasbench.store import RECIPES, Benchmark, choose, split, write
from nasbench.table import Table

_FILE = re.compile(r"(.+?\.(?:h5|py))(?:/|$)(.*)", re.DOTALL)


@dataclass(frozen=True)
class Published:
    """What an importer made of a published file; `tables` are (space name, table) pairs.

    `notes` say what a user of the numbers must know, `left_out` what was not taken over and why.
    A file that says its own name, title, citation and answers comes before what is `Declared`.
    `recipes` is what `nasbench.pack` wrote of how it was trained, if it did.
    """

    tables: Sequence[tuple[str, Table]]
    source: str
    source_sha256: str
    licence: str
    notes: Sequence[str] = ()
    left_out: Sequence[str] = ()
    name: str = ""
    title: str = ""
    citation: str = ""
    answers: str = ""
    recipes: str = ""


@dataclass(frozen=True)
class Job:
    """What a long import may use.

    `scratch` is a folder that survives an interruption and goes when the import is done;
    `tick(done, total)` says how far it is, `say` what one should know before it's done.
    """

    scratch: Path
    tick: Callable[[int, int], None] = lambda done, total: None
    say: Callable[[str], None] = lambda text: None


@dataclass(frozen=True)
class Declared:
    """A benchmark as its file in `benchmarks/` declares it.

    `answers` is what a lookup gives unless told otherwise ("best" or "final"); `wants` says in a
    few words which published files `read` takes; without a path it finds one by itself, or says how
    to give one. `live` says how its networks are trained, if they can be, and `licence` is that of
    tables of such trainings.
    """

    name: str
    title: str
    citation: str
    answers: str
    wants: str = ""
    read: Callable[[Path | None, Job], Published] | None = None
    live: Live | None = None
    licence: str = ""


def home() -> Path:
    """Return the folder of imported tables: `NASBENCH_HOME`, or the user's own data folder."""
    if given := os.environ.get("NASBENCH_HOME"):
        return Path(os.path.expanduser(given)) / "tables"
    from platformdirs import user_data_path

    return user_data_path("nasbench") / "tables"


def tables() -> dict[str, Path]:
    """List the tables there are, by name: shipped ones, then imported ones, which come first."""
    shipped = Path(next(iter(import_module("nasbench.results").__path__))) / "tables"
    return {path.stem: path for folder in (shipped, home()) for path in folder.glob("[!.]*.h5")}


def open_benchmark(name: str | Path) -> Benchmark:
    """Open a benchmark by name, or by the path of its `.h5` file.

    Raises `UnknownName` for a name that is nowhere, and `BadFile` for one that was not imported
    yet or whose file can't be read.
    """
    if str(name).endswith(".h5"):
        return Benchmark(name)
    there = tables()
    if (text := str(name)) in there:
        return Benchmark(there[text])
    if text in (known := names("benchmarks")) or text.endswith(".py"):
        if wants := find("benchmarks", text).wants:
            raise BadFile(f"{text} is not imported yet: nasbench import {text} PATH ({wants})")
        raise BadFile(
            f"{text} has no table: train its networks, with --live, or all of them, with nasbench "
            "build and nasbench pack"
        )
    raise unknown("benchmark", text, sorted({*there, *known}))


def locate(address: str) -> tuple[Table, list[str]]:
    """Open the table at BENCH/SPACE/TASK@SCHEDULE/..., and say what follows.

    BENCH is a name or the path of an `.h5` file; SPACE may be left out where there is one, and
    @SCHEDULE where the default is meant. Raises `UnknownName`, with the nearest name.
    """
    bench, key, following = _keyed(address)
    return bench[key], following


def trainable(address: str, images: Path | None = None) -> tuple[Trainable, list[str]]:
    """Resolve BENCH/SPACE/TASK/... to what is trained: the task's recipe, and what follows.

    BENCH is a name, or the path of a benchmark's own file (`./mine.py`); SPACE may be left out
    where there is one. `images` is where the images are, if they are the user's. Raises
    `NotApplicable` where the benchmark does not say how to train.
    """
    name, parts = _parts(address)
    bench, live = _live(name)
    key, rest = split(bench, live.tables, parts)
    if len(key) > 2:
        raise BadValue(f"{address!r}: a schedule picks what is looked up, and nothing is here")
    space, task = key
    return live.trainable(bench, space, task, images), rest


def trainables(
    name: str, spaces: Sequence[str] = (), tasks: Sequence[str] = (), images: Path | None = None
) -> list[Trainable]:
    """List what a benchmark trains, by spaces and then by tasks in the order given; by default all.

    `name` and `images` are as in `trainable`. Raises `UnknownName`, `NotApplicable`.
    """
    bench, live = _live(name)
    chosen = choose(bench, live.tables, spaces, tasks)
    return [live.trainable(bench, space, task, images) for space, task in chosen]


def _live(name: str) -> tuple[str, Live]:
    """Say how a benchmark is trained, and what it's called."""
    declared = find("benchmarks", name)
    if declared.live is None:
        raise NotApplicable(f"not applicable: {declared.name} does not say how it is trained")
    return declared.name, declared.live


def _parts(address: str) -> tuple[str, list[str]]:
    """Split an address behind its benchmark, a name or the path of a file."""
    name, _, rest = address.partition("/")
    file = _FILE.match(address)
    if file and name not in {*tables(), *names("benchmarks")}:  # or else the file is a runner's
        name, rest = file.groups()
    return name, [part for part in rest.split("/") if part]


def open_table(address: str) -> Table:
    """Open one table by its address, BENCH/SPACE/TASK or BENCH/SPACE/TASK@SCHEDULE."""
    return open_within(address)[1]


def open_within(address: str) -> tuple[Benchmark, Table]:
    """Open one table as `open_table` does, and return the benchmark that it's in, too."""
    bench, key, rest = _keyed(address)
    if rest:
        raise BadValue(f"{address!r} names no table: expected BENCH/SPACE/TASK and nothing more")
    return bench, bench[key]


def _keyed(address: str) -> tuple[Benchmark, tuple[str, ...], list[str]]:
    """Open the benchmark of an address; return the key of the table, and what follows."""
    name, parts = _parts(address)
    bench = open_benchmark(name)
    return bench, *bench.split(parts)


def import_benchmark(
    name: str,
    path: str | Path | None = None,
    as_name: str | None = None,
    tick: Callable[[int, int], None] = lambda done, total: None,
    say: Callable[[str], None] = lambda text: None,
) -> Benchmark:
    """Read a published file into the user's data folder, replacing an earlier import, and open it.

    `as_name` keeps it under another name, beside what another source of the same benchmark gave.
    Nothing is written unless everything could be read and verified.
    """
    declared = find("benchmarks", name)
    if declared.read is None:
        raise BadValue(f"{name} is imported from nothing: its networks are trained, with --live")
    target = home() / f"{plain_name(as_name or declared.name)}.h5"
    source = "" if path is None else str(Path(path).resolve())
    scratch = home().parent / "scratch" / f"{target.stem}-{digest(source.encode())[:12]}"
    if path is not None and not Path(path).exists():
        raise BadFile(f"no file or folder {path}; {name} is imported from {declared.wants}")
    try:
        published = declared.read(None if path is None else Path(path), Job(scratch, tick, say))
    except OutsideSpace as error:
        raise BadFile(f"{path or name} is not {declared.wants}: {error}") from error
    for address, table in published.tables:
        verify(address, table)
    if published.name and not as_name:
        target = target.with_name(f"{plain_name(published.name)}.h5")
    header = {
        "benchmark": target.stem,
        "title": published.title or declared.title,
        "citation": published.citation or declared.citation,
        "answers": published.answers or declared.answers,
        "source": published.source,
        "source_sha256": published.source_sha256,
        "licence": published.licence,
        "notes": list(published.notes),
        "left_out": list(published.left_out),
        **({RECIPES: published.recipes} if published.recipes else {}),
        "tool_version": import_module("nasbench").__version__,
    }
    write(target, header, published.tables)
    rmtree(scratch, ignore_errors=True)
    return Benchmark(target)


def plain_name(name: str) -> str:
    """Return what can name a benchmark and its file; raises `BadValue`."""
    if name.isidentifier():
        return name
    raise BadValue(f"{name!r} can't name a benchmark: letters, digits and _ only")


def verify(space_name: str, table: Table) -> None:
    """Check what must hold of any table: shapes, unique members, values within their bounds."""
    rows, where = table.rows, f"{table.address} ({space_name})"
    find("spaces", rows.space.name)  # by these names a file finds them when it's opened
    find("tasks", table.task.name)
    if table.seconds is not None and (table.seconds < 0).any():
        raise BadFile(f"{where}: a training took less than 0 seconds")
    if len(set(rows.archs)) != len(rows):
        raise BadFile(f"{where}: {len(rows) - len(set(rows.archs))} architectures occur twice")
    for point, column in table.columns.items():
        shape = (len(rows), len(table.seed), *([len(table.epoch)] if point.at == "curve" else []))
        if column.values.shape != shape:
            raise BadFile(f"{where} {point}: expected {shape} values, got {column.values.shape}")
        low, high = table.task[point.metric].bounds
        wrong = (column.values < low) | (column.values > high)
        if wrong.any():
            name = rows.names[int(wrong.nonzero()[0][0])]
            raise BadFile(f"{where} {point}: {wrong.sum()} values outside {low}..{high}, as {name}")


def complete(rows: Sequence[str], expected: int, what: str) -> None:
    """Check that a source holds as many different architectures as its space has."""
    if len(rows) != expected or len(set(rows)) != expected:
        raise BadFile(
            f"{what}: expected {expected:,} architectures, each once; found {len(set(rows)):,} in "
            f"{len(rows):,} rows"
        )


def digest(*parts: bytes) -> str:
    """Return the sha256 of the parts, one after the other."""
    total = sha256()
    for part in parts:
        total.update(part)
    return total.hexdigest()
