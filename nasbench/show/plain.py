"""What the command line prints: plain tables for people, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from math import isfinite
from typing import Any

import numpy as np


def print_json(value: Any) -> None:
    """Print one JSON value on one line; numbers that are not finite become null."""
    print(json.dumps(_plain(value), allow_nan=False))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    return None if isinstance(value, float) and not isfinite(value) else value


def print_table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print aligned columns, numbers to the right; lines are never wrapped."""
    lines = [[str(head_cell) for head_cell in head]]
    lines += [[cell_text(cell) for cell in row] for row in rows]
    right = [all(_is_number(line[i]) for line in lines[1:]) for i in range(len(head))]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = zip(line, widths, right, strict=True)
        print("  ".join(c.rjust(w) if r else c.ljust(w) for c, w, r in cells).rstrip())


def cell_text(cell: Any) -> str:
    """Write what is in a cell of a table."""
    if isinstance(cell, float | np.floating):
        return "-" if np.isnan(cell) else f"{cell:,.4f}".rstrip("0").rstrip(".")
    return str(cell)


def _is_number(text: str) -> bool:
    return text.lstrip("-").replace(",", "").replace(".", "").isdigit() or text == "-"


def two(value: float) -> str:
    """Write a number with two places; a dash for NaN."""
    return "-" if np.isnan(value) else f"{value:,.2f}"


def significant(value: float, digits: int) -> str:
    """Write a number with so many digits; a dash for NaN."""
    return "-" if np.isnan(value) else f"{value:.{digits}g}"


def when(at: str | int) -> str:
    """Say at which point of the training a number was taken."""
    return f"{at} epoch" if isinstance(at, str) else f"epoch {at}"


def duration(seconds: float) -> str:
    """Write a time for people: "3 h 20 min", "45 min", "30 s"."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes // 60:,} h {minutes % 60} min" if minutes >= 90 else f"{minutes} min"
