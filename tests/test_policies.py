"""Methods that learn a policy, and their parts."""

from __future__ import annotations

from math import inf
from typing import Any

import numpy as np
import pytest

from nasbench.budget import Budget
from nasbench.find import find
from nasbench.loop import run
from nasbench.parts.controller import Controller
from nasbench.parts.policy import Adam, Average, Options, Standard, softmax
from nasbench.parts.ppo import clipped
from tests.made_up import made_up


def test_options_that_lead_to_no_member_are_masked() -> None:
    space = find("spaces", "transnas_macro")
    options = Options(space)
    for arch in list(space)[::97]:
        for i, n in enumerate(space.choices):
            left = {other[i] for other in space if other[:i] == arch[:i]}
            assert options(arch[:i]).tolist() == [gene in left for gene in range(n)]
    assert Options(find("spaces", "transnas_cell"))((0, 1)).all()


def test_what_is_masked_has_probability_zero() -> None:
    p = softmax([[3.0, 900.0, 1.0], [0.0, 0.0, 0.0]], [[True, False, True], [False, True, False]])
    assert p[:, 1].tolist() == [0.0, 1.0]
    assert p.sum(axis=1) == pytest.approx(1)
    assert p[0, 0] / p[0, 2] == pytest.approx(np.exp(2))


def test_rewards_do_not_depend_on_the_unit_of_the_score() -> None:
    scores = np.random.default_rng(0).normal(size=30)
    one, other = Standard(), Standard()
    ours, theirs = [one(x) for x in scores], [other(60 - 1000 * (0 - x)) for x in scores]
    assert ours == pytest.approx(theirs)
    want = (scores[-1] - scores.mean()) / scores.std()
    assert ours[-1] == pytest.approx(want)


def test_a_training_that_diverged_is_as_bad_as_the_worst() -> None:
    standard, plain = Standard(), Standard()
    assert standard(-inf) == 0, "there is no worst yet"
    for x in (1.0, 0.0, 2.0):
        standard(x)
    for x in (1.0, 0.0, 2.0):
        plain(x)
    assert standard(-inf) == pytest.approx(plain(0.0)) != 0


def test_the_baseline_holds_the_reward_and_accumulates() -> None:
    average = Average(0.9)
    assert average(7.0) == 7
    assert average(1.0) == pytest.approx((0.9 * 7 + 1) / 1.9)
    assert average(0.0) == pytest.approx((0.81 * 7 + 0.9) / 2.71)


def test_adam_takes_first_steps_of_its_rate() -> None:
    weights = np.array([5.0, -5.0, 1.0])
    Adam([weights], 0.1).step([np.array([1e-3, -40.0, 0.0])])
    assert weights == pytest.approx([4.9, -4.9, 1.0], abs=1e-5)


@pytest.mark.parametrize("space", ["transnas_cell", "transnas_macro"])
def test_slopes_of_the_controller_are_those_of_finite_differences(space: str) -> None:
    rng = np.random.default_rng(0)
    controller = Controller(find("spaces", space), rng, hidden=3, embedding=2)
    drawn = controller.draw(4, rng)
    by_log_p, by_entropy = rng.normal(size=(2, 4))

    def loss() -> float:
        now = controller.read(drawn.genes)
        return float(by_log_p @ now.log_p + by_entropy @ now.entropy)

    slopes = controller.slopes(drawn, by_log_p, by_entropy)
    for array, slope in zip(controller.arrays, slopes, strict=True):
        for place in rng.integers(array.size, size=4).tolist():
            at = np.unravel_index(place, array.shape)
            middle = array[at]
            array[at] = middle + 1e-5
            above = loss()
            array[at] = middle - 1e-5
            below = loss()
            array[at] = middle
            assert slope[at] == pytest.approx((above - below) / 2e-5, abs=1e-7)


def test_the_controller_draws_members_and_its_probabilities_add_up() -> None:
    space, rng = find("spaces", "transnas_macro"), np.random.default_rng(0)
    controller = Controller(space, rng)
    drawn = controller.draw(30, rng)
    assert all(tuple(genes) in space for genes in drawn.genes.tolist())
    everything = np.exp(controller.read(np.array(list(space))).log_p)
    assert everything.sum() == pytest.approx(1)
    again = controller.read(drawn.genes)
    assert again.log_p.tolist() == drawn.log_p.tolist(), "the first ratio is 1"


def test_clipping_holds_only_the_side_that_improves() -> None:
    ratio = np.array([0.7, 0.9, 1.1, 1.3])
    for advantage, held in (
        (2.0, [False, False, False, True]),
        (-2.0, [True, False, False, False]),
    ):
        value, slope = clipped(ratio, np.full(4, advantage), 0.2)
        assert (slope == 0).tolist() == held
        inside = ~np.array(held)
        assert value[inside] == pytest.approx(ratio[inside] * advantage)
        assert slope[inside] == pytest.approx(ratio[inside] * advantage)
        assert value[held] == pytest.approx(advantage * (1.2 if advantage > 0 else 0.8))


@pytest.mark.parametrize(("runner", "rate"), [("ppo", 1e-3), ("reinforce", 0.05)])
def test_a_policy_learns_which_option_is_best(runner: str, rate: float) -> None:
    traces = run(runner, made_up(), [0], Budget(queries=250), learning_rate=rate)
    assert (traces.arch[-50:] == 3).mean() > 0.5, "twice what chance draws"


@pytest.mark.parametrize(
    ("params", "why"),
    [({"momentum": 1.0}, "from 0 to less than 1"), ({"learning_rate": 0.0}, "more than 0")],
)
def test_reinforce_refuses_what_cannot_be(params: dict[str, Any], why: str) -> None:
    with pytest.raises(Exception, match=why):
        run("reinforce", made_up(), **params)
