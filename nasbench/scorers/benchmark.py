"""The same space and task in another benchmark: `benchmark:rooms`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nasbench.errors import BadValue, NotRecorded
from nasbench.scorers import Scores

if TYPE_CHECKING:
    from nasbench.correlate import Target


def score(target: Target, argument: str) -> Scores:
    """Return what a lookup answers there, NaN for architectures that it lacks.

    Spaces are the same if their definition is, whatever they are called there. Raises `BadFile`,
    `UnknownName`, `NotRecorded` where it doesn't have both, and `BadValue` for the target itself.
    """
    if not argument:
        raise BadValue("benchmark: which one? Write benchmark:NAME")
    other = target.open(argument)
    task = target.table.task.name
    for space, tasks in other.spaces.items():
        if task in tasks and other[space, task].space.name == target.table.space.name:
            return target.scores_of(other, space, task)
    raise NotRecorded(f"{other.name} has no {task} on the space {target.table.space.name}")
