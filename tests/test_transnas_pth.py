"""The published file of TransNAS-Bench-101: every value of a made-up one in its format and size."""

from __future__ import annotations

import csv
import gzip
import json
import os
import subprocess
import sys
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nasbench.benchmarks.transnas101 as transnas101
from nasbench.benchmark import import_benchmark
from nasbench.errors import BadFile
from nasbench.store import Benchmark
from nasbench.table import SPLITS, Point
from tests import transnas_pth as source

PLACES = {"cell": "micro", "macro": "macro"}
IMPORT = """
import json, sys
from nasbench.benchmark import import_benchmark
from tests.transnas_pth import peak

bench = import_benchmark("transnas101", sys.argv[1])
print(json.dumps([str(bench.path), peak() / 1e9]))
"""


@pytest.fixture(scope="module")
def data() -> source.Published:
    return source.made_up()


def imported(path: Path) -> tuple[Benchmark, float]:
    """Import in a process of its own: the benchmark, and its peak in GB."""
    environment = {**os.environ, "NASBENCH_HOME": str(path.parent / "home")}
    command = [sys.executable, "-c", IMPORT, str(path)]
    done = subprocess.run(command, capture_output=True, env=environment, check=True, text=True)
    target, peak = json.loads(done.stdout)
    return Benchmark(target), peak


@pytest.fixture(scope="module")
def measured(
    data: source.Published, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Benchmark, float]:
    folder = tmp_path_factory.mktemp("transnas")
    return imported(source.save(data, folder / "transnas-bench_v10141024.pth"))


@pytest.fixture(scope="module")
def bench(measured: tuple[Benchmark, float]) -> Benchmark:
    return measured[0]


def api(record: Any, metric: str, mode: str | int) -> Any:
    """Answer as the published API does: the last, the maximum, one epoch, or the curve."""
    curve = record["metrics"][metric]
    if mode == "list":
        return curve
    if isinstance(mode, int):
        return curve[mode]
    return {"final": curve[-1], "best": max(curve)}[mode]


def answers(data: source.Published, space: str, task: str, metric: str, mode: str | int) -> Any:
    part = data["data"][PLACES[space]]
    return np.array([api(record[task], metric, mode) for record in part.values()], np.float32)


def test_small(measured: tuple[Benchmark, float]) -> None:
    assert measured[1] < 1.2


@pytest.mark.parametrize("task", source.EPOCHS)
def test_every_value_is_the_published_apis(
    task: str, bench: Benchmark, data: source.Published
) -> None:
    main = source.MAIN[task]
    for space in PLACES:
        table = bench[space, task]
        assert table.rows.names == tuple(data["data"][PLACES[space]])
        assert table.epoch.tolist() == list(range(1, source.EPOCHS[task] + 1))
        curve = answers(data, space, task, main, "list")
        chosen = curve.argmax(axis=1)
        assert (chosen < source.EPOCHS[task] - 1).mean() > 0.9
        for name in source.metrics(task)[:-1]:
            split, metric = name.split("_", 1)
            curve = answers(data, space, task, name, "list")
            assert (table.column(split, metric, 1).values[:, 0] == curve).all()
            final = answers(data, space, task, name, "final")
            assert (table.trials(split, metric, "final")[:, 0] == final).all()
            best = table.trials(split, metric, "best")[:, 0]
            assert (best == curve[np.arange(len(curve)), chosen]).all()
            column = table.column(split, metric, "best")
            assert column.epoch_chosen_by == main.replace("_", " ", 1)
            theirs = answers(data, space, task, name, "best")
            if name == main:
                assert (best == theirs).all()
            elif "loss" in name and "neg" not in name:
                assert (best < theirs).mean() > 0.99  # theirs is the worst epoch
            else:
                assert (best <= theirs).all()
                assert (best < theirs).any()  # theirs is chosen on the test
        for epoch in (0, source.EPOCHS[task] // 2):
            theirs = answers(data, space, task, main, epoch)
            assert (table.values(at=epoch + 1) == theirs).all()
        seconds = answers(data, space, task, "time_elapsed", "list")
        assert table.seconds is not None
        assert (table.seconds[:, 0] == seconds).all()
        assert (table.cost_seconds(2) == seconds[:, 1]).all()


def test_lookup_answers_the_best_epoch_so_far(bench: Benchmark, data: source.Published) -> None:
    table = bench["cell", "class_scene"]
    curve = answers(data, "cell", "class_scene", "valid_top1", "list")
    assert (table.answer() == curve.max(axis=1)).all()
    assert (table.answer(4) == curve[:, :4].max(axis=1)).all()


def test_the_infinite_loss(bench: Benchmark) -> None:
    name, task, metric, epoch = source.DIVERGED
    split, _, metric = metric.partition("_")
    table = bench["macro", task]
    assert table.value(name, split, metric, epoch + 1) == np.inf
    assert np.isinf(table.column(split, metric, 1).values).sum() == 1
    assert np.isfinite(table.value(name, split, metric, "best"))


def test_facts(bench: Benchmark, data: source.Published) -> None:
    ours = {"latency": "inference_time", "params": "model_params", "flops": "model_FLOPs"}
    ours |= {"encoder_params": "encoder_params", "encoder_flops": "encoder_FLOPs"}
    for space, task in product(PLACES, source.EPOCHS):
        rows = bench[space, task].rows
        assert rows.info.keys() == ours.keys()
        assert rows.info["params"].tasks == tuple(transnas101.EPOCHS)
        assert rows.info["encoder_params"].tasks == ()
        assert rows.info["latency"].unit == "s"
        for row in (0, 499, len(rows) - 1):
            told = data["data"][PLACES[space]][rows.names[row]][task]["model_info"]
            facts = bench[space, task].facts(row)
            assert facts == {name: told[theirs] for name, theirs in ours.items()}


def test_header(bench: Benchmark) -> None:
    assert bench.header["source"].startswith("transnas-bench_v10141024.pth; NOT the file")
    assert len(bench.header["source_sha256"]) == 64
    notes = " ".join(bench.header["notes"])
    for words in (
        "the published API takes each metric's own maximum",
        "for a loss it is the worst epoch",
        "chosen on the test",
        "its unit is not told",
        "one training per architecture",
    ):
        assert words in notes
    assert list(bench) == list(product(("cell", "macro"), sorted(source.EPOCHS)))
    for space, task in bench:
        table = bench[space, task]
        points = product(("curve", "best", "final"), SPLITS, [m.name for m in table.task])
        assert set(table.columns) == {Point(*point) for point in points}
        assert table.seed.tolist() == [-1]


# ------------------------------------------------------------------------- damaged, or different

FIRST, LAST, TASK = "64-111114-basic", "64-4443-basic", "class_object"
"""Where the damage is: in the space and task that are read first."""


def changed(data: Any, change: Callable[[Any], Any], *keys: Any) -> Any:
    """Return a copy that differs in one place, sharing all the rest."""
    if not keys:
        return change(data)
    copy = data.copy()
    copy[keys[0]] = changed(data[keys[0]], change, *keys[1:])
    return copy


def without(key: str) -> Callable[[Any], Any]:
    return lambda found: {name: value for name, value in found.items() if name != key}


CURVE = ("data", "macro", LAST, TASK, "metrics", "valid_top1")
DAMAGES: dict[str, tuple[Callable[[Any], Any], tuple[str, ...], str]] = {
    "a list": (lambda _: [], (), "no architectures at data/macro"),
    "a number": (lambda _: 5, (), "is not the published"),
    "no data": (without("data"), (), "no architectures at data/macro"),
    "data is a list": (lambda _: [1], ("data",), "no architectures at data/macro"),
    "a space is a list": (lambda _: [1], ("data", "macro"), "no architectures at data/macro"),
    "names are numbers": (lambda found: {1: 2}, ("data", "macro"), "no architectures"),
    "no micro": (without("micro"), ("data",), "no architectures at data/micro"),
    "one lost": (without(LAST), ("data", "macro"), "expected 3,256 architectures"),
    "one more": (lambda found: {**found, "x": {}}, ("data", "macro"), "found 3,257"),
    "another name": (
        lambda found: {**without(LAST)(found), "64-4-basic": found[LAST]},
        ("data", "macro"),
        "'64-4-basic' is not in transnas_macro",
    ),
    "no record": (lambda _: None, ("data", "macro", FIRST), f"{FIRST}: no class_object"),
    "no task": (without("normal"), ("data", "macro", LAST), f"{LAST}: no normal"),
    "no metrics": (without("metrics"), ("data", "macro", LAST, TASK), f"{TASK}/metrics"),
    "no metric": (
        without("train_loss"),
        CURVE[:-1],
        f"{LAST}: no {TASK}/metrics/train_loss",
    ),
    "no time": (without("time_elapsed"), CURVE[:-1], "metrics/time_elapsed"),
    "no info": (without("inference_time"), (*CURVE[:4], "model_info"), "inference_time"),
    "other epochs": (lambda _: 26, (*CURVE[:4], "total_epochs"), "26 epochs, but others have 25"),
    "no epochs": (lambda _: "25", (*CURVE[:4], "total_epochs"), "is no number of epochs"),
    "a curve cut": (
        lambda curve: curve[:-1],
        CURVE,
        f"{LAST}, {TASK}: valid_top1 is no list of 25",
    ),
    "no curve": (lambda _: 12.5, CURVE, "valid_top1 is no list of 25 numbers"),
    "text as time": (
        lambda curve: ["00:01:02"] * 25,
        (*CURVE[:-1], "time_elapsed"),
        f"{LAST}, {TASK}, time_elapsed: expected a number, found a str",
    ),
    "nothing in a curve": (lambda curve: [*curve[:-1], None], CURVE, "found a NoneType"),
    "a truth": (lambda curve: [True, *curve[1:]], CURVE, "found a bool"),
    "too large": (lambda curve: [10**400, *curve[1:]], CURVE, "a number is too large"),
    "a list in it": (lambda curve: [[1.0], *curve[1:]], CURVE, "found a list"),
    "above 100": (lambda curve: [100.5, *curve[1:]], CURVE, "1 values outside 0.0..100.0"),
    "below 0 seconds": (
        lambda curve: [-1.0, *curve[1:]],
        (*CURVE[:-1], "time_elapsed"),
        "less than 0 seconds",
    ),
}


@pytest.fixture(scope="module")
def numbers() -> source.Published:
    """What `load` makes of such a file."""
    return source.made_up(mixed=False)


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], Benchmark]:
    """Import what a file is said to hold; how it is read from the file, others test."""
    monkeypatch.setenv("NASBENCH_HOME", str(tmp_path / "home"))

    def give(found: Any) -> Benchmark:
        path = tmp_path / "x.pth"
        path.write_bytes(b"\x80\x02N.")
        monkeypatch.setattr(transnas101, "load", lambda *_: found)
        return import_benchmark("transnas101", path)

    return give


@pytest.mark.parametrize("kind", DAMAGES)
def test_damaged(
    kind: str, numbers: source.Published, given: Callable[[Any], Benchmark], tmp_path: Path
) -> None:
    change, keys, words = DAMAGES[kind]
    with pytest.raises(BadFile) as error:
        given(changed(numbers, change, *keys))
    assert words in str(error.value)
    assert str(error.value).isprintable()
    assert not (tmp_path / "home").exists()


def test_what_is_odd_and_true(numbers: source.Published, given: Callable[[Any], Benchmark]) -> None:
    """Ties, curves of other lengths, what wasn't measured, clocks that go back."""
    macro = {}
    for name, record in numbers["data"]["macro"].items():
        metrics = {m: list(c[:7]) for m, c in record["jigsaw"]["metrics"].items()}
        metrics["valid_top1"][2:] = [99.0] * 5
        jigsaw = {**record["jigsaw"], "total_epochs": 7, "metrics": metrics}
        macro[name] = {**record, "jigsaw": jigsaw}
    macro[FIRST]["jigsaw"]["metrics"]["valid_top1"][2] = float("nan")
    macro[LAST]["jigsaw"]["metrics"]["time_elapsed"][3] = 1
    bench = given(changed(numbers, lambda _: macro, "data", "macro"))
    table = bench["macro", "jigsaw"]
    assert (table.epochs, bench["cell", "jigsaw"].epochs) == (7, 10)
    loss = answers({"data": {"macro": macro}}, "macro", "jigsaw", "valid_loss", "list")
    best = table.trials(metric="loss", at="best")[:, 0]
    assert best[0] == loss[0, 3]
    assert (best[1:] == loss[1:, 2]).all()
    assert table.value(FIRST) == 99
    assert any(f"seconds of 1 go back, as of {LAST}" in note for note in bench.header["notes"])


@pytest.mark.parametrize("kind", ["truncated", "another torch file", "hostile", "folder"])
def test_other_files(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NASBENCH_HOME", str(tmp_path / "home"))
    path = source.save({"state_dict": {}}, tmp_path / "x.pth")
    words = "is not the published transnas-bench_v10141024.pth"
    if kind == "truncated":
        path.write_bytes(path.read_bytes()[:-60])
        words = f"{path} is damaged"
    elif kind == "hostile":
        path.write_bytes(b"\x80\x02cos\nmkdir\nX\1\0\0\0a\x85R.")
        words = f"{path} was refused, nothing of it ran: it wants to load 'os.mkdir'"
    elif kind == "folder":
        path = tmp_path
    with pytest.raises(BadFile) as error:
        import_benchmark("transnas101", path)
    assert words in str(error.value)


# ------------------------------------------------------------------------------------ longer ones


@pytest.mark.slow
def test_older_form_of_torch(bench: Benchmark, data: source.Published, tmp_path: Path) -> None:
    again, peak = imported(source.save(data, tmp_path / "x.pth", legacy=True))
    assert again.header["content_sha256"] == bench.header["content_sha256"]
    assert peak < 1.2


@pytest.mark.slow
def test_numbers_of_the_export(shared: Path, tmp_path: Path) -> None:
    """A file that holds the published numbers gives what the export of the real one gives."""
    export = shared / "data/transnas101/transnas101_best.csv.gz"
    with gzip.open(export, "rt", newline="") as file:
        rows = list(csv.DictReader(file))
    bench, *_ = imported(source.save(source.like_the_export(rows), tmp_path / "x.pth"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NASBENCH_HOME", str(tmp_path / "other"))
        other = import_benchmark("transnas101", export)
    for space, task in other:
        ours, theirs = bench[space, task], other[space, task]
        assert ours.rows.names == theirs.rows.names
        assert (ours.values() == theirs.values()).all()
        last = transnas101.LAST.get(task)
        assert (
            ours.values(metric=last, at="final") == theirs.values(metric=last, at="final")
        ).all()
        assert (ours.cost_seconds() == theirs.cost_seconds()).all()
