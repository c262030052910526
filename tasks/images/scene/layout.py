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
    "turn about right",
    "turn about up",
    "turn about back",
)
"""Metres, and sines; each less its `MEAN`, and divided by its `STD`."""
MEAN = (0.0, 0.2, -0.4, 3.7, 2.6, 3.8, 0.22, 0.0, 0.0)
STD = (0.95, 0.28, 0.7, 0.8, 0.145, 0.8, 0.19, 0.44, 0.075)


def layout(room: Room, camera: Camera) -> tuple[float, ...]:
    """Return the nine numbers of a room as its camera sees it.

    The camera's axes are right, up and back. The box's own are those that are nearest to them: its
    depth is along the wall that the camera looks along most. The turn from the camera's axes to the
    box's is an axis times the sine of its angle, which is less than 90 degrees.
    """
    x, y, z = camera.forward
    axes = (camera.right, camera.up, (-x, -y, -z))
    if abs(x) > abs(y):
        back = (-1.0 if x > 0 else 1.0, 0.0, 0.0)
        width, depth = room.size[1], room.size[0]
    else:
        back = (0.0, -1.0 if y > 0 else 1.0, 0.0)
        width, depth = room.size[0], room.size[1]
    box = ((-back[1], back[0], 0.0), (0.0, 0.0, 1.0), back)
    (_, ab, ac), (ba, _, bc), (ca, cb, _) = (
        tuple(_dot(of_camera, of_box) for of_box in box) for of_camera in axes
    )
    w, d, h = room.size
    away = (w / 2 - camera.eye[0], d / 2 - camera.eye[1], h / 2 - camera.eye[2])
    middle = (_dot(away, along) for along in axes)
    turn = ((cb - bc) / 2, (ac - ca) / 2, (ba - ab) / 2)
    numbers = (*middle, width, h, depth, *turn)
    return tuple((n - m) / s for n, m, s in zip(numbers, MEAN, STD, strict=True))


def _dot(a: Vector, b: Vector) -> float:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
