"""Random search (Li & Talwalkar, 2019): draw uniformly over the space, with replacement.

With a `target` it draws among the members that cost as much, give or take the `tolerance`: the
control at equal cost of every method that has a target or a price in its loss.

It asks in batches, so that trainings run side by side; the trace is the same whatever their size.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from nasbench.parts.within import Within, fact
from nasbench.search import Problem, Query, Search, ask_all
from nasbench.space import Space

BATCH = 8


def search(
    problem: Problem,
    rng: np.random.Generator,
    *,
    target: float | None = None,
    tolerance: float = 0.05,
    against: str = "macs",
) -> Search:
    """Ask for anything, or for what costs from (1 - `tolerance`) to (1 + `tolerance`) `target`.

    `against` is the cost, a fact that is known of architectures (`macs`, `params`), or a file of
    `nasbench measure-latency`. Raises `ValueError` where it is not known, or where nothing costs as
    much, `BadFile` and `BadValue` for a file that is none or of other networks.
    """
    drawn: Within | Space = problem.space
    if target is not None:
        least, most = (1 - tolerance) * target, (1 + tolerance) * target
        cost = partial(fact, problem, name=against)
        unit = "ms" if Path(against).is_file() else against
        drawn = Within(problem.space, cost, least, most, unit)
    while True:
        yield from ask_all([Query(drawn.sample(rng)) for _ in range(BATCH)])
