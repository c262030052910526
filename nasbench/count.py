"""Parameters and multiply-adds of a benchmark's architectures, as published: counted, and kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from nasbench.benchmark import open_benchmark
from nasbench.convert import tables
from nasbench.errors import BadFile, BadValue
from nasbench.store import Benchmark, write
from nasbench.table import Info, Rows

CLASSIFIED = {
    "cifar10": (32, 10),
    "cifar10_valid": (32, 10),
    "cifar100": (32, 100),
    "imagenet16_120": (16, 120),
}
"""By task: pixels a side and number of classes, where the whole network is known.

Its head is a global average pool and a linear layer with bias.
"""

SIZE = 256
"""Pixels a side of all other images: those of TransNAS-Bench-101."""


def count(
    name: str | Path,
    size: int = SIZE,
    tick: Callable[[int, int], None] = lambda done, total: None,
) -> Benchmark:
    """Count every architecture of a benchmark, put that into its file, and open it.

    Whole networks are counted for the tasks of `CLASSIFIED` (`params`, `macs`), encoders on images
    `size` high and wide for the others (`encoder_params`, `encoder_macs`). The facts are marked as
    derived; a recorded fact of the same name stays, and so does everything else, bit by bit.
    Raises `BadFile` without torch, `NotApplicable` for a space whose networks can't be built.
    """
    if size < 1:
        raise BadValue(f"images of {size} pixels a side: it must be at least 1")
    bench = open_benchmark(name)
    counted = {}
    for space, tasks in bench.spaces.items():
        rows = bench[space, tasks[0]].rows
        kept = {name: info for name, info in rows.info.items() if info.source == "measured"}
        counted[space] = {**rows.info, **_facts(rows, tasks, size, tick), **kept}
    return with_facts(bench, counted)


def with_facts(bench: Benchmark, facts: Mapping[str, Mapping[str, Info]]) -> Benchmark:
    """Write a benchmark's file anew, with these facts about the architectures of some spaces."""
    made = {"format", "version", "created", "content_sha256"}
    header = {key: value for key, value in bench.header.items() if key not in made}
    found = [
        (space, replace(table, rows=replace(table.rows, info=facts.get(space, table.rows.info))))
        for space, table in tables(bench)
    ]
    write(bench.path, header, found)
    return Benchmark(bench.path)


def _facts(
    rows: Rows, tasks: Sequence[str], size: int, tick: Callable[[int, int], None]
) -> dict[str, Info]:
    try:
        from nasbench.nets import count_encoders
    except ImportError:
        raise BadFile("counting needs torch: pip install 'nasbench[live]'") from None
    classified = [task for task in tasks if task in CLASSIFIED]
    sides = [CLASSIFIED[task][0] for task in classified]
    sizes = {*sides, *([size] if len(classified) < len(tasks) else [])}
    encoders, channels = {}, np.zeros(len(rows), np.int64)
    for pass_, side in enumerate(sorted(sizes)):
        encoders[side] = np.zeros((2, len(rows)), np.int64)
        for row, (counts, features) in enumerate(count_encoders(rows.space, rows.archs, side)):
            encoders[side][:, row] = counts.params, counts.macs
            channels[row] = features[0]
            tick(pass_ * len(rows) + row + 1, len(sizes) * len(rows))
    facts = {}
    if len(classified) < len(tasks):
        params, macs = encoders[size]
        facts["encoder_params"] = Info(params, "parameters", "derived")
        unit = f"multiply-adds on {size}x{size} pixels"
        facts["encoder_macs"] = Info(macs, unit, "derived")
    if classified:
        classes = np.array([CLASSIFIED[task][1] for task in classified])
        params, macs = np.stack([encoders[side] for side in sides], axis=-1)
        weights = channels[:, None] * classes
        whole, by_task = params + weights + classes, tuple(classified)
        facts["params"] = Info(whole, "parameters", "derived", by_task)
        facts["macs"] = Info(macs + weights, "multiply-adds", "derived", by_task)
    return facts
