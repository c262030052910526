"""Searches that learn from other tasks."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import Annotated

import typer

from nasbench.benchmark import open_benchmark
from nasbench.budget import Budget
from nasbench.commands.options import (
    CORES,
    AsJson,
    Bench,
    Dask,
    Epochs,
    Queries,
    Seconds,
    Spaces,
    Tasks,
    budget_of,
    listed,
    methods_of,
    some,
)
from nasbench.commands.progress import bars
from nasbench.loop import Method
from nasbench.show.plain import print_json
from nasbench.show.runs import print_transfers


def transfer(
    bench: Bench,
    out: Annotated[Path, typer.Option(help="The folder of traces; an earlier one is continued.")],
    sources: Annotated[
        str,
        typer.Option(
            help="Comma-separated: all (each other task by itself), others (all of them together), "
            "a task, or several joined by +."
        ),
    ] = "all",
    spaces: Spaces = None,
    tasks: Tasks = None,
    schedule: Annotated[
        str | None, typer.Option(help="The training schedule; each table's default.")
    ] = None,
    runners: Annotated[
        str | None, typer.Option(help="Comma-separated names or files; all that transfer.")
    ] = None,
    seeds: Annotated[int, typer.Option(help="Runs with seeds 0 to N - 1.")] = 50,
    queries: Queries = None,
    epochs: Epochs = None,
    seconds: Seconds = None,
    source_queries: Annotated[
        int | None, typer.Option(help="Most trainings on a source; four times the target's.")
    ] = None,
    source_epochs: Annotated[int | None, typer.Option(help="Most epochs on a source.")] = None,
    source_seconds: Annotated[
        float | None, typer.Option(help="Most seconds of training on a source.")
    ] = None,
    source_runner: Annotated[
        str | None, typer.Option(help="What searches the sources; each method's own.")
    ] = None,
    workers: Annotated[int, typer.Option(help="Processes.")] = CORES,
    dask: Dask = None,
    json: AsJson = False,
) -> None:
    """Run methods that learn from other tasks, and the same from scratch, and compare them.

    The targets are --tasks, or all that --sources doesn't name. From scratch a method has the same
    budget on the target (50 queries unless told otherwise), and once more what it and its sources
    have together. The same command again goes on where it was stopped.
    """
    from nasbench.pool import executor
    from nasbench.report.words import count
    from nasbench.study import choose, not_applicable, study
    from nasbench.transfer import gains, plan, read, transfer_results

    opened = open_benchmark(bench)
    chosen = methods_of(runners, history=True)
    budget = budget_of(queries, epochs, seconds)
    if source_queries is source_epochs is source_seconds is None:
        source_budget = Budget(**{name: 4 * most for name, most in budget.limits.items()})
    else:
        source_budget = budget_of(source_queries, source_epochs, source_seconds)
    workers = some(workers)
    named = listed(spaces), listed(tasks), schedule
    planned = plan(
        opened,
        out.absolute(),
        chosen,
        listed(sources),
        seeds,
        budget,
        source_budget,
        Method.parse(source_runner) if source_runner else None,
        *named,
    )
    todo = planned.left(opened)
    if not json:
        for key, why in not_applicable(opened, choose(opened, *named)).items():
            print(f"{opened[key].address} is not applicable: {why}")
        runs, others, undone = (
            sum(len(unit.seeds) for unit in units)
            for units in (planned.transfers, planned.first, (*todo.first, *todo.transfers))
        )
        targets = count(len({(unit.space, unit.task) for unit in planned.transfers}), "target")
        print(
            f"{count(len(chosen), 'method')}, {targets}, {count(seeds, 'seed')}: "
            f"{runs:,} transfers of {budget} after {source_budget} on each source, and {others:,} "
            f"runs on sources and from scratch; {undone:,} to do",
            flush=True,
        )
    most = max(len(todo.first), len(todo.transfers))
    with bars() as progress, executor(workers, most, dask) as pool:
        work = chain.from_iterable(study(units, pool) for units in (todo.first, todo.transfers))
        total = len(todo.first) + len(todo.transfers)
        for _ in progress.track(work, total, description="running"):
            pass
    found = transfer_results(read(out), opened)
    if json:
        together = [each._asdict() for each in gains(found)]
        return print_json({"transfers": [each._asdict() for each in found], "gains": together})
    print_transfers(found)
