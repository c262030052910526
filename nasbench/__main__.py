"""The command line: look results up, run searches on them, report what came out.

Every failure that is foreseen is one line on stderr and exit code 2. `--json` prints one JSON
value, described in `docs/guide.md`; what is not a finite number is null there.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import asdict
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.exceptions import TyperException

from nasbench.benchmark import import_benchmark, locate, open_benchmark, open_table, tables
from nasbench.budget import Budget
from nasbench.errors import BadValue, NasbenchError
from nasbench.find import find, names, unknown
from nasbench.loop import Method, run_method
from nasbench.show import (
    described,
    epoch_chosen_by,
    print_json,
    print_notes,
    print_records,
    print_run,
    print_study,
    print_table,
    run_as_json,
    when,
)
from nasbench.store import Benchmark

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
        metavar="BENCH/SPACE/TASK", help="A table; SPACE may be left out where there is one."
    ),
]
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
        bar = progress.add_task("importing", total=None)
        imported = import_benchmark(
            bench,
            path,
            as_name,
            lambda done, total: progress.update(bar, completed=done, total=total),
        )
    for space, tasks in imported.spaces.items():
        rows = len(imported[space, tasks[0]])
        print(f"{space}: {rows:,} architectures, {len(tasks)} tasks: {', '.join(tasks)}")
    print_notes(imported)
    print(f"written to {imported.path}")


@app.command("list")
def list_(json: AsJson = False) -> None:
    """List benchmarks, spaces, tasks and runners."""
    there, known = tables(), names("benchmarks")
    benchmarks: list[dict[str, Any]] = []
    for name in sorted({*there, *known}):
        path = there.get(name)
        title = Benchmark(path).header["title"] if path else find("benchmarks", name).title
        benchmarks.append({"name": name, "title": title, "path": path and str(path)})
    rest = {"spaces": names("spaces"), "tasks": names("tasks"), "runners": names("runners")}
    if json:
        return print_json({"benchmarks": benchmarks, **rest})
    print_table(
        ("benchmark", "", "imported"),
        [(row["name"], row["title"], "yes" if row["path"] else "no") for row in benchmarks],
    )
    for kind, found in rest.items():
        print(f"\n{kind}: {', '.join(found)}")


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
    for key in ("title", "citation", "source", "source_sha256", "licence", "content_sha256"):
        print(f"{key + ':':16}{opened.header[key]}")
    print(f"{'a lookup gives:':16}{opened.header['answers']} epoch, mean over recorded seeds")
    print(f"{'file:':16}{opened.path}\n")
    print_table(
        ("space", "architectures", "task", "metric", "epochs", "trainings", "recorded"),
        [
            (
                f"{space} = {told['space']}",
                told["architectures"],
                task,
                f"{told['metric']} ({told['goal']})",
                told["epochs"],
                len(told["seeds"]),
                " ".join(told["recorded"]),
            )
            for space, tasks in spaces.items()
            for task, told in tasks.items()
        ],
    )
    print()
    print_notes(opened)


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
        told = {"address": table.address, "ranked_by": by, "epoch_chosen_by": chosen}
        return print_json({**told, "architectures": found})
    print(f"{table.address}: {by['goal']} {split} {ranked.name}, {when(by['at'])}")
    print_records(table, records)


@app.command()
def query(
    where: TableAt,
    arch: Annotated[str, typer.Argument(help="As published, or its row number.")],
    at: Annotated[str | None, typer.Option(help="best, final or an epoch.")] = None,
    json: AsJson = False,
) -> None:
    """Show everything recorded about one architecture."""
    table = open_table(where)
    is_row = arch.isdecimal() and arch not in table.rows.by_key
    record = table.query(int(arch) if is_row else arch, _point(at))
    if json:
        chosen = epoch_chosen_by(table, record)
        return print_json({"address": table.address, **asdict(record), "epoch_chosen_by": chosen})
    print(f"{table.address}, {when(record.at)}")
    print_records(table, [record])


@app.command()
def run(
    where: Annotated[str, typer.Argument(metavar="BENCH/SPACE/TASK[/RUNNER[/SEED]]")],
    runner: Annotated[str | None, typer.Option(help="A name, or a file: ./mine.py")] = None,
    seed: Annotated[int | None, typer.Option(help="Of the search; 0 by default.")] = None,
    queries: Queries = None,
    epochs: Epochs = None,
    seconds: Seconds = None,
    json: AsJson = False,
) -> None:
    """Run one search on a table (50 queries unless told otherwise), and show how it went.

    A runner takes parameters as in regularized_evolution:population=50:tournament=10
    """
    bench, space, task, rest = locate(where)
    if len(rest) > 2 or (runner and rest) or (seed is not None and len(rest) > 1):
        raise BadValue(f"{where!r}: expected BENCH/SPACE/TASK/RUNNER/SEED, each said once")
    chosen = runner or (rest[0] if rest else None)
    if chosen is None:
        raise BadValue(
            f"no runner: {where}/RUNNER/SEED, RUNNER one of {', '.join(names('runners'))}"
        )
    number = _whole("seed", rest[1]) if len(rest) > 1 else seed or 0
    table, budget = bench[space, task], _budget(queries, epochs, seconds)
    traces = run_method(Method.parse(chosen), table, [number], budget)
    if json:
        return print_json(run_as_json(table, traces))
    print_run(table, traces)


@app.command()
def study(
    bench: Bench,
    out: Annotated[Path, typer.Option(help="The folder of traces; an earlier one is continued.")],
    spaces: Annotated[str | None, typer.Option(help="Comma-separated; all.")] = None,
    tasks: Annotated[str | None, typer.Option(help="Comma-separated; all.")] = None,
    runners: Annotated[
        str | None, typer.Option(help="Comma-separated names or files; all.")
    ] = None,
    seeds: Annotated[int, typer.Option(help="Runs with seeds 0 to N - 1.")] = 100,
    queries: Queries = None,
    epochs: Epochs = None,
    seconds: Seconds = None,
    workers: Annotated[int, typer.Option(help="Processes.")] = os.cpu_count() or 1,
) -> None:
    """Run methods on tables with many seeds, 50 queries a run unless told otherwise.

    The same command again goes on where it was stopped; more seeds or a larger budget continue it.
    """
    from nasbench.study import study as run_study
    from nasbench.study import units

    opened = open_benchmark(bench)
    chosen = _chosen(opened, _listed(spaces), _listed(tasks))
    methods = [Method.parse(text) for text in _listed(runners) or names("runners")]
    budget = _budget(queries, epochs, seconds)
    if workers < 1:
        raise BadValue(f"{workers} workers: it must be at least 1")
    todo = units(opened, out, methods, seeds, budget, chosen)
    total = len(chosen) * len(methods) * seeds
    left = sum(len(unit.seeds) for unit in todo)
    print(
        f"{len(chosen)} tables x {len(methods)} methods x {seeds} seeds = {total:,} runs of "
        f"{budget}; {left:,} to do on {workers} processes"
    )
    pool = None
    if workers > 1 and len(todo) > 1:  # Ctrl-C is the parent's business: it lets units finish
        pool = ProcessPoolExecutor(
            workers, initializer=signal.signal, initargs=(signal.SIGINT, signal.SIG_IGN)
        )
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
    from nasbench.report import report as write_report
    from nasbench.report import summary

    opened = None if bench is None else open_benchmark(bench)
    page, rows = write_report(folder, opened), summary(folder, opened)
    if json:
        return print_json({"page": str(page), "rows": rows.to_dict("records")})
    print_study(rows)
    print(f"\nthe page: {page}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        app(given or ["--help"], standalone_mode=False, prog_name="nasbench")
    except TyperException as error:
        return _fail(error.format_message() or "see nasbench --help")
    except NasbenchError as error:
        return _fail(str(error))
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        return _fail(f"{error.filename or ''}: {error.strerror or error}".removeprefix(": "))
    except (KeyboardInterrupt, typer.Abort):
        print("nasbench: stopped; what was finished is kept", file=sys.stderr)
        return 130
    return 0


def _fail(message: str) -> int:
    print(f"nasbench: {' '.join(message.split())}", file=sys.stderr)
    return 2


def _progress() -> Progress:
    """Make a bar on stderr, for people; programs that read stderr see none."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    return Progress(console=console, transient=True, disable=not console.is_terminal)


def _listed(text: str | None) -> list[str]:
    return [part for part in (text or "").split(",") if part]


def _whole(what: str, text: str) -> int:
    if text.isdecimal():
        return int(text)
    raise BadValue(f"{what} {text!r}: expected a whole number from 0")


def _point(at: str | None) -> str | int | None:
    return int(at) if at is not None and at.isdecimal() else at


def _budget(queries: int | None, epochs: int | None, seconds: float | None) -> Budget:
    if queries is epochs is seconds is None:
        return Budget(queries=50)
    given = (inf if limit is None else limit for limit in (queries, epochs, seconds))
    return Budget(*given)


def _chosen(bench: Benchmark, spaces: list[str], tasks: list[str]) -> list[tuple[str, str]]:
    for space in spaces:
        if space not in bench.spaces:
            raise unknown(f"space of {bench.name}", space, list(bench.spaces))
    tables = [table for table in bench if table[0] in (spaces or bench.spaces)]
    known = sorted({task for _, task in tables})
    for task in tasks:
        if task not in known:
            raise unknown(f"task of {bench.name}", task, known)
    return [table for table in tables if table[1] in (tasks or known)]


if __name__ == "__main__":
    sys.exit(main())
