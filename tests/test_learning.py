"""Each task is learned from rooms by the recipe: `pytest tests/test_learning.py -m slow -s`.

Ten random connected networks of a space are trained. Their median must beat what can be said
without a network.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from statistics import median

import numpy as np
import pytest

from nasbench.benchmark import trainable
from nasbench.find import find
from nasbench.search import Query
from nasbench.space import Architecture, Space
from nasbench.training import FromTraining
from nasbench.trivial import trivial

pytest.importorskip("torch")
LIVE = find("benchmarks", "rooms").live
assert LIVE
NETWORKS = 10


def connected(space: Space) -> Iterator[Architecture]:
    rng = np.random.default_rng(2026)
    while True:
        if space.has_path(arch := space.sample(rng)):
            yield arch


@pytest.mark.slow
@pytest.mark.parametrize("space", LIVE.spaces)
@pytest.mark.parametrize("task", LIVE.recipes)
def test_random_networks_beat_trivial_predictors(space: str, task: str) -> None:
    where, _ = trainable(f"rooms/{space}/{task}")
    archs = [arch for arch, _ in zip(connected(where.space), range(NETWORKS), strict=False)]
    with FromTraining(where, workers=min(2, os.cpu_count() or 1)) as evaluate:
        outcomes = evaluate.many([Query(arch) for arch in archs])
    values = sorted(outcome.value for outcome in outcomes)
    seconds = sum(outcome.cost.seconds for outcome in outcomes) / NETWORKS
    told = {name: round(value, 3) for name, value in trivial(where).items()}
    low, middle, high = (round(float(v), 3) for v in (values[0], median(values), values[-1]))
    print(f"\n{where.address}: {told}; networks {low} .. {middle} .. {high}; {seconds:.1f} s each")
    assert middle > max(trivial(where).values())
