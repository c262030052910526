"""What the best architectures look like that any run has found."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from nasbench.metrics.ranking import ranks
from nasbench.report import figures
from nasbench.report.page import Block, Grid, Heading, Picture
from nasbench.report.score import Scored
from nasbench.report.words import csv, decimals, measured, number, shown


def best(scored: Scored, space: str) -> Iterator[Block]:
    """Show the best architecture that was found on each task, and who found it."""
    import pandas as pd

    study, drawings, rows, told = scored.study, [], [], []
    for task in study.spaces[space]:
        table = study.tables[space, task]
        results = {m: r for m, r in scored.judged[space, task].items() if len(r.found)}
        if not results:
            continue
        every = np.unique(np.concatenate([result.found for result in results.values()]))
        row = int(every[np.argmin(ranks(table.scores())[every])])
        rank, value = float(ranks(table.scores())[row]), table.value(row)
        hits = {method: int((result.found == row).sum()) for method, result in results.items()}
        name = table.rows.names[row]
        rows.append(
            [
                task,
                name,
                "\n".join(f"{shown(m)}: {hits[m]} of {len(results[m].found)}" for m in results),
                f"{number(value, decimals(table))}\n{measured(table)}",
                number(rank, 1),
            ]
        )
        counted = {f"found_by {method}": hits.get(method, 0) for method in study.methods}
        told.append({"task": task, "architecture": name, "value": value, "rank": rank, **counted})
        title = f"{task}: {name}"
        drawings.append(figures.Drawing(title, table.space.edges(table.rows.archs[row])))
    if not drawings:
        return
    yield Heading("The best architectures that were found", 3)
    yield Picture(
        f"best_{space}",
        figures.architectures(drawings),
        f"The best architectures found on space {space}",
        "Of all that the runs found, the best by validation on each task. Data flow from left to "
        "right; arrows that meet in a node are summed, and zeros are not drawn.",
    )
    yield Grid(
        ("task", "architecture", "runs that found it", "value", "rank"),
        rows,
        "Their names, which runs ended with them, their validation value, and their rank in the "
        "space.",
        texts=3,
        csv=csv(f"best_{space}", pd.DataFrame(told)),
    )
