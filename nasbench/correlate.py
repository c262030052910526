"""How well does anything that gives numbers to architectures rank them? All are judged alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np

from nasbench.benchmark import open_benchmark
from nasbench.check import seed_noise
from nasbench.errors import BadValue, NasbenchError, NotRecorded
from nasbench.find import find
from nasbench.metrics.noise import Noise, averaged, ceiling
from nasbench.metrics.ranking import DRAWS, Agreement, K, agreement
from nasbench.scorers import Scores
from nasbench.store import Benchmark
from nasbench.table import Table

SEED = 0
"""Of the generator that every scorer's bootstrap starts anew, so that none depends on another."""


@dataclass(frozen=True, eq=False)
class Target:
    """The table to be judged on, as scorers see it."""

    table: Table
    bench: Benchmark

    @property
    def space(self) -> str:
        """What the benchmark calls the table's space."""
        return self.table.address.split("/")[-2]

    @cached_property
    def noise(self) -> tuple[Noise, str]:
        """The noise of single trainings of the table, and where it is from."""
        return seed_noise(self.bench, self.space, self.table)

    @cached_property
    def tau(self) -> float:
        """What two measurements like the table's own would agree by; NaN if unknown."""
        return averaged(self.noise[0].tau, _seeds(self.table))

    def fact(self, names: Sequence[str], argument: str) -> Scores:
        """Return the first of these facts that is known; raises `NotRecorded`, `BadValue`."""
        if argument:
            raise BadValue(f"{names[0]} takes nothing behind its name, here is {argument!r}")
        for name in names:
            if name in self.table.info:
                return Scores(np.array(self.table.info[name], np.float64), 1.0, name)
        raise NotRecorded(
            f"{self.table.address} has none of {', '.join(names)}: nasbench count {self.bench.name}"
        )

    def open(self, name: str) -> Benchmark:
        """Open another benchmark, by its name or file; raises `BadValue` for the target's own."""
        other = open_benchmark(name)
        if other.path == self.bench.path:
            raise BadValue(f"benchmark:{name} is the target itself: name another one")
        return other

    def scores_of(self, bench: Benchmark, space: str, task: str) -> Scores:
        """Return what another table answers; raises `BadValue` for the target itself."""
        table = bench[space, task]
        if table.address == self.table.address and table.schedule == self.table.schedule:
            raise BadValue(f"task:{task} is the target itself: name another task")
        scores, rows = table.scores(), table.rows.by_key
        found = [rows.get(arch) for arch in self.table.rows.archs]
        values = np.array([np.nan if row is None else scores[row] for row in found])
        tau = averaged(seed_noise(bench, space, table)[0].tau, _seeds(table))
        return Scores(values, tau, f"{table.address}@{table.schedule}")


Scorer: TypeAlias = Callable[[Target, str], Scores]
"""Target, and what was written behind the scorer's name, to scores."""


@dataclass(frozen=True)
class Judged:
    """A scorer, how well it ranks, and the most that tau could be if it told the truth."""

    scorer: str
    of: str
    agreement: Agreement
    ceiling: float


@dataclass(frozen=True)
class Correlation:
    """Scorers, judged on a table by its main validation metric, as a lookup answers it.

    `noise` is that of single trainings, from "seeds" or "classes" (`noise_from`, "" where unknown);
    `tau` that of two tables of as many `seeds` as this one has in the mean.
    """

    target: Table
    noise: Noise
    noise_from: str
    seeds: float
    tau: float
    draws: int
    scorers: Sequence[Judged]


def correlate(
    bench: Benchmark, table: Table, scorers: Sequence[str], k: int = K, draws: int = DRAWS
) -> Correlation:
    """Judge scorers, written NAME or NAME:ARGUMENT, on a table of a benchmark.

    `k` and `draws` are as in `nasbench.metrics.ranking.agreement`. Raises `UnknownName` for a
    scorer that isn't there, `BadValue` for none, an impossible one, or one that raises, and
    `NotRecorded` where the table lacks what a scorer needs, or validation values; before anything
    is judged.
    """
    if not scorers:
        raise BadValue("no scorer to judge: name one, as in --scorers params,flops")
    if draws < 1:
        raise BadValue(f"{draws} resamples: it must be at least 1")
    truth, target = table.scores(), Target(table, bench)
    found = []
    for scorer in dict.fromkeys(scorers):
        name, argument = _split(scorer)
        score: Scorer = find("scorers", name)
        try:
            scores = score(target, argument)
        except NasbenchError:
            raise
        except Exception as error:
            raise BadValue(f"{scorer} raised {type(error).__name__}: {error}") from error
        if np.shape(scores.values) != truth.shape:
            raise BadValue(
                f"the scorer {scorer} gave numbers of shape {np.shape(scores.values)}, expected "
                f"{truth.shape}: one for each architecture"
            )
        found.append((scorer, scores))
    judged = [
        Judged(
            scorer,
            scores.of,
            agreement(scores.values, truth, np.random.default_rng(SEED), k, draws),
            ceiling(target.tau, scores.tau),
        )
        for scorer, scores in found
    ]
    noise, source = target.noise
    return Correlation(table, noise, source, _seeds(table), target.tau, draws, judged)


def as_json(told: Correlation) -> dict[str, Any]:
    """Turn it into what `--json` prints."""
    table = told.target
    return {
        "address": table.address,
        "schedule": table.schedule,
        "metric": table.task.metric.name,
        "goal": table.task.metric.goal,
        "at": table.answers,
        "architectures": len(table),
        "noise_from": told.noise_from,
        "noise": asdict(told.noise),
        "seeds": told.seeds,
        "tau": told.tau,
        "draws": told.draws,
        "scorers": [
            {
                "scorer": each.scorer,
                "of": each.of,
                **asdict(each.agreement),
                "ceiling": each.ceiling,
            }
            for each in told.scorers
        ],
    }


def _split(scorer: str) -> tuple[str, str]:
    """Split a name, which may be a file's, from its argument."""
    name, _, argument = scorer.partition(":")
    return name, argument


def _seeds(table: Table) -> float:
    """Return how many trainings a validation value rests on, in the mean over architectures."""
    measured = (~np.isnan(table.trials())).sum(axis=1)
    return float(measured[measured > 0].mean()) if measured.any() else np.nan
