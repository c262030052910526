"""The same training, looked at early: `fidelity:5` is the value after 5 epochs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nasbench.errors import BadValue
from nasbench.scorers import Scores

if TYPE_CHECKING:
    from nasbench.correlate import Target


def score(target: Target, argument: str) -> Scores:
    """Return the main validation metric at that epoch, the mean over seeds.

    Nothing is said of its noise: it shares the chance of the training that it is a part of, so the
    ceiling of independent trainings is none for it. Raises `NotRecorded` where there is no curve,
    and `BadValue` for what is no epoch, or the target itself.
    """
    table = target.table
    if not argument.isdecimal() or not argument.isascii():
        raise BadValue(f"fidelity:{argument}: expected an epoch, as in fidelity:5")
    epoch = int(argument)
    if target.split == "valid" and table.answers == "final" and epoch == table.epochs:
        raise BadValue(f"fidelity:{epoch}: {table.address} answers with that epoch itself")
    return Scores(table.scores(at=epoch))
