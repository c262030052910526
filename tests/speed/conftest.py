"""Benchmarks to measure: the real table, where it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nasbench.benchmark import import_benchmark


@pytest.fixture(scope="session")
def home(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A data folder with the real transnas101 in it; NASBENCH_HOME points there."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NASBENCH_HOME", str(folder))
        import_benchmark("transnas101", shared / "data/transnas101/transnas101_best.csv.gz")
        yield folder
