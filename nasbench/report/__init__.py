"""Traces and tables in, figures, tables and one page out."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from nasbench.report.contents import contents, title
from nasbench.report.gather import gather, read, tables_of
from nasbench.report.page import files, html, markdown
from nasbench.report.score import score
from nasbench.store import Benchmark, atomic
from nasbench.trace import Traces

if TYPE_CHECKING:
    import pandas as pd


def report(folder: Path, bench: Benchmark | None = None) -> Path:
    """Report the study in a folder as `report/index.html`, whose path is returned.

    Beside it, `report.md` says the same, figures are PNG and SVG files, and tables CSV files. The
    benchmark is the one that the traces name, or what a live study left in its folder, unless it's
    given. Raises `BadFile` for a folder
    without traces, or with files that are none, and `BadValue` for traces that don't belong
    together, or not to this benchmark. Equal traces give equal reports, byte for byte.
    """
    return write_report(folder, bench)[0]


def write_report(folder: Path, bench: Benchmark | None = None) -> tuple[Path, pd.DataFrame]:
    """Do what `report` does, and return what `summary` does too."""
    scored = score(gather(read(folder), tables_of(folder, bench)))
    blocks = list(contents(scored))
    page = html(blocks, title(scored.study))
    out = folder / "report"
    for name, content in (
        *files(blocks),
        ("report.md", markdown(blocks).encode()),
        ("index.html", page.encode()),
    ):
        with atomic(out / name) as file:
            file.write(content)
    return out / "index.html", scored.numbers


def summary(study: Path | Iterable[Traces], bench: Benchmark | None = None) -> pd.DataFrame:
    """Return the numbers behind the report's tables, a row for every method on every table.

    See `nasbench.report.score.frame` for the columns. `study` is a folder, or traces; the rest is
    as in `report`.
    """
    if isinstance(study, Path):
        return score(gather(read(study), tables_of(study, bench))).numbers
    return score(gather(list(study), bench)).numbers
