"""How long people wait for a number: `make bench`. Each promise stands beside its measurement.

Groups compare like with like in one run. Nothing is asserted about time here; the numbers, with
the machine they are from, are in `docs/performance.md`.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import nasbench
from nasbench.store import Benchmark
from nasbench.table import Table

ARCH = "64-41414-1_02_333"
CODE = {
    "import numpy": "import numpy",
    "import nasbench": "import nasbench",
    "first number": f"import nasbench; "
    f"nasbench.open('transnas101')['cell', 'jigsaw'].value('{ARCH}')",
}


@pytest.fixture(scope="module")
def bench(home: Path) -> Benchmark:
    return nasbench.open("transnas101")


@pytest.fixture(scope="module")
def table(bench: Benchmark) -> Table:
    return bench["cell", "jigsaw"]


@pytest.mark.parametrize("what", CODE)
@pytest.mark.benchmark(group="cold process")
def test_cold_process(benchmark: Any, what: str, home: Path) -> None:
    """Promise: first number <= 0.25 s; `import nasbench` <= 0.15 s more than `import numpy`."""
    command = [sys.executable, "-c", CODE[what]]
    benchmark.pedantic(lambda: subprocess.run(command, check=True), rounds=15, warmup_rounds=2)


@pytest.mark.benchmark(group="open")
def test_open(benchmark: Any, home: Path) -> None:
    """Promise: <= 5 ms."""
    benchmark(nasbench.open, "transnas101")


@pytest.mark.benchmark(group="open")
def test_open_and_read_every_best_value(benchmark: Any, bench: Benchmark) -> None:
    """No promise: the same as below, with a file opened for it each time."""

    def read() -> int:
        opened = Benchmark(bench.path)
        return sum(len(opened[key].scores()) for key in opened)

    assert benchmark(read) == 51_464


@pytest.mark.benchmark(group="whole benchmark")
def test_every_best_value(benchmark: Any, bench: Benchmark) -> None:
    """Promise: all 51,464 in <= 5 ms."""
    assert benchmark(lambda: sum(len(bench[key].scores()) for key in bench)) == 51_464


def _queries(table: Table) -> dict[str, Callable[[], object]]:
    plain = dict(zip(table.rows.names, table.values().tolist(), strict=True))
    arch = table.space.read(ARCH)
    return {
        "a dict, for comparison": lambda: plain[ARCH],
        "value by spelling": lambda: table.value(ARCH),
        "value by tuple": lambda: table.value(arch),
        "value of another split": lambda: table.value(arch, "test", "top5", "best"),
        "record": lambda: table.query(arch),
    }


@pytest.mark.parametrize(
    "what",
    [
        "a dict, for comparison",
        "value by spelling",
        "value by tuple",
        "value of another split",
        "record",
    ],
)
@pytest.mark.benchmark(group="one query")
def test_query(benchmark: Any, what: str, table: Table) -> None:
    """Promise: a value <= 2 us, a Record <= 10 us."""
    benchmark(_queries(table)[what])


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="resident size: Linux only")
def test_resident_memory(benchmark: Any, home: Path) -> None:
    """Promise: <= 80 MB after opening; printed, and in `extra_info`."""
    code = (
        "import nasbench, resource; bench = nasbench.open('transnas101');"
        "print(int(open('/proc/self/statm').read().split()[1]) * resource.getpagesize())"
    )
    command = [sys.executable, "-c", code]
    done = benchmark.pedantic(
        lambda: subprocess.run(command, check=True, capture_output=True, text=True), rounds=3
    )
    benchmark.extra_info["resident_mb"] = int(done.stdout) / 2**20
    print(f"\nresident after opening: {int(done.stdout) / 2**20:.0f} MB")
