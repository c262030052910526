"""A space of a few cells, a benchmark on it, and trainings that take no time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from nasbench.benchmark import Declared
from nasbench.find import find
from nasbench.recipe import Live, Trainable, Trained
from nasbench.space import Architecture, Listed, Space
from tests.shapes import CLASSES, DENSE

CELL = type(find("spaces", "transnas_cell"))


class Few(Listed, CELL):  # type: ignore[misc, valid-type]
    """The cells without an edge 0-3 and 1x1 convolutions, and at most one skip."""

    name = "few"
    example = "64-41414-3_33_033"

    def __contains__(self, arch: object) -> bool:
        if not (isinstance(arch, tuple) and super().__contains__(arch)):
            return False
        return arch[3] == 0 and 2 not in arch and arch.count(1) <= 1

    def __iter__(self) -> Iterator[Architecture]:
        return Space.__iter__(self)


SPACE = Few()
BENCHMARK = Declared(
    name="trifles",
    title="Few cells on squares",
    citation="none",
    answers="final",
    licence="CC0-1.0",
    live=Live(
        {"cell": "few"},
        {
            "class_scene": replace(CLASSES, epochs=2, train=64),
            "jigsaw": replace(CLASSES, epochs=2, train=64, options={"permutations": 4}),
            "normal": replace(DENSE, epochs=2, train=64),
        },
    ),
)


class Offered:
    """What an entry point is, as far as `nasbench.find` looks."""

    def load(self) -> Space:
        return SPACE


def offered(kind: str) -> dict[str, Any]:
    """Stand for `nasbench.find._installed`: the space goes by its name."""
    return {"few": Offered()} if kind == "spaces" else {}


def pretended(log: list[tuple[str, Architecture, int]]) -> Callable[..., tuple[Trained, None]]:
    """Make what stands for `nasbench.live.train`, and notes what it was asked for."""

    def train(
        where: Trainable, arch: Architecture, seed: int = 0, epochs: int | None = None, **_: object
    ) -> tuple[Trained, None]:
        log.append((where.address, arch, seed))
        text = f"{where.address} {arch} {seed}".encode()
        rng = np.random.default_rng(list(sha256(text).digest()))
        names = ["train/loss", *(f"valid/{metric.name}" for metric in where.task)]
        length = where.epochs if epochs is None else epochs
        curves = {name: rng.random(length).tolist() for name in names}
        test = {metric.name: float(rng.random()) for metric in where.task}
        seconds = np.cumsum(1 + rng.random(length)).tolist()
        return Trained(curves, test, seconds, 5, 6), None

    return train


HERE = str(Path(__file__))
