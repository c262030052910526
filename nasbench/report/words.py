"""How the report writes names and numbers."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, isfinite, log10
from typing import TYPE_CHECKING

import numpy as np

from nasbench.loop import parameters
from nasbench.report.page import File
from nasbench.table import Table

if TYPE_CHECKING:
    import pandas as pd

ALIKE = "\N{ALMOST EQUAL TO}"
"""Marks a difference that is within noise."""

NONE = "-"
"""Stands where there is no number."""


def shown(method: str) -> str:
    """Write a method for people: `a_b:c=1` as "a b (c=1)"."""
    name, *pairs = parameters(method)
    name = name if name.endswith(".py") else name.replace("_", " ")
    return f"{name} ({', '.join(pairs)})" if pairs else name


def listed(words: Sequence[str]) -> str:
    """Write "a, b and c"."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def count(number: int, thing: str) -> str:
    """Write "1 task" or "1,000 tasks"."""
    return f"{number:,} {thing}{'s' * (number != 1)}"


def measured(table: Table, what: str = "") -> str:
    """Name the main metric of a table, `what` of it, and its unit where it has one."""
    metric = table.task.metric
    return f"{metric.name}{what}{f' [{metric.unit}]' * bool(metric.unit)}"


def number(value: float, decimals: int) -> str:
    """Write a number with a true minus."""
    return NONE if np.isnan(value) else f"{value:,.{decimals}f}".replace("-", "\N{MINUS SIGN}")


def small(p: float) -> str:
    """Write a p value."""
    return NONE if np.isnan(p) else "<0.001" if p < 0.001 else f"{p:.3f}"


def signed(value: float, decimals: int) -> str:
    """Write a difference, with a plus if it is positive."""
    return "+" * bool(value > 0) + number(value, decimals)


def csv(name: str, table: pd.DataFrame) -> File:
    """Write a table's numbers as a CSV file, to ten digits."""
    text = table.to_csv(index=False, lineterminator="\n", float_format="%.10g", na_rep="nan")
    return File(f"{name}.csv", text.encode())


def decimals(table: Table) -> int:
    """Choose so many that a 250th of the way from the median architecture to the best one shows."""
    scores = table.scores()
    way = np.fmax.reduce(scores) - np.nanmedian(scores)
    return min(9, max(0, ceil(log10(250 / way)))) if isfinite(way) and way > 0 else 4
