"""Rays through rooms: what each meets first, from which side, and how that is lit.

Several rooms are rendered at once, in flat arrays: of B rooms seen through n x n rays, ray i is ray
i % (n * n) of room i // (n * n), row by row from the top. Nothing about a room depends on the
others. Vectors are the first axis of an array: x, y, z.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nasbench.tasks.images.scene.camera import Camera
from nasbench.tasks.images.scene.furniture import (
    BALL,
    BOX,
    CHECKS,
    PLAIN,
    PLANKS,
    TILES,
    TUBE,
    WHITE,
    Part,
)
from nasbench.tasks.images.scene.plan import WORDS, Room, Turn, Vector

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]
Row: TypeAlias = tuple[float, ...]

VIEW = 0.72
"""Tangent of half the angle that an image shows, as high as wide: 71.5 degrees."""
NEAR = 0.05
"""Nothing nearer than so many metres, along the view, is seen."""
AMBIENT = 0.33
"""Light that comes from everywhere."""
REACH = 2.5
"""So many metres from a lamp there is half of its light."""
CORNER, CONTACT = (0.45, 0.3), (0.35, 0.55)
"""How far from corners of the room, and from objects, it gets darker (metres), and how much."""
FLAT = 0.1
"""An object that is less wide, deep or high is no thing, and darkens nothing around it."""
LOOSE = ("toy",)
"""Kinds whose parts are things of their own."""
NOTHING = -1
WALLS = 6
UNLIT: tuple[Vector, Vector] = ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0))
_ENDS = np.array([(a, a ^ bit) for a in range(8) for bit in (1, 2, 4)]).T
"""The corners of a box in pairs: every edge, from either end."""


class Solids(NamedTuple):
    """Boxes, tubes and balls, P of them.

    A place p is `frame` x (p - middle) in a solid's own frame, where it reaches from -1 to 1.
    `frame` (5, P) is what differs from 0 there: xx, xy, yx, yy and zz. `thing` says which of all
    things it's part of: it doesn't darken itself. It's `NOTHING` for the room and what is flat.
    """

    room: Ints
    shape: Ints
    word: Ints
    thing: Ints
    pattern: Ints
    middle: Floats
    half: Floats
    turn: Floats
    colour: Floats
    scale: Floats
    strength: Floats
    glow: Floats
    frame: Floats

    def own(self, which: Ints, place: Floats) -> Floats:
        """Bring places (3, N) into the own frames of solids."""
        return _turned(np.take(self.frame, which, 1), place - np.take(self.middle, which, 1))


class Batch(NamedTuple):
    """B rooms. Solid 6 r + w is wall w of room r; after these come the `parts` of all objects.

    `boxes` are around things, one each. Vectors are (3, B); `lights` are (place, colour) pairs.
    """

    solids: Solids
    parts: Solids
    boxes: Solids
    size: Floats
    eye: Floats
    right: Floats
    up: Floats
    forward: Floats
    lights: tuple[tuple[Floats, Floats], ...]


class Hits(NamedTuple):
    """What rays meet, N of them: which solid, where in the world, and how far along the view.

    `normal` is of length 1 and points to where the ray comes from; u and v are metres along the
    surface.
    """

    solid: Ints
    room: Ints
    place: Floats
    depth: Floats
    normal: Floats
    u: Floats
    v: Floats


class Rows(NamedTuple):
    """A room as rows of 18 numbers: those of `Solids` from `shape` on, the pattern moved back."""

    walls: Floats
    parts: Floats
    boxes: Floats
    size: Vector
    lights: tuple[tuple[Vector, Vector], ...]


def lay(room: Room) -> Rows:
    """Lay a room out; its things are numbered from 0."""
    half = (room.size[0] / 2, room.size[1] / 2, room.size[2] / 2)
    walls = [
        _row(max(0, wall - 3), NOTHING, Part(BOX, half, half, paint))
        for wall, paint in enumerate(room.paints)
    ]
    parts: list[Row] = []
    boxes: list[Row] = []
    for each in (*room.fittings, *room.objects):
        word, (w, d, h) = WORDS.index(each.word), each.size
        thing = NOTHING
        if each.word not in LOOSE and min(w, d, h) > FLAT:
            thing = len(boxes)
            around = Part(BOX, (0.0, 0.0, h / 2), (w / 2, d / 2, h / 2), WHITE)
            boxes.append(_row(word, thing, around, each.foot, each.turn))
        for part in each.parts:
            if each.word in LOOSE:
                thing = len(boxes)
                boxes.append(_row(word, thing, part, each.foot, each.turn))
            parts.append(_row(word, thing, part, each.foot, each.turn))
    table = np.array([*walls, *parts, *boxes])
    inner, outer = len(walls), len(walls) + len(parts)
    lights = (*room.lights, UNLIT)[:2]
    return Rows(table[:inner], table[inner:outer], table[outer:], room.size, lights)


def _row(
    word: int,
    thing: int,
    part: Part,
    foot: Vector = (0.0, 0.0, 0.0),
    turn: Turn = (1.0, 0.0),
) -> Row:
    shape, (x, y, z), half, (colour, *rest) = part
    c, s = turn
    middle = (foot[0] + c * x - s * y, foot[1] + s * x + c * y, foot[2] + z)
    return (shape, word, thing, *middle, *half, *turn, *colour, *rest)


def pack(rooms: Sequence[Rows], cameras: Sequence[Camera]) -> Batch:
    """Put rooms together, each with a camera."""
    boxes = np.array([len(room.boxes) for room in rooms])
    things = np.cumsum(boxes) - boxes
    walls, parts, around = (
        _solids([getattr(room, name) for room in rooms], things)
        for name in ("walls", "parts", "boxes")
    )
    solids = Solids(*(np.concatenate(both, -1) for both in zip(walls, parts, strict=True)))
    size = np.array([room.size for room in rooms]).T
    eye, right, up, forward = np.array(cameras).transpose(1, 2, 0)
    lights = np.array([room.lights for room in rooms]).transpose(1, 2, 3, 0)
    lit = tuple((place, colour) for place, colour in lights)
    return Batch(solids, parts, around, size, eye, right, up, forward, lit)


def _solids(rows: Sequence[Floats], things: Ints) -> Solids:
    """Make solids of the rows of several rooms; the things of a room are numbered from `things`."""
    table = np.concatenate(rows).T.copy()
    room = np.repeat(np.arange(len(rows)), [len(some) for some in rows])
    shape, word, thing, pattern = table[[0, 1, 2, 14]].astype(np.int64)
    thing = np.where(thing == NOTHING, NOTHING, thing + things[room])
    (x, y, z), (c, s) = table[6:9], table[9:11]
    frame = np.stack([c / x, s / x, -s / y, c / y, 1.0 / z])
    middle, half, turn, colour = table[3:6], table[6:9], table[9:11], table[11:14]
    ints, floats = (room, shape, word, thing, pattern), (middle, half, turn, colour)
    return Solids(*ints, *floats, table[15], table[16], table[17], frame)


def trace(batch: Batch, slopes: Floats) -> Hits:
    """Find what the rays through n x n points of the image meet.

    `slopes` (n,) are the points' distances from the image's middle, to the right and, rows, down,
    one metre before the eye.
    """
    n, rooms = len(slopes), batch.eye.shape[1]
    right, up, forward = (v[:, :, None, None] for v in (batch.right, batch.up, batch.forward))
    ray = (forward + slopes * right - slopes[:, None] * up).reshape(3, -1)
    room = np.repeat(np.arange(rooms), n * n)
    eye = np.take(batch.eye, room, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        positive = ray > 0
        gap = np.where(positive, np.take(batch.size, room, 1), 0.0) - eye
        far = gap / ray
        axis = np.where(far[1] < far[0], 1, 0)
        depth = np.minimum(far[0], far[1])
        axis = np.where(far[2] < depth, 2, axis)
        depth = np.minimum(depth, far[2])
        side = np.where(axis == 0, positive[0], np.where(axis == 1, positive[1], positive[2]))
        solid = WALLS * room + 2 * axis + side
        which, seen = _seen(batch, batch.parts, slopes)
        near = _meet(batch, which, np.take(ray, seen, 1))
        hit = np.flatnonzero(near < depth[seen])
        near, which, seen = near[hit], which[hit], seen[hit]
        np.minimum.at(depth, seen, near)
        first = near == depth[seen]
        np.maximum.at(solid, seen[first], which[first] + WALLS * rooms)
    place = eye + depth * ray
    return Hits(solid, room, place, depth, *_surface(batch, solid, place))


def _seen(batch: Batch, solids: Solids, slopes: Floats, margin: float = 0.0) -> tuple[Ints, Ints]:
    """Pair solids with the rays that may meet them: those through a rectangle of the image."""
    room, (c, s), (x, y, z) = solids.room, solids.turn, solids.half + margin
    away = solids.middle - np.take(batch.eye, room, 1)
    axes = (c * x, s * x, 0 * x), (-s * y, c * y, 0 * y), (0 * z, 0 * z, z)
    base = [np.take(v, room, 1) for v in (batch.right, batch.up, batch.forward)]
    edges = [np.stack([_dot(axis, along) for along in base]) for axis in axes]
    low, high = _bounds(np.stack([_dot(away, along) for along in base]), edges)
    column, row = np.searchsorted(slopes, low - 1e-9)
    end = np.searchsorted(slopes, high + 1e-9, "right")
    width, height = end[0] - column, np.maximum(0, end[1] - row)
    n, some = len(slopes), np.repeat(np.arange(len(room)), height)
    down = np.arange(len(some)) - np.repeat(np.cumsum(height) - height, height)
    start = ((room * n + row)[some] + down) * n + column[some]
    width = np.maximum(0, width)[some]
    seen = np.repeat(start - np.cumsum(width) + width, width) + np.arange(np.sum(width))
    return np.repeat(some, width), seen


def _bounds(middle: Floats, edges: Sequence[Floats]) -> tuple[Floats, Floats]:
    """Return the least and greatest slopes (2, P), right and down, of boxes before the eye.

    `middle` and the three `edges` from it are (3, P), as the camera has them: right, up, forward.
    What is not before the eye has a least slope of `inf`.
    """
    corner = np.stack([middle + a + b + c for a, b, c in product(*((e, -e) for e in edges))], 1)
    one, other = corner[:, _ENDS[0]], corner[:, _ENDS[1]]
    back = (NEAR - one[2]) / (other[2] - one[2])
    behind = one[2] < NEAR
    right, up, forward = np.where(behind, one + back * (other - one), one)
    gone = behind & (other[2] < NEAR)
    slope = np.stack([right, -up]) / forward
    low = np.min(np.where(gone, np.inf, slope), 1)
    return low, np.max(np.where(gone, -np.inf, slope), 1)


def _meet(batch: Batch, which: Ints, ray: Floats) -> Floats:
    """Return how far each ray goes until it meets its solid; `inf` where it doesn't."""
    solids = batch.parts
    start = _turned(solids.frame, np.take(batch.eye, solids.room, 1) - solids.middle)
    start, along = np.take(start, which, 1), _turned(np.take(solids.frame, which, 1), ray)
    low, high = _between(start, along)
    near, far = np.maximum(low[0], low[1]), np.minimum(high[0], high[1])
    shape = solids.shape[which]
    for kind, axes in ((TUBE, 2), (BALL, 3)):
        some = np.flatnonzero(shape == kind)
        near[some], far[some] = _within(start[:axes, some], along[:axes, some])
    near = np.where(shape == BALL, near, np.maximum(near, low[2]))
    far = np.where(shape == BALL, far, np.minimum(far, high[2]))
    return np.where((near < far) & (near > NEAR), near, np.inf)


def _turned(frame: Floats, vector: Floats) -> Floats:
    """Multiply vectors (3, N) by the frames (5, N) of solids."""
    turned = np.empty(vector.shape)
    np.add(frame[0] * vector[0], frame[1] * vector[1], turned[0])
    np.add(frame[2] * vector[0], frame[3] * vector[1], turned[1])
    np.multiply(frame[4], vector[2], turned[2])
    return turned


def _between(start: Floats, along: Floats) -> tuple[Floats, Floats]:
    """From where to where a ray is between the planes -1 and 1, for each axis."""
    steps = 1.0 / along
    middle, half = -start * steps, np.abs(steps)
    return middle - half, middle + half


def _within(start: Floats, along: Floats) -> tuple[Floats, Floats]:
    """From where to where a ray is less than 1 from the origin; NaN where it never is."""
    a, b = _dot(along, along), _dot(start, along)
    root = np.sqrt(b * b - a * (_dot(start, start) - 1.0))
    return (-b - root) / a, (-b + root) / a


def _dot(a: Sequence[Floats] | Floats, b: Sequence[Floats] | Floats) -> Floats:
    total: Floats = a[0] * b[0]
    for x, y in zip(a[1:], b[1:], strict=True):
        total = total + x * y
    return total


def _surface(batch: Batch, solid: Ints, place: Floats) -> tuple[Floats, Floats, Floats]:
    """Return the normals of solids at places on them, and the places on their surfaces."""
    solids = batch.solids
    x, y, z = own = solids.own(solid, place)
    shape, half = solids.shape[solid], np.take(solids.half, solid, 1)
    box, ball, (across, along, high) = shape == BOX, shape == BALL, np.abs(own)
    top = high >= np.where(box, np.maximum(across, along), x * x + y * y)
    top &= ~ball
    side = ~top & (across >= along)
    front = ~(top | side)
    u, v = np.where(side, y * half[1], x * half[0]), np.where(top, y * half[1], z * half[2])
    sign = np.where(solid < WALLS * batch.eye.shape[1], -1.0, 1.0)
    x = np.where(box, side * np.sign(x), ~top * x) / half[0]
    y = np.where(box, front * np.sign(y), ~top * y) / half[1]
    z = np.where(ball, z, top * np.sign(z)) / half[2]
    length, (c, s) = sign * np.sqrt(x * x + y * y + z * z), np.take(solids.turn, solid, 1)
    return np.stack([c * x - s * y, s * x + c * y, z]) / length, u, v


def shade(batch: Batch, hits: Hits, slopes: Floats) -> Floats:
    """Return the colours (3, N) that are seen, as displayed, from 0 to 1."""
    solids, solid, room = batch.solids, hits.solid, hits.room
    ambient = (AMBIENT * (0.9 + 0.1 * hits.normal[2])) * _corners(batch, hits)
    light = np.stack([ambient] * 3)
    for source, colour in batch.lights:
        to = np.take(source, room, 1) - hits.place
        square = _dot(to, to)
        facing = np.maximum(0.0, _dot(to, hits.normal)) / np.sqrt(square)
        light += np.take(colour, room, 1) * (facing / (1.0 + square * (1.0 / (REACH * REACH))))
    light *= _contact(batch, hits, slopes)
    glow = solids.glow[solid]
    colour = np.take(solids.colour, solid, 1) * _pattern(solids, hits)
    return np.sqrt(np.minimum(1.0, colour * colour * (glow + light * (1.0 - 0.5 * glow))))


def _pattern(solids: Solids, hits: Hits) -> Floats:
    """Return how much lighter or darker than its paint a surface is."""
    left = np.ones(len(hits.solid))
    some = np.flatnonzero((solids.strength > 0)[hits.solid])
    solid = hits.solid[some]
    scale, pattern = solids.scale[solid], solids.pattern[solid]
    u, v = hits.u[some] / scale, hits.v[some] / scale
    i, j = np.floor(u), np.floor(v)
    odd, odd_too = i - 2 * np.floor(i / 2), j - 2 * np.floor(j / 2)
    tint = (i * 379 + 1013) * 271 % 1009 / 504.5 - 1.0
    seam = (u - i < 0.07) | (v - j < 0.07)
    value = np.where(pattern == CHECKS, 1 - 2 * np.abs(odd - odd_too), 2 * odd - 1)
    value = np.where(pattern == PLANKS, tint, value)
    value = np.where(pattern == TILES, np.where(seam, -1.0, 0.15), value)
    left[some] += solids.strength[solid] * np.where(pattern == PLAIN, 0.0, value)
    return left


def _corners(batch: Batch, hits: Hits) -> Floats:
    """Return how much of the light from everywhere reaches into the corners of the room."""
    reach, most = CORNER
    gap = np.minimum(hits.place, np.take(batch.size, hits.room, 1) - hits.place)
    dark = np.maximum(0.0, 1.0 - gap * (1.0 / reach))
    dark = 1.0 - most * (1.0 - np.abs(hits.normal)) * dark * dark
    left: Floats = dark[0] * dark[1] * dark[2]
    return left


def _contact(batch: Batch, hits: Hits, slopes: Floats) -> Floats:
    """Return how much light is left near objects, which stand in its way."""
    reach, most = CONTACT
    boxes, left = batch.boxes, np.ones(len(hits.solid))
    with np.errstate(divide="ignore", invalid="ignore"):
        which, seen = _seen(batch, boxes, slopes, reach)
    other = batch.solids.thing[hits.solid[seen]] != which
    which, seen = which[other], seen[other]
    half = np.take(boxes.half, which, 1)
    gap = np.maximum(0.0, (np.abs(boxes.own(which, np.take(hits.place, seen, 1))) - 1.0) * half)
    dark = np.maximum(0.0, 1.0 - np.sqrt(_dot(gap, gap)) / reach)
    np.minimum.at(left, seen, 1.0 - most * dark * dark)
    return left


def picture(batch: Batch, size: int) -> tuple[Hits, NDArray[np.uint8]]:
    """Return what is in the middle of each pixel, and the image (B, size, size, 3).

    A pixel's colour is half that of its middle and an eighth that of each of its corners.
    """
    middles = VIEW * ((2 * np.arange(size) + 1) / size - 1)
    corners = VIEW * (2 * np.arange(size + 1) / size - 1)
    hits = trace(batch, middles)
    inner = shade(batch, hits, middles).reshape(3, -1, size, size)
    outer = shade(batch, trace(batch, corners), corners).reshape(3, -1, size + 1, size + 1)
    beside = outer[..., :-1] + outer[..., 1:]
    seen = 0.5 * inner + 0.125 * (beside[:, :, :-1] + beside[:, :, 1:])
    return hits, _bytes(255 * seen).transpose(1, 2, 3, 0)


def normals(batch: Batch, hits: Hits, size: int) -> NDArray[np.uint8]:
    """Return normals as the camera has them, right, up and back, (B, size, size, 3)."""
    base = (batch.right, batch.up, -batch.forward)
    seen = np.stack([_dot(hits.normal, np.take(v, hits.room, 1)) for v in base])
    return _bytes(127.5 * (seen + 1)).reshape(3, -1, size, size).transpose(1, 2, 3, 0)


def _bytes(values: Floats) -> NDArray[np.uint8]:
    return np.floor(values + 0.5).astype(np.uint8)
