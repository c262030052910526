"""Pairs of methods with few runs, some of them equal: all signs at once, and one by one."""

from __future__ import annotations

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from scipy.stats import wilcoxon

from nasbench.metrics.statistics import paired_tests

RESULTS = np.random.default_rng(0).integers(-4, 5, (2, 12)).astype(float)


@pytest.mark.parametrize("kind", ["ours", "scipy"])
@pytest.mark.benchmark(group="the signed-rank test of 12 pairs with ties", min_rounds=3)
def test_signed_ranks(benchmark: BenchmarkFixture, kind: str) -> None:
    """No promise but that reports of few seeds need not wait for it."""
    one, other = RESULTS
    benchmark((lambda: paired_tests(RESULTS)) if kind == "ours" else (lambda: wilcoxon(one, other)))
