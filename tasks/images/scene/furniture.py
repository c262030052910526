"""What stands in a room: kinds of objects, each made of boxes, tubes and balls.

An object is built in its own frame, in metres: x to its right as seen from its back, y from its
front to its back, z up; the middle of its footprint is the origin.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeAlias

Colour: TypeAlias = tuple[float, float, float]
Draw: TypeAlias = Callable[[], float]
"""Gives the next random number, uniform in [0, 1)."""

BOX, TUBE, BALL = range(3)
PLAIN, STRIPES, CHECKS, PLANKS, TILES = range(5)


class Paint(NamedTuple):
    """A surface: its colour as displayed, 0 to 1, a pattern, and how much light it gives off.

    `scale` is the width of a stripe, plank or tile in metres, `strength` how much darker and
    lighter than the colour it gets, 0 to 1.
    """

    colour: Colour
    pattern: int = PLAIN
    scale: float = 1.0
    strength: float = 0.0
    glow: float = 0.0


class Part(NamedTuple):
    """A box, an upright elliptic tube or an ellipsoid: where its middle is, and half its size."""

    shape: int
    middle: tuple[float, float, float]
    half: tuple[float, float, float]
    paint: Paint


Parts: TypeAlias = Iterator[Part]

WHITE = Paint((0.93, 0.93, 0.91))
STEEL = Paint((0.62, 0.64, 0.66))
DARK = Paint((0.12, 0.12, 0.13))
WATER = Paint((0.55, 0.76, 0.82))
SOIL = Paint((0.25, 0.17, 0.12))
BULB = Paint((1.0, 0.93, 0.75), glow=1.0)


def box(
    x: float, y: float, low: float, wide: float, deep: float, high: float, paint: Paint
) -> Part:
    """Stand a box on the height `low`, its middle over (x, y)."""
    return Part(BOX, (x, y, low + high / 2), (wide / 2, deep / 2, high / 2), paint)


def tube(x: float, y: float, low: float, radius: float, high: float, paint: Paint) -> Part:
    """Stand a tube on the height `low`, its axis over (x, y)."""
    return Part(TUBE, (x, y, low + high / 2), (radius, radius, high / 2), paint)


def ball(x: float, y: float, z: float, radius: float, paint: Paint, flat: float = 1.0) -> Part:
    """Put a ball's middle at (x, y, z); `flat` is its height over its width."""
    return Part(BALL, (x, y, z), (radius, radius, radius * flat), paint)


def legs(w: float, d: float, h: float, thick: float, paint: Paint) -> Parts:
    """Put a leg under each corner of a board."""
    for x in (-w / 2 + thick, w / 2 - thick):
        for y in (-d / 2 + thick, d / 2 - thick):
            yield box(x, y, 0, thick, thick, h, paint)


def bed(w: float, d: float, h: float, main: Paint, wood: Paint, draw: Draw) -> Parts:
    """A frame, a mattress, a blanket that leaves the pillows free, a headboard."""
    yield box(0, 0, 0.06, w, d, 0.24, wood)
    yield box(0, 0, 0.3, w - 0.06, d - 0.08, 0.17, WHITE)
    long = d * (0.55 + 0.15 * draw())
    yield box(0, long / 2 - d / 2 + 0.01, 0.27, w + 0.04, long, 0.24, main)
    yield box(0, d / 2 - 0.03, 0, w, 0.06, h, wood)
    pillows = 2 if w > 1.3 else 1
    for i in range(pillows):
        x = (i + 0.5) * w / pillows - w / 2
        yield Part(BALL, (x, d / 2 - 0.3, 0.5), (0.4 * w / pillows, 0.2, 0.1), WHITE)


def table(w: float, d: float, h: float, main: Paint, wood: Paint, draw: Draw) -> Parts:
    """A board on four legs, or, if it's round enough, a disc on a pillar."""
    if abs(w - d) < 0.25 and draw() < 0.6:
        yield Part(TUBE, (0, 0, h - 0.025), (w / 2, d / 2, 0.025), main)
        yield tube(0, 0, 0, 0.05, h - 0.05, wood)
        yield tube(0, 0, 0, 0.3 * min(w, d), 0.04, wood)
    else:
        yield box(0, 0, h - 0.05, w, d, 0.05, main)
        yield from legs(w, d, h - 0.05, 0.06, wood)


def chair(w: float, d: float, h: float, main: Paint, wood: Paint, draw: Draw) -> Parts:
    """A seat on legs, and a back; or an office chair on a pillar."""
    seat = 0.45
    yield box(0, 0, seat, w, d, 0.06, main)
    yield box(0, d / 2 - 0.03, seat + 0.14, w, 0.05, h - seat - 0.14, main)
    if draw() < 0.35:
        yield tube(0, 0, 0.06, 0.035, seat - 0.06, STEEL)
        yield tube(0, 0, 0, 0.45 * w, 0.06, DARK)
        yield box(0, d / 2 - 0.01, seat, 0.08, 0.03, 0.2, DARK)
    else:
        yield from legs(w, d, seat, 0.045, wood)
        for x in (-w / 2 + 0.04, w / 2 - 0.04):
            yield box(x, d / 2 - 0.03, seat, 0.04, 0.04, 0.16, wood)


def sofa(w: float, d: float, h: float, main: Paint, wood: Paint, draw: Draw) -> Parts:
    """A base, a back, two arms, and two cushions in the colour of the wood."""
    arm = 0.16
    yield box(0, 0, 0.05, w, d, 0.25, main)
    yield box(0, d / 2 - 0.11, 0.1, w, 0.22, h - 0.1, main)
    for side in (-1, 1):
        yield box(side * (w - arm) / 2, 0, 0.05, arm, d, 0.53, main)
    seat = (w - 2 * arm) / 2
    for side in (-1, 1):
        yield box(side * seat / 2, -0.09, 0.3, seat - 0.02, d - 0.24, 0.14, main)
    for side in (-1, 1) if draw() < 0.7 else (1,):
        x = side * (seat - 0.22)
        yield Part(BALL, (x, 0.08, 0.58), (0.2, 0.1, 0.19), wood)


def lamp(w: float, d: float, h: float, main: Paint, wood: Paint, draw: Draw) -> Parts:
    """A foot, a pole, and a shade that is lit."""
    shade, radius, lit = 0.36, min(w, d) / 2, main._replace(glow=0.5)
    yield tube(0, 0, 0, 0.7 * radius, 0.03, wood)
    yield tube(0, 0, 0, 0.022, h - shade / 2, wood)
    if draw() < 0.7:
        yield tube(0, 0, h - shade, radius, shade, lit)
    else:
        yield ball(0, 0, h - shade / 2, radius, lit, flat=shade / 2 / radius)


def cabinet(w: float, d: float, h: float, main: Paint, wood: Paint, draw: Draw) -> Parts:
    """A bookcase if it's tall, or a body with doors or drawers."""
    if h > 1.3 and draw() < 0.6:
        yield box(0, d / 2 - 0.02, 0, w, 0.04, h, main)
        for side in (-1, 1):
            yield box(side * (w / 2 - 0.02), 0, 0, 0.04, d, h, main)
        boards = 4 if h < 1.7 else 5
        gap = (h - 0.04) / (boards - 1)
        for i in range(boards):
            yield box(0, 0.01, i * gap, w - 0.08, d - 0.02, 0.04, main)
            if i < boards - 1:
                full = (w - 0.1) * (0.5 + 0.5 * draw())
                tone = (0.25 + 0.5 * draw(), 0.25 + 0.3 * draw(), 0.25 + 0.3 * draw())
                books = Paint(tone, PLANKS, 0.07, 0.7)
                tall = gap * (0.6 + 0.2 * draw())
                yield box((full - w) / 2 + 0.05, 0.02, i * gap + 0.04, full, d - 0.1, tall, books)
        return
    yield box(0, 0.01, 0, w, d - 0.02, h - 0.03, main)
    yield box(0, 0, h - 0.03, w + 0.03, d + 0.02, 0.03, wood)
    columns = 2 if w > 0.7 else 1
    rows = 1 if h > 1.2 else 2 if draw() < 0.5 else 1
    front = main._replace(colour=_lighter(main.colour, 1.07))
    wide, high = w / columns, (h - 0.1) / rows
    for i in range(columns):
        for j in range(rows):
            x, low = (i + 0.5) * wide - w / 2, 0.06 + j * high
            yield box(x, -d / 2 + 0.01, low, wide - 0.05, 0.025, high - 0.04, front)
            yield ball(x + 0.3 * wide, -d / 2 - 0.01, low + 0.55 * high, 0.025, STEEL)


def screen(w: float, d: float, h: float, main: Paint, wood: Paint, draw: Draw) -> Parts:
    """A black panel with a picture on a stand."""
    yield box(0, 0, 0, 0.4 * w, d, 0.02, DARK)
    yield box(0, 0.02, 0, 0.1 * w, 0.04, 0.2 * h, DARK)
    yield box(0, 0.02, 0.12 * h, w, 0.05, 0.88 * h, DARK)
    yield box(0, -0.01, 0.18 * h, 0.94 * w, 0.015, 0.77 * h, main._replace(glow=0.35))


def plant(w: float, d: float, h: float, main: Paint, wood: Paint, draw: Draw) -> Parts:
    """A pot, a stem and a few clouds of leaves."""
    pot = 0.3 * h if h < 1 else 0.32
    yield tube(0, 0, 0, 0.3 * w, pot, wood)
    yield tube(0, 0, pot, 0.26 * w, 0.01, SOIL)
    yield tube(0, 0, pot, 0.02, 0.4 * (h - pot), SOIL)
    for i in range(6):
        size = w * (0.17 + 0.09 * draw())
        x, y = (w / 2 - size) * (2 * draw() - 1), (d / 2 - size) * (2 * draw() - 1)
        z = pot + size + (h - pot - 2 * size) * (i + draw()) / 6
        leaves = main._replace(colour=_lighter(main.colour, 0.75 + 0.5 * draw()))
        yield ball(x, y, z, size, leaves, flat=0.9)


def bathtub(w: float, d: float, h: float, main: Paint, wood: Paint, draw: Draw) -> Parts:
    """Four sides, water, and a tap; its long side is its back."""
    rim = 0.09
    for side in (-1, 1):
        yield box(0, side * (d - rim) / 2, 0, w, rim, h, main)
        yield box(side * (w - rim) / 2, 0, 0, rim, d - 2 * rim, h, main)
    yield box(0, 0, 0, w - rim, d - rim, h * (0.5 + 0.35 * draw()), WATER)
    end = w / 2 - 0.05 if draw() < 0.5 else 0.05 - w / 2
    yield tube(end, 0, h, 0.025, 0.16, STEEL)
    yield box(end * 0.9, 0, h + 0.13, 0.16, 0.03, 0.03, STEEL)


def toilet(w: float, d: float, h: float, main: Paint, wood: Paint, draw: Draw) -> Parts:
    """A tank, a bowl on its foot, and a seat."""
    seat = 0.42
    yield box(0, d / 2 - 0.09, 0.35, w, 0.18, h - 0.35, main)
    yield box(0, d / 2 - 0.09, h, w + 0.03, 0.2, 0.03, main)
    long = d / 2 - 0.07
    yield Part(TUBE, (0, -0.06, 0.12), (0.3 * w, 0.6 * long, 0.12), main)
    yield Part(BALL, (0, -0.08, 0.3), (0.46 * w, long, 0.16), main)
    yield Part(TUBE, (0, -0.08, seat - 0.02), (0.48 * w, long, 0.025), wood)
    yield Part(TUBE, (0, -0.1, seat), (0.32 * w, 0.7 * long, 0.012), WATER)


def stove(w: float, d: float, h: float, main: Paint, wood: Paint, draw: Draw) -> Parts:
    """A body with an oven door and knobs, four plates on top, a hood's board behind."""
    yield box(0, 0, 0, w, d, h, main)
    yield box(0, 0, h, w, d, 0.02, DARK)
    yield box(0, -d / 2, 0.16, 0.8 * w, 0.03, 0.5 * h, DARK)
    yield box(0, -d / 2 - 0.02, 0.2 + 0.5 * h, 0.7 * w, 0.03, 0.03, STEEL)
    for x in (-0.23 * w, 0.23 * w):
        for y in (-0.22 * d, 0.22 * d):
            yield tube(x, y, h + 0.02, 0.17 * w, 0.012, STEEL)
    for i in range(4):
        yield ball((i - 1.5) * 0.2 * w, -d / 2 - 0.01, 0.88 * h, 0.03, STEEL)
    yield box(0, d / 2 - 0.02, h, w, 0.04, 0.14, main)


def toy(w: float, d: float, h: float, main: Paint, wood: Paint, draw: Draw) -> Parts:
    """A ball, a tower of blocks and a ring-like drum."""
    radius = 0.24 * w
    yield ball(-w / 2 + radius, -d / 2 + radius, radius, radius, main)
    size, low = 0.34 * w, 0.0
    for tint in ((0.95, 0.35, 0.3), (0.98, 0.82, 0.25), (0.3, 0.6, 0.9), (0.4, 0.75, 0.4)):
        side = size * (0.8 + 0.2 * draw())
        if low + side > h:
            break
        x = w / 2 - size / 2 + 0.04 * (draw() - 0.5)
        yield box(x, d / 2 - size / 2, low, side, side, side, Paint(tint))
        low += side
    yield tube(-w / 2 + 0.2 * w, d / 2 - 0.2 * w, 0, 0.18 * w, 0.25 * w, wood)


def window(w: float, d: float, h: float, main: Paint, wood: Paint, draw: Draw) -> Parts:
    """A frame with a cross, the sky behind it, a sill."""
    yield box(0, 0, 0, w, d, h, WHITE)
    yield box(0, -0.005, 0.06, w - 0.12, d, h - 0.12, main._replace(pattern=PLAIN, glow=0.9))
    yield box(0, -0.01, 0, 0.05, d, h, WHITE)
    yield box(0, -0.01, 0.6 * h, w, d, 0.05, WHITE)
    yield box(0, -0.05, -0.05, w + 0.12, 0.15, 0.05, WHITE)


def door(w: float, d: float, h: float, main: Paint, wood: Paint, draw: Draw) -> Parts:
    """A frame, a leaf with two panels, a knob."""
    panel = main._replace(colour=_lighter(main.colour, 0.88))
    yield box(0, 0, 0, w + 0.14, d, h + 0.07, WHITE)
    yield box(0, -0.01, 0, w, d, h, main)
    yield box(0, -0.02, 0.25, 0.7 * w, d, 0.6, panel)
    yield box(0, -0.02, 1.1, 0.7 * w, d, 0.7, panel)
    yield ball(0.42 * w, -0.07, 1.0, 0.035, STEEL)


def picture(w: float, d: float, h: float, main: Paint, wood: Paint, draw: Draw) -> Parts:
    """A frame, and in it a plain below a sky."""
    tint = (0.2 + 0.7 * draw(), 0.2 + 0.7 * draw(), 0.2 + 0.7 * draw())
    plain = (h - 0.08) * (0.25 + 0.4 * draw())
    yield box(0, 0, 0, w, d, h, DARK)
    yield box(0, -0.004, 0.04, w - 0.08, d, h - 0.08, main)
    yield box(0, -0.008, 0.04, w - 0.08, d, plain, Paint(tint))


def rug(w: float, d: float, h: float, main: Paint, wood: Paint, draw: Draw) -> Parts:
    """A rectangle with a darker border."""
    yield box(0, 0, 0, w, d, 0.5 * h, main._replace(colour=_lighter(main.colour, 0.7), pattern=0))
    yield box(0, 0, 0, w - 0.2, d - 0.2, h, main._replace(scale=0.2 + 0.2 * draw()))


def ceiling_lamp(w: float, d: float, h: float, main: Paint, wood: Paint, draw: Draw) -> Parts:
    """A bowl that shines, under its holder."""
    yield tube(0, 0, h / 2, 0.05, h / 2, STEEL)
    yield ball(0, 0, h / 2, w / 2, BULB, flat=h / w)


class Kind(NamedTuple):
    """A kind of object: the least and greatest width, depth and height in metres, and colours.

    `weight` says how often, compared with others in the room, the camera is turned to it.
    """

    build: Callable[[float, float, float, Paint, Paint, Draw], Parts]
    least: tuple[float, float, float]
    most: tuple[float, float, float]
    colours: tuple[Colour, ...]
    weight: float = 1.0


WOODS = ((0.62, 0.43, 0.27), (0.45, 0.3, 0.2), (0.78, 0.62, 0.43))

KINDS = {
    "bed": Kind(
        bed,
        (0.95, 1.9, 0.8),
        (1.8, 2.1, 1.15),
        ((0.4, 0.5, 0.72), (0.72, 0.45, 0.5), (0.8, 0.74, 0.6)),
        0.9,
    ),
    "table": Kind(table, (0.9, 0.65, 0.68), (1.7, 0.95, 0.78), WOODS, 0.7),
    "chair": Kind(
        chair,
        (0.42, 0.42, 0.82),
        (0.52, 0.5, 1.05),
        ((0.7, 0.32, 0.24), (0.3, 0.36, 0.42), (0.66, 0.48, 0.3)),
        1.6,
    ),
    "sofa": Kind(
        sofa,
        (1.4, 0.8, 0.75),
        (2.1, 0.95, 0.95),
        ((0.5, 0.55, 0.58), (0.62, 0.36, 0.26), (0.3, 0.5, 0.48)),
        1.0,
    ),
    "lamp": Kind(
        lamp, (0.4, 0.4, 1.3), (0.6, 0.6, 1.75), ((0.98, 0.88, 0.6), (0.98, 0.78, 0.55)), 3
    ),
    "cabinet": Kind(cabinet, (0.6, 0.35, 0.7), (1.2, 0.5, 2.0), (*WOODS, (0.85, 0.83, 0.78)), 0.22),
    "screen": Kind(
        screen, (0.6, 0.2, 0.42), (1.1, 0.24, 0.66), ((0.25, 0.45, 0.75), (0.3, 0.6, 0.6)), 2
    ),
    "plant": Kind(
        plant, (0.5, 0.5, 0.8), (0.8, 0.8, 1.6), ((0.25, 0.5, 0.22), (0.38, 0.56, 0.25)), 2
    ),
    "bathtub": Kind(bathtub, (1.45, 0.7, 0.5), (1.75, 0.85, 0.62), ((0.93, 0.94, 0.95),), 1.2),
    "toilet": Kind(toilet, (0.4, 0.64, 0.75), (0.48, 0.72, 0.88), ((0.94, 0.94, 0.93),), 2.5),
    "stove": Kind(
        stove,
        (0.58, 0.58, 0.85),
        (0.72, 0.64, 0.92),
        ((0.9, 0.9, 0.89), (0.5, 0.52, 0.55), (0.7, 0.25, 0.22)),
        2.5,
    ),
    "toy": Kind(
        toy,
        (0.7, 0.6, 0.4),
        (1.0, 0.9, 0.9),
        ((0.9, 0.25, 0.25), (0.25, 0.45, 0.9), (0.95, 0.6, 0.15)),
        1.2,
    ),
}

FITTINGS = {
    "window": Kind(window, (0.9, 0.04, 0.9), (1.6, 0.04, 1.3), ((0.72, 0.84, 0.97),)),
    "door": Kind(
        door, (0.85, 0.04, 2.0), (0.95, 0.04, 2.1), ((0.86, 0.84, 0.8), (0.55, 0.4, 0.28))
    ),
    "picture": Kind(
        picture,
        (0.5, 0.02, 0.4),
        (1.0, 0.02, 0.8),
        ((0.5, 0.65, 0.8), (0.8, 0.5, 0.4), (0.7, 0.7, 0.4)),
    ),
    "rug": Kind(
        rug,
        (1.2, 0.9, 0.012),
        (2.2, 1.6, 0.012),
        ((0.6, 0.3, 0.3), (0.35, 0.42, 0.55), (0.7, 0.62, 0.5)),
    ),
    "ceiling lamp": Kind(ceiling_lamp, (0.36, 0.36, 0.18), (0.5, 0.5, 0.22), ((1.0, 1.0, 1.0),)),
}


def _lighter(colour: Colour, by: float) -> Colour:
    r, g, b = colour
    return min(1.0, r * by), min(1.0, g * by), min(1.0, b * by)
