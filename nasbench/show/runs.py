"""What is printed of searches and trainings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nasbench.budget import Budget
from nasbench.errors import BadValue
from nasbench.metrics.ranking import ranks
from nasbench.metrics.statistics import FEWEST
from nasbench.recipe import Trainable, Trained
from nasbench.show.plain import cell_text, print_table
from nasbench.show.scores import print_matrix
from nasbench.table import Table
from nasbench.trace import Traces

if TYPE_CHECKING:
    import pandas as pd

    from nasbench.transfer import Transfer


def _picks(traces: Traces, where: Table | Trainable) -> tuple[Any, dict[str, Any]]:
    """Return the step each step would be judged by, and what the last of them found.

    Where a table has the truth, also how good that is.
    """
    if not len(traces.value):
        budget = Budget(**traces.head["budget"])
        raise BadValue(f"no training fits into {budget}: a full one takes {where.epochs} epochs")
    pick = traces.judged
    last = int(pick[-1])
    arch = tuple(traces.arch[last].tolist())
    found = {"name": where.space.spell(arch), "arch": arch, "value": float(traces.value[last])}
    if isinstance(where, Table):
        score, row = where.scores(), where.rows.by_key.get(arch)
        rank, regret = (np.nan, np.nan)
        if row is not None:
            rank, regret = ranks(score)[row], np.nanmax(score) - score[row]
        found |= {"rank": float(rank), "of": len(where), "validation_regret": float(regret)}
    return pick, found


def run_as_json(where: Table | Trainable, traces: Traces) -> dict[str, Any]:
    """Turn one run into what `--json` prints: its head, what it found, and every step."""
    pick, found = _picks(traces, where)
    columns = (traces.arch, traces.epochs, traces.value, traces.seconds, pick + 1)
    steps = [
        {"arch": arch, "epochs": epochs, "value": value, "seconds": seconds, "judged_by": step}
        for arch, epochs, value, seconds, step in zip(*(c.tolist() for c in columns), strict=True)
    ]
    for i, step in enumerate(steps):
        step |= {name: float(values[i]) for name, values in traces.info.items()}
    return {**traces.head, "seed": int(traces.seed[0]), "found": found, "steps": steps}


def print_run(where: Table | Trainable, traces: Traces) -> None:
    """Print the steps at which one run found something better, and how good the last one is."""
    pick, found = _picks(traces, where)
    spell = [where.space.spell(tuple(arch)) for arch in traces.arch.tolist()]
    better = np.unique(pick)
    spent = np.cumsum(traces.seconds)
    print(f"{where.address}@{where.schedule} {traces.head['method']}, seed {int(traces.seed[0])}")
    what = "epoch" if traces.one_shot else "query"
    print_table(
        (what, "architecture", f"valid {where.task.metric.name}", *traces.info, "seconds so far"),
        [
            (i + 1, spell[i], traces.value[i], *(v[i] for v in traces.info.values()), spent[i])
            for i in better
        ],
    )
    epochs = int(traces.epochs.sum())
    done = (
        f"{epochs:,} epochs of the supernet"
        if traces.one_shot
        else f"{len(pick)} queries, {epochs:,} epochs"
    )
    print(f"\n{done}, {spent[-1]:,.0f} seconds of training")
    if told := traces.head.get("networks"):
        print(f"scored before any training: {told}, unless its parameters say otherwise")
    if isinstance(where, Table) and found["rank"] != found["rank"]:
        print(f"found {found['name']}, of which {where.address} holds no training: nasbench train")
    elif isinstance(where, Table):
        print(
            f"found {found['name']}: rank {found['rank']:g} of {found['of']:,}, "
            f"validation regret {found['validation_regret']:.4f}"
        )
    else:
        print(f"found {found['name']}: valid {where.task.metric.name} {cell_text(found['value'])}")


def print_trained(where: Trainable, name: str, seed: int, trained: Trained) -> None:
    """Print the epochs of a training, and what it came to on the test images."""
    print(f"{where.address} {name}, seed {seed}")
    curves = trained.curves
    rows = zip(trained.seconds, *curves.values(), strict=True)
    head = ["epoch", *(name.replace("/", " ") for name in curves), "seconds"]
    print_table(head, [(i, *values, spent) for i, (spent, *values) in enumerate(rows, 1)])
    print(f"\n{trained.params:,} parameters, {trained.macs:,} multiply-adds an image")
    print(", ".join(f"test {metric} {cell_text(value)}" for metric, value in trained.test.items()))
    for note in trained.notes:
        print(f"note: {note}")


def print_study(rows: pd.DataFrame) -> None:
    """Print the final table of a report: a row of `nasbench.report.summary` a line."""
    words = {"value": "found", "std": "+-", "rank": "mean rank", "regret": "validation regret"}
    keys = ["space", "task", "metric", "method", "runs", *words]
    tests = [label for label in rows["test"].unique() if label]
    told = [
        [row[key] for key in keys]
        + [f"{cell_text(row['low'])}..{cell_text(row['high'])}"]
        + [row["test_regret"] if row["test"] == label else float("nan") for label in tests]
        for row in rows.to_dict("records")
    ]
    print_table([words.get(key, key) for key in keys] + ["95 % interval", *tests], told)
    if not tests:
        print("\nvalidation regret only: this source has no test results")
    if unknown := rows["unknown"].sum():
        print(f"\n{unknown} more ended with a network that no training in the table is of")
    if rows["runs"].max() < FEWEST:
        print(f"with fewer than {FEWEST} runs the intervals are too narrow: run more seeds")


def print_transfers(found: Sequence[Transfer]) -> None:
    """Print what transfers gain: sources x targets for each method, then all pairs together."""
    from nasbench.transfer import gains

    columns: dict[str, Callable[[Transfer], float]] = {
        "gain at equal budget on the target": lambda each: each.gain.value,
        "gain at equal budget in all": lambda each: each.gain_total.value,
        "speed-up": lambda each: each.speed_up,
    }
    for space, method in dict.fromkeys((each.space, each.method) for each in found):
        own = [each for each in found if (each.space, each.method) == (space, method)]
        targets = dict.fromkeys((each.target for each in own), float("nan"))
        for what, value in columns.items():
            matrix = {each.origin: dict(targets) for each in own}
            for each in own:
                matrix[each.origin][each.target] = value(each)
            print(f"{space}, {method}: {what}, from row to column")
            print_matrix(matrix)
    head = ["space", "method", "sources", "pairs", "regret", "scratch", "scratch in all", "gain"]
    head += ["gain in all", "speed-up", "negative", "negative in all", "surely"]
    print_table(head, gains(found))
    print("\nin all: beside a search from scratch that may spend what the sources did, too")
    print("regret: of validation, as a share of the median architecture's; its mean over pairs")
    print("gain: the share of the regret from scratch that is saved; 1 is perfect, below 0 is harm")
    print("negative: share of pairs with a gain below 0; surely: with all of its 95 % interval")
    if min(each.runs for each in found) < FEWEST:
        print(f"with fewer than {FEWEST} runs the intervals are too narrow: run more seeds")
