"""How long a report takes: 7 tasks, 5 methods, 500 seeds, 300 queries."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import nasbench
from nasbench.budget import Budget
from nasbench.loop import Method
from nasbench.report import report
from nasbench.study import study, units

METHODS = (
    "random_search",
    "local_search",
    "local_search:first=False",
    "regularized_evolution",
    "regularized_evolution:population=50:tournament=10",
)


@pytest.fixture(scope="module")
def folder(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    bench, out = nasbench.open("transnas101"), tmp_path_factory.mktemp("study")
    tables = [("cell", task) for task in bench.spaces["cell"]]
    methods = [Method.parse(method) for method in METHODS]
    for _ in study(units(bench, out, methods, 500, Budget(queries=300), tables)):
        pass
    return out


@pytest.mark.benchmark(group="a report of 17,500 runs of 300 queries")
def test_report(benchmark: Any, folder: Path) -> None:
    """Promise: <= 90 s on one core."""
    assert benchmark.pedantic(report, (folder,), rounds=2).is_file()
