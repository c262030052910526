"""Tables of our own: train them, keep them, write them, and train some of them again."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nasbench.benchmark import trainables
from nasbench.commands.options import (
    CORES,
    AsJson,
    ImagesAt,
    JournalAt,
    Spaces,
    Tasks,
    listed,
    some,
)
from nasbench.commands.progress import bars, load_images
from nasbench.errors import BadValue
from nasbench.recipe import Trainable
from nasbench.show import (
    print_estimates,
    print_json,
    print_merged,
    print_plan,
    time_left,
)

if TYPE_CHECKING:
    from rich.progress import Progress

    from nasbench.build import Build, Shard
    from nasbench.pool import Processes
    from nasbench.training import Job

EVERY = 300.0
"""Seconds between two lines of a log."""

Trained = Annotated[
    str, typer.Argument(metavar="BENCH", help="A benchmark that is trained, or its file: ./mine.py")
]


def build(
    bench: Trained,
    spaces: Spaces = None,
    tasks: Tasks = None,
    seeds: Annotated[int, typer.Option(help="Trainings with seeds 0 to N - 1.")] = 1,
    workers: Annotated[int, typer.Option(help="Processes, of one thread each.")] = CORES,
    sample: Annotated[
        int | None, typer.Option(help="Only so many random classes of each space.")
    ] = None,
    sample_seed: Annotated[int, typer.Option(help="Other seeds order them otherwise.")] = 0,
    shard: Annotated[
        str | None, typer.Option(help="I/N: the part of machine number I of N machines.")
    ] = None,
    journal: JournalAt = None,
    images: ImagesAt = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Train a few of each table, and estimate all.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Train one network of every isomorphism class, on every task, and keep each when it ends.

    One space after the other, task by task, in the order given, of each the seeds one by one. It
    may be stopped at any moment; the same command goes on, and nothing is trained twice.
    """
    from nasbench.build import Build, plan
    from nasbench.journal import Journal
    from nasbench.training import require_torch

    tables = trainables(bench, listed(spaces), listed(tasks), images)
    workers, own = some(workers), _shard(shard)
    parts = plan(tables, seeds, sample=sample, sample_seed=sample_seed, shard=own)
    require_torch()
    name = tables[0].address.partition("/")[0]
    work = Build(parts, Journal(name, journal))
    if not json:
        print_plan(name, work, workers)
    jobs = work.few() if dry_run else None
    trained = 0
    with bars() as progress, _processes(workers) as pool:
        _load(progress, work, jobs)
        bar = progress.add_task("", total=work.total if jobs is None else work.done + len(jobs))
        said, log = monotonic(), progress.disable
        for done, left in work.run(work.jobs() if jobs is None else jobs, pool):
            trained += 1
            rest = f"{time_left(work.remaining(), workers)} left"
            progress.update(bar, completed=work.done, description=f"{done.where.address}, {rest}")
            ended = not left and jobs is None
            if not json and (ended or (log and monotonic() - said > EVERY)):
                said = monotonic()
                mean, _ = work.mean(done)
                print(
                    f"{done.where.address}, seed {done.seed}: {len(done.archs) - left:,} of "
                    f"{len(done.archs):,}, {mean:.1f} s each; of all {work.done:,} of "
                    f"{work.total:,}, {rest}",
                    flush=True,
                )
    found = work.estimates() if dry_run else []
    if json:
        told: dict[str, Any] = {"trainings": work.total, "there": work.there, "trained": trained}
        told |= {"journal": str(work.journal.path), "measured": _named(jobs or [])}
        return print_json({**told, "estimates": [asdict(each) for each in found]})
    for address, names in _named(jobs or []).items():
        print(f"trained for the estimate: {address}: {', '.join(names)}")
    if dry_run:
        print_estimates(found)
    else:
        print(f"{trained:,} trained, {work.done:,} of {work.total:,} are there")


def merge(
    journals: Annotated[list[Path], typer.Argument(metavar="JOURNAL...", help="Left as they are.")],
    into: Annotated[Path, typer.Option(help="The journal that gets them; a new one if need be.")],
    json: AsJson = False,
) -> None:
    """Put journals of trainings into one. Of the same training, that of --into stays."""
    from nasbench.journal import Journal

    target = Journal("", into)
    found = [(str(path), target.merge(path)) for path in journals]
    if json:
        return print_json([{"journal": path, **asdict(merged)} for path, merged in found])
    print_merged(found, str(into))


def _shard(text: str | None) -> Shard:
    from nasbench.build import WHOLE, Shard

    if text is None:
        return WHOLE
    if match := re.fullmatch("([0-9]{1,9})/([0-9]{1,9})", text):
        return Shard(int(match[1]), int(match[2]))
    raise BadValue(f"shard {text!r}: expected I/N, as in 1/2")


@contextmanager
def _processes(workers: int) -> Iterator[Processes | None]:
    """Make processes, if there are to be several, that are ended whatever they do."""
    from nasbench.pool import Processes

    pool = Processes(workers) if workers > 1 else None
    try:
        yield pool
    finally:
        if pool:  # idle, unless something was raised
            pool.stop()


def _load(progress: Progress, work: Build, jobs: Iterable[Job] | None) -> None:
    """Load each set of images once, so that workers find what is rendered."""
    pairs = zip(work.parts, work.left, strict=True)
    todo = [part.where for part, left in pairs if left] if jobs is None else [j.where for j in jobs]
    sets: dict[object, Trainable] = {}
    for where in todo:
        recipe = where.recipe
        key = (recipe.images, recipe.size, recipe.train, recipe.valid, recipe.test)
        if key not in sets:
            sets[key] = where
            load_images(progress, where)


def _named(jobs: Iterable[Job]) -> dict[str, list[str]]:
    names: dict[str, list[str]] = {}
    for job in jobs:
        names.setdefault(job.where.address, []).append(job.where.space.spell(job.arch))
    return names
