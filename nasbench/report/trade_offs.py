"""What the networks that were found cost, and how wide their layers are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nasbench.metrics.regret import EQUAL, equals
from nasbench.report import figures
from nasbench.report.page import Block, Grid, Heading, Picture
from nasbench.report.score import Scored
from nasbench.report.words import NONE, csv, decimals, measured, number, shown
from nasbench.table import Floats, Table

if TYPE_CHECKING:
    import pandas as pd


def trade_offs(scored: Scored, space: str) -> Iterator[Block]:
    """Show results against multiply-adds where these are known, and widths where they differ."""
    import pandas as pd

    study, clouds, profiles, points, layers = scored.study, [], [], [], []
    beside: list[list[str]] = []
    for task in study.spaces[space]:
        table = study.tables[space, task]
        results = {m: r for m, r in scored.judged[space, task].items() if len(r.found)}
        if not results:
            continue
        values = table.task.metric.sign * table.scores()
        if "macs" in table.info:
            millions = np.array(table.info["macs"]) / 1e6
            found = {shown(m): (millions[r.found], values[r.found]) for m, r in results.items()}
            best = front(millions, table.scores())
            values[~np.isfinite(values)] = np.nan  # not drawn
            every, line = (millions, values), (millions[best], values[best])
            clouds.append(figures.Front(task, measured(table), every, line, found))
            own = table.rows.trained_as  # of those that were trained as one, one is an equal
            once = np.where(own == np.arange(len(table)), table.scores(), np.nan)
            for method, result in results.items():
                told = equals(once, millions, own[result.found])
                frame = {"task": task, "method": method, "seed": result.seed}
                frame |= {"millions": millions[result.found], "value": values[result.found]}
                frame |= {"equals": told.n, "better_than": told.better_than}
                frame["median_of_equals"] = table.task.metric.sign * told.median
                points.append(pd.DataFrame(frame))
                beside.append(_beside(table, method, points[-1]))
        widths = {m: _profiles(scored, space, task, r.found) for m, r in results.items()}
        if all(widths.values()):
            profiles.append(figures.Profiles(task, {shown(m): w for m, w in widths.items()}))
            for method, rows in widths.items():
                layers += [[task, method, run, *row] for run, row in enumerate(rows)]
    if clouds:
        yield Heading("Results and costs", 3)
        yield Picture(
            f"costs_{space}",
            figures.fronts(clouds, list(map(shown, study.methods))),
            f"What was found on space {space}, against its multiply-adds",
            "Millions of multiply-adds of a network with its head, and what a full training gives "
            "by validation: all architectures (grey), those that no other beats in both (line), "
            "and what each run of a method found.",
            csv=csv(f"costs_{space}", pd.concat(points)),
        )
        yield Grid(
            (
                "task",
                "metric",
                "method",
                "MACs, millions",
                "found",
                "equals",
                "their median",
                "better than",
            ),
            beside,
            "What was found beside its equals: the other networks of the table whose multiply-adds "
            f"are within {100 * EQUAL:g} % of its own. Means over runs; of those that have equals, "
            "the median one's result and the share of them that are worse.",
            texts=3,
        )
    if profiles:
        most = max(map(len, layers)) - 3
        names = ["task", "method", "run", *(f"layer {i + 1}" for i in range(most))]
        yield Heading("Widths", 3)
        yield Picture(
            f"widths_{space}",
            figures.profiles(profiles, list(map(shown, study.methods))),
            f"Channels of each layer of what was found on space {space}",
            "From the image on: the mean over runs, each of which is a thin line.",
            csv=csv(f"widths_{space}", pd.DataFrame(layers, columns=names)),
        )


def _beside(table: Table, method: str, runs: pd.DataFrame) -> list[str]:
    digits, known = decimals(table), runs[runs["equals"] > 0]
    share = 100 * known["better_than"].mean()
    return [
        table.task.name,
        measured(table),
        shown(method),
        number(runs["millions"].mean(), 2),
        number(runs["value"].mean(), digits),
        number(runs["equals"].mean(), 0),
        number(known["median_of_equals"].mean(), digits),
        NONE if np.isnan(share) else f"{share:.0f} %",
    ]


def front(costs: Floats, scores: Floats) -> NDArray[np.int64]:
    """Return the rows that no other beats in both, cheapest first; of equal ones the first."""
    order = np.lexsort((-scores, costs))
    order = order[np.isfinite(scores[order])]
    best = np.maximum.accumulate(scores[order])
    return order[np.diff(best, prepend=-np.inf) > 0]


def _profiles(
    scored: Scored, space: str, task: str, found: NDArray[np.int64]
) -> list[tuple[int, ...]]:
    """Return the channels of each layer of each architecture; none where the space has no say."""
    rows = scored.study.tables[space, task].rows
    return [widths for row in found if (widths := rows.space.profile(rows.archs[row]))]
