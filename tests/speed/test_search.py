"""How long a study takes: 500 runs of 300 queries, traced in memory, beside a bare Python loop."""

from __future__ import annotations

import random
from collections import deque
from pathlib import Path
from typing import Any

import pytest

import nasbench
from nasbench.budget import Budget
from nasbench.table import Table

RUNS, QUERIES, POPULATION, TOURNAMENT = 500, 300, 50, 10


@pytest.fixture(scope="module")
def table(home: Path) -> Table:
    return nasbench.open("transnas101")["cell", "class_object"]


def bare(table: Table) -> float:
    """The same search with nothing around it: no contract, no budget, no trace."""
    score = dict(zip(table.rows.archs, table.scores().tolist(), strict=True))
    archs, total = table.rows.archs, 0.0
    for seed in range(RUNS):
        rng = random.Random(seed)
        living: deque[tuple[float, tuple[int, ...]]] = deque(maxlen=POPULATION)
        best = 0.0
        for step in range(QUERIES):
            if step < POPULATION:
                arch = archs[int(rng.random() * len(archs))]
            else:
                few = [living[int(rng.random() * POPULATION)] for _ in range(TOURNAMENT)]
                parent = max(few)[1]
                i = int(rng.random() * 6)
                gene = (parent[i] + 1 + int(rng.random() * 3)) % 4
                arch = (*parent[:i], gene, *parent[i + 1 :])
            value = score[arch]
            best = max(best, value)
            living.append((value, arch))
        total += best
    return total / RUNS


def ours(table: Table, runner: str, **params: Any) -> float:
    traces = nasbench.run(runner, table, range(RUNS), Budget(queries=QUERIES), **params)
    return sum(float(traces.score[traces.steps(i)].max()) for i in range(RUNS)) / RUNS


@pytest.mark.benchmark(group="500 runs x 300 queries of regularized evolution")
def test_bare_python(benchmark: Any, table: Table) -> None:
    assert benchmark.pedantic(bare, (table,), rounds=5) > 45


@pytest.mark.benchmark(group="500 runs x 300 queries of regularized evolution")
def test_regularized_evolution(benchmark: Any, table: Table) -> None:
    """Promise: <= 1.5 s on one core."""
    params = {"population": POPULATION, "tournament": TOURNAMENT}
    runner = "regularized_evolution"
    assert benchmark.pedantic(ours, (table, runner), params, rounds=5) > 45


@pytest.mark.parametrize("runner", ["random_search", "local_search"])
@pytest.mark.benchmark(group="500 runs x 300 queries of other methods")
def test_others(benchmark: Any, table: Table, runner: str) -> None:
    assert benchmark.pedantic(ours, (table, runner), rounds=3) > 45
