"""Searches: one, many, and what came out."""

from __future__ import annotations

from functools import partial
from math import inf
from pathlib import Path
from typing import Annotated

import typer

from nasbench.benchmark import locate, open_benchmark, trainable
from nasbench.commands.options import (
    CORES,
    AsJson,
    Bench,
    Dask,
    Epochs,
    ImagesAt,
    Queries,
    Seconds,
    ShardOf,
    Spaces,
    Tasks,
    budget_of,
    listed,
    methods_of,
    shard_of,
    some,
    whole,
)
from nasbench.commands.progress import bars, load_images
from nasbench.errors import BadValue, NotApplicable
from nasbench.evaluate import FromTable
from nasbench.find import names
from nasbench.loop import Method, run_method
from nasbench.recipe import Trainable
from nasbench.show.plain import print_json
from nasbench.show.runs import print_run, print_study, run_as_json
from nasbench.table import Table

OnLive = Annotated[bool, typer.Option("--live", help="Train, instead of looking up.")]
IMAGES = "--images says where to find what is trained on: it goes with --live"


def run(
    where: Annotated[
        str,
        typer.Argument(
            metavar="BENCH/SPACE/TASK[/RUNNER[/SEED]]",
            help="TASK@SCHEDULE picks a training schedule other than the default.",
        ),
    ],
    runner: Annotated[str | None, typer.Option(help="A name, or a file: ./mine.py")] = None,
    seed: Annotated[int | None, typer.Option(help="Of the search; 0 by default.")] = None,
    queries: Queries = None,
    epochs: Epochs = None,
    seconds: Seconds = None,
    live: OnLive = False,
    images: ImagesAt = None,
    workers: Annotated[int, typer.Option(help="Processes that train a batch.")] = CORES,
    json: AsJson = False,
) -> None:
    """Run one search on a table (50 queries unless told otherwise), and show how it went.

    A runner takes parameters as in regularized_evolution:population=50:tournament=10. With --live
    it trains: what was trained once is kept, and a search that was stopped goes on.
    """
    if images and not live:
        raise BadValue(IMAGES)
    source: Table | Trainable
    source, rest = trainable(where, images) if live else locate(where)
    if len(rest) > 2 or (runner and rest) or (seed is not None and len(rest) > 1):
        raise BadValue(f"{where!r}: expected BENCH/SPACE/TASK/RUNNER/SEED, each said once")
    chosen = runner or (rest[0] if rest else None)
    if chosen is None:
        raise BadValue(
            f"no runner: {where}/RUNNER/SEED, RUNNER one of {', '.join(names('runners'))}"
        )
    number = whole("seed", rest[1]) if len(rest) > 1 else seed or 0
    method, budget = Method.parse(chosen), budget_of(queries, epochs, seconds)
    if isinstance(source, Table):
        traces = run_method(method, FromTable(source), [number], budget)
    else:
        from nasbench.training import FromTraining

        with bars() as progress:
            most = min(budget.queries, budget.epochs / source.epochs)
            bar = progress.add_task("training", total=most if most < inf else None)
            tick = partial(progress.advance, bar)
            with FromTraining(source, workers=some(workers), tick=tick) as evaluate:
                load_images(progress, source)
                traces = run_method(method, evaluate, [number], budget)
    if json:
        return print_json(run_as_json(source, traces))
    print_run(source, traces)


def study(
    bench: Bench,
    out: Annotated[Path, typer.Option(help="The folder of traces; an earlier one is continued.")],
    spaces: Spaces = None,
    tasks: Tasks = None,
    schedule: Annotated[
        str | None, typer.Option(help="The training schedule; each table's default.")
    ] = None,
    runners: Annotated[
        str | None,
        typer.Option(
            help="Comma-separated names or files; all black-box ones that learn from one task."
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(help="Runs with seeds 0 to N - 1.")] = 100,
    queries: Queries = None,
    epochs: Epochs = None,
    seconds: Seconds = None,
    live: OnLive = False,
    images: ImagesAt = None,
    workers: Annotated[int, typer.Option(help="Processes.")] = CORES,
    dask: Dask = None,
    shard: ShardOf = None,
    baselines: Annotated[
        bool, typer.Option("--baselines/--no-baselines", help="Run random search too.")
    ] = True,
) -> None:
    """Run methods on tables with many seeds, 50 queries a run unless told otherwise.

    Random search is run beside them, as what a method has to beat.

    The same command again goes on where it was stopped; more seeds or a larger budget continue it.
    With --live all is trained, each network once, and what was trained is what runs are judged by.
    """
    from nasbench.pool import executor
    from nasbench.report.words import count
    from nasbench.study import Trainings, choose, lacking, not_applicable, units, with_baseline
    from nasbench.study import study as run_study

    if images and not live:
        raise BadValue(IMAGES)
    opened = Trainings(bench, images) if live else open_benchmark(bench)
    chosen = choose(opened, listed(spaces), listed(tasks), schedule)
    methods = methods_of(runners, history=False)
    budget = budget_of(queries, epochs, seconds)
    workers = some(workers)
    skipped = not_applicable(opened, chosen)
    if len(skipped) == len(chosen):
        raise NotApplicable(f"not applicable: {next(iter(skipped.values()))}")
    for key, why in skipped.items():
        print(f"{opened[key].address} is not applicable: {why}")
    chosen = [table for table in chosen if table not in skipped]
    without = lacking(opened, methods, chosen)
    for why in dict.fromkeys(without.values()):
        where = [opened[key].address for (key, _), said in without.items() if said == why]
        print(f"not applicable on {count(len(where), 'table')}, the first {where[0]}: {why}")
    if len(without) == len(chosen) * len(methods):
        raise NotApplicable("not applicable: no method has what it needs on any of these tables")
    if baselines and len(methods) < len(methods := with_baseline(methods)):
        print(f"{methods[0]} is run as well, as a baseline; --no-baselines leaves it out")
    part = shard_of(shard)
    todo = units(opened, out.absolute(), methods, seeds, budget, chosen, part)
    less = f" less {len(without) * seeds:,} that are not applicable" if without else ""
    total = (len(chosen) * len(methods) - len(without)) * seeds
    left = sum(len(unit.seeds) for unit in todo)
    on = f"Dask at {dask}" if dask else f"{min(workers, max(1, len(todo)))} processes"
    print(
        f"{count(len(chosen), 'table')} x {count(len(methods), 'method')} x "
        f"{count(seeds, 'seed')}{less} = {total:,} runs of {budget}; {left:,} to do on {on}"
    )
    with bars() as progress, executor(workers, len(todo), dask) as pool:
        for source in dict.fromkeys(unit.source for unit in todo):
            if isinstance(source, Trainable):
                load_images(progress, source)
        for _ in progress.track(run_study(todo, pool), len(todo), description="running"):
            pass
    if isinstance(opened, Trainings):
        from nasbench.pack import pack_searched
        from nasbench.report.gather import TRAINED

        pack_searched(bench, out / TRAINED, [opened[key] for key in chosen])
    by_path = f" --bench {bench}" if bench.endswith(".h5") else ""
    print(f"traces in {out}; now: nasbench report {out}{by_path}")


def report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="What a study wrote.")],
    bench: Annotated[
        str | None, typer.Option(help="Where the tables are, if not imported.")
    ] = None,
    json: AsJson = False,
) -> None:
    """Score a study: one page, figures and a table in DIR/report, the table here."""
    from nasbench.report import write_report

    page, rows = write_report(folder, None if bench is None else open_benchmark(bench))
    if json:
        return print_json({"page": str(page), "rows": rows.to_dict("records")})
    print_study(rows)
    print(f"\nthe page: {page}")
