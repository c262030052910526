"""What comes out on the real table agrees with what is known of it."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pytest

from nasbench.benchmark import import_benchmark
from nasbench.budget import Budget
from nasbench.loop import run
from nasbench.metrics.ranking import ranks
from nasbench.metrics.regret import incumbent
from nasbench.store import Benchmark
from nasbench.table import Floats

Found: TypeAlias = Callable[[str, str, str], tuple[Floats, Floats]]

RUNS = 500
TASKS = ["class_object", "class_scene", "autoencoder", "normal", "segmentsemantic"]
TASKS += ["room_layout", "jigsaw"]
THEIRS = {"cell": "micro", "macro": "macro"}
METHODS = {"RS": "random_search", "REA": "regularized_evolution"}


@pytest.fixture(scope="session")
def transnas101(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Benchmark]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NASBENCH_HOME", str(tmp_path_factory.mktemp("home")))
        file = shared / "data" / "transnas101" / "transnas101_best.csv.gz"
        yield import_benchmark("transnas101", file)


@pytest.fixture(scope="session")
def published(shared: Path) -> list[dict[str, str]]:
    with (shared / "methods" / "published.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="session")
def found(transnas101: Benchmark) -> Found:
    """Run a method with 500 seeds: the found values as papers print them, and their ranks."""

    @cache
    def runs(space: str, task: str, method: str) -> tuple[Floats, Floats]:
        table = transnas101[space, task]
        traces = run(method, table, range(RUNS), Budget(queries=50))
        last = incumbent(traces.score, traces.epochs, traces.start)[traces.start[1:] - 1]
        rows = [table.row(arch) for arch in traces.arch[last]]
        return table.task.metric.display * traces.value[last], ranks(table.scores())[rows]

    return runs


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("space", THEIRS)
def test_random_search_finds_the_rank_that_theory_says(
    space: str, task: str, transnas101: Benchmark, found: Found
) -> None:
    """The best of n draws without replacement has mean rank (N + 1) / (n + 1).

    Its standard deviation is nearly the mean, so that of the mean of 500 runs is 3.6 and 2.8 ranks.
    """
    _, rank = found(space, task, "random_search")
    expected = (len(transnas101[space, task]) + 1) / 51
    assert abs(rank.mean() - expected) < 3.5 * expected / math.sqrt(RUNS)


@pytest.mark.parametrize("space", THEIRS)
def test_random_search_over_all_tasks(space: str, transnas101: Benchmark, found: Found) -> None:
    mean = np.mean([found(space, task, "random_search")[1] for task in TASKS])
    expected = (len(transnas101[space, "jigsaw"]) + 1) / 51
    assert abs(mean - expected) < 0.04 * expected


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize(("space", "method"), [("cell", "RS"), ("cell", "REA"), ("macro", "RS")])
def test_means_agree_with_the_computed_rows(
    space: str, method: str, task: str, found: Found, published: list[dict[str, str]]
) -> None:
    """Both are means of samples: 500 runs here, 3,000 (RS) and 300 (REA) there.

    REA on the macro space is not compared: how it was mutated there is not told, and neither our
    neighbours nor those of equal depth alone give its numbers.
    """
    rows = [
        row
        for row in published
        if row["table_id"] in {f"tnb101_sim_{THEIRS[space]}", f"tnb101_methods_{THEIRS[space]}"}
        and (row["task_or_dataset"], row["method"]) == (task, method)
        and row["status"] in {"published", "computed"}
    ]
    assert len(rows) == 2, "a value and a rank"
    value, rank = found(space, task, METHODS[method])
    for row in rows:
        ours = rank if row["metric"].startswith("rank") else value
        error = ours.std() * math.sqrt(1 / RUNS + 1 / (3000 if method == "RS" else 300))
        assert abs(ours.mean() - float(row["value"])) < 3.5 * error + 0.005, row


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("space", THEIRS)
def test_the_best_is_what_the_paper_prints(
    space: str, task: str, transnas101: Benchmark, published: list[dict[str, str]]
) -> None:
    table = transnas101[space, task]
    printed = [
        row["value"]
        for row in published
        if (row["table_id"], row["space"]) == ("tnb101_global_best", THEIRS[space])
        and row["task_or_dataset"] == task
    ]
    assert [f"{table.task.metric.display * table.best()[0].value:.2f}"] == printed
