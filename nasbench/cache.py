"""Arrays that take long to make are kept in the user's data folder.

A file is an uncompressed zip of `.npy` arrays (an `.npz`), with a CRC-32 of each; what is read is
checked against it. Files may be deleted at any time.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import numpy as np
from numpy.typing import NDArray

from nasbench.benchmark import home
from nasbench.errors import BadFile
from nasbench.store import atomic


def cached(
    source: str,
    digest: str,
    names: Sequence[str],
    make: Callable[[], Mapping[str, NDArray[Any]]],
) -> dict[str, NDArray[Any]]:
    """Return the arrays of these names, from a file or from `make`, which makes all of a file.

    `digest` must change whenever `make` would return something else. A damaged file is made again,
    and where none can be written the arrays are only returned; one line on stderr says so.
    """
    path = home().parent / "images" / f"{source}-{digest[:16]}.npz"
    if path.exists():
        try:
            return _read(path, names)
        except (OSError, ValueError, KeyError, EOFError, BadZipFile, NotImplementedError) as error:
            _say(f"{path} is damaged and is made again: {error}")
    made = make()
    try:
        with atomic(path) as file:
            np.savez(file, allow_pickle=False, **made)
    except BadFile as error:
        _say(f"not kept: {error}")
    return {name: made[name] for name in names}


def _read(path: Path, names: Sequence[str]) -> dict[str, NDArray[Any]]:
    with ZipFile(path) as archive:
        members = {name: BytesIO(archive.read(f"{name}.npy")) for name in names}
    return {
        name: np.lib.format.read_array(file, allow_pickle=False) for name, file in members.items()
    }


def _say(text: str) -> None:
    print(f"nasbench: {' '.join(text.split())}", file=sys.stderr)
