"""Train rows of a packed table again: is what stands there what a training gives?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from math import sqrt
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nasbench.errors import BadValue, NotRecorded
from nasbench.metrics.noise import between_seeds
from nasbench.metrics.ranking import kendall
from nasbench.pack import changed, recipes
from nasbench.pool import each
from nasbench.recipe import Trainable, Trained
from nasbench.shard import shuffled
from nasbench.space import Architecture
from nasbench.store import Benchmark, choose
from nasbench.table import Point, Table

FAR = 3.0
"""In units of what two seeds differ by: a difference that no other machine explains."""


@dataclass(frozen=True)
class Again:
    """A row of a table, one of its seeds, and what is needed to train it again."""

    key: tuple[str, str]
    row: int
    where: Trainable
    arch: Architecture
    seed: int

    def __str__(self) -> str:
        return f"the training of {self.where.space.spell(self.arch)} on {self.where.address}"

    def run(self) -> Trained:
        """Train it, whatever a journal may have."""
        from nasbench.live import train

        return train(self.where, self.arch, self.seed)[0]


@dataclass(frozen=True)
class Audited:
    """What came of the rows of one table that were trained again.

    `equal` of them have every number bit for bit; `parts` say what was changed since. Of the main
    validation metric after the last epoch: `largest` and `typical` (root of the mean square)
    difference, `noise`, the standard deviation of a training over seeds (NaN: there is one seed),
    `spread`, that of the table's networks, and `tau`, Kendall's tau-b of recorded and retrained.
    """

    address: str
    rows: int
    equal: int
    metric: str
    largest: float
    typical: float
    noise: float
    spread: float
    tau: float
    parts: Sequence[str]

    @property
    def far(self) -> bool:
        """Say whether the differences are far beyond what another machine or seed explains.

        Where noise is not known: whether they are as large as those between networks.
        """
        if self.equal == self.rows:
            return False
        limit = self.spread if np.isnan(self.noise) else FAR * sqrt(2) * self.noise
        return not self.typical <= limit  # not known either: nothing that was finite still is


def draw(
    bench: Benchmark,
    rows: int,
    seed: int = 0,
    spaces: Sequence[str] = (),
    tasks: Sequence[str] = (),
    *,
    images: Path | None = None,
    anyway: bool = False,
) -> list[Again]:
    """Choose so many rows of each table, each with one of the seeds that it was trained with.

    They are rows that were really trained (`trained_as`). Raises `BadValue` where recipe, trainer,
    space or images are not those the table was made with, unless that is to be done `anyway`.
    """
    if rows < 1:
        raise BadValue(f"{rows} rows: it must be at least 1")
    found, known = [], recipes(bench, images)
    for key in choose(bench.name, bench.spaces, spaces, tasks):
        if key not in known:
            raise NotRecorded(f"{bench.path} does not say how {'/'.join(key)} was trained")
        table, where = bench[key], known[key]
        if (parts := changed(bench, key[0], where)) and not anyway:
            raise BadValue(
                f"{where.address}: {', '.join(parts)} changed since it was trained, so a training "
                "of today is another one; --anyway does it nevertheless"
            )
        measured = ~np.isnan(_main(table))
        stands = np.unique(table.rows.trained_as)
        stands = stands[measured[stands].any(axis=1)]
        by_name = {table.rows.names[row]: int(row) for row in stands}
        for name in shuffled(list(by_name), seed)[:rows]:
            row = by_name[name]
            there = table.seed[measured[row]].tolist()
            chosen = shuffled(there, f"{seed} {name}")[0]
            found.append(Again(key, row, where, table.rows.archs[row], chosen))
    return found


def retrain(
    drawn: Sequence[Again], executor: Executor | None = None
) -> Iterator[tuple[Again, Trained]]:
    """Train them, here or on an executor, and yield each with what came of it."""
    return each(Again.run, drawn, executor)


def audit(bench: Benchmark, trained: Mapping[Again, Trained]) -> list[Audited]:
    """Compare trainings with what a benchmark has, table by table."""
    found = []
    for key in dict.fromkeys(again.key for again in trained):
        own = [(again, t) for again, t in trained.items() if again.key == key]
        table, metric = bench[key], bench[key].task.metric
        main, stands = _main(table).astype(np.float64), np.unique(bench[key].rows.trained_as)
        then = np.array([main[a.row, _seed(table, a)] for a, _ in own])
        now = np.array([t.curves[f"valid/{metric.name}"][-1] for _, t in own], np.float32)
        same = (then == now) | (np.isnan(then) & np.isnan(now))  # also where both are infinite
        with np.errstate(invalid="ignore"):
            off = np.where(same, 0.0, np.abs(then - now))
        ends = off[np.isfinite(off)]  # whether a training diverges is as much chance as its value
        paths = np.array([table.space.has_path(table.rows.archs[row]) for row in stands])
        finite = main[np.isfinite(main)]
        found.append(
            Audited(
                own[0][0].where.address,
                len(own),
                sum(_equal(table, again, t) for again, t in own),
                metric.name,
                float(off.max()),
                float(np.sqrt(np.mean(ends**2))) if len(ends) else np.nan,
                between_seeds(main[stands[paths]]).std,
                float(finite.std()) if len(finite) else np.nan,
                kendall(then, now.astype(np.float64)),
                changed(bench, key[0], own[0][0].where),
            )
        )
    return found


def _main(table: Table) -> NDArray[np.float32]:
    """Return the main validation metric after the last epoch (N, S)."""
    return table.trials(at="final")


def _seed(table: Table, again: Again) -> int:
    return int(np.flatnonzero(table.seed == again.seed)[0])


def _equal(table: Table, again: Again, trained: Trained) -> bool:
    """Say whether every number of a training is the recorded one, bit for bit."""
    k = _seed(table, again)
    now = {}
    for name, curve in trained.curves.items():
        split, _, metric = name.partition("/")
        metric = again.where.task.trained_on if split == "train" else metric
        now[Point("curve", split, metric)] = curve
    now |= {Point("final", "test", metric): [value] for metric, value in trained.test.items()}
    return all(
        np.array_equal(
            np.atleast_1d(table.columns[point].values[again.row, k]),
            np.array(values, np.float32),
            equal_nan=True,
        )
        for point, values in now.items()
        if point in table.columns
    )
