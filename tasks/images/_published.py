"""Image classification as published: many small images in a few pickles or plain binary files.

Nothing in the files is executed (`nasbench.unpickle`). An image is stored channel by channel.
"""

from __future__ import annotations

import json
import tarfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from nasbench.errors import BadFile, BadValue
from nasbench.images import Array, Images, Label, Split, Wanted
from nasbench.unpickle import ARRAYS, Packed, load

Pair: TypeAlias = tuple[NDArray[np.uint8], NDArray[np.int64]]
"""Images as stored, (N, 3 * native * native), and their classes, (N,)."""
Half: TypeAlias = tuple[str, int | None]
"""Which published images, and which half of them (None: all)."""

MOST_BYTES = 2**29
PIECE, PIECES = 4096, 16


def labels(classes: int, words: tuple[str, ...] = ()) -> Mapping[str, Label]:
    """Return what is told about each image: the image itself, and its class."""
    known = Label("rgb", "picture", 3), Label("class", "class", classes, words)
    return {label.name: label for label in known}


@dataclass(frozen=True, kw_only=True, eq=False)
class Published(Images):
    """A data set in published files, `wants` in words: a folder, or the archive as it was loaded.

    `files` lists the sets of files that hold "train" and "test": pickles, or `.bin` records of
    `head` bytes, of which the last is the class, and an image. The first set that is complete is
    read. The files number their `published` classes from `first`; beyond those of the label, images
    are left out. Then there must be `totals` images, and `halves` says what becomes of them. Halves
    are the published ones if `split_file`, of D-X-Y/AutoDL-Projects, configs/nas-benchmark, lies in
    the folder; otherwise they are *ours*: of the positions in the files, written in decimal, the
    first half has the smaller sha256.
    """

    name: str
    wants: str
    native: int
    labels: Mapping[str, Label]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    files: Mapping[str, Sequence[Sequence[str]]]
    totals: Mapping[str, int]
    halves: Mapping[Split, Half]
    split_file: str
    published: int
    split_keys: tuple[str, str] = ("xvalid", "xtest")
    label_key: str = "labels"
    first: int = 0
    head: int = 1

    def load(self, wanted: Wanted, labels: Sequence[str]) -> Mapping[str, Array]:
        """Read what is wanted into memory; half of the native size is the mean of 2x2 pixels."""
        for name in labels:
            self.label(name)
        if wanted.size not in (self.native, self.native // 2):
            sizes = f"{self.native} or {self.native // 2}"
            raise BadValue(f"{self.name} has images of {sizes} pixels, wanted were {wanted.size}")
        part, half = self.halves[wanted.split]
        images, classes = self._published(wanted, part)
        index = self._index(wanted, part, half)
        rgb = images[index].reshape(-1, 3, self.native, self.native).transpose(0, 2, 3, 1)
        if wanted.size < self.native:
            pixels = rgb.reshape(-1, wanted.size, 2, wanted.size, 2, 3)
            rgb = ((pixels.sum(axis=(2, 4), dtype=np.uint16) + 2) // 4).astype(np.uint8)
        told: dict[str, Array] = {"rgb": np.ascontiguousarray(rgb), "class": classes[index]}
        return {name: told[name] for name in ("rgb", *labels)}

    def digest(self, wanted: Wanted) -> str:
        """Sum what is wanted, names and sizes of the files, and pieces all over them.

        Reading a gigabyte would take longer than many a training; published files that differ at
        all differ in more than some bytes.
        """
        path, (part, half) = self._path(wanted), self.halves[wanted.split]
        total = sha256(repr((self.name, part, half, wanted.size, wanted.count)).encode())
        known = [name for names in self.files[part] for name in names]
        inside = [path / name for name in (*known, self.split_file)] if path.is_dir() else [path]
        for file in inside:
            if file.is_file():
                size = file.stat().st_size
                total.update(f"{file.name} {size}\n".encode())
                with file.open("rb") as opened:
                    for place in np.linspace(0, max(0, size - PIECE), PIECES).astype(int).tolist():
                        opened.seek(place)
                        total.update(opened.read(PIECE))
        return total.hexdigest()

    def _path(self, wanted: Wanted) -> Path:
        if wanted.path is None:
            raise BadFile(f"the images {self.name!r} need the path of {self.wants}")
        if not wanted.path.exists():
            raise BadFile(f"no file or folder {wanted.path}; {self.name} is {self.wants}")
        return wanted.path

    def _published(self, wanted: Wanted, part: str) -> Pair:
        path, sets = self._path(wanted), self.files[part]
        known = [name for names in sets for name in names]
        read: dict[str, Pair] = {}
        for name, data in _contents(path, known, self.wants):
            what = f"{path}: {name}"
            read[name] = self._records(data, what) if ".bin" in name else self._pickle(data, what)
            wanted.tick(len(read), len(sets[0]))
        for names in sets:
            if read.keys() >= set(names):
                pairs = [read[name] for name in names]
                images, classes = (np.concatenate(each) for each in zip(*pairs, strict=True))
                if len(classes) == self.totals[part]:
                    return images, classes
                expected = f"expected {self.totals[part]:,} images to {part}"
                raise BadFile(f"{path} is not {self.wants}: {expected}, found {len(classes):,}")
        lacking = [name for name in sets[0] if name not in read]
        raise BadFile(f"{path} is not {self.wants}: it lacks {', '.join(lacking)}")

    def _pickle(self, data: bytes, what: str) -> Pair:
        found = load(data, what, ARRAYS, MOST_BYTES)
        if type(found) is not dict or type(found.get("data")) is not Packed:
            raise BadFile(f"{what} holds no array 'data'")
        images, told = found["data"].values, found.get(self.label_key)
        if type(told) is list and all(type(each) is int and 0 <= each < 2**31 for each in told):
            classes = np.array(told, np.int64)
        elif type(told) is Packed and told.values is not None and told.values.dtype.kind in "iu":
            classes = told.values.astype(np.int64)
        else:
            raise BadFile(f"{what} holds no list of classes {self.label_key!r}")
        shape = (len(classes), 3 * self.native**2)
        if classes.ndim != 1 or images is None or (images.shape, images.dtype) != (shape, np.uint8):
            raise BadFile(f"{what} holds no images of {self.native} pixels, one for each class")
        return self._of_these_classes(images, classes, what)

    def _records(self, data: bytes, what: str) -> Pair:
        size = self.head + 3 * self.native**2
        if len(data) % size:
            raise BadFile(f"{what} has {len(data):,} bytes, which are not records of {size:,}")
        records = np.frombuffer(data, np.uint8).reshape(-1, size)
        classes = records[:, self.head - 1].astype(np.int64)
        return self._of_these_classes(records[:, self.head :], classes, what)

    def _of_these_classes(
        self, images: NDArray[np.uint8], classes: NDArray[np.int64], what: str
    ) -> Pair:
        classes = classes - self.first
        if ((classes < 0) | (classes >= self.published)).any():
            last = self.first + self.published - 1
            raise BadFile(f"{what} has classes that are not {self.first} to {last}")
        kept = classes < self.labels["class"].n
        return images[kept], classes[kept]

    def _index(self, wanted: Wanted, part: str, half: int | None) -> NDArray[np.int64]:
        """Return the positions of the wanted images among the published ones, ascending."""
        total = self.totals[part]
        index = np.arange(total) if half is None else self._split(wanted, total)[half]
        count = len(index) if wanted.count is None else wanted.count
        if not 0 < count <= len(index):
            there = f"{self.name} has {len(index):,} images to {wanted.split}"
            raise BadValue(f"{there}, wanted were {count:,}")
        return index[:count]

    def _split(self, wanted: Wanted, total: int) -> Sequence[NDArray[np.int64]]:
        file = self._path(wanted) / self.split_file
        if not file.is_file():
            order = sorted(range(total), key=lambda place: sha256(b"%d" % place).digest())
            return [np.sort(half) for half in np.split(np.array(order), [total // 2])]
        try:
            told = json.loads(file.read_text(encoding="utf-8"))
            halves = [np.sort(np.array(told[key][1]).astype(np.int64)) for key in self.split_keys]
            both = np.sort(np.concatenate(halves))
        except (ValueError, TypeError, LookupError, RecursionError) as error:
            raise BadFile(f"{file} is damaged: {type(error).__name__}: {error}") from error
        if not np.array_equal(both, np.arange(total)):
            raise BadFile(f"{file} doesn't split {total:,} images into {self.split_keys}")
        return halves


def _contents(path: Path, names: Sequence[str], wants: str) -> Iterator[tuple[str, bytes]]:
    """Yield those of these files that there are, in a folder or anywhere in an archive."""
    try:
        if path.is_dir():
            for name in names:
                if (path / name).is_file():
                    _check_size(name, (path / name).stat().st_size)
                    yield name, (path / name).read_bytes()
            return
        with tarfile.open(path) as archive:
            for member in archive:
                name = Path(member.name).name
                if name in names and (file := archive.extractfile(member)):
                    _check_size(name, member.size)
                    yield name, file.read()
    except (tarfile.TarError, zlib.error, OSError, EOFError) as error:
        raise BadFile(f"{path} can't be read; it should be {wants}: {error}") from error


def _check_size(name: str, size: int) -> None:
    if size > MOST_BYTES:
        raise BadFile(f"{name} has {size:,} bytes, more than {MOST_BYTES:,}")
