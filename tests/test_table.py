"""A table against plain Python: every number, every key, every way to ask for what isn't there."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from math import inf, isnan, nan
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nasbench.errors import BadValue, NasbenchError, NotRecorded, OutsideSpace
from nasbench.find import find
from nasbench.store import Benchmark, write
from nasbench.table import Column, Info, Point, Rows, Table, mean
from nasbench.task import Metric, Task, percent

SPACE = find("spaces", "transnas_cell")
CLIMBING = find("tasks", "class_scene")
FALLING = Task("falling", Metric("error", "min", "%", (0.0, inf)), (percent("top5"),))

NAMES = [f"64-41414-{word}" for word in ("3_33_333", "0_20_200", "1_02_333", "0_20_211")]
NAMES += [f"64-41414-{word}" for word in ("2_10_321", "0_20_020", "0_00_000", "1_11_111")]
NAMES += [f"64-41414-{word}" for word in ("0_20_002", "0_20_012", "3_21_032", "2_22_222")]
NEVER, ONCE, TIE, TWINS = 4, 5, (7, 10), (8, 9)
"""Rows: never measured, by one seed only, with equal values, and equal networks."""
EPOCHS = [1, 2, 4, 6, 9]
SEEDS = [777, 888, 999]
N, S, E = len(NAMES), len(SEEDS), len(EPOCHS)
POINTS: list[str | int] = ["best", "final", *EPOCHS]
KEYS: dict[str, Callable[[int], Any]] = {
    "row number": int,
    "numpy integer": np.int16,
    "spelling": NAMES.__getitem__,
    "numpy string": lambda row: np.str_(NAMES[row]),
    "tuple": lambda row: SPACE.read(NAMES[row]),
    "tuple of numpy integers": lambda row: tuple(np.array(SPACE.read(NAMES[row]))),
    "list": lambda row: list(SPACE.read(NAMES[row])),
    "array": lambda row: np.array(SPACE.read(NAMES[row])),
}


@dataclass
class Made:
    """A table, and the same numbers as nested lists: [row][seed], and [row][seed][epoch]."""

    table: Table
    curves: dict[tuple[str, str], list[list[list[float]]]]
    ends: dict[Point, list[list[float]]]
    seconds: list[list[list[float]]]

    def asked(self) -> Iterable[tuple[str, str, str | int, list[list[float]]]]:
        """List all that can be asked: split, metric, at, and the numbers by row and seed."""
        for point, rows in self.ends.items():
            yield point.split, point.metric, point.at, rows
            if point.split == "train":  # has no curve, but its final is at the last epoch
                yield point.split, point.metric, EPOCHS[-1], rows
        for (split, metric), curves in self.curves.items():
            for e, epoch in enumerate(EPOCHS):
                yield split, metric, epoch, [[curve[e] for curve in row] for row in curves]


def make(task: Task, answers: str = "best") -> Made:
    """Make up numbers with holes, and work out by hand which epoch of each training is best."""
    rng = np.random.default_rng(sum(map(ord, task.name + answers)))
    main, other = task.metric, task.others[0]
    curves = {}
    for split, metric in (("valid", main), ("test", main), ("valid", other)):
        values = rng.integers(0, 400, (N, S, E)) / np.float32(4)
        values[rng.random((N, S, E)) < 0.15] = nan
        values[NEVER] = nan
        values[ONCE, 1:] = nan
        values[TIE[1]] = values[TIE[0]]
        curves[split, metric.name] = values.tolist()
    chosen = [[peak(curve, task) for curve in row] for row in curves["valid", main.name]]
    ends = {}
    for (split, name), rows in curves.items():
        ends[Point("best", split, name)] = [
            [nan if e is None else curve[e] for curve, e in zip(*pair, strict=True)]
            for pair in zip(rows, chosen, strict=True)
        ]
        if name == main.name:
            ends[Point("final", split, name)] = [[curve[-1] for curve in row] for row in rows]
    ends[Point("final", "train", main.name)] = (rng.integers(0, 400, (N, S)) / 4).tolist()
    columns = {
        **{Point("curve", *key): column(rows) for key, rows in curves.items()},
        **{point: column(rows, f"{point.at} of it") for point, rows in ends.items()},
    }
    columns = dict(reversed(columns.items()))  # in no order that a table may count on
    seconds = np.cumsum(rng.integers(1, 9, (N, S, E)), axis=2).astype(np.float32)
    seconds[0, 1] = nan
    info = {
        "params": Info(np.arange(N) * 10 + 7, "parameters"),
        "latency": Info(np.arange(2.0 * N).reshape(N, 2), "s", tasks=("other", task.name)),
        "energy": Info(np.ones((N, 1)), "J", tasks=("other",)),
    }
    table = Table(
        f"made/cell/{task.name}",
        Rows.of(SPACE, NAMES, **info),
        task,
        answers,
        np.array(EPOCHS, np.int32),
        np.array(SEEDS),
        columns,
        seconds,
    )
    return Made(table, curves, ends, seconds.tolist())


def column(rows: list[Any], chosen_by: str = "") -> Column:
    return Column(np.array(rows, np.float32), chosen_by)


def peak(curve: list[float], task: Task) -> int | None:
    """Return where a curve is best, None where it has no number."""
    known = [(task.metric.sign * value, -e) for e, value in enumerate(curve) if not isnan(value)]
    return -max(known)[1] if known else None


def average(values: list[float]) -> float:
    known = [value for value in values if not isnan(value)]
    return sum(known) / len(known) if known else nan


def same(values: Any, expected: list[float]) -> bool:
    return list(values) == pytest.approx(expected, rel=1e-12, abs=0, nan_ok=True)


def one_line(error: pytest.ExceptionInfo[NasbenchError], *words: str) -> None:
    """Check that a message is one line and says these words."""
    text = str(error.value)
    assert text.isprintable()
    assert [word for word in words if word not in text] == [], text


@pytest.fixture(scope="module", params=["climbing", "falling", "final", "mapped"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Made:
    if request.param == "falling":
        return make(FALLING)
    if request.param == "final":
        return make(CLIMBING, "final")
    found = make(CLIMBING)
    return mapped(found, tmp_path_factory.mktemp("made")) if request.param == "mapped" else found


def mapped(made: Made, folder: Path) -> Made:
    """Write the table, and open it again."""
    header = {"benchmark": "made", "answers": made.table.answers}
    write(folder / "made.h5", header, [("cell", made.table)])
    return replace(made, table=Benchmark(folder / "made.h5")["cell", made.table.task.name])


@pytest.fixture
def table() -> Table:
    return make(CLIMBING).table


# ---------------------------------------------------------------------------------------- numbers


def test_every_number(made: Made) -> None:
    table = made.table
    for split, metric, at, rows in made.asked():
        sign = table.task[metric].sign
        expected = [average(row) for row in rows]
        assert same(table.values(split, metric, at), expected)
        assert same(table.scores(split, metric, at), [sign * value for value in expected])
        np.testing.assert_array_equal(table.trials(split, metric, at), np.array(rows, "f4"))
        for row, value in enumerate(expected):
            if isnan(value):
                with pytest.raises(NotRecorded, match="was not measured"):
                    table.value(row, split, metric, at)
            else:
                assert same([table.value(row, split, metric, at)], [value])


def test_one_seed(made: Made) -> None:
    table = made.table
    for split, metric, at, rows in made.asked():
        for s, seed in enumerate(SEEDS):
            expected = [row[s] for row in rows]
            assert same(table.values(split, metric, at, seed), expected)
            known = next(row for row, value in enumerate(expected) if not isnan(value))
            assert table.value(known, split, metric, at, np.int64(seed)) == expected[known]  # type: ignore[arg-type]
    assert isnan(table.values(seed=SEEDS[1])[ONCE])
    assert not isnan(table.values()[ONCE])
    with pytest.raises(NotRecorded) as error:
        table.value(ONCE, seed=SEEDS[1])
    one_line(error, table.address, f"{table.answers}/valid", "888", NAMES[ONCE])


def test_unless_told_otherwise_the_tables_own_answer(made: Made) -> None:
    table, main = made.table, made.table.task.metric.name
    explicit = table.values("valid", main, table.answers)
    assert same(table.values(), list(explicit))
    assert table.value(0) == explicit[0] == table.query(0).value
    assert table.column() is table.columns[Point(table.answers, "valid", main)]
    assert table.query(0).at == table.best()[0].at == table.answers


@pytest.mark.parametrize("kind", KEYS)
def test_keys(kind: str, made: Made) -> None:
    table = made.table
    for row in set(range(N)) - {NEVER}:
        key = KEYS[kind](row)
        assert table.row(key) == row
        assert table.value(key) == table.value(key, "valid") == table.values()[row]
        assert table.query(key).row == row
        assert table.facts(key)["params"] == 10 * row + 7


def test_own_row_not_the_twins(made: Made) -> None:
    one, other = (SPACE.read(NAMES[row]) for row in TWINS)
    assert SPACE.canonical(other) == one != other
    assert [made.table.row(arch) for arch in (one, other)] == list(TWINS)
    assert made.table.value(other) == made.table.values()[TWINS[1]] != made.table.value(one)
    absent = SPACE.read("64-41414-0_20_032")
    assert SPACE.canonical(absent) == one
    with pytest.raises(NotRecorded, match="0_20_032"):
        made.table.value(absent)


@given(st.lists(st.lists(st.floats(0, 64, width=16) | st.just(nan), min_size=3, max_size=3)))
def test_mean_leaves_out_what_was_not_measured(rows: list[list[float]]) -> None:
    trials = np.array(rows, np.float32).reshape(-1, 3)
    assert same(mean(trials), [average(row) for row in rows])
    assert same(mean(trials[:, :1]), [row[0] for row in rows])


def test_a_loss_that_diverged_stays_infinite(table: Table) -> None:
    trials = np.array([[inf, 1, nan]] + [[1, 2, 3]] * (N - 1), np.float32)
    point = Point("best", "valid", "loss")
    diverged = replace(table, columns={**table.columns, point: Column(trials)})
    assert diverged.value(0, metric="loss") == inf
    best = diverged.best(N, metric="loss")
    assert [record.row for record in best] == [*range(1, N), 0]


# ----------------------------------------------------------------------------------------- answer


def test_answer(made: Made) -> None:
    table, task = made.table, made.table.task
    for e, epoch in enumerate(EPOCHS):
        far: list[list[float]] = []
        for row in made.curves["valid", task.metric.name]:
            far.append([])
            for curve in row:
                seen = curve[: e + 1]
                best = peak(seen, task)
                is_best = table.answers == "best"
                far[-1].append((nan if best is None else seen[best]) if is_best else seen[-1])
        assert same(table.answer(epoch), [average(row) for row in far])
    assert same(table.answer(), list(table.answer(EPOCHS[-1])))
    assert same(table.answer(), list(table.values()))


def test_answer_at_the_end_needs_no_curve(made: Made) -> None:
    table = without(made.table, lambda point: point.at == "curve")
    assert same(table.answer(), list(made.table.answer()))
    assert same(table.answer(EPOCHS[-1]), list(made.table.answer()))
    assert same(table.values(at=EPOCHS[-1]), list(made.table.values(at="final")))
    asks: list[Callable[[], Any]] = [
        lambda: table.answer(6),
        lambda: table.value(0, at=6),
        lambda: table.query(0, 6),
        lambda: table.best(at=6),
    ]
    for ask in asks:
        with pytest.raises(NotRecorded) as error:
            ask()
        one_line(error, table.address, "epoch 6", "recorded: ", "best/valid/")


def without(table: Table, left_out: Callable[[Point], bool]) -> Table:
    kept = {point: column for point, column in table.columns.items() if not left_out(point)}
    return replace(table, columns=kept)


# ---------------------------------------------------------------------------------- query and best


def test_query(made: Made) -> None:
    table, task = made.table, made.table.task
    for at in POINTS:
        recorded = [(s, m, rows) for s, m, when, rows in made.asked() if when == at]
        for row in range(N):
            record = table.query(row, at)
            assert (record.name, record.arch, record.row) == (
                NAMES[row],
                table.rows.archs[row],
                row,
            )
            found = {(s, m): v for s, by in record.values.items() for m, v in by.items()}
            assert set(found) == {(s, m) for s, m, _ in recorded}
            for split, metric, rows in recorded:
                assert same([found[split, metric]], [average(rows[row])])
            assert same([record.value], [found["valid", task.metric.name]])
            assert same([record.score], [task.metric.sign * record.value])
            epoch = EPOCHS[-1] if isinstance(at, str) else at
            assert (record.at, record.epochs) == (at, epoch)
            spent = [curve[EPOCHS.index(epoch)] for curve in made.seconds[row]]
            assert same([record.seconds], [average(spent)])
            assert record.info == table.facts(row)
            splits = list(record.values)
            assert splits == sorted(splits, key=["train", "valid", "test"].index)
            assert next(iter(record.values["valid"])) == task.metric.name


def test_query_at_a_numpy_integer(table: Table) -> None:
    for epoch in EPOCHS:
        assert repr(table.query(0, np.int64(epoch))).replace(f"np.int64({epoch})", str(epoch)) == (  # type: ignore[arg-type]
            repr(table.query(0, epoch))
        )


def test_query_without_seconds_on_the_way(table: Table) -> None:
    assert table.seconds is not None
    only_end = replace(table, seconds=table.seconds[:, :, -1])
    assert isnan(only_end.query(1, 2).seconds)
    assert only_end.query(1, 2).values == table.query(1, 2).values
    assert only_end.query(1, 9).seconds == only_end.query(1).seconds == table.query(1).seconds
    assert isnan(replace(table, seconds=None).query(1).seconds)


def test_best(made: Made) -> None:
    table = made.table
    for split, metric, at, rows in made.asked():
        sign = table.task[metric].sign
        scores = [(-sign * average(row), n) for n, row in enumerate(rows)]
        order = [row for score, row in sorted(pair for pair in scores if not isnan(pair[0]))]
        assert NEVER not in order or split == "train"
        for k in (1, 5, len(order), N, 10**6):
            best = table.best(k, split, metric, at)
            assert [record.row for record in best] == order[:k]
            assert best == [table.query(row, at) for row in order[:k]] or any(
                isnan(record.value) for record in best
            )
    assert [record.row for record in table.best(N)] == [
        record.row for record in table.best(N, "valid", table.task.metric.name, table.answers)
    ]


def test_equal_ones_come_in_row_order(made: Made) -> None:
    table = made.table
    rows = [record.row for record in table.best(N)]
    assert table.value(TIE[0]) == table.value(TIE[1])
    assert rows.index(TIE[1]) == rows.index(TIE[0]) + 1
    flat = {Point("best", "valid", "top1"): Column(np.ones((N, 1), np.float32))}
    even = replace(make(CLIMBING).table, columns=flat)
    assert [record.row for record in even.best(N)] == list(range(N))


def test_nothing_measured_has_no_best(table: Table) -> None:
    empty = {Point("best", "valid", "top1"): Column(np.full((N, S), nan, np.float32))}
    assert replace(table, columns=empty).best(3) == []


@pytest.mark.parametrize("k", [0, -1])
def test_best_needs_a_number(k: int, table: Table) -> None:
    with pytest.raises(BadValue) as error:
        table.best(k)
    one_line(error, str(k), "at least 1")


# ---------------------------------------------------------------------------- facts, cost and frame


def test_facts(made: Made) -> None:
    for row in range(N):
        assert made.table.facts(row) == {"params": 10 * row + 7, "latency": 2 * row + 1.0}


def test_cost_seconds(made: Made) -> None:
    table = made.table
    for e, epoch in enumerate(EPOCHS):
        spent = [average([curve[e] for curve in row]) for row in made.seconds]
        assert same(table.cost_seconds(epoch), spent)
    assert same(table.cost_seconds(), spent)
    with pytest.raises(NotRecorded, match=r"no epoch 3; its epochs are \[1, 2, 4, 6, 9\]"):
        table.cost_seconds(3)


def test_cost_seconds_at_the_end_only(made: Made) -> None:
    seconds = made.table.seconds
    assert seconds is not None
    table = replace(made.table, seconds=seconds[:, :, -1])
    assert same(table.cost_seconds(), list(made.table.cost_seconds()))
    assert same(table.cost_seconds(9), list(made.table.cost_seconds()))
    with pytest.raises(NotRecorded) as error:
        table.cost_seconds(6)
    one_line(error, "epoch 9 only", "not 6")
    assert np.isnan(replace(table, seconds=None).cost_seconds()).all()


def test_frame(made: Made) -> None:
    table, frame = made.table, made.table.frame()
    assert (list(frame.index), frame.index.name) == (NAMES, "architecture")
    points = {str(point) for point in table.columns if point.at != "curve"}
    assert set(frame) == points | {"seconds", "params", "latency"}
    for point in made.ends:
        expected = table.values(point.split, point.metric, point.at)
        assert same(frame[str(point)], list(expected))
    assert same(frame["seconds"], list(table.cost_seconds()))
    assert list(frame["params"]) == [10 * row + 7 for row in range(N)]
    frame.iloc[:] = 0
    assert same(table.frame()[str(point)], list(expected))


def test_shape(made: Made) -> None:
    table = made.table
    assert (len(table), table.epochs, table.space) == (N, 9, SPACE)
    assert table.rows.names == tuple(NAMES)
    assert table.rows.archs == tuple(map(SPACE.read, NAMES))
    assert list(table.rows.trained_as) == list(range(N))


# -------------------------------------------------------------------- what is given can't be broken


def test_what_a_table_gives_cannot_change_it(made: Made) -> None:
    table = made.table
    before = {asked[:3]: table.values(*asked[:3]).tolist() for asked in made.asked()}
    record, facts = repr(table.query(0)), dict(table.facts(0))
    for split, metric, at in before:
        for array in (
            table.values(split, metric, at),
            table.scores(split, metric, at),
            table.values(split, metric, at, SEEDS[0]),
            table.trials(split, metric, at),
            table.column(split, metric, at).values,
            table.cost_seconds(),
            table.answer(),
        ):
            if array.flags.writeable:
                array[:] = -1
    table.facts(0)["params"] = -1
    values: Any = table.query(0).values
    values["valid"].clear()
    for (split, metric, at), expected in before.items():
        assert same(table.values(split, metric, at), expected)
    assert (repr(table.query(0)), table.facts(0)) == (record, facts)
    assert isinstance(table.rows.names, tuple)
    assert isinstance(table.rows.archs, tuple)


def test_a_changed_copy_remembers_nothing(table: Table) -> None:
    assert (table.value(0), table.query(0).value) == (table.values()[0], table.values()[0])
    ones = {Point("best", "valid", "top1"): Column(np.ones((N, 1), np.float32))}
    copy = replace(table, columns=ones)
    assert (copy.value(0), copy.query(0).value) == (1, 1)


# ------------------------------------------------------------------------------------------ errors

OUTSIDE = ("is not in transnas_cell", "64-41414-")
RECORDED = ("recorded: ", "best/valid/top1", "final/train/top1")
WRONG: dict[str, tuple[Callable[[Table], Any], type[NasbenchError], tuple[str, ...]]] = {
    "split": (lambda t: t.value(0, "validation"), NotRecorded, ("'validation'", "valid, test")),
    "metric": (lambda t: t.value(0, metric="top2"), NotRecorded, ("'top2'", "top1, top5, loss")),
    "absent metric": (lambda t: t.values(metric="loss"), NotRecorded, ("valid/loss", *RECORDED)),
    "absent best": (lambda t: t.value(0, "train"), NotRecorded, ("best/train/top1", *RECORDED)),
    "absent final": (
        lambda t: t.trials("test", "top5", "final"),
        NotRecorded,
        ("final/test/top5", *RECORDED),
    ),
    "absent curve": (
        lambda t: t.values("train", at=4),
        NotRecorded,
        ("train top1 at epoch 4", *RECORDED),
    ),
    "word": (lambda t: t.value(0, at="last"), NotRecorded, ("'last'", "best, final or an epoch")),
    "curve": (lambda t: t.values(at="curve"), NotRecorded, ("'curve'", "best, final or an epoch")),
    "epoch": (lambda t: t.value(0, at=3), NotRecorded, ("no epoch 3", "[1, 2, 4, 6, 9]")),
    "epoch 0": (lambda t: t.answer(0), NotRecorded, ("no epoch 0", "[1, 2, 4, 6, 9]")),
    "epoch -1": (lambda t: t.values(at=-1), NotRecorded, ("no epoch -1", "[1, 2, 4, 6, 9]")),
    "later epoch": (lambda t: t.answer(10), NotRecorded, ("no epoch 10", "[1, 2, 4, 6, 9]")),
    "query's epoch": (lambda t: t.query(0, 3), NotRecorded, ("no epoch 3", "[1, 2, 4, 6, 9]")),
    "query's word": (lambda t: t.query(0, "last"), NotRecorded, ("'last'", "best, final")),
    "best's word": (lambda t: t.best(at="last"), NotRecorded, ("'last'", "best, final")),
    "seed": (lambda t: t.value(0, seed=1), NotRecorded, ("no seed 1", "777, 888, 999")),
    "no seed": (lambda t: t.values(at=2, seed=-1), NotRecorded, ("no seed -1", "777, 888, 999")),
    "row": (lambda t: t.value(N), NotRecorded, (f"no row {N}", f"0 to {N - 1}")),
    "row -1": (lambda t: t.query(-1), NotRecorded, ("no row -1", f"0 to {N - 1}")),
    "numpy row": (lambda t: t.value(np.int64(N)), NotRecorded, (f"no row {N}", f"0 to {N - 1}")),  # type: ignore[arg-type]
    "member": (lambda t: t.value("64-41414-3_21_033"), NotRecorded, ("no training", "3_21_033")),
    "tuple": (lambda t: t.query((3, 2, 1, 0, 3, 3)), NotRecorded, ("no training", "3_21_033")),
    "outside": (lambda t: t.value((4, 0, 0, 0, 0, 0)), OutsideSpace, ("(4, 0", *OUTSIDE)),
    "too short": (lambda t: t.value((1, 2)), OutsideSpace, ("(1, 2)", *OUTSIDE)),
    "empty": (lambda t: t.facts(()), OutsideSpace, ("()", *OUTSIDE)),
    "list": (lambda t: t.row([9] * 6), OutsideSpace, ("(9, 9", *OUTSIDE)),
    "spelling": (lambda t: t.value("64-41414-3_33_334"), OutsideSpace, ("3_33_334'", *OUTSIDE)),
    "other space": (lambda t: t.query("64-2243-basic"), OutsideSpace, ("2243", *OUTSIDE)),
    "space around": (lambda t: t.query(f" {NAMES[0]}"), OutsideSpace, ("' 64-", *OUTSIDE)),
    "no text": (lambda t: t.query(""), OutsideSpace, ("''", *OUTSIDE)),
    "two lines": (lambda t: t.query(f"{NAMES[0]}\n"), OutsideSpace, ("\\n", *OUTSIDE)),
    "hole": (lambda t: t.value(NEVER), NotRecorded, ("best/valid/top1", NAMES[NEVER])),
    "hole on the way": (
        lambda t: t.value(NEVER, "test", at=4),
        NotRecorded,
        ("test top1 at epoch 4", NAMES[NEVER]),
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("is_mapped", [False, True], ids=["in memory", "mapped"])
def test_errors_say_what_was_asked_and_what_there_is(
    wrong: str, is_mapped: bool, tmp_path: Path
) -> None:
    made = make(CLIMBING)
    table = mapped(made, tmp_path).table if is_mapped else made.table
    ask, kind, words = WRONG[wrong]
    for _ in range(2):  # what was asked before changes nothing
        with pytest.raises(NasbenchError) as error:
            ask(table)
        assert type(error.value) is kind
        one_line(error, *words)
        table.value(0, at=9)
        table.query(0)


def test_trials_without_names(table: Table) -> None:
    unnamed = replace(table, seed=np.full(S, -1))
    for seed in (777, -1, 0):
        with pytest.raises(NotRecorded) as error:
            unnamed.value(0, seed=seed)
        one_line(error, f"no seed {seed}", "ask the mean")
    assert unnamed.value(0) == table.value(0)
    half = replace(table, seed=np.array([5, -1, 6]))
    assert same(half.values(seed=6), list(table.values(seed=999)))
    with pytest.raises(NotRecorded, match="seeds are 5, 6"):
        half.values(seed=777)


@pytest.mark.parametrize("split", ["train", "valid", "test"])
def test_a_split_is_never_another_one(split: str, made: Made) -> None:
    table = without(made.table, lambda point: point.split == split)
    for at in POINTS:
        for metric in table.task:
            for ask in (table.values, table.scores, table.trials, table.column):
                with pytest.raises(NotRecorded, match="recorded: "):
                    ask(split, metric.name, at)
        record = table.query(0, at)
        assert split not in record.values
        assert isnan(record.value) == isnan(record.score) == (split == "valid")
    if split == "valid":
        for look in (table.value, table.answer, table.best):
            with pytest.raises(NotRecorded):
                look(1)
        assert [record.row for record in table.best(N, "test")]


def test_an_empty_table_says_so(table: Table) -> None:
    with pytest.raises(NotRecorded, match="recorded: nothing"):
        replace(table, columns={}).query(0)


def test_rows_read_published_spellings() -> None:
    with pytest.raises(OutsideSpace) as error:
        Rows.of(SPACE, [*NAMES, "64-41414-9_99_999"])
    one_line(error, "9_99_999", *OUTSIDE)
