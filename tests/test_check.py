"""`nasbench check`: damage is found, rules are checked, and seed noise is what is known of it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from nasbench.__main__ import main
from nasbench.benchmark import import_benchmark
from nasbench.check import Checked, check
from nasbench.errors import BadFile
from nasbench.find import find
from nasbench.metrics.noise import Noise, between_runs, between_seeds
from nasbench.metrics.ranking import kendall
from nasbench.store import Benchmark, write
from nasbench.table import Column, Point, Rows, Table
from tests.made_up import without_seal, write_made_up

ROOT = Path(__file__).parents[1]
HEADER = dict.fromkeys(("title", "citation", "source", "source_sha256", "licence"), "none")
BEST, FINAL = Point("best", "valid", "top1"), Point("final", "valid", "top1")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NASBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


def small(names: Sequence[str], best: Any, **changes: Any) -> Table:
    """Make a table of cells with these best values (N, S), and later final ones and seconds."""
    best = np.array(best, np.float32).reshape(len(names), -1)
    rows = Rows.of(find("spaces", "transnas_cell"), [f"64-41414-{name}" for name in names])
    table = Table(
        "small/cell/jigsaw",
        rows,
        find("tasks", "jigsaw"),
        "best",
        np.array([1, 2], np.int32),
        np.arange(best.shape[1]),
        {BEST: Column(best, "valid top1"), FINAL: Column(best / 2)},
        np.ones((*best.shape, 2), np.float32) * np.array([3, 5], np.float32),
    )
    return replace(table, **changes)


def checked(*tables: Table) -> Checked:
    header = {**HEADER, "benchmark": "small", "answers": "best", "notes": [], "left_out": []}
    write(Path("small.h5"), header, [("cell", table) for table in tables])
    return check("small.h5")


CELLS = ("1_02_333", "3_02_333", "2_02_333", "1_12_333", "1_02_332")


# ----------------------------------------------------------------------------------- what is wrong


def test_a_sound_benchmark() -> None:
    found = check(write_made_up(Path("made_up.h5")))
    assert found.problems == []
    assert found.content_sha256 == Benchmark("made_up.h5").header["content_sha256"]
    assert [table.address for table in found.tables] == [
        "made_up/cell/class_scene",
        "made_up/cell/jigsaw",
        "made_up/macro/class_scene",
    ]
    assert all(column.missing == 0 for table in found.tables for column in table.columns)
    assert found.spaces["cell"].classes == 1376


def column(table: Table, point: Point, values: Any) -> Table:
    return replace(table, columns={**table.columns, point: Column(np.array(values, "f4"))})


def renamed(table: Table) -> Table:
    name = table.rows.name.copy()
    name[1] = name[0]
    return replace(table, rows=replace(table.rows, name=name))


def standing(row: int) -> Callable[[Table], Table]:
    def change(table: Table) -> Table:
        trained_as = np.array([0, 1, 2, 3, row], np.int32)
        return replace(table, rows=replace(table.rows, trained_as=trained_as))

    return change


def retyped(table: Table) -> Table:
    return replace(table, rows=replace(table.rows, arch=table.rows.arch.astype(np.int16)))


PROBLEMS: dict[str, tuple[Callable[[Table], Table], str]] = {
    "bounds": (lambda t: column(t, BEST, [[101]] * 5), "5 values outside 0.0..100.0, as 64"),
    "shape": (lambda t: column(t, BEST, [[1], [2]]), "expected (5, 1) values, got (2, 1)"),
    "float64": (
        lambda t: replace(t, columns={BEST: Column(t.columns[BEST].values.astype("f8"))}),
        "best/valid/top1 is float64, expected float32",
    ),
    "best": (
        lambda t: column(t, FINAL, [[1], [1], [70], [60], [1]]),
        "the last epoch is better than the best: 2 architectures, as 64-41414-2_02_333",
    ),
    "seconds": (
        lambda t: replace(t, seconds=t.seconds[:, :, ::-1]),  # type: ignore[index]
        "seconds get less with more epochs: 5 architectures",
    ),
    "negative": (lambda t: replace(t, seconds=-t.seconds), "took less than 0"),  # type: ignore[operator]
    "seconds' shape": (
        lambda t: replace(t, seconds=np.ones((5, 7), "f4")), "seconds have the shape (5, 7)"
    ),
    "epochs": (lambda t: replace(t, epoch=np.array([2, 1], "i4")), "epochs [2, 1] do not increase"),
    "a name": (renamed, "the name b'64-41414-1_02_333' does not read back to its architecture"),
    "types": (retyped, "expected arch as int8"),
    "trained_as": (standing(5), "trained_as has rows outside of 0 to 4"),
    "another's": (standing(0), "is not that of the architecture it was trained as: 1 arch"),
}  # fmt: skip


@pytest.mark.parametrize("what", PROBLEMS)
def test_problems(what: str, capsys: pytest.CaptureFixture[str]) -> None:
    change, says = PROBLEMS[what]
    problems = checked(change(small(CELLS, [10, 20, 30, 40, 50]))).problems
    assert problems
    assert problems[0].startswith("small/cell")
    assert says in problems[0]
    assert main(["check", "small.h5"]) == 2
    out, err = capsys.readouterr()
    assert problems[0] in out
    assert f"small.h5 has {len(problems)} problems, told above" in err
    assert main(["check", "small.h5", "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["problems"] == problems


def test_what_is_missing_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    found = checked(small(CELLS, [[1, np.nan]] * 5))
    assert [(c.column, c.values, c.missing) for c in found.tables[0].columns] == [
        ("best/valid/top1", 10, 5),
        ("final/valid/top1", 10, 5),
        ("seconds", 20, 0),
    ]
    assert main(["check", "small.h5"]) == 0
    said = capsys.readouterr().out
    assert "missing in small/cell/jigsaw, full: 5 of 10 values of best/valid/top1\n" in said
    assert "of seconds" not in said


def test_a_table_with_the_checksum_of_another(tmp_path: Path) -> None:
    """Traces are bound to it, so they would be taken for those of other numbers."""
    path = without_seal(write_made_up(tmp_path / "made_up.h5"))
    with h5py.File(path, "r+") as file:
        other = file["cell/jigsaw/full"].attrs["content_sha256"]
        file["cell/class_scene/full"].attrs["content_sha256"] = other
    (problem,) = check(path).problems
    assert re.fullmatch(
        f"made_up/cell/class_scene, schedule full: its own content_sha256 is {other}, of its "
        "numbers it is [0-9a-f]{64}",
        problem,
    )


# --------------------------------------------------------------------------------- what is damaged


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_made_up(tmp_path_factory.mktemp("whole") / "made_up.h5")


def spans(path: Path) -> list[tuple[str, int, int]]:
    """List where in the file each array lies."""
    found = []

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            found.append((name, item.id.get_offset(), item.id.get_storage_size()))

    with h5py.File(path, "r", locking=False) as file:
        file.visititems(visit)
    return found


def test_a_flipped_byte_of_any_array_is_found(whole: Path, tmp_path: Path) -> None:
    raw, rng = bytearray(whole.read_bytes()), np.random.default_rng(0)
    copy = tmp_path / "copy.h5"
    for _, offset, size in spans(whole):
        place = offset + int(rng.integers(size))
        raw[place] ^= 1 << int(rng.integers(8))
        copy.write_bytes(raw)
        with pytest.raises(BadFile, match="is damaged: "):
            check(copy)
        raw[place] = whole.read_bytes()[place]
    copy.write_bytes(raw)
    assert not check(copy).problems


FUZZ = """
import sys
from pathlib import Path
from nasbench.__main__ import main
for path in sorted(Path(sys.argv[1]).glob("*.h5")):
    print(path.name, flush=True)
    print("rc", main(["check", str(path)]), flush=True)
"""


def test_a_flipped_byte_of_metadata_is_no_traceback(tmp_path: Path) -> None:
    """In a process of its own, because libhdf5 itself would loop, or crash."""
    checked(small(CELLS, [10, 20, 30, 40, 50]))
    path, folder = Path("small.h5"), tmp_path / "fuzz"
    raw = path.read_bytes()
    folder.mkdir()
    rng = np.random.default_rng(0)
    for place in metadata(path)[::97]:
        copy = bytearray(raw)
        copy[place] ^= int(rng.integers(1, 256))
        (folder / f"{place:06}.h5").write_bytes(copy)
    made = len(list(folder.iterdir()))
    assert made > 40
    done = subprocess.run(
        [sys.executable, "-c", FUZZ, str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=150,
    )
    last = done.stdout.split()[-1] if done.stdout else ""
    assert done.returncode == 0, f"after {last}: {done.stderr[-2000:]}"
    assert "Traceback" not in done.stderr
    failed = done.stdout.count("\nrc 2\n")
    assert failed == made
    assert failed == done.stderr.count("\n") == done.stderr.count("nasbench: ")


def metadata(path: Path) -> list[int]:
    """List where in the file there is no array."""
    arrays = {byte for _, start, size in spans(path) for byte in range(start, start + size)}
    return sorted({*range(path.stat().st_size)} - arrays)


FLIP = """
import json, sys
from nasbench.errors import BadFile
from nasbench.store import Benchmark
path, flips = json.load(sys.stdin)
with open(path, "r+b", buffering=0) as file:
    for place, bit in flips:
        file.seek(place)
        byte = file.read(1)[0]
        file.seek(place)
        file.write(bytes([byte ^ 1 << bit]))
        try:
            Benchmark(path)
            print("opened", place, bit)
        except BadFile as error:
            print("refused" if str(error).isprintable() else error)
        file.seek(place)
        file.write(bytes([byte]))
Benchmark(path)
"""


def test_a_flipped_bit_of_metadata_is_found(tmp_path: Path) -> None:
    """One bit of each byte that is no array, the seal's included."""
    checked(small(CELLS, [10, 20, 30, 40, 50]))
    rng = np.random.default_rng(0)
    flips = [(place, int(rng.integers(8))) for place in metadata(Path("small.h5"))]
    assert len(flips) > 10_000
    _flip(tmp_path / "small.h5", flips)


@pytest.mark.slow
def test_any_flipped_bit_of_metadata_is_found(tmp_path: Path) -> None:
    checked(small(CELLS, [10, 20, 30, 40, 50]))
    for bit in range(8):
        _flip(tmp_path / "small.h5", [(place, bit) for place in metadata(Path("small.h5"))])


def _flip(path: Path, flips: Sequence[tuple[int, int]]) -> None:
    """Flip one bit at a time, and try to open the file."""
    done = subprocess.run(
        [sys.executable, "-c", FLIP],
        input=json.dumps([str(path), flips]),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=150,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split("\n") == ["refused"] * len(flips) + [""]


# -------------------------------------------------------------------------------------- seed noise


def test_noise_between_seeds() -> None:
    values = np.array([[1, 3, np.nan], [2, 2, 5], [7, np.nan, np.nan], [np.inf, 4, 6]])
    noise = between_seeds(values)
    assert (noise.networks, noise.runs) == (3, 7)
    assert noise.std == pytest.approx(np.sqrt((2 + 3 + 2) / 3))
    both = [kendall(np.array(a), np.array(b)) for a, b in (([1, 2], [3, 2]), ([2, 4], [5, 6]))]
    assert noise.tau == pytest.approx(np.mean(both))
    assert np.isnan(between_seeds(values[2:3]).std)


def test_noise_between_runs() -> None:
    rng = np.random.default_rng(0)
    quality = rng.normal(size=400)
    network = np.repeat(np.arange(400), rng.integers(1, 6, 400))
    runs = quality[network] + rng.normal(scale=0.5, size=len(network))
    noise = between_runs(runs, network, np.random.default_rng(1))
    sizes = np.bincount(network)
    assert (noise.networks, noise.runs) == ((sizes > 1).sum(), sizes[sizes > 1].sum())
    assert noise.std == pytest.approx(0.5, abs=0.03)
    pairs = quality[:, None] + rng.normal(scale=0.5, size=(400, 2))
    assert noise.tau == pytest.approx(kendall(pairs[:, 0], pairs[:, 1]), abs=0.06)
    again = between_runs(runs[::-1], network[::-1], np.random.default_rng(1))
    assert again.networks == noise.networks
    assert again.std == pytest.approx(noise.std)
    assert again.tau == pytest.approx(noise.tau, abs=0.02)
    nothing = between_runs(runs[:1], network[:1], np.random.default_rng(1))
    assert nothing == Noise(nothing.std, nothing.tau, 0, 0)


def test_two_runs_of_a_network_are_never_one() -> None:
    noise = between_runs(np.array([0.0, 1, 0, 1]), np.array([0, 0, 1, 1]), np.random.default_rng(0))
    assert noise.std == pytest.approx(np.sqrt(0.5))
    assert noise.tau == -1


def test_members_that_share_a_run_count_once() -> None:
    # In a cell without edges 0-2 and 1-2, it does not matter what leads away from node 2.
    names = [
        f"{a}_00_0{b}{dead}" for a, b in ((2, 2), (3, 2), (2, 3), (3, 3)) for dead in (0, 1, 2)
    ]
    values = [[5], [5], [6], [7], [7], [7], [8], [9], [8], [1], [1], [2]]
    found = checked(small([*names, "0_00_000", "0_00_001"], [*values, [0], [3]]))
    told = found.spaces["cell"]
    assert (told.classes, told.several, told.agree, told.runs) == (5, 5, 1, 9)
    (table,) = found.tables
    assert (table.disagree, table.noise_from) == (4, "classes")
    assert (table.noise.networks, table.noise.runs) == (3, 6), "nothing flows through the last two"
    assert table.noise.std == pytest.approx(np.sqrt(0.5))


def test_with_seeds_their_noise_is_told() -> None:
    found = checked(small(CELLS, [[1, 2], [3, 5], [4, 4], [9, 8], [7, np.nan]]))
    (table,) = found.tables
    assert (table.noise_from, table.noise_of) == ("seeds", "best/valid/top1")
    assert (table.noise.networks, table.noise.runs) == (4, 8)


def test_without_a_second_training_there_is_no_noise(capsys: pytest.CaptureFixture[str]) -> None:
    found = checked(small(CELLS[1:3], [1, 2]))
    assert found.tables[0].noise_from == ""
    assert main(["check", "small.h5", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    noise = {"std": None, "tau": None, "networks": 0, "runs": 0}
    assert told["tables"][0]["noise"] == noise
    assert main(["check", "small.h5"]) == 0


KNOWN_TAU = {
    "class_object": 0.57,
    "class_scene": 0.75,
    "autoencoder": 0.67,
    "normal": 0.64,
    "segmentsemantic": 0.69,
    "room_layout": 0.63,
    "jigsaw": 0.48,
}


@pytest.fixture(scope="module")
def transnas(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Checked:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NASBENCH_HOME", str(tmp_path_factory.mktemp("transnas")))
        file = shared / "data/transnas101/transnas101_best.csv.gz"
        return check(import_benchmark("transnas101", file).path)


def test_the_real_cells(transnas: Checked) -> None:
    cells = transnas.spaces["cell"]
    assert (cells.classes, cells.several, cells.runs) == (1376, 314, 2994)
    assert round(100 * cells.agree / cells.several) == 7
    assert transnas.problems == []


@pytest.mark.parametrize("task", KNOWN_TAU)
def test_the_real_seed_noise(task: str, transnas: Checked) -> None:
    (table,) = [t for t in transnas.tables if t.address == f"transnas101/cell/{task}"]
    assert table.noise_from == "classes"
    assert (table.noise.networks, table.noise.runs) == (292, 1853)
    assert table.noise.tau == pytest.approx(KNOWN_TAU[task], abs=0.02)
    (macro,) = [t for t in transnas.tables if t.address == f"transnas101/macro/{task}"]
    assert macro.noise_from == ""
