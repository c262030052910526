"""Searches that learn from other tasks: what they see, what they do, and what it gains."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import fields, replace
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nasbench.budget import Budget
from nasbench.errors import BadFile, BadValue, Diverged, NotApplicable, UnknownName
from nasbench.evaluate import FromTable
from nasbench.find import find
from nasbench.loop import SOURCE_SEEDS, Method, play, run
from nasbench.metrics.regret import regret
from nasbench.parts.controller import Controller
from nasbench.parts.history import best
from nasbench.parts.ppo import Learner
from nasbench.search import Outcome, Problem, Query, Search, Source, ask
from nasbench.space import Architecture
from nasbench.store import Benchmark, write
from nasbench.study import study
from nasbench.table import Floats, Table
from nasbench.trace import Traces
from nasbench.transfer import Plan, gains, plan, read, together, transfer_results
from tests.made_up import made_up
from tests.test_study import digests

BUDGET, MORE = Budget(queries=20), Budget(queries=40)
TASKS = ("class_scene", "jigsaw", "normal")


@pytest.fixture(scope="module")
def table() -> Table:
    return made_up()


@pytest.fixture(scope="module")
def evaluate(table: Table) -> FromTable:
    return FromTable(table)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    return Benchmark(written(tmp_path_factory.mktemp("bench") / "made_up.h5"))


def written(path: Path, test: float = 0.0) -> Path:
    """Write three tasks of the cells, whose test values can be other ones."""
    tables = []
    for number, task in enumerate(TASKS):
        made, rng = made_up(task=task), np.random.default_rng(number)
        noise = rng.normal(scale=3, size=len(made)).astype(np.float32)
        columns = {
            point: replace(
                column,
                values=column.values
                + (
                    test
                    if point.split == "test"
                    else noise.reshape(-1, *[1] * (column.values.ndim - 1))
                ),
            )
            for point, column in made.columns.items()
        }
        tables.append(("cell", replace(made, columns=columns)))
    header = dict.fromkeys(("title", "citation", "source", "source_sha256", "licence"), "none")
    header |= {"benchmark": "made_up", "answers": "best"}
    write(path, {**header, "notes": [], "left_out": []}, tables)
    return path


def answered(evaluate: FromTable, archs: Sequence[Architecture], sign: float = 1) -> list[Outcome]:
    return [
        replace(outcome, score=sign * outcome.score)
        for outcome in evaluate.many([Query(arch) for arch in archs])
    ]


def asked(
    evaluate: FromTable,
    runner: str,
    sources: Sequence[Source],
    queries: int,
    seed: int = 0,
    **params: Any,
) -> list[Architecture]:
    """What a method asks whose history is this, whatever the harness would let it see."""
    problem = replace(evaluate.problem(Budget(queries=queries)), history=sources)
    search = find("runners", runner)(problem, np.random.default_rng(seed), **params)
    outcomes = play(search, evaluate, Budget(queries=queries))
    return [outcome.query.arch for outcome in outcomes]


def drawn(table: Table, number: int, seed: int = 0) -> list[Architecture]:
    rows = np.random.default_rng(seed).choice(len(table), number, replace=False)
    return [table.rows.archs[row] for row in rows.tolist()]


def in_order(table: Table, archs: Sequence[Architecture]) -> list[Architecture]:
    scores = table.scores()
    return sorted(archs, key=lambda arch: -scores[table.row(arch)])


# ---------------------------------------------------------------------- what they do


def test_best_is_trained_longest_then_best_then_first() -> None:
    def outcome(arch: int, epochs: int, score: float) -> Outcome:
        made = answered(FromTable(made_up()), [(0, 0, 0, 0, 0, arch)])[0]
        return replace(made, score=score, cost=replace(made.cost, epochs=epochs))

    seen = [
        outcome(0, 9, 1),
        outcome(1, 3, 8),
        outcome(2, 9, 1),
        outcome(0, 3, 9),
        outcome(3, 9, 2),
    ]
    seen.append(outcome(1, 9, np.nan))
    found = [(o.query.arch[-1], o.cost.epochs) for o in best(Source("any", seen))]
    assert found == [(3, 9), (0, 9), (2, 9), (1, 3)]


def test_direct_transfer_from_the_target_itself_has_no_regret(
    evaluate: FromTable, table: Table
) -> None:
    everything = Source("itself", answered(evaluate, table.rows.archs))
    (found,) = asked(evaluate, "direct_transfer", [everything], 1)
    assert regret(table.scores(), np.array(table.row(found))) == 0


def test_direct_transfer_asks_each_once_best_first_and_ends(
    evaluate: FromTable, table: Table
) -> None:
    archs = drawn(table, 30)
    source = Source("other", answered(evaluate, [*archs, *archs[:5]]))
    assert asked(evaluate, "direct_transfer", [source], 100) == in_order(table, archs)


def test_sources_weigh_what_a_few_probes_say(evaluate: FromTable, table: Table) -> None:
    archs = drawn(table, 60)
    like, unlike = (Source(str(s), answered(evaluate, archs, s)) for s in (1, -1))
    found = asked(evaluate, "direct_transfer", [unlike, unlike, like], 100)
    probes, rest = found[:5], found[5:]
    assert sorted(found) == sorted(archs), "probes are not asked again"
    assert rest == in_order(table, [arch for arch in archs if arch not in probes])
    unweighed = asked(evaluate, "direct_transfer", [unlike, unlike, like], 100, probes=0)
    assert unweighed == in_order(table, archs)[::-1], "two against one"
    alike = asked(evaluate, "direct_transfer", [unlike, unlike], 100)
    assert alike[5:] == in_order(table, alike[5:])[::-1], "where none correlates all weigh the same"


def test_probes_are_what_most_sources_know(evaluate: FromTable, table: Table) -> None:
    archs = drawn(table, 40)
    one, other = (
        Source(n, answered(evaluate, part)) for n, part in (("a", archs[:25]), ("b", archs[20:]))
    )
    probes = [asked(evaluate, "direct_transfer", [one, other], 5, seed) for seed in range(2)]
    assert sorted(probes[0]) == sorted(probes[1]) == sorted(archs[20:25])
    assert probes[0] != probes[1]


def test_what_a_source_did_not_ask_is_its_middle(evaluate: FromTable, table: Table) -> None:
    ranked = in_order(table, drawn(table, 20))
    both = [
        Source("a", answered(evaluate, ranked[:10])),
        Source("b", answered(evaluate, ranked[10:])),
    ]
    found = asked(evaluate, "direct_transfer", both, 100, probes=0)
    assert set(found[:10]) == {*ranked[:5], *ranked[10:15]}


def test_evolution_begins_with_the_best_of_the_source(evaluate: FromTable, table: Table) -> None:
    archs = drawn(table, 50)
    found = asked(evaluate, "transfer_evolution", [Source("other", answered(evaluate, archs))], 30)
    assert found[:10] == in_order(table, archs)[:10]
    assert len(found) == 30, "they are paid for on the target"


def test_evolution_from_the_target_itself_begins_at_its_best(
    evaluate: FromTable, table: Table
) -> None:
    past = run("regularized_evolution", table, [3], Budget(queries=60))
    source = Source("itself", past.outcomes(0))
    (first,) = asked(evaluate, "transfer_evolution", [source], 1)
    assert table.scores()[table.row(first)] == past.score.max()


def test_evolution_takes_from_several_sources_in_turn(evaluate: FromTable, table: Table) -> None:
    one, other = in_order(table, drawn(table, 8, 1)), in_order(table, drawn(table, 3, 2))
    sources = [Source(n, answered(evaluate, archs)) for n, archs in (("a", one), ("b", other))]
    found = asked(evaluate, "transfer_evolution", sources, 8)
    assert found == [one[0], other[0], one[1], other[1], one[2], other[2], one[3], one[4]]


@pytest.mark.parametrize("runner", ["transfer_evolution", "transfer_ppo"])
def test_without_a_history_it_is_its_twin(runner: str, evaluate: FromTable) -> None:
    twin = Method(runner).twin
    assert twin
    assert asked(evaluate, runner, [], 40) == asked(evaluate, twin.name, [], 40)


def test_too_few_are_filled_up_at_random(evaluate: FromTable, table: Table) -> None:
    source = Source("other", answered(evaluate, drawn(table, 4)))
    found = [asked(evaluate, "transfer_evolution", [source], 10, seed) for seed in range(2)]
    assert found[0][:4] == found[1][:4]
    assert not set(found[0][4:]) & set(found[1][4:])


def test_a_policy_that_follows_its_own_trace_is_the_policy_that_made_it(
    evaluate: FromTable, table: Table
) -> None:
    settings = {"batch": 5, "epochs": 4, "clip": 0.2, "learning_rate": 1e-2, "entropy": 0.01}
    settings |= {"momentum": 0.95, "max_norm": 0.5}

    def learner() -> tuple[Controller, Learner, np.random.Generator]:
        rng = np.random.default_rng(7)
        controller = Controller(table.space, rng)
        return controller, Learner(controller, **settings), rng  # type: ignore[arg-type]

    explorer, explores, rng = learner()
    outcomes = play(explores.explore(rng), evaluate, Budget(queries=33))
    follower, follows, _ = learner()
    for _ in follows.follow(outcomes[:30]):
        pass
    for one, other in zip(explorer.arrays, follower.arrays, strict=True):
        assert np.array_equal(one, other)
    before = [array.copy() for array in learner()[0].arrays]
    assert not any(map(np.array_equal, before, follower.arrays)), "it learned something"


def test_a_policy_that_learned_draws_better_ones(evaluate: FromTable, table: Table) -> None:
    past = run("regularized_evolution", table, [0], Budget(queries=200))
    source, scores = Source("itself", past.outcomes(0)), table.scores()

    def mean(sources: list[Source]) -> float:
        archs = asked(evaluate, "transfer_ppo", sources, 20, learning_rate=5e-3)
        return float(np.mean([scores[table.row(arch)] for arch in archs]))

    assert mean([source]) > mean([]) + 5


def test_fine_tuning_is_slower(evaluate: FromTable, table: Table) -> None:
    source = Source("other", answered(evaluate, drawn(table, 20)))
    fast, slow, still = (
        asked(evaluate, "transfer_ppo", [source], 200, fine_tuning=rate, learning_rate=0.02)
        for rate in (1.0, 0.1, 0.0)
    )
    scores = table.scores()
    late = [np.mean([scores[table.row(a)] for a in found[-50:]]) for found in (slow, still)]
    assert fast[:5] == slow[:5] == still[:5]
    assert fast[5:] != slow[5:]
    assert late[0] > late[1]


# ---------------------------------------------------------------------- what they see


def past_runs(bench: Benchmark, task: str, seeds: Sequence[int] = (0,)) -> Traces:
    seeds = [seed + SOURCE_SEEDS for seed in seeds]
    return run("random_search", bench["cell", task], seeds, MORE)


def test_a_method_sees_validation_scores_of_others_alone(bench: Benchmark) -> None:
    seen: list[Problem] = []

    def spy(problem: Problem, rng: np.random.Generator) -> Search:
        seen.append(problem)
        yield from ask(Query(problem.space.sample(rng)))

    past = [past_runs(bench, task, range(2)) for task in ("normal", "jigsaw")]
    run(spy, bench["cell", "class_scene"], range(2), history=past)
    run(spy, bench["cell", "class_scene"])
    assert seen[-1].history == ()
    for seed, problem in enumerate(seen[:2]):
        assert [source.task for source in problem.history] == ["normal", "jigsaw"]
        for source, traces in zip(problem.history, past, strict=True):
            assert source.outcomes == traces.outcomes(seed)
            told = bench["cell", source.task]
            assert [o.value for o in source.outcomes] == [
                told.value(o.query.arch) for o in source.outcomes
            ]
    assert {field.name for field in fields(Source)} == {"task", "outcomes"}
    assert {field.name for field in fields(Outcome)} == {"query", "value", "score", "cost"}


def test_test_results_change_nothing(bench: Benchmark, tmp_path: Path) -> None:
    other = Benchmark(written(tmp_path / "other.h5", test=-40.0))
    for at, out in ((bench, "one"), (other, "two")):
        do(at, tmp_path / out, seeds=2)
    for one in sorted((tmp_path / "one").rglob("*.npz")):
        here = Traces.load(one)
        there = Traces.load(tmp_path / "two" / one.relative_to(tmp_path / "one"))
        assert np.array_equal(here.arch, there.arch)
        assert np.array_equal(here.value, there.value)


@pytest.mark.parametrize(
    ("tasks", "change", "why"),
    [
        (["jigsaw"], {}, "made_up/cell/jigsaw: jigsaw is target and source: a transfer is from"),
        (["normal", "normal"], {}, "made_up/cell/jigsaw: a source task occurs twice: normal, norm"),
        (["normal"], {"space": "macro"}, "with space cell can't learn from runs with macro"),
        (["normal"], {"benchmark": "b"}, "with benchmark made_up can't learn from runs with b"),
    ],
)
def test_what_cannot_be_learned_from(
    tasks: list[str], change: dict[str, str], why: str, bench: Benchmark
) -> None:
    past = [past_runs(bench, task) for task in tasks]
    past = [replace(traces, head={**traces.head, **change}) for traces in past]
    with pytest.raises(BadValue, match=why):
        run("direct_transfer", bench["cell", "jigsaw"], history=past)


def test_the_run_to_learn_from_must_be_there(bench: Benchmark) -> None:
    past = [past_runs(bench, "normal", range(2))]
    why = "no run with seed 1000002 on normal: the run with seed 2 learns from that one"
    with pytest.raises(BadValue, match=why):
        run("direct_transfer", bench["cell", "jigsaw"], range(3), history=past)


def test_without_a_source_it_is_not_applicable(bench: Benchmark) -> None:
    for runner in ("direct_transfer", "transfer_evolution", "transfer_ppo"):
        why = f"not applicable: {runner} needs searches on other tasks: nasbench transfer, or run"
        with pytest.raises(NotApplicable, match=why):
            run(runner, bench["cell", "jigsaw"])


def test_the_trace_says_what_was_learned_from(bench: Benchmark) -> None:
    past = [past_runs(bench, task) for task in ("normal", "class_scene")]
    target = bench["cell", "jigsaw"]
    head = run("transfer_evolution", target, budget=BUDGET, population=5, history=past).head
    assert head["method"] == "transfer_evolution:population=5 from 2 tasks"
    assert head["history"] == [traces.head for traces in past]
    assert head["twin"] == "regularized_evolution:population=5"
    alone = run("direct_transfer", target, budget=BUDGET, history=past[:1]).head
    assert alone["method"] == "direct_transfer from normal"
    assert alone["twin"] == "random_search", (
        "of a file that names no twin it is the source's method"
    )


def test_runs_that_learned_from_others_are_not_continued(bench: Benchmark) -> None:
    one, other = (past_runs(bench, task) for task in ("normal", "class_scene"))
    target = bench["cell", "jigsaw"]
    done = run("transfer_evolution", target, budget=BUDGET, history=[one])
    again = run("transfer_evolution", target, budget=MORE, history=[one], done=done)
    assert again == run("transfer_evolution", target, budget=MORE, history=[one])
    longer = [replace(one, head={**one.head, "budget": {"queries": 99}})]
    with pytest.raises(
        BadValue, match=r"runs with history random_search .* on normal@full with 40"
    ):
        run("transfer_evolution", target, budget=MORE, history=longer, done=done)
    pretended = [replace(other, head=one.head)]
    with pytest.raises(Diverged):
        run("transfer_evolution", target, budget=MORE, history=pretended, done=done)


# ---------------------------------------------------------------------- the protocols


def planned(
    bench: Benchmark,
    out: Path,
    sources: Sequence[str] = ("all",),
    runners: Sequence[str] = ("direct_transfer", "transfer_evolution"),
    seeds: int = 3,
    budget: Budget = BUDGET,
    source_budget: Budget = MORE,
    source: str | None = None,
    tasks: Sequence[str] = (),
) -> Plan:
    methods = [Method.parse(runner) for runner in runners]
    searched = Method.parse(source) if source else None
    return plan(bench, out, methods, sources, seeds, budget, source_budget, searched, (), tasks)


def do(bench: Benchmark, out: Path, executor: Executor | None = None, **asked: Any) -> int:
    todo = planned(bench, out, **asked).left(bench)
    return len([*study(todo.first, executor), *study(todo.transfers, executor)])


def kinds(planned: Plan, out: Path) -> list[tuple[str, str, str, Budget]]:
    """Where a unit lies, its task, its name and its budget, without blocks of seeds."""
    units = (*planned.first, *planned.transfers)
    return sorted(
        {(str(u.out.relative_to(out)), u.task, str(u), u.budget) for u in units},
        key=str,
    )


def test_every_ordered_pair_and_its_twins(bench: Benchmark, tmp_path: Path) -> None:
    found = planned(bench, tmp_path, runners=["transfer_evolution"])
    evolution = "regularized_evolution"
    total = Budget(queries=60)
    expected = [
        *((".", t, f"transfer_evolution from {s}", BUDGET) for t in TASKS for s in TASKS if s != t),
        *((".", t, evolution, BUDGET) for t in TASKS),
        *(("total/60_queries", t, evolution, total) for t in TASKS),
        *(("sources", t, evolution, MORE) for t in TASKS),
    ]
    assert kinds(found, tmp_path) == sorted(expected, key=str)
    assert {unit.seeds for unit in found.transfers} == {range(3)}
    assert {unit.seeds for unit in found.first if unit.out.name == "sources"} == {
        range(1_000_000, 1_000_003)
    }


def test_all_others_together(bench: Benchmark, tmp_path: Path) -> None:
    found = planned(bench, tmp_path, ["others"], ["transfer_ppo"], tasks=["jigsaw"])
    assert kinds(found, tmp_path) == [
        (".", "jigsaw", "ppo", BUDGET),
        (".", "jigsaw", "transfer_ppo from 2 tasks", BUDGET),
        ("sources", "class_scene", "ppo", MORE),
        ("sources", "normal", "ppo", MORE),
        ("total/100_queries", "jigsaw", "ppo", Budget(queries=100)),
    ]


def test_one_source_for_all_others(bench: Benchmark, tmp_path: Path) -> None:
    found = planned(bench, tmp_path, ["jigsaw"], ["direct_transfer"], source="random_search")
    assert {unit.task for unit in found.transfers} == {"class_scene", "normal"}
    assert {unit.task for unit in found.first if unit.out.name == "sources"} == {"jigsaw"}
    assert {str(unit) for unit in found.first} == {"random_search"}
    several = planned(bench, tmp_path, ["jigsaw+normal"], ["transfer_ppo"], source="random_search")
    assert {unit.task for unit in several.transfers} == {"class_scene"}
    assert {str(unit) for unit in several.first} == {"random_search", "ppo"}


def test_totals_add_up_in_every_price() -> None:
    total = together(Budget(queries=50, epochs=400), Budget(queries=200, epochs=10), 6)
    assert total == Budget(queries=1250, epochs=460)
    with pytest.raises(BadValue, match="50 queries and, for a source, 9 epochs don't add up"):
        together(Budget(queries=50), Budget(epochs=9), 1)


@pytest.mark.parametrize(
    ("asked", "error", "why"),
    [
        ({"sources": ["jigsav"]}, UnknownName, "'jigsav'; did you mean 'jigsaw'"),
        ({"sources": ["jigsaw"], "tasks": ["jigsaw"]}, BadValue, "jigsaw is target and source"),
        ({"sources": ["normal+jigsaw"], "tasks": ["jigsaw"]}, BadValue, "is target and source"),
        ({"runners": ["ppo"]}, BadValue, "ppo learns from no other task: nasbench study runs it"),
        ({"source": "direct_transfer"}, NotApplicable, "direct_transfer needs searches on other"),
        ({"seeds": 0}, BadValue, "a study of 0 seeds"),
        ({"runners": ["direct_transfer"] * 2}, None, ""),
    ],
)
def test_what_cannot_be_planned(
    asked: dict[str, Any], error: type[Exception] | None, why: str, bench: Benchmark, tmp_path: Path
) -> None:
    if error is None:
        assert planned(bench, tmp_path, **asked)
        return
    with pytest.raises(error, match=why):
        planned(bench, tmp_path, **asked)
    assert not list(tmp_path.iterdir())


def test_bytes_do_not_depend_on_who_runs_it(bench: Benchmark, tmp_path: Path) -> None:
    do(bench, tmp_path / "here", seeds=27)
    with ProcessPoolExecutor(2) as pool:
        do(bench, tmp_path / "processes", pool, seeds=27)
    here = digests(tmp_path / "here")
    assert here == digests(tmp_path / "processes")
    assert "sources/traces/cell/jigsaw/regularized_evolution/seeds_1000025.npz" in here
    assert "traces/cell/jigsaw/transfer_evolution from normal/seeds_000025.npz" in here
    assert do(bench, tmp_path / "here", seeds=27) == 0


@pytest.mark.parametrize("more", ["seeds", "budget", "stopped"])
def test_it_goes_on_where_it_was_stopped(more: str, bench: Benchmark, tmp_path: Path) -> None:
    larger = Budget(queries=30)
    grown: dict[str, Any] = {"seeds": 30} if more == "seeds" else {}
    grown |= {"budget": larger} if more == "budget" else {}
    if more == "stopped":
        todo = planned(bench, tmp_path / "grown").left(bench)
        for unit in (*todo.first, *todo.transfers[:2]):
            unit.run()
        for unit in todo.first[:3]:
            unit.file.unlink()
    else:
        do(bench, tmp_path / "grown")
    do(bench, tmp_path / "grown", **grown)
    do(bench, tmp_path / "at once", **grown)
    at_once, after = digests(tmp_path / "at once"), digests(tmp_path / "grown")
    assert at_once.items() <= after.items()
    assert all(name.startswith("total/60_queries/") for name in after.keys() - at_once.keys())


def test_another_source_needs_another_folder(bench: Benchmark, tmp_path: Path) -> None:
    do(bench, tmp_path, seeds=1)
    others: list[dict[str, Any]] = [{"source": "random_search"}]
    for asked in (*others, {"source_budget": Budget(queries=50)}):
        with pytest.raises(
            BadValue, match=r"with history .* with 40 queries, asked was .*another --out"
        ):
            do(bench, tmp_path, seeds=1, **asked)


def test_a_source_that_changed_is_noticed(bench: Benchmark, tmp_path: Path) -> None:
    mine, out = tmp_path / "mine.py", tmp_path / "out"
    code = "from nasbench.search import Query, ask\n\ndef search(problem, rng):\n    while True:\n"
    mine.write_text(f"{code}        yield from ask(Query(problem.space.sample(rng)))\n")
    asked: dict[str, Any] = {"seeds": 2, "source": str(mine), "runners": ["transfer_evolution"]}
    do(bench, out, **asked)
    before = {path: Traces.load(path) for path in out.rglob("*.npz")}
    mine.write_text(f"{mine.read_text()}\n# a remark\n")
    assert do(bench, out, **asked) == 3 + 6, "sources and transfers are replayed"
    for path, traces in before.items():
        assert np.array_equal(Traces.load(path).arch, traces.arch)
    mine.write_text(f"{code}        yield from ask(Query(problem.space.at(rng.integers(9))))\n")
    with pytest.raises(Diverged, match=r"mine\.py, seed 1000000, step 1"):
        do(bench, out, **asked)
    for path in (out / "sources").rglob("*.npz"):
        path.unlink()
    with pytest.raises(Diverged, match="transfer_evolution, seed 0, step 1"):
        do(bench, out, **asked)


# ---------------------------------------------------------------------- the judgement


def test_gains_by_hand(bench: Benchmark, tmp_path: Path) -> None:
    do(bench, tmp_path, seeds=12, sources=["all", "others"])
    for folder, steps in (("traces", 20), ("total/60_queries", 60), ("sources", 40)):
        for path in (tmp_path / folder).rglob("*evolution*/*.npz"):
            assert set(np.diff(Traces.load(path).start)) == {steps}, "budgets are counted alike"
    found = transfer_results(read(tmp_path), bench)
    assert len(found) == 2 * (6 + 3)
    (one,) = [each for each in found if each[1:4] == ("normal", "transfer_evolution", ("jigsaw",))]

    def mean(folder: str, method: str) -> Floats:
        """The regret after every query, over runs."""
        traces = Traces.load(tmp_path / folder / "cell/normal" / method / "seeds_000000.npz")
        scores = bench["cell", "normal"].scores()
        best = np.maximum.accumulate(traces.score.reshape(12, -1), axis=1)
        return np.asarray((scores.max() - best).mean(axis=0))

    moved = mean("traces", "transfer_evolution from jigsaw")[-1]
    scratch = mean("traces", "regularized_evolution")[-1]
    total = mean("total/60_queries/traces", "regularized_evolution")
    assert (one.regret, one.scratch, one.total) == pytest.approx(
        (moved, scratch, total[-1]), abs=1e-5
    )
    assert one.gain.value == pytest.approx(1 - moved / scratch, abs=1e-4)
    assert one.gain_total.value == pytest.approx(1 - moved / total[-1], abs=1e-4)
    assert one.gain.low < one.gain.value < one.gain.high
    reached = np.flatnonzero(total <= moved)
    assert one.speed_up == ((reached[0] + 1) / 20 if len(reached) else inf)
    assert (one.runs, one.origin) == (12, "jigsaw")
    together = {(each.method, each.sources): each for each in gains(found)}
    own = [each for each in found if (each.method, len(each.sources)) == ("direct_transfer", 1)]
    told = together["direct_transfer", 1]
    assert told.pairs == len(own) == 6
    assert told.gain == pytest.approx(np.mean([each.gain.value for each in own]))
    assert told.negative == np.mean([each.gain.value < 0 for each in own])
    assert told.surely <= told.negative
    spread = {t: np.ptp(np.quantile(bench["cell", t].scores(), (0.5, 1))) for t in TASKS}
    assert told.scratch == pytest.approx(np.mean([e.scratch / spread[e.target] for e in own]))
    assert together["direct_transfer", 2].pairs == 3


def test_epochs_and_queries_tell_the_same_of_full_trainings(
    bench: Benchmark, tmp_path: Path
) -> None:
    asked: dict[str, Any] = {"sources": ["jigsaw"], "runners": ["transfer_evolution"]}
    do(bench, tmp_path / "queries", **asked)
    asked |= {"budget": Budget(epochs=9 * 20), "source_budget": Budget(epochs=9 * 40)}
    do(bench, tmp_path / "epochs", **asked)
    one, other = (transfer_results(read(tmp_path / n), bench) for n in ("queries", "epochs"))
    assert [each[:-2] for each in one] == [each[:-2] for each in other]
    assert [e.speed_up for e in one] == pytest.approx([e.speed_up for e in other], abs=0.01)


def test_no_run_no_result(bench: Benchmark, tmp_path: Path) -> None:
    asked: dict[str, Any] = {"sources": ["jigsaw"], "runners": ["direct_transfer"]}
    asked |= {"budget": Budget(epochs=5), "source_budget": Budget(epochs=90)}
    do(bench, tmp_path, **asked)
    for found in transfer_results(read(tmp_path), bench):
        assert found.runs == 0
        assert np.isnan([found.regret, found.scratch, *found.gain, found.speed_up]).all()
        assert found.total > 0


def test_a_perfect_transfer_gains_everything(bench: Benchmark) -> None:
    target = bench["cell", "jigsaw"]
    top = target.best()[0].arch

    def oracle(problem: Problem, rng: np.random.Generator) -> Search:
        yield from ask(Query(top))

    past = [past_runs(bench, "normal", range(5))]
    moved = run(oracle, target, range(5), BUDGET, history=past)
    twins = [run("random_search", target, range(5), each) for each in (BUDGET, Budget(queries=60))]
    (found,) = transfer_results([moved, *twins], bench)
    assert (found.regret, found.gain.value, found.gain_total.value) == (0, 1, 1)
    assert found.speed_up == inf, "random search doesn't get there with the whole budget"
    (alone,) = transfer_results([moved], bench)
    assert np.isnan(
        [alone.scratch, alone.total, *alone.gain, *alone.gain_total, alone.speed_up]
    ).all()
    (judged,) = transfer_results([moved, *twins], bench, lambda table: -table.scores())
    assert judged.regret == pytest.approx(np.ptp(target.scores()))


def test_only_traces_of_these_tables_are_judged(bench: Benchmark, tmp_path: Path) -> None:
    do(bench, tmp_path, seeds=1, sources=["jigsaw"])
    other = Benchmark(written(tmp_path / "other.h5", test=1.0))
    with pytest.raises(BadValue, match="are not of the tables at hand"):
        transfer_results(read(tmp_path), other)
    with pytest.raises(BadFile, match="no traces in"):
        read(tmp_path / "none")
