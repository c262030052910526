"""Traces and tables in, figures, tables and one page out."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from nasbench.report.contents import contents, title
from nasbench.report.gather import gather, read
from nasbench.report.page import Picture, html, markdown
from nasbench.report.score import frame, results
from nasbench.store import Benchmark, atomic
from nasbench.trace import Traces

if TYPE_CHECKING:
    import pandas as pd


def report(folder: Path, bench: Benchmark | None = None) -> Path:
    """Report the study in a folder as `report/index.html`, whose path is returned.

    Beside it, `report.md` says the same, and the figures are PNG files. The benchmark is the one
    that the traces name, unless it's given. Raises `BadFile` for a folder without traces and
    `BadValue` for traces that don't belong together or to this benchmark. Equal traces give equal
    reports, byte for byte.
    """
    return write_report(folder, bench)[0]


def write_report(folder: Path, bench: Benchmark | None = None) -> tuple[Path, pd.DataFrame]:
    """Do what `report` does, and return what `summary` does too."""
    study = gather(read(folder), bench)
    judged = results(study)
    numbers = frame(study, judged)
    blocks = list(contents(study, judged, numbers))
    files = {block.file: block.png for block in blocks if isinstance(block, Picture)}
    files["report.md"] = markdown(blocks).encode()
    files["index.html"] = html(blocks, title(study)).encode()
    out = folder / "report"
    for name, content in files.items():
        with atomic(out / name) as file:
            file.write(content)
    return out / "index.html", numbers


def summary(study: Path | Iterable[Traces], bench: Benchmark | None = None) -> pd.DataFrame:
    """Return the numbers behind the report's tables, a row for every method on every table.

    See `nasbench.report.score.frame` for the columns. `study` is a folder, or traces; the rest is
    as in `report`.
    """
    gathered = gather(read(study) if isinstance(study, Path) else list(study), bench)
    return frame(gathered, results(gathered))
