"""Task by task: how the runs went on the way, and what they found."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from nasbench.metrics.statistics import summarise, within_noise
from nasbench.report import figures
from nasbench.report.page import Block, Grid, Heading, Picture, Text
from nasbench.report.provenance import most_runs
from nasbench.report.score import OPTIMISTIC, Scored, axis, held_out
from nasbench.report.words import ALIKE, NONE, csv, decimals, listed, measured, number, shown


def on_the_way(scored: Scored, space: str) -> Iterator[Block]:
    """Show anytime regret, a panel a task."""
    import pandas as pd

    study, panels, frames = scored.study, [], []
    price, grid = axis(study.budget)
    for task in study.spaces[space]:
        found = {m: r for m, r in scored.judged[space, task].items() if len(r.found)}
        label = measured(study.tables[space, task], " regret")
        curves = {shown(method): result.curve for method, result in found.items()}
        panels += [figures.Panel(task, label, curves)] if curves else []
        for method, result in found.items():
            names = ("low_quartile", "median", "high_quartile")
            quartiles = dict(zip(names, summarise(result.curve)[2:], strict=True))
            frames.append(pd.DataFrame({"task": task, "method": method, price: grid, **quartiles}))
    yield Heading("On the way", 3)
    if not panels:
        yield Text("No run finished a training within its budget.", warning=True)
        return
    yield Picture(
        f"anytime_{space}",
        figures.anytime(panels, list(map(shown, study.methods)), price, grid),
        f"Anytime validation regret on space {space}",
        "Validation regret on the way: median over runs, in a band from quartile to quartile. Less "
        "is better. On a logarithmic axis, what lies at the lower edge is zero: there the best "
        "architecture of the table was found.",
        csv(f"anytime_{space}", pd.concat(frames)),
    )


def found(scored: Scored, space: str) -> Iterator[Block]:
    """Show what every method found on every task."""
    study, numbers = scored.study, scored.of(space)
    labels = {task: held_out(study.tables[space, task])[0] for task in study.spaces[space]}
    tests = sorted(set(labels.values()) - {""})
    wanted, noisy = most_runs(study), []

    def row(told: Any, first: bool) -> list[str]:
        table = study.tables[space, told.task]
        digits = decimals(table)
        value, std, regret, low, high, area, test = (
            number(getattr(told, name), digits)
            for name in ("value", "std", "regret", "low", "high", "area", "test_regret")
        )
        alike = within_noise(np.array(told.regret), study.noise[space, told.task][0].std)
        noisy.append(bool(alike))
        return [
            f"{told.task}\n{measured(table)}" if first else "",
            shown(told.method),
            f"{told.runs}{'*' * (told.runs < wanted)}",
            f"{value} ± {std}" if told.runs else NONE,
            number(told.gain, 2),
            number(told.rank, 1),
            f"{regret} [{low}, {high}]{f' {ALIKE}' * bool(alike)}" if told.runs else NONE,
            area,
            *(test if told.test == label else NONE for label in tests),
        ]

    head = ("task", "method", "runs", "found", "over average, %", "rank", "validation regret")
    yield Heading("What was found", 3)
    yield Grid(
        (*head, "anytime regret", *tests),
        [row(told, told.method == study.methods[0]) for told in numbers.itertuples()],
        "What was found when the budget was spent: its main validation metric, mean ± standard "
        "deviation over runs; by how many percent it is better than the average architecture; its "
        "mean rank; its mean regret, with a 95 % interval; and the mean regret over the whole "
        "budget.",
        texts=2,
        csv=csv(f"found_{space}", numbers),
    )
    if any(noisy):
        yield Text(
            f"{ALIKE}: within noise of the best architecture. Two trainings of one network may "
            "differ by as much (95 %)."
        )
    if OPTIMISTIC in tests:
        yield Text(
            "Optimistic test regret: of each test metric, this source keeps only the maximum over "
            "the epochs. That epoch was chosen by looking at the test set itself, so these values "
            "are at least as good as those at the epoch that validation would choose, and no test "
            "result in the usual sense."
        )
    if without := [task for task, label in labels.items() if not label]:
        yield Text(
            f"No test regret for {listed(without)}: there this source has validation results "
            "only, so regret is validation regret."
        )
