"""Answer a query from a table, and charge what the training had cost."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from typing import Protocol

import numpy as np

from nasbench.budget import Budget, Cost
from nasbench.errors import Diverged, NotRecorded
from nasbench.search import Outcome, Problem, Query
from nasbench.space import Architecture
from nasbench.table import Table


class Evaluator(Protocol):
    """Anything that trains and validates an architecture, or remembers how it went."""

    @property
    def epochs(self) -> int:
        """Length of a full training."""

    def __call__(self, query: Query) -> Outcome:
        """Answer; raises `OutsideSpace` or `NotRecorded` for what can't be answered."""


class FromTable:
    """Look it up: the table's own answer, the mean over recorded seeds.

    Raises `NotRecorded` for a table without the main validation metric: no search can run on it.
    """

    def __init__(self, table: Table) -> None:
        self._table = table
        self._columns: dict[int, tuple[list[float], list[float]]] = {}
        self._full: dict[Architecture, Outcome] = {}
        table.column()

    def __call__(self, query: Query) -> Outcome:
        """Answer with the validation value after the epochs asked for, all of them by default."""
        if query.epochs is None:
            try:
                return self._full[query.arch]
            except KeyError:
                outcome = self._full[query.arch] = self._look_up(query, self._table.epochs)
                return outcome
        return self._look_up(query, query.epochs)

    def _look_up(self, query: Query, epochs: int) -> Outcome:
        table = self._table
        row = table.row(table.space.check(query.arch))
        if epochs not in self._columns:
            prices = np.full(len(table), np.nan)
            with suppress(NotRecorded):
                prices = table.cost_seconds(epochs)
            self._columns[epochs] = table.answer(epochs).tolist(), prices.tolist()
        value, seconds = (column[row] for column in self._columns[epochs])
        if value != value:
            raise NotRecorded(f"{table.address}: {table.rows.names[row]} was not measured")
        return Outcome(query, value, table.task.metric.sign * value, Cost(1, epochs, seconds))

    @property
    def epochs(self) -> int:
        """Length of a full training."""
        return self._table.epochs

    def problem(self, budget: Budget) -> Problem:
        """Say what a method may know of this table."""
        table = self._table
        return Problem(table.space, table.task, table.epochs, budget, table.facts)


class Replay:
    """Answer from an earlier run as long as it lasts, then from the evaluator behind it.

    Raises `Diverged` when something else is asked than was asked before.
    """

    def __init__(self, past: Iterable[Outcome], then: Evaluator) -> None:
        self._past, self._then, self._step = iter(past), then, 0

    @property
    def epochs(self) -> int:
        """Length of a full training."""
        return self._then.epochs

    def __call__(self, query: Query) -> Outcome:
        """Answer as before, without training anything again."""
        before = next(self._past, None)
        if before is None:
            return self._then(query)
        self._step += 1
        epochs = self.epochs if query.epochs is None else query.epochs
        if (query.arch, epochs) != (before.query.arch, before.query.epochs):
            raise Diverged(
                f"step {self._step}: was {before.query.arch} for {before.query.epochs} epochs, "
                f"is now {query.arch} for {epochs}: the method or its parameters have changed"
            )
        return replace(before, query=query)
