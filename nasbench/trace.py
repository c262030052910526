"""What happened in a block of runs, step by step: the checkpoint, and all that reports are made of.

Columns, not rows: a lookup run takes milliseconds, so its record must not take longer.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nasbench.budget import Budget, Cost
from nasbench.errors import BadFile, BadValue
from nasbench.metrics.regret import incumbent
from nasbench.search import Outcome, Query
from nasbench.table import Floats

if TYPE_CHECKING:
    import pandas as pd

_HEAD = {"benchmark", "content_sha256", "space", "task", "schedule", "answers", "metric", "sign"}
_HEAD |= {"method", "params", "source_sha256", "budget"}
_TYPES = {"params": dict, "budget": dict, "sign": int}
"""Of what the head says that is no text."""
_COLUMNS = {"seed": "<i8", "start": "<i8", "arch": "|i1", "epochs": "<i4"}
_COLUMNS |= {"value": "<f8", "seconds": "<f8"}
_STEPS = ("arch", "epochs", "value", "seconds")


@dataclass(frozen=True, eq=False, repr=False)
class Traces:
    """R runs of one method on one table, of T steps together.

    `head` says what was run: enough to repeat it. `seed` (R,) tells the runs apart, run r has steps
    `start[r]` to `start[r + 1]`. Per step: the architecture (T, D), the epochs it was trained for,
    the validation value in the task's unit, and the seconds this training took (NaN if unknown).

    Of a one-shot method a step is an epoch of its supernet, the architecture is what it would pick
    then, and the value what a full training of that gives (NaN: there is none). `info` has more
    numbers (T,) for each step, by name.
    """

    head: Mapping[str, Any]
    seed: NDArray[np.int64]
    start: NDArray[np.int64]
    arch: NDArray[np.int8]
    epochs: NDArray[np.int32]
    value: Floats
    seconds: Floats
    info: Mapping[str, Floats] = field(default_factory=dict[str, "Floats"])

    @classmethod
    def record(
        cls,
        head: Mapping[str, Any],
        runs: Mapping[int, Sequence[Outcome]],
        info: Sequence[Mapping[str, float]] = (),
    ) -> Traces:
        """Make columns of the outcomes of each seed, and of what is told about each step."""
        names = sorted({name for step in info for name in step})
        steps = list(chain.from_iterable(runs.values()))
        genes = chain.from_iterable(outcome.query.arch for outcome in steps)

        def column(numbers: Iterable[float], kind: str) -> Any:
            return np.fromiter(numbers, _COLUMNS[kind], -1)

        return cls(
            head,
            column(runs, "seed"),
            np.cumsum([0, *map(len, runs.values())], dtype=np.int64),
            column(genes, "arch").reshape(len(steps), -1 if steps else 0),
            column((outcome.cost.epochs for outcome in steps), "epochs"),
            column((outcome.value for outcome in steps), "value"),
            column((outcome.cost.seconds for outcome in steps), "seconds"),
            {name: column((s.get(name, np.nan) for s in info), "value") for name in names},
        )

    def __len__(self) -> int:
        return len(self.seed)

    def __repr__(self) -> str:
        where = "/".join(self.head[key] for key in ("benchmark", "space", "task"))
        return f"<{len(self)} runs of {self.head['method']} on {where}, {len(self.value):,} steps>"

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Traces)
            and self.head == other.head
            and all(
                np.array_equal(getattr(self, name), getattr(other, name), equal_nan=True)
                for name in _COLUMNS
            )
            and self.info.keys() == other.info.keys()
            and all(np.array_equal(self.info[n], other.info[n], equal_nan=True) for n in self.info)
        )

    __hash__ = None  # type: ignore[assignment]

    def steps(self, run: int) -> slice:
        """Where run number `run` stands in the columns."""
        return slice(int(self.start[run]), int(self.start[run + 1]))

    def outcomes(self, run: int) -> list[Outcome]:
        """Rebuild what the method was answered, in order: with the seed, all a replay needs."""
        part, sign = self.steps(run), int(self.head["sign"])
        columns = (self.arch[part], self.epochs[part], self.value[part], self.seconds[part])
        rows = zip(*(column.tolist() for column in columns), strict=True)
        return [
            Outcome(Query(tuple(arch), epochs), value, sign * value, Cost(1, epochs, seconds))
            for arch, epochs, value, seconds in rows
        ]

    @property
    def one_shot(self) -> bool:
        """Whether these are choices of a one-shot method, of which the last one counts."""
        return "one_shot" in self.head

    @property
    def live(self) -> bool:
        """Whether the networks were trained, or looked up among trainings, not in a table."""
        return bool(self.head["schedule"] == "live")

    @property
    def judged(self) -> NDArray[np.int64]:
        """The step (T,) that its run would be judged by if it ended at each: see `incumbent`."""
        if self.one_shot:
            return np.arange(len(self.value))
        return incumbent(self.score, self.epochs, self.start)

    @property
    def score(self) -> Floats:
        """The values (T,) turned so that more is better."""
        return int(self.head["sign"]) * self.value

    def frame(self) -> pd.DataFrame:
        """Return one step a row, as pandas: seed, step (from 1), architecture and the columns."""
        import pandas as pd

        lengths = np.diff(self.start)
        step = np.arange(1, len(self.value) + 1) - np.repeat(self.start[:-1], lengths)
        columns: dict[str, Any] = {"seed": np.repeat(self.seed, lengths), "step": step}
        columns["arch"] = list(map(tuple, self.arch.tolist()))
        columns |= {
            "epochs": self.epochs,
            "value": self.value,
            "seconds": self.seconds,
            **self.info,
        }
        return pd.DataFrame(columns)

    def save(self, path: Path) -> None:
        """Write one `.npz` that numpy alone can read, atomically; equal traces, equal bytes."""
        from nasbench.store import atomic

        head = np.frombuffer(json.dumps(dict(self.head), sort_keys=True).encode(), np.uint8)
        columns = {name: getattr(self, name).astype(kind) for name, kind in _COLUMNS.items()}
        columns |= {f"info_{name}": values for name, values in self.info.items()}
        with atomic(path) as file:
            np.savez_compressed(file, head=head, **columns)

    @classmethod
    def load(cls, path: Path) -> Traces:
        """Read what `save` wrote; raises `BadFile` for anything else."""
        try:
            with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
                head = dict(json.loads(file["head"].tobytes()))
                columns = {name: file[name] for name in _COLUMNS}
                more = [name for name in file.files if name.startswith("info_")]
                info = {name.removeprefix("info_"): file[name] for name in more}
        except Exception as error:  # a damaged archive fails in many ways
            raise BadFile(f"{path} is no file of traces: {error}") from error
        if lacks := sorted(_HEAD - head.keys()):
            raise BadFile(f"{path} is of another version of nasbench: it doesn't say {lacks}")
        if wrong := sorted(key for key in _HEAD if not isinstance(head[key], _TYPES.get(key, str))):
            raise BadFile(f"{path} was changed: what it says of {wrong} is of another type")
        try:
            Budget(**head["budget"])
        except (TypeError, BadValue) as error:
            raise BadFile(f"{path} was changed: {head['budget']} is no budget") from error
        for name, array in columns.items():
            if array.dtype != np.dtype(_COLUMNS[name]) or array.ndim != 1 + (name == "arch"):
                raise BadFile(f"{path} was changed: {name} has another type or other axes")
        start, steps = columns["start"], {len(columns[name]) for name in _STEPS}
        steps |= {len(np.atleast_1d(values)) for values in info.values()}
        whole = len(start) == len(columns["seed"]) + 1 and start[0] == 0
        if not whole or (np.diff(start) < 0).any() or steps != {start[-1]}:
            raise BadFile(f"{path} is no file of traces: its columns don't fit together")
        return cls(head, **columns, info=info)

    @classmethod
    def join(cls, blocks: Sequence[Traces]) -> Traces:
        """Make one of blocks of seeds with one head, ordered by seed; raises `BadValue`."""
        heads = [block.head for block in blocks]
        if any(head != heads[0] for head in heads):
            raise BadValue(f"blocks of different runs can't be joined: {heads}")
        blocks = sorted(blocks, key=lambda block: block.seed.tolist())
        seed = np.concatenate([block.seed for block in blocks])
        if len(np.unique(seed)) < len(seed):
            raise BadValue(f"{heads[0]['method']}: a seed occurs twice")
        steps = np.concatenate([np.diff(block.start) for block in blocks])
        width, *more = {block.arch.shape[1] for block in blocks if len(block.arch)} or {0}
        if more:
            raise BadValue(f"{heads[0]['method']}: its architectures are of different lengths")
        return cls(
            heads[0],
            seed,
            np.cumsum([0, *steps], dtype=np.int64),
            np.concatenate([block.arch.reshape(len(block.epochs), width) for block in blocks]),
            np.concatenate([block.epochs for block in blocks]),
            np.concatenate([block.value for block in blocks]),
            np.concatenate([block.seconds for block in blocks]),
            {
                name: np.concatenate([block.info[name] for block in blocks])
                for name in blocks[0].info
                if all(name in block.info for block in blocks)
            },
        )
