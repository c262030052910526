"""What a Dask cluster costs beside a pool of processes: 7 tasks, 5 methods, 500 seeds, 300 queries.

Each runs with two workers. `cpu`, in the file of `--benchmark-json`, is what this process and its
children took for it, in seconds: on a busy machine it says more than time. A cluster is there
already; a pool is made anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import nasbench
from nasbench.budget import Budget
from nasbench.loop import Method
from nasbench.pool import executor
from nasbench.study import BLOCK, study, units
from tests.speed.test_report import METHODS

distributed, psutil = map(pytest.importorskip, ("distributed", "psutil"))
SEEDS, QUERIES = 500, 300


@pytest.fixture(scope="module")
def cluster(home: Path) -> Iterator[Any]:
    made = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1"
    )
    with made:
        yield made


def spent() -> float:
    """Return the seconds of CPU of this process and of its children that are alive."""
    own = psutil.Process()
    times = [process.cpu_times() for process in (own, *own.children(recursive=True))]
    return float(sum(each.user + each.system for each in times))


def run(out: Path, dask: str | None) -> tuple[int, float]:
    """Make the study in a folder; return how many units it has, and their CPU."""
    bench = nasbench.open("transnas101")
    tables = [("cell", task) for task in bench.spaces["cell"]]
    methods = [Method.parse(method) for method in METHODS]
    todo = units(bench, out, methods, SEEDS, Budget(queries=QUERIES), tables)
    before = spent()
    with executor(2, len(todo), dask) as pool:
        done = len([*study(todo, pool)])
        return done, spent() - before


@pytest.mark.benchmark(group="a study of 17,500 runs of 300 queries, two workers")
@pytest.mark.parametrize("where", ["processes", "dask"])
def test_study(
    benchmark: Any, where: str, home: Path, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Promise: <= 90 s on two cores; Dask at most a fifth more."""
    dask = request.getfixturevalue("cluster").scheduler_address if where == "dask" else None
    done, cpu = benchmark.pedantic(run, (tmp_path, dask), rounds=1)
    assert done == 7 * len(METHODS) * SEEDS // BLOCK
    benchmark.extra_info["cpu"] = round(cpu, 1)
