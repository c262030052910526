"""Results against costs, and widths: what the report draws is what was found."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from torch import nn

from nasbench.budget import Budget
from nasbench.find import find
from nasbench.loop import Method
from nasbench.report import report
from nasbench.report.trade_offs import front
from nasbench.store import Benchmark, write
from nasbench.study import study, units
from nasbench.table import Info
from nasbench.trace import Traces
from tests.made_up import made_up

NAMES = ["local_search", "random_search"]


def test_the_front_is_what_nothing_beats_in_both() -> None:
    rng = np.random.default_rng(0)
    costs, scores = rng.integers(20, size=(2, 60)).astype(float)
    scores[:3] = np.nan, -np.inf, np.nan
    beaten = [
        any((costs <= c) & (scores >= s) & ((costs < c) | (scores > s)))
        for c, s in zip(costs, scores, strict=True)
    ]
    rows = front(costs, scores)
    points = sorted(zip(costs[rows], scores[rows], strict=True))
    every = zip(costs, scores, beaten, strict=True)
    assert points == sorted({(c, s) for c, s, b in every if not b and np.isfinite(s)})
    assert points == list(zip(costs[rows], scores[rows], strict=True))  # cheapest first
    assert not len(front(costs, np.full(60, np.nan)))


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Benchmark, Path]:
    folder = tmp_path_factory.mktemp("widths")
    tables = []
    for task in ("class_scene", "room_layout"):
        table = made_up("width", task)
        cost = (1 + table.rows.arch.astype(np.int64)).prod(axis=1) * 1000
        info = {"macs": Info(cost, "multiply-adds", "derived")}
        tables.append(("width", replace(table, rows=replace(table.rows, info=info))))
    header = {"benchmark": "widths", "title": "Widths", "answers": "best", "source": "made up"}
    write(folder / "widths.h5", {**header, "notes": ["none"], "left_out": ["none"]}, tables)
    bench = Benchmark(folder / "widths.h5")
    methods = [Method(name) for name in NAMES]
    for _ in study(units(bench, folder / "out", methods, seeds=3, budget=Budget(queries=9))):
        pass
    report(folder / "out", bench)
    return bench, folder / "out"


def test_what_is_drawn_is_what_was_found(reported: tuple[Benchmark, Path]) -> None:
    bench, out = reported
    costs = pd.read_csv(out / "report" / "costs_width.csv")
    widths = pd.read_csv(out / "report" / "widths_width.csv")
    assert len(costs) == len(widths) == 2 * len(NAMES) * 3
    for (task, method), some in costs.groupby(["task", "method"]):
        (file,) = (out / "traces" / "width" / str(task) / str(method)).glob("*.npz")
        traces, table = Traces.load(file), bench["width", str(task)]
        found = traces.arch[traces.judged[traces.start[1:] - 1]].tolist()
        assert some["value"].tolist() == pytest.approx([table.value(tuple(arch)) for arch in found])
        want = [np.prod(np.array(arch) + 1) / 1000 for arch in found]
        assert some["millions"].tolist() == pytest.approx(want)
        score, every = table.scores(), np.array(table.info["macs"]) / 1e6
        for row, told in zip(
            map(table.row, map(tuple, found)), some.to_dict("records"), strict=True
        ):
            near = np.flatnonzero(np.abs(every - every[row]) <= 0.05 * every[row])
            others = score[near[near != row]]
            assert told["equals"] == len(others)
            worse = (others < score[row]).sum() + (others == score[row]).sum() / 2
            assert told["better_than"] == pytest.approx(worse / len(others), nan_ok=True)
        drawn = widths[(widths.task == task) & (widths.method == method)].iloc[:, 3:]
        assert drawn.to_numpy().tolist() == [list(table.space.profile(tuple(a))) for a in found]
    for name in ("costs_width", "widths_width"):
        assert (out / "report" / f"{name}.png").stat().st_size > 5000


@pytest.mark.parametrize("name", ["width", "mbconv"])
def test_profiles_are_the_networks(name: str) -> None:
    """What leaves each layer: of an inverted residual, its last convolution."""
    space, rng = find("spaces", name), np.random.default_rng(0)
    for arch in (space.sample(rng) for _ in range(5)):
        encoder: Any = space.build(arch)
        layers = [graph.layers[0] for graph in encoder]
        ends = [[m for m in layer.modules() if isinstance(m, nn.Conv2d)] for layer in layers]
        assert space.profile(arch) == tuple(convs[-1].out_channels for convs in ends if convs)
