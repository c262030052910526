"""What is printed of tables that are being built."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nasbench.show.plain import duration, print_table
from nasbench.store import Benchmark

if TYPE_CHECKING:
    from nasbench.audit import Audited
    from nasbench.build import Build, Estimate, Left
    from nasbench.journal import Merged
    from nasbench.pack import Missing


def time_left(left: Left, workers: int) -> str:
    """Say how long the rest of a build takes on so many processes."""
    if left.seconds is None:
        return "how long is not known yet"
    at_once = max(1, min(workers, left.trainings))
    return f"{'about ' * left.about}{duration(left.seconds / at_once)}"


def print_plan(name: str, build: Build, workers: int) -> None:
    """Print what a build is going to do."""
    from nasbench.report.words import count

    tables, left = len({part.where.address for part in build.parts}), build.remaining()
    how_long = f", {time_left(left, workers)} on {count(workers, 'worker')}" * (left.trainings > 0)
    print(
        f"{name}: {count(tables, 'table')} x {count(len(build.parts) // tables, 'seed')}: "
        f"{count(build.total, 'training')}, {build.there:,} of them there already; "
        f"{left.trainings:,} to do{how_long}"
    )
    print(f"kept in {build.journal.path}", flush=True)


def print_estimates(found: Sequence[Estimate]) -> None:
    """Print what each table of a build costs, and all of them."""
    head = ("table", "trainings", "there", "measured", "seconds each", "std", "core-hours", "+-")
    rows = [tuple(vars(each).values()) for each in found]
    hours = sum(each.hours for each in found)
    error = sum(each.error**2 for each in found) ** 0.5
    counts = [sum(each) for each in zip(*(row[1:4] for row in rows), strict=True)]
    print_table(head, [*rows, ("all", *counts, float("nan"), float("nan"), hours, error)])
    print("\nseconds of one process and a training, with building, testing and keeping it;")
    print("+- is the standard error of the core-hours, by those that were measured")


def print_merged(merged: Sequence[tuple[str, Merged]], into: str) -> None:
    """Print what came out of each journal, a line each."""
    head = ("journal", "new", "longer than ours", "known", "differ: ours stay")
    print_table(head, [(path, *vars(each).values()) for path, each in merged])
    print(f"merged into {into}")


def print_packed(bench: Benchmark, missing: Sequence[Missing]) -> None:
    """Print what was packed, and what is not complete."""
    for space, task in bench:
        table = bench[space, task]
        seeds = ", ".join(map(str, table.seed.tolist()))
        print(f"{table.address}: {len(table):,} architectures, seeds {seeds}")
    for each in missing:
        print(f"not complete: {each.address}: {each.there:,} of {each.classes:,} networks")
    print(f"written to {bench.path}, {bench.path.stat().st_size / 1e6:,.1f} MB")


def print_audited(found: Sequence[Audited]) -> None:
    """Print how the trainings of an audit compare, a line a table."""
    head = ("table", "rows", "equal", "metric", "largest difference", "in seed std", "tau")
    print_table(
        head,
        [
            (
                each.address,
                each.rows,
                each.equal,
                each.metric,
                each.largest,
                each.largest / each.noise if each.noise else float("nan"),
                each.tau,
            )
            for each in found
        ],
    )
    print("\nequal: every number, bit for bit; differences are of the last validation value")
    if unknown := [each.address for each in found if each.noise != each.noise]:
        print(f"seed noise is not known where there is one seed: {', '.join(unknown)}")
    for each in filter(lambda audited: audited.parts, found):
        print(f"not what it was when {each.address} was trained: {', '.join(each.parts)}")
