"""What was run, on what, and what a reader has to know before looking at the numbers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import nasbench
from nasbench.metrics.statistics import FEWEST
from nasbench.report.gather import Study
from nasbench.report.page import Block, Grid, Points, Text
from nasbench.report.score import axis
from nasbench.report.words import count, listed, shown

if TYPE_CHECKING:
    import pandas as pd

ANSWERS = {"best": "the epoch with the best main validation metric", "final": "the last epoch"}


def provenance(study: Study, numbers: pd.DataFrame) -> Iterator[Block]:
    """Say what was run in a paragraph, where everything is from in a table, then what is amiss."""
    traces = [traces for methods in study.runs.values() for traces in methods.values()]
    trainings = sum(len(each.value) for each in traces if not each.one_shot)
    choices = sum(len(each.value) for each in traces if each.one_shot)
    asked = [count(trainings, "training")] * (trainings > 0 or not choices)
    asked += [f"{count(choices, 'choice')} of one-shot methods"] * (choices > 0)
    tables = [f"{space} ({count(len(tasks), 'task')})" for space, tasks in study.spaces.items()]
    yield Text(
        f"{count(len(study.methods), 'method')} searched {count(len(study.tables), 'table')} of "
        f"{study.bench.name}: {listed(tables)}. In {count(sum(map(len, traces)), 'run')} with a "
        f"budget of {study.budget} each there were {listed(asked)}"
        f"{'' if study.live else ', all looked up'}. A search sees validation results only."
    )
    if study.live:
        yield Text(
            "The tables hold what was trained until now, as far as it is known: a network once, "
            "with one seed, and of a one-shot method's run its last choice. The best of them need "
            "not be the best there is, so every regret is the least that it can be, and ranks are "
            "among those that were trained.",
            warning=True,
        )
    yield Grid(("", ""), list(_facts(study, numbers)), texts=2)
    yield from _incomplete(study, numbers)
    if most_runs(study) < FEWEST:
        yield Text(
            f"With fewer than {FEWEST} runs the intervals are narrower than 95 % ones should be: "
            "run more seeds.",
            warning=True,
        )
    if axis(study.budget).price == "queries" and _shorter(study):
        yield Text(
            "Some trainings were shorter than a full one, so that equal queries are not equal "
            "costs: compare these methods with a budget in epochs or seconds.",
            warning=True,
        )


def _facts(study: Study, numbers: pd.DataFrame) -> Iterator[tuple[str, str]]:
    header, tables = study.bench.header, list(study.tables.values())
    for key in ("benchmark", "title", "citation", "source", "source_sha256", "licence"):
        yield key.replace("_", " "), str(header.get(key) or "not told")
    yield "tables sha256", header["content_sha256"]
    seeds = max(len(table.seed) for table in tables)
    over = f"mean over up to {seeds} recorded trainings" if seeds > 1 else "one recorded training"
    yield "a lookup answers", f"{ANSWERS[header['answers']]}, {over}"
    yield "schedule", "\n".join(sorted({_schedule(study, table.schedule) for table in tables}))
    data_sets = {(table.task.name, table.column().data_set or table.task.name) for table in tables}
    if other := [f"{task} on {data_set}" for task, data_set in data_sets if task != data_set]:
        yield "data sets", "\n".join(sorted(other))
    yield "budget of a run", str(study.budget)
    yield "methods", "\n".join(_methods(study, numbers))
    yield "nasbench version", nasbench.__version__
    for key in ("notes", "left_out"):
        if header.get(key):
            yield key.replace("_", " "), "\n".join(f"• {text}" for text in header[key])


def _schedule(study: Study, schedule: str) -> str:
    lengths = {table.epochs for table in study.tables.values() if table.schedule == schedule}
    return f"{schedule} ({listed(list(map(str, sorted(lengths))))} epochs)"


def _methods(study: Study, numbers: pd.DataFrame) -> Iterator[str]:
    heads = {method: traces.head for runs in study.runs.values() for method, traces in runs.items()}
    for method, runs in numbers.groupby("method")["runs"]:
        params = ", ".join(f"{name} {value}" for name, value in heads[method]["params"].items())
        seeds = f"{runs.min()}" if runs.nunique() == 1 else f"{runs.min()} to {runs.max()}"
        name = method.partition(":")[0]
        told = heads[method].get("networks")
        seen = f"; it scores {told}, unless its parameters say otherwise" if told else ""
        yield f"{name} ({params or 'no parameters'}): {seeds} seeds a table{seen}"


def _incomplete(study: Study, numbers: pd.DataFrame) -> Iterator[Block]:
    wanted = most_runs(study)
    lacking = numbers[numbers["runs"] < wanted]
    if lacking.empty:
        return
    yield Text(
        f"Incomplete: not every method has {count(wanted, 'run')} on every table. Numbers marked * "
        "rest on fewer. Averages over tasks leave out each task on which a method has none.",
        warning=True,
    )
    yield Points(
        [
            f"{shown(row.method)} on {row.space}/{row.task}: {row.runs} of {count(wanted, 'run')}"
            for row in lacking.itertuples()
        ]
    )


def most_runs(study: Study) -> int:
    """Return how many runs a complete method has on a table."""
    return max(len(traces) for methods in study.runs.values() for traces in methods.values())


def _shorter(study: Study) -> bool:
    return any(
        (traces.epochs < study.tables[address].epochs).any()
        for address, methods in study.runs.items()
        for traces in methods.values()
    )
