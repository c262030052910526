"""How well does anything that gives numbers to architectures rank them? All are judged alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from importlib.util import find_spec
from typing import Any, TypeAlias

import numpy as np

from nasbench.benchmark import open_benchmark
from nasbench.check import seed_noise
from nasbench.errors import BadValue, NasbenchError, NotRecorded
from nasbench.find import find
from nasbench.metrics.noise import Noise, averaged, ceiling
from nasbench.metrics.ranking import DRAWS, Agreement, K, agreement
from nasbench.networks import Networks
from nasbench.pack import recipes
from nasbench.recipe import Trainable
from nasbench.scorers import Scores
from nasbench.store import RECIPES, Benchmark
from nasbench.table import Table

SEED = 0
"""Of the generator that every scorer's bootstrap starts anew, so that none depends on another."""


SETTINGS = ("sample", "seed", "width", "depth", "size", "batch")
"""What a zero-cost proxy can be told behind its name."""


@dataclass(frozen=True, eq=False)
class Target:
    """The table to be judged on, as scorers see it; `tick(done, total)` says how far one is.

    `split` is where the truth is from. What a scorer takes of a table is validation, as a search.
    """

    table: Table
    bench: Benchmark
    tick: Callable[[int, int], None] = lambda done, total: None
    split: str = "valid"

    @property
    def space(self) -> str:
        """What the benchmark calls the table's space."""
        return self.table.address.split("/")[-2]

    @cached_property
    def noise(self) -> tuple[Noise, str]:
        """The noise of single trainings of the table, of its split, and where it is from."""
        return seed_noise(self.bench, self.space, self.table, self.split)

    @cached_property
    def tau(self) -> float:
        """What two measurements like the table's own would agree by; NaN if unknown."""
        return averaged(self.noise[0].tau, _seeds(self.table, self.split))

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

    def proxy(self, name: str, argument: str) -> Scores:
        """Return what a zero-cost proxy says, one network of each isomorphism class scored.

        `argument` is empty, or whole numbers as in sample=300:seed=1: fields of `Networks` to be
        replaced, the `seed` of what is drawn, and how many random rows are scored (`sample`; all).
        Tables that say how they were trained are scored as that, others as `Networks` says.
        Raises `BadValue`, `NotApplicable`, and `BadFile` where images are missing.
        """
        if find_spec("torch") is None:
            raise BadValue(f"{name} needs torch: pip install 'nasbench[live]'")
        given = _numbers(name, argument)
        seed, rows = given.pop("seed", 0), np.arange(len(self.table))
        rng = np.random.default_rng(seed)
        rows = rng.permutation(rows)[: given.pop("sample", len(rows))]
        networks = replace(Networks(self.table.space, self._trained), **given)
        values = np.full(len(self.table), np.nan)
        for done, row in enumerate(rows.tolist()):
            values[row] = networks.score(name, self.table.rows.archs[row], seed)
            self.tick(done + 1, len(rows))
        return Scores(values, of=f"{networks.told(name)}, seed {seed}")

    @property
    def _trained(self) -> Trainable | None:
        """How the networks of the table were trained, where its file says so."""
        if RECIPES not in self.bench.header:
            return None
        return recipes(self.bench).get((self.space, self.table.task.name))

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
    """Scorers, judged on a table by its main metric on a split, at the point a lookup answers.

    `noise` is that of single trainings, from "seeds" or "classes" (`noise_from`, "" where unknown);
    `tau` that of two tables of as many `seeds` as this one has in the mean.
    """

    target: Table
    split: str
    noise: Noise
    noise_from: str
    seeds: float
    tau: float
    draws: int
    scorers: Sequence[Judged]


def correlate(
    bench: Benchmark,
    table: Table,
    scorers: Sequence[str],
    k: int = K,
    draws: int = DRAWS,
    tick: Callable[[int, int], None] = lambda done, total: None,
    split: str = "valid",
) -> Correlation:
    """Judge scorers, written NAME or NAME:ARGUMENT, on a table of a benchmark.

    `k` and `draws` are as in `nasbench.metrics.ranking.agreement`; `tick(done, total)` is told how
    far a scorer is that takes long. The truth is that of a `split`. Raises `UnknownName` for a
    scorer that isn't there, `BadValue` for none, an impossible one, or one that raises, and
    `NotRecorded` where the table lacks what a scorer needs, or values of the split; before anything
    is judged.
    """
    if not scorers:
        raise BadValue("no scorer to judge: name one, as in --scorers params,flops")
    if draws < 1:
        raise BadValue(f"{draws} resamples: it must be at least 1")
    truth, target = table.scores(split), Target(table, bench, tick, split)
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
    seeds = _seeds(table, split)
    return Correlation(table, split, noise, source, seeds, target.tau, draws, judged)


def as_json(told: Correlation) -> dict[str, Any]:
    """Turn it into what `--json` prints."""
    table = told.target
    return {
        "address": table.address,
        "schedule": table.schedule,
        "metric": table.task.metric.name,
        "goal": table.task.metric.goal,
        "split": told.split,
        "epoch_chosen_by": table.column(told.split).epoch_chosen_by,
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


def _numbers(name: str, argument: str) -> dict[str, Any]:
    """Read whole numbers, as in sample=300:seed=1; raises `BadValue`."""
    found = {}
    for part in filter(None, argument.split(":")):
        key, _, value = part.partition("=")
        number = int(value) if value.isdecimal() and value.isascii() else -1
        if key not in SETTINGS or number < (key != "seed"):
            known = ", ".join(SETTINGS)
            raise BadValue(f"{name}:{argument}: expected numbers of {known}, as in {name}:seed=1")
        found[key] = number
    return found


def _seeds(table: Table, split: str = "valid") -> float:
    """Return how many trainings a value rests on, in the mean over architectures."""
    measured = (~np.isnan(table.trials(split))).sum(axis=1)
    return float(measured[measured > 0].mean()) if measured.any() else np.nan
