"""Proxies at work: as a search, and as scorers of tables, looked up or trained here."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nasbench import loop
from nasbench.__main__ import main
from nasbench.benchmark import trainable
from nasbench.budget import Budget
from nasbench.correlate import Target, correlate
from nasbench.errors import BadValue, NotApplicable, RunnerFailed
from nasbench.evaluate import FromTable
from nasbench.find import find
from nasbench.loop import Method, run
from nasbench.networks import Networks
from nasbench.report.provenance import _methods
from nasbench.space import Scale
from nasbench.store import Benchmark
from nasbench.table import Table
from nasbench.training import FromTraining
from tests.made_up import made_up, write_made_up
from tests.shapes import BENCHMARK
from tests.test_correlate import ARCHS, SPACE, N, table, written

pytest.importorskip("torch")

SHAPES = str(Path(__file__).parent / "shapes.py")
assert BENCHMARK.live


@pytest.fixture(scope="module")
def cells() -> Table:
    return made_up()


def asked(cells: Table, queries: int, seed: int = 0, **params: Any) -> list[tuple[int, ...]]:
    traces = run("zero_cost", cells, [seed], Budget(queries=queries), **params)
    return [tuple(arch) for arch in traces.arch.tolist()]


# ------------------------------------------------------------------------------------- as a search


def test_the_best_of_each_sample_come_first(cells: Table) -> None:
    archs = asked(cells, 60, proxy="params", sample=20)
    known = [sum(arch) for arch in archs]  # made-up parameters grow with it
    assert all(known[i : i + 20] == sorted(known[i : i + 20], reverse=True) for i in (0, 20, 40))
    assert known != sorted(known, reverse=True)
    assert len(set(archs)) == 60


def test_a_sample_as_large_as_the_space_is_all_of_it(cells: Table) -> None:
    archs = asked(cells, 5000, proxy="params", sample=9999)
    assert sorted(archs) == sorted(cells.space)
    assert [sum(arch) for arch in archs] == sorted((sum(arch) for arch in archs), reverse=True)


def test_equal_scores_are_asked_in_random_order(cells: Table) -> None:
    first, other = (asked(cells, 200, seed, proxy="params", sample=9999) for seed in (0, 1))
    assert first != other
    assert [sum(arch) for arch in first] == [sum(arch) for arch in other]


def test_it_asks_by_the_proxy(cells: Table) -> None:
    archs = asked(cells, 12, sample=12, batch=4, size=16, width=4, proxy="nwot")
    seed = int(np.random.default_rng(0).integers(2**32))
    networks = Networks(cells.space, batch=4, size=16, width=4)
    scores = [networks.score("nwot", arch, seed) for arch in archs]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > scores[-1]


def test_what_is_not_recorded_is_counted(cells: Table) -> None:
    """Made-up tables have parameters and no multiply-adds."""
    archs = asked(cells, 8, proxy="flops", sample=8)
    networks = Networks(cells.space)
    found = [networks.score("flops", arch) for arch in archs]
    assert found == sorted(found, reverse=True)


def test_a_trace_says_what_was_scored(cells: Table) -> None:
    traces = run("zero_cost", cells, budget=Budget(queries=2), sample=2)
    told = "networks of width 8 and depth 1 on 32x32 pixels, a batch of 32 of noise"
    assert traces.head["networks"] == told
    assert "networks" not in run("random_search", cells, budget=Budget(queries=2)).head


def test_a_page_says_what_was_scored(cells: Table) -> None:
    traces = run("zero_cost", cells, budget=Budget(queries=2), sample=2, proxy="params")
    study: Any = SimpleNamespace(runs={"a": {"zero_cost": traces}})
    (line,) = _methods(study, pd.DataFrame({"method": ["zero_cost"], "runs": [3]}))
    assert line.endswith(
        "3 seeds a table; it scores networks of width 8 and depth 1 on 32x32 pixels, a batch of 32 "
        "of noise, unless its parameters say otherwise"
    )


def test_what_goes_wrong_is_one_line(cells: Table) -> None:
    with pytest.raises(RunnerFailed, match="no proxy 'synflo'; did you mean 'synflow'"):
        asked(cells, 2, proxy="synflo")
    with pytest.raises(RunnerFailed, match="sample 0: at least 1"):
        asked(cells, 2, sample=0)
    with pytest.raises(RunnerFailed, match="networks with batch 1: it must be 2 or more"):
        asked(cells, 2, batch=1)


def test_without_networks_it_is_not_applicable(
    cells: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    class NotBuilt(type(SPACE)):  # type: ignore[misc]
        scale = None

    where = FromTable(replace(cells, rows=replace(cells.rows, space=NotBuilt())))
    assert "networks" not in where.has
    assert where.problem(Budget(queries=1)).networks is None
    with pytest.raises(NotApplicable, match="zero_cost needs networks, and the space does not say"):
        loop.run_method(Method("zero_cost"), where, [0], Budget(queries=1))
    monkeypatch.setattr(loop, "find_spec", lambda name: None)
    with pytest.raises(NotApplicable, match=r"needs torch: pip install 'nasbench\[live\]'"):
        asked(cells, 1)


# -------------------------------------------------------------------------- where it can be trained


@pytest.mark.parametrize("task", BENCHMARK.live.recipes)
def test_networks_are_those_that_are_trained(task: str) -> None:
    where, _ = trainable(f"{SHAPES}/cell/{task}")
    networks = FromTraining(where).problem(Budget(queries=1)).networks
    assert networks is not None
    assert (networks.scale, networks.pixels) == (Scale(4, 1, 2), 16)
    assert networks.told() == (
        "networks of width 4 and depth 1 on 16x16 pixels, a batch of 32 of training images"
    )
    networks = replace(networks, batch=8)
    for proxy in ("grad_norm", "synflow", "nwot", "jacob_cov", "zen", "fisher", "grasp", "snip"):
        assert np.isfinite(networks.score(proxy, (3,) * 6)), proxy
    if task in ("room_layout", "segmentsemantic", "normal", "autoencoder"):
        with pytest.raises(NotApplicable, match="this task has none"):
            networks.score("epe_nas", (3,) * 6)
    else:
        assert networks.score("epe_nas", (3,) * 6) > 0


def test_images_are_looked_at() -> None:
    where, _ = trainable(f"{SHAPES}/cell/class_scene")
    images, noise = Networks(SPACE, where), Networks(SPACE, width=4, size=16)
    assert images.scale == noise.scale
    assert images.score("l2_norm", (3,) * 6) == pytest.approx(
        noise.score("l2_norm", (3,) * 6), rel=0.2
    )
    assert images.score("nwot", (3,) * 6) != noise.score("nwot", (3,) * 6)


# --------------------------------------------------------------------------------------- as scorers


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    truth = np.random.default_rng(1).normal(size=N)
    path = tmp_path_factory.mktemp("bench") / "one.h5"
    return written(path, [table("jigsaw", truth, 2), table("class_scene", truth, 3)])


def test_a_sample_of_rows_is_scored(bench: Benchmark) -> None:
    ticks: list[tuple[int, int]] = []
    target = Target(bench["jigsaw"], bench, lambda done, total: ticks.append((done, total)))
    found = find("scorers", "synflow")(target, "sample=15:size=16:seed=3")
    rows = np.flatnonzero(~np.isnan(found.values))
    networks = Networks(SPACE, size=16)
    assert len(rows) == 15
    assert found.values[rows].tolist() == [networks.score("synflow", ARCHS[r], 3) for r in rows]
    assert found.of == "networks of width 8 and depth 1 on 16x16 pixels, seed 3"
    assert np.isnan(found.tau)
    assert ticks == [(done, 15) for done in range(1, 16)]
    other = find("scorers", "synflow")(target, "sample=15:size=16")
    assert not np.array_equal(np.isnan(found.values), np.isnan(other.values))


def test_all_rows_are_scored(bench: Benchmark) -> None:
    (found,) = correlate(bench, bench["jigsaw"], ["l2_norm:width=4:size=8"], draws=5).scorers
    assert found.agreement.n == N
    assert np.isnan(found.ceiling)
    (other,) = correlate(bench, bench["class_scene"], ["l2_norm:width=4:size=8"], draws=5).scorers
    assert other.of == found.of  # the same numbers, whatever the task


def test_a_table_that_says_how_it_was_trained_is_scored_as_that(tmp_path: Path) -> None:
    where, _ = trainable(f"{SHAPES}/cell/class_scene")
    truth = np.random.default_rng(1).normal(size=N)
    packed = written(tmp_path / "two.h5", [table("class_scene", truth, 3)])
    told = json.dumps({"cell/class_scene": where.content}, default=repr)
    packed.header["recipes"] = told
    target = Target(packed["class_scene"], packed)
    found = find("scorers", "nwot")(target, "sample=3:batch=8")
    rows = np.flatnonzero(~np.isnan(found.values))
    networks = Networks(SPACE, where, batch=8)
    assert found.values[rows].tolist() == [networks.score("nwot", ARCHS[r]) for r in rows]
    assert found.of == (
        "networks of width 4 and depth 1 on 16x16 pixels, a batch of 8 of training images, seed 0"
    )


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("3", "nwot:3: expected numbers of sample, seed, width, depth, size, batch, as in nwot:se"),
        ("sample=many", "nwot:sample=many: expected numbers"),
        ("sample=0", "nwot:sample=0: expected numbers"),
        ("stride=2", "nwot:stride=2: expected numbers"),
        ("batch=1", "networks with batch 1: it must be 2 or more"),
    ],
)
def test_a_wrong_argument(argument: str, said: str, bench: Benchmark) -> None:
    with pytest.raises(BadValue, match=said):
        find("scorers", "nwot")(Target(bench["jigsaw"], bench), argument)


def test_the_command(bench: Benchmark, capsys: pytest.CaptureFixture[str]) -> None:
    where = f"{bench.path}/cell/jigsaw"
    scorers = "synflow:sample=5:size=8,params,zen:sample=4:size=8"
    assert main(["correlate", where, "--scorers", scorers, "--draws", "3"]) == 0
    out = capsys.readouterr().out
    assert "synflow:sample=5:size=8 is networks of width 8 and depth 1 on 8x8 pixels, seed 0" in out


def test_a_run_says_what_was_scored(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = f"{write_made_up(tmp_path / 'made_up.h5')}/cell/jigsaw"
    assert main(["run", where, "--runner", "zero_cost:sample=3", "--queries", "2"]) == 0
    out = capsys.readouterr().out
    assert "scored before any training: networks of width 8 and depth 1 on 32x32 pixels" in out
