"""What a search on another task found."""

from __future__ import annotations

from math import isnan

from nasbench.search import Outcome, Source


def best(source: Source) -> list[Outcome]:
    """Return one outcome an architecture, best first: trained longest, then with the best score.

    Of equals the earliest comes first; a score that is no number comes last.
    """
    ordered = sorted(source.outcomes, key=lambda o: (isnan(o.score), -o.cost.epochs, -o.score))
    found: dict[tuple[int, ...], Outcome] = {}
    for outcome in ordered:
        found.setdefault(tuple(outcome.query.arch), outcome)
    return list(found.values())
