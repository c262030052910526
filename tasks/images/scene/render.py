"""Rays through rooms: what each meets first, from which side, and how that is lit.

Several rooms are rendered at once, in flat arrays: of B rooms seen through n x n rays, ray i is ray
i % (n * n) of room i // (n * n), row by row from the top. Nothing about a room depends on the
others. Vectors are the first axis of an array: x, y, z.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nasbench.tasks.images.scene.furniture import BALL, BOX, CHECKS, PLANKS, STRIPES, TILES, TUBE
from nasbench.tasks.images.scene.plan import WORDS, Part, Room, Turn, Vector

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]

VIEW = 0.72
"""Tangent of half the angle that an image shows, as high as wide: 71.5 degrees."""
NEAR = 0.05
"""Nothing nearer than so many metres, along the view, is seen."""
AMBIENT = 0.4
"""Light that comes from everywhere."""
REACH = 2.5
"""So many metres from a lamp there is half of its light."""
CORNER, CONTACT = (0.45, 0.3), (0.35, 0.55)
"""How far from corners of the room, and from objects, it gets darker (metres), and how much."""
WALLS = 6


class Solids(NamedTuple):
    """Boxes, tubes and balls, P of them; a room's own walls, floor and ceiling come first.

    A place p is `turn(p - middle) / half` in a solid's own frame, where it reaches from -1 to 1.
    `thing` says which of all objects it's part of; it's -1 for the room and what is flat on it.
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


class Batch(NamedTuple):
    """B rooms. `first` is where each one's six walls are among the solids; vectors are (3, B).

    `things` are the boxes of objects, as solids; `lights` are (place, colour) pairs.
    """

    solids: Solids
    things: Solids
    first: Ints
    size: Floats
    eye: Floats
    right: Floats
    up: Floats
    forward: Floats
    lights: tuple[tuple[Floats, Floats], ...]


class Hits(NamedTuple):
    """What rays meet, N of them: which solid, where, its outward normal, all in the world."""

    solid: Ints
    place: Floats
    normal: Floats
    depth: Floats


def pack(rooms: Sequence[Room]) -> Batch:
    """Lay rooms out as arrays."""
    solids: list[tuple[float, ...]] = []
    things: list[tuple[float, ...]] = []
    first = []
    for number, room in enumerate(rooms):
        first.append(len(solids))
        w, d, h = room.size
        whole = Part(BOX, (w / 2, d / 2, h / 2), (w / 2, d / 2, h / 2), room.paints[0])
        for wall, paint in enumerate(room.paints):
            word = max(0, wall - 3)
            solids.append(_row(number, word, -1, whole._replace(paint=paint)))
        for each in (*room.fittings, *room.objects):
            thing = -1
            if each.foot[2] + each.size[2] > 0.1 and each.size[1] > 0.1:
                thing = len(things)
                x, y, z = (length / 2 for length in each.size)
                around = Part(BOX, (0.0, 0.0, z), (x, y, z), each.parts[0].paint)
                things.append(_row(number, 0, thing, around, each.foot, each.turn))
            word = WORDS.index(each.word)
            solids += [_row(number, word, thing, part, each.foot, each.turn) for part in each.parts]
    dark = ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0))
    lights = [(*room.lights, dark)[:2] for room in rooms]
    views = np.array([(room.size, room.eye, *room.view) for room in rooms]).transpose(1, 2, 0)
    lit = np.array(lights).transpose(1, 2, 3, 0)
    pairs = tuple((place, colour) for place, colour in lit)
    return Batch(_solids(solids), _solids(things), np.array(first), *views, pairs)


def _row(
    room: int,
    word: int,
    thing: int,
    part: Part,
    foot: Vector = (0.0, 0.0, 0.0),
    turn: Turn = (1.0, 0.0),
) -> tuple[float, ...]:
    (x, y, z), (c, s), paint = part.middle, turn, part.paint
    middle = (foot[0] + c * x - s * y, foot[1] + s * x + c * y, foot[2] + z)
    head = (room, part.shape, word, thing, paint.pattern)
    return *head, *middle, *part.half, *turn, *paint.colour, paint.scale, paint.strength, paint.glow


def _solids(rows: list[tuple[float, ...]]) -> Solids:
    table = np.array(rows, np.float64).reshape(-1, 19).T
    vectors = table[5:8], table[8:11], table[11:13], table[13:16]
    return Solids(*table[:5].astype(np.int64), *vectors, *table[16:])


def trace(batch: Batch, slopes: Floats) -> Hits:
    """Find what the rays through n x n points of the image meet.

    `slopes` (n,) are the points' distances from the image's middle, to the right and, rows, down,
    one metre before the eye. A hit's depth is along the view, in metres.
    """
    n = len(slopes)
    shape = (3, len(batch.first), 1, 1)
    forward, right, up = (v.reshape(shape) for v in (batch.forward, batch.right, batch.up))
    ray = (forward + slopes * right - slopes[:, None] * up).reshape(3, -1)
    room = np.repeat(np.arange(len(batch.first)), n * n)
    eye = batch.eye[:, room]
    depth, solid = np.full(len(room), np.inf), np.zeros(len(room), np.int64)
    with np.errstate(divide="ignore", invalid="ignore"):
        for axis in range(3):
            up_axis = ray[axis] > 0
            to_wall = np.where(up_axis, batch.size[axis][room], 0.0) - eye[axis]
            far = to_wall / ray[axis]
            nearer = far < depth
            depth = np.where(nearer, far, depth)
            solid = np.where(nearer, batch.first[room] + 2 * axis + up_axis, solid)
        solids = batch.solids
        inner = np.ones(len(solids.room), bool)
        inner[(batch.first[:, None] + np.arange(WALLS)).ravel()] = False
        for kind in (BOX, TUBE, BALL):
            some = np.flatnonzero(inner & (solids.shape == kind))
            which, seen = _seen(batch, solids, some, slopes)
            near = _meet(batch, kind, which, ray[:, seen])
            hit = np.flatnonzero(near < depth[seen])
            near, which, seen = near[hit], which[hit], seen[hit]
            np.minimum.at(depth, seen, near)
            first = near == depth[seen]
            solid[seen[first]] = which[first]
    place = eye + depth * ray
    return Hits(solid, place, _normal(batch, solid, place), depth)


def _seen(
    batch: Batch, solids: Solids, some: Ints, slopes: Floats, margin: float = 0.0
) -> tuple[Ints, Ints]:
    """Pair solids with the rays that may meet them: those through a rectangle of the image."""
    room, (c, s) = solids.room[some], solids.turn[:, some]
    x, y, z = solids.half[:, some] + margin
    away = solids.middle[:, some] - batch.eye[:, room]
    axes = (
        np.stack([c * x, s * x, 0 * x]),
        np.stack([-s * y, c * y, 0 * y]),
        np.stack([0 * z, 0 * z, z]),
    )
    base = [batch.right[:, room], batch.up[:, room], batch.forward[:, room]]
    middle = [_dot(away, along) for along in base]
    edges = [[_dot(axis, along) for along in base] for axis in axes]
    low = np.full((2, len(some)), np.inf)
    high, nearest, farthest = -low, low[0], -low[0]
    for corner in range(8):
        sign = [1 if corner >> bit & 1 else -1 for bit in range(3)]
        right, up, forward = (
            middle[k] + sign[0] * edges[0][k] + sign[1] * edges[1][k] + sign[2] * edges[2][k]
            for k in range(3)
        )
        slope = np.stack([right / forward, -up / forward])
        low, high = np.minimum(low, slope), np.maximum(high, slope)
        nearest, farthest = np.minimum(nearest, forward), np.maximum(farthest, forward)
    low, high = (np.where(nearest > NEAR, each, end) for each, end in ((low, -9.0), (high, 9.0)))
    n = len(slopes)
    column, row = np.searchsorted(slopes, low - 1e-9)
    width, height = np.searchsorted(slopes, high + 1e-9, "right") - (column, row)
    height = np.where(farthest > NEAR, height, 0)
    which = np.repeat(np.arange(len(some)), height)
    down = np.arange(len(which)) - np.repeat(np.cumsum(height) - height, height)
    start, width = ((room * n + row)[which] + down) * n + column[which], width[which]
    seen = np.repeat(start - np.cumsum(width) + width, width) + np.arange(np.sum(width))
    return some[np.repeat(which, width)], seen


def _meet(batch: Batch, kind: int, which: Ints, ray: Floats) -> Floats:
    """Return how far each ray goes until it meets its solid; `inf` where it doesn't."""
    solids = batch.solids
    start = _own(solids, slice(None), batch.eye[:, solids.room] - solids.middle)[:, which]
    along = _own(solids, which, ray)
    if kind == BOX:
        near, far = _between(start[0], along[0])
        for axis in (1, 2):
            a, b = _between(start[axis], along[axis])
            near, far = np.maximum(near, a), np.minimum(far, b)
    elif kind == TUBE:
        near, far = _within(start[:2], along[:2])
        a, b = _between(start[2], along[2])
        near, far = np.maximum(near, a), np.minimum(far, b)
    else:
        near, far = _within(start, along)
    return np.where((near < far) & (near > NEAR), near, np.inf)


def _own(solids: Solids, which: Ints | slice, vector: Floats) -> Floats:
    """Bring vectors into the solids' own frames."""
    c, s = solids.turn[:, which]
    x, y, z = vector
    return np.stack([c * x + s * y, c * y - s * x, z]) / solids.half[:, which]


def _between(start: Floats, along: Floats) -> tuple[Floats, Floats]:
    """From where to where a ray is between the planes -1 and 1."""
    steps = 1.0 / along
    middle, half = -start * steps, np.abs(steps)
    return middle - half, middle + half


def _within(start: Floats, along: Floats) -> tuple[Floats, Floats]:
    """From where to where a ray is less than 1 from the origin; NaN where it never is."""
    a, b = _dot(along, along), _dot(start, along)
    root = np.sqrt(b * b - a * (_dot(start, start) - 1.0))
    return (-b - root) / a, (-b + root) / a


def _dot(a: Floats, b: Floats) -> Floats:
    total: Floats = a[0] * b[0]
    for x, y in zip(a[1:], b[1:], strict=True):
        total = total + x * y
    return total


def _normal(batch: Batch, solid: Ints, place: Floats) -> Floats:
    """Return the unit normals of solids at places on them; a room's point inwards."""
    solids = batch.solids
    x, y, z = own = _own(solids, solid, place - solids.middle[:, solid])
    shape = solids.shape[solid]
    flat = shape == BOX
    size = np.abs(own)
    top = np.where(flat, (size[2] >= size[0]) & (size[2] >= size[1]), size[2] >= x * x + y * y)
    top &= shape != BALL
    side = size[0] >= size[1]
    x = np.where(top | (flat & ~side), 0.0, np.where(flat, np.sign(x), x))
    y = np.where(top | (flat & side), 0.0, np.where(flat, np.sign(y), y))
    z = np.where(top, np.sign(z), np.where(shape == BALL, z, 0.0))
    half, (c, s) = solids.half[:, solid], solids.turn[:, solid]
    x, y, z = x / half[0], y / half[1], z / half[2]
    inwards = solid - batch.first[solids.room[solid]] < WALLS
    length = np.where(inwards, -1.0, 1.0) * np.sqrt(x * x + y * y + z * z)
    return np.stack([(c * x - s * y) / length, (s * x + c * y) / length, z / length])


def shade(batch: Batch, hits: Hits, slopes: Floats) -> Floats:
    """Return the colours (3, N) that are seen, as displayed, from 0 to 1."""
    solids, solid, place, normal = batch.solids, *hits[:3]
    room = solids.room[solid]
    light = np.stack([AMBIENT * (0.9 + 0.1 * normal[2])] * 3) * _corners(batch, hits)
    for source, colour in batch.lights:
        to = source[:, room] - place
        square = _dot(to, to)
        facing = np.maximum(0.0, _dot(to, normal)) / np.sqrt(square)
        light += colour[:, room] * (facing / (1.0 + square / REACH**2))
    light *= _contact(batch, hits, slopes)
    glow = solids.glow[solid]
    colour = solids.colour[:, solid] * _pattern(solids, hits)
    colour = colour * colour * (light + glow * (1.0 - 0.5 * light))
    return np.sqrt(np.minimum(1.0, colour))


def _pattern(solids: Solids, hits: Hits) -> Floats:
    """Return how much lighter or darker than its paint a surface is."""
    solid, away = hits.solid, hits.place - solids.middle[:, hits.solid]
    c, s = solids.turn[:, solid]
    x, y, z = np.abs(hits.normal)
    across = np.abs(c * hits.normal[0] + s * hits.normal[1])
    along = np.abs(c * hits.normal[1] - s * hits.normal[0])
    own_x, own_y = c * away[0] + s * away[1], c * away[1] - s * away[0]
    level = (z >= across) & (z >= along)
    u = np.where(level | (along >= across), own_x, own_y) / solids.scale[solid]
    v = np.where(level, own_y, away[2]) / solids.scale[solid]
    i, j = np.floor(u), np.floor(v)
    odd = i - 2 * np.floor(i / 2)
    odd_too = j - 2 * np.floor(j / 2)
    tint = (i.astype(np.int64) * 7919 + solid * 0 + 1013) * 104729 % 1009 / 504.5 - 1.0
    seam = np.minimum(np.minimum(u - i, i + 1 - u), np.minimum(v - j, j + 1 - v)) < 0.06
    pattern = solids.pattern[solid]
    value = np.select(
        [pattern == STRIPES, pattern == CHECKS, pattern == PLANKS, pattern == TILES],
        [2 * odd - 1, 1 - 2 * np.abs(odd - odd_too), tint, np.where(seam, -1.0, 0.2 * tint)],
        0.0,
    )
    return 1.0 + solids.strength[solid] * value


def _corners(batch: Batch, hits: Hits) -> Floats:
    """Return how much of the light from everywhere reaches into the corners of the room."""
    reach, most = CORNER
    room = batch.solids.room[hits.solid]
    left = np.ones(len(room))
    for axis in range(3):
        at = hits.place[axis]
        gap = np.minimum(at, batch.size[axis][room] - at)
        dark = np.maximum(0.0, 1.0 - gap / reach)
        left *= 1.0 - most * (1.0 - np.abs(hits.normal[axis])) * dark * dark
    return left


def _contact(batch: Batch, hits: Hits, slopes: Floats) -> Floats:
    """Return how much light is left near objects, which stand in its way."""
    reach, most = CONTACT
    things, left = batch.things, np.ones(len(hits.solid))
    with np.errstate(divide="ignore", invalid="ignore"):
        which, seen = _seen(batch, things, np.arange(len(things.room)), slopes, reach)
    other = batch.solids.thing[hits.solid[seen]] != which
    which, seen = which[other], seen[other]
    away = hits.place[:, seen] - things.middle[:, which]
    c, s = things.turn[:, which]
    own = np.stack([c * away[0] + s * away[1], c * away[1] - s * away[0], away[2]])
    gap = np.maximum(0.0, np.abs(own) - things.half[:, which])
    dark = np.maximum(0.0, 1.0 - np.sqrt(_dot(gap, gap)) / reach)
    np.minimum.at(left, seen, 1.0 - most * dark * dark)
    return left
