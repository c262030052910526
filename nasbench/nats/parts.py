"""Records become numbers, a block for each training and metric, in files that can be joined."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from functools import cache
from itertools import accumulate, pairwise
from operator import itemgetter
from pathlib import Path
from typing import Any
from weakref import finalize

import numpy as np
from numpy.typing import NDArray

from nasbench.errors import BadFile
from nasbench.nats.archive import EPOCHS, Kind
from nasbench.store import atomic
from nasbench.task import Metric

SETS = {
    "cifar10-valid": {"x-valid": "valid", "ori-test": "test"},
    "cifar10": {"ori-test": "test"},
    "cifar100": {"x-valid": "valid", "x-test": "test"},
    "ImageNet16-120": {"x-valid": "valid", "x-test": "test"},
}
"""By data set: the images its networks were evaluated on, and which split of ours that is.

The `ori-test` of the last two is their validation and test images together, so it is neither.
"""

TRAINED = {"top1": "train_acc1es", "top5": "train_acc5es", "loss": "train_losses"}
EVALUATED = {"top1": "eval_acc1es", "loss": "eval_losses"}
MILLION = 1_000_000

MOST_BLOCKS = 1000
"""A part of a real archive has about 200."""


class Part:
    """Numbers of some successive rows, by name, as they are collected.

    A name is `200/cifar10-valid/777/curve/valid/top1` (one number an epoch),
    `.../final/valid/top1` where only the last epoch was recorded, `.../seconds`, `.../params`.
    """

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.blocks: dict[str, NDArray[Any]] = {}

    def add(self, row: int, record: Any, name: str, what: str, kind: Kind) -> None:
        """Take over the record of the architecture of that name; raises `BadFile`."""
        try:
            for schedule, told in record.items():
                epochs = EPOCHS[schedule]
                if epochs not in kind.schedules or told["arch_str"] != name:
                    raise ValueError(f"it is of another architecture than {name}, or schedule")
                for (data_set, seed), trial in told["all_results"].items():
                    if trial["epochs"] != epochs or type(seed) is not int or seed < 0:
                        raise ValueError(f"a training is not of {epochs} epochs, or has no seed")
                    self._add(f"{epochs}/{data_set}/{seed}", row, trial, epochs, SETS[data_set])
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            why = " ".join(f"{type(error).__name__}: {error}"[:200].split())
            raise BadFile(f"{what} is no record of {kind.benchmark}: {why}") from error

    def _add(self, at: str, row: int, trial: Any, epochs: int, sets: Mapping[str, str]) -> None:
        for metric, field in TRAINED.items():
            if values := trial[field]:
                self._series(f"{at}/%s/train/{metric}", row, values, range(epochs))
        for name, split in sets.items():
            for metric, field in EVALUATED.items():
                if values := trial[field]:
                    self._series(f"{at}/%s/{split}/{metric}", row, values, _keys(name, epochs))
        if times := trial["train_times"]:
            spent = map(float, map(times.__getitem__, range(epochs)))
            self._put(f"{at}/seconds", row, list(accumulate(spent)))
        self._put(f"{at}/params", row, [round(float(trial["params"]) * MILLION)], "<f8")
        self._put(f"{at}/flops", row, [round(float(trial["flop"]) * MILLION)], "<f8")
        if (latency := trial["latency"]) and min(latency) > 0:
            self._put(f"{at}/latency", row, [sum(latency) / len(latency)], "<f8")

    def _series(self, name: str, row: int, values: Any, keys: Sequence[Any]) -> None:
        """Keep a curve, or its end where there is no more of it."""
        try:
            if len(keys) > 1:
                return self._put(name % "curve", row, _getter(keys)(values))
        except KeyError:
            if not values.keys().isdisjoint(keys[:-1]):
                return self._put(name % "curve", row, [values.get(key, np.nan) for key in keys])
        if keys[-1] in values:
            self._put(name % "final", row, [values[keys[-1]]])

    def _put(self, name: str, row: int, values: Sequence[float], dtype: str = "<f4") -> None:
        """Keep one row of a block; what is never put is NaN."""
        if name not in self.blocks:
            if len(self.blocks) == MOST_BLOCKS:
                raise ValueError("it is of more trainings than there are")
            self.blocks[name] = np.full((self.rows, len(values)), np.nan, dtype)
        self.blocks[name][row] = array("d", values)  # refuses what isn't a number

    def write(self, path: Path, sums: Sequence[str]) -> None:
        """Write the blocks after one line that says where each begins; `sums` are checksums."""
        offsets = accumulate((block.nbytes for block in self.blocks.values()), initial=0)
        told = {
            name: (offset, block.shape[1], block.dtype.str)
            for (name, block), offset in zip(self.blocks.items(), offsets, strict=False)
        }
        with atomic(path) as out:
            out.write(json.dumps({"rows": self.rows, "sums": sums, "blocks": told}).encode())
            out.write(b"\n")
            for block in self.blocks.values():
                out.write(block.data)


@cache
def _keys(name: str, epochs: int) -> Sequence[str]:
    return tuple(f"{name}@{epoch}" for epoch in range(epochs))


@cache
def _getter(keys: Sequence[Any]) -> itemgetter[Any]:
    return itemgetter(*keys)


class Parts:
    """All parts of an archive, from which blocks are put together; open until nobody needs it."""

    def __init__(self, paths: Iterable[Path]) -> None:
        stack = ExitStack()
        finalize(self, stack.close)
        self._files = [stack.enter_context(path.open("rb")) for path in paths]
        self._heads = [json.loads(file.readline()) for file in self._files]
        self._starts = [file.tell() for file in self._files]
        self._rows: list[int] = [*accumulate((head["rows"] for head in self._heads), initial=0)]
        self.sums: list[str] = [each for head in self._heads for each in head["sums"]]
        self.names = frozenset(name for head in self._heads for name in head["blocks"])

    def __len__(self) -> int:
        return self._rows[-1]

    def seeds(self, epochs: int, data_sets: Iterable[str]) -> list[int]:
        """List the seeds of a schedule's trainings on these data sets."""
        wanted = {(str(epochs), data_set) for data_set in data_sets}
        split = (name.split("/") for name in self.names)
        return sorted({int(seed) for a, b, seed, *_ in split if (a, b) in wanted})

    def read(self, name: str) -> NDArray[Any] | None:
        """Return a block of all rows (rows, width), NaN where a part lacks it; None if all do."""
        found = [head["blocks"].get(name) for head in self._heads]
        if name not in self.names:
            return None
        _, width, dtype = next(filter(None, found))
        block = np.full((len(self), width), np.nan, dtype)
        for file, start, place, rows in zip(
            self._files, self._starts, found, pairwise(self._rows), strict=True
        ):
            if place:
                file.seek(start + place[0])
                part = block[slice(*rows)]
                part[:] = np.fromfile(file, dtype, part.size).reshape(part.shape)
        return block

    def curve(self, start: str, what: str, main: Metric) -> NDArray[Any] | None:
        """Return the curve of a metric (rows, epochs), or None."""
        curve, end = self.read(f"{start}/curve/{what}"), self.read(f"{start}/final/{what}")
        if curve is not None and end is not None:
            curve[:, -1:] = np.where(np.isnan(end), curve[:, -1:], end)
        return curve

    def final(self, start: str, what: str, main: Metric) -> NDArray[Any] | None:
        """Return the last epoch of a curve (rows,), or what was recorded of that alone, or None."""
        found = self.curve(start, what, main)
        found = self.read(f"{start}/final/{what}") if found is None else found
        return None if found is None else found[:, -1]

    def best(self, start: str, what: str, main: Metric) -> NDArray[Any] | None:
        """Return a curve at the epoch with the best main validation metric (rows,), or None."""
        valid = self.read(f"{start}/curve/valid/{main.name}")
        curve = self.read(f"{start}/curve/{what}")
        if valid is None or curve is None:
            return None
        score = np.where(np.isnan(valid), -np.inf, main.sign * valid)
        values: NDArray[Any] = curve[np.arange(len(curve)), score.argmax(axis=1)]
        values[np.isnan(valid).all(axis=1)] = np.nan
        return values
