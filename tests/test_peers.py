"""What other benchmarks and frameworks get wrong, each once: none of it may come true here.

A docstring names who had it. Tables are made up; where a defect lay in reading a published file,
the tests of its importer have it.
"""

from __future__ import annotations

import random
from dataclasses import fields, replace
from math import nan
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import nasbench
from nasbench.benchmark import open_table
from nasbench.budget import Budget
from nasbench.cell import EDGES
from nasbench.errors import NotRecorded, OutsideSpace, UnknownName
from nasbench.evaluate import FromTable
from nasbench.find import find, names
from nasbench.loop import run
from nasbench.search import Outcome, Problem, Query, Search, ask
from nasbench.space import Space
from nasbench.store import Benchmark, write
from nasbench.study import choose
from nasbench.table import Column, Point, Table
from nasbench.trace import Traces
from tests.made_up import BLACK_BOX, CHEAP, EPOCHS, ERROR, history, made_up, write_made_up

SPACES = names("spaces")
ROWS = range(0, 3000, 271)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_made_up(tmp_path_factory.mktemp("bench") / "made_up.h5")


@pytest.fixture(scope="module")
def bench(path: Path) -> Benchmark:
    return Benchmark(path)


@pytest.fixture(scope="module")
def table(bench: Benchmark) -> Table:
    return bench["cell", "jigsaw"]


@pytest.fixture(scope="module")
def errors() -> Table:
    """A table whose main metric gets better when it gets less."""
    return made_up("transnas_cell", ERROR)


@pytest.fixture(params=SPACES)
def space(request: pytest.FixtureRequest) -> Space:
    return find("spaces", request.param)


def curve(table: Table, split: str = "valid") -> Any:
    return table.columns[Point("curve", split, table.task.metric.name)].values


# -------------------------------------------------------------------------------- which way is best


def test_best_epoch_of_a_loss_is_its_smallest(errors: Table) -> None:
    """TransNASBench: `mode="best"` is `max` for every metric."""
    expected = curve(errors)[:, :, :4].min(axis=2).mean(axis=1)
    np.testing.assert_allclose(errors.answer(4), expected, rtol=1e-6)


def test_best_networks_by_a_loss_are_the_smallest(errors: Table) -> None:
    """TransNASBench: `get_best_archs(..., "valid_loss")` returns the worst."""
    found = [record.value for record in errors.best(5)]
    assert found == sorted(errors.values())[:5]


@pytest.mark.parametrize("runner", BLACK_BOX)
def test_a_search_walks_down_a_loss(runner: str, errors: Table) -> None:
    """NASLib: a negative loss is called accuracy, a positive one has no search."""
    known = history(runner, errors, range(3))
    traces = run(runner, errors, range(3), Budget(queries=60), history=known)
    runs = zip(traces.start[:-1], traces.start[1:], strict=True)
    found = [traces.value[a:b][traces.score[a:b].argmax()] for a, b in runs]
    assert np.median(found) <= np.quantile(errors.values(), 0.05)
    np.testing.assert_array_equal(traces.score, -traces.value)


def test_every_task_says_which_metric_decides() -> None:
    """TransNASBench: declared nowhere; NASLib takes pixel accuracy of segmentation."""
    tasks = {name: find("tasks", name) for name in names("tasks")}
    assert {task.metric.goal for task in tasks.values()} <= {"max", "min"}
    assert tasks["segmentsemantic"].metric.name == "mIoU"
    assert (tasks["room_layout"].metric.name, tasks["room_layout"].metric.goal) == (
        "neg_loss",
        "max",
    )


def test_both_spaces_of_a_task_have_the_same_metrics(bench: Benchmark) -> None:
    """NASLib: VAL_LOSS is there for micro, and fails for macro on normal and autoencoder."""
    both = [made_up(space, "normal") for space in ("transnas_cell", "transnas_macro")]
    assert set(both[0].columns) == set(both[1].columns)
    assert both[0].metric() == both[1].metric()


# ------------------------------------------------------------------------ which numbers: the splits


def test_validation_and_test_are_two_columns(bench: Benchmark) -> None:
    """NASLib, Syne Tune, NNI: the one is served as the other on cifar10, or on every data set."""
    for pair in bench:
        table, made = bench[pair], made_up(bench[pair].space, bench[pair].task)
        for split in ("valid", "test"):
            np.testing.assert_array_equal(table.values(split), made.values(split))
        assert (table.values("valid") != table.values("test")).mean() > 0.99


@pytest.mark.parametrize("absent", ["train", "valid", "test"])
def test_an_absent_split_is_never_another_one(absent: str, table: Table) -> None:
    """NATS-Bench: valid + test stands in for valid; nasbenchapi: None for `cifar100/val`."""
    there = {point: column for point, column in table.columns.items() if point.split != absent}
    left = replace(table, columns=there)
    for at in (None, "final", 4):
        with pytest.raises(NotRecorded, match=absent):
            left.value(0, absent, at=at)
    assert absent not in left.query(0).values


def test_a_split_recorded_at_the_end_is_not_known_before(table: Table) -> None:
    """NATS-Bench: on CIFAR-100 an earlier epoch's validation falls back to `ori-test`."""
    main = table.task.metric.name
    there = dict(table.columns)
    del there[Point("curve", "valid", main)]
    at_end = replace(table, columns=there)
    assert at_end.value(0, "test", at=4) == table.value(0, "test", at=4)
    with pytest.raises(NotRecorded, match=f"valid {main} at epoch 4"):
        at_end.value(0, "valid", at=4)
    assert at_end.value(0, at=EPOCHS) == table.value(0, at=EPOCHS)


def test_the_epoch_of_a_test_value_is_validations_choice(table: Table) -> None:
    """TransNASBench: `best` on `test_*` picks the epoch on the test set itself."""
    chosen = curve(table).argmax(axis=2)[:, :, None]
    expected = np.take_along_axis(curve(table, "test"), chosen, axis=2)[:, :, 0]
    np.testing.assert_array_equal(table.trials("test"), expected)
    assert table.column("test").epoch_chosen_by == f"valid {table.task.metric.name}"


def test_a_search_can_not_see_the_test(table: Table) -> None:
    """confopt: every metric is queried, test included; archai falls back to it silently."""
    assert not [
        f.name for kind in (Outcome, Problem, Query) for f in fields(kind) if "test" in f.name
    ]
    main = table.task.metric.name
    worst = Column(np.zeros_like(table.trials("test")), f"valid {main}")
    other = replace(table, columns={**table.columns, Point("best", "test", main): worst})
    for runner in BLACK_BOX:
        known = history(runner, table, range(2))
        cheap = CHEAP.get(runner, {})
        traces = [run(runner, where, range(2), history=known, **cheap) for where in (table, other)]
        assert traces[0] == traces[1]


# ------------------------------------------------------------------ which numbers: epochs and seeds


@pytest.mark.parametrize("epoch", [0, -1, EPOCHS + 1, 999])
def test_an_absent_epoch_is_never_another_one(epoch: int, table: Table) -> None:
    """nasbenchapi: epoch 999 is silently 199."""
    for ask_for in (table.value, table.query):
        with pytest.raises(NotRecorded, match=f"no epoch {epoch}; its epochs are 1 to {EPOCHS}"):
            ask_for(0, at=epoch)
    with pytest.raises(NotRecorded):
        FromTable(table)(Query((0,) * 6, epoch))


def test_the_epoch_asked_for_is_used(bench: Benchmark) -> None:
    """NASLib: `epoch=` is ignored on TransNAS, learning curves raise TypeError in both spaces."""
    for pair in (("cell", "jigsaw"), ("macro", "class_scene")):
        table = bench[pair]
        for epoch in range(1, EPOCHS + 1):
            expected = curve(table)[:, :, epoch - 1].mean(axis=1)
            np.testing.assert_allclose(table.values(at=epoch), expected, rtol=1e-6)
        assert len({table.value(7, at=epoch) for epoch in range(1, EPOCHS + 1)}) == EPOCHS


def test_the_seed_asked_for_is_used(table: Table) -> None:
    """TransNASBench: `xseed` is accepted and ignored."""
    for at in ("best", "final", 4):
        found = {seed: table.values(at=at, seed=seed) for seed in (777, 888, 999)}
        for column, values in enumerate(found.values()):
            np.testing.assert_array_equal(values, table.trials(at=at)[:, column])
        assert (found[777] != found[888]).mean() > 0.9


def test_a_lookup_draws_no_seed(table: Table) -> None:
    """Syne Tune, NATS-Bench: the seed is drawn at random unless told."""
    assert len({table.value(row) for _ in range(20) for row in (11,)}) == 1
    expected = [table.value(11, seed=seed) for seed in (777, 888, 999)]
    assert table.value(11) == pytest.approx(np.mean(expected))


def test_a_missing_seed_stays_missing(table: Table) -> None:
    """Syne Tune fills it with a mean that holds NaN, HPOBench with another seed."""
    main = table.task.metric.name
    trials = table.trials().copy()
    trials[5, 1:] = nan
    holes = replace(table, columns={**table.columns, Point("best", "valid", main): Column(trials)})
    assert holes.value(5) == trials[5, 0]
    assert np.isnan(holes.values(seed=888)[5])
    with pytest.raises(NotRecorded, match=r"best/valid/top1, seed 888, was not measured"):
        holes.value(5, seed=888)
    assert not np.isnan(holes.values()).any()


def test_what_no_seed_measured_is_no_number(table: Table) -> None:
    """Syne Tune: a search meets NaN; mf-prior-bench turns it into infinity."""
    trials = table.trials().copy()
    trials[0] = nan
    point = Point("best", "valid", table.task.metric.name)
    holes = replace(table, columns={**table.columns, point: Column(trials)})
    with pytest.raises(NotRecorded, match="was not measured"):
        FromTable(holes)(Query(table.rows.archs[0]))
    assert holes.best(len(holes))[-1].row != 0
    assert len(holes.best(len(holes))) == len(holes) - 1


# ---------------------------------------------------------------------------------------- which row


@pytest.mark.parametrize("kind", [int, np.int64, np.int32, np.uint8])
def test_numpy_integers_are_row_numbers(kind: Any, table: Table) -> None:
    """NATS-Bench: a numpy integer becomes index -1."""
    for row in (0, 200):
        assert table.query(kind(row)).row == row
        assert table.value(kind(row)) == table.values()[row]
    with pytest.raises(NotRecorded, match="no row -1"):
        table.value(np.int64(-1))  # type: ignore[arg-type]


def test_an_unknown_architecture_says_what_there_is(table: Table) -> None:
    """NATS-Bench: "invalid index of -1"; TransNASBench: a bare KeyError."""
    for wrong in ("64-41414-1_02_334", "1_02_333", "|none~0|", (4,) * 6, (0,) * 5):
        with pytest.raises(OutsideSpace, match="4,096 architectures look like 64-41414-1_02_333"):
            table.value(wrong)


def test_an_unknown_name_says_what_there_is(bench: Benchmark) -> None:
    """NASLib: `raise NotImplementedError()` for a typo."""
    with pytest.raises(UnknownName, match="did you mean 'jigsaw'"):
        bench["cell", "jigsaws"]


ALL_SKIP = {
    "transnas_cell": "64-41414-1_11_111",
    "nasbench201": "|skip_connect~0|+|skip_connect~0|skip_connect~1|"
    "+|skip_connect~0|skip_connect~1|skip_connect~2|",
}


@pytest.mark.parametrize("name", ALL_SKIP)
def test_what_is_queried_is_what_is_built(name: str) -> None:
    """NASLib: index 0 means identity in the graph and none in the table; edges in another order."""
    space = find("spaces", name)
    none, skips = (0,) * 6, (1,) * 6
    assert space.read(ALL_SKIP[name]) == skips
    assert (space.has_path(none), space.has_path(skips)) == (False, True)
    table = made_up(space)
    evaluate = FromTable(table)
    for arch in (none, skips, space.read(space.example)):
        assert evaluate(Query(arch)).value == table.value(space.spell(arch))
    assert table.value(none) != table.value(skips)


def test_edges_are_spelt_in_target_order() -> None:
    """NASLib groups the six edges by their source node."""
    assert EDGES == ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
    assert find("spaces", "transnas_cell").read("64-41414-1_23_012") == (1, 2, 3, 0, 1, 2)
    nb201 = find("spaces", "nasbench201")
    for k, (source, target) in enumerate(EDGES):
        arch = tuple(int(k == i) for i in range(6))
        node = nb201.spell(arch).split("+")[target - 1]
        assert f"skip_connect~{source}" in node


def test_a_benchmark_whose_name_begins_another_is_not_it(tmp_path: Path) -> None:
    """nasbenchapi: `"cifar100".startswith("cifar10")` mixes the two."""
    tables = [("cell", made_up("transnas_cell", task)) for task in ("cifar100", "cifar10")]
    main = tables[0][1].task.metric.name
    zero = {Point("final", "valid", main): Column(np.zeros((4096, 3), np.float32))}
    tables[0] = "cell", replace(tables[0][1], columns=zero, answers="final")
    header = {"benchmark": "b", "title": "", "citation": "", "answers": "final", "source": ""}
    write(tmp_path / "b.h5", header, tables)
    bench = Benchmark(tmp_path / "b.h5")
    assert open_table(f"{bench.path}/cifar100").value(9) == 0
    assert open_table(f"{bench.path}/cifar10").value(9) > 0
    assert choose(bench, tasks=["cifar10"]) == [("cell", "cifar10")]
    frame = bench.frame()
    assert (frame["cifar100"] == 0).all()
    assert (frame["cifar10"] > 0).all()
    with pytest.raises(UnknownName):
        bench["cell", "cifar1"]


# ---------------------------------------------------------------------------- sampling and mutating


def test_macro_is_sampled_uniformly() -> None:
    """NASLib draws the depth first: 33 % each, single networks up to 23.8 times too often."""
    space, rng, draws = find("spaces", "transnas_macro"), np.random.default_rng(0), 20_000
    depth = [6 - space.sample(rng).count(4) for _ in range(draws)]
    every = [6 - arch.count(4) for arch in space]
    for modules in (4, 5, 6):
        expected = every.count(modules) / len(space)
        spread = 4 * np.sqrt(expected * (1 - expected) / draws)
        assert depth.count(modules) / draws == pytest.approx(expected, abs=spread)


class Extreme:
    """A generator that draws the first number, or the last."""

    def __init__(self, last: bool) -> None:
        self.last = last

    def integers(self, high: Any) -> Any:
        drawn = np.asarray(high) - 1 if self.last else 0 * np.asarray(high)
        return drawn if drawn.ndim else int(drawn)


@pytest.mark.parametrize("last", [False, True])
def test_every_draw_is_a_member(last: bool, space: Space) -> None:
    """archai: `rng.randint(0, len(api))` can draw index 15,625."""
    rng: Any = Extreme(last)
    arch = space.sample(rng)
    assert arch == space.at(space.size - 1 if last else 0)
    assert space.mutate(arch, rng) in space


@pytest.mark.parametrize("beyond", [0, 1, -1])
def test_a_number_beyond_the_space_is_no_member(beyond: int, space: Space) -> None:
    """archai, NATS-Bench: an index too large, or -1, is taken for another architecture."""
    with pytest.raises(IndexError, match=f"members 0 to {space.size - 1}"):
        space.at(-1 if beyond < 0 else space.size + beyond)


def test_mutate_returns_another_one_and_leaves_its_argument(space: Space) -> None:
    """nasbenchapi: `mutate` returns its input; NASLib: it overwrites its receiver, or fails."""
    rng = np.random.default_rng(1)
    for index in range(0, space.size, space.size // 300):
        arch = space.at(index)
        kept = tuple(arch)
        mutated = space.mutate(arch, rng)
        assert mutated in space
        assert mutated != arch == kept


def test_a_neighbour_is_one_change_away() -> None:
    """NASLib: on macro, depth, down-samplings and widenings all change at once."""
    space = find("spaces", "transnas_macro")
    for arch in list(space)[::97]:
        modules = [gene for gene in arch if gene != 4]
        for near in space.neighbours(arch):
            other = [gene for gene in near if gene != 4]
            short, long = sorted((modules, other), key=len)
            if len(short) == len(long):
                assert sum(a != b for a, b in zip(short, long, strict=True)) == 1
            else:
                assert short in [long[:i] + long[i + 1 :] for i in range(len(long))]


def test_evolution_works_on_macro(bench: Benchmark) -> None:
    """NASLib: `TypeError: object of type 'numpy.int64' has no len()` at the first mutation."""
    table = bench["macro", "class_scene"]
    traces = run("regularized_evolution", table, range(5), Budget(queries=300))
    found = traces.score.reshape(5, 300).max(axis=1)
    assert (found > np.quantile(table.scores(), 0.99)).all()


def test_what_a_space_hands_out_can_not_corrupt_it(space: Space) -> None:
    """TransNASBench: `mode="list"` hands out the live list."""
    arch = space.at(7)
    near = space.neighbours(arch)
    expected = list(near)
    near.clear()
    assert space.neighbours(arch) == expected


def test_what_a_table_hands_out_can_not_corrupt_it(table: Table) -> None:
    """TransNASBench: `mode="list"` hands out the live list."""
    before = table.value(0, at=4)
    with pytest.raises(ValueError, match="read-only"):
        curve(table)[0] = 0
    table.values(at=4)[:] = 0
    table.query(0, 4).values["valid"]["top1"] = 0  # type: ignore[index]
    table.facts(0)["params"] = 0
    assert table.value(0, at=4) == table.query(0, 4).value == before
    assert table.facts(0)["params"] == 7


# ----------------------------------------------------------------------------- chance, cost, resume


def test_a_query_leaves_every_random_stream_alone(table: Table) -> None:
    """NATS-Bench: each call draws a trial from the global `random`; archai mutates with it."""
    old, new = random.getstate(), np.random.get_state()  # noqa: NPY002
    evaluate, space = FromTable(table), table.space
    rng = np.random.default_rng(5)
    for _ in range(20):
        evaluate(Query(space.mutate(space.sample(rng), rng)))
        table.query(3), table.best(2), table.value(4, seed=888)
    assert random.getstate() == old
    assert all(map(np.array_equal, np.random.get_state(), new))  # noqa: NPY002


def again(problem: Problem, rng: np.random.Generator) -> Search:
    """Ask the same three times over."""
    arch = problem.space.sample(rng)
    while True:
        yield from ask(Query(arch))


def test_a_repeated_query_is_charged_each_time(table: Table) -> None:
    """HPOBench: a one-epoch query is free; NATS-Bench leaves the accounting to a switch."""
    traces = run(again, table, [0], Budget(queries=4))
    price = table.cost_seconds()[table.row(traces.arch[0])]
    assert traces.seconds.tolist() == [price] * 4
    assert traces.epochs.tolist() == [EPOCHS] * 4
    short = FromTable(table)(Query(tuple(traces.arch[0].tolist()), 1)).cost
    assert (short.epochs, short.seconds) == (1, table.cost_seconds(1)[table.row(traces.arch[0])])


def test_a_run_costs_the_sum_of_its_trainings(table: Table) -> None:
    """NASLib: TRAIN_TIME is the incumbent's, not what was spent."""
    traces = run("random_search", table, [0], Budget(queries=25))
    rows = [table.row(arch) for arch in traces.arch]
    assert traces.seconds.sum() == pytest.approx(table.cost_seconds()[rows].sum())
    assert len(run("random_search", table, [0], Budget(seconds=traces.seconds.sum())).value) == 25


def test_the_price_is_of_the_training_whatever_split_is_looked_at(table: Table) -> None:
    """nasbenchapi: the cost of val and test is None, or one epoch's evaluation."""
    for at in (1, 4, EPOCHS):
        assert table.query(0, at).seconds == table.cost_seconds(at)[0] > 0
    assert table.best(1, "test")[0].seconds > 0


def test_seconds_have_a_unit(path: Path) -> None:
    """TransNASBench: `time_elapsed` has none."""
    with h5py.File(path, "r", locking=False) as file:
        assert file["cell/jigsaw/full/seconds"].attrs["unit"] == "s"


def test_facts_need_no_certain_seed(table: Table) -> None:
    """NATS-Bench: parameters are those of seed 888, and a ValueError where it is absent."""
    only = {point: Column(column.values[:, :1]) for point, column in table.columns.items()}
    one = replace(table, seed=np.array([777]), columns=only, seconds=table.seconds[:, :1])  # type: ignore[index]
    assert one.facts(9) == table.facts(9)
    assert one.value(9) == table.value(9, seed=777)


@pytest.mark.parametrize("stopped", [3, 10, 17])
def test_resumed_evolution_has_its_population(stopped: int, table: Table, tmp_path: Path) -> None:
    """NASLib: "'a' cannot be empty", since the population is not in the checkpoint."""
    first = run("regularized_evolution", table, range(3), Budget(queries=stopped))
    first.save(tmp_path / "traces.npz")
    done = Traces.load(tmp_path / "traces.npz")
    whole = run("regularized_evolution", table, range(3), Budget(queries=40))
    assert run("regularized_evolution", table, range(3), Budget(queries=40), done=done) == whole


def test_every_public_name_is_there() -> None:
    """nasbenchapi: documented functions raise AttributeError."""
    assert all(getattr(nasbench, name) for name in nasbench.__all__)
