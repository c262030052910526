"""What a study came to, in numbers: nothing here draws or writes."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nasbench.budget import Budget
from nasbench.errors import BadValue, NotRecorded
from nasbench.metrics.ranking import kendall_matrix, ranks
from nasbench.metrics.regret import (
    anytime,
    area,
    normalised_regret,
    percentile,
    regret,
    time_to_target,
)
from nasbench.metrics.statistics import bootstrap_interval, summarise
from nasbench.report.gather import Address, Study
from nasbench.table import OWN_MAXIMUM, Floats, Table
from nasbench.trace import Traces

if TYPE_CHECKING:
    import pandas as pd

RESAMPLES, SEED = 10_000, 0
"""Of the bootstrap; every interval starts a generator of its own, so none depends on another."""

BEST = 1
"""Percent of a space, the best by validation: to be among them is the target of a search."""

TEST, OPTIMISTIC = "test regret", "optimistic test regret"


@dataclass(frozen=True, eq=False)
class Result:
    """What the R runs of a method on a table came to, of those that can be judged.

    That is, that have a step, and end with an architecture that the table holds: a choice of a
    one-shot method need not be in one that is not complete, and there are `unknown` such runs.
    `found` (R,) are the rows that the runs would be judged by in the end, `curve` (R, G) is the
    validation regret on the study's grid, `time` (R,) what was spent when it first was the
    `target` or less. Of `trainings` in all, `distinct` were the first ones of their run of an
    architecture, and `full` ones of the full length; a one-shot method has none of them.
    """

    seed: NDArray[np.int64]
    found: NDArray[np.int64]
    curve: Floats
    time: Floats
    trainings: int
    distinct: int
    full: int
    unknown: int = 0


Results: TypeAlias = Mapping[Address, Mapping[str, Result]]


@dataclass(frozen=True, eq=False)
class Scored:
    """A study, what its runs came to, and the `frame` of these."""

    study: Study
    judged: Results
    numbers: pd.DataFrame

    def of(self, space: str) -> pd.DataFrame:
        """Return the rows of one space."""
        return self.numbers[self.numbers["space"] == space]


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


def score(study: Study) -> Scored:
    """Judge a study."""
    judged = results(study)
    return Scored(study, judged, frame(study, judged))


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
    begun = np.diff(traces.start) > 0
    start, seed = traces.start[np.append(begun, True)], traces.seed[begun]
    asked = rows(table, traces.arch, strict=not (traces.one_shot or traces.live))
    _check(traces, table, asked)
    row = asked[traces.judged]
    price = np.ones(len(row)) if along.price == "queries" else getattr(traces, along.price)
    regrets = pick(row, regret(table.scores(), np.arange(len(table))))
    run = np.repeat(np.arange(len(seed)), np.diff(start))
    found = row[start[1:] - 1]
    known = found >= 0
    return Result(
        seed[known],
        found[known],
        anytime(price, regrets, start, along.grid)[known],
        time_to_target(price, regrets, start, target(table))[known],
        0 if traces.one_shot else len(row),
        0 if traces.one_shot else len(np.unique(run * len(table) + asked)),
        0 if traces.one_shot else int((traces.epochs == table.epochs).sum()),
        int((~known).sum()),
    )


def regrets(table: Table, archs: NDArray[np.int8]) -> Floats:
    """Return the validation regret (T,) of architectures (T, D); NaN where it isn't known."""
    return pick(rows(table, archs, strict=False), regret(table.scores(), np.arange(len(table))))


def pick(row: NDArray[np.int64], column: Floats) -> Floats:
    """Look up a column (N,) of a table by rows, in their shape; NaN for a row of -1."""
    return np.append(column, np.nan)[row]


def rows(table: Table, archs: NDArray[np.int8], *, strict: bool = True) -> NDArray[np.int64]:
    """Find the rows of many architectures (T, D): (T,); raises what `Table.row` does.

    Unless it is `strict`, it is -1 of a member of the space that the table doesn't hold.
    """
    if not len(archs):
        return np.empty(0, np.int64)
    there = table.rows.arch
    if archs.shape[1] != there.shape[1]:
        table.row(tuple(archs[0].tolist()))  # raises
    weights = np.cumprod([1, *table.space.choices[:0:-1]], dtype=np.int64)[::-1]
    codes = there.astype(np.int64) @ weights
    order = np.argsort(codes)
    place = np.searchsorted(codes[order], archs.astype(np.int64) @ weights)
    found = order[np.minimum(place, len(order) - 1)]
    for step in np.flatnonzero((there[found] != archs).any(axis=1)):  # of no table, as a rule
        arch = table.space.check(tuple(archs[step].tolist()))
        found[step] = table.row(arch) if strict else table.rows.by_key.get(arch, -1)
    return found


def _check(traces: Traces, table: Table, asked: NDArray[np.int64]) -> None:
    """Raise `BadValue` where a trace says something else than the table does.

    Of what was trained, single precision is kept, and either may know more: a table what was
    trained later, a trace of trainings that were stopped early.
    """
    trained = np.full_like(traces.epochs, table.epochs) if traces.one_shot else traces.epochs
    for epochs in np.unique(trained).tolist():
        at = np.flatnonzero(trained == epochs)
        said, true = traces.value[at], pick(asked[at], table.answer(epochs))
        unknown = np.isnan(said) & np.isnan(true)
        if traces.live:
            unknown, said = np.isnan(said) | np.isnan(true), said.astype(np.float32)
        if len(wrong := np.flatnonzero((said != true) & ~unknown)):
            step = int(at[wrong[0]])
            run = int(np.searchsorted(traces.start, step, side="right")) - 1
            raise BadValue(
                f"{traces.head['method']} on {table.address}, seed {traces.seed[run]}, step "
                f"{step - traces.start[run] + 1}: the trace says {said[wrong[0]]:g}, the table "
                f"{true[wrong[0]]:g}; it was changed: delete its file and run the study again"
            )


def target(table: Table) -> float:
    """Return the validation regret of the last one of the best `BEST` percent of a table."""
    regrets = np.sort(regret(table.scores(), np.arange(len(table))))  # NaN last
    known = int((~np.isnan(regrets)).sum())
    return float(regrets[ceil(known * BEST / 100) - 1]) if known else np.nan


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

    Of what was found, over `runs`: the mean main validation metric `value`, its `std`, and `gain`,
    by how many percent it is better than the average architecture (Yang et al., 2020); the mean
    `rank` in the table, and `percentile`; the mean validation `regret` with its 95 % interval,
    `low` to `high`; the same `normalised`; `area`, the mean regret over the budget; the share of
    runs that `reached` the best percent of the table, and the median `time` that took, in the
    budget's price, infinite where most never did; and `test_regret`, which has to be called what
    `test` says. A method without runs on a table has a row of 0 runs and NaN. As many runs as are
    `unknown` ended with a choice that the table holds no training of, and are in nothing else.
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
    names = ["value", "std", "gain", "rank", "percentile", "regret", "low", "high", "normalised"]
    names += ["area", "time", "reached", "test_regret"]
    result = methods.get(method)
    if result is None or not len(result.found):
        unknown = result.unknown if result else 0
        return {"runs": 0, **dict.fromkeys(names, np.nan), "test": label, "unknown": unknown}
    found, scores = result.found, table.scores()
    begun = ~np.isnan(np.concatenate([r.curve for r in methods.values()])).any(axis=0)
    along = area(result.curve[:, begun]).mean() if begun.any() else np.nan
    validation = regret(scores, found)
    value = summarise(table.values()[found])
    numbers = (
        value.mean,
        value.std,
        _gain(scores, found),
        ranks(scores)[found].mean(),
        percentile(scores, found).mean(),
        validation.mean(),
        *bootstrap_interval(validation, np.random.default_rng(SEED), RESAMPLES),
        normalised_regret(scores, found).mean(),
        along,
        median(result.time),
        np.isfinite(result.time).mean(),
        regret(test, found).mean() if label else np.nan,
    )
    told = dict(zip(names, map(float, numbers), strict=True))
    return {"runs": len(found), **told, "test": label, "unknown": result.unknown}


def _gain(scores: Floats, found: NDArray[np.int64]) -> float:
    average = scores[~np.isnan(scores)].mean()
    if not np.isfinite(average) or not average:
        return np.nan
    return float(100 * (scores[found].mean() - average) / abs(average))


def median(time: Floats) -> float:
    """Return the median, of two in the middle the later: nothing lies between time and never."""
    return float(np.sort(time)[len(time) // 2])


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
