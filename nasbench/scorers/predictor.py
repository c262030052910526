"""A predictor that has learned some rows of the target: `predictor:bananas`, `predictor:pnas:50`.

The rows are drawn at random, 100 unless told otherwise, by a generator with a fixed seed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from nasbench.errors import BadValue
from nasbench.parts.predictors import Ensemble, bananas, pnas
from nasbench.scorers import Scores
from nasbench.space import Space

if TYPE_CHECKING:
    from nasbench.correlate import Target

KINDS: dict[str, Callable[[Space, np.random.Generator], Ensemble]] = {
    "bananas": bananas,
    "pnas": pnas,
}
ROWS = 100
SEED = 0


def score(target: Target, argument: str) -> Scores:
    """Return what it expects of the rows that it has not learned, nor any isomorphic one.

    Those that were learned are NaN, and so are all that are the same network as built: its value
    was in the lesson. Nothing is said of its noise: how far another draw of rows would agree is not
    known. Raises `BadValue` for a predictor that isn't there, and a number of rows that can't be.
    """
    table, (name, _, count) = target.table, argument.partition(":")
    if name not in KINDS:
        raise BadValue(
            f"predictor:{argument}: write {' or '.join(f'predictor:{k}' for k in KINDS)}"
        )
    truth = table.scores()
    measured = np.flatnonzero(~np.isnan(truth))
    rows = int(count) if count.isdecimal() and count.isascii() else -1 if count else ROWS
    if not 1 <= rows < len(measured):
        raise BadValue(
            f"predictor:{argument}: expected how many of the {len(measured):,} rows with a score "
            f"to learn, less than all, as in predictor:{name}:50"
        )
    rng = np.random.default_rng(SEED)
    learned = rng.choice(measured, rows, replace=False).tolist()
    archs = table.rows.archs
    predictor = KINDS[name](table.space, rng)
    predictor.fit([archs[row] for row in learned], truth[learned])
    forms = [table.space.form(arch) for arch in archs]
    lesson = {forms[row] for row in learned}
    left = np.array([form not in lesson for form in forms])
    values = np.where(left, predictor.predict(archs), np.nan)
    of = f"fitted to {rows} random rows; these and what is isomorphic to them are left out"
    return Scores(values, of=of)
