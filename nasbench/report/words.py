"""How the report writes names and numbers."""

from __future__ import annotations

from collections.abc import Sequence
from math import floor, isfinite, log10

import numpy as np

from nasbench.table import Table

NONE = "-"
"""Stands where there is no number."""


def shown(name: str) -> str:
    """Write a name or a method for people: `a_b:c=1` as "a b (c=1)"."""
    name, *parameters = name.split(":")
    name = name if name.endswith(".py") else name.replace("_", " ")
    return f"{name} ({', '.join(parameters)})" if parameters else name


def listed(words: Sequence[str]) -> str:
    """Write "a, b and c"."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def count(number: int, thing: str) -> str:
    """Write "1 task" or "1,000 tasks"."""
    return f"{number:,} {thing}{'s' * (number != 1)}"


def measured(table: Table) -> str:
    """Name the main metric of a table, and its unit where it has one."""
    metric = table.task.metric
    return f"{metric.name} [{metric.unit}]" if metric.unit else metric.name


def number(value: float, decimals: int) -> str:
    """Write a number with a true minus."""
    return NONE if np.isnan(value) else f"{value:,.{decimals}f}".replace("-", "\N{MINUS SIGN}")


def decimals(table: Table) -> int:
    """Tell three digits of the distance from the median architecture to the best one."""
    scores = table.scores()
    spread = np.fmax.reduce(scores) - np.nanmedian(scores)
    return min(8, max(0, 2 - floor(log10(spread)))) if isfinite(spread) and spread > 0 else 4
