"""Where a room is seen from."""

from __future__ import annotations

from math import sqrt
from typing import NamedTuple

from nasbench.tasks.images.scene.furniture import KINDS, Draw
from nasbench.tasks.images.scene.plan import Room, Stands, Vector, between
from nasbench.tasks.images.scene.scenes import Style

TRIES = 12
"""How often a place is looked for before the room is given up."""


class Camera(NamedTuple):
    """An eye, in the world, and its axes, each of length 1."""

    eye: Vector
    right: Vector
    up: Vector
    forward: Vector


def look(room: Room, style: Style, draw: Draw) -> Camera | None:
    """Turn a camera to an object of the room, from where nothing stands; None if that's nowhere."""
    if not room.objects:
        return None
    thing = _choose(room.objects, draw)
    (w, d, h), (x, y, z) = thing.size, thing.foot
    diagonal = sqrt(w * w + d * d + h * h)
    level = z + h * (0.4 + 0.4 * draw()) + 0.35 * draw()
    target = (x + 0.5 * (draw() - 0.5), y + 0.5 * (draw() - 0.5), level)
    taken = [each.reach(0.2) for each in room.objects]
    for _ in range(TRIES):
        a, b = 2 * draw() - 1, 2 * draw() - 1
        far = max(0.9, diagonal * between(style.near, draw)) / max(0.1, sqrt(a * a + b * b))
        eye = (x + a * far, y + b * far, between(style.eye, draw))
        inside = all(0.15 < at < long - 0.15 for at, long in zip(eye, room.size, strict=True))
        if inside and not any(a < eye[0] < c and b < eye[1] < d for a, b, c, d in taken):
            return _turned(eye, target)
    return None


def _choose(objects: list[Stands], draw: Draw) -> Stands:
    weights = [KINDS[each.word].weight for each in objects]
    total = 0.0
    for weight in weights:  # `sum` adds floats in another way since Python 3.12
        total += weight
    left = total * draw()
    for thing, weight in zip(objects, weights, strict=True):
        left -= weight
        if left < 0:
            return thing
    return objects[-1]


def _turned(eye: Vector, target: Vector) -> Camera:
    """Turn to a target, level to the right."""
    forward = _unit((target[0] - eye[0], target[1] - eye[1], target[2] - eye[2]))
    right = _unit((forward[1], -forward[0], 0.0))
    return Camera(eye, right, _cross(right, forward), forward)


def _cross(a: Vector, b: Vector) -> Vector:
    (ax, ay, az), (bx, by, bz) = a, b
    return ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx


def _unit(vector: Vector) -> Vector:
    x, y, z = vector
    length = sqrt(x * x + y * y + z * z)
    return x / length, y / length, z / length
