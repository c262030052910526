"""Side by side with the published API of NATS-Bench, on the same made-up archives: `make bench`.

One archive has all 15,625 cells, with the schedule of 12 epochs only, for sweeps and searches; the
other 200 cells with all there is, for memory. Where the peer does less than we do, its name says
how much, and `extra_info` what the whole would take.
"""

from __future__ import annotations

import random
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import nasbench
from nasbench.benchmark import import_benchmark
from nasbench.budget import Budget
from nasbench.store import Benchmark
from nasbench.table import Table
from tests import nats_archive as archive

peer = pytest.importorskip("nats_bench", reason="no nats-bench to compare with")

CELLS, RECORDS = 15_625, 200
RUNS, QUERIES, POPULATION, TOURNAMENT = 500, 100, 50, 10
THEIR_RUNS = 20


def imported(path: Path, home: Path) -> Benchmark:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NASBENCH_HOME", str(home))
        return import_benchmark("nasbench201", path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All cells, 12 epochs."""
    return archive.write_folder(tmp_path_factory.mktemp("all"), "tss", only="12")


@pytest.fixture(scope="module")
def whole(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    return imported(folder, tmp_path_factory.mktemp("ours_all"))


@pytest.fixture(scope="module")
def table(whole: Benchmark) -> Table:
    return whole["cifar10"]


@pytest.fixture(scope="module")
def api(folder: Path) -> Any:
    """The peer, with every record read once."""
    opened = peer.create(str(folder), "tss", fast_mode=True, verbose=False)
    sweep(opened)
    return opened


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some cells, 12 and 200 epochs."""
    return archive.write_folder(tmp_path_factory.mktemp("some"), "tss", RECORDS)


@pytest.fixture(scope="module")
def one_file(records: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as one file."""
    return archive.write_file(tmp_path_factory.mktemp("one") / "all.pickle.pbz2", "tss", RECORDS)


@pytest.fixture(scope="module")
def bench(records: Path, tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    return imported(records, tmp_path_factory.mktemp("ours_some"))


def sweep(opened: Any) -> float:
    """Ask the peer for the mean validation accuracy of every cell."""
    told = (
        opened.get_more_info(k, "cifar10-valid", hp="12", is_random=False) for k in range(CELLS)
    )
    return max(float(each["valid-accuracy"]) for each in told)


# ------------------------------------------------------------------------------------------ open


@pytest.mark.benchmark(group="NATS 1: open 200 records")
def test_open_ours(benchmark: Any, bench: Benchmark) -> None:
    benchmark(lambda: Benchmark(bench.path))


@pytest.mark.benchmark(group="NATS 1: open 200 records")
def test_open_ours_and_read_one_number(benchmark: Any, bench: Benchmark) -> None:
    benchmark(lambda: Benchmark(bench.path)["cifar10"].value(7))


@pytest.mark.benchmark(group="NATS 1: open 200 records")
def test_open_peer_folder_and_read_one_number(benchmark: Any, records: Path) -> None:
    def first() -> Any:
        opened = peer.create(str(records), "tss", fast_mode=True, verbose=False)
        return opened.get_more_info(7, "cifar10-valid", hp="200", is_random=False)

    benchmark(first)


@pytest.mark.benchmark(group="NATS 1: open 200 records")
def test_open_peer_one_file(benchmark: Any, one_file: Path) -> None:
    def read() -> Any:
        return peer.create(str(one_file), "tss", fast_mode=False, verbose=False)

    benchmark.pedantic(read, rounds=3)


# ---------------------------------------------------------------------------------------- memory

MEMORY = {
    "ours": "import nasbench; bench = nasbench.open(sys.argv[1]);"
    "[bench[pair].query(row) for pair in bench for row in range(200)]",
    "peer": "import nats_bench;"
    "api = nats_bench.create(sys.argv[1], 'tss', fast_mode=True, verbose=False);"
    "[api.get_more_info(row, name, hp='200', is_random=False) for row in range(200)"
    " for name in ('cifar10-valid', 'cifar10', 'cifar100', 'ImageNet16-120')]",
}
RESIDENT = (
    "; import resource;"
    "print(int(open('/proc/self/statm').read().split()[1]) * resource.getpagesize())"
)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="resident size: Linux only")
@pytest.mark.parametrize("whose", MEMORY)
@pytest.mark.benchmark(group="NATS 2: a process that visits all of 200 records")
def test_resident_memory(benchmark: Any, whose: str, bench: Benchmark, records: Path) -> None:
    """The time of a cold process; its resident memory is printed, and in `extra_info`."""
    path = bench.path if whose == "ours" else records
    command = [sys.executable, "-c", "import sys;" + MEMORY[whose] + RESIDENT, str(path)]
    done = benchmark.pedantic(
        lambda: subprocess.run(command, check=True, capture_output=True, text=True), rounds=3
    )
    benchmark.extra_info["resident_mb"] = int(done.stdout) / 2**20
    print(f"\n{whose}: {int(done.stdout) / 2**20:.0f} MB resident after visiting 200 records")


# --------------------------------------------------------------------------------------- queries


@pytest.mark.parametrize("what", ["ours: value", "ours: record", "peer: info", "peer: simulate"])
@pytest.mark.benchmark(group="NATS 3: one query, 12 epochs")
def test_query(benchmark: Any, what: str, table: Table, api: Any) -> None:
    """The peer has the record in memory already."""
    name = table.rows.names[7]
    queries: dict[str, Callable[[], object]] = {
        "ours: value": lambda: table.value(name),
        "ours: record": lambda: table.query(name),
        "peer: info": lambda: api.get_more_info(7, "cifar10-valid", hp="12", is_random=False),
        "peer: simulate": lambda: api.simulate_train_eval(name, "cifar10", hp="12"),
    }
    benchmark(queries[what])


@pytest.mark.benchmark(group="NATS 4: validation accuracy of all 15,625 cells, 12 epochs")
def test_sweep_ours_cold(benchmark: Any, whole: Benchmark) -> None:
    assert len(benchmark(lambda: Benchmark(whole.path)["cifar10"].scores())) == CELLS


@pytest.mark.benchmark(group="NATS 4: validation accuracy of all 15,625 cells, 12 epochs")
def test_sweep_peer_warm(benchmark: Any, api: Any) -> None:
    benchmark.pedantic(sweep, (api,), rounds=3)


@pytest.mark.benchmark(group="NATS 4: validation accuracy of all 15,625 cells, 12 epochs")
def test_sweep_peer_cold(benchmark: Any, folder: Path) -> None:
    def cold() -> float:
        return sweep(peer.create(str(folder), "tss", fast_mode=True, verbose=False))

    benchmark.pedantic(cold, rounds=1)


# -------------------------------------------------------------------------------------- searches


def ours(table: Table, runner: str, **params: Any) -> int:
    traces = nasbench.run(runner, table, range(RUNS), Budget(queries=QUERIES), **params)
    return len(traces)


def search(api: Any, table: Table, evolve: bool) -> None:
    """Search as one would with the peer: a plain loop, nothing recorded."""
    space, names = table.space, table.rows.names
    for seed in range(THEIR_RUNS):
        rng = random.Random(seed)
        living: deque[tuple[float, tuple[int, ...]]] = deque(maxlen=POPULATION)
        for step in range(QUERIES):
            arch = space.read(names[rng.randrange(CELLS)])
            if evolve and step >= POPULATION:
                parent = max(rng.choice(living) for _ in range(TOURNAMENT))[1]
                i = rng.randrange(6)
                gene = (parent[i] + 1 + rng.randrange(4)) % 5
                arch = (*parent[:i], gene, *parent[i + 1 :])
            value, *_ = api.simulate_train_eval(space.spell(arch), "cifar10", hp="12")
            living.append((value, arch))


@pytest.mark.benchmark(group="NATS 5: random search of 100 queries")
def test_random_search_ours_500_runs(benchmark: Any, table: Table) -> None:
    assert benchmark.pedantic(ours, (table, "random_search"), rounds=3) == RUNS


@pytest.mark.benchmark(group="NATS 5: random search of 100 queries")
def test_random_search_peer_20_runs(benchmark: Any, table: Table, api: Any) -> None:
    benchmark.pedantic(search, (api, table, False), rounds=3)
    scaled(benchmark)


@pytest.mark.benchmark(group="NATS 6: regularized evolution of 100 queries")
def test_evolution_ours_500_runs(benchmark: Any, table: Table) -> None:
    params = {"population": POPULATION, "tournament": TOURNAMENT}
    args = (table, "regularized_evolution")
    assert benchmark.pedantic(ours, args, params, rounds=3) == RUNS


@pytest.mark.benchmark(group="NATS 6: regularized evolution of 100 queries")
def test_evolution_peer_20_runs(benchmark: Any, table: Table, api: Any) -> None:
    benchmark.pedantic(search, (api, table, True), rounds=3)
    scaled(benchmark)


def scaled(benchmark: Any) -> None:
    """Say what 500 runs would take."""
    seconds = benchmark.stats.stats.median * RUNS / THEIR_RUNS
    benchmark.extra_info["seconds_for_500_runs"] = seconds
    print(f"\nthe peer's {THEIR_RUNS} runs, scaled to {RUNS}: {seconds:.1f} s")
