"""A room from random numbers: what stands and hangs where, and its lights.

World coordinates are metres: x and y along the walls from a corner of the floor, z up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias, TypeVar

from nasbench.tasks.images.scene.furniture import (
    CHECKS,
    FITTINGS,
    KINDS,
    PLANKS,
    STRIPES,
    TILES,
    WHITE,
    WOODS,
    Colour,
    Draw,
    Kind,
    Paint,
    Part,
)
from nasbench.tasks.images.scene.scenes import SCENES, Style

T = TypeVar("T")
Vector: TypeAlias = tuple[float, float, float]
Turn: TypeAlias = tuple[float, float]
"""Cosine and sine of a turn about the upright axis."""
Rectangle: TypeAlias = tuple[float, float, float, float]
"""Least x and y, greatest x and y."""

SURFACES = ("wall", "floor", "ceiling", "window", "door")
WORDS = (*SURFACES, *KINDS)
"""The classes of pixels. A picture is part of its wall and a rug of its floor."""
PART_OF = {"picture": "wall", "rug": "floor", "ceiling lamp": "lamp"}
TURNS: tuple[Turn, ...] = ((1.0, 0.0), (0.0, -1.0), (-1.0, 0.0), (0.0, 1.0))
"""With the back to the far wall (y = depth), the right one, the near one, the left one."""
TRIES = 12
"""How often a place is looked for before an object is left out."""


class Stands(NamedTuple):
    """An object where it is: its class, the middle of its foot, its size, its turn, its parts."""

    word: str
    foot: Vector
    size: Vector
    turn: Turn
    parts: tuple[Part, ...]

    def reach(self, margin: float = 0.0) -> Rectangle:
        """Its footprint, and so much around it."""
        (x, y, _), (w, d, _), (c, s) = self.foot, self.size, self.turn
        a = (abs(c) * w + abs(s) * d) / 2 + margin
        b = (abs(s) * w + abs(c) * d) / 2 + margin
        return x - a, y - b, x + a, y + b


@dataclass
class Room:
    """A room; `size` is its width, depth and height, `scene` its place in `SCENES`.

    `paints` are those of its left, right, near and far wall, floor and ceiling. `fittings` hang or
    lie flat. Where something is `taken`, nothing higher than so many metres may stand. `lights` are
    (place, colour) pairs.
    """

    scene: int
    size: Vector
    paints: tuple[Paint, ...]
    objects: list[Stands] = field(default_factory=list)
    fittings: list[Stands] = field(default_factory=list)
    taken: list[tuple[Rectangle, float]] = field(default_factory=list)
    lights: list[tuple[Vector, Colour]] = field(default_factory=list)

    def add(self, new: Stands) -> None:
        """Let an object stand there; nothing else does."""
        self.objects.append(new)
        self.taken.append((new.reach(0.04), 0.0))

    def hang(self, new: Stands) -> None:
        """Let a fitting hang there; nothing stands before a door, nothing high before a window."""
        self.fittings.append(new)
        if new.word in ("door", "window"):
            self.taken.append((new.reach(0.6 if new.word == "door" else 0.2), new.foot[2]))

    def fits(self, new: Stands) -> bool:
        """Whether it stands within the walls and clear of all that is there."""
        left, front, right, back = new.reach()
        if left < 0 or front < 0 or right > self.size[0] or back > self.size[1]:
            return False
        for (x, y, far_x, far_y), free in self.taken:
            if left < far_x and x < right and front < far_y and y < back and new.size[2] > free:
                return False
        return True


def furnish(scene: int, style: Style, draw: Draw) -> Room:
    """Make a room of a type, a place in `SCENES`."""
    scenes = list(SCENES.values())
    told = scenes[scene]
    walls, floors = (told if draw() < style.own else _one(scenes, draw) for _ in range(2))
    size = (between(told.wide, draw), between(told.deep, draw), 2.35 + 0.5 * draw())
    wall = Paint(_leaning(_one(walls.walls, draw), style, draw))
    if draw() < told.papered:
        pattern = TILES if told.tiled else _one((STRIPES, STRIPES, CHECKS), draw)
        strength = style.pattern * (0.3 + 0.7 * draw())
        wall = wall._replace(pattern=pattern, scale=0.2 + 0.25 * draw(), strength=strength)
    floor = _one(floors.floors, draw)
    floor = floor._replace(colour=_leaning(floor.colour, style, draw))
    room = Room(scene, size, (wall, wall, wall, wall, floor, WHITE))
    _fit(room, style, draw)
    for item in told.items:
        if draw() < (item.chance if item.chance == 1 else item.chance * style.extras):
            _put(room, item.kind, item.where, style, draw)
    return room


def _fit(room: Room, style: Style, draw: Draw) -> None:
    """Hang a lamp and mostly a window, a door, pictures, each on another wall; lay a rug."""
    (w, d, h), extras = room.size, style.extras
    middle = (w * (0.4 + 0.2 * draw()), d * (0.4 + 0.2 * draw()))
    size, parts = _make(FITTINGS["ceiling lamp"], style, draw)
    room.hang(Stands("lamp", (*middle, h - size[2]), size, TURNS[0], parts))
    power, warm = style.light * (0.75 + 0.5 * draw()), 0.85 + 0.15 * draw()
    room.lights.append(((*middle, h - 0.35), (power, power * warm, power * warm * warm)))
    first = int(4 * draw())
    if draw() < 0.75 * extras:
        (x, y, z), (c, s) = _hang(room, "window", first, 0.95, style, draw)
        shine = style.light * (0.3 + 0.5 * draw())
        place = (x + 0.5 * s, y - 0.5 * c, z + 0.6)
        room.lights.append((place, (0.9 * shine, shine, 1.1 * shine)))
    if draw() < 0.6 * extras:
        _hang(room, "door", (first + 1) % 4, 0.0, style, draw)
    for wall in ((first + 2) % 4, (first + 3) % 4):
        if draw() < 0.6 * extras:
            _hang(room, "picture", wall, 1.3 + 0.2 * draw(), style, draw)
    if draw() < 0.4 * extras and min(w, d) > 2.4:
        size, parts = _make(FITTINGS["rug"], style, draw)
        room.hang(Stands("floor", (*middle, 0.0), size, TURNS[0], parts))


def _hang(
    room: Room, what: str, wall: int, low: float, style: Style, draw: Draw
) -> tuple[Vector, Turn]:
    """Hang a fitting on a wall, `low` metres above the floor; returns where, and its turn."""
    size, parts = _make(FITTINGS[what], style, draw)
    hung = _against(room, wall, PART_OF.get(what, what), size, parts, draw, low)
    room.hang(hung)
    return hung.foot, hung.turn


def _against(
    room: Room,
    wall: int,
    word: str,
    size: Vector,
    parts: tuple[Part, ...],
    draw: Draw,
    low: float = 0.0,
) -> Stands:
    """Put the back of an object anywhere along a wall."""
    long, back = room.size[wall % 2], size[1] / 2
    along = size[0] / 2 + 0.08 + max(0.0, long - size[0] - 0.16) * draw()
    x = (along, room.size[0] - back, along, back)[wall]
    y = (room.size[1] - back, along, back, along)[wall]
    return Stands(word, (x, y, low), size, TURNS[wall], parts)


def _put(room: Room, kind: str, where: str, style: Style, draw: Draw) -> None:
    """Put an object where it belongs, or leave it out if a few tries find no place."""
    size, parts = _make(KINDS[kind], style, draw)
    bases = [each for each in room.objects if each.word in ("table", "cabinet")]
    for _ in range(TRIES):
        if where == "wall":
            new = _against(room, int(4 * draw()), kind, size, parts, draw)
        elif where == "middle":
            x, y = 0.5 + (room.size[0] - 1) * draw(), 0.5 + (room.size[1] - 1) * draw()
            new = Stands(kind, (x, y, 0.0), size, _turned(_one(TURNS, draw), style, draw), parts)
        elif not bases:
            return
        elif where == "around":
            new = _beside(bases[-1], kind, size, parts, style, draw)
        else:
            x, y, _ = bases[-1].foot
            if size[0] <= bases[-1].size[0] + 0.1 and bases[-1].size[2] < 1.2:
                foot = (x, y, bases[-1].size[2])
                room.add(Stands(kind, foot, size, bases[-1].turn, parts))
            return
        if room.fits(new):
            room.add(new)
            return


def _beside(
    base: Stands, kind: str, size: Vector, parts: tuple[Part, ...], style: Style, draw: Draw
) -> Stands:
    """Put an object to one of the four sides of another, facing it."""
    side = int(4 * draw())
    c, s = TURNS[side]
    gap = (base.size[side % 2 == 0] + size[1]) / 2 + 0.06
    along = 0.3 * base.size[side % 2] * (2 * draw() - 1)
    x, y = along * c - gap * s, along * s + gap * c
    (bc, bs), (bx, by, _) = base.turn, base.foot
    turn = (bc * c - bs * s, bs * c + bc * s)
    foot = (bx + bc * x - bs * y, by + bs * x + bc * y, 0.0)
    return Stands(kind, foot, size, _turned(turn, style, draw), parts)


def _turned(turn: Turn, style: Style, draw: Draw) -> Turn:
    """Turn by a small angle; `tan` is that of its half."""
    tan = style.turned * (2 * draw() - 1)
    below = 1 + tan * tan
    c, s = (1 - tan * tan) / below, 2 * tan / below
    return turn[0] * c - turn[1] * s, turn[1] * c + turn[0] * s


def _make(told: Kind, style: Style, draw: Draw) -> tuple[Vector, tuple[Part, ...]]:
    """Draw the size and colours of an object, and build it."""
    w, d, h = (between(bounds, draw) for bounds in zip(told.least, told.most, strict=True))
    main, wood = Paint(_leaning(_one(told.colours, draw), style, draw)), _one(WOODS, draw)
    if draw() < 0.5:
        pattern, scale = _one((STRIPES, CHECKS, PLANKS), draw), 0.08 + 0.14 * draw()
        main = main._replace(pattern=pattern, scale=scale, strength=style.pattern * draw())
    parts = tuple(told.build(w, d, h, main, Paint(_leaning(wood, style, draw)), draw))
    return (w, d, h), parts


def _leaning(colour: Colour, style: Style, draw: Draw) -> Colour:
    """Draw a colour near the one given."""
    r, g, b = colour
    light, grey = 0.86 + 0.24 * draw(), (1 - style.lean) * (0.25 + 0.5 * draw())
    shift = grey - style.jitter / 2
    r = light * style.lean * r + shift + style.jitter * draw()
    g = light * style.lean * g + shift + style.jitter * draw()
    b = light * style.lean * b + shift + style.jitter * draw()
    return min(0.96, max(0.04, r)), min(0.96, max(0.04, g)), min(0.96, max(0.04, b))


def between(bounds: tuple[float, float], draw: Draw) -> float:
    """Draw a number uniformly."""
    return bounds[0] + (bounds[1] - bounds[0]) * draw()


def _one(options: Sequence[T], draw: Draw) -> T:
    return options[int(len(options) * draw())]
