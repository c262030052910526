"""A task: what an architecture is trained for, and which way its metrics improve."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf
from typing import Literal, TypeAlias

from nasbench.errors import NotRecorded

Goal: TypeAlias = Literal["max", "min"]


@dataclass(frozen=True)
class Metric:
    """A quantity in the unit its source uses. Its goal is written here once and nowhere else.

    `display` turns a value into what papers print: room layout's `neg_loss` of -0.5938 is printed
    as 59.38 (a loss times 100, less is better), an `ssim` of 0.5962 as 59.62.
    """

    name: str
    goal: Goal
    unit: str = ""
    bounds: tuple[float, float] = (-inf, inf)
    display: float = 1.0

    @property
    def sign(self) -> int:
        """+1 where more is better, -1 where less is: `score = sign * value`."""
        return 1 if self.goal == "max" else -1


@dataclass(frozen=True)
class Task:
    """A name, the metric that decides, and the others that are measured beside it.

    Pixels, heads and losses come with live training; epochs and class counts with a benchmark.
    """

    name: str
    metric: Metric
    others: tuple[Metric, ...] = ()

    def __iter__(self) -> Iterator[Metric]:
        yield self.metric
        yield from self.others

    def __getitem__(self, name: str) -> Metric:
        for metric in self:
            if metric.name == name:
                return metric
        known = ", ".join(metric.name for metric in self)
        raise NotRecorded(f"{self.name} has no metric {name!r}; it has {known}")


def percent(name: str) -> Metric:
    """Make an accuracy-like metric: more is better, from 0 to 100."""
    return Metric(name, "max", "%", (0.0, 100.0))


def loss(name: str = "loss") -> Metric:
    """Make a loss: less is better, never negative; it can diverge to `inf`."""
    return Metric(name, "min", "", (0.0, inf))
