"""Direct transfer (Duan et al., CVPR 2021): train on the target what was best elsewhere.

With one source, its architectures in the order of their scores there, each once. It ends when they
are all known, and spends nothing on searching.

*Our reconstruction* for several sources: an architecture's place is the sum over sources of a
weight times its rank there, as a share of the ranks, one that a source did not ask counting as its
middle one. A weight is Spearman's correlation of the source with the target, 0 if negative, on
`probes` architectures that are trained first: drawn at random among those that the most sources
asked. Where none correlates, or with `probes=0`, all weigh the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np

from nasbench.parts.history import best
from nasbench.search import Problem, Query, Search, ask_all
from nasbench.space import Architecture

needs = {"history"}
MIDDLE = 0.5


def weight(place: Mapping[Architecture, float], scores: Mapping[Architecture, float]) -> float:
    """Return how well the places on a source agree with scores on the target, at least 0."""
    from scipy.stats import spearmanr

    both = [arch for arch in scores if arch in place]
    pairs = np.array([(-place[arch], scores[arch]) for arch in both])
    if len({scores[arch] for arch in both}) < 2:  # what has no order doesn't correlate
        return 0.0
    return max(0.0, float(spearmanr(pairs).statistic))


def search(problem: Problem, rng: np.random.Generator, *, probes: int = 5) -> Search:
    """Ask for what the sources know, the best first."""
    if probes < 0:
        raise ValueError(f"probes is {probes}: it must be at least 0")
    places = []
    for source in problem.history:
        ranked = best(source)
        places.append({o.query.arch: (i + MIDDLE) / len(ranked) for i, o in enumerate(ranked)})
    known = Counter(arch for place in places for arch in place)
    scores: dict[Architecture, float] = {}
    weights = [1.0] * len(places)
    if len(places) > 1 and probes:
        archs = [list(known)[i] for i in rng.permutation(len(known)).tolist()]
        first = sorted(archs, key=lambda arch: -known[arch])[:probes]
        outcomes = yield from ask_all([Query(arch) for arch in first])
        scores = {outcome.query.arch: outcome.score for outcome in outcomes}
        found = [weight(place, scores) for place in places]
        weights = found if any(found) else weights

    def order(arch: Architecture) -> float:
        pairs = zip(weights, places, strict=True)
        return sum(each * place.get(arch, MIDDLE) for each, place in pairs)

    if rest := [arch for arch in known if arch not in scores]:
        yield from ask_all([Query(arch) for arch in sorted(rest, key=order)])
