"""Importing the published TransNAS-Bench-101, at its full size with made-up numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nasbench.benchmark import import_benchmark
from tests import transnas_pth as source


@pytest.mark.benchmark(group="import the published TransNAS-Bench-101, 7,352 x 7 with curves")
def test_import(benchmark: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Promise: 10 s."""
    monkeypatch.setenv("NASBENCH_HOME", str(tmp_path / "home"))
    path = source.save(source.made_up(), tmp_path / "transnas-bench_v10141024.pth")
    bench = benchmark.pedantic(import_benchmark, ("transnas101", path), rounds=1)
    assert len(bench["cell", "jigsaw"]) == 4_096
