"""A made-up `transnas-bench_v10141024.pth` in the true format and size, written without torch."""

from __future__ import annotations

import io
import pickle
import re
import zipfile
from math import inf
from pathlib import Path
from typing import Any

import numpy as np

from nasbench.find import find

EPOCHS = {
    "class_scene": 25,
    "class_object": 25,
    "room_layout": 25,
    "jigsaw": 10,
    "segmentsemantic": 30,
    "normal": 30,
    "autoencoder": 30,
}
"""The tasks in the order of the file, and their lengths."""
ORDER = {
    **dict.fromkeys(("class_scene", "class_object", "jigsaw"), "top1 top5 loss"),
    "room_layout": "loss neg_loss",
    "segmentsemantic": "loss acc mIoU",
    **dict.fromkeys(("normal", "autoencoder"), "ssim l1_loss"),
}
MAIN = {
    **dict.fromkeys(("class_scene", "class_object", "jigsaw"), "valid_top1"),
    "room_layout": "valid_neg_loss",
    "segmentsemantic": "valid_mIoU",
    "normal": "valid_ssim",
    "autoencoder": "valid_ssim",
}
INFO = ("inference_time", "encoder_params", "model_params", "model_FLOPs", "encoder_FLOPs")
SPACES = {"macro": "transnas_macro", "micro": "transnas_cell"}
DIVERGED = ("64-432134-basic", "room_layout", "valid_loss", 3)
"""Architecture, task, metric and index of the epoch where the value is infinite."""

Published = dict[str, Any]


def metrics(task: str) -> list[str]:
    """Name the metrics of a task, in the order of the file."""
    names = [
        f"{split}_{name}" for split in ("train", "valid", "test") for name in ORDER[task].split()
    ]
    return [*names, "time_elapsed"]


def made_up(seed: int = 0, *, mixed: bool = True) -> Published:
    """Make the whole of it: curves whose best epoch lies inside, and losses worst at the start.

    If mixed, tuples stand for lists at every 50th architecture, and numpy numbers for Python's at
    every 499th.
    """
    rng = np.random.default_rng(seed)
    return {
        "metrics_dict": {task: metrics(task) for task in EPOCHS},
        "info_names": list(INFO),
        "task_list": list(EPOCHS),
        "data": {
            theirs: _part(find("spaces", name), rng, mixed) for theirs, name in SPACES.items()
        },
    }


def _part(space: Any, rng: np.random.Generator, mixed: bool) -> Published:
    names = [space.spell(arch) for arch in space]
    part: Published = {name: {} for name in names}
    params = rng.integers(10**6, 10**7, len(names))
    for number, (task, epochs) in enumerate(EPOCHS.items()):
        curves = {m: _curves(m, len(names), epochs, rng) for m in metrics(task)}
        lists = {metric: values.tolist() for metric, values in curves.items()}
        for row, name in enumerate(names):
            found = {metric: lists[metric][row] for metric in curves}
            if mixed and row % 499 == 0:
                found = {metric: list(curves[metric][row]) for metric in curves}
            if mixed and row % 50 == 0:
                found = {metric: tuple(curve) for metric, curve in found.items()}
            size = int(params[row])
            part[name][task] = {
                "total_epochs": epochs,
                "model_info": {
                    "inference_time": 0.01 + number / 1000,
                    "encoder_params": float(size),
                    "model_params": float(size + 1000 * number),
                    "model_FLOPs": 2.0 * size,
                    "encoder_FLOPs": 1.5 * size,
                },
                "metrics": found,
            }
    name, task, metric, epoch = DIVERGED
    if name in part:
        curve = list(part[name][task]["metrics"][metric])
        curve[epoch] = inf
        part[name][task]["metrics"][metric] = curve
    return part


def _curves(metric: str, count: int, epochs: int, rng: np.random.Generator) -> Any:
    """Make (count, epochs) values that rise to an epoch inside and fall a little afterwards."""
    if metric == "time_elapsed":
        return np.cumsum(rng.integers(50, 500, (count, epochs)), axis=1).astype(np.float64)
    peak = rng.integers(epochs // 2, epochs - 1, (count, 1))
    shape = 1 - np.abs(np.arange(epochs) - peak) / epochs
    score = shape * rng.uniform(0.3, 0.9, (count, 1)) + rng.normal(0, 0.002, (count, epochs))
    score = np.clip(score, 0.001, 0.999)
    if "neg_loss" in metric:
        score = score - 1
    elif "loss" in metric:
        score = 3 * (1 - score)
    elif "ssim" not in metric:
        score = 100 * score
    return score.astype(np.float32).astype(np.float64)


def save(data: Published, path: Path, *, legacy: bool = False) -> Path:
    """Write what `torch.save` does for an object without tensors."""
    if legacy:
        sizes = {"short": 2, "int": 4, "long": 4}
        system = {"protocol_version": 1001, "little_endian": True, "type_sizes": sizes}
        with path.open("wb") as file:
            parts: list[Any] = [0x1950A86A20F9469CFC6C, 1001, system, data, []]
            for part in parts:
                pickle.dump(part, file, protocol=2)
        return path
    packed = io.BytesIO()
    pickle.dump(data, packed, protocol=2)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{path.stem}/data.pkl", packed.getvalue())
        archive.writestr(f"{path.stem}/.format_version", "1")
        archive.writestr(f"{path.stem}/.storage_alignment", "64")
        archive.writestr(f"{path.stem}/byteorder", "little")
        archive.writestr(f"{path.stem}/version", "3\n")
        archive.writestr(f"{path.stem}/.data/serialization_id", "0" * 40)
    return path


def like_the_export(rows: list[dict[str, str]]) -> Published:
    """Make curves whose maxima, ends and times are those of the published CSV export.

    The maximum lies at an inner epoch, unless the export's last value is as good.
    """
    data = made_up(mixed=False)
    made, data["data"] = data["data"], {theirs: {} for theirs in SPACES}
    for row in rows:
        record = made[row["space"]][row["arch"]]
        data["data"][row["space"]][row["arch"]] = record
        for task, epochs in EPOCHS.items():
            for metric in metrics(task):
                best = float(row[f"{task}.{metric}.best"])
                final = float(row.get(f"{task}.{metric}.final", best))
                curve = [final] * epochs
                curve[epochs // 2] = best
                if metric == "time_elapsed":
                    curve = [best * (epoch + 1) / epochs for epoch in range(epochs)]
                record[task]["metrics"][metric] = curve
    return data


def peak() -> int:
    """Return the most bytes this process had in memory since it was started.

    Not `resource.getrusage`, which on Linux begins with what the parent process had.
    """
    (kilobytes,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(kilobytes) * 1024
