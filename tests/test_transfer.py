"""What tasks say about one another, and regret in other units: by hand, and what must hold."""

from __future__ import annotations

from math import isnan

import numpy as np
import pytest

from nasbench.metrics.ranking import kendall, kendall_matrix, spearman
from nasbench.metrics.regret import percentile, regret, time_to_target
from nasbench.metrics.transfer import (
    gain,
    generalisation,
    negative_rate,
    overlap,
    similarity,
    speed_up,
)
from nasbench.table import Floats

NAN = np.nan


@pytest.fixture(scope="module")
def scores() -> Floats:
    rng = np.random.default_rng(0)
    made = rng.normal(size=100) + rng.normal(size=(4, 100))
    made[1] = made[1].round(1)
    made[2, :7] = NAN
    return made


def test_similarity_over_all_is_the_matrix(scores: Floats) -> None:
    found = similarity(scores)
    assert found == pytest.approx(kendall_matrix(scores))
    assert np.diag(found) == pytest.approx(1)
    assert similarity(scores, measure=spearman)[0, 3] == pytest.approx(
        spearman(scores[0], scores[3])
    )


def test_similarity_of_the_top_decile_is_the_sources(scores: Floats) -> None:
    found = similarity(scores, 0.1)
    assert np.diag(found) == pytest.approx(1)
    best = np.argsort(-scores[0])[:10]
    for target in range(4):
        assert found[0, target] == pytest.approx(kendall(scores[0, best], scores[target, best]))
    edge = np.sort(scores[1])[-10]
    ties = scores[1] >= edge
    assert found[1, 0] == pytest.approx(kendall(scores[1, ties], scores[0, ties]))
    assert found[0, 1] != found[1, 0]
    assert np.isnan(similarity(np.full((1, 5), NAN), 0.1)).all()


def test_overlap(scores: Floats) -> None:
    found = overlap(scores[[0, 3]], 10)
    assert np.diag(found) == pytest.approx(1)
    one, other = (set(np.argsort(-scores[row])[:10].tolist()) for row in (0, 3))
    assert found[0, 1] == found[1, 0] == pytest.approx(len(one & other) / 10)


def test_gain() -> None:
    scratch, transferred = np.array([2.0, 2, 2, 0, 0, NAN]), np.array([0.0, 2, 3, 0, 1, 1])
    expected = np.array([1, 0, -0.5, 0, -np.inf, NAN])
    assert np.array_equal(gain(scratch, transferred), expected, equal_nan=True)


def test_the_best_of_the_target_itself_is_a_perfect_transfer(scores: Floats) -> None:
    for score in scores:
        assert gain(np.array(1.5), regret(score, np.array(np.nanargmax(score)))) == 1


def test_speed_up() -> None:
    curve, grid = np.array([NAN, 5.0, 3, 1]), np.array([10.0, 20, 40, 80])
    assert [speed_up(curve, grid, r, 20) for r in (5, 4, 3, 1, 0.5)] == [1, 2, 2, 4, np.inf]


def test_negative_rate() -> None:
    gains = np.array([[-9.0, 0.5, -0.1], [0, -9, NAN], [-1, 0.2, -9]])
    assert negative_rate(gains) == pytest.approx(2 / 5)
    assert isnan(negative_rate(np.array([[-1.0]])))


def test_generalisation() -> None:
    found = generalisation(np.array([[3.0, 2, 1, 0], [0, 2, 3, NAN]]))
    assert found.mean[:3] == pytest.approx([(25 + 100) / 2, (50 + 200 / 3) / 2, (75 + 100 / 3) / 2])
    assert found.worst[:3] == pytest.approx([100, 200 / 3, 75])
    assert isnan(found.mean[3])
    assert isnan(found.worst[3])


def test_percentile() -> None:
    score = np.array([1.0, NAN, 4, 3, 4])
    assert percentile(score, np.array([[2, 4], [3, 0]])).tolist() == [[37.5, 37.5], [75, 100]]
    assert isnan(percentile(score, np.array([1]))[0])
    drawn = np.random.default_rng(0).random(500)
    assert percentile(drawn, np.arange(500)).mean() == pytest.approx(50.1)


def test_time_to_target() -> None:
    price = np.array([2.0, 1, 4, 1, NAN, 1, 3])
    value = np.array([3.0, 2, 0, 2, 2, 1, NAN])
    start = np.array([0, 3, 3, 6, 7])
    found = time_to_target(price, value, start, 2)
    assert np.array_equal(found, [3, np.inf, 1, np.inf])
    found = time_to_target(price, value, start, 1)
    assert np.array_equal(found, [7, np.inf, NAN, np.inf], equal_nan=True)
