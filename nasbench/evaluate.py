"""Answer a query from a table, and charge what the training had cost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Protocol

import numpy as np

from nasbench.budget import Budget, Cost
from nasbench.errors import Diverged, NotApplicable, NotRecorded
from nasbench.networks import Networks
from nasbench.recipe import Trainable
from nasbench.search import Outcome, Problem, Query
from nasbench.space import Architecture, Space
from nasbench.table import Floats, Point, Table
from nasbench.task import Task


class Where(Protocol):
    """What answers come from: a table, or one space on one task that is trained."""

    @property
    def address(self) -> str:
        """BENCHMARK/SPACE/TASK."""

    @property
    def space(self) -> Space:
        """Which architectures there are."""

    @property
    def task(self) -> Task:
        """What is trained for."""

    @property
    def schedule(self) -> str:
        """The name of the training schedule."""

    @property
    def answers(self) -> str:
        """What an answer is: the "best" epoch's value or the "final" one's."""

    @property
    def content_sha256(self) -> str:
        """A checksum: with another one, the same question may have another answer."""

    @property
    def trained_by(self) -> Trainable | None:
        """How the networks behind the answers are trained, where that is known."""


class Evaluator(Protocol):
    """Anything that trains and validates an architecture, or remembers how it went."""

    @property
    def where(self) -> Where:
        """What the answers come from."""

    @property
    def epochs(self) -> int:
        """Length of a full training."""

    @property
    def has(self) -> frozenset[str]:
        """What only some sources have: the keys of `nasbench.loop.NEEDS`."""

    def __call__(self, query: Query) -> Outcome:
        """Answer; raises `OutsideSpace` or `NotRecorded` for what can't be answered."""

    def many(self, queries: Sequence[Query]) -> list[Outcome]:
        """Answer a batch, in order."""

    def problem(self, budget: Budget) -> Problem:
        """Say what a method may know before it asks."""

    def truth(self, arch: Architecture) -> float:
        """Return the validation value of a full training, in the task's unit; NaN if unknown.

        For judging one-shot methods: it costs nothing, and no method is told.
        """

    def ranked(self, most: int) -> tuple[list[Architecture], Floats]:
        """Draw architectures with a known truth, always the same, of equal ones one; and scores.

        There are as many as asked for, unless fewer are known.
        """


def missing(table: Table | Trainable) -> str:
    """Say what a search would need that the table lacks: the main validation metric; or ""."""
    if isinstance(table, Trainable):
        return ""
    try:
        table.column()
    except NotRecorded as error:
        return f"a search sees validation results only, and {error}"
    return ""


def has(where: Table | Trainable) -> frozenset[str]:
    """Say what a search finds there that not everything has, as in `Evaluator.has`."""
    if isinstance(where, Trainable):
        return frozenset({"curves", "networks"}) | sharing(where.space)
    table = where
    whole = table.epoch.tolist() == list(range(1, table.epochs + 1))
    curve = Point("curve", "valid", table.task.metric.name)
    curves = {"curves"} if whole and curve in table.columns else set()
    networks = {"networks"} if table.space.scale else set()
    return frozenset(curves | networks) | (sharing(table.space) if table.trained_by else set())


def sharing(space: Space) -> frozenset[str]:
    """Say what a search finds in a space's supernet, if it has one, as in `Evaluator.has`."""
    widths = {"widths"} if space.has_widths else set()
    return frozenset({"live"} | widths) if space.shares else frozenset()


class FromTable:
    """Look it up: the table's own answer, the mean over recorded seeds.

    Raises `NotApplicable` for a table that can't answer, as `missing` says.
    """

    def __init__(self, table: Table) -> None:
        self.where = self._table = table
        self.has = has(table)
        self._columns: dict[int, tuple[list[float], list[float]]] = {}
        self._full: dict[bytes, Outcome] = {}
        if why := missing(table):
            raise NotApplicable(f"not applicable: {why}")

    def __call__(self, query: Query) -> Outcome:
        """Answer with the validation value after the epochs asked for, all of them by default."""
        if query.epochs is not None:
            return self._look_up(query, query.epochs)
        try:  # bytes() takes whole numbers only, so that 1.0 is not answered as 1
            return self._full[bytes((*query.arch,))]
        except (KeyError, TypeError, ValueError):
            outcome = self._look_up(query, self._table.epochs)
            self._full[bytes(outcome.query.arch)] = outcome
            return outcome

    def many(self, queries: Sequence[Query]) -> list[Outcome]:
        """Answer one by one, which is as fast."""
        return [self(query) for query in queries]

    def _look_up(self, query: Query, epochs: int) -> Outcome:
        table = self._table
        query = Query(table.space.check(query.arch), query.epochs)
        row = table.row(query.arch)
        if epochs not in self._columns:
            prices = np.full(len(table), np.nan)
            with suppress(NotRecorded):
                prices = table.cost_seconds(epochs)
            self._columns[epochs] = table.answer(epochs).tolist(), prices.tolist()
        value, seconds = (column[row] for column in self._columns[epochs])
        if value != value:
            raise NotRecorded(f"{table.address}: {table.rows.names[row]} was not measured")
        return Outcome(query, value, table.task.metric.sign * value, Cost(1, epochs, seconds))

    def truth(self, arch: Architecture) -> float:
        """Look up the answer of the full length."""
        row = self._table.rows.by_key.get(arch)
        return math.nan if row is None else float(self._table.answer(self.epochs)[row])

    def ranked(self, most: int) -> tuple[list[Architecture], Floats]:
        """Draw some of what was trained for itself, and measured."""
        table, scores = self._table, self._table.scores()
        own = table.rows.trained_as == np.arange(len(table))
        known = np.flatnonzero(own & ~np.isnan(scores))
        rows = np.sort(np.random.default_rng(0).permutation(known)[:most])
        return [table.rows.archs[row] for row in rows.tolist()], scores[rows]

    @property
    def epochs(self) -> int:
        """Length of a full training."""
        return self._table.epochs

    def problem(self, budget: Budget) -> Problem:
        """Say what a method may know of this table."""
        table, (index, facts) = self._table, (self._table.rows.by_key, self._table.info)

        def measure(arch: Architecture) -> dict[str, float]:
            row = index[table.space.check(arch)]
            return {name: numbers[row] for name, numbers in facts.items()}

        networks = Networks.of(table) if "networks" in self.has else None
        return Problem(table.space, table.task, table.epochs, budget, measure, networks)


class Replay:
    """Answer from an earlier run as long as it lasts, then from the evaluator behind it.

    Raises `Diverged` when something else is asked than was asked before; `left` counts the steps
    that were not asked for again.
    """

    def __init__(self, past: Sequence[Outcome], then: Evaluator) -> None:
        self._past, self._then, self._steps = iter(past), then, len(past)
        self.left = len(past)
        self.where, self.epochs, self.problem = then.where, then.epochs, then.problem
        self.has = then.has
        self.truth, self.ranked = then.truth, then.ranked

    def many(self, queries: Sequence[Query]) -> list[Outcome]:
        """Answer what was asked before, and ask for the rest together."""
        known = min(self.left, len(queries))
        past = [self(query) for query in queries[:known]]
        return past + (self._then.many(queries[known:]) if known < len(queries) else [])

    def __call__(self, query: Query) -> Outcome:
        """Answer as before, without training anything again."""
        before = next(self._past, None)
        if before is None:
            return self._then(query)
        self.left -= 1
        arch, epochs = tuple(query.arch), self.epochs if query.epochs is None else query.epochs
        if (arch, epochs) != (before.query.arch, before.query.epochs):
            raise Diverged(
                f"step {self._steps - self.left}: was {before.query.arch} for "
                f"{before.query.epochs} epochs, is now {arch} for {epochs}: the method has "
                "changed, or asks otherwise with another budget"
            )
        return replace(before, query=query)
