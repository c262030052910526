"""Where inputs and targets come from: a source of images, and what is known about each.

A source is one file in `tasks/images/`; the file holds `IMAGES`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nasbench.errors import NotRecorded

Split: TypeAlias = Literal["train", "valid", "test"]
Kind: TypeAlias = Literal["class", "numbers", "mask", "picture"]
IGNORED = 255
"""The class of a pixel whose class is not told: no loss and no metric counts it."""


@dataclass(frozen=True)
class Label:
    """What is told about every image, as arrays of N images.

    "class": (N,) int64, or (N, n) float32 probabilities; "numbers": (N, n) float32; "mask": (N, H,
    W) uint8, one of n classes for each pixel or `IGNORED`; "picture": (N, H, W, n) uint8.
    `words` are the names of the classes or numbers, where they have any.
    """

    name: str
    kind: Kind
    n: int
    words: tuple[str, ...] = ()


class Array(Protocol):
    """An array that may read from disk only what is asked of it."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: NDArray[np.int64], /) -> NDArray[Any]:
        """Return these images, or what is told about them, in the order of the index."""


@dataclass(frozen=True)
class Wanted:
    """Which images: so many of a split, `size` pixels high and wide.

    `count` None means all there are. `path` is the folder or file of a source that is the user's,
    `tick(done, total)` is told how far it is.
    """

    split: Split
    size: int
    count: int | None = None
    path: Path | None = None
    tick: Callable[[int, int], None] = field(default=lambda done, total: None, compare=False)


class Images(ABC):
    """A source. A subclass says `name`, `labels`, `mean` and `std`, and loads.

    `mean` and `std` of the three channels normalize the pixels, from 0 to 255, that a network sees.
    Every source has the label "rgb", the image itself.
    """

    name: str
    labels: Mapping[str, Label]
    mean: tuple[float, float, float] = (127.5, 127.5, 127.5)
    std: tuple[float, float, float] = (127.5, 127.5, 127.5)

    @abstractmethod
    def load(self, wanted: Wanted, labels: Sequence[str]) -> Mapping[str, Array]:
        """Return "rgb", (N, size, size, 3) uint8, and these labels; always in the same order.

        Raises `BadFile` where the images are missing or damaged, with what would be right, and
        `BadValue` for a size or count that the source can't give.
        """

    @abstractmethod
    def digest(self, wanted: Wanted) -> str:
        """Return a checksum that changes when other images would be loaded; quick to make."""

    def label(self, name: str) -> Label:
        """Return a label; raises `NotRecorded` if nobody tells it."""
        if name in self.labels:
            return self.labels[name]
        known = ", ".join(self.labels)
        raise NotRecorded(f"the images {self.name!r} have no label {name!r}; they have {known}")
