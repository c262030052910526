"""Papers' numbers, and ours."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nasbench.benchmark import open_benchmark
from nasbench.commands.options import CORES, AsJson, Dask, listed, some
from nasbench.commands.progress import bars
from nasbench.show.plain import print_json
from nasbench.show.scores import print_reproduced


def reproduce(
    name: Annotated[str, typer.Argument(metavar="NAME", help="transnas101 or nasbench201.")],
    out: Annotated[Path | None, typer.Option(help="Of traces and page; ./reproduce_NAME.")] = None,
    tables: Annotated[
        str | None, typer.Option(help="Comma-separated benchmarks or .h5 files to look in; NAME.")
    ] = None,
    only: Annotated[
        str | None, typer.Option(help="Comma-separated tables of papers, as in nb201_tab5; all.")
    ] = None,
    seeds: Annotated[int, typer.Option(help="Runs of each search.")] = 500,
    workers: Annotated[int, typer.Option(help="Processes.")] = CORES,
    dask: Dask = None,
    json: AsJson = False,
) -> None:
    """Run what papers ran on a benchmark, and compare their numbers with ours, cell by cell.

    Two numbers differ if they are more than three standard errors apart. Numbers that nobody has
    read where they were printed are shown, and nothing is judged by them.
    """
    from nasbench.pool import executor
    from nasbench.report.reproduced import write
    from nasbench.reproduce import Reproduction, published
    from nasbench.study import study

    cells = published(name, listed(only))
    benches = [open_benchmark(each) for each in listed(tables) or [name]]
    folder, workers = out or Path(f"reproduce_{name}"), some(workers)
    work = Reproduction(cells, benches, seeds, folder.absolute())
    todo = work.todo
    if not json:
        left = sum(len(unit.seeds) for unit in todo)
        print(f"{name}: {len(cells):,} printed numbers; {left:,} runs to do, kept in {folder}")
    with bars() as progress, executor(workers, len(todo), dask) as pool:
        for _ in progress.track(study(todo, pool), len(todo), description="running"):
            pass
        every = list(progress.track(work.repeat(), len(cells), description="comparing"))
    page = write(folder, name, every, benches)
    if json:
        return print_json({"page": str(page), "cells": [each.as_row() for each in every]})
    print_reproduced(every)
    print(f"\nthe page: {page}")
