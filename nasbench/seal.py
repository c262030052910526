"""The seal of a benchmark's file: a checksum of everything but its arrays.

libhdf5 may loop or crash on damaged metadata, so it is handed none. The seal lies in front of the
HDF5 file proper, in its *user block*, which other readers pass over; `docs/format.md` says how.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from hashlib import sha256
from mmap import ACCESS_READ, mmap
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
    file.flush()
    with mmap(file.fileno(), 0, access=ACCESS_READ) as mapped:
        checksum = _checksum(mapped, [SUMMED, *runs, length])
    file.seek(0)
    file.write(MAGIC + checksum)


def verify(path: Path) -> None:
    """Raise `BadFile` for what is no HDF5 file, is cut short, or has damaged metadata.

    A file from before there were seals is HDF5 from its first byte on, and taken as it is.
    """
    with path.open("rb") as file:
        start = file.read(SUMMED)
        if start.startswith(HDF5):
            return
        unread = f"{path} can't be read as HDF5"
        if not start.startswith(MAGIC):
            raise BadFile(f"{unread}: it begins with no signature, and no seal that is known here")
        with mmap(file.fileno(), 0, access=ACCESS_READ) as mapped:
            try:
                length, number = struct.unpack_from("<2Q", mapped, SUMMED)
                runs = struct.unpack_from(f"<{2 * number}Q", mapped, SUMMED + 16)
            except struct.error as error:
                raise BadFile(f"{unread}: its seal is truncated, or damaged") from error
            if len(mapped) < length:
                raise BadFile(f"{unread}: truncated, {len(mapped):,} of {length:,} bytes are left")
            bounds = [SUMMED, *runs, len(mapped)]
            if bounds != sorted(bounds) or MAGIC + _checksum(mapped, bounds) != start:
                raise BadFile(
                    f"{path} is damaged: its metadata is not what was written; import it again"
                )


def _checksum(mapped: mmap, bounds: Sequence[int]) -> bytes:
    """Sum the bytes from each even bound to the odd one after it."""
    total = sha256()
    with memoryview(mapped) as view:
        for start, stop in zip(bounds[::2], bounds[1::2], strict=True):
            total.update(view[start:stop])
    return total.digest()
