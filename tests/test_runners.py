"""What every method must do, whoever wrote it: drop a file in runners/ and it is tested."""

from __future__ import annotations

import inspect
import os
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nasbench.budget import Budget, Cost
from nasbench.errors import BadValue, Diverged, NotRecorded, RunnerFailed
from nasbench.evaluate import FromTable
from nasbench.find import find
from nasbench.loop import Method, run, run_method
from nasbench.networks import Networks
from nasbench.search import AskTell, Outcome, Problem, Query, Runner, Search, ask, ask_all, drive
from nasbench.space import Architecture, Grid, Scale
from nasbench.table import Table
from nasbench.trace import Traces
from tests.made_up import BLACK_BOX, CHEAP, ERROR, LARGE, SMALL, history, made_up

ROOT = Path(__file__).parents[1]
RUNNERS = BLACK_BOX
BUDGET = Budget(queries=60)


class Tiny(Grid):
    """Eight architectures, so that a search can get to know them all."""

    name = "tiny"
    choices = (2, 2, 2)
    example = "101"
    scale = Scale(width=8, depth=1)

    def spell(self, arch: Architecture) -> str:
        return "".join(map(str, arch))

    def read(self, text: str) -> Architecture:
        if re.fullmatch("[01]{3}", text):
            return tuple(map(int, text))
        raise self.outside(text)

    def build(self, arch: Architecture, scale: Scale | None = None) -> Any:
        from torch import nn

        return nn.Sequential(nn.Conv2d(3, 4 + self.index(arch), 3), nn.ReLU())


@pytest.fixture(scope="module", params=["more is better", "less is better"])
def table(request: pytest.FixtureRequest) -> Table:
    return made_up(task="class_scene" if request.param == "more is better" else ERROR)


def trial(
    runner: str, table: Table, seeds: Sequence[int], budget: Budget, done: Traces | None = None
) -> Traces:
    """Run a method, which is given another task's traces if it needs them."""
    known = history(runner, table, seeds)
    return run(runner, table, seeds, budget, done=done, history=known, **CHEAP.get(runner, {}))


@pytest.mark.parametrize("space", SMALL)
@pytest.mark.parametrize("runner", RUNNERS)
def test_runs_on_every_space(runner: str, space: str) -> None:
    traces = trial(runner, made_up(space), range(2), Budget(queries=30))
    assert all(tuple(arch) in find("spaces", space) for arch in traces.arch.tolist())
    assert traces.start[-1] > 0


@pytest.mark.parametrize("space", LARGE)
@pytest.mark.parametrize("runner", [r for r in RUNNERS if "history" not in Method(r).needs])
def test_runs_on_a_space_too_large_to_be_listed(runner: str, space: str) -> None:
    """Nothing goes through it; an architecture is good where its numbers are large."""
    found, task = find("spaces", space), find("tasks", "class_scene")
    budget, networks = Budget(queries=12), Networks(found)
    problem = Problem(found, task, 9, budget, lambda arch: {"params": 7.0 + sum(arch)}, networks)
    params = {"proxy": "params"} if runner == "zero_cost" else {}
    search = AskTell(Method(runner, params).search(problem, np.random.default_rng(0), **params))
    for _ in range(12):
        query = search.ask()
        assert query.arch in found
        value = float(sum(query.arch))
        search.tell(Outcome(query, value, value, Cost(queries=1, epochs=query.epochs or 9)))


@pytest.mark.parametrize("runner", RUNNERS)
def test_same_seed_same_trace(runner: str, table: Table) -> None:
    assert trial(runner, table, [3], BUDGET) == trial(runner, table, [3], BUDGET)


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run every method in another process, all in one, because libraries take their time to load.

    The last one first, so that none of them can owe its trace to those before it.
    """
    code = (
        "import sys; from pathlib import Path\n"
        "from tests.made_up import made_up; from tests.test_runners import BUDGET, RUNNERS, trial\n"
        "for runner in RUNNERS[::-1]:\n"
        "    trial(runner, made_up(), [3], BUDGET).save(Path(sys.argv[1], runner))"
    )
    folder, env = tmp_path_factory.mktemp("elsewhere"), {**os.environ, "PYTHONHASHSEED": "7"}
    subprocess.run([sys.executable, "-c", code, folder], cwd=ROOT, env=env, check=True)
    return folder


@pytest.mark.parametrize("runner", RUNNERS)
def test_same_seed_same_trace_in_another_process(runner: str, elsewhere: Path) -> None:
    assert Traces.load(elsewhere / runner) == trial(runner, made_up(), [3], BUDGET)


@pytest.mark.parametrize("runner", RUNNERS)
def test_another_seed_another_trace(runner: str, table: Table) -> None:
    traces = trial(runner, table, range(3), BUDGET)
    asked = {traces.arch[traces.steps(i)].tobytes() for i in range(3)}
    assert len(asked) == 3, f"{runner} asks the same with different seeds"


def _global_state() -> str:
    with np.printoptions(threshold=10_000):
        return f"{random.getstate()} {np.random.get_state()}"  # noqa: NPY002


@pytest.mark.parametrize("runner", RUNNERS)
def test_leaves_the_global_generators_alone(runner: str, table: Table) -> None:
    before = _global_state()
    trial(runner, table, [0], BUDGET)
    assert _global_state() == before


@pytest.mark.parametrize("runner", RUNNERS)
@pytest.mark.parametrize(
    "budget", [Budget(queries=17), Budget(epochs=200), Budget(seconds=3000), Budget(1000, 99, 5e4)]
)
def test_stays_within_budget_and_uses_it(runner: str, budget: Budget, table: Table) -> None:
    traces = trial(runner, table, [0], budget)
    assert len(traces.value) <= budget.queries
    assert traces.epochs.sum() <= budget.epochs
    assert traces.seconds.sum() <= budget.seconds
    one_more = (1, 9, traces.seconds.max())
    used = (len(traces.value), traces.epochs.sum(), traces.seconds.sum())
    limits = (budget.queries, budget.epochs, budget.seconds)
    assert any(u + 3 * more > limit for u, more, limit in zip(used, one_more, limits, strict=True))


@pytest.mark.parametrize("runner", RUNNERS)
def test_resumes_where_it_stopped(runner: str, table: Table) -> None:
    some = trial(runner, table, [0], Budget(queries=23))
    assert trial(runner, table, range(2), BUDGET, done=some) == trial(
        runner, table, range(2), BUDGET
    )


@pytest.mark.parametrize("runner", RUNNERS)
def test_copes_with_a_space_it_gets_to_know(runner: str) -> None:
    traces = trial(runner, made_up(Tiny()), range(3), Budget(queries=100))
    assert all(0 < n <= 100 for n in np.diff(traces.start))


@pytest.mark.parametrize("runner", RUNNERS)
def test_says_what_it_is(runner: str) -> None:
    module = import_module(f"nasbench.runners.{runner}")
    assert re.search(r"\b(19|20)\d\d\b", module.__doc__ or ""), "name the paper and its year"
    problem, rng, *params = inspect.signature(module.search).parameters.values()
    assert (problem.name, rng.name) == ("problem", "rng")
    for param in params:
        assert param.kind is param.KEYWORD_ONLY
        assert param.default is not param.empty


@pytest.mark.parametrize("runner", ["regularized_evolution", "local_search"])
def test_beats_random_search_where_neighbours_are_alike(runner: str, table: Table) -> None:
    def found(name: str) -> float:
        traces = run(name, table, range(20), Budget(queries=150))
        return float(np.mean([traces.score[traces.steps(i)].max() for i in range(20)]))

    assert found(runner) > found("random_search")


def _copy(folder: Path) -> Path:
    for name in ("nasbench", "spaces", "tasks", "runners", "results", "tests"):
        shutil.copytree(ROOT / name, folder / name, symlinks=True)
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


WRONG = {
    "ignores_its_seed": "rng = np.random.default_rng(0)",
    "asks_outside": "space = Outside()",
    "does_it_right": "pass",
}
FILE = '''"""Random search, 2019, made wrong in one line."""
import numpy as np
from nasbench.search import Problem, Query, Search, ask

class Outside:
    def sample(self, rng):
        return tuple(rng.integers(9, size=6).tolist())

def search(problem: Problem, rng: np.random.Generator) -> Search:
    """Ask for anything."""
    space = problem.space
    {line}
    while True:
        yield from ask(Query(space.sample(rng)))
'''


def test_wrong_runners_dropped_into_the_folder_are_found(tmp_path: Path) -> None:
    copy = _copy(tmp_path)
    for name, line in WRONG.items():
        (copy / "runners" / f"{name}.py").write_text(FILE.format(line=line))
    module = "tests/test_runners.py"
    some = f"({' or '.join(WRONG)}) and not another_process"  # which would run all, and end at one
    command = [sys.executable, "-m", "pytest", module, "-q", "-k", some, "-rA"]
    command += ["-p", "no:cacheprovider", "-W", "error"]
    done = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)
    failed = re.findall(rf"^FAILED {module}::(\w+)\[(.*?)\]", done.stdout, re.MULTILINE)
    passed = re.findall(rf"^PASSED {module}::(\w+)\[(.*?)\]", done.stdout, re.MULTILINE)

    def tests(found: list[tuple[str, str]], runner: str) -> set[str]:
        return {test for test, case in found if runner in case}

    assert "test_another_seed_another_trace" in tests(failed, "ignores_its_seed"), done.stdout
    assert "test_runs_on_every_space" in tests(failed, "asks_outside")
    assert "test_another_seed_another_trace" in tests(passed, "does_it_right")
    assert not tests(failed, "does_it_right")


def test_evolution_keeps_its_population_and_lets_the_oldest_die(table: Table) -> None:
    traces = run("regularized_evolution", table, [1], BUDGET, population=8, tournament=8)
    archs, score = list(map(tuple, traces.arch.tolist())), traces.score
    for step in range(8, len(archs)):
        living = range(step - 8, step)
        near = {table.space.index(a) for a in table.space.neighbours(archs[step])}
        parents = [i for i in living if table.space.index(archs[i]) in near]
        assert parents, "a child is one change away from one of the eight youngest"
        assert any(score[i] >= np.median(score[list(living)]) for i in parents)


def test_evolution_with_a_tournament_of_one_is_blind(table: Table) -> None:
    blind = run("regularized_evolution", table, range(20), BUDGET, tournament=1)
    picky = run("regularized_evolution", table, range(20), BUDGET, tournament=10)
    assert blind.score.mean() < picky.score.mean()


@pytest.mark.parametrize("first", [True, False])
def test_local_search_ends_in_local_optima_and_asks_nothing_twice(
    first: bool, table: Table
) -> None:
    traces = run("local_search", table, range(3), Budget(queries=400), first=first)
    for i in range(3):
        part = traces.steps(i)
        archs = list(map(tuple, traces.arch[part].tolist()))
        assert len(set(archs)) == len(archs)
        score = dict(zip(archs, traces.score[part].tolist(), strict=True))
        known = [a for a in archs if all(near in score for near in table.space.neighbours(a))]
        tops = [a for a in known if all(score[a] >= score[n] for n in table.space.neighbours(a))]
        assert tops, "400 queries are enough to stand on a top"


def test_local_search_moves_to_the_best_of_all_neighbours(table: Table) -> None:
    traces = run("local_search", table, [5], BUDGET, first=False, starts=3)
    archs, score = list(map(tuple, traces.arch.tolist())), traces.score
    start = int(np.argmax(score[:3]))
    first = set(archs[3:21])
    assert first <= set(table.space.neighbours(archs[start]))
    step = 3 + int(np.argmax(score[3 : 3 + len(table.space.neighbours(archs[start]))]))
    assert archs[25] in table.space.neighbours(archs[step])


def walk(stride: int, steps: int = 1000) -> Runner:
    def search(problem: Problem, rng: np.random.Generator) -> Search:
        for step in range(steps):
            yield from ask(Query(problem.space.at(step * stride % len(problem.space))))

    return search


def test_a_changed_method_does_not_resume(table: Table) -> None:
    past = run(walk(1), table, [0], Budget(queries=30))
    with pytest.raises(Diverged, match=r"search, seed 0, step 2: was .* is now .* has changed"):
        run(walk(2), table, [0], BUDGET, done=past)
    with pytest.raises(Diverged, match=r"search, seed 0: it ended 25 steps earlier than before"):
        run(walk(1, steps=5), table, [0], BUDGET, done=past)


def test_runs_are_not_continued_as_other_runs(table: Table) -> None:
    past = run("random_search", table, [0], BUDGET)
    with pytest.raises(BadValue, match="runs with space transnas_cell, asked was transnas_macro"):
        run("random_search", made_up("transnas_macro", table.task), [0], BUDGET, done=past)
    with pytest.raises(BadValue, match="runs with method random_search, asked was local_search"):
        run("local_search", table, [0], BUDGET, done=past)
    with pytest.raises(BadValue, match="runs of 60 queries, asked were 7 queries: a budget can"):
        run("random_search", table, [0], Budget(queries=7), done=past)


def test_what_is_asked_must_be_whole_numbers_whatever_was_asked_before(table: Table) -> None:
    def real(problem: Problem, rng: np.random.Generator) -> Search:
        yield from ask(Query((0,) * 6))
        yield from ask(Query((0.0,) * 6))  # type: ignore[arg-type]

    with pytest.raises(RunnerFailed, match=r"step 2: \(0.0, .*\) is not in transnas_cell"):
        run(real, table)


@pytest.mark.parametrize("kind", [list, np.array])
def test_what_is_asked_may_be_any_sequence(kind: Any, table: Table) -> None:
    def lists(problem: Problem, rng: np.random.Generator) -> Search:
        while True:
            yield from ask(Query(kind(problem.space.sample(rng))))

    some = run(lists, table, [0], Budget(queries=5))
    more = run(lists, table, [0], BUDGET, done=some)
    assert np.array_equal(more.arch, run("random_search", table, [0], BUDGET).arch)


def test_a_method_is_handed_facts_and_no_table(table: Table) -> None:
    def curious(problem: Problem, rng: np.random.Generator) -> Search:
        assert problem.measure((1, 1, 1, 1, 1, 1)) == {"params": 6007}
        assert not hasattr(problem.measure, "__self__")
        yield from ask(Query((0,) * 6))

    assert len(run(curious, table).value) == 1


def test_epochs_are_charged_as_asked(table: Table) -> None:
    def short(problem: Problem, rng: np.random.Generator) -> Search:
        while True:
            yield from ask(Query(problem.space.sample(rng), epochs=2))

    traces = run(short, table, [0], Budget(epochs=21))
    assert (len(traces.value), set(traces.epochs.tolist())) == (10, {2})
    assert len(run(short, table, [0], Budget(queries=2.5)).value) == 2


class Counted(FromTable):
    """A table that remembers what it was asked."""

    def __init__(self, table: Table) -> None:
        super().__init__(table)
        self.asked: list[Query] = []

    def __call__(self, query: Query) -> Outcome:
        self.asked.append(query)
        return super().__call__(query)


def batches(problem: Problem, rng: np.random.Generator) -> Search:
    while True:
        yield from ask_all([Query(problem.space.sample(rng), epochs) for epochs in (2, 9, 1)])


@pytest.mark.parametrize(
    ("method", "budget", "steps"),
    [
        ("random_search", Budget(queries=11), 11),
        ("regularized_evolution", Budget(queries=7), 7),
        ("local_search", Budget(epochs=40), 4),
        (batches, Budget(queries=4), 4),
        (batches, Budget(epochs=22), 4),
        (batches, Budget(epochs=14), 4),
        (batches, Budget(epochs=1), 0),
    ],
)
def test_nothing_is_trained_that_the_budget_does_not_pay_for(
    method: str | Runner, budget: Budget, steps: int, table: Table
) -> None:
    evaluate = Counted(table)
    traces = run_method(Method(method), evaluate, [0], budget)
    assert len(evaluate.asked) == len(traces.value) == steps


def broken(problem: object, rng: object) -> Search:
    yield from ask(Query((0,) * 6))
    raise KeyError("oops")


def strange(problem: object, rng: object) -> Search:
    yield 5  # type: ignore[misc]


def empty(problem: object, rng: object) -> Search:
    yield []


def too_long(problem: object, rng: object) -> Search:
    yield from ask(Query((0,) * 6, epochs=10))


def outside(problem: object, rng: object) -> Search:
    yield from ask(Query((0, 0, 0, 0, 0, 4)))


def no_generator(problem: object, rng: object) -> list[int]:
    return []


def leaves(problem: object, rng: object) -> Search:
    raise SystemExit(0)
    yield


def refuses(problem: object, rng: object) -> Search:
    raise ValueError("not today")


@pytest.mark.parametrize(
    ("runner", "why"),
    [
        (broken, "broken, seed 4, step 2: KeyError: 'oops'"),
        (strange, "strange, seed 4, step 1: it yielded 5: a search yields a Query"),
        (empty, r"it yielded \[\]"),
        (too_long, "has no epoch 10; its epochs are 1 to 9"),
        (outside, r"\(0, 0, 0, 0, 0, 4\) is not in transnas_cell: .* look like 64-41414-1_02_333"),
        (leaves, "leaves, seed 4, step 1: SystemExit: 0"),
        (refuses, "refuses, seed 4: ValueError: not today"),
        (no_generator, r"no_generator returned \[\]: a runner is a generator function"),
    ],
)
def test_a_runner_that_fails_is_named(runner: object, why: str) -> None:
    with pytest.raises(RunnerFailed, match=why):
        run(runner, made_up(), [4])  # type: ignore[arg-type]


def needy(problem: object, rng: object, *, need: int) -> Search:
    yield from ()


def shy(problem: object) -> Search:
    yield from ()


@pytest.mark.parametrize(
    ("runner", "why"), [(needy, "a default for every"), (shy, "must be search")]
)
def test_a_runner_of_another_signature_is_refused(runner: Any, why: str) -> None:
    with pytest.raises(BadValue, match=why):
        run(runner, made_up())


def test_a_runner_that_is_no_function_is_refused() -> None:
    with pytest.raises(BadValue, match="its search is 5, not a function"):
        run(5, made_up())  # type: ignore[arg-type]


def test_a_users_file_may_hold_a_dataclass(tmp_path: Path, table: Table) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text(
        "from __future__ import annotations\nfrom dataclasses import dataclass\n"
        "from nasbench.search import Query, ask\n\n"
        "@dataclass\nclass Seen:\n    best: float = 0.0\n\n"
        "def search(problem, rng):\n    yield from ask(Query(problem.space.sample(rng)))\n"
    )
    assert len(run(str(mine), table).value) == 1


def test_a_batch_is_answered_in_order_and_cut_at_the_budget(table: Table) -> None:
    asked: list[Architecture] = []

    def batches(problem: object, rng: np.random.Generator) -> Search:
        while True:
            archs = [table.space.sample(rng) for _ in range(4)]
            outcomes = yield from ask_all([Query(arch, epochs=2) for arch in archs])
            assert [outcome.query.arch for outcome in outcomes] == archs
            asked.extend(archs)

    traces = run(batches, table, [0], Budget(queries=10))
    assert list(map(tuple, traces.arch.tolist()))[:8] == asked
    assert (len(traces.value), set(traces.epochs.tolist())) == (10, {2})


def test_generator_and_ask_tell_are_one_thing(table: Table) -> None:
    def twice(problem: object, rng: np.random.Generator) -> Search:
        inner = find("runners", "regularized_evolution")(problem, rng)
        return drive(AskTell(inner))

    once = run("regularized_evolution", table, [2], BUDGET)
    assert np.array_equal(run(twice, table, [2], BUDGET).arch, once.arch)


def test_ask_tell_answers_a_batch_when_all_of_it_is_told(table: Table) -> None:
    def in_turn(problem: Problem, rng: np.random.Generator) -> Search:
        return drive(AskTell(batches(problem, rng)))

    assert run(in_turn, table, [2], BUDGET).head["method"] == "in_turn"
    assert np.array_equal(
        run(in_turn, table, [2], BUDGET).arch, run(batches, table, [2], BUDGET).arch
    )


def test_a_runner_lives_in_a_users_file(tmp_path: Path, table: Table) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text((ROOT / "runners" / "random_search.py").read_text())
    mine_traces = run(str(mine), table, [0], BUDGET)
    assert mine_traces.head["method"] == "mine.py"
    assert (mine_traces.arch == run("random_search", table, [0], BUDGET).arch).all()


@pytest.mark.parametrize(
    ("text", "params"),
    [
        ("random_search", {}),
        ("regularized_evolution:population=50:tournament=10", {"population": 50, "tournament": 10}),
        ("local_search:first=False", {"first": False}),
        ("ows:like=12_c8_1:k3c8x1-k3c8x1:steps=9", {"like": "12_c8_1:k3c8x1-k3c8x1", "steps": 9}),
    ],
)
def test_a_method_reads_as_it_is_written(text: str, params: dict[str, object]) -> None:
    method = Method.parse(text)
    assert (str(method), method.params) == (text, params)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            "random_search:population=5",
            "takes no 'population'; it takes target, tolerance",
        ),
        ("local_search:stars=5", "local_search takes no 'stars'; it takes starts, first"),
        ("local_search:starts", "parameters are written name=value"),
    ],
)
def test_a_wrong_parameter_is_answered(text: str, why: str) -> None:
    with pytest.raises(BadValue, match=why):
        Method.parse(text)


def test_no_search_without_validation_results() -> None:
    table = made_up()
    test = {point: column for point, column in table.columns.items() if point.split == "test"}
    with pytest.raises(NotRecorded, match="has no best/valid/top1"):
        run("random_search", replace(table, columns=test))


def test_no_budget_in_seconds_without_seconds() -> None:
    table = replace(made_up(), seconds=None)
    with pytest.raises(RunnerFailed, match="step 1: its seconds are not known: budget in queries"):
        run("random_search", table, budget=Budget(seconds=5))
    assert np.isnan(run("random_search", table, budget=Budget(epochs=90)).seconds).all()
