"""The figures of a pilot: what it says of architectures, beside what the real benchmark says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np

from nasbench.metrics.statistics import Interval
from nasbench.pilot import PARTS, Matrix, Part, Pilot
from nasbench.report.figures import Cloud, Heat, heatmaps, scatter
from nasbench.report.words import number
from nasbench.table import mean

KINDS = [f"{part}, {said}" for said in ("tuned", "left out") for part in reversed(PARTS)]
"""Kinds of points: of which part, and whether recipes were tuned on the task. "tune" is hollow."""


def figures(pilot: Pilot) -> Iterator[tuple[str, bytes]]:
    """Draw what there is to see, as pairs of a file's name and a PNG.

    For each space, each task's mean over seeds by the value of the real table, and the second seed
    by the first, with the tau of the part to report; then the taus of that part between our tasks,
    and of ours with the real ones.
    """
    for space in pilot.core_hours:
        own = [part for part in pilot.parts if part.space == space]
        tasks = list(dict.fromkeys(task for part in own for task in part.tables))
        for name, draw in (("real", partial(_real, pilot.real)), ("seeds", _seeds)):
            clouds = [cloud for task in tasks if (cloud := draw(own, task)).points]
            if clouds:
                yield f"{name}_{space}.png", scatter(clouds, KINDS).png
    told = [part for part in pilot.parts if part.part == PARTS[-1]] or pilot.parts
    yield "tasks.png", heatmaps([_heat(part, part.between_tasks) for part in told]).png
    against = [
        _heat(part, part.with_real)._replace(x_label=pilot.real, y_label=pilot.name)
        for part in told
        if part.real_values
    ]
    if against:
        yield f"tasks_{pilot.real}.png", heatmaps(against).png


def _real(real: str, own: Sequence[Part], task: str) -> Cloud:
    there = [part for part in own if task in part.tables and task in part.real_values]
    points = {
        _kind(part, task): (part.real_values[task], mean(part.values[task])) for part in there
    }
    taus = [part.tables[task].real_tau_of_means for part in there]
    return Cloud(_title(task, taus), real, _metric(own, task), points)


def _seeds(own: Sequence[Part], task: str) -> Cloud:
    there = [part for part in own if task in part.tables and part.tables[task].seeds > 1]
    points = {
        _kind(part, task): (part.values[task][:, 0], part.values[task][:, 1]) for part in there
    }
    taus = [part.tables[task].seed_tau for part in there]
    return Cloud(_title(task, taus), "first seed", f"second seed, {_metric(own, task)}", points)


def _kind(part: Part, task: str) -> str:
    return f"{part.part}, {'tuned' if part.tables[task].tuned else 'left out'}"


def _metric(own: Sequence[Part], task: str) -> str:
    return next(part.tables[task].metric for part in own if task in part.tables)


def _title(task: str, taus: Sequence[Interval]) -> str:
    """Name a task, and the tau of its last part, the one to report."""
    if not taus:
        return task
    value, low, high = (number(tau, 2) for tau in taus[-1])
    return f"{task}\ntau {value} [{low}, {high}]"


def _heat(part: Part, matrix: Matrix) -> Heat:
    columns = list(next(iter(matrix.values())))
    numbers = [[row[column] for column in columns] for row in matrix.values()]
    return Heat(f"{part.space}, {part.part}", list(matrix), columns, np.array(numbers))
