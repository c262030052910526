"""Train one network of every isomorphism class: what is to be done, in which order, how long."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from itertools import groupby
from statistics import fmean, median, stdev
from time import perf_counter
from typing import NamedTuple

from nasbench.errors import BadFile, BadValue, NasbenchError, RunnerFailed
from nasbench.journal import Journal
from nasbench.pool import each
from nasbench.recipe import Trainable
from nasbench.shard import WHOLE, Shard, shuffled
from nasbench.space import Architecture, Space
from nasbench.training import Job

FEW = 5
"""Trainings by which a table is estimated before it's built."""
IN_A_ROW = 10
"""Trainings that fail one after the other, after which the fault is not theirs."""


def representatives(space: Space, seed: int = 0) -> list[Architecture]:
    """List the first member of every isomorphism class, as built, in a `shuffled` order."""
    rows = set(space.trained_as().tolist())
    return [space.read(name) for name in shuffled([space.spell(space.at(r)) for r in rows], seed)]


@dataclass(frozen=True)
class Part:
    """One space on one task with one seed, and the architectures to be trained, in order."""

    where: Trainable
    seed: int
    archs: Sequence[Architecture]


def plan(
    tables: Sequence[Trainable],
    seeds: int = 1,
    *,
    only: Callable[[Space], Sequence[Architecture]] | None = None,
    sample: int | None = None,
    sample_seed: int = 0,
    shard: Shard = WHOLE,
) -> list[Part]:
    """Say what a build trains: table by table in the order given, of each the seeds 0 to S - 1.

    Of every class one member, by `representatives`, unless `only` says which; `sample` takes so
    many of each space, the same ones on all tasks, and those of a smaller sample are among those of
    a larger one. The shards of a plan share no training, and together are all of it. Raises
    `BadValue`.
    """
    if seeds < 1:
        raise BadValue(f"{seeds} seeds: it must be at least 1")
    archs: dict[str, Sequence[Architecture]] = {}
    for where in tables:
        if where.space_name not in archs:
            every = only(where.space) if only else representatives(where.space, sample_seed)
            if sample is not None and not 1 <= sample <= len(every):
                raise BadValue(
                    f"a sample of {sample}: {where.space.name} has 1 to {len(every):,} classes"
                )
            archs[where.space_name] = shard.of(every[:sample])
    return [Part(where, s, archs[where.space_name]) for where in tables for s in range(seeds)]


@dataclass(frozen=True)
class Left:
    """What is left to do: trainings, and seconds of one core; None if no network was measured.

    It is `about` if there are tables of which nothing was measured: their seconds are guessed.
    """

    trainings: int
    seconds: float | None
    about: bool


@dataclass(frozen=True)
class Estimate:
    """What one table costs in all, by those of its trainings that were `measured`.

    `seconds` and `std` are of one training, `hours` of one core for all `trainings`, those that are
    `there` too, and `error` is the standard error of `hours`. NaN where it is unknown.
    """

    address: str
    trainings: int
    there: int
    measured: int
    seconds: float
    std: float
    hours: float
    error: float


class Build:
    """The trainings of a plan that a journal lacks, and how long they take.

    `total` counts all that are planned, `there` those that were there at the start, `done` those
    that are there now; `left` are those of each part that weren't tried yet, and `failed` says of
    those that raised what it was. Seconds in a journal may be of other machines: they count as
    long as there are too few of this build's own.
    """

    def __init__(self, parts: Sequence[Part], journal: Journal) -> None:
        self.parts, self.journal = parts, journal
        self.total = sum(len(part.archs) for part in parts)
        self.failed: list[tuple[Job, str]] = []
        self._recorded: dict[str, list[float]] = {}
        self._measured: dict[str, list[float]] = {}
        self._todo: list[list[Architecture]] = []
        self._work: deque[float] = deque(maxlen=200)
        for where, own in groupby(parts, lambda part: part.where):
            full = {key: trained.seconds[-1] for key, trained in journal.full(where).items()}
            self._recorded[where.address] = list(full.values())
            self._measured[where.address] = []
            self._todo += [
                [arch for arch in part.archs if (where.space.spell(arch), part.seed) not in full]
                for part in own
            ]
        self.left = [len(todo) for todo in self._todo]
        self.there = self.done = self.total - sum(self.left)

    def jobs(self) -> Iterator[Job]:
        """Yield what is to be trained, in the order of the plan."""
        for part, todo in zip(self.parts, self._todo, strict=True):
            where = part.where
            for arch in todo:
                yield Job(where, arch, where.epochs, part.seed, self.journal)

    def few(self) -> list[Job]:
        """Choose a few of each table, random ones of those that are not there.

        They are others on each task of a space, so that errors of their mean seconds are not all
        alike.
        """
        jobs, tables = [], Counter[str]()
        for part, todo in zip(self.parts, self._todo, strict=True):
            where = part.where
            if part.seed == 0:
                start = tables[where.space_name] * FEW % max(1, len(todo) - FEW + 1)
                tables[where.space_name] += 1
                chosen = todo[start : start + FEW]
                jobs += [Job(where, arch, where.epochs, 0, self.journal) for arch in chosen]
        return jobs

    def run(
        self, jobs: Iterable[Job], executor: Executor | None = None
    ) -> Iterator[tuple[Part, int]]:
        """Train, here or on an executor; yield the part of each training, and what is left of it.

        Each is in the journal before it is told of. One that raises is put down as `failed`, and
        the others go on. Raises `RunnerFailed` after `IN_A_ROW` such, and at once `BadFile`: what
        can't be read or kept now can't be by the next one either.
        """
        index = {(part.where.address, part.seed): k for k, part in enumerate(self.parts)}
        row = 0
        for job, came in each(_timed, jobs, executor):
            k = index[job.where.address, job.seed]
            self.left[k] -= 1
            if isinstance(came, str):
                row += 1
                self.failed.append((job, came))
                if row == IN_A_ROW:
                    raise RunnerFailed(
                        f"{row} trainings in a row failed, the last one, {job}: {came}"
                    )
            else:
                row = 0
                self.done += 1
                self._measured[job.where.address].append(came.seconds)
                if came.spent > came.seconds > 0:  # or else somebody else trained it meanwhile
                    self._work.append(came.spent / came.seconds)
            yield self.parts[k], self.left[k]

    def mean(self, part: Part) -> tuple[float | None, bool]:
        """Return the mean seconds of a table's trainings, and whether any were measured.

        If not, it is the mean of the tables of the same task, or else of all that were measured.
        """
        if own := self._seconds(part.where.address):
            return self._overhead * fmean(own), True
        task = part.where.address.rpartition("/")[2]
        means = {a: fmean(found) for a in self._measured if (found := self._seconds(a))}
        same = [mean for address, mean in means.items() if address.rpartition("/")[2] == task]
        guess = same or list(means.values())
        return (self._overhead * fmean(guess) if guess else None), False

    def remaining(self) -> Left:
        """Add up what is left, table by table, each at its own mean seconds."""
        seconds: float | None = 0.0
        about = False
        for part, left in zip(self.parts, self.left, strict=True):
            if left:
                mean, known = self.mean(part)
                about |= not known
                seconds = None if seconds is None or mean is None else seconds + left * mean
        return Left(sum(self.left), seconds, about)

    def estimates(self) -> list[Estimate]:
        """Say what each table costs."""
        found = []
        for address, group in groupby(
            zip(self.parts, self.left, strict=True), lambda pair: pair[0].where.address
        ):
            own = list(group)
            trainings = sum(len(part.archs) for part, _ in own)
            measured = [self._overhead * seconds for seconds in self._seconds(address)]
            n, k, nan = trainings, len(measured), float("nan")
            mean = fmean(measured) if k else nan
            std = stdev(measured) if k > 1 else nan
            unseen = max(0.0, 1 - k / n) if n else 0.0
            hours, error = n * mean / 3600, n * std * (unseen / max(k, 1)) ** 0.5 / 3600
            there = trainings - sum(left for _, left in own)
            found.append(Estimate(address, trainings, there, k, mean, std, hours, error))
        return found

    def _seconds(self, address: str) -> list[float]:
        """Return what this build measured of a table, once it is a few; else what is known."""
        own, recorded = self._measured[address], self._recorded[address]
        return own if len(own) >= FEW or not recorded else [*recorded, *own]

    @property
    def _overhead(self) -> float:
        """How much longer a training takes than its seconds: building, testing, keeping."""
        return median(self._work) if self._work else 1.0


class Timed(NamedTuple):
    """Seconds of a training and its validation, and those of the whole job by the clock."""

    seconds: float
    spent: float


def _timed(job: Job) -> Timed | str:
    """Train, once what a worker loads only once is loaded; or say what was raised."""
    from nasbench.live import load

    try:
        for split in ("train", "valid", "test"):
            load(job.where, split)
        start = perf_counter()
        trained = job.run()
    except BadFile:
        raise
    except Exception as error:
        return (
            str(error) if isinstance(error, NasbenchError) else f"{type(error).__name__}: {error}"
        )
    return Timed(trained.seconds[-1], perf_counter() - start)
