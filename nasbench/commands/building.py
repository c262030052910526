"""Tables of our own: train them, keep them, write them, and train some of them again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nasbench.benchmark import open_benchmark, trainables
from nasbench.commands.options import (
    CORES,
    AsJson,
    Bench,
    ImagesAt,
    JournalAt,
    ShardOf,
    Spaces,
    Tasks,
    listed,
    shard_of,
    some,
)
from nasbench.commands.progress import bars, load_images
from nasbench.errors import BadValue, RunnerFailed
from nasbench.recipe import Trainable
from nasbench.show.building import (
    print_audited,
    print_estimates,
    print_merged,
    print_packed,
    print_plan,
    time_left,
)
from nasbench.show.plain import print_json

if TYPE_CHECKING:
    from rich.progress import Progress

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
    pilot: Annotated[
        str | None, typer.Option(help="Only the networks of this part of the pilot: tune, report.")
    ] = None,
    shard: ShardOf = None,
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
    from nasbench.pilot import members
    from nasbench.training import require_torch

    tables = trainables(bench, listed(spaces), listed(tasks), images)
    workers, own = some(workers), shard_of(shard)
    require_torch()
    if pilot and sample_seed:
        raise BadValue("--sample-seed orders classes, and the pilot has an order of its own")
    only = (lambda space: members(space, pilot)) if pilot else None
    parts = plan(tables, seeds, only=only, sample=sample, sample_seed=sample_seed, shard=own)
    name = tables[0].address.partition("/")[0]
    work = Build(parts, Journal(name, journal))
    if not json:
        print_plan(name, work, workers)
    jobs = work.few() if dry_run else None
    with bars() as progress, _processes(workers) as pool:
        pairs = zip(work.parts, work.left, strict=True)
        todo = [part.where for part, left in pairs if left]
        _load(progress, todo if jobs is None else [job.where for job in jobs])
        bar = progress.add_task("", total=work.total if jobs is None else work.done + len(jobs))
        said, log = monotonic(), progress.disable
        for done, left in work.run(work.jobs() if jobs is None else jobs, pool):
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
    trained = work.done - work.there
    failed = {str(job): why for job, why in work.failed}
    if json:
        told: dict[str, Any] = {"trainings": work.total, "there": work.there, "trained": trained}
        told |= {
            "journal": str(work.journal.path),
            "measured": _named(jobs or []),
            "failed": failed,
        }
        print_json({**told, "estimates": [asdict(each) for each in found]})
    elif dry_run:
        for address, names in _named(jobs or []).items():
            print(f"trained for the estimate: {address}: {', '.join(names)}")
        print_estimates(found)
        print(f"what is left: {time_left(work.remaining(), workers)} on {workers:,} workers")
    else:
        print(f"{trained:,} trained, {work.done:,} of {work.total:,} are there")
    if failed:
        for job, why in failed.items() if not json else ():
            print(f"failed: {job}: {why}")
        raise RunnerFailed(f"{len(failed):,} trainings failed; the same command tries them again")


def merge(
    journals: Annotated[list[Path], typer.Argument(metavar="JOURNAL...", help="Left as they are.")],
    into: Annotated[Path, typer.Option(help="The journal that gets them; a new one if need be.")],
    json: AsJson = False,
) -> None:
    """Put journals of trainings into one. Of the same training, that of --into stays."""
    from nasbench.journal import Journal, contents

    read = [(str(path), contents(path)) for path in journals]  # before a new file is made
    target = Journal("", into)
    found = [(name, target.merge(theirs)) for name, theirs in read]
    if json:
        return print_json([{"journal": path, **asdict(merged)} for path, merged in found])
    print_merged(found, str(into))


def pack(
    bench: Trained,
    out: Annotated[Path, typer.Option(help="The .h5 file; an earlier one is replaced.")],
    journal: JournalAt = None,
    spaces: Spaces = None,
    tasks: Tasks = None,
    partial: Annotated[
        bool, typer.Option("--partial", help="Also tables that are not complete, as they are.")
    ] = False,
    pilot: Annotated[
        bool, typer.Option("--pilot", help="Only the pilot's networks, of all that were trained.")
    ] = False,
    name: Annotated[str | None, typer.Option(help="Of the benchmark; its own.")] = None,
    images: ImagesAt = None,
    json: AsJson = False,
) -> None:
    """Write what was trained as a benchmark's file, which says how each number was made.

    A table is complete if one network of every class was trained with seed 0; it has all seeds that
    every class has. With --partial the rows are the networks that were trained, with --pilot those
    of them that are the pilot's.
    """
    from nasbench.journal import Journal
    from nasbench.pack import pack as pack_benchmark
    from nasbench.pilot import every_member
    from nasbench.training import require_torch

    require_torch()
    if out.suffix != ".h5":
        raise BadValue(f"--out {out}: a benchmark's file ends in .h5")
    first = trainables(bench, listed(spaces), listed(tasks), images)[0]
    source = Journal(first.address.partition("/")[0], journal)
    packed, missing = pack_benchmark(
        bench,
        out,
        source,
        listed(spaces),
        listed(tasks),
        only=every_member if pilot else None,
        partial=partial or pilot,
        as_name=name or "",
        images=images,
    )
    if json:
        told = {"path": str(packed.path), "content_sha256": packed.header["content_sha256"]}
        return print_json({**told, "missing": [asdict(each) for each in missing]})
    print_packed(packed, missing)


def audit(
    bench: Bench,
    rows: Annotated[int, typer.Option(help="Trained again, of each table.")] = 20,
    seed: Annotated[int, typer.Option(help="Of the choice of rows.")] = 0,
    spaces: Spaces = None,
    tasks: Tasks = None,
    workers: Annotated[int, typer.Option(help="Processes, of one thread each.")] = CORES,
    images: ImagesAt = None,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Even if recipe, trainer or images have changed.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Train random rows of a packed benchmark again, and compare them with what it holds.

    On the machine that trained them they are equal bit for bit; on another they differ as two seeds
    do. The exit code is 2 where they differ by far more.
    """
    from nasbench.audit import audit as audit_benchmark
    from nasbench.audit import draw, retrain
    from nasbench.training import require_torch

    require_torch()
    opened, workers = open_benchmark(bench), some(workers)
    drawn = draw(opened, rows, seed, listed(spaces), listed(tasks), images=images, anyway=anyway)
    with bars() as progress, _processes(workers) as pool:
        _load(progress, [again.where for again in drawn])
        trained = dict(progress.track(retrain(drawn, pool), len(drawn), description="training"))
    found = audit_benchmark(opened, {again: trained[again] for again in drawn})
    if json:
        print_json([{**asdict(each), "far": each.far} for each in found])
    else:
        print_audited(found)
    if far := [each.address for each in found if each.far]:
        raise BadValue(f"retrained values are far beyond noise from the recorded ones: {far}")


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


def _load(progress: Progress, todo: Iterable[Trainable]) -> None:
    """Load each set of images once, so that workers find what is rendered."""
    sets: set[object] = set()
    for where in todo:
        recipe = where.recipe
        key = (recipe.images, recipe.size, recipe.train, recipe.valid, recipe.test)
        if key not in sets:
            sets.add(key)
            load_images(progress, where)


def _named(jobs: Iterable[Job]) -> dict[str, list[str]]:
    names: dict[str, list[str]] = {}
    for job in jobs:
        names.setdefault(job.where.address, []).append(job.where.space.spell(job.arch))
    return names
