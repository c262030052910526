"""What a Dask cluster costs beside a pool of processes: 7 tasks, 5 methods, 500 seeds, 300 queries.

Each runs with two workers. `cpu` is what this process and its children took for it, in seconds: on
a busy machine it says more than time. A cluster is there already; a pool is made anew.
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
from nasbench.study import study, units
from tests.speed.test_report import METHODS

distributed = pytest.importorskip("distributed")
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
    import psutil  # what distributed needs, too

    own = psutil.Process()
    times = [process.cpu_times() for process in (own, *own.children(recursive=True))]
    return sum(each.user + each.system for each in times)


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
    benchmark: Any, where: str, cluster: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Promise: <= 90 s on two cores; Dask at most a fifth more."""
    address = cluster.scheduler_address if where == "dask" else None
    cpu: list[float] = []

    def once(out: Path) -> int:
        done, own = run(out, address)
        cpu.append(own)
        return done

    def fresh() -> tuple[tuple[Path], dict[str, Any]]:
        return (tmp_path_factory.mktemp(where),), {}

    assert benchmark.pedantic(once, setup=fresh, rounds=1) == 7 * len(METHODS) * SEEDS // 25
    benchmark.extra_info["cpu"] = [round(each, 1) for each in cpu]
