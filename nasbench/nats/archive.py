"""Archives of NATS-Bench and NAS-Bench-201: files become records, one at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path
from typing import Any

from nasbench.benchmark import digest
from nasbench.errors import BadFile
from nasbench.find import find
from nasbench.unpickle import NUMPY, ORDERED, load

META = "meta.pickle.pbz2"
RECORD = "[0-9][0-9][0-9][0-9][0-9][0-9].pickle.pbz2"
EPOCHS = {"less": 12, "full": 200, "01": 1, "12": 12, "90": 90, "200": 200}
"""How long a schedule is, by the name it has in a record."""

UNPACKED_MEMORY = 7
"""How many times its size a `.pth` takes in memory."""


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


def open_folder(path: Path, kind: Kind) -> Archive:
    """Look at a folder of records, of which each is read when it is asked for."""
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


def open_file(path: Path, kind: Kind, limit: int) -> Archive:
    """Read a pickle of all records, of at most `limit` bytes when unpacked."""
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
