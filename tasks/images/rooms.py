"""Rooms that are rendered from a seed: nothing is downloaded, and every label is exact.

`docs/rooms.md` shows them and says what each label is. The code is in `scene/`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.random import PCG64, Generator, SeedSequence
from numpy.typing import NDArray

from nasbench.cache import cached
from nasbench.errors import BadValue
from nasbench.images import Images, Label, Split, Wanted
from nasbench.tasks.images.scene.camera import Camera, look
from nasbench.tasks.images.scene.furniture import Draw
from nasbench.tasks.images.scene.layout import MEANINGS, layout
from nasbench.tasks.images.scene.plan import SURFACES, WORDS, Room, furnish
from nasbench.tasks.images.scene.render import (
    VIEW,
    Batch,
    Hits,
    Rows,
    lay,
    normals,
    pack,
    picture,
    trace,
)
from nasbench.tasks.images.scene.scenes import SCENES, Style

Arrays: TypeAlias = dict[str, NDArray[Any]]

VERSION = 1
"""Another one whenever other bytes come out."""
COUNTS: dict[Split, int] = {"train": 12288, "valid": 2048, "test": 2048}
SIZES = (16, 256)
SHOWN = (0.06, 0.6)
"""Of an image, the least and the most that the most visible kind of object takes."""
GLANCE = 12
"""Whether it does is found out with so many rays across, whatever the image's size."""
LOOKS = 3
"""After so many looks that show too little or too much there's another room."""
ROOMS, RAYS = 256, 16384
"""So many rooms are drawn at once, and about so many rays of them."""
OBJECTS = WORDS[len(SURFACES) :]
LABELS = {
    label.name: label
    for label in (
        Label("rgb", "picture", 3),
        Label("segmentsemantic", "mask", len(WORDS), WORDS),
        Label("normal", "picture", 3),
        Label("room_layout", "numbers", len(MEANINGS), MEANINGS),
        Label("class_object", "class", len(OBJECTS), OBJECTS),
        Label("class_scene", "class", len(SCENES), tuple(SCENES)),
    )
}


class View(NamedTuple):
    """A room, from where it's seen, and the room laid out for rendering."""

    room: Room
    camera: Camera
    rows: Rows


@dataclass(frozen=True)
class Rooms(Images):
    """Each image has a room of its own, drawn from the seed, its split and its number."""

    name = "rooms"
    labels = LABELS
    mean = (148.0, 142.0, 131.0)
    std = (43.0, 46.0, 49.0)
    seed: int = 0
    style: Style = field(default_factory=Style)

    def load(self, wanted: Wanted, labels: Sequence[str]) -> Mapping[str, NDArray[Any]]:
        """Render images and all labels, or read what was rendered before; see `Images.load`."""
        names = ("rgb", *(self.label(name).name for name in labels))
        self._count(wanted)
        return cached(self.name, self.digest(wanted), names, lambda: self.render(wanted))

    def digest(self, wanted: Wanted) -> str:
        """Return a checksum of what decides about the bytes; see `Images.digest`."""
        told = (VERSION, self.seed, self.style, wanted.split, wanted.size, self._count(wanted))
        return sha256(repr(told).encode()).hexdigest()

    def render(self, wanted: Wanted) -> Arrays:
        """Render images and all labels, without looking for what was rendered before."""
        size, count = wanted.size, self._count(wanted)
        arrays: Arrays = {
            "rgb": np.empty((count, size, size, 3), np.uint8),
            "segmentsemantic": np.empty((count, size, size), np.uint8),
            "normal": np.empty((count, size, size, 3), np.uint8),
            "room_layout": np.empty((count, len(MEANINGS)), np.float32),
            "class_object": np.empty(count, np.int64),
            "class_scene": np.empty(count, np.int64),
        }
        step = max(1, RAYS // size**2)
        for first in range(0, count, ROOMS):
            views = self.views(wanted.split, range(first, min(count, first + ROOMS)))
            for start in range(0, len(views), step):
                some = views[start : start + step]
                done = first + start + len(some)
                for name, part in _told(some, size).items():
                    arrays[name][first + start : done] = part
                wanted.tick(done, count)
        return arrays

    def views(self, split: Split, numbers: Sequence[int]) -> list[View]:
        """Draw the rooms of these images, each with a camera that sees enough of its objects."""
        of_split = list(COUNTS).index(split)
        seeds = [SeedSequence((self.seed, of_split, number)) for number in numbers]
        draws = [Generator(PCG64(seed)).random for seed in seeds]
        scenes = [int(len(SCENES) * draw()) for draw in draws]
        views: dict[int, View] = {}
        low, high = SHOWN
        slopes = VIEW * ((2 * np.arange(GLANCE) + 1) / GLANCE - 1)
        left, again = list(range(len(numbers))), 0
        while left:
            for i in left:
                views[i] = self._view(scenes[i], draws[i], views[i] if again % LOOKS else None)
            batch = _pack([views[i] for i in left])
            words = _words(batch, trace(batch, slopes), GLANCE)
            shown = np.max(_pixels(words), axis=1) / GLANCE**2
            left = [i for i, part in zip(left, shown, strict=True) if not low <= part <= high]
            again += 1
        return [views[i] for i in range(len(numbers))]

    def _view(self, scene: int, draw: Draw, last: View | None) -> View:
        """Look once more, in the same room if there is one and if a place is found there."""
        if last and (camera := look(last.room, self.style, draw)):
            return last._replace(camera=camera)
        while True:
            room = furnish(scene, self.style, draw)
            if camera := look(room, self.style, draw):
                return View(room, camera, lay(room))

    def _count(self, wanted: Wanted) -> int:
        low, high = SIZES
        if not low <= wanted.size <= high:
            raise BadValue(f"rooms of {wanted.size} pixels: expected {low} to {high}")
        if wanted.split not in COUNTS:
            raise BadValue(f"rooms have no split {wanted.split!r}; they have {', '.join(COUNTS)}")
        count = COUNTS[wanted.split] if wanted.count is None else wanted.count
        if count < 1:
            raise BadValue(f"{count} images: expected at least 1")
        return count


def _told(views: Sequence[View], size: int) -> Arrays:
    """Render rooms that go together, and all their labels."""
    batch = _pack(views)
    hits, rgb = picture(batch, size)
    words = _words(batch, hits, size)
    return {
        "rgb": rgb,
        "segmentsemantic": words,
        "normal": normals(batch, hits, size),
        "room_layout": np.array([layout(view.room, view.camera) for view in views], np.float32),
        "class_object": np.argmax(_pixels(words), axis=1),
        "class_scene": np.array([view.room.scene for view in views]),
    }


def _pack(views: Sequence[View]) -> Batch:
    return pack([view.rows for view in views], [view.camera for view in views])


def _words(batch: Batch, hits: Hits, size: int) -> NDArray[np.uint8]:
    return batch.solids.word[hits.solid].reshape(-1, size, size).astype(np.uint8)


def _pixels(words: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Count the pixels of each kind of object in each image: (N, kinds)."""
    image = np.arange(len(words))[:, None, None] * len(WORDS)
    counts = np.bincount((image + words).ravel(), minlength=len(words) * len(WORDS))
    return counts.reshape(-1, len(WORDS))[:, len(SURFACES) :]


IMAGES = Rooms()
