"""Options that several commands share, and how what is typed becomes values."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from math import inf
from pathlib import Path
from typing import Annotated

import typer

from nasbench.budget import Budget
from nasbench.errors import BadValue, NotApplicable
from nasbench.find import names
from nasbench.loop import Method
from nasbench.shard import WHOLE, Shard
from nasbench.space import Architecture

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Bench = Annotated[str, typer.Argument(metavar="BENCH", help="A benchmark's name, or an .h5 file.")]
TableAt = Annotated[
    str,
    typer.Argument(
        metavar="BENCH/SPACE/TASK",
        help="A table; SPACE may be left out where there is one. TASK@SCHEDULE picks a training "
        "schedule other than the default; nasbench info lists them.",
    ),
]
ImagesAt = Annotated[
    Path | None, typer.Option(help="Where the images are, if they are yours to bring.")
]
JournalAt = Annotated[
    Path | None,
    typer.Option("--journal", help="The file of trainings; that of searches with --live."),
]
Spaces = Annotated[str | None, typer.Option(help="Comma-separated; all.")]
Tasks = Annotated[str | None, typer.Option(help="Comma-separated; all.")]
Queries = Annotated[int | None, typer.Option(help="Most trainings of a run.")]
Epochs = Annotated[int | None, typer.Option(help="Most epochs of a run.")]
Seconds = Annotated[float | None, typer.Option(help="Most seconds of training, as recorded.")]

Dask = Annotated[
    str | None,
    typer.Option("--dask", help="Run on a Dask cluster: its scheduler's address, tcp://HOST:8786."),
]

ShardOf = Annotated[
    str | None,
    typer.Option("--shard", help="I/N: the part of machine number I of N machines."),
]

CORES = os.cpu_count() or 1
_WHOLE = re.compile("[0-9]{1,18}")


def some(workers: int) -> int:
    """Return a number of workers; raises `BadValue` for none."""
    if workers < 1:
        raise BadValue(f"{workers} workers: it must be at least 1")
    return workers


def shard_of(text: str | None) -> Shard:
    """Read a shard, by default all there is; raises `BadValue`."""
    if text is None:
        return WHOLE
    if match := re.fullmatch("([0-9]{1,9})/([0-9]{1,9})", text):
        return Shard(int(match[1]), int(match[2]))
    raise BadValue(f"shard {text!r}: expected I/N, as in 1/2")


def genes_of(arch: str) -> Architecture | None:
    """Read the numbers of an architecture, or of a row, that is not spelt as published."""
    if re.fullmatch(r"\(?[0-9]{1,9}(, ?[0-9]{1,9})*\)?", arch):
        return tuple(map(int, arch.strip("()").split(",")))
    return None


def listed(text: str | None) -> list[str]:
    """Split what stands between commas."""
    return [part for part in (text or "").split(",") if part]


def whole(what: str, text: str) -> int:
    """Read a whole number; raises `BadValue`, which says what it is."""
    if _WHOLE.fullmatch(text):
        return int(text)
    raise BadValue(f"{what} {text!r}: expected a whole number from 0")


def point_at(at: str | None) -> str | int | None:
    """Read a point of training: an epoch, or a word that stays one."""
    return int(at) if at is not None and _WHOLE.fullmatch(at) else at


def methods_of(runners: str | None, *, history: bool) -> list[Method]:
    """Read methods; where none is named, all that learn from other tasks, or all that don't.

    One-shot methods, which train for minutes, have to be named.
    """
    if named := listed(runners):
        return [Method.parse(text) for text in named]
    found = []
    for name in names("runners"):
        with suppress(NotApplicable):  # without torch there are no one-shot methods
            found.append(Method(name))
    black_box = (method for method in found if "live" not in method.needs)
    return [method for method in black_box if ("history" in method.needs) == history]


def budget_of(queries: int | None, epochs: int | None, seconds: float | None) -> Budget:
    """Put limits together; without any, 50 queries."""
    if queries is epochs is seconds is None:
        return Budget(queries=50)
    given = (inf if limit is None else limit for limit in (queries, epochs, seconds))
    return Budget(*given)
