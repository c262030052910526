"""Tables with made-up values, for tests that need a benchmark and no real data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache, lru_cache
from math import inf
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import h5py
import numpy as np
import pytest

from nasbench.budget import Budget
from nasbench.find import find, names
from nasbench.loop import SOURCE_SEEDS, Method, run
from nasbench.search import Runner
from nasbench.space import Space
from nasbench.store import write
from nasbench.table import Column, Info, Point, Rows, Table
from nasbench.task import Metric, Task
from nasbench.trace import Traces

ERROR = Task("made_up", Metric("error", "min", "%", (0.0, inf)))
"""A task whose main metric gets better when it gets less."""

EPOCHS, SEEDS = 9, 3

SMALL = [name for name in names("spaces") if find("spaces", name).size <= 40_000]
LARGE = [name for name in names("spaces") if name not in SMALL]
"""Spaces that a test can go through, and those of which it sees a sample."""

ONE_SHOT = [name for name in names("runners") if "live" in Method(name).needs]
BLACK_BOX = [name for name in names("runners") if name not in ONE_SHOT]

CHEAP: dict[str, dict[str, Any]] = {
    "bananas": {"members": 2, "epochs": 10},
    "pnas": {"members": 2, "epochs": 10, "width": 8},
    "tpe": {"candidates": 1},
    "zero_cost": {"proxy": "l2_norm", "sample": 20},
    "random_weight_sharing": {"draws": 20, "glance": 3},
    "spos": {"population": 12, "generations": 2, "parents": 3, "mutants": 4, "crossings": 4}
    | {"recalibrate": 1, "glance": 3},
    "cafenet": {"looks": 3, "population": 12, "generations": 2, "parents": 3, "mutants": 4}
    | {"crossings": 4, "glance": 3},
    "pinas": {"draws": 20, "recalibrate": 1, "glance": 3},
    "parsec": {"samples": 3},
    "fp_nas": {"samples": 3},
    "atomnas": {"threshold": 0.97, "average": 0.01},
}
"""What makes a method fast where its contract is tested; the golden traces have the defaults."""


def look_less(patch: pytest.MonkeyPatch, ranked: int = 8) -> None:
    """Compare one-shot runs with few ranks, and few of their paths with each other."""
    patch.setattr("nasbench.oneshot.RANKED", ranked)
    patch.setattr("nasbench.oneshot.PAIRS", 1)


@lru_cache(maxsize=64)
def made_up(space: str | Space = "transnas_cell", task: str | Task = "class_scene") -> Table:
    """Make learning curves of three seeds; an architecture is good where its numbers are large.

    A table is made once and shared: nobody changes it.
    """
    space = find("spaces", space) if isinstance(space, str) else space
    task = find("tasks", task) if isinstance(task, str) else task
    rng = np.random.default_rng(len(space))
    names = [space.spell(arch) for arch in space]
    archs = np.array(list(space), np.int8)
    quality = (archs / np.array(space.choices)).mean(axis=1)
    rise = 1 - np.exp(-np.arange(1, EPOCHS + 1) / 3)
    noise = rng.normal(scale=0.02, size=(len(space), SEEDS, EPOCHS))
    score = quality[:, None, None] * rise + noise
    valid = (50 + 30 * task.metric.sign * score).astype(np.float32)
    test = valid + rng.normal(scale=0.5, size=valid.shape).astype(np.float32)
    columns, main = {}, task.metric.name
    chosen = np.argmax(task.metric.sign * valid, axis=2)[:, :, None]
    for split, curve in (("valid", valid), ("test", test)):
        columns[Point("curve", split, main)] = Column(curve)
        best = np.take_along_axis(curve, chosen, axis=2)[:, :, 0]
        columns[Point("best", split, main)] = Column(best, f"valid {main}")
        columns[Point("final", split, main)] = Column(curve[:, :, -1])
    seconds = (10 + archs.sum(axis=1))[:, None, None] * np.arange(1.0, EPOCHS + 1)
    return Table(
        f"made_up/{space.name}/{task.name}",
        Rows.of(space, names, params=Info(1000 * archs.sum(axis=1) + 7)),
        task,
        "best",
        np.arange(1, EPOCHS + 1, dtype=np.int32),
        np.array([777, 888, 999]),
        columns,
        np.repeat(seconds, SEEDS, axis=1).astype(np.float32),
    )


class Target(Protocol):
    """What is searched, as far as what is learned from must be like it."""

    @property
    def address(self) -> str: ...
    @property
    def space(self) -> Space: ...
    @property
    def content_sha256(self) -> str: ...


def history(runner: str | Runner, target: Target, seeds: Sequence[int]) -> list[Traces]:
    """Search at random on another task, for a method that learns from one; else nothing."""
    if "history" not in Method(runner).needs:
        return []
    benchmark, space, task = target.address.split("/")
    other = made_up(target.space, "normal" if task == "jigsaw" else "jigsaw")
    past = [seed + SOURCE_SEEDS for seed in seeds]
    traces = run("random_search", other, past, Budget(queries=60))
    told = {"benchmark": benchmark, "space": space, "content_sha256": target.content_sha256}
    return [replace(traces, head={**traces.head, **told})]


def write_made_up(path: Path) -> Path:
    """Write a benchmark of two spaces and three tables."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_written())
    return path


@cache
def _written() -> bytes:
    cell, macro = "transnas_cell", "transnas_macro"
    tables = [("cell", made_up(cell)), ("cell", made_up(cell, "jigsaw")), ("macro", made_up(macro))]
    header = {"benchmark": "made_up", "title": "Made-up values", "citation": "none"}
    header |= {"answers": "best", "source": "made up", "source_sha256": "", "licence": "none"}
    with TemporaryDirectory() as folder:
        path = Path(folder, "made_up.h5")
        write(path, {**header, "notes": ["made up"], "left_out": ["the truth"]}, tables)
        return path.read_bytes()


def without_seal(path: Path) -> Path:
    """Make of a file one from before there were seals, beside it: HDF5 from its first byte on."""
    old = path.with_name("old.h5")
    with h5py.File(path, "r", locking=False) as file:
        start = file.userblock_size
    old.write_bytes(path.read_bytes()[start:])
    return old
