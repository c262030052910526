"""NAS-Bench-Macro (Su et al., CVPR 2021): 6,561 chains of eight layers on CIFAR-10, three runs.

Read from the published JSON: test accuracy of three runs, parameters and FLOPs. There is no
validation accuracy, so a table to look at, and none to search on.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nasbench.benchmark import Declared, Job, Published, complete, digest
from nasbench.errors import BadFile
from nasbench.find import find
from nasbench.recipe import Live, Recipe
from nasbench.table import OWN_MAXIMUM, Column, Info, Point, Rows, Table

WANTS = "nas-bench-macro_cifar10.json"
KNOWN_SHA256 = "686dee8363cc21cca8c1f321ad5749454f2d9b9ca5972682e137e539bc522297"
FIELDS = {"test_acc", "mean_acc", "std", "params", "flops"}
EPOCHS, TRIALS = 50, 3
RECIPE = Recipe(
    images="cifar10",
    size=32,
    epochs=EPOCHS,
    batch=256,
    lr=0.1,
    weight_decay=5e-4,
    augment="flip_crop",
)
"""Of xiusu/NAS-Bench-Macro, train/train.py, which trains on both halves and chooses on the test.

Ours validates on the other half, so this is another task than the table's `cifar10`.
"""


def read(path: Path | None, job: Job) -> Published:
    """Read the JSON; raises `BadFile` for a damaged, incomplete or different file."""
    if path is None:
        raise BadFile(f"nasbench_macro needs the path of {WANTS}")
    raw = path.read_bytes()
    try:
        found = json.loads(raw, object_pairs_hook=_each_once)
    except (ValueError, RecursionError) as error:
        raise BadFile(f"{path} is not {WANTS}: {error}") from error
    if not isinstance(found, dict):
        raise BadFile(f"{path} is not {WANTS}: expected a dictionary of architectures")
    space, names = find("spaces", "nasbench_macro"), list(found)
    complete(names, len(space), str(path))
    for name, told in found.items():
        _check(f"{path}, architecture {name}", told)
    accuracy = np.array([told["test_acc"] for told in found.values()])
    rows = Rows.of(
        space,
        names,
        params=Info(np.array([told["params"] for told in found.values()]), "parameters"),
        flops=Info(np.array([told["flops"] for told in found.values()]), "multiply-adds"),
    )
    rows.trained_as[:] = _trained_as(rows, accuracy)
    table = Table(
        "nasbench_macro/macro/cifar10",
        rows,
        find("tasks", "cifar10"),
        "best",
        epoch=np.array([EPOCHS], np.int32),
        seed=np.full(TRIALS, -1),
        columns={Point("best", "test", "top1"): Column(accuracy.astype(np.float32), OWN_MAXIMUM)},
    )
    known = "" if digest(raw) == KNOWN_SHA256 else "; NOT the file of 2021"
    return Published(
        [("macro", table)],
        source=f"{path.name} (xiusu/NAS-Bench-Macro){known}",
        source_sha256=digest(raw),
        licence="Apache-2.0",
        notes=(
            "test accuracy only: no search can run on it, because it would see test results",
            "best: the published training script keeps the maximum over the epochs on the test "
            "images, so every value is an optimistic test",
            f"{EPOCHS} epochs are that script's; the file doesn't tell",
            "three trainings, whose seeds are not told",
            f"{len(set(rows.trained_as.tolist())):,} networks were trained: architectures that are "
            "one network share one result (trained_as)",
            "flops: multiply-adds of convolutions and linear layers",
        ),
        left_out=("mean_acc and std: they are those of test_acc",),
    )


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError(f"a key occurs twice among {len(pairs):,}")
    return found


def _check(where: str, told: Any) -> None:
    if not isinstance(told, dict) or told.keys() != FIELDS:
        raise BadFile(f"{where}: expected {', '.join(sorted(FIELDS))}")
    trials = told["test_acc"]
    if not isinstance(trials, list) or [type(trial) for trial in trials] != [float] * TRIALS:
        raise BadFile(f"{where}: expected {TRIALS} numbers of test_acc, found {trials!r:.80}")
    for name, value in (("mean_acc", np.mean(trials)), ("std", np.std(trials))):
        if type(told[name]) is not float or not abs(told[name] - value) < 1e-6:
            raise BadFile(f"{where}: {name} is {told[name]!r:.80}, that of test_acc is {value}")
    for name in ("params", "flops"):
        if type(told[name]) is not int or not 0 < told[name] < 2**63:
            raise BadFile(f"{where}: {name} is {told[name]!r:.80}, expected a count")


def _trained_as(rows: Rows, accuracy: NDArray[np.float64]) -> list[int]:
    """Return the rows that were trained, (N,).

    The published script moves the true identities to the end before it trains, so it was the last
    member of each class; one that differs from it must have had a training of its own.
    """
    space = rows.space
    places = [space.index(arch) for arch in rows.archs]
    classes = space.class_ids()[places].tolist()
    last = {classes[row]: row for row in np.argsort(places).tolist()}
    found = [last[number] for number in classes]
    same = (accuracy == accuracy[found]).all(axis=1)
    return [trained if same[row] else row for row, trained in enumerate(found)]


BENCHMARK = Declared(
    name="nasbench_macro",
    title="NAS-Bench-Macro: 6,561 chains of eight layers on CIFAR-10, test accuracy only",
    citation="Su et al., Prioritized Architecture Sampling with Monto-Carlo Tree Search, CVPR 2021 "
    "(arXiv 2103.11922)",
    answers="best",
    wants=WANTS,
    read=read,
    live=Live({"macro": "nasbench_macro"}, {"cifar10_valid": RECIPE}),
)
