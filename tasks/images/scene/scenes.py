"""Types of rooms: how large they are, their colours, and what they are furnished with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from nasbench.tasks.images.scene.furniture import CHECKS, PLANKS, TILES, Colour, Paint


@dataclass(frozen=True)
class Style:
    """What can be tuned: chances and strengths are from 0 to 1, lengths in metres."""

    lean: float = 0.75
    """How far colours lean to those of their kind of object and room; the rest is by chance."""
    own: float = 0.5
    """The chance that walls, or a floor, are in colours of the type of room; else of any type."""
    jitter: float = 0.16
    """How far a colour may be from that, in each channel."""
    pattern: float = 0.13
    """The most by which a pattern makes a wall or piece of furniture lighter and darker."""
    light: float = 1.15
    """Scales all lights."""
    extras: float = 1.0
    """Scales the chance of everything that a room may have and need not."""
    turned: float = 0.12
    """Tangent of half the most that chairs and toys are turned."""
    eye: tuple[float, float] = (0.9, 1.5)
    """How high the camera is held."""
    near: tuple[float, float] = (0.8, 1.5)
    """How far from an object the camera stands, in lengths of the object's diagonal."""


class Item(NamedTuple):
    """What a type of room has, or may have.

    `where`: "wall" puts it against one, "middle" anywhere, "on" onto the table or cabinet before
    it, "around" to a side of the one before it.
    """

    kind: str
    where: str = "wall"
    chance: float = 1.0


class Scene(NamedTuple):
    """A type of room: ranges of its width and depth, colours, floors, and what is in it.

    `papered` is the chance that its walls have a pattern, which is one of tiles if `tiled`.
    """

    wide: tuple[float, float]
    deep: tuple[float, float]
    walls: tuple[Colour, ...]
    floors: tuple[Paint, ...]
    items: tuple[Item, ...]
    papered: float = 0.35
    tiled: bool = False


_OAK = Paint((0.66, 0.48, 0.31), PLANKS, 0.22, 0.16)
_WALNUT = Paint((0.42, 0.29, 0.2), PLANKS, 0.22, 0.18)
_CARPET = Paint((0.62, 0.58, 0.52))
_SLATE = Paint((0.5, 0.52, 0.54), TILES, 0.5, 0.25)
_CHESS = Paint((0.72, 0.7, 0.66), CHECKS, 0.4, 0.16)
_CORK = Paint((0.75, 0.62, 0.42))

SCENES = {
    "bedroom": Scene(
        (3.2, 4.6),
        (3.2, 4.6),
        ((0.82, 0.76, 0.78), (0.72, 0.76, 0.84), (0.86, 0.82, 0.74)),
        (_OAK, _CARPET, _CARPET),
        (
            Item("bed"),
            Item("cabinet", chance=0.9),
            Item("lamp", chance=0.7),
            Item("chair", chance=0.3),
            Item("plant", chance=0.3),
        ),
    ),
    "kitchen": Scene(
        (2.8, 4.2),
        (2.8, 4.2),
        ((0.9, 0.86, 0.68), (0.8, 0.86, 0.76), (0.92, 0.9, 0.86)),
        (_CHESS, _SLATE),
        (
            Item("stove"),
            Item("cabinet"),
            Item("cabinet", chance=0.8),
            Item("table", "middle", 0.7),
            Item("chair", "around", 0.8),
            Item("chair", "around", 0.6),
        ),
    ),
    "bathroom": Scene(
        (2.3, 3.3),
        (2.3, 3.3),
        ((0.72, 0.84, 0.88), (0.84, 0.9, 0.9), (0.7, 0.84, 0.78)),
        (_SLATE, Paint((0.8, 0.82, 0.82), TILES, 0.35, 0.22)),
        (
            Item("bathtub", chance=0.95),
            Item("toilet", chance=0.95),
            Item("cabinet", chance=0.8),
            Item("plant", chance=0.3),
        ),
        papered=0.7,
        tiled=True,
    ),
    "office": Scene(
        (3, 4.4),
        (3, 4.4),
        ((0.78, 0.8, 0.82), (0.84, 0.84, 0.82), (0.7, 0.76, 0.8)),
        (Paint((0.42, 0.45, 0.5)), Paint((0.5, 0.5, 0.52)), _OAK),
        (
            Item("table"),
            Item("screen", "on", 0.9),
            Item("chair", "around", 0.95),
            Item("cabinet", chance=0.9),
            Item("plant", chance=0.5),
            Item("lamp", chance=0.4),
        ),
    ),
    "living room": Scene(
        (3.8, 5.4),
        (3.8, 5.4),
        ((0.86, 0.8, 0.7), (0.8, 0.74, 0.64), (0.76, 0.8, 0.74)),
        (_OAK, _WALNUT),
        (
            Item("sofa"),
            Item("cabinet"),
            Item("screen", "on", 0.9),
            Item("lamp", chance=0.8),
            Item("plant", chance=0.7),
            Item("sofa", chance=0.3),
        ),
    ),
    "dining room": Scene(
        (3.4, 4.8),
        (3.4, 4.8),
        ((0.74, 0.5, 0.42), (0.86, 0.74, 0.58), (0.6, 0.62, 0.5)),
        (_WALNUT, _OAK),
        (
            Item("table", "middle"),
            Item("chair", "around"),
            Item("chair", "around", 0.9),
            Item("chair", "around", 0.8),
            Item("cabinet", chance=0.7),
            Item("plant", chance=0.5),
            Item("lamp", chance=0.4),
        ),
    ),
    "playroom": Scene(
        (3, 4.4),
        (3, 4.4),
        ((0.96, 0.84, 0.56), (0.66, 0.84, 0.92), (0.8, 0.9, 0.66)),
        (_CORK, _CARPET, _CORK),
        (
            Item("toy", "middle"),
            Item("toy", chance=0.8),
            Item("cabinet", chance=0.7),
            Item("bed", chance=0.4),
            Item("table", "middle", 0.3),
            Item("toy", "middle", 0.5),
        ),
    ),
    "hall": Scene(
        (1.9, 2.4),
        (4.2, 6),
        ((0.84, 0.82, 0.78), (0.7, 0.66, 0.6), (0.86, 0.84, 0.74)),
        (_SLATE, _CHESS, _WALNUT),
        (
            Item("cabinet"),
            Item("plant", chance=0.8),
            Item("chair", chance=0.7),
            Item("lamp", chance=0.7),
        ),
    ),
}
