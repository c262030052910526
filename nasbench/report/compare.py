"""How methods compare with each other, in numbers: over tasks, and in pairs of equal seeds."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from nasbench.metrics.ranking import ranks
from nasbench.metrics.regret import normalised_regret, percentile, regret
from nasbench.metrics.statistics import (
    Friedman,
    friedman,
    interquartile_interval,
    interquartile_mean,
    paired_tests,
    within_noise,
)
from nasbench.report.gather import Study
from nasbench.report.score import RESAMPLES, SEED, Result, Results, median
from nasbench.table import Floats

if TYPE_CHECKING:
    import pandas as pd


def whole(study: Study, judged: Results, space: str) -> list[str]:
    """List the tasks of a space on which every method has runs."""

    def has(task: str, method: str) -> bool:
        result = judged[space, task].get(method)
        return result is not None and len(result.found) > 0

    return [task for task in study.spaces[space] if all(has(task, m) for m in study.methods)]


def regrets(numbers: pd.DataFrame, methods: Sequence[str], tasks: Sequence[str]) -> Floats:
    """Return mean validation regrets (M, T), of `nasbench.report.score.frame` of one space."""
    table = numbers.pivot(index="method", columns="task", values="regret")
    found: Floats = table.loc[list(methods), list(tasks)].to_numpy(np.float64)
    return found


def places(numbers: pd.DataFrame, methods: Sequence[str], tasks: Sequence[str]) -> Floats:
    """Rank methods among each other on tasks, (M, T), by mean validation regret; 1 = least."""
    by_task = [ranks(-column) for column in regrets(numbers, methods, tasks).T]
    return np.array(by_task).reshape(len(tasks), len(methods)).T


def leaderboard(study: Study, judged: Results, numbers: pd.DataFrame, space: str) -> pd.DataFrame:
    """Return a row for every method, best first, over the `whole` tasks of a space.

    `normalised` is the interquartile mean of normalised regrets over runs and tasks, with its
    stratified 95 % interval, `low` to `high`, of those seeds that the method has on all `tasks`.
    `rank` and `percentile` are means over runs and then tasks, `place` is the mean rank among the
    methods. `reached` is the share of runs that found one of the best percent, `time` the median of
    what they had spent then. `numbers` are those of `frame` for the space.
    """
    import pandas as pd

    tasks = whole(study, judged, space)
    place = places(numbers, study.methods, tasks)
    means = numbers[numbers["task"].isin(tasks)].groupby("method")[["rank", "percentile"]].mean()
    rows = []
    for number, method in enumerate(study.methods if tasks else []):
        own = {task: judged[space, task][method] for task in tasks}
        values = _normalised(study, space, own)
        told = interquartile_interval(values, np.random.default_rng(SEED), RESAMPLES)
        time = np.concatenate([result.time for result in own.values()])
        rows.append(
            {
                "method": method,
                "tasks": len(tasks),
                "normalised": told.value,
                "low": told.low,
                "high": told.high,
                "rank": means["rank"][method],
                "percentile": means["percentile"][method],
                "place": place[number].mean(),
                "time": median(time),
                "reached": float(np.isfinite(time).mean()),
            }
        )
    return pd.DataFrame(rows).sort_values("normalised", kind="stable") if rows else pd.DataFrame()


def _normalised(study: Study, space: str, own: dict[str, Result]) -> Floats:
    """Return normalised regrets (R, T) of one method, of the seeds that it has on all tasks."""
    seeds = reduce(np.intersect1d, [result.seed for result in own.values()])
    columns = [
        normalised_regret(
            study.tables[space, task].scores(), result.found[np.isin(result.seed, seeds)]
        )
        for task, result in own.items()
    ]
    return np.stack(columns, axis=1)


def no_search(study: Study, space: str, tasks: Sequence[str]) -> tuple[float, float, float]:
    """Return what the average architecture of a space comes to over tasks, all being as likely.

    The interquartile mean of its normalised regret, its rank, and its percentile.
    """
    shares, every = [], []
    for task in tasks:
        scores = study.tables[space, task].scores()
        known = np.flatnonzero(~np.isnan(scores))
        every.append(normalised_regret(scores, known))
        shares.append((ranks(scores)[known].mean(), percentile(scores, known).mean()))
    rank, share = np.mean(shares, axis=0)
    return interquartile_mean(np.concatenate(every)), float(rank), float(share)


def pairs(study: Study, judged: Results, space: str, methods: Sequence[str]) -> pd.DataFrame:
    """Compare methods in pairs on each task by the validation regret of runs with equal seeds.

    A row for every task and pair: `first` and `second` in the order given, `n` runs of equal seeds,
    the mean `difference` of their regret (negative: the first is better), `p` of Wilcoxon's test,
    by Holm for the number of pairs on the task, the `noise` of one training, and whether the
    difference is `within_noise`.
    """
    import pandas as pd

    rows = []
    for task in study.spaces[space]:
        table, results = study.tables[space, task], judged[space, task]
        there = [m for m in methods if m in results and len(results[m].found)]
        seeds = reduce(np.union1d, [results[m].seed for m in there], np.empty(0, np.int64))
        values = np.full((len(there), len(seeds)), np.nan)
        for row, method in zip(values, there, strict=True):
            result = results[method]
            row[np.searchsorted(seeds, result.seed)] = regret(table.scores(), result.found)
        p, noise = paired_tests(values), study.noise[space, task][0].std
        for i, j in combinations(range(len(there)), 2):
            with np.errstate(invalid="ignore"):  # two infinite regrets have no difference
                apart = values[i] - values[j]
                apart = apart[~np.isnan(apart)]
                difference = float(apart.mean()) if len(apart) else np.nan
            rows.append(
                {
                    "task": task,
                    "first": there[i],
                    "second": there[j],
                    "n": len(apart),
                    "difference": difference,
                    "p": p[i, j],
                    "noise": noise,
                    "within_noise": bool(within_noise(np.array(difference), noise)),
                }
            )
    return pd.DataFrame(rows)


def over_tasks(study: Study, judged: Results, numbers: pd.DataFrame, space: str) -> Friedman:
    """Compare the methods over the `whole` tasks of a space by mean validation regret."""
    tasks = whole(study, judged, space)
    return friedman(-regrets(numbers, study.methods, tasks))
