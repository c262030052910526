"""What gives numbers to architectures: one scorer a file, whose name is the scorer's name.

A file holds `score(target, argument)`, a `nasbench.correlate.Scorer`: it is handed the table to be
judged on and what was written behind its name (`fidelity:5`), and returns `Scores`.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]


class Scores(NamedTuple):
    """What a scorer says: values (N,) in the order of the target's rows, more is better.

    NaN where it says nothing. `tau` is what two independent measurements of it would agree by: 1
    for a fact, NaN where that isn't known. `of` names what was taken, where there is a choice.
    """

    values: Floats
    tau: float = np.nan
    of: str = ""
