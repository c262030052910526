"""A benchmark as CSV, Parquet or NPZ: every number of it, for other programs and to come back.

CSV and Parquet are one long table, a number a row: `COLUMNS`, described in `docs/format.md`. What
was not measured has no row. `nasbench import csv` reads the CSV back, to the same content_sha256.
"""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nasbench.errors import BadFile, BadValue
from nasbench.store import RECIPES, Benchmark, atomic
from nasbench.table import Column, Info, Rows, Table

CSV_VERSION = 1
WORDS = ("space", "task", "schedule", "trial", "seed", "at", "split", "metric")
COLUMNS = (*WORDS, "architecture", "value")
TOLD = ("title", "citation", "answers", "source", "source_sha256", "licence", "notes", "left_out")
"""What a header says of where the numbers come from, as in `nasbench.store.write`."""


class Block(NamedTuple):
    """Numbers of all architectures (N,) and the words they share; "" is what does not apply.

    `at` is "best", "final" or an epoch. Seconds of training have no split. Facts about
    architectures have neither split nor schedule, and a task only where they differ by task.
    """

    space: str
    task: str
    schedule: str
    trial: str
    seed: str
    at: str
    split: str
    metric: str
    values: NDArray[Any]


def convert(bench: Benchmark, to: str, out: Path) -> None:
    """Write a whole benchmark as `to`: "csv" (gzipped where `out` ends in .gz), "parquet" or "npz".

    An existing file is replaced when the new one is complete. Raises `BadValue` for another format,
    and `BadFile` for Parquet without pyarrow.
    """
    if to not in WRITERS:
        raise BadValue(f"no format {to!r}; there are: {', '.join(WRITERS)}")
    with atomic(out) as file:
        WRITERS[to](bench, file, out)


def tables(bench: Benchmark) -> Iterator[tuple[str, Table]]:
    """Yield (space, table) for every schedule, the default one of a task first."""
    for space, task in bench:
        for schedule in bench.schedules(space, task):
            yield space, bench[space, task, schedule]


def arrays(bench: Benchmark) -> Iterator[tuple[str, NDArray[Any]]]:
    """Yield every array with its path in the file, as `docs/format.md` lists them."""
    rows: dict[str, Rows] = {}
    for space, table in tables(bench):
        rows[space] = table.rows
        group = f"{space}/{table.task.name}/{table.schedule}"
        yield f"{group}/epoch", table.epoch
        yield f"{group}/seed", table.seed
        if table.seconds is not None:
            yield f"{group}/seconds", table.seconds
        for point, column in table.columns.items():
            yield f"{group}/{point}", column.values
    for space, own in rows.items():
        yield from ((f"{space}/{name}", getattr(own, name)) for name in ("arch", "name"))
        yield f"{space}/trained_as", own.trained_as
        yield from ((f"{space}/info/{name}", info.values) for name, info in own.info.items())


def described(bench: Benchmark) -> dict[str, Any]:
    """Say what the long table can't: provenance, and the shape and attributes of every array."""
    spaces: dict[str, Any] = {}
    for space, table in tables(bench):
        info = {name: _attributes(fact) for name, fact in table.rows.info.items()}
        own = spaces.setdefault(space, {"space": table.space.name, "info": info, "tasks": {}})
        columns = {str(point): _attributes(column) for point, column in table.columns.items()}
        own["tasks"].setdefault(table.task.name, {})[table.schedule] = {
            "epoch": table.epoch.tolist(),
            "seed": table.seed.tolist(),
            "seconds": _seconds_at(table),
            "columns": columns,
        }
    keys = ("benchmark", *TOLD, "content_sha256", *([RECIPES] if RECIPES in bench.header else []))
    told = {key: bench.header[key] for key in keys}
    return {**told, "spaces": spaces}


def _attributes(array: Info | Column) -> dict[str, Any]:
    return {**vars(array), "values": array.values.dtype.str}


def _seconds_at(table: Table) -> str:
    if table.seconds is None:
        return ""
    return "curve" if table.seconds.ndim == 3 else "final"


def blocks(bench: Benchmark) -> Iterator[tuple[Rows, list[Block]]]:
    """Yield the long table: the facts of each space, then the numbers of each of its tables."""
    told = set()
    for space, table in tables(bench):
        if space not in told:
            told.add(space)
            yield table.rows, list(_facts(space, table.rows))
        yield table.rows, list(_numbers(space, table))


def _facts(space: str, rows: Rows) -> Iterator[Block]:
    def fact(name: str, values: NDArray[Any], task: str = "") -> Block:
        if values.dtype.kind in "iu" and (np.abs(values) > 2**53).any():
            raise BadValue(f"{space}, {name}: a number above 2^53 has no place in the long table")
        return Block(space, task, "", "", "", "", "", name, values)

    yield fact("trained_as", rows.trained_as)
    for name, info in rows.info.items():
        if info.tasks:
            for task, values in zip(info.tasks, info.values.T, strict=True):
                yield fact(name, values, task)
        else:
            yield fact(name, info.values)


def _numbers(space: str, table: Table) -> Iterator[Block]:
    columns = [(p.at, p.split, p.metric, column.values) for p, column in table.columns.items()]
    if table.seconds is not None:
        columns.append((_seconds_at(table), "", "seconds", table.seconds))
    head = space, table.task.name, table.schedule
    for at, split, metric, values in columns:
        for trial, seed in enumerate(table.seed.tolist()):
            who = str(trial), "" if seed < 0 else str(seed)
            if at != "curve":
                yield Block(*head, *who, at, split, metric, values[:, trial])
                continue
            for i, epoch in enumerate(table.epoch.tolist()):
                yield Block(*head, *who, str(epoch), split, metric, values[:, trial, i])


def _csv(bench: Benchmark, file: BinaryIO, out: Path) -> None:
    zipped = gzip.GzipFile("", "wb", 6, file, mtime=0) if out.suffix == ".gz" else None
    with zipped or nullcontext():
        text = io.TextIOWrapper(zipped or file, encoding="utf-8", newline="")
        text.write(f"# nasbench_csv: {CSV_VERSION}\n")
        for key, value in described(bench).items():
            text.write(f"# {key}: {json.dumps(value)}\n")
        text.write(",".join(COLUMNS) + "\n")
        for rows, found in blocks(bench):
            names = np.array([_quoted(name) for name in rows.names])
            for block in found:
                words = ",".join(map(_quoted, block[:-1]))
                there = block.values == block.values
                numbers = block.values[there].astype(str).tolist()
                lines = zip(names[there].tolist(), numbers, strict=True)
                text.write("".join(f"{words},{name},{number}\n" for name, number in lines))
        text.flush()
        text.detach()


def _quoted(word: str) -> str:
    return f'"{word.replace(chr(34), chr(34) * 2)}"' if set(word) & set(',"\r\n') else word


def _parquet(bench: Benchmark, file: BinaryIO, out: Path) -> None:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise BadFile("parquet needs pyarrow: pip install 'nasbench[parquet]'") from None
    word = pa.dictionary(pa.int32(), pa.string())
    types = dict.fromkeys(COLUMNS, word) | {"trial": pa.int32(), "seed": pa.int64()}
    header = {"nasbench": json.dumps(described(bench))}
    schema = pa.schema(list((types | {"value": pa.float64()}).items()), header)
    with parquet.ParquetWriter(file, schema) as writer:
        for rows, found in blocks(bench):
            values = np.concatenate([block.values.astype(np.float64) for block in found])
            there = values == values
            columns = []
            for place, name in enumerate(WORDS):
                said = [block[place] or None for block in found]
                coded = pa.array(said, pa.string()).cast(types[name])
                columns.append(coded.take(pa.array(np.repeat(np.arange(len(said)), len(rows)))))
            each = pa.array(np.tile(np.arange(len(rows), dtype=np.int32), len(found)))
            columns += [pa.DictionaryArray.from_arrays(each, pa.array(rows.names)), values]
            writer.write_table(pa.table(columns, schema).filter(pa.array(there)))


def _npz(bench: Benchmark, file: BinaryIO, out: Path) -> None:
    header = np.array(json.dumps(described(bench)))
    # h5py marks its string types in a way that NPZ can't keep, and doesn't need
    plain = {path: array.view(array.dtype.str) for path, array in arrays(bench)}
    np.savez(file, allow_pickle=False, header=header, **plain)


WRITERS: dict[str, Callable[[Benchmark, BinaryIO, Path], None]] = {
    "csv": _csv,
    "parquet": _parquet,
    "npz": _npz,
}
