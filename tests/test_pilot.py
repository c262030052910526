"""The pilot of `rooms`: its parts, what is said of known values, and how it is shown."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import kendalltau

from nasbench.__main__ import main
from nasbench.benchmark import import_benchmark
from nasbench.errors import BadValue, NotApplicable
from nasbench.find import find
from nasbench.metrics.noise import ceiling, separation
from nasbench.metrics.resampling import kendall_resampled, resamples
from nasbench.metrics.statistics import Interval
from nasbench.pilot import (
    PARTS,
    SIZES,
    TUNED_TASKS,
    Part,
    Pilot,
    parts,
    pilot,
)
from nasbench.report.pilot import figures
from nasbench.store import Benchmark, write
from nasbench.table import Column, Floats, Info, Point, Rows, Table

SPACES = {"cell": "transnas_cell", "macro": "transnas_macro"}
TASKS = [*TUNED_TASKS, "autoencoder", "room_layout", "jigsaw"]
NAN = np.nan
ENDS = {  # the first and the last of each part
    "transnas_cell": "64-41414-0_10_202 64-41414-0_20_201 64-41414-0_10_101 64-41414-2_30_332",
    "transnas_macro": "64-423313-basic 64-411141-basic 64-342141-basic 64-231432-basic",
}


def table(space: str, task: str, values: Floats, seconds: float = 2.0) -> Table:
    """Make a pilot's table of values (N, S), in the order of the two parts."""
    found = find("spaces", SPACES[space])
    names = [found.spell(arch) for part in parts(found) for arch in part]
    rows = Rows.of(found, names, params=Info(np.arange(len(names)) % 7))
    main_ = find("tasks", task)
    return Table(
        f"rooms_pilot/{space}/{task}",
        rows,
        main_,
        "final",
        np.array([2], np.int32),
        np.arange(values.shape[1]),
        {Point("final", "valid", main_.metric.name): Column(values.astype(np.float32))},
        np.full(values.shape, seconds, np.float32),
    )


def write_tables(path: Path, tables: list[Table]) -> Benchmark:
    header = dict.fromkeys(("title", "citation", "source", "source_sha256", "licence"), "none")
    header |= {"benchmark": path.stem, "answers": "final"}
    lists: dict[str, list[str]] = {"notes": [], "left_out": []}
    write(path, header | lists, [(each.address.split("/")[1], each) for each in tables])
    return Benchmark(path)


def truths(space: str) -> Floats:
    """What each architecture of both parts is worth, from 0 to 1, all different."""
    rng = np.random.default_rng(1)
    return rng.permutation(np.linspace(0, 1, 2 * SIZES[SPACES[space]]))


def made(path: Path, tasks: Sequence[str] = TASKS, sd: float = 0.05) -> Benchmark:
    """Write truth + noise for all tasks; the third seed was trained of the part to report alone."""
    rng, tables = np.random.default_rng(2), []
    for space in SPACES:
        truth = truths(space)
        for task in tasks:
            values = truth[:, None] + rng.normal(scale=sd, size=(len(truth), 3))
            values[: len(truth) // 2, 2] = NAN
            low = -1 if task == "room_layout" else 0.2
            tables.append(table(space, task, low + 0.5 * values))
    return write_tables(path, tables)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    return made(tmp_path_factory.mktemp("made") / "rooms_pilot.h5")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    return made(tmp_path_factory.mktemp("small") / "rooms_pilot.h5", ["normal", "jigsaw"])


@pytest.fixture(scope="module")
def real(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NASBENCH_HOME", str(tmp_path_factory.mktemp("home")))
        file = shared / "data" / "transnas101" / "transnas101_best.csv.gz"
        return import_benchmark("transnas101", file)


@pytest.fixture(scope="module")
def judged(bench: Benchmark) -> Pilot:
    return pilot(bench)


def part(judged: Pilot, space: str = "cell", name: str = "report") -> Part:
    return next(each for each in judged.parts if (each.space, each.part) == (space, name))


def test_a_seed_that_is_being_trained_says_nothing_yet(tmp_path: Path, small: Benchmark) -> None:
    """Of the third seed eight are there: they'd rule the separation, and a third of each tau."""
    trials = small["cell", "normal"].trials().astype(np.float64)
    unfinished, never = trials.copy(), trials[:, :2]
    unfinished[np.arange(len(trials)) % 15 != 0, 2] = NAN
    told = [
        pilot(write_tables(tmp_path / f"{n}.h5", [table("cell", "normal", values)]))
        for n, values in enumerate((unfinished, never))
    ]
    one, other = (part(each).tables["normal"] for each in told)
    assert one.seeds == 2
    assert repr(one) == repr(other)


@pytest.mark.parametrize("name", SIZES)
def test_parts_are_connected_representatives_of_different_classes(name: str) -> None:
    space = find("spaces", name)
    tune, report = parts(space)
    assert len(tune) == len(report) == SIZES[name]
    every = [*tune, *report]
    ids = space.class_ids()
    assert len({ids[space.index(arch)] for arch in every}) == len(every)
    assert all(space.has_path(arch) and space.canonical(arch) == arch for arch in every)
    for arch in every:
        assert space.index(arch) == np.flatnonzero(ids == ids[space.index(arch)])[0]
    assert parts(space) == (tune, report)


def test_parts_stay_what_they_are() -> None:
    """Trainings of these are kept in files: others would be another pilot."""
    for name, expected in ENDS.items():
        space = find("spaces", name)
        ends = [space.spell(part[i]) for part in parts(space) for i in (0, -1)]
        assert ends == expected.split()


def test_a_space_without_a_pilot_is_not_applicable() -> None:
    with pytest.raises(NotApplicable, match="nasbench201 has no pilot"):
        parts(find("spaces", "nasbench201"))


def test_what_was_put_in_comes_out(judged: Pilot) -> None:
    for space in SPACES:
        for name, seeds in zip(PARTS, (2, 3), strict=True):
            told = part(judged, space, name)
            n = SIZES[SPACES[space]]
            truth = truths(space)[:n] if name == "tune" else truths(space)[n:]
            for task in TASKS:
                table, low = told.tables[task], -1 if task == "room_layout" else 0.2
                assert (table.architectures, table.seeds) == (n, seeds)
                assert table.tuned == (space == "cell" and task in TUNED_TASKS)
                sd = 0.5 * 0.05
                assert table.std == pytest.approx(sd, rel=4 / np.sqrt(2 * n * (seeds - 1)))
                assert table.median == pytest.approx(low + 0.5 * np.median(truth), abs=0.02)
                apart = 0.5 * (truth.max() - np.median(truth))
                assert table.separation * table.std == pytest.approx(apart, abs=2.5 * sd)
                assert table.separation_held_out <= table.separation + 0.5
                assert table.seed_tau.low <= table.seed_tau.value <= table.seed_tau.high
                assert table.seconds == 2


def test_taus_are_those_of_scipy(judged: Pilot) -> None:
    told = part(judged)
    scores = {task: told.values[task] for task in TASKS}
    for task in TASKS:
        pairs = [
            kendalltau(scores[task][:, i], scores[task][:, j]).statistic
            for i, j in combinations(range(3), 2)
        ]
        assert told.tables[task].seed_tau.value == pytest.approx(np.mean(pairs))
        for other in TASKS:
            expected = kendalltau(scores[task].mean(axis=1), scores[other].mean(axis=1)).statistic
            assert told.between_tasks[task][other] == pytest.approx(expected)


def test_a_full_build_costs_what_its_networks_cost(judged: Pilot) -> None:
    assert judged.core_hours["cell"]["jigsaw"] == pytest.approx(2 * 1376 / 3600)
    assert judged.core_hours["macro"]["jigsaw"] == pytest.approx(2 * 3256 / 3600)
    cost = next(verdict for verdict in judged.verdicts if verdict.target == "core-hours")
    assert cost.value == pytest.approx(2 * 7 * 4632 / 3600)
    assert cost.met


def test_without_the_real_table_its_verdicts_are_not_known(judged: Pilot) -> None:
    assert judged.real == ""
    real = [verdict for verdict in judged.verdicts if verdict.target.startswith("real")]
    assert {verdict.met for verdict in real} == {None}
    assert part(judged).with_real["jigsaw"] == {}


def test_verdicts_by_hand(bench: Benchmark) -> None:
    trivial = {"class_object": {"constant": 0.1, "colours": 0.2}, "normal": {"constant": 0.9}}
    trivial |= {"room_layout": {"constant": -2.0}}
    judged = pilot(bench, None, trivial)
    told = {
        (v.target, v.task): v for v in judged.verdicts if (v.space, v.part) == ("cell", "report")
    }
    assert told["learned", "class_object"].met
    assert told["learned", "class_object"].goal == "better than 0.2"
    assert told["learned", "normal"].met is False
    assert told["learned", "room_layout"].met
    assert ("learned", "jigsaw") not in told
    assert told["repeats", "jigsaw"].met
    assert told["repeats", "jigsaw"].tuned is False
    assert told["repeats", "normal"].tuned
    assert told["separates", "jigsaw"].met
    assert told["tasks differ", "all"].met is False  # all tasks were made of one truth
    assert told["no two alike", "all"].value < 1
    assert {task for target, task in told if target == "real, mean"} == {"all", "tuned", "left out"}


def test_noise_alone_meets_no_target(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    values = rng.normal(0.5, 0.01, (120, 3))
    judged = pilot(write_tables(tmp_path / "noise.h5", [table("cell", "normal", values)]))
    for name in PARTS:
        told = part(judged, "cell", name).tables["normal"]
        assert abs(told.seed_tau.value) < 0.25
        assert told.separation > 0.8  # the luck of the best
        assert abs(told.separation_held_out) < 2.5
    assert not [v for v in judged.verdicts if v.met and v.target in ("separates", "repeats")]


def test_what_is_missing_or_diverged_breaks_nothing(tmp_path: Path) -> None:
    truth = np.linspace(-2, -1, 120)
    values = truth[:, None] + np.random.default_rng(4).normal(scale=0.01, size=(120, 2))
    values[0], values[1, 1], values[2], values[3, 0] = NAN, NAN, -np.inf, -np.inf
    values[4:6] = -1.5  # ties
    hole = np.full((120, 2), NAN)
    tables = [table("cell", "room_layout", values), table("cell", "jigsaw", hole)]
    tables.append(table("macro", "jigsaw", hole[:60]))
    judged = pilot(write_tables(tmp_path / "holes.h5", tables))
    told = part(judged, "cell", "tune")
    assert list(told.tables) == ["room_layout"]
    assert list(judged.core_hours) == ["cell"]
    layout = told.tables["room_layout"]
    assert (layout.architectures, layout.seeds) == (59, 2)
    both = ~np.isnan(values[:60]).any(axis=1)
    expected = kendalltau(*values[:60][both].T).statistic
    assert layout.seed_tau.value == pytest.approx(expected)
    assert 0.005 < layout.std < 0.02
    assert np.isfinite([layout.median, layout.best, layout.separation_held_out]).all()


def test_a_file_may_hold_more_or_less_than_the_pilot(bench: Benchmark, tmp_path: Path) -> None:
    whole = bench["cell", "jigsaw"]
    space = find("spaces", "transnas_cell")
    other = next(arch for arch in space if arch not in whole.rows.by_key)
    names = [*whole.rows.names[60:], space.spell(other)]
    values = np.concatenate([whole.trials()[60:], [[100, 100, 100]]])
    more = replace(
        whole,
        rows=Rows.of(space, names),
        columns={Point("final", "valid", "top1"): Column(values.astype(np.float32))},
        seconds=None,
    )
    judged = pilot(write_tables(tmp_path / "more.h5", [more]))
    assert [(each.space, each.part) for each in judged.parts] == [("cell", "report")]
    expected = part(pilot(bench)).tables["jigsaw"]
    found = part(judged).tables["jigsaw"]
    nothing = Interval(NAN, NAN, NAN)
    assert str(found.real_tau) == str(found.real_tau_of_means) == str(nothing)
    unknown: dict[str, Any] = {"real_tau": nothing, "real_tau_of_means": nothing}
    unknown |= {"real_seed_tau": NAN, "ceiling": NAN}
    assert np.isnan(found.seconds)
    assert replace(found, seconds=2.0, **unknown) == replace(expected, **unknown)
    one = replace(
        more,
        rows=Rows.of(space, [space.spell(other)]),
        columns={Point("final", "valid", "top1"): Column(np.ones((1, 3), np.float32))},
    )
    with pytest.raises(BadValue, match="no training of a pilot's architectures"):
        pilot(write_tables(tmp_path / "other.h5", [one]))


def test_a_benchmarkmark_agrees_with_itself(small: Benchmark) -> None:
    judged = pilot(small, small)
    for told in judged.parts:
        for task, judged_table in told.tables.items():
            assert judged_table.real_tau_of_means == pytest.approx((1, 1, 1))
            assert 0.5 < judged_table.real_tau.value < 1
            own = judged_table.real_seed_tau
            assert judged_table.ceiling == pytest.approx((own * judged_table.seed_tau.value) ** 0.5)
            assert judged_table.goal == pytest.approx(min(0.5, 0.7 * judged_table.ceiling))
            assert told.with_real[task] == told.between_tasks[task]
        assert told.with_real.keys() == {"normal", "jigsaw", "params"}
    assert all(v.met for v in judged.verdicts if v.target.startswith("real"))


def test_params_are_ranked_as_they_are(small: Benchmark) -> None:
    told = part(pilot(small, small))
    params = np.arange(120)[60:] % 7
    expected = kendalltau(params, told.values["normal"].mean(axis=1)).statistic
    assert told.with_real["params"]["normal"] == pytest.approx(expected)


def test_the_real_table_agrees_with_itself(real: Benchmark) -> None:
    judged = pilot(real, real)
    known = {"class_object": 0.57, "class_scene": 0.75, "autoencoder": 0.67, "normal": 0.64}
    known |= {"segmentsemantic": 0.69, "room_layout": 0.63, "jigsaw": 0.48}
    assert len(judged.parts) == 4
    for told in judged.parts:
        for task, tau in known.items():
            assert told.tables[task].real_tau == pytest.approx((1, 1, 1))
            assert told.tables[task].real_seed_tau == pytest.approx(tau, abs=0.006)
            assert np.isnan(told.tables[task].seed_tau.value)


def test_tau_of_resamples_is_that_of_scipy() -> None:
    rng = np.random.default_rng(5)
    a, b = rng.integers(0, 9, (3, 40)).astype(float), rng.normal(size=(3, 40))
    a[0, 3], b[1, 4], a[1, 5:8] = NAN, NAN, -np.inf
    times = resamples(40, rng, 20)
    assert times.shape == (20, 40)
    assert (times.sum(axis=1) == 40).all()
    found = kendall_resampled(a, b, times)
    for drawn, taus in zip(times, found, strict=True):
        rows = np.repeat(np.arange(40), drawn.astype(int))
        for one, other, tau in zip(a, b, taus, strict=True):
            both = rows[~np.isnan(one + other)[rows]]
            assert tau == pytest.approx(kendalltau(one[both], other[both]).statistic)


def test_tau_of_resamples_without_an_order_is_nan() -> None:
    equal = np.ones((1, 5))
    assert np.isnan(kendall_resampled(equal, np.arange(5.0)[None], equal)).all()
    assert np.isnan(kendall_resampled(np.full((1, 5), NAN), equal, equal)).all()


def test_an_interval_holds_the_true_tau_as_often_as_it_says() -> None:
    """Of two normal scores with correlation rho, tau is 2 / pi arcsin(rho)."""
    rng, rho, runs = np.random.default_rng(6), 0.7, 200
    a, noise = rng.normal(size=(2, runs, 60))
    b = rho * a + np.sqrt(1 - rho**2) * noise
    low, high = np.quantile(
        kendall_resampled(a, b, resamples(60, rng, 200)), (0.025, 0.975), axis=0
    )
    tau = 2 / np.pi * np.arcsin(rho)
    assert 180 <= ((low <= tau) & (tau <= high)).sum() < runs


def test_separation_by_hand() -> None:
    scores = np.array([[9.0, 1.0], [5.0, 7.0], [2.0, 2.0], [1.0, 3.0], [0.0, 0.0], [99.0, NAN]])
    std = np.sqrt((32 + 2 + 0 + 2 + 0) / 5)
    high = 6 - 2  # the best mean, and the median one
    low = ((5 - 2) + (1 - 2)) / 2  # chosen by the other seed, and its median
    assert separation(scores) == pytest.approx((high / std, low / std))
    assert np.isnan(separation(scores[:, :1])).all()
    assert np.isnan(separation(np.full((3, 2), NAN))).all()


def test_separation_lies_around_the_truth() -> None:
    """The best of what was seen is too good, what is held out too bad, in the mean."""
    rng, truth = np.random.default_rng(7), np.linspace(0, 3, 61)
    found = [separation(truth[:, None] + rng.normal(size=(61, 2))) for _ in range(300)]
    high, low = np.mean(found, axis=0)
    assert low < 1.5 < high


@pytest.mark.parametrize(("one", "other"), [(0.6, 0.6), (0.5, 0.7), (0.4, 0.65), (0.75, 0.5)])
def test_two_noisy_tables_of_one_truth_reach_the_ceiling(one: float, other: float) -> None:
    """Of normal truths and noise: tau of two seeds, t, is that of a reliability sin(pi t / 2)."""
    rng, n = np.random.default_rng(8), 4000
    truth, scores = rng.normal(size=n), []
    for tau in (one, other):
        reliability = np.sin(np.pi / 2 * tau)
        scores.append(truth + np.sqrt(1 / reliability - 1) * rng.normal(size=n))
    assert ceiling(one, other) == pytest.approx(kendalltau(*scores).statistic, abs=0.025)


def test_a_ceiling_of_no_agreement_is_0_and_of_what_is_not_known_not_known() -> None:
    assert ceiling(-0.1, 0.5) == 0
    assert np.isnan(ceiling(NAN, 0.5))


def test_figures(small: Benchmark) -> None:
    drawn = dict(figures(pilot(small, small)))
    names = ["real_cell", "seeds_cell", "real_macro", "seeds_macro", "tasks", "tasks_rooms_pilot"]
    assert list(drawn) == [f"{name}.png" for name in names]
    assert all(png.startswith(b"\x89PNG") for png in drawn.values())


def test_command(
    small: Benchmark,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("NASBENCH_HOME", str(tmp_path))
    monkeypatch.setattr(
        "nasbench.pilot.trivial_values", lambda bench, tick: {"normal": {"constant": 0.3}}
    )
    path, out = str(small.path), tmp_path / "out"
    assert main(["pilot", path, "--real", path, "--trivial", "--out", str(out)]) == 0
    text, err = capsys.readouterr()
    assert not err
    lines = text.splitlines()
    assert "cell, report: 60 architectures, 3 seeds" in lines
    head = next(line for line in lines if line.startswith("task "))
    assert "constant" in head
    assert "rooms_pilot tau" in head
    assert next(line for line in lines if line.startswith("core-hours    ")).endswith("(<= 24)")
    assert any(line.split()[:2] == ["learned", "cell"] for line in lines)
    assert len(list(out.glob("*.png"))) == 6

    assert main(["pilot", path, "--json"]) == 0
    text, err = capsys.readouterr()
    assert "nasbench import transnas101 PATH" in err
    told = json.loads(text)
    assert told["real"] == ""
    assert told["parts"][1]["tables"]["normal"]["seeds"] == 3
    assert told["parts"][1]["tables"]["normal"]["real_tau"] == [None] * 3
    assert told["core_hours"].keys() == SPACES.keys()
    assert "values" not in told["parts"][0]

    assert main(["pilot", path, "--out", str(out)]) == 0
    assert "tau with" not in capsys.readouterr().out
    assert main(["pilot", path, "--real", "nothing"]) == 2
    assert main(["pilot", str(tmp_path / "none.h5")]) == 2
