"""Write the golden traces: `python -m tests.golden`, when a method is meant to have changed.

A golden trace is the first steps of a method on made-up values: an accident shows as a difference.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from nasbench.budget import Budget
from nasbench.find import names
from nasbench.loop import run
from tests.made_up import made_up

FOLDER = Path(__file__).parents[1] / "results" / "golden"


def golden(runner: str) -> dict[str, Any]:
    """Run 40 queries with seed 0 on the cell space, and say what was asked and what came back."""
    table = made_up("transnas_cell", "class_scene")
    traces = run(runner, table, [0], Budget(queries=40))
    rows = zip(traces.arch, traces.value.tolist(), strict=True)
    steps = [f"{table.rows.names[table.row(arch)]} {value:.4f}" for arch, value in rows]
    return {"runner": runner, "table": table.address, "seed": 0, "steps": steps}


def write() -> None:
    """Write them all."""
    FOLDER.mkdir(exist_ok=True)
    for runner in names("runners"):
        text = json.dumps(golden(runner), indent=1)
        (FOLDER / f"{runner}.json").write_text(text + "\n")


if __name__ == "__main__":
    write()
