"""How long it takes to judge a ranking: `make bench`; numbers are in `docs/performance.md`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nasbench.metrics.ranking import agreement
from nasbench.metrics.resampling import kendall_matrix_resampled, resamples
from nasbench.table import Floats


@pytest.fixture(scope="module")
def scores() -> Floats:
    """Make seven scores of 4,096, of which some are equal."""
    rng = np.random.default_rng(0)
    return (2 * rng.normal(size=4096) + rng.normal(size=(7, 4096))).round(2)


@pytest.mark.benchmark(group="ranking")
def test_matrix_of_seven_tasks(benchmark: Any, scores: Floats) -> None:
    """Promise: 1,000 resamples of 7 x 7 taus of 4,096 architectures in <= 5 s on one core."""
    times = resamples(4096, np.random.default_rng(0))
    benchmark.pedantic(kendall_matrix_resampled, (scores, times), rounds=3)


@pytest.mark.benchmark(group="ranking")
def test_all_measures_of_one_score(benchmark: Any, scores: Floats) -> None:
    """Every measure with its interval, 1,000 resamples."""
    rng = np.random.default_rng(0)
    benchmark.pedantic(agreement, (scores[0], scores[1], rng), rounds=3)
