"""The seal of a benchmark's file: a checksum of everything but its arrays.

libhdf5 may loop or crash on damaged metadata, so it is handed none. The seal lies in front of the
HDF5 file proper, in its *user block*, which other readers pass over; `docs/format.md` says how.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Sequence
from hashlib import sha256
from io import FileIO
from os import SEEK_END
from pathlib import Path
from typing import BinaryIO

from nasbench.errors import BadFile

HDF5 = b"\x89HDF\r\n\x1a\n"
MAGIC = b"nasbench seal 1\n"
SUMMED = len(MAGIC) + sha256().digest_size
"""Where the bytes begin that are summed: after the magic and the checksum itself."""


def room(arrays: int) -> int:
    """Return the size of a user block for the seal of at most so many arrays, in bytes."""
    return max(512, 1 << (SUMMED + 16 * (arrays + 1) - 1).bit_length())


def seal(file: BinaryIO, arrays: Iterable[tuple[int, int]]) -> None:
    """Seal a file that is written, whose arrays are the bytes from here to there."""
    runs: list[int] = []
    for start, stop in sorted(arrays):
        if runs and runs[-1] == start:
            runs[-1] = stop
        else:
            runs += start, stop
    length = file.seek(0, SEEK_END)
    file.seek(SUMMED)
    file.write(struct.pack(f"<{2 + len(runs)}Q", length, len(runs) // 2, *runs))
    checksum = _checksum(file, [SUMMED, *runs, length])
    file.seek(0)
    file.write(MAGIC + checksum)


def verify(path: Path) -> None:
    """Raise `BadFile` for what is no HDF5 file, is cut short, or has damaged metadata.

    A file from before there were seals is HDF5 from its first byte on, and taken as it is.
    """
    with path.open("rb", buffering=0) as file:
        start = file.read(SUMMED)
        if start.startswith(HDF5):
            return
        unread = f"{path} can't be read as HDF5"
        if not start.startswith(MAGIC):
            raise BadFile(f"{unread}: it begins with no signature, and no seal that is known here")
        size, numbers = os.fstat(file.fileno()).st_size, file.read(24)
        if len(numbers) < 24:
            raise BadFile(f"{unread}: truncated within its seal")
        length, number, first = struct.unpack("<3Q", numbers)
        if size < length:
            raise BadFile(f"{unread}: truncated, {size:,} of {length:,} bytes are left")
        damaged = f"{path} is damaged: its metadata is not what was written; import it again"
        if 16 * number > min(first, size):  # the list stands before the first array
            raise BadFile(damaged)
        file.seek(SUMMED + 16)
        runs = struct.unpack(f"<{2 * number}Q", file.read(16 * number))
        bounds = [SUMMED, *runs, size]
        if bounds != sorted(bounds) or MAGIC + _checksum(file, bounds) != start:
            raise BadFile(damaged)


def _checksum(file: BinaryIO | FileIO, bounds: Sequence[int]) -> bytes:
    """Sum the bytes from each even bound to the odd one after it."""
    total = sha256()
    for start, stop in zip(bounds[::2], bounds[1::2], strict=True):
        file.seek(start)
        total.update(file.read(stop - start))
    return total.digest()
