"""What the page says, in order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from nasbench.report import figures
from nasbench.report.gather import Study
from nasbench.report.page import Block, Grid, Heading, Picture, Points, Text
from nasbench.report.provenance import most_runs, provenance
from nasbench.report.score import (
    OPTIMISTIC,
    RESAMPLES,
    SEED,
    Results,
    agreement,
    averages,
    axis,
    held_out,
)
from nasbench.report.words import NONE, count, decimals, listed, measured, number, shown

if TYPE_CHECKING:
    import pandas as pd


def title(study: Study) -> str:
    """Name the page: the methods if they are few, and the benchmark."""
    few = len(study.methods) < 4
    who = listed(list(map(shown, study.methods))) if few else count(len(study.methods), "method")
    return f"{who[0].upper()}{who[1:]} on {study.bench.name}"


def contents(study: Study, judged: Results, numbers: pd.DataFrame) -> Iterator[Block]:
    """Say what was run and where it is from, then each space, then what the words mean."""
    yield Heading(title(study), 1)
    yield from provenance(study, numbers)
    for space, tasks in study.spaces.items():
        size = len(study.tables[space, tasks[0]])
        yield Heading(f"Space {space}: {size:,} architectures, {count(len(tasks), 'task')}")
        yield _anytime(study, judged, space)
        yield from _found(study, numbers[numbers["space"] == space], space)
        yield from _averages(study, numbers[numbers["space"] == space])
        yield _agreement(study, space)
    yield Heading("What the words mean")
    yield Points(list(_definitions(study)))


def _anytime(study: Study, judged: Results, space: str) -> Block:
    panels = []
    for task in study.spaces[space]:
        found = {method: r for method, r in judged[space, task].items() if len(r.found)}
        label = measured(study.tables[space, task], " regret")
        curves = {shown(method): result.curve for method, result in found.items()}
        panels += [figures.Panel(task, label, curves)] if curves else []
    if not panels:
        return Text("No run finished a training within its budget.", warning=True)
    return Picture(
        f"anytime_{space}.png",
        figures.anytime(panels, list(map(shown, study.methods)), *axis(study.budget)),
        f"Anytime validation regret on space {space}",
        "Validation regret on the way: median over runs, in a band from quartile to quartile. Less "
        "is better. On a logarithmic axis, what lies at the lower edge is zero: there the best "
        "architecture of the table was found.",
    )


def _found(study: Study, numbers: pd.DataFrame, space: str) -> Iterator[Block]:
    labels = {task: held_out(study.tables[space, task])[0] for task in study.spaces[space]}
    tests = sorted(set(labels.values()) - {""})
    wanted = most_runs(study)

    def row(told: Any, first: bool) -> list[str]:
        table = study.tables[space, told.task]
        digits = decimals(table)
        value, std, regret, low, high, area, test = (
            number(getattr(told, name), digits)
            for name in ("value", "std", "regret", "low", "high", "area", "test_regret")
        )
        return [
            f"{told.task}\n{measured(table)}" if first else "",
            shown(told.method),
            f"{told.runs}{'*' * (told.runs < wanted)}",
            f"{value} ± {std}" if told.runs else NONE,
            number(told.rank, 1),
            f"{regret} [{low}, {high}]" if told.runs else NONE,
            area,
            *(test if told.test == label else NONE for label in tests),
        ]

    yield Grid(
        ("task", "method", "runs", "found", "rank", "validation regret", "anytime regret", *tests),
        [row(told, told.method == study.methods[0]) for told in numbers.itertuples()],
        "What was found when the budget was spent: its main validation metric, mean ± standard "
        "deviation over runs; its mean rank; its mean regret, with a 95 % interval; and the mean "
        "regret over the whole budget.",
        texts=2,
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


def _averages(study: Study, numbers: pd.DataFrame) -> Iterator[Block]:
    if numbers["task"].nunique() < 2:
        return
    means = averages(numbers)
    if means.empty:
        yield Text("No averages over tasks: there is no task on which every method has runs.")
        return
    fewer = set(numbers[numbers["runs"] < most_runs(study)]["method"])
    yield Grid(
        ("method", "rank in the space", "normalised regret", "rank among methods"),
        [
            [
                shown(mean.method) + "*" * (mean.method in fewer),
                number(mean.rank, 1),
                number(mean.normalised, 4),
                number(mean.place, 2),
            ]
            for mean in means.itertuples()
        ],
        f"Averages over {count(int(means['tasks'].max()), 'task')}: the mean rank of what was "
        "found, its regret as a share of the median architecture's, and the mean rank among the "
        f"{count(len(study.methods), 'method')} (1 = least validation regret).",
    )


def _agreement(study: Study, space: str) -> Block:
    tasks, matrix = agreement(study, space)
    if len(tasks) < 2:
        return Text(f"{study.bench.name} has one task on {space}: there is no agreement to show.")
    return Picture(
        f"kendall_{space}.png",
        figures.heatmap(tasks, matrix),
        f"Agreement of the tasks on space {space}",
        "How far two tasks agree about which architectures are good: Kendall's tau-b of their "
        f"validation scores over the whole space {space}. 1 is the same order, 0 unrelated ones, "
        "\N{MINUS SIGN}1 the reverse.",
    )


def _definitions(study: Study) -> Iterator[str]:
    price = axis(study.budget).price
    yield (
        "Found: of the architectures that a run trained for the most epochs, the one with the best "
        "validation value, the earliest if several are equal."
    )
    yield (
        "Validation regret: the best validation value in the table minus that of what was found, "
        "turned so that less is better, in the metric's unit. It is 0 for the best architecture."
    )
    yield (
        f"95 % interval: percentile bootstrap of the mean over runs, {RESAMPLES:,} resamples, "
        f"numpy's default generator with seed {SEED} for each."
    )
    yield (
        f"Anytime regret: the mean of the validation regret over the budget in {price}, from the "
        "point on where every run on the table has finished a training."
    )
    yield (
        "Rank: 1 is the best architecture of the space by validation; equal ones share the mean of "
        "their ranks."
    )
    yield (
        "Normalised regret: 0 is the best architecture, 1 the median one. It has no unit, so that "
        "tasks can be averaged."
    )
