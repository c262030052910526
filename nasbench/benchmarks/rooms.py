"""Rooms: rendered images with exact labels, and networks that train in seconds on one core.

Ours, not published elsewhere: the two spaces and seven tasks of TransNAS-Bench-101 (Duan et al.,
CVPR 2021) on images that anyone can make. Nothing is looked up here; `--live` trains.
"""

from __future__ import annotations

from dataclasses import replace

from nasbench.benchmark import Declared
from nasbench.recipe import Live, Recipe
from nasbench.space import Scale

SCALE = Scale(width=8, depth=1, stride=2)
CLASSES = Recipe(
    images="rooms",
    size=32,
    train=12_288,
    valid=2_048,
    test=2_048,
    scale=SCALE,
    epochs=2,
    batch=128,
    lr=0.2,
    weight_decay=5e-4,
    schedule="linear",
    warmup=0.3,
)
DENSE = replace(CLASSES, batch=64, optimizer="adam", lr=5e-3, weight_decay=0.0)
RECIPES = {
    "class_object": CLASSES,
    "class_scene": CLASSES,
    "room_layout": CLASSES,
    "jigsaw": replace(CLASSES, options={"permutations": 64}),
    "segmentsemantic": DENSE,
    "normal": DENSE,
    "autoencoder": DENSE,
}

BENCHMARK = Declared(
    name="rooms",
    title="Rooms: both TransNAS-Bench-101 spaces, seven tasks on rendered rooms, trained here",
    citation="this project",
    answers="final",
    live=Live({"cell": "transnas_cell", "macro": "transnas_macro"}, RECIPES),
    licence="Apache-2.0",
)
