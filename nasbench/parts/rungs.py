"""Rungs of training lengths: many architectures for few epochs, and the best of them for more."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from math import ceil

from nasbench.search import Answered, Asked, Outcome, Query, ask_all
from nasbench.space import Architecture


def brackets(most: int, least: int, eta: int) -> int:
    """Return s_max, the largest s with `least` * eta^s <= `most`, in whole numbers.

    Raises `ValueError` for what can't be a ladder.
    """
    if eta < 2 or not 1 <= least <= most:
        raise ValueError(
            f"eta {eta}, least {least}: eta must be at least 2, least from 1 to {most} epochs"
        )
    s = 0
    while least * eta ** (s + 1) <= most:
        s += 1
    return s


def bracket(s: int, most: int, least: int, eta: int) -> list[tuple[int, int]]:
    """Return the rungs of bracket s of Hyperband: how many architectures, for how many epochs.

    Rungs are whole epochs, rounded down; the last is the full length.
    """
    number = ceil((brackets(most, least, eta) + 1) * eta**s / (s + 1))
    return [(number // eta**i, most // eta ** (s - i)) for i in range(s + 1)]


def race(
    archs: Sequence[Architecture], rungs: Sequence[tuple[int, int]]
) -> Generator[Asked, Answered, list[Outcome]]:
    """Train all of them on the first rung, the best of those on the next, and so on.

    As many go on as the next rung has places; of equals those that stand first. Returns every
    outcome, rung by rung.
    """
    outcomes: list[Outcome] = []
    for number, epochs in rungs:
        archs = archs[:number]
        answers = yield from ask_all([Query(arch, epochs) for arch in archs])
        outcomes += answers
        ranked = sorted(answers, key=lambda outcome: -outcome.score)
        archs = [outcome.query.arch for outcome in ranked]
    return outcomes
