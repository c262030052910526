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

from nasbench.benchmark import Declared, Published, complete, digest
from nasbench.errors import BadFile
from nasbench.find import find
from nasbench.table import OWN_MAXIMUM, SPLITS, Column, Point, Rows, Table

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
WANTS = "the CSV export transnas101_best.csv or .csv.gz"


def read(path: Path | None) -> Published:
    """Read the CSV export; raises `BadFile` for a damaged, incomplete or different file."""
    if path is None:
        raise BadFile(f"transnas101 needs the path of {WANTS}")
    raw = path.read_bytes() if path.is_file() else b""
    frame = _frame(path, raw)
    tables = []
    for short, (theirs, name) in SPACES.items():
        part = frame[frame["space"] == theirs]
        space = find("spaces", name)
        complete(list(part["arch"]), len(space), f"{path}, space {theirs}")
        rows = Rows.of(space, list(part["arch"]))
        tables += [(short, _table(short, task, rows, part)) for task in EPOCHS]
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


def _frame(path: Path, raw: bytes) -> pd.DataFrame:
    import pandas as pd

    try:
        text = gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
        frame = pd.read_csv(io.BytesIO(text))
    except (EOFError, OSError, ValueError, zlib.error) as error:
        raise BadFile(f"{path} can't be read as CSV: {error}") from error
    wanted = ["arch", "space"]
    for task in EPOCHS:
        metric = find("tasks", task).metric.name
        wanted += [f"{task}.{split}_{metric}.best" for split in SPLITS]
        wanted.append(f"{task}.time_elapsed.best")
    if missing := [column for column in wanted if column not in frame]:
        raise BadFile(
            f"{path} is not {WANTS}: it lacks {len(missing)} columns, the first is {missing[0]!r}"
        )
    return frame


def _table(short: str, task_name: str, rows: Rows, part: pd.DataFrame) -> Table:
    task = find("tasks", task_name)

    def column(name: str, chosen_by: str) -> Column:
        return Column(part[name].to_numpy(np.float32)[:, None], chosen_by)

    columns = {}
    for split in SPLITS:
        for metric in task:
            main = (split, metric) == ("valid", task.metric)
            best, final = (f"{task_name}.{split}_{metric.name}.{at}" for at in ("best", "final"))
            if best in part and metric.goal == "max":
                chosen_by = f"valid {metric.name}" if main else OWN_MAXIMUM
                columns[Point("best", split, metric.name)] = column(best, chosen_by)
            if final in part:
                columns[Point("final", split, metric.name)] = column(final, "")
    for point, end in columns.items():
        peak = columns.get(Point("best", point.split, point.metric))
        if point.at == "final" and peak and (end.values > peak.values).any():
            raise BadFile(f"{short}/{task_name}: a last epoch is better than the best one")
    return Table(
        f"transnas101/{short}/{task_name}",
        rows,
        task,
        "best",
        epoch=np.array([EPOCHS[task_name]], np.int32),
        seed=np.array([-1]),
        columns=columns,
        seconds=part[f"{task_name}.time_elapsed.best"].to_numpy(np.float32)[:, None],
    )


BENCHMARK = Declared(
    name="transnas101",
    title="TransNAS-Bench-101: cell (4,096) and macro (3,256) architectures on 7 vision tasks",
    citation="Duan et al., TransNAS-Bench-101, CVPR 2021 (arXiv 2105.11871)",
    answers="best",
    wants=WANTS,
    read=read,
)
