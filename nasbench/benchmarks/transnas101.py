"""TransNAS-Bench-101 (Duan et al., CVPR 2021): two spaces, seven tasks, 51,464 trainings.

Read from the published file, `transnas-bench_v10141024.pth`: the learning curve of every metric. Or
from its complete CSV export: per architecture and task, every metric's maximum over the epochs, and
the main validation metric at the last epoch.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Mapping
from dataclasses import replace
from hashlib import file_digest
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nasbench.benchmark import Declared, Job, Published, complete, digest
from nasbench.errors import BadFile
from nasbench.find import find
from nasbench.recipe import Live, Recipe
from nasbench.table import OWN_MAXIMUM, SPLITS, Column, Info, Point, Rows, Table
from nasbench.task import Task
from nasbench.unpickle import NUMPY, ORDERED, load

if TYPE_CHECKING:
    import pandas as pd

SPACES = {"macro": ("macro", "transnas_macro"), "cell": ("micro", "transnas_cell")}
"""Our name of a space: the source's, and that of the space itself."""
LABELS = Recipe(
    images="taskonomy",
    size=256,
    epochs=25,
    batch=128,
    lr=0.1,
    nesterov=True,
    weight_decay=5e-4,
)
PICTURES = replace(
    LABELS,
    epochs=30,
    optimizer="adam",
    lr=1e-4,
    momentum=0.5,
    nesterov=False,
    weight_decay=1e-4,
    schedule="constant",
    options={"adversarial": 0.01 / 0.99},
)
RECIPES = {
    "class_object": replace(LABELS, augment="flip"),
    "class_scene": replace(LABELS, augment="flip"),
    "room_layout": LABELS,
    "jigsaw": replace(LABELS, epochs=10, size=192),
    "segmentsemantic": replace(LABELS, epochs=30),
    "normal": PICTURES,
    "autoencoder": replace(PICTURES, lr=5e-4),
}
"""Of yawen-d/TransNASBench, configs/train_from_scratch, the branch with the training code.

Not told there: how long the cosine is warmed up (here not at all), and which buildings were used.
*Ours*: no colour jitter; no flips where the label would have to be flipped as well, nor of
puzzles; tiles of 64 pixels, as published, but next to each other in 192 instead of at random
places in 255. One mean and deviation normalizes the pixels of all tasks.
"""
EPOCHS = {task: recipe.epochs for task, recipe in RECIPES.items()}
LAST = {"segmentsemantic": "acc"}
"""The metric whose last epoch the export has, where it isn't the main one."""
EXPORT = "the CSV export transnas101_best.csv or .csv.gz"
WANTS = f"the published transnas-bench_v10141024.pth, or {EXPORT}"


def read(path: Path | None, job: Job) -> Published:
    """Read the file by what it holds; raises `BadFile` for a damaged, incomplete or other one."""
    if path is None:
        raise BadFile(f"transnas101 needs the path of {WANTS}")
    try:
        with path.open("rb") as file:
            head = file.read(4)
    except OSError as error:
        raise BadFile(f"{path} is not {WANTS}: {error.strerror}") from error
    published = head.startswith((b"PK\3\4", b"\x80", b"BZh"))
    return _read_published(path, job) if published else _read_export(path)


# ------------------------------------------------------------------------------ the published file

KNOWN_SHA256 = "1974b0ba21872494fabb541616e9bdae740242eecd6df5c5893747291364bc10"
UNPACKED = 300 * 10**6
"""Bytes the pickle inside may have; the published one has about 105 million."""
INFO = {
    "params": ("model_params", "parameters"),
    "encoder_params": ("encoder_params", "parameters"),
    "flops": ("model_FLOPs", "FLOPs, as the source counts them"),
    "encoder_flops": ("encoder_FLOPs", "FLOPs, as the source counts them"),
    "latency": ("inference_time", "s"),
}
"""Our name of a fact: the source's, and its unit."""


def _read_published(path: Path, job: Job) -> Published:
    found = load(path, str(path), NUMPY | ORDERED, UNPACKED)
    data = found.get("data") if isinstance(found, dict) else None
    parts = data if isinstance(data, dict) else {}
    tables: list[tuple[str, Table]] = []
    for short, (theirs, space) in SPACES.items():
        part = parts.get(theirs)
        if not isinstance(part, dict) or not all(isinstance(name, str) for name in part):
            raise BadFile(f"{path} is not {WANTS}: no architectures at data/{theirs}")
        complete(list(part), len(find("spaces", space)), f"{path}, space {theirs}")
        try:
            rows = Rows.of(find("spaces", space), list(part), **_info(part))
            for task in EPOCHS:
                job.tick(len(tables), len(SPACES) * len(EPOCHS))
                tables.append((short, _curve_table(short, find("tasks", task), rows, part)))
        except BadFile as error:
            raise BadFile(f"{path}, space {theirs}: {error}") from None
    with path.open("rb") as file:
        sha256 = file_digest(file, "sha256").hexdigest()
    known = "" if sha256 == KNOWN_SHA256 else "; NOT the file whose sha256 is known"
    return Published(
        tables,
        source=f"{path.name}{known}",
        source_sha256=sha256,
        licence="not told by the file",
        notes=(
            "best: every metric at the epoch of the best main validation metric, the first of "
            "equal ones; the published API takes each metric's own maximum, which is the same for "
            "that metric, but for a loss it is the worst epoch, for test one chosen on the test",
            "final: every metric at the last epoch, as the published API's mode 'final'",
            "losses are learning curves here; one that diverged is inf",
            f"seconds: time_elapsed, cumulative; its unit is not told, but {_hours(tables):,.0f} "
            "hours in all are, for the genuine file, the 193,760 GPU hours of the paper",
            *_backwards(tables),
            "one training per architecture and task; its seed is not told",
        ),
    )


def _curve_table(short: str, task: Task, rows: Rows, part: Mapping[str, Any]) -> Table:
    epochs = _epochs(part, task.name)
    columns = {}
    curves = {
        Point("curve", split, metric.name): _curves(
            part, task.name, f"{split}_{metric.name}", epochs
        )
        for split in SPLITS
        for metric in task
    }
    main = task.metric.sign * curves[Point("curve", "valid", task.metric.name)]
    chosen = np.where(np.isnan(main), -np.inf, main).argmax(axis=2)[:, :, None]
    for point, curve in curves.items():
        best = np.take_along_axis(curve, chosen, axis=2)[:, :, 0]
        columns[point] = Column(curve)
        columns[point._replace(at="best")] = Column(best, f"valid {task.metric.name}")
        columns[point._replace(at="final")] = Column(curve[:, :, -1].copy())
    return Table(
        f"transnas101/{short}/{task.name}",
        rows,
        task,
        "best",
        epoch=np.arange(1, epochs + 1, dtype=np.int32),
        seed=np.array([-1]),
        columns=columns,
        seconds=_curves(part, task.name, "time_elapsed", epochs),
    )


def _epochs(part: Mapping[str, Any], task: str) -> int:
    """Return how many epochs a task was trained for, which all architectures must agree on."""
    told = _each(part, task, "total_epochs")
    for name, epochs in zip(part, told, strict=True):
        if type(epochs) is not int or epochs < 1:
            raise BadFile(f"{name}, {task}: total_epochs is no number of epochs")
        if epochs != told[0]:
            raise BadFile(f"{name}, {task}: {epochs} epochs, but others have {told[0]}")
    return int(told[0])


def _curves(part: Mapping[str, Any], task: str, metric: str, epochs: int) -> NDArray[np.float32]:
    """Return one metric at every epoch, (N, 1, E)."""
    curves = _each(part, task, "metrics", metric)
    for name, curve in zip(part, curves, strict=True):
        if type(curve) not in (list, tuple) or len(curve) != epochs:
            raise BadFile(f"{name}, {task}: {metric} is no list of {epochs} numbers, one an epoch")
    flat = _numbers(part, f"{task}, {metric}", list(chain.from_iterable(curves)))
    return flat.astype(np.float32).reshape(len(part), 1, epochs)


def _info(part: Mapping[str, Any]) -> dict[str, Info]:
    """Return the facts about architectures; by task where the tasks don't all say the same."""
    facts = {}
    for name, (theirs, unit) in INFO.items():
        values = np.stack(
            [
                _numbers(part, f"{task}, {theirs}", _each(part, task, "model_info", theirs))
                for task in EPOCHS
            ],
            axis=1,
        )
        same = (values == values[:, :1]).all()
        facts[name] = Info(values[:, 0], unit) if same else Info(values, unit, tasks=tuple(EPOCHS))
    return facts


def _each(part: Mapping[str, Any], *keys: str) -> list[Any]:
    """Return what lies under the keys for every architecture, in their order."""
    found = list(part.values())
    for depth, key in enumerate(keys, 1):
        for name, item in zip(part, found, strict=True):
            if type(item) is not dict or key not in item:
                raise BadFile(f"{name}: no {'/'.join(keys[:depth])}")
        found = [item[key] for item in found]
    return found


def _numbers(part: Mapping[str, Any], what: str, found: list[Any]) -> NDArray[np.float64]:
    """Return one or several numbers of each architecture as an array, and refuse anything else."""
    if not set(map(type, found)) <= {float, int}:
        place = next(n for n, value in enumerate(found) if type(value) not in (float, int))
        name = list(part)[place * len(part) // len(found)]
        raise BadFile(f"{name}, {what}: expected a number, found a {type(found[place]).__name__}")
    try:
        return np.array(found, np.float64)
    except OverflowError:
        raise BadFile(f"{what}: a number is too large") from None


def _hours(tables: list[tuple[str, Table]]) -> float:
    return float(sum(table.cost_seconds().sum() for _, table in tables)) / 3600


def _backwards(tables: list[tuple[str, Table]]) -> list[str]:
    """Say where cumulative time goes back, if it does."""
    notes = []
    for _, table in tables:
        assert table.seconds is not None
        back = (np.diff(table.seconds, axis=2) < 0).any(axis=(1, 2))
        if back.any():
            name = table.rows.names[int(back.argmax())]
            notes.append(f"{table.address}: the seconds of {back.sum()} go back, as of {name}")
    return notes


# ---------------------------------------------------------------------------------- its CSV export


def _read_export(path: Path) -> Published:
    raw, frame = _frame(path)
    tables = []
    for short, (theirs, name) in SPACES.items():
        part = frame[frame["space"] == theirs]
        space = find("spaces", name)
        complete(list(part["arch"]), len(space), f"{path}, space {theirs}")
        rows = Rows.of(space, list(part["arch"]))
        tables += [(short, _table(short, find("tasks", task), rows, part)) for task in EPOCHS]
    return Published(
        tables,
        source=f"{path.name} (complete export of transnas-bench_v10141024.pth)",
        source_sha256=digest(raw),
        licence="Apache-2.0 (values); MIT (order of the names)",
        notes=(
            "best: each metric's maximum over the epochs, each at its own epoch; for the main "
            "validation metric that is the best epoch, for test metrics it is an optimistic test",
            "final: the last epoch, main validation metric only (segmentsemantic: pixel accuracy)",
            "seconds: cumulative training time at the last epoch, as the source has it",
            "epochs per task (25; jigsaw 10; 30) are the paper's; the export has no curves",
            "one training per architecture and task; its seed is not told",
        ),
        left_out=(
            "loss and l1_loss columns: the export takes the maximum over epochs of every metric, "
            "which for a loss is its worst epoch (one is inf: 64-432134-basic, room_layout)",
        ),
    )


def _frame(path: Path) -> tuple[bytes, pd.DataFrame]:
    import pandas as pd

    try:
        raw = path.read_bytes()
        text = gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
        words = dict.fromkeys(("arch", "space"), str)
        frame = pd.read_csv(io.BytesIO(text), dtype=words, keep_default_na=False, low_memory=False)
    except (EOFError, OSError, ValueError, zlib.error) as error:
        raise BadFile(f"{path} is not {EXPORT}: {str(error).strip()}") from error
    tasks = [find("tasks", name) for name in EPOCHS]
    numbers = [column for task in tasks for column in (*_columns(task).values(), _seconds(task))]
    if missing := [column for column in (*words, *numbers) if column not in frame]:
        raise BadFile(
            f"{path} is not {EXPORT}: it lacks {len(missing)} columns, the first is {missing[0]!r}"
        )
    wrong = frame[numbers].apply(pd.to_numeric, errors="coerce").isna().to_numpy()
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        told = f"{numbers[column]} of {frame['arch'][row]} is {frame[numbers[column]][row]!r}"
        raise BadFile(f"{path}: expected numbers, but {told}")
    return raw, frame


def _columns(task: Task) -> dict[Point, str]:
    """Name the columns that are taken over: no losses, whose maximum is their worst epoch."""
    kept = [metric.name for metric in task if metric.goal == "max"]
    last = LAST.get(task.name, task.metric.name)
    columns = {
        Point("best", split, metric): f"{task.name}.{split}_{metric}.best"
        for split in SPLITS
        for metric in kept
    }
    return {**columns, Point("final", "valid", last): f"{task.name}.valid_{last}.final"}


def _seconds(task: Task) -> str:
    return f"{task.name}.time_elapsed.best"


def _table(short: str, task: Task, rows: Rows, part: pd.DataFrame) -> Table:
    def values(name: str) -> NDArray[np.float32]:
        column: NDArray[np.float32] = part[name].to_numpy(np.float32)
        return column[:, None]

    main = Point("best", "valid", task.metric.name)
    columns = {}
    for point, name in _columns(task).items():
        chosen_by = f"valid {point.metric}" if point == main else OWN_MAXIMUM
        columns[point] = Column(values(name), chosen_by if point.at == "best" else "")
    for point, end in columns.items():
        better = end.values > columns[point._replace(at="best")].values
        if better.any():
            name = rows.names[int(better.argmax())]
            raise BadFile(f"{short}/{task.name}, {name}: its last epoch is better than its best")
    return Table(
        f"transnas101/{short}/{task.name}",
        rows,
        task,
        "best",
        epoch=np.array([EPOCHS[task.name]], np.int32),
        seed=np.array([-1]),
        columns=columns,
        seconds=values(_seconds(task)),
    )


BENCHMARK = Declared(
    name="transnas101",
    title="TransNAS-Bench-101: cell (4,096) and macro (3,256) architectures on 7 vision tasks",
    citation="Duan et al., TransNAS-Bench-101, CVPR 2021 (arXiv 2105.11871)",
    answers="best",
    wants=WANTS,
    read=read,
    live=Live({name: space for name, (_, space) in SPACES.items()}, RECIPES),
)
