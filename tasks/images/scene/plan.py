"""A room from random numbers: what stands and hangs where, the light, the camera.

World coordinates are metres: x and y along the walls from a corner of the floor, z up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import sqrt
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

SURFACES = ("wall", "floor", "ceiling", "window", "door")
WORDS = (*SURFACES, *KINDS)
"""The classes of pixels. A picture is part of its wall and a rug of its floor."""
PART_OF = {"picture": "wall", "rug": "floor", "ceiling lamp": "lamp"}
TURNS: tuple[Turn, ...] = ((1.0, 0.0), (0.0, -1.0), (-1.0, 0.0), (0.0, 1.0))
"""With the back to the far wall (y = depth), the right one, the near one, the left one."""
TRIES = 12
"""How often a place is looked for before an object is left out, or a room given up."""


class Stands(NamedTuple):
    """An object where it is: its class, the middle of its foot, its size, its turn, its parts."""

    word: str
    foot: Vector
    size: Vector
    turn: Turn
    parts: tuple[Part, ...]

    def reach(self, margin: float = 0.0) -> tuple[float, float, float, float]:
        """Its footprint and so much around it: least x and y, greatest x and y."""
        (x, y, _), (w, d, _), (c, s) = self.foot, self.size, self.turn
        a = (abs(c) * w + abs(s) * d) / 2 + margin
        b = (abs(s) * w + abs(c) * d) / 2 + margin
        return x - a, y - b, x + a, y + b


@dataclass
class Room:
    """A room; `size` is its width, depth and height, `scene` its place in `SCENES`.

    `paints` are those of its left, right, near and far wall, floor and ceiling. `fittings` hang or
    lie flat. `lights` are (place, colour) pairs; `view` is the camera's right, up and forward, each
    of length 1.
    """

    scene: int
    size: Vector
    paints: tuple[Paint, ...]
    objects: list[Stands] = field(default_factory=list)
    fittings: list[Stands] = field(default_factory=list)
    lights: list[tuple[Vector, Colour]] = field(default_factory=list)
    eye: Vector = (0.0, 0.0, 0.0)
    view: tuple[Vector, Vector, Vector] = ((1.0, 0.0, 0.0), (0.0, 0.0, 1.0), (0.0, 1.0, 0.0))

    def fits(self, new: Stands) -> bool:
        """Whether it stands within the walls and clear of all that is there."""
        x, y, far_x, far_y = reach = new.reach()
        if x < 0 or y < 0 or far_x > self.size[0] or far_y > self.size[1]:
            return False
        taken = [each.reach(0.04) for each in self.objects]
        for each in self.fittings:
            if each.word == "door":
                taken.append(each.reach(0.6))
            elif each.word == "window" and new.size[2] > each.foot[2]:
                taken.append(each.reach(0.2))
        return not any(_overlap(reach, other) for other in taken)


def plan(scene: int, style: Style, draw: Draw) -> Room | None:
    """Furnish a room of a type, a place in `SCENES`; None if the camera finds no place in it."""
    told = list(SCENES.values())[scene]
    size = (_from(told.wide, draw), _from(told.deep, draw), 2.35 + 0.5 * draw())
    wall = Paint(_leaning(_one(told.walls, draw), style, draw))
    if draw() < told.papered:
        pattern = TILES if told.tiled else _one((STRIPES, STRIPES, CHECKS), draw)
        strength = style.pattern * (0.3 + 0.7 * draw())
        wall = wall._replace(pattern=pattern, scale=0.2 + 0.25 * draw(), strength=strength)
    floor = _one(told.floors, draw)
    floor = floor._replace(colour=_leaning(floor.colour, style, draw))
    room = Room(scene, size, (wall, wall, wall, wall, floor, WHITE))
    _fit(room, style, draw)
    for item in told.items:
        if draw() < (item.chance if item.chance == 1 else item.chance * style.extras):
            _furnish(room, item.kind, item.where, style, draw)
    return room if _look(room, style, draw) else None


def _fit(room: Room, style: Style, draw: Draw) -> None:
    """Hang a lamp and mostly a window, a door, pictures, each on another wall; lay a rug."""
    (w, d, h), extras = room.size, style.extras
    middle = (w * (0.4 + 0.2 * draw()), d * (0.4 + 0.2 * draw()))
    size, parts = _make(FITTINGS["ceiling lamp"], style, draw)
    room.fittings.append(Stands("lamp", (*middle, h - size[2]), size, TURNS[0], parts))
    power, warm = style.light * (0.75 + 0.5 * draw()), 0.85 + 0.15 * draw()
    room.lights.append(((*middle, h - 0.35), (power, power * warm, power * warm * warm)))
    first = int(4 * draw())
    if draw() < 0.75 * extras:
        x, y, z, turn = _hang(room, "window", first, 0.95, style, draw)
        shine = style.light * (0.3 + 0.5 * draw())
        place = (x + 0.5 * turn[1], y - 0.5 * turn[0], z + 0.6)
        room.lights.append((place, (0.9 * shine, shine, 1.1 * shine)))
    if draw() < 0.6 * extras:
        _hang(room, "door", (first + 1) % 4, 0.0, style, draw)
    for wall in ((first + 2) % 4, (first + 3) % 4):
        if draw() < 0.6 * extras:
            _hang(room, "picture", wall, 1.3 + 0.2 * draw(), style, draw)
    if draw() < 0.4 * extras and min(w, d) > 2.4:
        size, parts = _make(FITTINGS["rug"], style, draw)
        room.fittings.append(Stands("floor", (*middle, 0.0), size, TURNS[0], parts))


def _hang(
    room: Room, what: str, wall: int, low: float, style: Style, draw: Draw
) -> tuple[float, float, float, Turn]:
    """Hang a fitting on a wall, `low` metres above the floor; returns where."""
    size, parts = _make(FITTINGS[what], style, draw)
    hung = _against(room, wall, PART_OF.get(what, what), size, parts, draw, low)
    room.fittings.append(hung)
    return *hung.foot, hung.turn


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


def _furnish(room: Room, kind: str, where: str, style: Style, draw: Draw) -> None:
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
                room.objects.append(Stands(kind, foot, size, bases[-1].turn, parts))
            return
        if room.fits(new):
            room.objects.append(new)
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


def _look(room: Room, style: Style, draw: Draw) -> bool:
    """Turn the camera to one of the objects, from where nothing stands; False if there's none."""
    if not room.objects:
        return False
    weights = [KINDS[each.word].weight for each in room.objects]
    left = draw() * _total(weights)
    for thing, weight in zip(room.objects, weights, strict=True):
        left -= weight
        if left < 0:
            break
    w, d, h = thing.size
    far = max(1.1, _from(style.near, draw) * sqrt(w * w + d * d + h * h))
    x, y, z = thing.foot
    target = (x + 0.4 * (draw() - 0.5), y + 0.4 * (draw() - 0.5), z + h * (0.3 + 0.5 * draw()))
    for _ in range(TRIES):
        a, b = 2 * draw() - 1, 2 * draw() - 1
        scale = far / max(0.1, sqrt(a * a + b * b))
        eye = (x + a * scale, y + b * scale, _from(style.eye, draw))
        inside = all(0.15 < at < long - 0.15 for at, long in zip(eye, room.size, strict=True))
        if inside and not any(_holds(each.reach(0.2), eye) for each in room.objects):
            room.eye, room.view = eye, _view(eye, target, style.tilt * (2 * draw() - 1))
            return True
    return False


def _view(eye: Vector, target: Vector, tilt: float) -> tuple[Vector, Vector, Vector]:
    """Return right, up and forward of a camera that looks at a target, rolled by a slope."""
    x, y, z = forward = _unit(target[0] - eye[0], target[1] - eye[1], target[2] - eye[2])
    level = _unit(y, -x, 0.0)
    up = _cross(level, forward)
    right = _unit(*(a + tilt * b for a, b in zip(level, up, strict=True)))
    return right, _cross(right, forward), forward


def _cross(a: Vector, b: Vector) -> Vector:
    (ax, ay, az), (bx, by, bz) = a, b
    return ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx


def _unit(x: float, y: float, z: float) -> Vector:
    length = sqrt(x * x + y * y + z * z)
    return x / length, y / length, z / length


def _turned(turn: Turn, style: Style, draw: Draw) -> Turn:
    """Turn by a small angle; `tan` is that of its half."""
    tan = style.turned * (2 * draw() - 1)
    below = 1 + tan * tan
    c, s = (1 - tan * tan) / below, 2 * tan / below
    return turn[0] * c - turn[1] * s, turn[1] * c + turn[0] * s


def _make(told: Kind, style: Style, draw: Draw) -> tuple[Vector, tuple[Part, ...]]:
    """Draw the size and colours of an object, and build it."""
    w, d, h = (_from(bounds, draw) for bounds in zip(told.least, told.most, strict=True))
    main, wood = Paint(_leaning(_one(told.colours, draw), style, draw)), _one(WOODS, draw)
    if draw() < 0.5:
        pattern, scale = _one((STRIPES, CHECKS, PLANKS), draw), 0.08 + 0.14 * draw()
        main = main._replace(pattern=pattern, scale=scale, strength=style.pattern * draw())
    parts = tuple(told.build(w, d, h, main, Paint(_leaning(wood, style, draw)), draw))
    return (w, d, h), parts


def _leaning(colour: Colour, style: Style, draw: Draw) -> Colour:
    """Draw a colour near the one given."""
    light, grey = 0.88 + 0.24 * draw(), 0.25 + 0.5 * draw()

    def channel(value: float) -> float:
        by_chance = grey + 0.5 * (draw() - 0.5)
        mixed = style.lean * value + (1 - style.lean) * by_chance
        return min(0.97, max(0.04, light * mixed + style.jitter * (draw() - 0.5)))

    r, g, b = colour
    return channel(r), channel(g), channel(b)


def _from(bounds: tuple[float, float], draw: Draw) -> float:
    return bounds[0] + (bounds[1] - bounds[0]) * draw()


def _one(options: Sequence[T], draw: Draw) -> T:
    return options[int(len(options) * draw())]


def _total(weights: Sequence[float]) -> float:
    total = 0.0
    for weight in weights:  # `sum` adds floats in another way since Python 3.12
        total += weight
    return total


def _holds(reach: tuple[float, float, float, float], place: Vector) -> bool:
    return reach[0] < place[0] < reach[2] and reach[1] < place[1] < reach[3]


def _overlap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
