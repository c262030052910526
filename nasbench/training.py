"""Answer a query by a training, and charge what it cost. No torch until one begins."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from importlib.util import find_spec
from typing import Self

import numpy as np

from nasbench.budget import Budget, Cost
from nasbench.errors import BadValue, NotRecorded
from nasbench.evaluate import has
from nasbench.journal import Journal
from nasbench.networks import Networks
from nasbench.pool import Processes, each
from nasbench.recipe import Trainable, Trained
from nasbench.search import Outcome, Problem, Query
from nasbench.shard import shuffled
from nasbench.space import Architecture
from nasbench.table import Floats


def require_torch(device: str = "cpu") -> None:
    """Raise `BadValue` where torch, or the device, is not there: in one line, before any work."""
    if find_spec("torch") is None:
        raise BadValue("training needs torch, which is not installed: pip install 'nasbench[live]'")
    if device == "cpu":
        return
    import torch

    try:
        torch.ones(1, device=device).item()
    except (AssertionError, NotImplementedError, RuntimeError) as error:
        why = str(error).splitlines()[0].partition(". ")[0]
        raise BadValue(f"no device {device!r} here, use cpu: {why}") from None


@dataclass(frozen=True)
class Job:
    """One training that is asked for, and the journal that keeps it."""

    where: Trainable
    arch: Architecture
    epochs: int
    seed: int
    journal: Journal

    def __str__(self) -> str:
        return f"the training of {self.where.space.spell(self.arch)} on {self.where.address}"

    def run(self) -> Trained:
        """Do it, or recall that it was done."""
        recalled = self.journal.find(self.where, self.arch, self.seed, self.epochs)
        if recalled:
            return recalled
        from nasbench.live import train

        trained, _ = train(self.where, self.arch, self.seed, self.epochs)
        self.journal.add(self.where, self.arch, self.seed, trained)
        return trained


class FromTraining:
    """Train it: the validation value after the last of the epochs asked for.

    All trainings have the same `seed`, so an architecture has one result, as in a table. Each is
    kept in the journal when it ends, and never done twice: a search that was stopped goes on when
    it is run again. A batch is trained by several `workers`, processes of one thread each, which
    stop at the end of the `with` block. `tick()` is called at the end of each training.
    """

    def __init__(
        self,
        where: Trainable,
        *,
        workers: int = 1,
        seed: int = 0,
        journal: Journal | None = None,
        tick: Callable[[], None] = lambda: None,
    ) -> None:
        require_torch()
        self.where, self.epochs = where, where.recipe.epochs
        self.has = has(where)
        self._seed, self._workers, self._tick = seed, workers, tick
        self._journal = journal or Journal(where.address.partition("/")[0])
        self._pool: Processes | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool:  # idle, unless something was raised: then trainings at work may take hours
            self._pool.stop()

    def __call__(self, query: Query) -> Outcome:
        """Answer with the validation value after the epochs asked for, all of them by default."""
        return self.many([query])[0]

    def many(self, queries: Sequence[Query]) -> list[Outcome]:
        """Train what is not known yet, side by side, and answer in order."""
        jobs = [self._job(query) for query in queries]
        longest: dict[Architecture, Job] = {}
        for job in sorted(jobs, key=lambda job: job.epochs):
            longest[job.arch] = job
        todo = list(longest.values())
        if self._workers > 1 and len(todo) > 1 and not self._pool:
            self._pool = Processes(self._workers)
        trained: dict[Architecture, Trained] = {}
        for job, result in each(Job.run, todo, self._pool if len(todo) > 1 else None):
            trained[job.arch] = result
            self._tick()
        return [
            self._outcome(query, job.epochs, trained[job.arch])
            for query, job in zip(queries, jobs, strict=True)
        ]

    def _job(self, query: Query) -> Job:
        where, epochs = self.where, self.epochs if query.epochs is None else query.epochs
        if not 1 <= epochs <= self.epochs:
            raise NotRecorded(f"{where.address} is trained for 1 to {self.epochs} epochs: {epochs}")
        return Job(where, where.space.check(query.arch), epochs, self._seed, self._journal)

    def _outcome(self, query: Query, epochs: int, trained: Trained) -> Outcome:
        metric = self.where.task.metric
        value = trained.curves[f"valid/{metric.name}"][epochs - 1]
        cost = Cost(1, epochs, trained.seconds[epochs - 1])
        return Outcome(query, value, metric.sign * value, cost)

    def truth(self, arch: Architecture) -> float:
        """Recall a full training, if there was one."""
        known = self._journal.find(self.where, arch, self._seed, self.epochs)
        return known.curves[f"valid/{self.where.task.metric.name}"][-1] if known else math.nan

    def ranked(self, most: int) -> tuple[list[Architecture], Floats]:
        """Draw from all that was trained for the full length, in the order of `nasbench build`.

        So what a sample of it has built stays what rankings are compared on, whatever else will be
        trained.
        """
        space, metric = self.where.space, self.where.task.metric
        known = {
            name: trained.curves[f"valid/{metric.name}"][-1]
            for (name, seed), trained in self._journal.full(self.where).items()
            if seed == self._seed
        }
        drawn: dict[Architecture, tuple[Architecture, float]] = {}
        for name in shuffled(list(known), 0):
            if len(drawn) < most:
                arch = space.read(name)
                drawn.setdefault(space.canonical(arch), (arch, metric.sign * known[name]))
        archs, scores = zip(*drawn.values(), strict=True) if drawn else ((), ())
        return list(archs), np.array(scores, np.float64)

    def problem(self, budget: Budget) -> Problem:
        """Say what a method may know: what is counted, not measured, is known before training."""

        @cache
        def measure(arch: Architecture) -> dict[str, float]:
            from nasbench.live import size

            return dict(asdict(size(self.where, arch)))

        where = self.where
        return Problem(where.space, where.task, self.epochs, budget, measure, Networks.of(where))
