"""The file of a benchmark: what was written is what is read, and nothing else is taken for it."""

from __future__ import annotations

import os
import pickle
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from hashlib import sha256
from itertools import pairwise
from math import nan
from mmap import mmap
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from nasbench.benchmark import open_benchmark, open_table
from nasbench.errors import BadFile, BadValue, NasbenchError, NotRecorded, UnknownName
from nasbench.find import find
from nasbench.store import FORMAT, VERSION, Benchmark, atomic, write
from nasbench.table import OWN_MAXIMUM, Column, Info, Point, Rows, Table
from tests.made_up import without_seal

HEADER = {
    "benchmark": "tiny",
    "title": "Zwölf Zellen à 3",
    "citation": "nobody",
    "answers": "best",
    "source": "made up",
    "source_sha256": "0" * 64,
    "licence": "none",
    "notes": ["one", "zwei, über 'drei'"],
    "left_out": [],
}
SPACES = {"cell": "transnas_cell", "macro": "transnas_macro"}
N, S, E = 12, 3, 5

Written = list[tuple[str, Table]]


def rows_of(space_name: str) -> Rows:
    """Take members from all over the space, in no order, with facts of every kind."""
    space = find("spaces", space_name)
    archs = [space.at(k) for k in range(7, len(space), len(space) // N)][:N][::-1]
    info = {
        "params": Info(np.arange(N) * 10**12, "parameters"),
        "macs": Info(np.linspace(0, 1, N), "", "derived"),
        "latency": Info(np.full((N, 2), nan), "s", tasks=("jigsaw", "class_scene")),
    }
    rows = Rows.of(space, list(map(space.spell, archs)), **info)
    return replace(rows, trained_as=np.arange(N, dtype=np.int32)[::-1].copy())


def table_of(rows: Rows, task: str, seed: int = 0, **changed: Any) -> Table:
    """Make up a table with curves; every number is as it is in float32 or not at all."""
    rng = np.random.default_rng(seed)
    main = find("tasks", task).metric.name
    curve = rng.random((N, S, E), np.float32)
    curve[rng.random(curve.shape) < 0.2] = nan
    columns = {
        Point("curve", "valid", main): Column(curve),
        Point("best", "valid", main): Column(curve[:, :, 2], f"valid {main}", "cifar10-valid"),
        Point("best", "test", main): Column(np.asfortranarray(curve[:, :, 1]), OWN_MAXIMUM),
        Point("final", "train", "loss"): Column(np.flip(curve[:, :, -1], axis=0)),
    }
    table = Table(
        f"tiny/x/{task}",
        rows,
        find("tasks", task),
        "best",
        np.array([1, 2, 4, 8, 2_000_000_000], np.int32),
        np.array([-1, 0, 2**40]),
        columns,
        rng.random((N, S, E), np.float32),
    )
    return replace(table, **changed)


def written() -> Written:
    """Make two spaces, and a task with three schedules; what is written first is the default."""
    cell, macro = (rows_of(name) for name in SPACES.values())
    at_end = np.full((N, S), 7, np.float32)
    return [
        ("cell", table_of(cell, "jigsaw", 1, schedule="zz_first")),
        ("cell", table_of(cell, "jigsaw", 2, schedule="12_epochs", seconds=at_end)),
        ("cell", table_of(cell, "jigsaw", 3, schedule="full", seconds=None)),
        ("cell", table_of(cell, "class_scene", 4)),
        ("macro", table_of(macro, "jigsaw", 5)),
    ]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write(tmp_path / "tiny.h5", HEADER, written())
    return tmp_path / "tiny.h5"


@pytest.fixture
def one_space(tmp_path: Path) -> Benchmark:
    write(tmp_path / "one.h5", {**HEADER, "benchmark": "one"}, written()[:4])
    return Benchmark(tmp_path / "one.h5")


def one_line(error: pytest.ExceptionInfo[NasbenchError], *words: str) -> None:
    """Check that a message is one line and says these words."""
    text = str(error.value)
    assert text.isprintable()
    assert [word for word in words if word not in text] == [], text


def arrays(table: Table) -> Iterator[Any]:
    """List every array of a table."""
    yield from (table.epoch, table.seed, table.rows.arch, table.rows.name, table.rows.trained_as)
    yield from (column.values for column in table.columns.values())
    yield from (info.values for info in table.rows.info.values())
    if table.seconds is not None:
        yield table.seconds


def datasets(path: Path) -> dict[str, tuple[Any, Any, int, bool]]:
    """Read every dataset with h5py: values, type in the file, offset, whether it's contiguous."""
    found: dict[str, tuple[Any, Any, int, bool]] = {}

    def visit(_: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            plain = (item.chunks, item.compression, item.external) == (None, None, None)
            found[item.name] = item[()], item.dtype, item.id.get_offset(), plain

    with h5py.File(path, "r") as file:
        file.visititems(visit)
    return found


# ------------------------------------------------------------------------------------- round trip


def test_a_table_keeps_its_checksum_when_others_join_it(path: Path, tmp_path: Path) -> None:
    """So traces on it stay good: its numbers and the rows of its space are what counts."""
    (space, table), *_ = tables = written()
    key, both = (space, table.task.name, table.schedule), Benchmark(path)

    def alone(table: Table) -> str:
        write(tmp_path / "alone.h5", HEADER, [(space, table)])
        return Benchmark(tmp_path / "alone.h5")[key].content_sha256

    assert alone(table) == both[key].content_sha256
    sums = {both[short, t.task.name, t.schedule].content_sha256 for short, t in tables}
    assert len(sums) == len(tables)
    columns = {
        at: replace(column, values=column.values + 1) for at, column in table.columns.items()
    }
    assert alone(replace(table, columns=columns)) != both[key].content_sha256


def test_round_trip(path: Path) -> None:
    bench = Benchmark(path)
    for space, before in written():
        after = bench[space, before.task.name, before.schedule]
        assert after.address == f"tiny/{space}/{before.task.name}"
        assert (after.task, after.answers, after.schedule, after.space) == (
            find("tasks", before.task.name),
            "best",
            before.schedule,
            before.space,
        )
        assert after.content_sha256 not in ("", bench.header["content_sha256"])
        assert set(after.columns) == set(before.columns)
        assert len(after.columns) == len(list(after.columns)) == 4
        for point, column in before.columns.items():
            read = after.columns[point]
            assert (read.epoch_chosen_by, read.data_set) == (
                column.epoch_chosen_by,
                column.data_set,
            )
        assert {name: (i.unit, i.source, i.tasks) for name, i in after.rows.info.items()} == {
            name: (i.unit, i.source, i.tasks) for name, i in before.rows.info.items()
        }
        for name, info in before.rows.info.items():
            identical(after.rows.info[name].values, info.values)
        for point, column in before.columns.items():
            identical(after.columns[point].values, column.values)
        for field in ("epoch", "seed", "seconds"):
            identical(getattr(after, field), getattr(before, field))
        for field in ("arch", "name", "trained_as"):
            identical(getattr(after.rows, field), getattr(before.rows, field))


def identical(after: Any, before: Any) -> None:
    """Check type, shape and every bit, of NaN too."""
    if before is None:
        assert after is None
    else:
        assert (after.dtype, after.shape) == (before.dtype, before.shape)
        assert after.tobytes() == before.tobytes()


def test_tables_of_a_space_share_their_rows(path: Path) -> None:
    bench = Benchmark(path)
    assert bench["cell", "jigsaw"].rows is bench["cell", "class_scene"].rows
    assert bench["cell", "jigsaw"] is bench["cell", "jigsaw"]
    assert bench["cell", "jigsaw"] is bench["cell", "jigsaw", "zz_first"]
    assert bench["cell", "jigsaw"].rows is not bench["macro", "jigsaw"].rows


def test_columns_are_a_mapping(path: Path) -> None:
    columns = Benchmark(path)["cell", "jigsaw"].columns
    known, absent = Point("best", "valid", "top1"), Point("final", "valid", "top1")
    assert known in columns
    assert absent not in columns
    assert columns.get(absent) is None
    assert columns[known] is columns[known]
    with pytest.raises(KeyError):
        columns[absent]


def test_rows_must_be_the_same(tmp_path: Path) -> None:
    cell = rows_of("transnas_cell")
    turned = Rows.of(cell.space, cell.names[::-1])
    tables = [("cell", table_of(cell, "jigsaw")), ("cell", table_of(turned, "class_object"))]
    with pytest.raises(BadValue) as error:
        write(tmp_path / "tiny.h5", HEADER, tables)
    one_line(error, "tiny/x/class_object", "other rows", "cell")
    assert list(tmp_path.iterdir()) == []
    again = Rows.of(cell.space, cell.names)
    write(tmp_path / "tiny.h5", HEADER, [tables[0], ("cell", table_of(again, "class_object"))])


def test_big_endian_and_strided_arrays(tmp_path: Path) -> None:
    column = np.linspace(0, 1, 2 * N * S, dtype=">f4").reshape(2 * N, S)[::2]
    point = Point("best", "valid", "top1")
    table = table_of(rows_of("transnas_cell"), "jigsaw", columns={point: Column(column)})
    write(tmp_path / "tiny.h5", HEADER, [("cell", table)])
    read = Benchmark(tmp_path / "tiny.h5")["jigsaw"].trials()
    assert read.dtype.str == "<f4"
    np.testing.assert_array_equal(read, column)


def test_header(path: Path) -> None:
    header = Benchmark(path).header
    assert {key: header[key] for key in HEADER} == HEADER
    assert (header["format"], header["version"]) == ("nasbench", 1)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", header["created"])
    assert {type(value) for value in header.values()} == {str, int, list}
    assert "tiny (cell: 2 tasks, macro: 1 tasks) from made up" in repr(Benchmark(path))


# ---------------------------------------------------------------------------------------- the file


def test_every_dataset_is_plain_little_endian_bytes(path: Path) -> None:
    raw, found = path.read_bytes(), datasets(path)
    assert len(found) == 2 * 6 + 5 * 6 + 4
    for values, dtype, offset, plain in found.values():
        assert plain
        assert dtype.str[0] in "<|"
        assert raw[offset : offset + values.nbytes] == values.tobytes()
    types = {dtype.str for _, dtype, _, _ in found.values()}
    assert types == {"|i1", "|S17", "|S15", "<i4", "<i8", "<f4", "<f8"}


def test_attributes(path: Path) -> None:
    with h5py.File(path, "r") as file:
        task = file["cell/jigsaw"]
        assert task.attrs["default"] == "zz_first"
        assert file["macro"].attrs["space"] == "transnas_macro"
        best = dict(task["full/best/valid/top1"].attrs)
        assert best == {
            "goal": "max",
            "unit": "%",
            "epoch_chosen_by": "valid top1",
            "data_set": "cifar10-valid",
        }
        assert dict(task["full/final/train/loss"].attrs) == {"goal": "min"}
        assert dict(file["cell/info/macs"].attrs) == {"source": "derived"}
        assert list(file["cell/info/latency"].attrs["tasks"]) == ["jigsaw", "class_scene"]


def test_arrays_are_read_only_views_of_the_file(path: Path) -> None:
    bench = Benchmark(path)
    for pair in bench:
        for array in arrays(bench[pair]):
            assert not array.flags.writeable
            assert not array.flags.owndata
            assert isinstance(mapped(array), mmap)
            with pytest.raises(ValueError, match="read-only"):
                array[0] = 0
            with pytest.raises(ValueError, match="WRITEABLE"):
                array.flags.writeable = True


def mapped(array: Any) -> Any:
    """Return what an array is a view of, in the end."""
    while isinstance(array, np.ndarray):
        array = array.base
    return array.obj if isinstance(array, memoryview) else array


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells what was read")
def test_opening_reads_no_table(tmp_path: Path) -> None:
    space = find("spaces", "transnas_cell")
    names = list(map(space.spell, space))
    values = np.ones((len(names), S, 40), np.float32)
    columns = {Point("curve", "valid", "top1"): Column(values)}
    epoch = np.arange(1, 41, dtype=np.int32)
    big = replace(table_of(Rows.of(space, names), "jigsaw"), epoch=epoch, columns=columns)
    for name in ("warm", "big"):
        write(tmp_path / f"{name}.h5", HEADER, [("cell", replace(big, seconds=values))])
    point = Point("curve", "valid", "top1")
    Benchmark(tmp_path / "warm.h5")["jigsaw"].columns[point]  # imports what it needs

    before = bytes_read()
    bench = Benchmark(tmp_path / "big.h5")
    column = bench["jigsaw"].columns[point].values
    assert len(bench.header) > 10
    assert bench.spaces == {"cell": ("jigsaw",)}
    assert column.shape == values.shape
    assert bytes_read() - before < 64 * 1024
    assert resident(bench.path) == 0
    assert column.sum() == values.size
    assert resident(bench.path) >= values.nbytes


def bytes_read() -> int:
    """Count what this process has read from files so far, mapped memory apart."""
    told = re.search(r"rchar: (\d+)", Path("/proc/self/io").read_text())
    assert told
    return int(told[1])


def resident(path: Path) -> int:
    """Count the bytes of a mapped file that have been touched."""
    maps = Path("/proc/self/smaps").read_text()
    parts = re.findall(rf"{re.escape(str(path))}\n.*?^Rss: +(\d+) kB", maps, re.S | re.M)
    assert parts
    return 1024 * sum(map(int, parts))


# ------------------------------------------------------------------------------------ the checksum


def checksum(path: Path) -> str:
    """Work the checksum out from the file alone, as its description says."""
    lines = [
        f"{name} {dtype.str} {values.shape} {sha256(values.tobytes()).hexdigest()}\n"
        for name, (values, dtype, _, _) in datasets(path).items()
    ]
    return sha256("".join(sorted(lines)).encode()).hexdigest()


def content(path: Path, tables: Written, **header: Any) -> str:
    write(path, {**HEADER, **header}, tables)
    return str(Benchmark(path).header["content_sha256"])


def test_checksum_is_that_of_the_content(path: Path, tmp_path: Path) -> None:
    told = Benchmark(path).header["content_sha256"]
    assert told == checksum(path)
    other = tmp_path / "other.h5"
    assert content(other, written(), source="elsewhere") == told
    assert content(other, written()[::-1]) == told


def changed_value(table: Table) -> Table:
    values = table.trials().copy()
    values[3, 1] = np.nextafter(values[3, 1], np.float32(9)) if values[3, 1] > 0 else 1
    point = Point("best", "valid", table.task.metric.name)
    return replace(table, columns={**table.columns, point: Column(values)})


CHANGES: dict[str, Callable[[Table], Table]] = {
    "value": changed_value,
    "seconds": lambda table: replace(table, seconds=table.seconds * np.float32(2)),  # type: ignore[operator]
    "no seconds": lambda table: replace(table, seconds=None),
    "seed": lambda table: replace(table, seed=np.array([-1, 0, 3])),
    "epoch": lambda table: replace(table, epoch=np.arange(5, dtype=np.int32)),
    "schedule": lambda table: replace(table, schedule="other"),
    "column": lambda table: replace(table, columns=dict(list(table.columns.items())[1:])),
}


@pytest.mark.parametrize("change", CHANGES)
def test_checksum_changes_with_the_content(change: str, path: Path, tmp_path: Path) -> None:
    tables = written()
    tables[-1] = "macro", CHANGES[change](tables[-1][1])
    other = content(tmp_path / "other.h5", tables)
    assert other != Benchmark(path).header["content_sha256"]
    assert other == checksum(tmp_path / "other.h5")


def test_checksum_knows_the_rows_apart(path: Path, tmp_path: Path) -> None:
    told = Benchmark(path).header["content_sha256"]
    rows = rows_of("transnas_macro")
    for other in (
        replace(rows, trained_as=rows.trained_as[::-1]),
        replace(rows, info={}),
        Rows.of(rows.space, rows.names[::-1], **rows.info),
    ):
        tables = [*written()[:4], ("macro", table_of(other, "jigsaw", 5))]
        assert content(tmp_path / "other.h5", tables) != told


# ---------------------------------------------------------------------------------------- the seal


def test_the_seal_is_as_described(path: Path) -> None:
    """Work it out from the file alone, as its description says."""
    raw = path.read_bytes()
    length, number = np.frombuffer(raw, "<u8", 2, 48).tolist()
    runs = np.frombuffer(raw, "<u8", 2 * number, 64).reshape(-1, 2).tolist()
    assert raw.startswith(b"nasbench seal 1\n")
    assert length == len(raw)
    summed, arrays = bytearray(), bytearray()
    for (_, stop), (start, end) in pairwise([[0, 48], *runs, [length, length]]):
        summed += raw[stop:start]
        arrays += raw[start:end]
    assert raw[16:48] == sha256(summed).digest()
    with h5py.File(path, "r") as file:
        block = file.userblock_size
    assert 64 + 16 * number <= block
    assert raw[block:].startswith(b"\x89HDF")
    in_order = sorted(datasets(path).values(), key=lambda told: told[2])
    assert arrays == b"".join(values.tobytes() for values, *_ in in_order)


def test_a_file_from_before_there_were_seals(path: Path) -> None:
    old = without_seal(path)
    assert old.read_bytes().startswith(b"\x89HDF")
    assert everything(Benchmark(old)) == everything(Benchmark(path))
    assert Benchmark(old).header == Benchmark(path).header


def test_a_newer_file_with_a_seal(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as newer:
        newer.setattr("nasbench.store.VERSION", VERSION + 1)
        write(path, HEADER, written())
    with pytest.raises(BadFile, match=f"has format version {VERSION + 1}, this nasbench reads up"):
        Benchmark(path)


@pytest.mark.parametrize("change", ["more", "less", "edited"])
def test_a_changed_file(change: str, path: Path) -> None:
    raw = path.read_bytes()
    if change == "edited":
        with h5py.File(path, "r+") as file:
            file.attrs["title"] = "another"
    else:
        path.write_bytes(raw + b"x" if change == "more" else raw[:-1])
    with pytest.raises(BadFile) as error:
        Benchmark(path)
    one_line(error, str(path), "truncated" if change == "less" else "its metadata is not what was")


# ----------------------------------------------------------------------------------------- atomic


def broken(kind: str) -> tuple[dict[str, Any], Written]:
    """Make something that can't be written to its end."""
    tables = written()
    if kind == "header":
        return {**HEADER, "title": object()}, tables
    last = tables[-1][1]
    if kind == "column":
        bad = {**last.columns, Point("final", "test", "nothing"): last.column()}
        tables[-1] = "macro", replace(last, columns=bad)
    else:
        tables.append(tables[-1])  # the same schedule twice
    return HEADER, tables


@pytest.mark.parametrize("kind", ["header", "column", "twice"])
def test_a_failure_leaves_the_old_file_alone(kind: str, path: Path) -> None:
    before = path.read_bytes()
    for target in (path, path.with_name("new.h5"), path.parent / "deep" / "new.h5"):
        with pytest.raises((TypeError, ValueError, NotRecorded)):
            write(target, *broken(kind))
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.rglob("*") if p.is_file()] == ["tiny.h5"]


@pytest.mark.parametrize("interrupted", [KeyboardInterrupt, RuntimeError])
def test_atomic(interrupted: type[BaseException], tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def fail() -> None:
        with atomic(path) as file:
            file.write(b"half")
            assert path.read_bytes() == b"old"
            raise interrupted

    with pytest.raises(interrupted):
        fail()
    assert path.read_bytes() == b"old"
    with atomic(path) as file:
        file.write(b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_half_written_is_no_table(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NASBENCH_HOME", str(tmp_path))
    with atomic(tmp_path / "tables" / "tiny.h5") as file:
        file.write(path.read_bytes()[:1000])
        file.flush()
        with pytest.raises(UnknownName, match="no benchmark 'tiny'"):
            open_benchmark("tiny")


# --------------------------------------------------------------------------------------- bad files


def with_attribute(path: Path, **attributes: Any) -> bytes:
    copy = without_seal(path)
    with h5py.File(copy, "r+") as file:
        for name, value in attributes.items():
            file.attrs[name] = value
    data = copy.read_bytes()
    copy.unlink()
    return data


def no_format(path: Path) -> bytes:
    other = path.with_name("other.h5")
    with h5py.File(other, "w") as file:
        file["x"] = 1
    return other.read_bytes()


BAD: dict[str, tuple[Callable[[Path], bytes], str]] = {
    "not HDF5": (lambda _: b"architecture,top1\n64-41414-1_02_333,46.3\n", "can't be read as HDF5"),
    "zip": (lambda _: b"PK\x03\x04" + bytes(500), "can't be read as HDF5"),
    "empty": (lambda _: b"", "can't be read as HDF5"),
    "half": (lambda path: path.read_bytes()[: path.stat().st_size // 2], "truncated"),
    "one byte short": (lambda path: path.read_bytes()[:-1], "truncated"),
    "signature only": (lambda path: path.read_bytes()[:8], "can't be read as HDF5"),
    "other HDF5": (no_format, f"no attribute format={FORMAT!r}"),
    "other format": (lambda path: with_attribute(path, format="keras"), f"format={FORMAT!r}"),
    "newer": (
        lambda path: with_attribute(path, version=VERSION + 1),
        f"has format version {VERSION + 1}, this nasbench reads up to {VERSION}: upgrade nasbench",
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_file(kind: str, path: Path, tmp_path: Path) -> None:
    make, words = BAD[kind]
    bad = tmp_path / "bad.h5"
    bad.write_bytes(make(path))
    for opening in (Benchmark, open_benchmark, lambda path: open_table(f"{path}/cell/jigsaw")):
        with pytest.raises(BadFile) as error:
            opening(bad)
        one_line(error, str(bad), words)
    Benchmark(path)["cell", "jigsaw"].value(0)


@pytest.mark.parametrize("kind", ["missing", "directory", "below a file"])
def test_no_file(kind: str, path: Path) -> None:
    asked = {"missing": path.with_name("x.h5"), "directory": path.parent / "dir.h5"}
    (path.parent / "dir.h5").mkdir()
    there = asked.get(kind, path / "x.h5")
    with pytest.raises(BadFile) as error:
        Benchmark(there)
    one_line(error, f"no file {there}")


def test_rewritten_with_compression(path: Path) -> None:
    path = without_seal(path)
    with h5py.File(path, "r+") as file:
        group = file["cell/jigsaw/zz_first/best/valid"]
        values = group["top1"][()]
        del group["top1"]
        group.create_dataset("top1", data=values, compression="gzip")
    bench = Benchmark(path)
    bench["macro", "jigsaw"].values()
    with pytest.raises(BadFile) as error:
        bench["cell", "jigsaw"].values()
    one_line(error, str(path), "/cell/jigsaw/zz_first/best/valid/top1", "not contiguous")


# ------------------------------------------------------------------------------ one file, many uses


def everything(bench: Benchmark) -> list[bytes]:
    return [array.tobytes() for pair in bench for array in arrays(bench[pair])]


def test_pickles_as_its_path(path: Path) -> None:
    bench = Benchmark(path)
    expected = everything(bench)
    data = pickle.dumps(bench)
    assert len(data) < 300
    again = pickle.loads(data)
    assert (again.path, again.name, again.header) == (bench.path, "tiny", bench.header)
    assert everything(again) == expected


def test_working_directory_may_change(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path.parent)
    bench = Benchmark("tiny.h5")
    (path.parent / "sub").mkdir()
    monkeypatch.chdir("sub")
    assert everything(bench) == everything(pickle.loads(pickle.dumps(bench)))


def test_two_at_once(path: Path, tmp_path: Path) -> None:
    write(tmp_path / "other.h5", {**HEADER, "benchmark": "other"}, written()[3:])
    one, two, other = Benchmark(path), Benchmark(path), Benchmark(tmp_path / "other.h5")
    expected = everything(one)
    assert everything(two) == expected != everything(other)
    del one
    assert everything(two) == expected


def test_keeps_the_file_it_has_opened(path: Path) -> None:
    bench, expected = Benchmark(path), everything(Benchmark(path))
    tables = [(space, table_of(table.rows, "class_object", 9)) for space, table in written()[3:]]
    write(path, {**HEADER, "title": "another"}, tables[::-1])
    assert everything(bench) == expected
    assert bench.header["title"] == HEADER["title"]
    assert Benchmark(path).header["title"] == "another"
    path.unlink()
    assert everything(bench) == expected


def test_read_only_file_and_folder(path: Path) -> None:
    expected = everything(Benchmark(path))
    path.chmod(0o444)
    path.parent.chmod(0o555)
    try:
        assert everything(Benchmark(path)) == expected
        assert os.listdir(path.parent) == ["tiny.h5"]
    finally:
        path.parent.chmod(0o755)


# --------------------------------------------------------------------------------------- addresses


def test_addresses(path: Path, one_space: Benchmark) -> None:
    bench = Benchmark(path)
    assert list(bench) == [("cell", "class_scene"), ("cell", "jigsaw"), ("macro", "jigsaw")]
    assert bench.spaces == {"cell": ("class_scene", "jigsaw"), "macro": ("jigsaw",)}
    assert bench["cell", "jigsaw"].space.name == "transnas_cell"
    assert bench["macro", "jigsaw"].space.name == "transnas_macro"
    for keys in ("jigsaw", ("jigsaw",), ("cell", "jigsaw")):
        assert one_space[keys] is one_space["jigsaw"]
    assert one_space["jigsaw", "full"] is one_space["cell", "jigsaw", "full"]
    for address in ("jigsaw", "cell/jigsaw"):
        assert open_table(f"{one_space.path}/{address}").address == "one/cell/jigsaw"


def test_schedules(path: Path) -> None:
    bench = Benchmark(path)
    assert bench.schedules("cell", "jigsaw") == ("zz_first", "12_epochs", "full")
    assert bench.schedules("macro", "jigsaw") == ("full",)
    assert bench["cell", "jigsaw"].schedule == "zz_first"
    by_hand = {table.schedule: table.values().tolist() for _, table in written()[:3]}
    for schedule, values in by_hand.items():
        np.testing.assert_array_equal(bench["cell", "jigsaw", schedule].values(), values)
    np.testing.assert_array_equal(bench["cell", "jigsaw"].values(), by_hand["zz_first"])


WRONG: dict[str, tuple[Any, tuple[str, ...]]] = {
    "space": (("cel", "jigsaw"), ("no space of tiny 'cel'", "did you mean 'cell'?", "macro")),
    "space is needed": ("jigsaw", ("no space of tiny 'jigsaw'", "cell, macro")),
    "space alone": ("cell", ("no task of tiny/cell ''", "class_scene, jigsaw")),
    "nothing": ((), ("no space of tiny ''", "cell, macro")),
    "task": (("cell", "jigsaww"), ("no task of tiny/cell 'jigsaww'", "did you mean 'jigsaw'?")),
    "other space's": (("macro", "class_scene"), ("no task of tiny/macro", "there are: jigsaw")),
    "not a task": (("cell", "info"), ("no task of tiny/cell 'info'", "class_scene, jigsaw")),
    "schedule": (
        ("cell", "jigsaw", "13_epochs"),
        ("no schedule of tiny/cell/jigsaw '13_epochs'", "did you mean '12_epochs'?", "zz_first"),
    ),
    "no schedule": (("cell", "jigsaw", ""), ("no schedule of tiny/cell/jigsaw ''", "zz_first")),
    "one too many": (
        ("cell", "jigsaw", "full", "more"),
        ("('cell', 'jigsaw', 'full', 'more')", "SPACE, TASK, SCHEDULE"),
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_wrong_address(wrong: str, path: Path) -> None:
    keys, words = WRONG[wrong]
    bench = Benchmark(path)
    for _ in range(2):
        with pytest.raises((UnknownName, BadValue)) as error:
            bench[keys]
        one_line(error, *words)


def test_wrong_address_where_there_is_one_space(one_space: Benchmark) -> None:
    for keys in ("jigsaww", ("cell", "jigsaww"), ("macro", "jigsaw")):
        with pytest.raises(UnknownName) as error:
            one_space[keys]
        one_line(error, "no task of one/cell", "class_scene, jigsaw")


# ------------------------------------------------------------------------------------------- frame


def test_frame(path: Path) -> None:
    bench = Benchmark(path)
    frame = bench.frame()
    assert frame.index.names == ["space", "architecture"]
    assert list(frame) == ["class_scene", "jigsaw"]
    assert frame.dtypes.unique().tolist() == [np.float64]
    for space, task in bench:
        table = bench[space, task]
        assert tuple(frame.loc[space].index) == table.rows.names
        np.testing.assert_array_equal(frame.loc[space][task], table.values())
        at_4 = bench.frame(at=4).loc[space][task]
        np.testing.assert_array_equal(at_4, table.values(at=4))
        test = bench.frame("test").loc[space][task]
        np.testing.assert_array_equal(test, table.values("test"))
    assert frame.loc["macro"]["class_scene"].isna().all()


def test_frame_where_some_tasks_have_no_such_split(tmp_path: Path) -> None:
    rows = rows_of("transnas_cell")
    tested, other = table_of(rows, "jigsaw"), table_of(rows, "class_scene")
    left = {point: column for point, column in other.columns.items() if point.split != "test"}
    tables = [("cell", tested), ("cell", replace(other, columns=left))]
    write(tmp_path / "tiny.h5", HEADER, tables)
    bench = Benchmark(tmp_path / "tiny.h5")
    frame = bench.frame("test")
    assert list(frame) == ["class_scene", "jigsaw"]
    assert frame["class_scene"].isna().all()
    np.testing.assert_array_equal(frame["jigsaw"], tested.values("test"))
    for split, at, words in (
        ("train", None, "recorded: "),
        ("tset", None, "'tset' is no split"),
        ("valid", "last", "'last' is no point of training"),
        ("valid", 3, "no epoch 3"),
    ):
        with pytest.raises(NotRecorded) as error:
            bench.frame(split, at)
        one_line(error, words)
