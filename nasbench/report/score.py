"""What a study came to, in numbers: nothing here draws or writes."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nasbench.budget import Budget
from nasbench.errors import NotRecorded
from nasbench.metrics.ranking import kendall_matrix, ranks
from nasbench.metrics.regret import anytime, area, incumbent, normalised_regret, regret
from nasbench.metrics.statistics import bootstrap_interval, summarise
from nasbench.report.gather import Address, Study
from nasbench.table import OWN_MAXIMUM, Floats, Table
from nasbench.trace import Traces

if TYPE_CHECKING:
    import pandas as pd

RESAMPLES, SEED = 10_000, 0
"""Of the bootstrap; every interval starts a generator of its own, so none depends on another."""

TEST, OPTIMISTIC = "test regret", "optimistic test regret"


@dataclass(frozen=True, eq=False)
class Result:
    """What the R runs with at least one step of a method on a table came to.

    `found` (R,) are the rows that the runs would be judged by in the end, `curve` (R, G) is the
    validation regret on the study's grid.
    """

    found: NDArray[np.int64]
    curve: Floats


Results: TypeAlias = Mapping[Address, Mapping[str, Result]]


class Axis(NamedTuple):
    """What a search is measured against: a price, and the points (G,) up to the budget."""

    price: str
    grid: Floats


def axis(budget: Budget) -> Axis:
    """Choose epochs or seconds where the budget limits them, else queries.

    Of queries, every one up to 1,000; else 200 points, the last of them the budget.
    """
    price = next(name for name in ("epochs", "seconds", "queries") if name in budget.limits)
    limit = budget.limits[price]
    if price == "queries":
        return Axis(price, np.linspace(1, int(limit), min(int(limit), 1000)))
    return Axis(price, np.linspace(limit / 200, limit, 200))


def results(study: Study) -> Results:
    """Judge every run of a study."""
    along = axis(study.budget)
    return {
        address: {
            method: _result(traces, study.tables[address], along) for method, traces in runs.items()
        }
        for address, runs in study.runs.items()
    }


def _result(traces: Traces, table: Table, along: Axis) -> Result:
    start = traces.start[np.append(np.diff(traces.start) > 0, True)]
    judged, where = np.unique(incumbent(traces.score, traces.epochs, start), return_inverse=True)
    rows = [table.row(arch) for arch in map(tuple, traces.arch[judged].tolist())]
    row = np.array(rows, np.int64)[where]
    price = np.ones(len(row)) if along.price == "queries" else getattr(traces, along.price)
    curve = anytime(price, regret(table.scores(), row), start, along.grid)
    return Result(row[start[1:] - 1], curve)


def held_out(table: Table) -> tuple[str, Floats]:
    """Return the table's test scores, and what a regret on them has to be called.

    The label is empty, and the scores NaN, where no test split is recorded.
    """
    metric = table.task.metric.name
    for at in dict.fromkeys((table.answers, "final")):
        try:
            column, scores = table.column("test", at=at), table.scores("test", at=at)
        except NotRecorded:
            continue
        if at == "final":
            return TEST if table.answers == "final" else f"{TEST} (last epoch)", scores
        if column.epoch_chosen_by == f"valid {metric}":
            return TEST, scores
        if column.epoch_chosen_by == OWN_MAXIMUM:
            return OPTIMISTIC, scores
        return f"test regret (epoch: {column.epoch_chosen_by or 'not told which'})", scores
    return "", np.full(len(table), np.nan)


def frame(study: Study, judged: Results) -> pd.DataFrame:
    """Return a row for every method on every table, in the source's units.

    Of what was found, over `runs`: the mean main validation metric `value`, and its `std`; the mean
    `rank` in the table; the mean validation `regret` with its 95 % interval, `low` to `high`; the
    same `normalised`; `area`, the mean regret over the budget; and `test_regret`, which has to be
    called what `test` says. A method without runs on a table has a row of 0 runs and NaN.
    """
    import pandas as pd

    rows = [
        {
            "space": space,
            "task": task,
            "metric": table.task.metric.name,
            "method": method,
            **_numbers(table, judged[space, task], method),
        }
        for (space, task), table in study.tables.items()
        for method in study.methods
    ]
    return pd.DataFrame(rows)


def _numbers(table: Table, methods: Mapping[str, Result], method: str) -> dict[str, Any]:
    label, test = held_out(table)
    names = ("value", "std", "rank", "regret", "low", "high", "normalised", "area", "test_regret")
    result = methods.get(method)
    if result is None or not len(result.found):
        return {"runs": 0, **dict.fromkeys(names, np.nan), "test": label}
    found, scores = result.found, table.scores()
    begun = ~np.isnan(np.concatenate([r.curve for r in methods.values()])).any(axis=0)
    validation = regret(scores, found)
    value = summarise(table.values()[found])
    numbers = (
        value.mean,
        value.std,
        ranks(scores)[found].mean(),
        validation.mean(),
        *bootstrap_interval(validation, np.random.default_rng(SEED), RESAMPLES),
        normalised_regret(scores, found).mean(),
        area(result.curve[:, begun]).mean(),
        regret(test, found).mean() if label else np.nan,
    )
    return {"runs": len(found), **dict(zip(names, map(float, numbers), strict=True)), "test": label}


def averages(numbers: pd.DataFrame) -> pd.DataFrame:
    """Average the rows of `frame` over tasks: one row for every space and method.

    Over those `tasks` alone on which every method has runs. `place` is the mean rank among the
    methods by mean validation regret, ties sharing the mean of theirs.
    """
    table = ["space", "task"]
    whole = numbers[numbers.groupby(table)["runs"].transform("min") > 0]
    place = whole.groupby(table)["regret"].transform(lambda regrets: ranks(-regrets.to_numpy()))
    grouped = whole.assign(place=place).groupby(["space", "method"], sort=False)
    columns = ["rank", "normalised", "place"]
    means = grouped[columns].agg(lambda column: column.mean(skipna=False))
    return means.assign(tasks=grouped.size()).reset_index()


def agreement(study: Study, space: str) -> tuple[list[str], Floats]:
    """Return the tasks of a space that have validation scores, and how well those agree (K, K).

    What nothing was run on is taken with its default schedule. Where schedules differ, the names
    are TASK@SCHEDULE.
    """
    scores = {}
    for task in study.bench.spaces[space]:
        table = study.tables.get((space, task)) or study.bench[space, task]
        with suppress(NotRecorded):
            scores[task, table.schedule] = table.scores()
    one = len({schedule for _, schedule in scores}) == 1
    names = [task if one else f"{task}@{schedule}" for task, schedule in scores]
    return names, kendall_matrix(np.array(list(scores.values())))
