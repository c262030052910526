"""NATS-Bench and NAS-Bench-201: every number of every record, from folders, files and CSVs."""

from __future__ import annotations

import bz2
import csv
import gzip
import os
import pickle
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nasbench
from nasbench import nats, unpickle
from nasbench.benchmark import import_benchmark
from nasbench.benchmarks import nasbench201, nats_size
from nasbench.budget import Budget
from nasbench.errors import BadFile, NotRecorded, OutsideSpace
from nasbench.store import Benchmark
from nasbench.table import SPLITS, Point, Table
from tests import nats_archive as archive

BENCHMARKS = {"tss": "nasbench201", "sss": "nats_size"}
COUNTS = {"tss": 60, "sss": 75}
FEW = 30
LENGTHS = {"tss": (200, 12), "sss": (90, 12, 1)}
OWN = {  # our task and split, by their data set and images; ori-test of the last two is nowhere
    ("cifar10-valid", "train"): [("cifar10_valid", "train")],
    ("cifar10-valid", "x-valid"): [("cifar10_valid", "valid"), ("cifar10", "valid")],
    ("cifar10-valid", "ori-test"): [("cifar10_valid", "test")],
    ("cifar10", "train"): [("cifar10", "train")],
    ("cifar10", "ori-test"): [("cifar10", "test")],
    ("cifar100", "train"): [("cifar100", "train")],
    ("cifar100", "x-valid"): [("cifar100", "valid")],
    ("cifar100", "x-test"): [("cifar100", "test")],
    ("ImageNet16-120", "train"): [("imagenet16_120", "train")],
    ("ImageNet16-120", "x-valid"): [("imagenet16_120", "valid")],
    ("ImageNet16-120", "x-test"): [("imagenet16_120", "test")],
}
HP = {"less": 12, "full": 200, "01": 1, "12": 12, "90": 90, "200": 200}

Import = Callable[..., Benchmark]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Import into a folder of this test's own."""
    monkeypatch.setenv("NASBENCH_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def imported(name: str, path: Path, folder: Path) -> Benchmark:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NASBENCH_HOME", str(folder))
        return import_benchmark(name, path)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A generated folder of each kind."""
    parent = tmp_path_factory.mktemp("archives")
    return {kind: archive.write_folder(parent, kind, count) for kind, count in COUNTS.items()}


@pytest.fixture(scope="session")
def ours(made: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Benchmark]:
    """What was imported of them."""
    home = tmp_path_factory.mktemp("ours")
    return {kind: imported(BENCHMARKS[kind], path, home) for kind, path in made.items()}


@pytest.fixture(scope="session")
def few(made: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The first records of these."""
    parent = tmp_path_factory.mktemp("few")
    for kind, folder in made.items():
        archive.write_meta(parent / folder.name, archive.names(kind, FEW))
        for path in sorted(folder.glob("0*.pbz2"))[:FEW]:
            shutil.copy(path, parent / folder.name)
    return {kind: parent / folder.name for kind, folder in made.items()}


@pytest.fixture(scope="session")
def fewer(few: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Benchmark]:
    """What was imported of them, in one go."""
    home = tmp_path_factory.mktemp("fewer")
    return {kind: imported(BENCHMARKS[kind], path, home) for kind, path in few.items()}


@pytest.fixture(scope="session")
def genuine(shared: Path) -> dict[str, Path]:
    """Published records of architectures 0, 11 and 284 of each kind."""
    return {kind: shared / "data/nats_records" / name for kind, name in archive.FOLDERS.items()}


def unpickled(path: Path) -> Any:
    return pickle.loads(bz2.decompress(path.read_bytes()))


def table_of(bench: Benchmark, task: str, epochs: int) -> Table:
    return bench[task, f"{epochs}_epochs"]


def numbers(told: archive.Record) -> Iterator[tuple[str, int, int, str, str, dict[int, float]]]:
    """Give every series of a record: data set, epochs, seed, images, metric, values by epoch."""
    for hp, results in told.items():
        for (data_set, seed), trial in results["all_results"].items():
            at = data_set, HP[hp], seed
            trained = {"top1": "train_acc1es", "top5": "train_acc5es", "loss": "train_losses"}
            for metric, field in trained.items():
                yield *at, "train", metric, trial[field] or {}
            for metric, field in (("top1", "eval_acc1es"), ("loss", "eval_losses")):
                by_images: dict[str, dict[int, float]] = {}
                for key, value in trial[field].items():
                    images, epoch = key.split("@")
                    by_images.setdefault(images, {})[int(epoch)] = value
                for images, values in by_images.items():
                    yield *at, images, metric, values


def check_record(bench: Benchmark, row: int, told: archive.Record) -> dict[Any, int]:
    """Compare every number of a record with ours; count how many there should be by column."""
    counts: dict[Any, int] = {}
    for data_set, epochs, seed, images, metric, values in numbers(told):
        for task, split in OWN.get((data_set, images), ()) if values else ():
            table = table_of(bench, task, epochs)
            place = table.seed.tolist().index(seed)
            expected = np.full(epochs, np.nan, np.float32)
            expected[list(values)] = list(values.values())
            ends = {"final": expected[-1]}
            for at, stored in (ends | ({"curve": expected} if len(values) > 1 else {})).items():
                column = table.columns[Point(at, split, metric)]
                np.testing.assert_array_equal(column.values[row, place], stored)
                assert column.data_set == ("" if data_set == task else data_set)
                key = task, epochs, Point(at, split, metric)
                counts[key] = counts.get(key, 0) + np.size(stored)
            assert table.value(row, split, metric, "final", seed) == float(expected[-1])
    return counts


def check_archive(bench: Benchmark, folder: Path) -> None:
    """Compare all numbers of all records with ours, and check that we have no others."""
    total: dict[Any, int] = {}
    for row, path in enumerate(sorted(folder.glob("0*.pbz2"))):
        for key, count in check_record(bench, row, unpickled(path)).items():
            total[key] = total.get(key, 0) + count
    recorded = {
        (task, table.epochs, point): int((~np.isnan(column.values)).sum())
        for _, task in bench
        for schedule in bench.schedules(next(iter(bench.spaces)), task)
        for table in [bench[task, schedule]]
        for point, column in table.columns.items()
        if point.at != "best"
    }
    assert recorded == total


# ----------------------------------------------------------------------------- genuine records


@pytest.mark.parametrize("kind", BENCHMARKS)
def test_every_number_of_the_genuine_records(
    kind: str, genuine: dict[str, Path], home: Path
) -> None:
    bench = import_benchmark(BENCHMARKS[kind], genuine[kind])
    check_archive(bench, genuine[kind])
    names = unpickled(genuine[kind] / "meta.pickle.pbz2")["meta_archs"]
    table = bench["cifar10"]
    assert table.rows.names == tuple(names[index] for index in (0, 11, 284))
    assert bench.header["notes"][0].startswith(f"INCOMPLETE: 3 of {len(table.space):,} archi")
    assert bench.header["licence"] == "MIT"


def test_facts_of_the_genuine_records(genuine: dict[str, Path], home: Path) -> None:
    bench = import_benchmark("nasbench201", genuine["tss"])
    facts = bench["cifar100"].facts(1)
    assert facts == {"params": 808_276, "flops": 113_957_220, "latency": facts["latency"]}
    assert bench["cifar10"].facts(1)["params"] == 802_426
    assert facts["latency"] == pytest.approx(0.01613893773820665)
    units = {name: info.unit for name, info in bench["cifar10"].rows.info.items()}
    assert units == {"params": "parameters", "flops": "multiply-adds", "latency": "s"}
    per_epoch = 12.462056795756022  # of cifar10-valid, whose validation is what a query pays for
    for task, factor in (("cifar10", 1), ("cifar10_valid", 1), ("cifar100", 2)):
        spent = [bench[task].cost_seconds(epoch)[1] for epoch in (1, 2, 200)]
        assert spent == pytest.approx([n * factor * per_epoch for n in (1, 2, 200)], rel=1e-6)


def test_genuine_records_agree_with_the_search_protocol(
    genuine: dict[str, Path], shared: Path, home: Path
) -> None:
    """Another publication of the same trainings: the means over seeds must come out."""
    bench = import_benchmark("nasbench201", genuine["tss"])
    protocol = import_benchmark("nasbench201", protocol_file(shared), "protocol")
    for row, name in enumerate(bench["cifar10"].rows.names):
        for task in ("cifar10", "cifar100", "imagenet16_120"):
            expected = protocol[task, "200_epochs"].value(name, "test")
            assert bench[task].value(row, "test") == pytest.approx(expected, rel=1e-6)
        short, signal = bench["cifar10", "12_epochs"], protocol["cifar10", "12_epochs"]
        assert short.value(row) == pytest.approx(signal.value(name), rel=1e-6)
        clock = signal.cost_seconds()[signal.row(name)]
        assert short.cost_seconds()[row] == pytest.approx(clock, rel=1e-6)


# --------------------------------------------------------------------------- generated archives


@pytest.mark.parametrize("kind", BENCHMARKS)
def test_every_number_of_an_archive(
    kind: str, made: dict[str, Path], ours: dict[str, Benchmark]
) -> None:
    check_archive(ours[kind], made[kind])


@pytest.mark.parametrize("kind", BENCHMARKS)
def test_schedules_are_different_trainings(kind: str, ours: dict[str, Benchmark]) -> None:
    bench = ours[kind]
    space = next(iter(bench.spaces))
    assert bench.spaces == {space: ("cifar10", "cifar100", "cifar10_valid", "imagenet16_120")}
    for _, task in bench:
        assert {*bench.schedules(space, task)} == {f"{n}_epochs" for n in LENGTHS[kind]}
        assert bench[task].epochs == LENGTHS[kind][0], "the default is the longest"
        assert bench[task].answers == "final"
        for epochs in LENGTHS[kind]:
            table = table_of(bench, task, epochs)
            assert table.epoch.tolist() == list(range(1, epochs + 1))
            if epochs == 12 and kind == "tss":
                expected = [111, 777] if task in ("cifar10", "cifar10_valid") else [111]
            else:
                expected = [777] if epochs in (1, 90) else [777, 888, 999]
            assert table.seed.tolist() == expected


def test_trials_that_were_not_run_stay_missing(
    made: dict[str, Path], ours: dict[str, Benchmark]
) -> None:
    table = ours["tss"]["cifar100"]
    ran = (~np.isnan(table.trials("test"))).sum(axis=1)
    told = [unpickled(path)["200"]["dataset_seed"] for path in sorted(made["tss"].glob("0*"))]
    assert ran.tolist() == [len(seeds["cifar100"]) for seeds in told]
    assert {*ran} == {1, 2, 3}
    row = int(np.flatnonzero(ran == 1)[0])
    assert table.value(row, "test", seed=999) == table.value(row, "test")
    with pytest.raises(NotRecorded, match="seed 777, was not measured"):
        table.value(row, "test", seed=777)
    assert np.isnan(ours["tss"]["cifar10", "12_epochs"].trials("test")[:, 1]).all()


def test_cifar10_is_two_data_sets(ours: dict[str, Benchmark]) -> None:
    """The paper's test is of a network trained on all images, its validation of another one."""
    bench = ours["tss"]
    names = {
        (task, split): bench[task].column(split).data_set or task
        for _, task in bench
        for split in SPLITS
    }
    assert [names["cifar10", split] for split in SPLITS] == ["cifar10", "cifar10-valid", "cifar10"]
    assert {names["cifar10_valid", split] for split in SPLITS} == {"cifar10-valid"}
    assert {names["cifar100", split] for split in SPLITS} == {"cifar100"}
    assert {names["imagenet16_120", split] for split in SPLITS} == {"ImageNet16-120"}
    whole, half = bench["cifar10"], bench["cifar10_valid"]
    assert (whole.values() == half.values()).all()
    assert (whole.values("test") != half.values("test")).all()
    assert (whole.values("train") != half.values("train")).all()
    assert (whole.cost_seconds() == half.cost_seconds()).all()


@pytest.mark.parametrize("task", ["cifar100", "imagenet16_120"])
@pytest.mark.parametrize("kind", BENCHMARKS)
def test_validation_and_test_together_are_neither(
    kind: str, task: str, made: dict[str, Path], ours: dict[str, Benchmark]
) -> None:
    """`ori-test` of these is both halves of the published test images: no number of it is here."""
    data_set = {"cifar100": "cifar100", "imagenet16_120": "ImageNet16-120"}[task]
    compared = 0
    for row, path in enumerate(sorted(made[kind].glob("0*.pbz2"))[:20]):
        for told, epochs, seed, images, metric, values in numbers(unpickled(path)):
            if (told, images) != (data_set, "ori-test"):
                continue
            table = table_of(ours[kind], task, epochs)
            for split in SPLITS:
                value = table.value(row, split, metric, "final", seed)
                assert value != float(np.float32(values[epochs - 1]))
                compared += 1
    assert compared > 100
    assert "ori-test of cifar100" in ours[kind].header["left_out"][0]


def test_no_curve_where_only_the_end_was_measured(ours: dict[str, Benchmark]) -> None:
    bench = ours["tss"]
    for task, ends in (("cifar100", ("valid", "test")), ("cifar10_valid", ("test",))):
        table = bench[task]
        for split in ends:
            assert table.value(0, split, at=200) == table.value(0, split, at="final")
            for at in (1, 199, "best"):
                with pytest.raises(NotRecorded):
                    table.value(0, split, at=at)
    told = "cifar100, 200_epochs: valid and test at the last epoch only"
    assert told in bench.header["notes"]
    assert bench["cifar10"].value(0, "test", at=1) > 0


@pytest.mark.parametrize("kind", BENCHMARKS)
def test_best_is_at_the_epoch_of_the_best_validation(kind: str, ours: dict[str, Benchmark]) -> None:
    found = 0
    for _, task in ours[kind]:
        for epochs in LENGTHS[kind]:
            table = table_of(ours[kind], task, epochs)
            for point, column in table.columns.items():
                if point.at != "best":
                    continue
                valid = table.columns[Point("curve", "valid", "top1")].values
                curve = table.columns[point._replace(at="curve")].values
                ran = ~np.isnan(valid[:, :, 0])
                chosen = np.argmax(valid[ran], axis=1)
                expected = np.take_along_axis(curve[ran], chosen[:, None], axis=1)[:, 0]
                np.testing.assert_array_equal(column.values[ran], expected)
                assert np.isnan(column.values[~ran]).all()
                assert column.epoch_chosen_by == "valid top1"
                assert column.data_set == table.column(at="final").data_set, "of one training"
                found += 1
    assert found > 20


def test_a_run_on_an_imported_space(made: dict[str, Path], shared: Path, home: Path) -> None:
    protocol = import_benchmark("nasbench201", protocol_file(shared))
    traces = nasbench.run("random_search", protocol["cifar10"], range(2), Budget(queries=10))
    assert len(traces.frame()) == 20


# --------------------------------------------------------------------------------- other forms


def same(one: Benchmark, other: Benchmark) -> None:
    """Check that two files hold the same, but for where it's from."""
    assert one.header["content_sha256"] == other.header["content_sha256"]
    assert one.header["notes"] == other.header["notes"]


@pytest.mark.parametrize("kind", BENCHMARKS)
def test_one_file_is_the_same_as_the_folder(
    kind: str, fewer: dict[str, Benchmark], home: Path, tmp_path: Path
) -> None:
    path = archive.write_file(tmp_path / "archive.pickle.pbz2", kind, FEW)
    bench = import_benchmark(BENCHMARKS[kind], path)
    same(bench, fewer[kind])
    assert bench.header["source"] == f"archive.pickle.pbz2, one file of {FEW} records"
    sums = subprocess.run(["sha256sum", path], capture_output=True, text=True, check=True)
    assert bench.header["source_sha256"] == sums.stdout.split()[0]


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("version", ["v1_0", "v1_1"])
def test_pth(
    version: str, legacy: bool, fewer: dict[str, Benchmark], home: Path, tmp_path: Path
) -> None:
    n = 8
    whole = archive.as_201(archive.whole("tss", n), version)
    path = archive.write_pth(tmp_path / f"NAS-Bench-201-{version}.pth", whole, legacy)
    bench = import_benchmark("nasbench201", path)
    for _, task in bench:
        long, theirs = bench[task], fewer["tss"][task]
        for point, column in long.columns.items():
            np.testing.assert_array_equal(column.values, theirs.columns[point].values[:n])
    short = bench.schedules("cell", "cifar100")
    assert short == (("200_epochs",) if version == "v1_0" else ("200_epochs", "12_epochs"))
    half = bench["cifar10", "12_epochs"]
    assert half.seed.tolist() == ([777] if version == "v1_0" else [111, 777])
    expected = fewer["tss"]["cifar10", "12_epochs"].trials()[:n, -len(half.seed) :]
    np.testing.assert_array_equal(half.trials(), expected)
    if version == "v1_0":
        with pytest.raises(NotRecorded):
            half.value(0, "test")


def test_times_that_are_not_there_stay_unknown(home: Path, tmp_path: Path) -> None:
    whole = archive.whole("tss", 3)
    for told in whole["arch2infos"].values():
        for results in told.values():
            for trial in results["all_results"].values():
                trial |= {"train_times": None, "eval_times": {}, "latency": None}
    path = tmp_path / "archive.pickle.pbz2"
    path.write_bytes(archive.pack(whole))
    table = import_benchmark("nasbench201", path)["cifar10"]
    assert np.isnan(table.cost_seconds()).all()
    assert np.isnan(table.facts(0)["latency"])
    assert table.value(0) > 0


def test_curves_of_some_rows_and_ends_of_others(home: Path, tmp_path: Path) -> None:
    folder, listed = tmp_path / "archive", archive.names("tss", 3)
    archive.write_meta(folder, listed)
    for index, name in enumerate(listed):
        told = archive.record("tss", index, name)
        for trial in told["200"]["all_results"].values():
            if index == 1 and trial["name"] == "cifar10":
                for field in ("eval_acc1es", "eval_losses"):
                    trial[field] = {"ori-test@199": 55.5 if field == "eval_acc1es" else 1.5}
            if index == 2 and trial["name"] == "cifar10-valid":
                del trial["eval_acc1es"]["x-valid@7"]
        archive.write_record(folder, index, told)
    table = import_benchmark("nasbench201", folder)["cifar10"]
    assert table.value(1, "test") == table.value(1, "test", at=200) == 55.5
    assert table.value(0, "test", at=3) > 0
    with pytest.raises(NotRecorded):
        table.value(1, "test", at=3)
    with pytest.raises(NotRecorded):
        table.value(2, at=8)
    assert table.value(2, at=9) > 0


@pytest.mark.parametrize("kind", BENCHMARKS)
def test_one_file_says_how_much_memory_it_takes(
    kind: str, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = archive.write_file(tmp_path / "archive.pickle.pbz2", kind, 2)
    said: list[str] = []
    import_benchmark(BENCHMARKS[kind], path, say=said.append)
    (line,) = said
    assert "one pickle, which takes about 0.0 GB of memory" in line
    monkeypatch.setattr(nats, "available_memory", lambda: 10_000)
    with pytest.raises(BadFile) as error:
        import_benchmark(BENCHMARKS[kind], path)
    assert f"the folder {archive.FOLDERS[kind]} needs 0.5 GB" in str(error.value)
    assert "takes about" in str(error.value)
    assert "0.0 GB are free" in str(error.value)


def test_estimates_of_memory() -> None:
    """The published files, by their size: what was measured of the whole ones, and some more."""

    class Sized(type(Path())):  # type: ignore[misc]
        def stat(self, **how: Any) -> Any:
            return os.stat_result([0] * 6 + [self.size] + [0] * 3)

        def open(self, *how: Any, **more: Any) -> Any:
            import io

            return io.BytesIO(self.head)

    for kind, head, size, low, high in (
        (nasbench201.KIND, b"BZh9", 1.51e9, 24.0e9, 28e9),
        (nasbench201.KIND, b"PK\3\4", 2.53e9, 15.7e9, 20e9),
        (nasbench201.KIND, b"\x80\x02", 4.7e9, 28e9, 34e9),
        (nats_size.KIND, b"BZh9", 1.13e9, 12e9, 17e9),
    ):
        path = Sized("any")
        path.size, path.head = int(size), head
        assert low < nats.needed_memory(path, kind) < high
    assert 2**24 < nats.available_memory() < 2**50


# ------------------------------------------------------------------------------------------ CSVs


def protocol_file(shared: Path) -> Path:
    return shared / "data/nasbench201/nasbench201_search_protocol.csv.gz"


@pytest.fixture(scope="session")
def means(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    return imported("nasbench201", shared / "data/nasbench201", tmp_path_factory.mktemp("means"))


@pytest.mark.parametrize(
    ("task", "split", "value", "row"),
    [
        ("cifar10", "valid", 91.607, 6111),
        ("cifar10_valid", "valid", 91.607, 6111),
        ("cifar10_valid", "test", 91.523, 1459),
        ("cifar100", "valid", 73.493, 9930),
        ("cifar100", "test", 73.513, 9930),
        ("imagenet16_120", "valid", 46.733, 10676),
        ("imagenet16_120", "test", 47.311, 857),
    ],
)
def test_best_of_the_means(task: str, split: str, value: float, row: int, means: Benchmark) -> None:
    (best,) = means[task].best(split=split)
    assert best.row == row
    assert best.values[split]["top1"] == pytest.approx(value, abs=5e-4)


def test_means_are_the_files(means: Benchmark, shared: Path) -> None:
    for file, tasks in {
        "cifar10": ("cifar10", "cifar10_valid"),
        "cifar100": ("cifar100",),
        "ImageNet16-120": ("imagenet16_120",),
    }.items():
        path = shared / f"data/nasbench201/nasbench201_{file}.csv.gz"
        with gzip.open(path, "rt", newline="") as text:
            rows = list(csv.DictReader(text))
        for task in tasks:
            table = means[task]
            assert table.rows.names == tuple(row["arch str"] for row in rows)
            assert (table.seed.tolist(), table.epochs, table.schedule) == ([-1], 200, "200_epochs")
            said = {point.split: column.data_set or task for point, column in table.columns.items()}
            expected = "cifar10-valid" if file == "cifar10" else file
            assert {*said.values()} == {expected}
            assert {*said} == ({"valid"} if task == "cifar10" else {*SPLITS})
            for split in said:
                name = {"valid": "validation"}.get(split, split)
                told = np.array([row[f"{name} accuracy"] for row in rows], "f8").astype("f4")
                assert (table.values(split) == told).all()
    with pytest.raises(NotRecorded):
        means["cifar10"].value(0, "test")
    assert any("its test is not the paper's" in note for note in means.header["notes"])
    assert any("mean over seeds" in note for note in means.header["notes"])


def test_search_protocol(shared: Path, home: Path) -> None:
    bench = import_benchmark("nasbench201", protocol_file(shared))
    assert bench.schedules("cell", "cifar10") == ("12_epochs", "200_epochs")
    signal = bench["cifar10"]
    assert list(signal.columns) == [Point("final", "valid", "top1")]
    assert signal.column().data_set == "cifar10-valid"
    assert signal.best()[0].value == pytest.approx(84.892, abs=5e-4)
    assert signal.cost_seconds()[0] == pytest.approx(86.653116, abs=1e-5)
    for task, row, value in (
        ("cifar10", 6111, 94.373),
        ("cifar100", 9930, 73.513),
        ("imagenet16_120", 857, 47.311),
    ):
        table = bench[task, "200_epochs"]
        assert list(table.columns) == [Point("final", "test", "top1")]
        test = table.values("test")
        assert int(test.argmax()) == row
        assert test.max() == pytest.approx(value, abs=5e-4)
        assert table.seconds is None
    assert any("earlier release" in note for note in bench.header["notes"])


def test_sources_lie_side_by_side(shared: Path, home: Path, genuine: dict[str, Path]) -> None:
    import_benchmark("nasbench201", shared / "data/nasbench201", "means")
    import_benchmark("nasbench201", protocol_file(shared), "protocol")
    import_benchmark("nasbench201", genuine["tss"])
    sources = {
        nasbench.open(name).header["source"] for name in ("means", "protocol", "nasbench201")
    }
    assert len(sources) == 3


# ----------------------------------------------------------------------------- what is wrong


def refused(name: str, path: Path, *words: str) -> None:
    with pytest.raises(BadFile) as error:
        import_benchmark(name, path)
    text = str(error.value)
    assert text.isprintable()
    assert len(text) < 1000
    assert [word for word in words if word not in text] == [], text


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return archive.write_folder(tmp_path, "tss", 3)


def trial_of(told: archive.Record) -> archive.Record:
    trial: archive.Record = told["200"]["all_results"]["cifar10-valid", 999]
    return trial


DAMAGES: dict[str, tuple[Callable[[archive.Record], Any], str]] = {
    "another architecture": (lambda r: r["200"].update(arch_str="|none~0|"), "another architec"),
    "another schedule": (lambda r: r.update({"90": r["200"]}), "or schedule"),
    "unknown schedule": (lambda r: r.update({"300": r["200"]}), "'300'"),
    "another data set": (
        lambda r: r["200"]["all_results"].update({("ninapro", 777): trial_of(r)}),
        "'ninapro'",
    ),
    "no seed": (
        lambda r: r["200"]["all_results"].update({("cifar10", None): trial_of(r)}),
        "no seed",
    ),
    "other epochs": (lambda r: trial_of(r).update(epochs=199), "200 epochs"),
    "no list": (lambda r: r["200"].update(all_results=[1]), "no record"),
    "field missing": (lambda r: trial_of(r).pop("train_losses"), "'train_losses'"),
    "text": (lambda r: trial_of(r)["train_losses"].update({3: "1.5"}), "must be real number"),
    "none": (lambda r: trial_of(r)["eval_losses"].update({"x-valid@3": None}), "must be real"),
    "list": (lambda r: trial_of(r).update(eval_acc1es=[1.0]), "no record"),
    "params": (lambda r: trial_of(r).update(params=[1]), "no record"),
    "endless": (lambda r: trial_of(r).update(params=float("inf")), "no record"),
    "flop": (lambda r: trial_of(r).update(flop=float("nan")), "no record"),
    "time missing": (lambda r: trial_of(r)["train_times"].pop(7), "no record"),
    "latency": (lambda r: trial_of(r).update(latency=["a"]), "no record"),
    "too many trainings": (
        lambda r: r["12"]["all_results"].update(
            {("cifar10", seed): r["12"]["all_results"]["cifar10", 111] for seed in range(300)}
        ),
        "more trainings than",
    ),
}


@pytest.mark.parametrize("kind", DAMAGES)
def test_damaged_record(kind: str, small: Path, home: Path) -> None:
    damage, words = DAMAGES[kind]
    told = archive.record("tss", 1, archive.names("tss", 3)[1])
    damage(told)
    path = archive.write_record(small, 1, told)
    refused("nasbench201", small, str(path), "is no record of nasbench201", words)


def test_values_out_of_bounds(small: Path, home: Path) -> None:
    told = archive.record("tss", 1, archive.names("tss", 3)[1])
    trial_of(told)["eval_acc1es"]["x-valid@3"] = 100.5
    archive.write_record(small, 1, told)
    refused("nasbench201", small, "curve/valid/top1", "outside 0.0..100.0")


class Payload:
    """Pickles as a call: whoever loads it runs it."""

    def __init__(self, *call: Any) -> None:
        self.call = call

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call[0], self.call[1:]


def test_nothing_of_a_record_runs(small: Path, home: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    for index, whole in ((1, {"12": Payload(os.mkdir, target)}), (2, {"200": [1.5, "a"]})):
        archive.write_record(small, index, whole)
    refused("nasbench201", small, "000001.pickle.pbz2 was refused, nothing of it ran", "mkdir")
    meta = small / "meta.pickle.pbz2"
    meta.write_bytes(archive.pack({"meta_archs": Payload(os.mkdir, target)}))
    refused("nasbench201", small, "meta.pickle.pbz2 was refused, nothing of it ran", "mkdir")
    assert not target.exists()


def test_truncated_record(small: Path, home: Path) -> None:
    path = small / "000002.pickle.pbz2"
    path.write_bytes(path.read_bytes()[:-1000])
    refused("nasbench201", small, str(path), "damaged")


def test_wrong_folders_and_files(
    small: Path, few: dict[str, Path], home: Path, tmp_path: Path
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    refused("nasbench201", empty, "a folder without meta.pickle.pbz2")
    refused("nats_size", empty, "has no meta.pickle.pbz2")
    refused("nats_size", small, "is not in nats_size")
    refused("nasbench201", few["sss"], "'", "is not in nasbench201")
    refused("nasbench201", small / "000001.pickle.pbz2", "one record", "give the folder")
    refused("nats_size", few["sss"] / "000001.pickle.pbz2", "one record", "give the folder")
    refused("nasbench201", small / "meta.pickle.pbz2", "give the folder")
    archive.write_meta(empty, archive.names("tss", 3))
    refused("nasbench201", empty, "holds no record", "000000.pickle.pbz2")
    shutil.copy(small / "000001.pickle.pbz2", empty / "000003.pickle.pbz2")
    refused("nasbench201", empty, "000003.pickle.pbz2", "names 3 architectures only")
    archive.write_meta(small, [*archive.names("tss", 2)] * 2)
    shutil.copy(small / "000000.pickle.pbz2", small / "000002.pickle.pbz2")
    refused("nasbench201", small, "1 architectures occur twice")
    contents: list[Any] = [None, [1], {"meta_archs": [1]}, {"meta_archs": "a"}, {"meta_archs": {}}]
    for content in contents:
        (empty / "meta.pickle.pbz2").write_bytes(archive.pack(content))
        refused("nasbench201", empty, "no list 'meta_archs'")
    other = tmp_path / "other.pickle.pbz2"
    listed = archive.names("tss", 3)
    wrong: list[Any] = [None, {}, {"0": 1}, {3: {}}, {-1: {}}, {True: {}}]
    for found in wrong:
        other.write_bytes(archive.pack({"meta_archs": listed, "arch2infos": found}))
        refused("nasbench201", other, "other.pickle.pbz2", "record")
    with pytest.raises(BadFile, match="nats_size needs the path of the folder NATS-sss"):
        import_benchmark("nats_size")
    assert not (home / "tables").exists()


def test_wrong_csv_files(shared: Path, home: Path, tmp_path: Path) -> None:
    source = shared / "data/nasbench201"
    one = source / "nasbench201_cifar10.csv.gz"
    refused("nasbench201", one, "is one of three", "give the folder")
    shutil.copy(one, tmp_path)
    refused("nasbench201", tmp_path, "expected one nasbench201_cifar100.csv.gz, found 0")
    text = gzip.decompress(protocol_file(shared).read_bytes()).decode()
    lines = text.splitlines(keepends=True)
    path = tmp_path / "protocol.csv"
    for changed, words in {
        "".join(lines[:-1]): "found 15,624",
        "".join([*lines[:-1], lines[-2]]): "found 15,624 in 15,625",
        text.replace("63.36", "6x.36", 1): "could not convert",
        text.replace("63.36399998046875", "inf", 1): "not finite",
        text.replace("63.36399998046875,", "", 1): "line 2: expected 6 values",
        text.replace(".seconds", ".minutes", 1): "'cifar10_valid.seconds.12_epochs'",
        text.replace("|avg_pool_3x3~0|", "|max_pool_3x3~0|", 1): "is not in nasbench201",
        "a,b\n\u00e9,1\n": "'ascii' codec",
    }.items():
        path.write_text(changed, encoding="utf-8")
        refused("nasbench201", path, words)
    path.write_bytes(protocol_file(shared).read_bytes()[:-100])
    refused("nasbench201", path, "is not the wheel")


# --------------------------------------------------------------------- interruptions, two at once


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The records that are unpickled, as it happens."""
    loaded: list[str] = []
    load = unpickle.load

    def counting(source: Any, what: str, *more: Any) -> Any:
        loaded.append(what)
        return load(source, what, *more)

    monkeypatch.setattr(nats.archive, "load", counting)
    monkeypatch.setattr(nats.reading, "PART", 5)
    return loaded


def records(loaded: list[str]) -> list[str]:
    return [Path(what).name for what in loaded if "meta" not in what]


def test_an_interrupted_import_goes_on(
    few: dict[str, Path], fewer: dict[str, Benchmark], home: Path, counted: list[str]
) -> None:
    def stop(done: int, total: int) -> None:
        if done == stops[-1]:
            raise KeyboardInterrupt

    stops: list[int] = []
    read = []
    for at in (12, 13, 24):
        stops.append(at)
        with pytest.raises(KeyboardInterrupt):
            import_benchmark("nasbench201", few["tss"], None, stop)
        read.append(records(counted)[0])
        counted.clear()
    assert read == [f"{index:06d}.pickle.pbz2" for index in (0, 10, 10)]
    ticks: list[int] = []
    bench = import_benchmark("nasbench201", few["tss"], None, lambda n, total: ticks.append(n))
    assert records(counted) == [f"{index:06d}.pickle.pbz2" for index in range(20, 30)]
    assert ticks == list(range(21, 31))
    same(bench, fewer["tss"])
    assert list((home / "scratch").glob("*/*")) == []


def test_a_record_that_changed_is_read_again(
    small: Path, home: Path, counted: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nats.reading, "PART", 1)
    path = archive.write_record(small, 2, {"12": []})
    refused("nasbench201", small, "000002")
    counted.clear()
    archive.write_record(small, 0, archive.record("tss", 7, archive.names("tss", 3)[0]))
    archive.write_record(small, 2, archive.record("tss", 2, archive.names("tss", 3)[2]))
    bench = import_benchmark("nasbench201", small)
    assert records(counted) == ["000000.pickle.pbz2", path.name]
    check_archive(bench, small)


def test_the_other_import_was_done_first(
    few: dict[str, Path], fewer: dict[str, Benchmark], home: Path, counted: list[str]
) -> None:
    """It shares its parts with us, and takes them away when it's done: we read them again."""
    times = iter([12, 22, 29])
    at = next(times)

    def tidy(done: int, total: int) -> None:
        nonlocal at
        if done == at:
            shutil.rmtree(home / "scratch", ignore_errors=True)
            at = next(times, -1)

    same(import_benchmark("nasbench201", few["tss"], None, tidy), fewer["tss"])
    assert at == -1


def test_parts_that_vanish_while_they_are_read(
    few: dict[str, Path], fewer: dict[str, Benchmark], home: Path, counted: list[str]
) -> None:
    verify = nasbench.benchmark.verify

    def late(*table: Any) -> None:
        shutil.rmtree(home / "scratch", ignore_errors=True)
        verify(*table)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nasbench.benchmark, "verify", late)
        same(import_benchmark("nasbench201", few["tss"]), fewer["tss"])
    assert len(records(counted)) == FEW


def test_two_imports_at_once(few: dict[str, Path], fewer: dict[str, Benchmark], home: Path) -> None:
    code = (
        "import sys; from nasbench import nats; from nasbench.benchmark import import_benchmark;"
        "nats.reading.PART = 5; import_benchmark('nasbench201', sys.argv[1])"
    )
    command = [sys.executable, "-c", code, str(few["tss"])]
    two = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for process in two:
        _, told = process.communicate(timeout=120)
        assert (process.returncode, told) == (0, "")
    same(nasbench.open("nasbench201"), fewer["tss"])
    assert [path.name for path in (home / "tables").iterdir()] == ["nasbench201.h5"]


def test_a_helper_reads_what_is_left(
    few: dict[str, Path], fewer: dict[str, Benchmark], home: Path, counted: list[str]
) -> None:
    scratch = home / "scratch/any"
    nats.reading.help_along("nasbench201", str(few["tss"]), str(scratch), 5)
    assert records(counted)[:5] == [f"{index:06d}.pickle.pbz2" for index in range(25, 30)]
    assert len(records(counted)) == FEW
    counted.clear()
    job = nasbench.benchmark.Job(scratch)
    published = nats.read_folder(few["tss"], nasbench201.KIND, job)
    assert records(counted) == []
    theirs = fewer["tss"]["cifar10"]
    table = published.tables[0][1]
    for point, column in table.columns.items():
        np.testing.assert_array_equal(column.values, theirs.columns[point].values)


def test_a_helper_is_asked_for_much(
    few: dict[str, Path], fewer: dict[str, Benchmark], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nats.reading, "ALONE", 10)
    monkeypatch.setattr(nats.reading, "PART", 3)
    alone: list[int] = []

    def wait(done: int, total: int) -> None:
        alone.append(done)
        if len(alone) == 5:  # until the helper has done something
            limit = time.monotonic() + 60
            while time.monotonic() < limit and not list((home / "scratch").glob("*/*.part")):
                time.sleep(0.05)

    same(import_benchmark("nasbench201", few["tss"], None, wait), fewer["tss"])
    assert len(alone) < FEW
    assert alone == sorted(alone)


# -------------------------------------------------------------------- side by side with the peer


@pytest.fixture(scope="session")
def theirs(made: dict[str, Path]) -> dict[str, Any]:
    """The published API on the same archives."""
    peer = pytest.importorskip("nats_bench", reason="no nats-bench to compare with")
    return {
        kind: peer.create(str(path), kind, fast_mode=True, verbose=False)
        for kind, path in made.items()
    }


VIEWS = {  # of which of our tables and splits their answer about a data set is
    "cifar10-valid": ("cifar10_valid", SPLITS),
    "cifar10": ("cifar10", ("train", "test")),
    "cifar100": ("cifar100", SPLITS),
    "ImageNet16-120": ("imagenet16_120", SPLITS),
}
THEIR_METRICS = {"top1": "accuracy", "loss": "loss"}


@pytest.mark.parametrize("kind", BENCHMARKS)
def test_every_trial_is_as_the_peer_says(
    kind: str, ours: dict[str, Benchmark], theirs: dict[str, Any]
) -> None:
    compared = 0
    for row in range(0, COUNTS[kind], 5):
        for data_set, (task, splits) in VIEWS.items():
            for epochs in LENGTHS[kind]:
                table = table_of(ours[kind], task, epochs)
                hp = f"{epochs:02d}"
                for place, seed in enumerate(table.seed.tolist()):
                    if np.isnan(table.trials("train")[row, place]):
                        continue
                    told = theirs[kind].get_more_info(row, data_set, None, hp, seed)
                    for split in splits:
                        for metric, name in THEIR_METRICS.items():
                            expected = float(np.float32(told[f"{split}-{name}"]))
                            value = table.value(row, split, metric, "final", seed)
                            assert value == expected
                            compared += 1
                    if data_set != "cifar10" and table.seconds is not None:
                        spent = table.seconds[row, place, -1]
                        assert spent == pytest.approx(told["train-all-time"], rel=1e-6)
    assert compared > 1000


@pytest.mark.parametrize("kind", BENCHMARKS)
def test_every_mean_is_as_the_peer_says(
    kind: str, ours: dict[str, Benchmark], theirs: dict[str, Any]
) -> None:
    for row in range(0, COUNTS[kind], 5):
        for data_set, (task, splits) in VIEWS.items():
            for epochs in LENGTHS[kind]:
                table = table_of(ours[kind], task, epochs)
                told = theirs[kind].get_more_info(row, data_set, None, f"{epochs:02d}", False)
                for split in splits:
                    for metric, name in THEIR_METRICS.items():
                        value = table.value(row, split, metric)
                        assert value == pytest.approx(told[f"{split}-{name}"], rel=1e-6)


@pytest.mark.parametrize("kind", BENCHMARKS)
def test_every_epoch_is_as_the_peer_says(
    kind: str, ours: dict[str, Benchmark], theirs: dict[str, Any]
) -> None:
    compared = 0
    for row in range(0, COUNTS[kind], 10):
        for data_set, (task, splits) in VIEWS.items():
            for epochs in LENGTHS[kind]:
                table = table_of(ours[kind], task, epochs)
                seed = 999 if 999 in table.seed else int(table.seed[0])
                for epoch in {1, epochs // 2 + 1, epochs}:
                    told = theirs[kind].get_more_info(
                        row, data_set, epoch - 1, f"{epochs:02d}", seed
                    )
                    for split in splits:
                        if epochs == 200 and epoch < 200 and (task, split) not in FULL_CURVES:
                            with pytest.raises(NotRecorded):
                                table.value(row, split, None, epoch, seed)
                            continue
                        value = table.value(row, split, None, epoch, seed)
                        assert value == float(np.float32(told[f"{split}-accuracy"]))
                        compared += 1
    assert compared > 300


FULL_CURVES = {("cifar10_valid", "valid"), ("cifar10", "test")} | {
    (task, "train") for task, _ in VIEWS.values()
}


@pytest.mark.parametrize("kind", BENCHMARKS)
def test_costs_are_as_the_peer_says(
    kind: str, ours: dict[str, Benchmark], theirs: dict[str, Any]
) -> None:
    hp = f"{LENGTHS[kind][0]}"
    for row in range(0, COUNTS[kind], 3):
        for data_set in ("cifar10", "cifar100", "ImageNet16-120"):
            facts = ours[kind][VIEWS[data_set][0]].facts(row)
            told = theirs[kind].get_cost_info(row, data_set, hp)
            assert facts["params"] == pytest.approx(1e6 * told["params"], abs=0.5)
            assert facts["flops"] == pytest.approx(1e6 * told["flops"], abs=0.5)
            assert facts["latency"] == pytest.approx(told["latency"])


def test_peer_answers_with_test_images_before_the_last_epoch(
    ours: dict[str, Benchmark], theirs: dict[str, Any]
) -> None:
    """Its `simulate_train_eval` falls back to validation and test together; we say it's absent."""
    random.seed(0)
    leaked, *_ = theirs["tss"].simulate_train_eval(0, "cifar100", iepoch=11, hp="200")
    both = {
        float(values[11])
        for data_set, epochs, _, images, metric, values in numbers(
            archive.record("tss", 0, archive.names("tss", 1)[0])
        )
        if (data_set, epochs, images, metric) == ("cifar100", 200, "ori-test", "top1")
    }
    assert leaked in both
    with pytest.raises(NotRecorded, match="valid top1 at epoch 12"):
        ours["tss"]["cifar100"].value(0, at=12)
    with pytest.raises(NotRecorded):
        ours["tss"]["cifar100"].answer(12)


def test_peer_takes_no_numpy_integer(ours: dict[str, Benchmark], theirs: dict[str, Any]) -> None:
    assert theirs["tss"].query_index_by_arch(np.int64(3)) == -1
    table = ours["tss"]["cifar10"]
    assert table.value(np.int64(3)) == table.value(3)  # type: ignore[arg-type]
    assert table.query(np.int64(3)).row == 3  # type: ignore[arg-type]


def test_peer_takes_an_unknown_architecture_for_number_minus_one(
    ours: dict[str, Benchmark], theirs: dict[str, Any]
) -> None:
    assert theirs["tss"].query_index_by_arch("|max_pool~0|") == -1
    with pytest.raises(OutsideSpace, match=r"'\|max_pool~0\|' is not in nasbench201"):
        ours["tss"]["cifar10"].value("|max_pool~0|")


def test_peer_draws_a_trial_from_the_global_random(
    ours: dict[str, Benchmark], theirs: dict[str, Any]
) -> None:
    def state_after(query: Callable[[], object]) -> object:
        random.seed(7)
        query()
        return random.getstate()

    untouched = state_after(lambda: None)
    peer, table = theirs["tss"], ours["tss"]["cifar100"]
    assert state_after(lambda: peer.get_more_info(0, "cifar100", hp="200")) != untouched
    assert state_after(lambda: table.query(0)) == untouched
    row = int(np.flatnonzero((~np.isnan(table.trials())).all(axis=1))[0])
    answers = {peer.get_more_info(row, "cifar100", hp="200")["test-accuracy"] for _ in range(40)}
    assert len(answers) == 3
    assert len({table.value(row, "test") for _ in range(40)}) == 1


def test_peer_picks_a_seed_where_trials_disagree_on_parameters(home: Path, tmp_path: Path) -> None:
    peer = pytest.importorskip("nats_bench", reason="no nats-bench to compare with")
    folder, listed = tmp_path / "archive", archive.names("tss", 4)
    archive.write_meta(folder, listed)
    for index, name in enumerate(listed):
        told = archive.record("tss", index, name)
        trials = [t for (d, _), t in told["200"]["all_results"].items() if d == "cifar100"]
        if len(trials) > 1:
            trials[0]["params"] += 0.001
        archive.write_record(folder, index, told)
    bench = import_benchmark("nasbench201", folder)
    api = peer.create(str(folder), "tss", fast_mode=True, verbose=False)
    params = np.array([bench["cifar100"].facts(row)["params"] for row in range(4)])
    unsure = np.isnan(params)
    assert unsure.any()
    assert not unsure.all()
    assert any(f"params are missing (NaN) for {unsure.sum()}" in n for n in bench.header["notes"])
    assert not np.isnan(bench["cifar10"].facts(int(unsure.argmax()))["params"])
    with pytest.raises(ValueError, match="888 is not in list"):
        _ = [api.get_cost_info(row, "cifar100", "200") for row in range(4)]


# ------------------------------------------------------------------------------- the whole of it


def resident(pid: int) -> float:
    """Return the MB of memory of a process and its children now."""
    total = 0.0
    with suppress(OSError):
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        total = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096 / 2**20
        total += sum(resident(int(child)) for child in children)
    return total


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="resident size: Linux only")
def test_a_whole_archive(tmp_path: Path) -> None:
    """15,625 records, within 500 MB; 3 minutes on two cores that do nothing else."""
    folder = archive.write_folder(tmp_path, "tss")
    code = (
        "import os, sys, time; from nasbench.benchmark import import_benchmark;"
        "start = time.monotonic(); import_benchmark('nasbench201', sys.argv[1]);"
        "print(time.monotonic() - start, sum(os.times()[:4]))"
    )
    command = [sys.executable, "-c", code, str(folder)]
    environment = {**os.environ, "NASBENCH_HOME": str(tmp_path / "home")}
    peak = 0.0
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        while process.poll() is None:
            peak = max(peak, resident(process.pid))
            time.sleep(0.05)
        told, _ = process.communicate()
    seconds, cpu = map(float, told.split())
    print(f"\n15,625 records: {seconds:.0f} s ({cpu:.0f} s of CPU), at most {peak:.0f} MB")
    assert peak < 500
    bench = Benchmark(tmp_path / "home/tables/nasbench201.h5")
    assert len(bench["cifar10"]) == 15_625
    assert not any(note.startswith("INCOMPLETE") for note in bench.header["notes"])
    for row in (0, 249, 250, 7_812, 15_624):
        path = folder / f"{row:06d}.pickle.pbz2"
        check_record(bench, row, unpickled(path))
