"""Which methods can be told apart: in pairs of equal seeds, and over tasks."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from nasbench.metrics.statistics import cliques
from nasbench.report import figures
from nasbench.report.compare import over_tasks, pairs, places, whole
from nasbench.report.page import Block, Grid, Heading, Picture, Text
from nasbench.report.score import Scored
from nasbench.report.words import (
    ALIKE,
    NONE,
    count,
    csv,
    decimals,
    listed,
    measured,
    number,
    shown,
    signed,
    small,
)

ALPHA = 0.05


def in_pairs(scored: Scored, space: str) -> Iterator[Block]:
    """Show every two methods, a task a column, if there are two."""
    study, tasks = scored.study, scored.study.spaces[space]
    common = whole(study, scored.judged, space)
    mean = places(scored.of(space), study.methods, common).sum(axis=1)
    methods = [study.methods[i] for i in np.argsort(mean, kind="stable")]  # the better one first
    frame = pairs(study, scored.judged, space, methods)
    if frame.empty:
        return
    cells = {
        (told.first, told.second, told.task): (
            f"{signed(told.difference, decimals(study.tables[space, told.task]))}"
            f"{f' {ALIKE}' * told.within_noise}\np {small(told.p)}"
        )
        for told in frame.itertuples()
    }
    there = [pair for pair in combinations(methods, 2) if any((*pair, t) in cells for t in tasks)]
    rows = [
        [
            shown(first) if place == 0 or there[place - 1][0] != first else "",
            shown(second),
            *(cells.get((first, second, task), NONE) for task in tasks),
        ]
        for place, (first, second) in enumerate(there)
    ]
    yield Heading("In pairs", 3)
    yield Grid(
        (
            "method",
            "against",
            *(f"{t}\n{_unbroken(measured(study.tables[space, t]))}" for t in tasks),
        ),
        rows,
        "Mean difference of the validation regret of runs with equal seeds (below zero: the method "
        "is better than the other), and p of Wilcoxon's signed-rank test, two-sided, by Holm for "
        f"the {count(len(there), 'pair')} on a task.",
        texts=2,
        csv=csv(f"pairs_{space}", frame),
    )
    if frame["within_noise"].any():
        yield Text(
            f"{ALIKE}: within noise. Also where p is small, two trainings of one network may "
            "differ by as much (95 %)."
        )


def over(scored: Scored, space: str) -> Iterator[Block]:
    """Show Friedman's test and Nemenyi's, if there are three methods and two tasks."""
    import pandas as pd

    study, tasks = scored.study, whole(scored.study, scored.judged, space)
    if len(study.methods) < 3 or len(tasks) < 2:
        return
    told = over_tasks(study, scored.judged, scored.of(space), space)
    frame = pd.DataFrame(told.pairs, columns=study.methods)
    frame.insert(0, "rank", told.rank)
    frame.insert(0, "method", study.methods)
    groups = [
        listed([shown(study.methods[i]) for i in group])
        for group in cliques(told.rank, told.critical)
    ]
    yield Heading("Over tasks", 3)
    yield Text(
        f"Friedman's test of {count(len(study.methods), 'method')} on {count(len(tasks), 'task')}, "
        f"by mean validation regret: chi-squared {number(told.statistic, 2)}, p {small(told.p)}. "
        f"By Nemenyi's test, mean ranks that differ by {told.critical:.2f} or less are not told "
        f"apart at {ALPHA:g}"
        + (f": {'; '.join(groups)}." if groups else ", which tells all of these apart.")
    )
    yield Text(
        f"The {count(len(tasks), 'task')} of one benchmark share architectures and images: they "
        f"are not {len(tasks)} independent data sets, which the test assumes, so that p may be too "
        "small."
    )
    yield Picture(
        f"critical_difference_{space}",
        figures.critical_difference(list(map(shown, study.methods)), told.rank, told.critical),
        f"Critical-difference diagram of the methods on space {space}",
        "Mean rank over the tasks, the best on the left. A bar joins methods that Nemenyi's test "
        "doesn't tell apart. The file has p of every two.",
        csv(f"nemenyi_{space}", frame),
    )


def _unbroken(text: str) -> str:
    return text.replace(" ", "\N{NO-BREAK SPACE}")
