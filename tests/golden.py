"""Write the golden files: `python -m tests.golden`, when a method or network is meant to change.

A golden trace is the first steps of a method on made-up values: an accident shows as a difference.
So it does in the snapshot of how large our TransNAS-Bench-101 networks are, which was not
published for all of them.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nasbench.budget import Budget
from nasbench.find import find
from nasbench.loop import run
from tests.made_up import BLACK_BOX, history, made_up

FOLDER = Path(__file__).parents[1] / "results" / "golden"


def golden(runner: str) -> dict[str, Any]:
    """Run 40 queries with seed 0 on the cell space, and say what was asked and what came back."""
    table = made_up("transnas_cell", "class_scene")
    known = history(runner, table, [0])
    traces = run(runner, table, [0], Budget(queries=40), history=known)
    rows = zip(traces.arch, traces.value.tolist(), strict=True)
    steps = [f"{table.rows.names[table.row(arch)]} {value:.4f}" for arch, value in rows]
    return {"runner": runner, "table": table.address, "seed": 0, "steps": steps}


def counted() -> Iterator[list[str]]:
    """Count all TransNAS-Bench-101 encoders as published, on 256x256 pixels: rows of a CSV."""
    from nasbench.nets import count_encoders

    yield ["architecture", "params", "macs"]
    for space in (find("spaces", "transnas_cell"), find("spaces", "transnas_macro")):
        for arch, (counts, _) in zip(space, count_encoders(space, space, 256), strict=True):
            yield [space.spell(arch), str(counts.params), str(counts.macs)]


def write() -> None:
    """Write them all."""
    FOLDER.mkdir(exist_ok=True)
    for runner in BLACK_BOX:
        text = json.dumps(golden(runner), indent=1)
        (FOLDER / f"{runner}.json").write_text(text + "\n")
    lines = io.StringIO()
    csv.writer(lines, lineterminator="\n").writerows(counted())
    packed = gzip.compress(lines.getvalue().encode(), mtime=0)
    (FOLDER / "transnas_networks.csv.gz").write_bytes(packed)


if __name__ == "__main__":
    write()
