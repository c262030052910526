"""Zero-cost search (Abdelfattah et al., ICLR 2021): the best first, by a score before any training.

Faithful: random architectures are ranked by a proxy and trained in that order, as in the paper's
warm-up, there of 3,000. Proxies, their signs and modes: `nasbench.proxies`.

*Our reconstruction*: when a sample is used up, the next is drawn of what is left. Equal scores stay
in the order of the draw, which is random. Weights and noise are drawn once for a run. `params` and
`flops` are recorded facts where there are any. Scoring takes time that no budget counts, so that a
sample is of 100 unless told otherwise.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nasbench.scorers import flops, params
from nasbench.search import Problem, Query, Search, ask_all
from nasbench.space import Architecture

needs = {"networks", "torch"}

FACTS = {"params": params.FACTS, "flops": flops.FACTS}
BATCH = 8


def search(
    problem: Problem,
    rng: np.random.Generator,
    *,
    proxy: str = "synflow",
    sample: int = 100,
    batch: int = 32,
    width: int | None = None,
    size: int | None = None,
) -> Search:
    """Rank `sample` architectures, ask from the best to the worst, and begin anew.

    Of the networks that are scored `batch` is the number of images, `width` and `size` (pixels a
    side) replace those of `problem.networks`.
    """
    if sample < 1:
        raise ValueError(f"sample {sample}: at least 1")
    assert problem.networks is not None
    networks = replace(problem.networks, batch=batch, width=width, size=size)
    space, seed = problem.space, int(rng.integers(2**32))

    def score(arch: Architecture) -> float:
        if proxy in FACTS:
            facts = problem.measure(arch)
            for name in FACTS[proxy]:
                if (fact := facts.get(name, np.nan)) == fact:
                    return fact
        return networks.score(proxy, arch, seed)

    seen: set[Architecture] = set()
    while (left := space.size - len(seen)) > 0:
        drawn: list[Architecture] = []
        while len(drawn) < min(sample, left):
            if (arch := space.sample(rng)) not in seen:
                seen.add(arch)
                drawn.append(arch)
        drawn.sort(key=score, reverse=True)
        for start in range(0, len(drawn), BATCH):
            yield from ask_all([Query(arch) for arch in drawn[start : start + BATCH]])
