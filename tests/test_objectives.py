"""Methods of several objectives, and those that are Optuna's."""

from __future__ import annotations

import logging
from math import inf

import numpy as np
import optuna
import pytest

from nasbench.budget import Budget
from nasbench.errors import RunnerFailed
from nasbench.loop import run
from nasbench.parts.pareto import crowding, fronts
from tests.made_up import made_up

BOTH = ["nsga2", "multi_objective_evolution"]


def test_fronts_are_those_of_the_definition() -> None:
    rng = np.random.default_rng(0)
    points = rng.integers(6, size=(60, 2))
    front = fronts(points)
    left = set(range(60))
    for number in range(front.max() + 1):
        best = {
            i
            for i in left
            if not any(
                (points[j] >= points[i]).all() and (points[j] > points[i]).any() for j in left
            )
        }
        assert best == set(np.flatnonzero(front == number).tolist())
        left -= best
    assert not left


def test_equal_points_share_a_front_and_a_diverged_one_has_its_place() -> None:
    assert fronts([[1.0, 1.0], [1.0, 1.0], [-inf, 2.0], [-inf, 1.0]]).tolist() == [0, 0, 0, 1]


def test_crowding_is_the_extent_of_the_neighbours() -> None:
    points = [[0.0, 4.0], [1.0, 3.0], [4.0, 0.0], [2.0, 2.5], [9.0, 9.0]]
    distance = crowding(points, [1, 1, 1, 1, 0])
    assert distance.tolist() == [inf, 2 / 4 + 1.5 / 4, inf, 3 / 4 + 3 / 4, inf]
    assert not np.isnan(crowding([[-inf, 1.0], [0.0, 0.5], [1.0, 0.0]], [0, 0, 0])).any()


@pytest.mark.parametrize("runner", BOTH)
def test_what_is_paid_may_be_named_and_must_be_known(runner: str) -> None:
    table, budget = made_up(), Budget(queries=30)
    by_seconds, by_params = (
        run(runner, table, [0], budget, against=name) for name in ("seconds", "params")
    )
    assert by_seconds.head["params"]["against"] == "seconds"
    assert by_params.head["params"]["against"] == "params"
    with pytest.raises(RunnerFailed, match=r"no 'luck' is known .*; known: seconds, params"):
        run(runner, table, [0], budget, against="luck")


def test_evolution_by_two_objectives_keeps_cheap_ones() -> None:
    budget = Budget(queries=120)
    traces = {
        runner: run(runner, made_up(), range(2), budget)
        for runner in ("multi_objective_evolution", "regularized_evolution")
    }
    cheap = {name: each.seconds.min() for name, each in traces.items()}
    assert cheap["multi_objective_evolution"] <= cheap["regularized_evolution"]


@pytest.mark.parametrize("runner", ["tpe", "nsga2"])
@pytest.mark.parametrize("space", ["transnas_cell", "transnas_macro"])
def test_nothing_is_asked_twice(runner: str, space: str) -> None:
    traces = run(runner, made_up(space), [0], Budget(queries=40))
    assert len({tuple(arch) for arch in traces.arch.tolist()}) == 40


def test_tpe_draws_what_the_good_ones_have() -> None:
    traces = run("tpe", made_up(), [0], Budget(queries=60), startup=20)
    assert (traces.arch[40:] == 3).mean() > (traces.arch[:20] == 3).mean() + 0.1


def test_optuna_is_as_talkative_as_before() -> None:
    before = optuna.logging.get_verbosity(), logging.getLogger("optuna").handlers[:]
    run("tpe", made_up(), [0], Budget(queries=3))
    assert (optuna.logging.get_verbosity(), logging.getLogger("optuna").handlers) == before
