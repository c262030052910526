"""Benchmarks and images: what there is, bringing it in, checking it, taking it elsewhere."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, cast

import numpy as np
import typer

from nasbench.benchmark import import_benchmark, open_benchmark, tables
from nasbench.commands.options import AsJson, Bench
from nasbench.commands.progress import bars, ticker
from nasbench.errors import BadFile, BadValue
from nasbench.find import Kind, find, names
from nasbench.images import Split, Wanted
from nasbench.show.plain import print_json
from nasbench.show.tables import (
    described,
    print_check,
    print_counted,
    print_imported,
    print_info,
    print_list,
)
from nasbench.store import Benchmark


def import_(
    bench: Annotated[str, typer.Argument(metavar="BENCH", help="See `nasbench list`.")],
    path: Annotated[Path | None, typer.Argument(help="The published file or folder.")] = None,
    as_name: Annotated[
        str | None, typer.Option("--as", help="Keep it under this name; the benchmark's.")
    ] = None,
) -> None:
    """Read a published benchmark into the user's data folder (NASBENCH_HOME overrides it)."""
    with bars() as progress:
        imported = import_benchmark(
            bench,
            path,
            as_name,
            ticker(progress, "importing"),
            lambda text: progress.console.print(text, markup=False, soft_wrap=True),
        )
    print_imported(imported)


def list_(json: AsJson = False) -> None:
    """List benchmarks, spaces, tasks, sources of images, runners and scorers."""
    there, known = tables(), names("benchmarks")
    benchmarks: list[dict[str, Any]] = []
    for name in sorted({*there, *known}):
        path = there.get(name)
        title = Benchmark(path).header["title"] if path else find("benchmarks", name).title
        benchmarks.append({"name": name, "title": title, "path": path and str(path)})
    kinds: tuple[Kind, ...] = ("spaces", "tasks", "images", "runners", "scorers")
    rest = {str(kind): names(kind) for kind in kinds}
    if json:
        return print_json({"benchmarks": benchmarks, **rest})
    print_list(benchmarks, rest)


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
    with bars() as progress:
        bar = progress.add_task("loading", total=None)

        def tick(done: int, total: int) -> None:
            progress.update(bar, completed=done, total=total)

        loaded = found.load(Wanted(cast(Split, split), size, count, path, tick), list(found.labels))
        arrays = {name: array[np.arange(len(array))] for name, array in loaded.items()}
    sheet(arrays, list(found.labels.values()), out)
    print(f"written to {out}: {len(arrays['rgb'])} images of {source}, {split}")


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


def convert(
    bench: Bench,
    to: Annotated[str, typer.Option(help="csv, parquet or npz.")],
    out: Annotated[Path, typer.Option(help="The file; a CSV that ends in .gz is zipped.")],
) -> None:
    """Write a whole benchmark for other programs; `nasbench import csv` reads the CSV back."""
    from nasbench.convert import convert as convert_benchmark

    convert_benchmark(open_benchmark(bench), to, out)
    print(f"written to {out}, {out.stat().st_size / 1e6:,.1f} MB")


def count(
    bench: Bench,
    size: Annotated[int, typer.Option(help="Pixels a side, where a task doesn't tell.")] = 256,
) -> None:
    """Count parameters and multiply-adds of every architecture, and keep them in the file."""
    from nasbench.count import count as count_benchmark

    with bars() as progress:
        bar = progress.add_task("counting", total=None)
        counted = count_benchmark(
            bench, size, lambda done, total: progress.update(bar, completed=done, total=total)
        )
    print_counted(counted)
