"""Rooms: rendered images with exact labels, and networks that train in seconds on one core.

Ours, not published elsewhere: the two spaces and seven tasks of TransNAS-Bench-101 (Duan et al.,
CVPR 2021) on images that anyone can make. What is built so far is looked up, in the shipped table;
`--live` trains anything.
"""

from __future__ import annotations

from dataclasses import replace

from nasbench.benchmark import Declared
from nasbench.recipe import Live, Recipe
from nasbench.space import Scale

CLASSES = Recipe(
    images="rooms",
    size=24,
    train=4_096,
    valid=2_048,
    test=2_048,
    epochs=3,
    batch=64,
    lr=0.1,
    weight_decay=5e-4,
    schedule="linear",
    warmup=0.3,
)
DENSE = replace(CLASSES, optimizer="adam", lr=1e-2, weight_decay=0.0)
PICTURES = replace(
    DENSE,
    epochs=4,
    valid=1_024,
    test=1_024,
    options={"decoder": "subpixel", "coarse": 2, "dissimilarity": 1.0},
)
RECIPES = {
    "class_object": CLASSES,
    "class_scene": replace(CLASSES, epochs=4),
    "room_layout": CLASSES,
    "jigsaw": replace(CLASSES, options={"permutations": 64}),
    "segmentsemantic": replace(DENSE, options={"decoder": "subpixel", "every": 2, "balance": 0.5}),
    "normal": PICTURES,
    "autoencoder": PICTURES,
}
SCALES = {
    "cell": Scale(width=8, depth=1, stride=2, modules=3),
    "macro": Scale(width=4, depth=1, stride=2),
}

BENCHMARK = Declared(
    name="rooms",
    title="Rooms: both TransNAS-Bench-101 spaces, seven tasks on rendered rooms, trained here",
    citation="this project",
    answers="final",
    live=Live({"cell": "transnas_cell", "macro": "transnas_macro"}, RECIPES, SCALES),
    licence="Apache-2.0",
)
