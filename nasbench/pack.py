"""A journal's trainings become the file of a benchmark, which says how to make them again."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nasbench.benchmark import Declared, digest, plain_name, trainables, verify
from nasbench.errors import BadFile, BadValue
from nasbench.find import find
from nasbench.journal import Journal
from nasbench.recipe import Trainable, Trained
from nasbench.space import Architecture, Space
from nasbench.store import RECIPES, Benchmark, write
from nasbench.table import Column, Info, Point, Rows, Table


@dataclass(frozen=True)
class Missing:
    """A table that is not complete: of how many classes, with seed 0, a training is there."""

    address: str
    there: int
    classes: int


def pack(
    name: str,
    out: Path,
    journal: Journal | None = None,
    spaces: Sequence[str] = (),
    tasks: Sequence[str] = (),
    *,
    only: Callable[[Space], Sequence[Architecture]] | None = None,
    partial: bool = False,
    as_name: str = "",
    images: Path | None = None,
) -> tuple[Benchmark, list[Missing]]:
    """Write what a journal has of a benchmark's present recipes, and say what it lacks.

    A table is complete if every class was trained to the end with seed 0; it has the seeds 0, 1 ...
    that every class has, and a row for every architecture. With `partial`, the rows are those
    members of `Space.trained_as` that were trained on any of the tasks, and the seeds all there
    are; NaN is what was not trained; `only` says which of them are taken. Raises `BadValue` where
    there is nothing to write.
    """
    declared = find("benchmarks", name)
    wanted = trainables(name, spaces, tasks, images)
    bench = plain_name(as_name or declared.name)
    journal = journal or Journal(declared.name)
    found = {where: _of_representatives(where, journal, only) for where in wanted}
    missing = [m for where, trained in found.items() if (m := _missing(where, trained))]
    if partial:
        chosen = [where for where in wanted if found[where]]
    else:
        lacking = {m.address for m in missing}
        chosen = [where for where in wanted if where.address not in lacking]
    if not chosen:
        there = ", ".join(f"{m.address} {m.there:,} of {m.classes:,}" for m in missing)
        raise BadValue(
            f"nothing to pack: {journal.path} has no {'training' if partial else 'complete table'}"
            f" of the present recipes ({there}): go on with nasbench build"
            + " or pack what is there, with --partial"
            * (not partial)
        )
    left_out = [
        "trainings that were stopped early, and of architectures that stand for no class",
        *(f"{m.address}: {m.there:,} of {m.classes:,} were trained" for m in missing),
    ]
    kept = {where: found[where] for where in chosen}
    packed = _write(out, declared, bench, kept, left_out, journal, partial=partial)
    return packed, missing


def pack_searched(name: str, out: Path, wanted: Sequence[Trainable]) -> Benchmark | None:
    """Write what live searches may have been answered with: full trainings with seed 0.

    They are those of the user's journal. Rows are whatever was trained, equal networks too, and the
    schedule is that of these searches, "live". Returns None where there is nothing to write.
    """
    declared = find("benchmarks", name)
    journal = Journal(declared.name)
    found = {
        where: {
            (where.space.index(where.space.read(name)), seed): trained
            for (name, seed), trained in journal.full(where).items()
            if seed == 0
        }
        for where in wanted
    }
    kept = {where: trained for where, trained in found.items() if trained}
    if not kept:
        return None
    left_out = ["trainings that were stopped early, and those with other seeds"]
    return _write(out, declared, declared.name, kept, left_out, journal, schedule="live")


def _write(
    out: Path,
    declared: Declared,
    bench: str,
    found: Mapping[Trainable, Mapping[tuple[int, int], Trained]],
    left_out: Sequence[str],
    journal: Journal,
    *,
    partial: bool = True,
    schedule: str = "full",
) -> Benchmark:
    chosen, tables = list(found), list[tuple[str, Table]]()
    for space in dict.fromkeys(where.address.split("/")[1] for where in chosen):
        own = [where for where in chosen if where.address.split("/")[1] == space]
        tables += [(space, t) for t in _tables(bench, own, [found[w] for w in own], partial)]
    tables = [(space, replace(table, schedule=schedule)) for space, table in tables]
    for space, table in tables:
        verify(space, table)
    told = {
        "/".join(where.address.split("/")[1:]): {
            **where.content,
            "content_sha256": where.content_sha256,
            "torch": journal.made_with(where),
        }
        for where in chosen
    }
    header = {
        "benchmark": bench,
        "title": declared.title,
        "citation": declared.citation,
        "answers": "final",
        "source": "trained by nasbench build",
        "source_sha256": digest("".join(sorted(w.content_sha256 for w in chosen)).encode()),
        "licence": declared.licence,
        "notes": _notes(found, partial),
        "left_out": list(left_out),
        "tool_version": import_module("nasbench").__version__,
        RECIPES: json.dumps(told, default=repr),
    }
    write(out, header, tables)
    return Benchmark(out)


def recipes(bench: Benchmark, images: Path | None = None) -> dict[tuple[str, str], Trainable]:
    """Return how the tables of a packed file were trained; raises `BadFile` where it isn't told."""
    if RECIPES not in bench.header:
        raise BadFile(f"{bench.path} does not say how it was trained: nasbench pack does")
    return {key: replace(where, path=images) for key, where in bench.trained_by.items()}


def changed(bench: Benchmark, space: str, where: Trainable) -> list[str]:
    """Say what is no longer as it was when a table was trained by the recipe it tells."""
    task = where.task.name
    told = bench.contents[f"{space}/{task}"]
    if told["content_sha256"] == where.content_sha256:
        return []
    now = json.loads(json.dumps(where.content, default=repr))
    words = {"version": "the trainer", "recipe": "the recipe", "space": "the space"}
    words |= {"images": "the images"}
    return [word for part, word in words.items() if told[part] != now[part]] or ["the checksum"]


def _of_representatives(
    where: Trainable, journal: Journal, only: Callable[[Space], Sequence[Architecture]] | None
) -> dict[tuple[int, int], Trained]:
    """Return the full trainings of those that stand for a class, by row of the space and seed."""
    space = where.space
    stands = set(map(space.index, only(space)) if only else space.trained_as().tolist())
    found = {
        (space.index(space.read(name)), seed): trained
        for (name, seed), trained in journal.full(where).items()
    }
    return {key: trained for key, trained in found.items() if key[0] in stands}


def _missing(where: Trainable, found: Mapping[tuple[int, int], Trained]) -> Missing | None:
    classes = len(np.unique(where.space.trained_as()))
    there = sum(seed == 0 for _, seed in found)
    return Missing(where.address, there, classes) if there < classes else None


def _tables(
    bench: str,
    own: Sequence[Trainable],
    found: Sequence[Mapping[tuple[int, int], Trained]],
    partial: bool,
) -> list[Table]:
    """Make the tables of one space, which share their rows."""
    space = own[0].space
    if partial:
        members = sorted({row for trained in found for row, _ in trained})
        stands = np.arange(len(members), dtype=np.int32)
    else:
        members, stands = list(range(len(space))), space.trained_as()
    archs = [space.at(row) for row in members]
    names = [space.spell(arch) for arch in archs]
    rows = replace(Rows.of(space, names, **_facts(own, archs)), trained_as=stands)
    at = {row: k for k, row in enumerate(members)}
    return [
        _table(bench, where, rows, {(at[r], s): t for (r, s), t in trained.items()}, partial)
        for where, trained in zip(own, found, strict=True)
    ]


def _table(
    bench: str,
    where: Trainable,
    rows: Rows,
    found: Mapping[tuple[int, int], Trained],
    partial: bool,
) -> Table:
    """Make a table of trainings by row and seed; a row has the results of its `trained_as`."""
    seeds = sorted({seed for _, seed in found})
    if not partial:
        stand = np.unique(rows.trained_as).tolist()
        whole = [all((row, seed) in found for row in stand) for seed in seeds]
        seeds = [s for k, s in enumerate(seeds) if s == k and all(whole[: k + 1])]
    kept = {(r, seeds.index(s)): trained for (r, s), trained in found.items() if s in seeds}
    task, n, epochs = where.task, len(rows), where.epochs
    at = tuple(np.array(list(kept)).T)
    trained = list(kept.values())

    def array(values: Sequence[Any]) -> NDArray[np.float32]:
        block = np.array(values, np.float32)
        full = np.full((n, len(seeds), *block.shape[1:]), np.nan, np.float32)
        full[at] = block
        return full[rows.trained_as]

    columns: dict[Point, Column] = {}
    main = task.metric
    curves = {name: array([t.curves[name] for t in trained]) for name in trained[0].curves}
    best = _best(main.sign * curves[f"valid/{main.name}"])
    for name, curve in curves.items():
        split, _, metric = name.partition("/")
        if split == "train":
            metric = task.trained_on
        if not metric:
            continue
        columns[Point("curve", split, metric)] = Column(curve)
        columns[Point("final", split, metric)] = Column(curve[:, :, -1].copy())
        picked = np.take_along_axis(curve, best[:, :, None], axis=2)[:, :, 0]
        columns[Point("best", split, metric)] = Column(picked, f"valid {main.name}")
    for name in trained[0].test:
        columns[Point("final", "test", name)] = Column(array([t.test[name] for t in trained]))
    space = where.address.split("/")[1]
    return Table(
        f"{bench}/{space}/{task.name}",
        rows,
        task,
        "final",
        np.arange(1, epochs + 1, dtype=np.int32),
        np.array(seeds, np.int64),
        columns,
        array([t.seconds for t in trained]),
    )


def _best(score: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the first epoch with the best score (N, S), counted from 0; 0 where none is."""
    known = np.where(np.isnan(score), -np.inf, score)
    best: NDArray[np.int64] = known.argmax(axis=2)
    return best


def _facts(own: Sequence[Trainable], archs: Sequence[Architecture]) -> dict[str, Info]:
    """Count the networks of the rows, (N, tasks): each of its own, not of what stands for it."""
    from nasbench.live import size

    counts = [[size(where, arch) for where in own] for arch in archs]
    by_task = tuple(where.task.name for where in own)
    params = np.array([[each.params for each in row] for row in counts], np.int64)
    macs = np.array([[each.macs for each in row] for row in counts], np.int64)
    return {
        "params": Info(params, "parameters", "derived", by_task),
        "macs": Info(macs, "multiply-adds", "derived", by_task),
    }


def _notes(
    found: Mapping[Trainable, Mapping[tuple[int, int], Trained]], partial: bool
) -> list[str]:
    notes = []
    if partial:
        notes.append("PARTIAL: rows are networks that were trained; NaN: not on this task")
    else:
        notes.append(
            "of the architectures that are one network as built the first was trained, and all "
            "have its results (trained_as); params and macs are those of each"
        )
    notes.append(
        "seconds: cumulative training and validation, of the processor that trained, one thread; "
        "train loss: mean over the batches of an epoch while it was trained, where what is trained "
        "on is a metric"
    )
    for where, own in found.items():
        told = [" ".join(trained.notes) for trained in own.values()]
        if diverged := sum("not finite" in text for text in told):
            notes.append(f"{where.address}: {diverged:,} trainings diverged; curves go on flat")
    return notes
