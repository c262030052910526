"""Records are read in parts, each written at once: what was interrupted goes on, two can share."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from importlib import import_module
from pathlib import Path

from nasbench.benchmark import Job, digest
from nasbench.errors import BadFile
from nasbench.nats.archive import Archive, Kind, open_folder
from nasbench.nats.parts import Part, Parts

PART = 250
"""Records in a part: some 15 MB, and few enough parts to keep all of them open."""

ALONE = 2000
"""So many records one process reads alone."""

FORM = 1
"""Goes up when parts change, so that none of an older form is taken for a new one."""


def gather(archive: Archive, kind: Kind, job: Job, folder: Path | None = None) -> Parts:
    """Read what no earlier run has read; with a large folder, a second process helps."""
    places = _places(archive, kind, job.scratch, PART)
    while left := _left(places):
        with _helper(folder, kind, job.scratch) if folder and left > ALONE else nullcontext():
            _read(archive, kind, places, job.tick)
    with suppress(FileNotFoundError):
        return Parts(places)
    return gather(archive, kind, job, folder)  # an import beside this one was done, and tidied up


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
                raise  # else as in gather


@contextmanager
def _helper(folder: Path, kind: Kind, scratch: Path) -> Iterator[None]:
    """Let another process read the same folder from its end, until both meet."""
    told = json.dumps([sys.path, kind.benchmark, str(folder), str(scratch), PART])
    code = (
        "import json, sys; path, *told = json.loads(sys.argv[1]); sys.path[:] = path; "
        "from nasbench.nats.reading import help_along; help_along(*told)"
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
    archive, parent = open_folder(Path(folder), kind), os.getppid()

    def tick(done: int, total: int) -> None:
        if os.getppid() != parent:
            sys.exit()

    places = _places(archive, kind, Path(scratch), size)
    _read(archive, kind, dict(reversed(places.items())), tick)
