"""What papers print, beside what we get: a page, the same as Markdown, and all cells as CSV."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import nasbench
from nasbench.report.page import Block, Grid, Heading, Points, Text, html, markdown
from nasbench.report.words import NONE, count, number
from nasbench.reproduce import FAR, Repeated
from nasbench.store import Benchmark, atomic

HEAD = ("task", "method", "what", "split", "printed", "ours", "difference", "verdict")
VERDICTS = ("agrees", "differs", "shown", "not repeated")


def write(folder: Path, name: str, found: Sequence[Repeated], benches: Sequence[Benchmark]) -> Path:
    """Write `index.html`, `reproduced.md` and `reproduced.csv`; return the first one's path."""
    import pandas as pd

    blocks = list(_blocks(name, found, benches))
    files = {
        "reproduced.md": markdown(blocks),
        "reproduced.csv": pd.DataFrame([each.as_row() for each in found]).to_csv(index=False),
        "index.html": html(blocks, f"Published numbers of {name}"),
    }
    for file_name, text in files.items():
        with atomic(folder / file_name) as file:
            file.write(text.encode())
    return folder / "index.html"


def by_table(found: Sequence[Repeated]) -> dict[str, list[Repeated]]:
    """Group cells by the paper's table."""
    tables: dict[str, list[Repeated]] = {}
    for each in found:
        tables.setdefault(each.cell.table, []).append(each)
    return tables


def row(told: Repeated) -> tuple[str, ...]:
    """Write the columns of `HEAD`, our number with as many digits as the printed one."""
    cell, ours = told.cell, told.ours
    where = f"{cell.space}/{cell.task or 'all tasks'}"
    theirs = f"{cell.value} ± {cell.std}" if cell.std else cell.value
    digits = len(cell.value.partition(".")[2])
    own = NONE if ours is None else number(ours.value, digits)
    spread = f" ± {number(ours.std, digits)}" if ours and ours.n else ""
    difference = number(told.difference, 1)
    return (
        where,
        cell.method,
        cell.how[0],
        cell.split,
        theirs,
        own + spread,
        difference,
        told.verdict,
    )


def _blocks(name: str, found: Sequence[Repeated], benches: Sequence[Benchmark]) -> Iterator[Block]:
    yield Heading(f"Published numbers of {name}, and ours", 1)
    yield Text(
        f"Each number is computed again by the protocol that the paper tells, without any tuning. "
        f"Two differ if they are more than {FAR:g} standard errors apart; these are of both means "
        "of runs, of a correlation over a sample of architectures, and of rounding. Numbers "
        "that are known from memory or other papers only are shown and not judged."
    )
    yield Grid(
        ("tables at hand", "source", "sha256"),
        [(b.name, b.header["source"], b.header["content_sha256"][:12]) for b in benches],
        f"nasbench {nasbench.__version__}",
        texts=3,
    )
    tables = by_table(found)
    yield Grid(
        ("table", "paper", *VERDICTS),
        [
            (table, own[0].cell.paper, *(str(_counts(own)[verdict]) for verdict in VERDICTS))
            for table, own in tables.items()
        ],
        texts=2,
    )
    for table, own in tables.items():
        yield Heading(f"{table}: {own[0].cell.paper}")
        if repeated := [told for told in own if told.ours]:
            yield Grid(
                (*HEAD, "remark"),
                [(*row(told), told.why) for told in repeated],
                "Differences are in standard errors, ours minus theirs.",
                texts=4,
            )
        reasons = Counter((told.cell.method, told.why) for told in own if not told.ours)
        yield Points([f"{m}, {count(n, 'number')}: {why}" for (m, why), n in reasons.items()])
        sources = dict.fromkeys(told.cell.source for told in own)
        yield Text(f"Where they were read: {'; '.join(sources)}.")


def _counts(found: Sequence[Repeated]) -> Counter[str]:
    return Counter(each.verdict for each in found)
