"""Images that need no rendering, and a benchmark that trains on them in a fraction of a second.

A bright square on a dark ground: where it is and what colour it has say all the labels. As a user's
own files are, it is found by its path, as images and as a benchmark.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nasbench.benchmark import Declared
from nasbench.images import Images, Label, Wanted
from nasbench.recipe import Live, Recipe
from nasbench.space import Scale

SEEDS = {"train": 0, "valid": 1, "test": 2}


class Shapes(Images):
    """A square of 4 to 8 pixels, in one of four colours and four quadrants."""

    name = "shapes"
    labels: Mapping[str, Label] = {
        label.name: label
        for label in (
            Label("rgb", "picture", 3),
            Label("class_object", "class", 4, ("red", "green", "blue", "white")),
            Label("class_scene", "class", 4),
            Label("class", "class", 4),
            Label("room_layout", "numbers", 9),
            Label("segmentsemantic", "mask", 5),
            Label("normal", "picture", 3),
        )
    }

    def load(self, wanted: Wanted, labels: Sequence[str]) -> Mapping[str, NDArray[Any]]:
        rng = np.random.default_rng(SEEDS[wanted.split])
        n, size = wanted.count or 256, wanted.size
        colour, place = rng.integers(4, size=(2, n))
        shade = np.vstack([np.eye(3), np.ones(3)])[colour] * 160
        top, left = place // 2 * (size // 2) + 1, place % 2 * (size // 2) + 1
        y, x = np.mgrid[:size, :size]
        side = size // 4
        inside = (y >= top[:, None, None]) & (y < top[:, None, None] + side)
        inside &= (x >= left[:, None, None]) & (x < left[:, None, None] + side)
        rgb = rng.integers(40, size=(n, size, size, 3)) + inside[..., None] * shade[:, None, None]
        mask = np.where(inside, colour[:, None, None] + 1, 0)
        found = {
            "rgb": rgb.astype(np.uint8),
            "class_object": colour,
            "class_scene": place,
            "class": colour,
            "room_layout": np.stack([top, left, *[colour] * 7], 1).astype(np.float32) / size,
            "segmentsemantic": mask.astype(np.uint8),
            "normal": np.repeat(mask[..., None] * 50, 3, -1).astype(np.uint8),
        }
        return {name: found[name] for name in {"rgb", *labels}}

    def digest(self, wanted: Wanted) -> str:
        return f"shapes 1 {wanted.split} {wanted.size} {wanted.count}"


IMAGES = Shapes()

CLASSES = Recipe(
    images=__file__,
    size=16,
    train=256,
    valid=64,
    test=64,
    scale=Scale(4, 1, 2),
    epochs=3,
    batch=32,
    lr=0.1,
    warmup=0.3,
)
DENSE = replace(CLASSES, optimizer="adam", lr=0.01, schedule="linear")
BENCHMARK = Declared(
    name="shapes",
    title="Squares",
    citation="none",
    answers="final",
    live=Live(
        {"cell": "transnas_cell", "macro": "transnas_macro", "width": "width", "mbconv": "mbconv"},
        {
            "class_object": replace(CLASSES, augment="flip"),
            "class_scene": CLASSES,
            "room_layout": CLASSES,
            "jigsaw": replace(CLASSES, options={"permutations": 4}),
            "segmentsemantic": DENSE,
            "normal": DENSE,
            "autoencoder": replace(DENSE, options={"adversarial": 0.1}),
        },
    ),
)
