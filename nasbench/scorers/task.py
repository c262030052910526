"""Another task of the same benchmark and space: `task:class_scene`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nasbench.errors import BadValue
from nasbench.scorers import Scores

if TYPE_CHECKING:
    from nasbench.correlate import Target


def score(target: Target, argument: str) -> Scores:
    """Return what a lookup answers there; TASK@SCHEDULE picks a schedule.

    Raises `UnknownName`, and `BadValue` for the target itself.
    """
    if not argument:
        raise BadValue("task: which one? Write task:NAME")
    return target.scores_of(target.bench, target.space, argument)
