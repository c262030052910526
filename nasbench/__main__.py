"""The command line: look results up, run searches on them, report what came out.

Every failure that is foreseen is one line on stderr and exit code 2. `--json` prints one JSON
value, described in `docs/guide.md`; what is not a finite number is null there.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from dataclasses import asdict
from functools import partial
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast, get_args

import numpy as np
import typer
from typer.exceptions import TyperException

from nasbench.benchmark import (
    import_benchmark,
    locate,
    open_benchmark,
    open_table,
    tables,
    trainable,
)
from nasbench.budget import Budget
from nasbench.errors import BadFile, BadValue, NasbenchError, NotApplicable
from nasbench.evaluate import FromTable
from nasbench.find import Kind, find, names
from nasbench.images import Split, Wanted
from nasbench.loop import Method, run_method
from nasbench.recipe import Trainable
from nasbench.show import (
    described,
    epoch_chosen_by,
    print_check,
    print_counted,
    print_imported,
    print_info,
    print_json,
    print_list,
    print_pilot,
    print_records,
    print_run,
    print_study,
    print_trained,
    run_as_json,
    when,
)
from nasbench.space import Architecture
from nasbench.store import Benchmark
from nasbench.table import Table

if TYPE_CHECKING:
    from rich.progress import Progress

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Say, honestly and fast, how good an architecture-search method is across tasks.",
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Bench = Annotated[str, typer.Argument(metavar="BENCH", help="A benchmark's name, or an .h5 file.")]
TableAt = Annotated[
    str,
    typer.Argument(
        metavar="BENCH/SPACE/TASK",
        help="A table; SPACE may be left out where there is one. TASK@SCHEDULE picks a training "
        "schedule other than the default; nasbench info lists them.",
    ),
]
ImagesAt = Annotated[
    Path | None, typer.Option(help="Where the images are, if they are yours to bring.")
]
EXAMPLES = 12
"""Images whose predictions are drawn."""
CORES = os.cpu_count() or 1
_WHOLE = re.compile("[0-9]{1,18}")

Queries = Annotated[int | None, typer.Option(help="Most trainings of a run.")]
Epochs = Annotated[int | None, typer.Option(help="Most epochs of a run.")]
Seconds = Annotated[float | None, typer.Option(help="Most seconds of training, as recorded.")]


@app.command("import")
def import_(
    bench: Annotated[str, typer.Argument(metavar="BENCH", help="See `nasbench list`.")],
    path: Annotated[Path | None, typer.Argument(help="The published file or folder.")] = None,
    as_name: Annotated[
        str | None, typer.Option("--as", help="Keep it under this name; the benchmark's.")
    ] = None,
) -> None:
    """Read a published benchmark into the user's data folder (NASBENCH_HOME overrides it)."""
    with _progress() as progress:
        imported = import_benchmark(
            bench,
            path,
            as_name,
            _bar(progress, "importing"),
            lambda text: progress.console.print(text, markup=False, soft_wrap=True),
        )
    print_imported(imported)


@app.command("list")
def list_(json: AsJson = False) -> None:
    """List benchmarks, spaces, tasks, sources of images and runners."""
    there, known = tables(), names("benchmarks")
    benchmarks: list[dict[str, Any]] = []
    for name in sorted({*there, *known}):
        path = there.get(name)
        title = Benchmark(path).header["title"] if path else find("benchmarks", name).title
        benchmarks.append({"name": name, "title": title, "path": path and str(path)})
    kinds: tuple[Kind, ...] = ("spaces", "tasks", "images", "runners")
    rest = {str(kind): names(kind) for kind in kinds}
    if json:
        return print_json({"benchmarks": benchmarks, **rest})
    print_list(benchmarks, rest)


@app.command()
def images(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="See `nasbench list`.")],
    out: Annotated[Path, typer.Option(help="The file; .png or .svg.")],
    split: Annotated[str, typer.Option(help="train, valid or test.")] = "train",
    size: Annotated[int, typer.Option(help="How many pixels high and wide.")] = 32,
    count: Annotated[int, typer.Option(help="How many images.")] = 24,
    path: Annotated[Path | None, typer.Option(help="The folder of a source that has one.")] = None,
) -> None:
    """Draw the first images of a source, with everything that is told about each."""
    from nasbench.pictures import MOST, check, sheet

    found = find("images", source)
    check(out)
    if split not in ("train", "valid", "test"):
        raise BadValue(f"no split {split!r}; there are: train, valid, test")
    if not 1 <= count <= MOST:
        raise BadValue(f"{count} images: a sheet shows 1 to {MOST}")
    with _progress() as progress:
        bar = progress.add_task("loading", total=None)

        def tick(done: int, total: int) -> None:
            progress.update(bar, completed=done, total=total)

        loaded = found.load(Wanted(cast(Split, split), size, count, path, tick), list(found.labels))
        arrays = {name: array[np.arange(len(array))] for name, array in loaded.items()}
    sheet(arrays, list(found.labels.values()), out)
    print(f"written to {out}: {len(arrays['rgb'])} images of {source}, {split}")


@app.command()
def info(bench: Bench, json: AsJson = False) -> None:
    """Say what a benchmark holds, where it comes from, and what was left out."""
    opened = open_benchmark(bench)
    spaces = {
        space: {task: described(opened, space, task) for task in tasks}
        for space, tasks in opened.spaces.items()
    }
    if json:
        return print_json({**opened.header, "path": str(opened.path), "spaces": spaces})
    print_info(opened, spaces)


@app.command()
def check(bench: Bench, json: AsJson = False) -> None:
    """Verify a benchmark's file and numbers, and say how much of them is seed noise.

    The exit code is 2 if anything is wrong.
    """
    from nasbench.check import check as check_benchmark

    checked = check_benchmark(bench)
    if json:
        print_json({**asdict(checked), "path": str(checked.path)})
    else:
        print_check(checked)
    if checked.problems:
        raise BadFile(f"{checked.path} has {len(checked.problems)} problems, told above")


@app.command()
def convert(
    bench: Bench,
    to: Annotated[str, typer.Option(help="csv, parquet or npz.")],
    out: Annotated[Path, typer.Option(help="The file; a CSV that ends in .gz is zipped.")],
) -> None:
    """Write a whole benchmark for other programs; `nasbench import csv` reads the CSV back."""
    from nasbench.convert import convert as convert_benchmark

    convert_benchmark(open_benchmark(bench), to, out)
    print(f"written to {out}, {out.stat().st_size / 1e6:,.1f} MB")


@app.command()
def count(
    bench: Bench,
    size: Annotated[int, typer.Option(help="Pixels a side, where a task doesn't tell.")] = 256,
) -> None:
    """Count parameters and multiply-adds of every architecture, and keep them in the file."""
    from nasbench.count import count as count_benchmark

    with _progress() as progress:
        bar = progress.add_task("counting", total=None)
        counted = count_benchmark(
            bench, size, lambda done, total: progress.update(bar, completed=done, total=total)
        )
    print_counted(counted)


@app.command()
def best(
    where: TableAt,
    k: Annotated[int, typer.Option("-k", help="How many.")] = 5,
    metric: Annotated[str | None, typer.Option(help="Rank by this one; the main one.")] = None,
    split: Annotated[str, typer.Option(help="train, valid or test.")] = "valid",
    at: Annotated[str | None, typer.Option(help="best, final or an epoch.")] = None,
    json: AsJson = False,
) -> None:
    """Show the best architectures of a table."""
    table, point = open_table(where), _point(at)
    records = table.best(k, split, metric, point)
    ranked = table.metric(metric)
    by: dict[str, Any] = {"split": split, "metric": ranked.name, "goal": ranked.goal}
    by |= {"at": table.answers if point is None else point}
    if json:
        chosen = epoch_chosen_by(table, records[0]) if records else {}
        found = [asdict(record) for record in records]
        told = {"address": table.address, "schedule": table.schedule, "ranked_by": by}
        told |= {"epoch_chosen_by": chosen}
        return print_json({**told, "architectures": found})
    print(f"{table.address}@{table.schedule}: {by['goal']} {split} {ranked.name}, {when(by['at'])}")
    print_records(table, records)


@app.command()
def query(
    where: TableAt,
    arch: Annotated[str, typer.Argument(help="As published, as 1,0,2,3,3,3, or its row number.")],
    at: Annotated[str | None, typer.Option(help="best, final or an epoch.")] = None,
    json: AsJson = False,
) -> None:
    """Show everything recorded about one architecture."""
    table = open_table(where)
    key: Any = arch
    if arch not in table.rows.by_key and (genes := _genes(arch)):
        key = genes if len(genes) > 1 else genes[0]
    record = table.query(key, _point(at))
    if json:
        chosen = epoch_chosen_by(table, record)
        told = {"address": table.address, "schedule": table.schedule, **asdict(record)}
        return print_json({**told, "epoch_chosen_by": chosen})
    print(f"{table.address}@{table.schedule}, {when(record.at)}")
    print_records(table, [record])


@app.command()
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
    live: Annotated[bool, typer.Option("--live", help="Train, instead of looking up.")] = False,
    images: ImagesAt = None,
    workers: Annotated[int, typer.Option(help="Processes that train a batch.")] = CORES,
    json: AsJson = False,
) -> None:
    """Run one search on a table (50 queries unless told otherwise), and show how it went.

    A runner takes parameters as in regularized_evolution:population=50:tournament=10. With --live
    it trains: what was trained once is kept, and a search that was stopped goes on.
    """
    if images and not live:
        raise BadValue("--images says where to find what is trained on: it goes with --live")
    source: Table | Trainable
    source, rest = trainable(where, images) if live else locate(where)
    if len(rest) > 2 or (runner and rest) or (seed is not None and len(rest) > 1):
        raise BadValue(f"{where!r}: expected BENCH/SPACE/TASK/RUNNER/SEED, each said once")
    chosen = runner or (rest[0] if rest else None)
    if chosen is None:
        raise BadValue(
            f"no runner: {where}/RUNNER/SEED, RUNNER one of {', '.join(names('runners'))}"
        )
    number = _whole("seed", rest[1]) if len(rest) > 1 else seed or 0
    method, budget = Method.parse(chosen), _budget(queries, epochs, seconds)
    if isinstance(source, Table):
        traces = run_method(method, FromTable(source), [number], budget)
    else:
        from nasbench.training import FromTraining

        with _progress() as progress:
            most = min(budget.queries, budget.epochs / source.epochs)
            bar = progress.add_task("training", total=most if most < inf else None)
            tick = partial(progress.advance, bar)
            with FromTraining(source, workers=_some(workers), tick=tick) as evaluate:
                _load(progress, source)
                traces = run_method(method, evaluate, [number], budget)
    if json:
        return print_json(run_as_json(source, traces))
    print_run(source, traces)


@app.command()
def train(
    where: Annotated[str, typer.Argument(metavar="BENCH/SPACE/TASK")],
    arch: Annotated[str, typer.Argument(help="As published, or as 1,0,2,3,3,3.")],
    seed: Annotated[int, typer.Option(help="Of the training.")] = 0,
    images: ImagesAt = None,
    device: Annotated[str, typer.Option(help="cpu, or cuda.")] = "cpu",
    out: Annotated[
        Path | None, typer.Option(help="Draw predictions here; a .png named after what is trained.")
    ] = None,
    json: AsJson = False,
) -> None:
    """Train one architecture, and show its results and what it predicts."""
    source, rest = trainable(where, images)
    if rest:
        raise BadValue(f"{where!r}: expected BENCH/SPACE/TASK and nothing more")
    genes = _genes(arch)
    genes = source.space.read(arch) if genes is None else source.space.check(genes)
    name = source.space.spell(genes)
    picture = out or Path(
        f"{source.address.replace('/', '_')}_{re.sub('[^0-9A-Za-z-]+', '_', name)}.png"
    )
    from nasbench.pictures import check, predictions
    from nasbench.training import require_torch

    require_torch(device)
    check(picture)
    from nasbench.journal import Journal
    from nasbench.live import train as train_network

    journal = Journal(source.address.partition("/")[0])
    with _progress() as progress:
        _load(progress, source)
        tick = _bar(progress, f"training {name}")
        trained, training = train_network(source, genes, seed, device=device, tick=tick)
    if device == "cpu":  # as searches train: elsewhere the same seed comes to other numbers
        journal.add(source, genes, seed, trained)
    if json:
        told = {"address": source.address, "name": name, "arch": genes, "seed": seed}
        print_json({**told, **asdict(trained), "picture": str(picture)})
    else:
        print_trained(source, name, seed, trained)
    predictions(*training.predict(EXAMPLES), source.label, picture)
    if not json:
        print(f"predictions: {picture}")


@app.command()
def study(
    bench: Bench,
    out: Annotated[Path, typer.Option(help="The folder of traces; an earlier one is continued.")],
    spaces: Annotated[str | None, typer.Option(help="Comma-separated; all.")] = None,
    tasks: Annotated[str | None, typer.Option(help="Comma-separated; all.")] = None,
    schedule: Annotated[
        str | None, typer.Option(help="The training schedule; each table's default.")
    ] = None,
    runners: Annotated[
        str | None, typer.Option(help="Comma-separated names or files; all.")
    ] = None,
    seeds: Annotated[int, typer.Option(help="Runs with seeds 0 to N - 1.")] = 100,
    queries: Queries = None,
    epochs: Epochs = None,
    seconds: Seconds = None,
    workers: Annotated[int, typer.Option(help="Processes.")] = CORES,
) -> None:
    """Run methods on tables with many seeds, 50 queries a run unless told otherwise.

    The same command again goes on where it was stopped; more seeds or a larger budget continue it.
    """
    from nasbench.pool import Processes
    from nasbench.report.words import count
    from nasbench.study import choose, not_applicable, units
    from nasbench.study import study as run_study

    opened = open_benchmark(bench)
    chosen = choose(opened, _listed(spaces), _listed(tasks), schedule)
    methods = [Method.parse(text) for text in _listed(runners) or names("runners")]
    budget = _budget(queries, epochs, seconds)
    workers = _some(workers)
    skipped = not_applicable(opened, chosen)
    if len(skipped) == len(chosen):
        raise NotApplicable(f"not applicable: {next(iter(skipped.values()))}")
    for key, why in skipped.items():
        print(f"{opened[key].address} is not applicable: {why}")
    chosen = [table for table in chosen if table not in skipped]
    todo = units(opened, out, methods, seeds, budget, chosen)
    total = len(chosen) * len(methods) * seeds
    left = sum(len(unit.seeds) for unit in todo)
    print(
        f"{count(len(chosen), 'table')} x {count(len(methods), 'method')} x "
        f"{count(seeds, 'seed')} = {total:,} runs of "
        f"{budget}; {left:,} to do on {min(workers, max(1, len(todo)))} processes"
    )
    pool = Processes(min(workers, len(todo))) if workers > 1 and len(todo) > 1 else None
    with _progress() as progress, pool or nullcontext():
        for _ in progress.track(run_study(todo, pool), len(todo), description="running"):
            pass
    by_path = f" --bench {bench}" if bench.endswith(".h5") else ""
    print(f"traces in {out}; now: nasbench report {out}{by_path}")


@app.command()
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


@app.command()
def pilot(
    bench: Annotated[
        str, typer.Argument(metavar="BENCH", help="What was trained: a name, or an .h5 file.")
    ] = "rooms_pilot",
    real: Annotated[str, typer.Option(help="The benchmark to agree with.")] = "transnas101",
    trivial: Annotated[
        bool, typer.Option("--trivial", help="Fit predictors without a network to the images, too.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="Draw figures into this folder.")] = None,
    json: AsJson = False,
) -> None:
    """Say what the pilot of rooms came to: noise, agreement with the real benchmark, cost."""
    from nasbench.pilot import as_json, open_real, trivial_values
    from nasbench.pilot import pilot as judge

    opened, (against, why) = open_benchmark(bench), open_real(real)
    if why:
        print(f"{why}; what compares with it is left out", file=sys.stderr)
    with _progress() as progress:
        values = trivial_values(_bar(progress, "fitting")) if trivial else None
        judged = judge(opened, against, values)
    if out:
        from nasbench.report.pilot import figures
        from nasbench.store import atomic

        for name, png in figures(judged):
            with atomic(out / name) as file:
                file.write(png)
    if json:
        return print_json(as_json(judged))
    print_pilot(judged)
    if out:
        print(f"figures: {out}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        if app(given or ["--help"], standalone_mode=False, prog_name="nasbench") == 130:
            raise KeyboardInterrupt  # which typer turned into this code
        sys.stdout.flush()
    except SystemExit:  # what typer makes of a closed pipe: nobody reads on, and that is no error
        _hush()
    except TyperException as error:
        return _fail(error.format_message() or "see nasbench --help")
    except NasbenchError as error:
        return _fail(str(error))
    except OSError as error:
        _hush()
        if isinstance(error, BrokenPipeError):
            return 0
        return _fail(f"{error.filename or ''}: {error.strerror or error}".removeprefix(": "))
    except (KeyboardInterrupt, typer.Abort):
        _flush()
        print("nasbench: stopped; what was finished is kept", file=sys.stderr)
        return 130
    return 0


def _hush() -> None:
    """Let what is still to be printed go nowhere: the interpreter would fail on it again."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _flush() -> None:
    """Let what was said stand before the line that ends it, in a log of both."""
    with suppress(OSError, ValueError):
        sys.stdout.flush()


def _fail(message: str) -> int:
    line = " ".join(message.split())
    plain = (c if c.isprintable() else ascii(c)[1:-1] for c in line)
    _flush()
    print(f"nasbench: {''.join(plain)}", file=sys.stderr)
    return 2


def _progress() -> Progress:
    """Make a bar on stderr, for people; programs that read stderr see none."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    return Progress(console=console, transient=True, disable=not console.is_terminal)


def _bar(progress: Progress, what: str) -> Callable[[int, int | None], None]:
    bar = progress.add_task(what, total=None)
    return lambda done, total: progress.update(bar, completed=done, total=total)


def _load(progress: Progress, source: Trainable) -> None:
    """Load the images here, with a bar, so that workers find what is rendered."""
    from nasbench.live import load

    for split in get_args(Split):
        load(source, split, _bar(progress, f"loading {split}"))


def _some(workers: int) -> int:
    if workers < 1:
        raise BadValue(f"{workers} workers: it must be at least 1")
    return workers


def _genes(arch: str) -> Architecture | None:
    """Read the numbers of an architecture, or of a row, that is not spelt as published."""
    if re.fullmatch(r"\(?[0-9]{1,9}(, ?[0-9]{1,9})*\)?", arch):
        return tuple(map(int, arch.strip("()").split(",")))
    return None


def _listed(text: str | None) -> list[str]:
    return [part for part in (text or "").split(",") if part]


def _whole(what: str, text: str) -> int:
    if _WHOLE.fullmatch(text):
        return int(text)
    raise BadValue(f"{what} {text!r}: expected a whole number from 0")


def _point(at: str | None) -> str | int | None:
    return int(at) if at is not None and _WHOLE.fullmatch(at) else at


def _budget(queries: int | None, epochs: int | None, seconds: float | None) -> Budget:
    if queries is epochs is seconds is None:
        return Budget(queries=50)
    given = (inf if limit is None else limit for limit in (queries, epochs, seconds))
    return Budget(*given)


if __name__ == "__main__":
    sys.exit(main())
