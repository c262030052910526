"""A study: the same files whoever runs it, resumed where it stopped, never mixed with another."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from nasbench.budget import Budget
from nasbench.errors import BadFile, BadValue, Diverged, RunnerFailed
from nasbench.loop import Method, run
from nasbench.search import Problem, Query, Search, ask
from nasbench.shard import Shard
from nasbench.store import Benchmark
from nasbench.study import study, units
from nasbench.trace import Traces
from tests.made_up import write_made_up

METHODS = [Method.parse(m) for m in ("random_search", "regularized_evolution:population=5")]
BUDGET = Budget(queries=20)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    return Benchmark(write_made_up(tmp_path_factory.mktemp("bench") / "made_up.h5"))


def digests(out: Path) -> dict[str, str]:
    return {
        str(path.relative_to(out)): sha256(path.read_bytes()).hexdigest()
        for path in sorted(out.rglob("*.*"))
        if path.is_file()
    }


def do(bench: Benchmark, out: Path, executor: Executor | None = None, seeds: int = 130) -> int:
    todo = units(bench, out, METHODS, seeds, BUDGET)
    return len(list(study(todo, executor)))


def test_bytes_do_not_depend_on_who_runs_it(bench: Benchmark, tmp_path: Path) -> None:
    assert do(bench, tmp_path / "here") == 3 * 2 * 6
    with ProcessPoolExecutor(2) as pool:
        do(bench, tmp_path / "processes", pool)
    with ThreadPoolExecutor(3) as threads:
        do(bench, tmp_path / "threads", threads)
    here = digests(tmp_path / "here")
    assert here == digests(tmp_path / "processes") == digests(tmp_path / "threads")
    assert "traces/cell/jigsaw/regularized_evolution,population=5/seeds_000100.npz" in here


def test_shards_copied_into_one_folder_are_the_study(bench: Benchmark, tmp_path: Path) -> None:
    do(bench, tmp_path / "whole")
    for number in (1, 2, 3):
        out = tmp_path / str(number)
        todo = units(bench, out, METHODS, 130, BUDGET, shard=Shard(number, 3))
        assert len(todo) == 12
        for unit in todo:
            unit.run()
        shutil.copytree(out, tmp_path / "all", dirs_exist_ok=True)
    assert digests(tmp_path / "all") == digests(tmp_path / "whole")
    with pytest.raises(BadValue, match="shard 4/3: expected 1/N to N/N"):
        units(bench, tmp_path, METHODS, 130, BUDGET, shard=Shard(4, 3))


def thinks_for_ever(problem: Problem, rng: np.random.Generator) -> Search:
    yield from ask(Query(problem.space.sample(rng)))
    while True:
        pass


def test_a_method_that_never_asks_is_stopped(
    bench: Benchmark, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nasbench.watch.PATIENCE", 0.3)
    table = bench["cell", "jigsaw"]
    with pytest.raises(RunnerFailed, match="seed 0, step 2: it asked nothing for 0"):
        run(thinks_for_ever, table, [0], BUDGET)
    assert len(run("random_search", table, [0], BUDGET).frame()) == 20
    assert signal.getsignal(signal.SIGALRM) is signal.SIG_DFL
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


def learns_from_the_last(problem: Problem, rng: np.random.Generator) -> Search:
    for _ in range(20):
        yield from ask(Query(problem.space.sample(rng)))
    raise RuntimeError("it was told, with nothing left to ask")


def test_a_spent_budget_is_not_thought_about(bench: Benchmark) -> None:
    table = bench["cell", "jigsaw"]
    for budget in (BUDGET, Budget(epochs=20 * table.epochs)):
        assert len(run(learns_from_the_last, table, [0], budget).frame()) == 20
    with pytest.raises(RunnerFailed, match="step 21: RuntimeError: it was told"):
        run(learns_from_the_last, table, [0], Budget(queries=21))


def test_what_is_finished_is_not_done_again(bench: Benchmark, tmp_path: Path) -> None:
    todo = units(bench, tmp_path, METHODS, 130, BUDGET)
    for unit in todo[:5]:
        unit.run()
    before = {unit.file: unit.file.stat().st_mtime_ns for unit in todo[:5]}
    assert units(bench, tmp_path, METHODS, 130, BUDGET) == todo[5:]
    do(bench, tmp_path)
    assert {path: path.stat().st_mtime_ns for path in before} == before


@pytest.mark.parametrize("more", ["seeds", "budget", "both"])
def test_more_seeds_or_a_larger_budget_continue_it(
    more: str, bench: Benchmark, tmp_path: Path
) -> None:
    """Of a block that was begun, and of one more."""
    seeds = 30 if more == "budget" else 60
    budget = BUDGET if more == "seeds" else Budget(queries=30)
    do(bench, tmp_path / "grown", seeds=30)
    list(study(units(bench, tmp_path / "grown", METHODS, seeds, budget)))
    list(study(units(bench, tmp_path / "at once", METHODS, seeds, budget)))
    assert digests(tmp_path / "grown") == digests(tmp_path / "at once")


def test_fewer_seeds_lose_nothing(bench: Benchmark, tmp_path: Path) -> None:
    do(bench, tmp_path, seeds=30)
    larger = Budget(queries=25)
    list(study(units(bench, tmp_path, METHODS, 10, larger)))
    assert {len(Traces.load(path)) for path in tmp_path.rglob("*.npz")} == {25, 5}


def test_a_changed_runner_is_not_continued(bench: Benchmark, tmp_path: Path) -> None:
    mine = tmp_path / "mine.py"
    code = (
        "from nasbench.search import Query, ask\n"
        "def search(problem, rng):\n"
        "    while True:\n"
        "        yield from ask(Query(problem.space.sample(rng)))\n"
    )
    mine.write_text(code)
    list(study(units(bench, tmp_path, [Method(str(mine))], 3, BUDGET)))
    assert not units(bench, tmp_path, [Method(str(mine))], 3, BUDGET)
    mine.write_text(code + "\n# the same, with a remark")
    list(study(units(bench, tmp_path, [Method(str(mine))], 3, BUDGET)))
    mine.write_text(code.replace("sample(rng)", "at(7)"))
    with pytest.raises(Diverged, match=r"mine\.py, seed 0, step 1: was"):
        list(study(units(bench, tmp_path, [Method(str(mine))], 3, BUDGET)))


def annealing(problem: Problem, rng: np.random.Generator) -> Search:
    for step in range(int(problem.budget.queries)):
        asked = problem.space.at(int(100 * step / problem.budget.queries))
        yield from ask(Query(asked))


def test_a_method_that_looks_at_its_budget_is_run_again(bench: Benchmark, tmp_path: Path) -> None:
    for queries in (10, 20):
        todo = units(bench, tmp_path, [Method(annealing)], 2, Budget(queries=queries))
        list(study(todo))
    traces = Traces.load(next(tmp_path.rglob("*.npz")))
    assert np.diff(traces.start).tolist() == [20, 20]


def test_names_of_methods_must_differ(bench: Benchmark, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "mine.py").write_text("def search(problem, rng):\n    yield\n")
    methods = [Method(str(tmp_path / folder / "mine.py")) for folder in ("a", "b")]
    with pytest.raises(BadValue, match=r"two methods, or tables, go by the same name: mine\.py"):
        units(bench, tmp_path / "out", methods, 2, BUDGET)


def test_a_name_is_no_path(bench: Benchmark, tmp_path: Path) -> None:
    def named(problem: Problem, rng: np.random.Generator, *, path: str = "") -> Search:
        yield from ask(Query(problem.space.sample(rng)))

    method = Method(named, {"path": "../../../../../escaped"})
    list(study(units(bench, tmp_path / "out", [method], 2, BUDGET)))
    assert {path.name for path in tmp_path.iterdir()} == {"out"}
    assert all(path.parents[3].name == "traces" for path in tmp_path.rglob("*.npz"))


def test_a_folder_is_of_one_benchmark(bench: Benchmark, tmp_path: Path) -> None:
    do(bench, tmp_path, seeds=2)
    file = next(tmp_path.rglob("*.npz"))
    traces = Traces.load(file)
    columns = (traces.seed, traces.start, traces.arch, traces.epochs, traces.value, traces.seconds)
    for path in tmp_path.rglob("*.npz"):
        Traces({**traces.head, "benchmark": "other"}, *columns).save(path)
    with pytest.raises(BadValue, match="is a study of other: use another --out for made_up"):
        units(bench, tmp_path, METHODS, 2, BUDGET)


def test_the_budget_can_only_grow(bench: Benchmark, tmp_path: Path) -> None:
    do(bench, tmp_path, seeds=2)
    for budget in (Budget(queries=10), Budget(epochs=1000)):
        with pytest.raises(
            BadValue, match=r"these are runs of 20 queries, asked were 1.*: a budget can only"
        ):
            units(bench, tmp_path, METHODS, 2, budget)


def test_another_benchmark_needs_another_folder(bench: Benchmark, tmp_path: Path) -> None:
    do(bench, tmp_path, seeds=2)
    file = next(tmp_path.rglob("*.npz"))
    traces = Traces.load(file)
    head = {**traces.head, "content_sha256": "other"}
    columns = (traces.seed, traces.start, traces.arch, traces.epochs, traces.value, traces.seconds)
    Traces(head, *columns).save(file)
    with pytest.raises(
        BadValue, match=r"with content_sha256 other, asked was .*; use another --out"
    ):
        units(bench, tmp_path, METHODS, 2, BUDGET)


def failing(problem: Problem, rng: np.random.Generator) -> Search:
    yield from ask(Query(problem.space.sample(rng)))
    raise ValueError("no more ideas")


@pytest.mark.parametrize("parallel", [False, True])
def test_a_failure_keeps_what_was_finished(
    parallel: bool, bench: Benchmark, tmp_path: Path
) -> None:
    methods = [METHODS[0], Method(failing)]
    todo = units(bench, tmp_path, methods, 5, BUDGET)
    why = "failing, seed 0, step 2: ValueError: no more ideas"
    with ProcessPoolExecutor(2) as pool, pytest.raises(RunnerFailed, match=why):
        list(study(todo, pool if parallel else None))
    files = [path.name for path in tmp_path.rglob("*") if path.is_file()]
    assert set(files) <= {"seeds_000000.npz"}
    assert all(Traces.load(path) for path in tmp_path.rglob("*.npz"))
    assert not (tmp_path / "traces/cell/jigsaw/failing").exists()


def test_a_function_goes_to_other_processes(bench: Benchmark, tmp_path: Path) -> None:
    steps = 3

    def closure(problem: Problem, rng: np.random.Generator) -> Search:
        for _ in range(steps):
            yield from ask(Query(problem.space.sample(rng)))

    with ProcessPoolExecutor(1) as pool:
        list(study(units(bench, tmp_path, [Method(closure)], 2, BUDGET), pool))
    traces = [Traces.load(path) for path in tmp_path.rglob("*.npz")]
    assert [np.diff(t.start).tolist() for t in traces] == [[3, 3]] * 3


def test_a_function_of_a_script_is_the_same_in_other_processes(
    bench: Benchmark, tmp_path: Path
) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\nfrom concurrent.futures import ProcessPoolExecutor\n"
        "from multiprocessing import get_context\nfrom pathlib import Path\n"
        "from nasbench import Benchmark, Budget, Query, ask\nfrom nasbench.loop import Method\n"
        "from nasbench.study import study, units\n\n"
        "def mine(problem, rng):\n    while True:\n"
        "        yield from ask(Query(problem.space.sample(rng)))\n\n"
        "if __name__ == '__main__':\n    bench, out = Benchmark(sys.argv[1]), Path(sys.argv[2])\n"
        "    todo = lambda name: units(bench, out / name, [Method(mine)], 3, Budget(queries=5))\n"
        "    list(study(todo('here')))\n"
        "    with ProcessPoolExecutor(1, get_context('spawn')) as pool:\n"
        "        list(study(todo('there'), pool))\n"
        "    assert not todo('there')\n"
    )
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    subprocess.run([sys.executable, script, bench.path, tmp_path], env=env, check=True)
    assert digests(tmp_path / "here") == digests(tmp_path / "there")


def test_what_cannot_be_sent_says_so(bench: Benchmark, tmp_path: Path) -> None:
    import threading

    lock = threading.Lock()

    def closure(problem: Problem, rng: np.random.Generator) -> Search:
        with lock:
            yield from ask(Query(problem.space.sample(rng)))

    todo = units(bench, tmp_path, [Method(closure)], 2, BUDGET)
    with ProcessPoolExecutor(1) as pool, pytest.raises(BadValue, match="put it into a file"):
        list(study(todo, pool))


def test_a_dead_worker_is_one_line(bench: Benchmark, tmp_path: Path) -> None:
    def deadly(problem: Problem, rng: np.random.Generator) -> Search:
        import os

        os._exit(9)
        yield from ask(Query((0,)))

    todo = units(bench, tmp_path, [Method(deadly)], 2, BUDGET)
    with ProcessPoolExecutor(2) as pool, pytest.raises(RunnerFailed, match="a worker process died"):
        list(study(todo, pool))


@pytest.mark.parametrize("damage", ["cut", "text", "empty"])
def test_a_damaged_trace_is_named(damage: str, bench: Benchmark, tmp_path: Path) -> None:
    do(bench, tmp_path, seeds=2)
    file = sorted(tmp_path.rglob("*.npz"))[0]
    data = file.read_bytes()
    file.write_bytes({"cut": data[: len(data) // 2], "text": b"hello", "empty": b""}[damage])
    with pytest.raises(BadFile, match=r"seeds_000000\.npz is no file of traces"):
        units(bench, tmp_path, METHODS, 2, BUDGET)


def test_traces_read_back_as_they_were_written(bench: Benchmark, tmp_path: Path) -> None:
    traces = run("local_search", bench["cell", "jigsaw"], range(3), Budget(epochs=300, seconds=9e3))
    traces.save(tmp_path / "traces.npz")
    again = Traces.load(tmp_path / "traces.npz")
    assert again == traces
    again.save(tmp_path / "again.npz")
    assert (tmp_path / "again.npz").read_bytes() == (tmp_path / "traces.npz").read_bytes()
    assert traces != run("local_search", bench["cell", "jigsaw"], range(3), BUDGET)
    frame = traces.frame()
    assert len(frame) == traces.start[-1]
    assert frame.groupby("seed")["step"].max().tolist() == np.diff(traces.start).tolist()


def test_a_study_needs_a_seed(bench: Benchmark, tmp_path: Path) -> None:
    with pytest.raises(BadValue, match="a study of 0 seeds"):
        units(bench, tmp_path, METHODS, 0, BUDGET)
