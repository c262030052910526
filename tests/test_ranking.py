"""Ranking measures and their resamples, against scipy and against every way to break ties."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from itertools import permutations
from math import isnan
from typing import Any

import numpy as np
import pytest
from scipy.stats import kendalltau, spearmanr, weightedtau

from nasbench.errors import BadValue
from nasbench.metrics.ranking import agreement, kendall_matrix, spearman, top, weighted_tau
from nasbench.metrics.resampling import (
    kendall_matrix_resampled,
    kendall_resampled,
    resamples,
    spearman_resampled,
    top_resampled,
    weighted_resampled,
)
from nasbench.table import Floats

NAN = np.nan
ORACLES: dict[Callable[[Floats, Floats, Floats], Floats], Any] = {
    kendall_resampled: kendalltau,
    spearman_resampled: spearmanr,
    weighted_resampled: weightedtau,
}


def drawn(score: Floats, times: Floats) -> Floats:
    return np.repeat(score, times.astype(int))


def scores(n: int, levels: int) -> tuple[Floats, Floats]:
    """Make three pairs: one that agrees, one that doesn't, one with NaN in both."""
    rng = np.random.default_rng(n + levels)
    a, b = rng.integers(levels, size=(2, 3, n)).astype(float)
    b[0] = a[0] + rng.normal(size=n)
    a[2, rng.random(n) < 0.2] = b[2, rng.random(n) < 0.2] = NAN
    return a, b


@pytest.mark.parametrize("levels", [1, 2, 5, 1000])
@pytest.mark.parametrize("n", [1, 2, 5, 40, 150])
@pytest.mark.parametrize("measure", ORACLES)
def test_resampled_is_what_scipy_says(
    measure: Callable[[Floats, Floats, Floats], Floats], n: int, levels: int
) -> None:
    a, b = scores(n, levels)
    times = np.concatenate([np.ones((1, n)), resamples(n, np.random.default_rng(0), 3)])
    found = measure(a, b, times)
    for r, row in enumerate(times):
        for k in range(3):
            one, other = drawn(a[k], row), drawn(b[k], row)
            both = ~(np.isnan(one) | np.isnan(other))
            one, other = one[both], other[both]
            if len(np.unique(one)) < 2 or len(np.unique(other)) < 2:
                assert isnan(found[r, k])
            else:
                expected = ORACLES[measure](one, other).statistic
                assert found[r, k] == pytest.approx(expected, abs=2e-7)


def test_resampled_in_parts_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = scores(60, 9)
    times = resamples(60, np.random.default_rng(0), 50)
    whole = kendall_resampled(a, b, times)
    monkeypatch.setattr("nasbench.metrics.resampling._AT_ONCE", 60 * 7)
    assert np.array_equal(kendall_resampled(a, b, times), whole)


def test_infinite_scores_have_an_order() -> None:
    a, b = np.array([-np.inf, 1.0, 2.0, np.inf]), np.array([-np.inf, -np.inf, 3.0, 4.0])
    assert spearman(a, b) == pytest.approx(spearmanr(range(4), [0, 0, 1, 2]).statistic)
    assert kendall_resampled(a[None], b[None], np.ones((1, 4)))[0, 0] == pytest.approx(
        kendalltau(range(4), [0, 0, 1, 2]).statistic
    )


def test_points_leave_out_nan_and_need_an_order() -> None:
    a, b = np.array([1.0, NAN, 3, 2, 7]), np.array([5.0, 1, NAN, 6, 9])
    assert spearman(a, b) == pytest.approx(1)
    assert weighted_tau(a, -b) == pytest.approx(-1)
    for measure in (spearman, weighted_tau):
        assert isnan(measure(np.ones(5), b))
        assert isnan(measure(np.full(5, NAN), b))
        assert isnan(measure(np.array([]), np.array([])))


def test_weighted_tau_counts_most_what_is_best() -> None:
    truth = np.arange(10.0)
    head, tail = truth.copy(), truth.copy()
    head[[8, 9]], tail[[0, 1]] = head[[9, 8]], tail[[1, 0]]
    assert weighted_tau(head, truth) < weighted_tau(tail, truth) < 1
    assert weighted_tau(head, truth) == pytest.approx(weightedtau(head, truth).statistic)


def test_matrix_resampled() -> None:
    rng = np.random.default_rng(0)
    three = rng.integers(6, size=(4, 40)).astype(float)
    three[2, :5], three[3] = NAN, 2
    times = np.concatenate([np.ones((1, 40)), resamples(40, rng, 5)])
    found = kendall_matrix_resampled(three, times)
    assert np.allclose(found[0], kendall_matrix(three), equal_nan=True)
    assert np.array_equal(found, found.transpose(0, 2, 1), equal_nan=True)
    assert np.isnan(found[:, 3]).all()


# ------------------------------------------------------------------------------------------ the top


def by_hand(score: Floats, truth: Floats, k: int) -> list[float]:
    """Average over every order of the architectures, of which ties keep theirs."""
    found = []
    n = len(score)
    good, k = max(1, round(0.1 * n)), min(k, n)
    ranks = [(truth > t).sum() + ((truth == t).sum() + 1) / 2 for t in truth]
    for order in permutations(range(n)):
        mine = sorted(order, key=lambda i: -score[i])[:k]
        # Ties of the truth are broken on their own: so is the order, backwards and turned.
        theirs = sorted(order, key=lambda i: -truth[i])
        share = np.array([_place(truth, i, good) for i in mine])
        same = np.array([_place(truth, i, k) for i in mine])
        best = max(truth[i] for i in mine)
        found.append([share.sum() / k, same.sum() / k, ranks[mine[0]], truth[theirs[0]] - best])
    return [float(mean) for mean in np.mean(found, axis=0)]


def _place(truth: Floats, row: int, most: int) -> float:
    """How likely a row is among the best."""
    better, same = (truth > truth[row]).sum(), (truth == truth[row]).sum()
    return float(np.clip((most - better) / same, 0, 1))


@pytest.mark.parametrize("k", [1, 2, 4, 9])
@pytest.mark.parametrize("levels", [1, 2, 3, 100])
def test_top_is_the_mean_over_ways_to_break_ties(levels: int, k: int) -> None:
    rng = np.random.default_rng(levels)
    for n in (1, 3, 6):
        score, truth = rng.integers(levels, size=(2, n)).astype(float)
        assert top(score, truth, k) == pytest.approx(by_hand(score, truth, k))


def test_top_resampled_is_that_of_the_copies() -> None:
    a, b = scores(50, 12)
    times = resamples(50, np.random.default_rng(1), 20)
    found = top_resampled(a, b, times, 7)
    for r, row in enumerate(times):
        for k in range(3):
            expected = top(drawn(a[k], row), drawn(b[k], row), 7)
            assert [part[r, k] for part in found] == pytest.approx(list(expected))


def test_top_of_the_truth_itself() -> None:
    truth = np.random.default_rng(0).permutation(np.arange(100.0))
    assert top(truth, truth) == (1, 1, 1, 0)
    worst = top(-truth, truth)
    assert worst == (0, 0, 100, 90)
    assert np.isnan(top(np.full(9, NAN), np.arange(9.0))).all()
    with pytest.raises(BadValue, match="the 0 first"):
        top(truth, truth, 0)


def test_top_with_an_infinite_truth() -> None:
    found = top(np.array([1.0, 1, 0]), np.array([-np.inf, -np.inf, 2]), 1)
    assert found.regret == np.inf
    assert top(np.array([1.0, 1, 1]), np.array([-np.inf, 1, 2]), 2).regret == pytest.approx(1 / 3)


# ---------------------------------------------------------------------------------------- intervals


def test_agreement() -> None:
    rng = np.random.default_rng(3)
    truth = rng.normal(size=300)
    score = truth + rng.normal(size=300)
    score[:20] = NAN
    one, same, other = (
        agreement(score, truth, np.random.default_rng(s), draws=200) for s in (0, 0, 1)
    )
    assert one == same != other
    assert (one.n, one.k) == (280, 10)
    assert one.kendall.value == pytest.approx(kendalltau(score[20:], truth[20:]).statistic)
    assert one.spearman.value == pytest.approx(spearmanr(score[20:], truth[20:]).statistic)
    assert one.weighted_tau.value == pytest.approx(weightedtau(score[20:], truth[20:]).statistic)
    expected = top(score[20:], truth[20:])
    assert (one.precision.value, one.regret.value) == (expected.precision, expected.regret)
    for name in ("kendall", "spearman", "weighted_tau", "precision", "overlap"):
        value, low, high = getattr(one, name)
        assert low < value < high
    assert one.regret.low == 0


def test_agreement_covers_the_truth() -> None:
    """Of two normal scores with correlation .6, tau is 2 / pi * asin(.6)."""
    rng, hits = np.random.default_rng(4), 0
    for _ in range(100):
        a, b = rng.normal(size=(2, 60))
        taus = agreement(a, 0.6 * a + 0.8 * b, rng, draws=100).kendall
        hits += taus.low < 2 / np.pi * np.arcsin(0.6) < taus.high
    assert hits >= 85


@pytest.mark.parametrize("n", [0, 1, 2])
def test_agreement_of_next_to_nothing(n: int) -> None:
    truth = np.arange(float(n))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found: Any = agreement(truth, truth, np.random.default_rng(0), draws=9)
    assert found.n == n
    assert found.kendall.value == pytest.approx(1 if n == 2 else NAN, nan_ok=True)
    assert isnan(found.regret.value) == (n == 0)
