"""What is counted is put into a benchmark's file, and nothing else in it changes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nasbench
from nasbench.budget import Budget
from nasbench.convert import arrays
from nasbench.count import count
from nasbench.errors import BadFile, BadValue, NotApplicable
from nasbench.evaluate import FromTable
from nasbench.find import find
from nasbench.nets import count_encoders
from nasbench.space import Space
from nasbench.store import Benchmark, write
from nasbench.table import Column, Info, Point, Rows, Table
from tests.made_up import write_made_up


def small(space: str, task: str, names: Sequence[str] = (), **info: Info) -> Table:
    """A table of one training of these architectures, or of the first five."""
    found = find("spaces", space)
    rows = Rows.of(found, names or [found.spell(found.at(k)) for k in range(5)], **info)
    top1 = Column(np.full((len(rows), 1), 50, np.float32))
    epoch, seed = np.ones(1, np.int32), np.ones(1, np.int64)
    columns = {Point("final", "valid", "top1"): top1}
    return Table(f"bench/{space}/{task}", rows, find("tasks", task), "final", epoch, seed, columns)


def written(*tables: tuple[str, Table], **header: Any) -> Path:
    write(Path("bench.h5"), {"benchmark": "bench", "answers": "final", **header}, tables)
    return Path("bench.h5")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_everything_else_stays_bit_by_bit() -> None:
    path = write_made_up(Path("made_up.h5"))
    before = Benchmark(path)
    was, header = dict(arrays(before)), before.header
    after = count(path, 64)
    now = dict(arrays(after))
    assert now.keys() - was.keys() == {
        f"{space}/info/{name}"
        for space in ("cell", "macro")
        for name in ("encoder_params", "encoder_macs")
    }
    for name, values in was.items():
        assert now[name].dtype == values.dtype, name
        assert now[name].tobytes() == values.tobytes(), name
    changed = {key for key in header if header[key] != after.header[key]}
    assert {"content_sha256"} <= changed <= {"content_sha256", "created"}
    assert list(after) == list(before)
    for space, task in before:
        for point, column in before[space, task].columns.items():
            told = after[space, task].columns[point]
            assert (told.epoch_chosen_by, told.data_set) == (
                column.epoch_chosen_by,
                column.data_set,
            )


def test_counting_again_changes_nothing() -> None:
    path = written(("cell", small("transnas_cell", "jigsaw")))
    first = count(path, 32).header["content_sha256"]
    assert count(path, 32).header["content_sha256"] == first
    assert count(path, 33).header["content_sha256"] != first


def test_encoders_are_counted_where_the_head_is_not_known() -> None:
    bench = count(write_made_up(Path("made_up.h5")))
    for name in ("cell", "macro"):
        table = bench[name, "class_scene"]
        info = table.rows.info
        assert [info[fact].source for fact in ("params", "encoder_params")] == [
            "measured",
            "derived",
        ]
        assert info["encoder_macs"].unit == "multiply-adds on 256x256 pixels"
        found = [counts for counts, _ in count_encoders(table.space, table.rows.archs, 256)]
        assert table.info["encoder_params"] == [counts.params for counts in found]
        assert table.info["encoder_macs"] == [counts.macs for counts in found]


def test_a_lookup_and_a_search_see_them() -> None:
    table = count(write_made_up(Path("made_up.h5")))["cell", "jigsaw"]
    arch = table.rows.archs[7]
    expected = table.info["encoder_macs"][7]
    assert table.query(arch).info["encoder_macs"] == expected
    problem = FromTable(table).problem(Budget(queries=1))
    assert problem.measure(arch)["encoder_macs"] == expected


def test_whole_networks_are_counted_by_task() -> None:
    """Recorded for the first cell: 0.129306, 0.135156 and 0.136456 million parameters."""
    tasks = ["cifar10", "cifar100", "imagenet16_120"]
    edges = ["avg_pool_3x3~0|+|nor_conv_1x1~0", "skip_connect~1|+|nor_conv_1x1~0"]
    name = "|".join(["", *edges, "skip_connect~1", "skip_connect~2", ""])
    bench = count(written(*(("cell", small("nasbench201", task, [name])) for task in tasks)))
    found = [bench[task].facts(0) for task in tasks]
    assert [facts["params"] for facts in found] == [129_306, 135_156, 136_456]
    flops = [15_647_370, 15_653_220, 3_919_480]
    biases = [10, 100, 120]
    assert [f["macs"] + b for f, b in zip(found, biases, strict=True)] == flops
    assert bench["cifar10"].rows.info["macs"].tasks == ("cifar10", "cifar100", "imagenet16_120")


def test_a_recorded_fact_is_never_replaced() -> None:
    recorded = Info(np.full(5, np.nan), "parameters")
    stale = Info(np.zeros(5), "multiply-adds", "derived")
    other = Info(np.arange(5.0), "", "derived")
    table = small("nats_size", "cifar10", params=recorded, macs=stale, other=other)
    info = count(written(("size", table)))["cifar10"].rows.info
    assert np.isnan(info["params"].values).all()
    assert (info["macs"].values > 0).all()
    assert info["other"].values.tolist() == other.values.tolist()


def test_progress_reaches_its_end() -> None:
    tables = [("size", small("nats_size", task)) for task in ("cifar10", "imagenet16_120")]
    ticks: list[tuple[int, int]] = []
    count(written(*tables), tick=lambda done, total: ticks.append((done, total)))
    assert ticks == [(done, 10) for done in range(1, 11)]


def test_without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(("size", small("nats_size", "cifar10")))
    before = path.read_bytes()
    monkeypatch.setitem(sys.modules, "nasbench.nets", None)
    with pytest.raises(BadFile, match=r"counting needs torch: pip install 'nasbench\[live\]'"):
        count(path)
    assert path.read_bytes() == before


def test_what_can_not_be_counted_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(("size", small("nats_size", "cifar10")))
    with pytest.raises(BadValue, match="images of 0 pixels a side: it must be at least 1"):
        count(path, 0)
    with monkeypatch.context() as patch:
        patch.setattr(type(find("spaces", "nats_size")), "layout", Space.build)
        with pytest.raises(NotApplicable, match="nats_size says how to write networks, not to"):
            count(path)
    with pytest.raises(BadFile, match="no file"):
        count("none.h5")
    assert nasbench.open(path)["cifar10"].info == {}
