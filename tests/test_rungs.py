"""Methods of several training lengths."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nasbench.budget import Budget
from nasbench.errors import BadValue, NotApplicable, RunnerFailed
from nasbench.find import find
from nasbench.loop import Method, run
from nasbench.parts.rungs import bracket, brackets
from nasbench.runners.bohb import Density, propose, split
from nasbench.search import Outcome, Problem, Search
from nasbench.store import Benchmark
from nasbench.study import lacking, units
from tests.made_up import made_up, write_made_up

MULTI = ["successive_halving", "hyperband", "bohb"]


def test_brackets_are_those_of_the_paper() -> None:
    assert [bracket(s, 27, 1, 3) for s in (3, 2, 1, 0)] == [
        [(27, 1), (9, 3), (3, 9), (1, 27)],
        [(12, 3), (4, 9), (1, 27)],
        [(6, 9), (2, 27)],
        [(4, 27)],
    ]


@pytest.mark.parametrize("eta", [2, 3, 4])
@pytest.mark.parametrize("most", [1, 2, 9, 10, 12, 25, 30, 81, 200, 243])
def test_rungs_are_whole_epochs_up_to_the_full_length(most: int, eta: int) -> None:
    top = brackets(most, 1, eta)
    for s in range(top + 1):
        rungs = bracket(s, most, 1, eta)
        assert rungs[-1][1] == most
        assert rungs[0][1] >= 1
        assert all(number >= 1 for number, _ in rungs)
        assert sum(number * epochs for number, epochs in rungs) <= (top + 1) * most + most


def test_the_number_of_brackets_is_counted_in_whole_numbers() -> None:
    assert brackets(243, 1, 3) == 5, "the logarithm says 4.999"
    assert brackets(12, 1, 3) == 2


@pytest.mark.parametrize("runner", MULTI)
def test_only_the_best_of_a_rung_go_on(runner: str) -> None:
    traces = run(runner, made_up(), [0], Budget(epochs=400))
    assert {1, 9} <= set(traces.epochs.tolist())
    archs, epochs = list(map(tuple, traces.arch.tolist())), traces.epochs
    ends = np.flatnonzero(np.diff(epochs)) + 1
    groups = np.split(np.arange(len(archs)), ends)
    went_on = 0
    for group, after in pairwise(groups[:-1]):
        if epochs[after[0]] < epochs[group[0]]:
            continue
        best = sorted(group.tolist(), key=lambda step: -traces.score[step])[: len(after)]
        if {archs[step] for step in after} <= {archs[step] for step in group}:
            assert [archs[step] for step in after] == [archs[step] for step in best]
            went_on += 1
    assert went_on >= 2


@pytest.mark.parametrize("runner", MULTI)
def test_without_curves_it_is_not_applicable(runner: str) -> None:
    table = made_up()
    bare = {point: column for point, column in table.columns.items() if point.at != "curve"}
    with pytest.raises(NotApplicable, match=f"{runner} needs answers after any number of epochs"):
        run(runner, replace(table, columns=bare))


def test_what_is_needed_must_be_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nasbench.runners.hyperband.needs", {"luck"})
    with pytest.raises(
        BadValue,
        match="needs 'luck'; what can be needed is curves, history, live, networks, widths, optuna",
    ):
        run("hyperband", made_up())
    monkeypatch.setattr("nasbench.runners.hyperband.needs", {"optuna"})
    monkeypatch.setattr("nasbench.loop.find_spec", lambda name: None)
    with pytest.raises(NotApplicable, match=r"pip install 'nasbench\[optimizers\]'"):
        run("hyperband", made_up())


def test_a_study_leaves_out_what_is_lacking(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("nasbench.runners.hyperband.needs", {"optuna"})
    monkeypatch.setattr("nasbench.loop.find_spec", lambda name: None)
    bench = Benchmark(write_made_up(tmp_path / "made_up.h5"))
    methods = [Method("hyperband"), Method("random_search")]
    without = lacking(bench, methods)
    assert len(without) == len(list(bench)) == 3
    assert all("pip install" in why for why in without.values())
    todo = units(bench, tmp_path / "out", methods, 2, Budget(queries=5))
    assert {str(unit.method) for unit in todo} == {"random_search"}


def test_a_function_needs_nothing() -> None:
    def search(problem: Problem, rng: np.random.Generator) -> Search:
        yield from ()

    assert Method(search).lacks(frozenset()) == ""


@pytest.mark.parametrize("params", [{"eta": 1}, {"least": 0}, {"least": 10}])
@pytest.mark.parametrize("runner", MULTI)
def test_a_ladder_that_cannot_be_is_refused(runner: str, params: dict[str, Any]) -> None:
    with pytest.raises(RunnerFailed, match="least from 1 to 9 epochs"):
        run(runner, made_up(), **params)


def test_a_density_sums_to_one_over_the_space_and_draws_as_it_says() -> None:
    space, rng = find("spaces", "transnas_cell"), np.random.default_rng(0)
    density = Density.of([space.sample(rng) for _ in range(8)], space.choices, 0.3)
    assert density(list(space)).sum() == pytest.approx(1)
    drawn = np.array([density.draw(rng) for _ in range(4000)])
    share = (drawn[:, 0] == 1).mean()
    firsts = [arch for arch in space if arch[0] == 1]
    assert share == pytest.approx(density(firsts).sum(), abs=0.03)


def test_bandwidths_never_make_all_options_alike_or_worse() -> None:
    wide = Density.of([(0, 0), (3, 3), (0, 3), (3, 0)], (4, 4), 0.3)
    assert (wide.bandwidth <= 0.75).all()
    alike = Density.of([(2, 2)] * 5, (4, 4), 0.3)
    assert alike.bandwidth.tolist() == [0.3, 0.3], "three times as wide would be uniform"


def test_a_proposal_looks_like_the_good_ones() -> None:
    space, rng = find("spaces", "transnas_cell"), np.random.default_rng(0)
    good = Density.of([(3, 3, 3, 3, 3, 3)] * 7, space.choices, 0.3)
    bad = Density.of([(0, 0, 0, 0, 0, 0)] * 7, space.choices, 0.3)
    many = [propose(space, good, bad, 64, rng) for _ in range(20)]
    assert (np.array(many) == 3).mean() > 0.9
    macro = find("spaces", "transnas_macro")
    outside = Density.of([(4,) * 6] * 7, macro.choices, 0.0)
    assert propose(macro, outside, outside, 4, rng) in macro


def test_the_good_are_the_best_and_enough_for_a_density() -> None:
    traces: list[Outcome] = []

    def spy(problem: Problem, rng: np.random.Generator) -> Search:
        inner = find("runners", "random_search")(problem, rng)
        asked = next(inner)
        while True:
            outcomes = yield asked
            assert not isinstance(outcomes, Outcome)
            traces.extend(outcomes)
            asked = inner.send(outcomes)

    run(spy, made_up(), [0], Budget(queries=65))
    good, bad = split(traces, 7)
    assert (len(good), len(good) + len(bad)) == (9, len(traces))
    score = {outcome.query.arch: outcome.score for outcome in traces}
    assert min(score[arch] for arch in good) >= max(score[arch] for arch in bad)
    assert len(split(traces[:20], 7)[0]) == 7
