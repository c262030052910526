"""Where a room is, as nine numbers: the middle, size and turn of its box before the camera."""

from __future__ import annotations

from nasbench.tasks.images.scene.camera import Camera
from nasbench.tasks.images.scene.plan import Room, Vector

MEANINGS = (
    "middle right",
    "middle up",
    "middle back",
    "width",
    "height",
    "depth",
    "slope",
    "turn cosine",
    "turn sine",
)
"""Metres, and numbers from -1 to 1; each less its `MEAN`, and divided by its `STD`."""
MEAN = (0.0, 0.2, -0.4, 3.7, 2.6, 3.8, -0.24, 0.0, 0.0)
STD = (0.95, 0.28, 0.7, 0.8, 0.145, 0.8, 0.2, 0.7, 0.7)


def layout(room: Room, camera: Camera) -> tuple[float, ...]:
    """Return the nine numbers of a room as its camera sees it.

    The box's depth is along the walls that the camera looks along most. `slope` is the sine of the
    angle at which it looks up. It's turned to the right of the depth by an angle of at most 45
    degrees, and four times this angle has the cosine and sine that are told: so they don't jump
    where width and depth change their names.
    """
    x, y, z = camera.forward
    away = tuple(long / 2 - at for long, at in zip(room.size, camera.eye, strict=True))
    middle = [_dot(away, axis) for axis in (camera.right, camera.up, camera.forward)]
    w, d, h = room.size
    width, depth = (d, w) if abs(x) > abs(y) else (w, d)
    flat = x * x + y * y
    cosine = 1 - 8 * (x * x) * (y * y) / (flat * flat)
    sine = 4 * x * y * (y * y - x * x) / (flat * flat)
    numbers = (middle[0], middle[1], -middle[2], width, h, depth, z, cosine, sine)
    return tuple((n - m) / s for n, m, s in zip(numbers, MEAN, STD, strict=True))


def _dot(a: tuple[float, ...], b: Vector) -> float:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
