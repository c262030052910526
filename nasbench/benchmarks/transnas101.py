"""TransNAS-Bench-101 (Duan et al., CVPR 2021): two spaces, seven tasks, 51,464 trainings.

Read from the complete CSV export of the published file: per architecture and task, every metric's
maximum over the epochs, and the main validation metric at the last epoch.
"""

from __future__ import annotations

import gzip
import io
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nasbench.benchmark import Declared, Job, Published, complete, digest
from nasbench.errors import BadFile
from nasbench.find import find
from nasbench.table import OWN_MAXIMUM, SPLITS, Column, Point, Rows, Table
from nasbench.task import Task

if TYPE_CHECKING:
    import pandas as pd

SPACES = {"macro": ("macro", "transnas_macro"), "cell": ("micro", "transnas_cell")}
"""Our name of a space: the source's, and that of the space itself."""
EPOCHS = {
    "class_object": 25,
    "class_scene": 25,
    "room_layout": 25,
    "jigsaw": 10,
    "segmentsemantic": 30,
    "normal": 30,
    "autoencoder": 30,
}
LAST = {"segmentsemantic": "acc"}
"""The metric whose last epoch the export has, where it isn't the main one."""
WANTS = "the CSV export transnas101_best.csv or .csv.gz"


def read(path: Path | None, job: Job) -> Published:
    """Read the CSV export; raises `BadFile` for a damaged, incomplete or different file."""
    if path is None:
        raise BadFile(f"transnas101 needs the path of {WANTS}")
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
        raise BadFile(f"{path} is not {WANTS}: {str(error).strip()}") from error
    tasks = [find("tasks", name) for name in EPOCHS]
    numbers = [column for task in tasks for column in (*_columns(task).values(), _seconds(task))]
    if missing := [column for column in (*words, *numbers) if column not in frame]:
        raise BadFile(
            f"{path} is not {WANTS}: it lacks {len(missing)} columns, the first is {missing[0]!r}"
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
)
