"""The metrics: by hand, against plain loops, and what must hold of any numbers."""

from __future__ import annotations

from itertools import pairwise
from math import isnan
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kendalltau

from nasbench.metrics.ranking import kendall, kendall_matrix, ranks
from nasbench.metrics.regret import anytime, area, equals, incumbent, normalised_regret, regret
from nasbench.metrics.statistics import bootstrap_interval, summarise

NAN = np.nan
few = st.sampled_from([0.0, 1.0, 1.5, 2.0, -3.0])
maybe = st.one_of(few, st.just(NAN))
# A run is a list of steps: score, epochs, price.
steps = st.tuples(maybe, st.sampled_from([1, 5, 9]), st.sampled_from([0.5, 1.0, 3.25]))
many_runs = st.lists(st.lists(steps, max_size=12), min_size=1, max_size=6)


def flat(runs: list[list[Any]]) -> tuple[Any, ...]:
    """Columns of all runs, and where each begins."""
    score, epochs, price = zip(*(step for run in runs for step in run), strict=True)
    start = np.cumsum([0, *map(len, runs)])
    return np.array(score), np.array(epochs), np.array(price), start


def equal(a: Any, b: Any) -> bool:
    return np.array_equal(np.asarray(a, float), np.asarray(b, float), equal_nan=True)


# --------------------------------------------------------------------------------------- incumbent


@pytest.mark.parametrize(
    ("score", "epochs", "expected"),
    [
        ([1, 3, 2, 4], [9, 9, 9, 9], [0, 1, 1, 3]),
        ([2, 2, 2, 3, 3], [9, 9, 9, 9, 9], [0, 0, 0, 3, 3]),  # the earliest of equal ones
        ([5, 1, 4, 2], [1, 9, 3, 9], [0, 1, 1, 3]),  # trained longest, then best
        ([NAN, NAN, 1, NAN], [9, 9, 1, 9], [0, 0, 2, 2]),  # NaN never wins over a number
        ([NAN, NAN], [1, 9], [0, 0]),
        ([-np.inf, NAN, -5, np.inf], [1, 1, 1, 1], [0, 0, 2, 3]),
        ([], [], []),
    ],
)
def test_incumbent_of_one_run(score: list[float], epochs: list[int], expected: list[int]) -> None:
    found = incumbent(np.array(score, float), np.array(epochs, int), np.array([0, len(score)]))
    assert found.tolist() == expected


def test_incumbent_of_runs_side_by_side() -> None:
    score, start = np.array([9.0, 1, 8, 2, 3, 1]), np.array([0, 1, 1, 3, 6])
    assert incumbent(score, np.full(6, 9), start).tolist() == [0, 1, 2, 3, 4, 4]


@given(many_runs.filter(any))
def test_incumbent_is_what_a_loop_finds(runs: list[list[Any]]) -> None:
    score, epochs, _, start = flat(runs)
    expected = []
    for first, end in pairwise(start.tolist()):
        best = first
        for step in range(first, end):
            new, old = score[step], score[best]
            if not isnan(new):
                better = (epochs[step], new) > (epochs[best], old)
                best = step if isnan(old) or better else best
            expected.append(best)
    assert incumbent(score, epochs, start).tolist() == expected


@given(many_runs.filter(any))
def test_incumbent_only_gets_better(runs: list[list[Any]]) -> None:
    score, epochs, _, start = flat(runs)
    found = incumbent(score, epochs, start)
    for run, (first, end) in zip(runs, pairwise(start.tolist()), strict=True):
        mine = found[first:end]
        assert len(mine) == len(run)
        assert (np.diff(mine) >= 0).all()
        assert (mine <= np.arange(first, end)).all()
        assert (mine >= first).all()
        longest = epochs[mine[~np.isnan(score[mine])]]
        assert (np.diff(longest) >= 0).all()


# ------------------------------------------------------------------------------------------ regret


def test_regret_by_hand() -> None:
    score = np.array([1.0, NAN, 4, 3, 4])
    assert equal(regret(score, np.array([[0, 2], [3, 1]])), [[3, 0], [1, NAN]])
    assert equal(normalised_regret(score, np.array([0, 2, 3, 1])), [6, 0, 2, NAN])  # median 3.5
    assert equal(normalised_regret(np.full(3, 2.0), np.array([0])), [NAN])
    assert equal(regret(np.full(3, NAN), np.array([0])), [NAN])


def test_equals_by_hand() -> None:
    score = np.array([3.0, 1.0, np.nan, 2.0, 2.0, 9.0])
    cost = np.array([100.0, 104.0, 100.0, 96.0, 100.0, 200.0])
    told = equals(score, cost, np.array([0, 4, 5, 2, 1]))
    assert told.n.tolist() == [3, 3, 0, 4, 2]  # 96 is not within 5 % of 104
    assert told.median.tolist()[:2] == [2, 2]
    assert told.better_than.tolist()[:2] == [1, 0.5]
    assert np.isnan(told.better_than[2:4]).all()
    assert told.better_than[4] == 0


@given(st.lists(maybe, min_size=1, max_size=30))
def test_regret_is_never_negative(scores: list[float]) -> None:
    score = np.array(scores)
    found = regret(score, np.arange(len(score)))
    assert equal(np.isnan(found), np.isnan(score))
    assert not (found < 0).any()
    if not np.isnan(score).all():
        assert np.nanmin(found) == 0


# ----------------------------------------------------------------------------------------- anytime


def test_anytime_by_hand() -> None:
    price = np.array([2.0, 1, 4, 1, 1])  # run 0 has spent 2, 3, 7; run 1 nothing; run 2 1, 2
    value = np.array([9.0, 5, 1, 7, NAN])
    curves = anytime(price, value, np.array([0, 3, 3, 5]), np.array([1, 2, 3, 6.9, 7, 100]))
    assert equal(curves[0], [NAN, 9, 5, 5, 1, 1])
    assert equal(curves[1], [NAN] * 6)
    assert equal(curves[2], [7, NAN, NAN, NAN, NAN, NAN])
    assert equal(area(curves[:, 1:3]), [7, NAN, NAN])


def test_anytime_never_reaches_a_step_of_unknown_price() -> None:
    price, value = np.array([1.0, NAN, 1, 1]), np.array([4.0, 3, 2, 1])
    curves = anytime(price, value, np.array([0, 3, 4]), np.array([1.0, 10, 100]))
    assert equal(curves, [[4, 4, 4], [1, 1, 1]])


@given(many_runs.filter(any), st.lists(st.floats(0, 40), min_size=1, max_size=9).map(sorted))
def test_anytime_is_what_a_loop_reads_off(runs: list[list[Any]], grid: list[float]) -> None:
    value, _, price, start = flat(runs)
    expected = np.full((len(runs), len(grid)), NAN)
    for r, run in enumerate(runs):
        for g, limit in enumerate(grid):
            spent = 0.0
            for step_value, _, step_price in run:
                spent += step_price
                if spent <= limit:
                    expected[r, g] = step_value
    assert equal(anytime(price, value, start, np.array(grid)), expected)


# ----------------------------------------------------------------------------------------- ranking


def test_ranks_by_hand() -> None:
    assert equal(ranks(np.array([5.0, 9, 5, NAN, 1, 5])), [3, 1, 3, NAN, 5, 3])
    assert equal(ranks(np.array([NAN, NAN])), [NAN, NAN])
    assert equal(ranks(np.array([-np.inf, np.inf, 0])), [3, 1, 2])


@given(st.lists(maybe, max_size=30))
def test_ranks_sum_and_order(scores: list[float]) -> None:
    score = np.array(scores)
    rank, n = ranks(score), int((~np.isnan(score)).sum())
    assert equal(np.isnan(rank), np.isnan(score))
    assert np.nansum(rank) == n * (n + 1) / 2
    for i in range(len(score)):
        better, same = (score > score[i]).sum(), (score == score[i]).sum()
        assert equal(rank[i], NAN if isnan(score[i]) else better + (same + 1) / 2)


def test_kendall_by_hand() -> None:
    a = np.array([1.0, 2, 3, 4])
    assert kendall(a, a**3) == pytest.approx(1)
    assert kendall(a, -a) == pytest.approx(-1)
    assert kendall(a, np.array([1.0, 2, 4, 3])) == pytest.approx(4 / 6)  # 5 pairs agree, 1 doesn't
    # With a tie in b: 5 pairs agree, none disagrees; 6 pairs in a, 5 in b that are no ties.
    assert kendall(a, np.array([1.0, 2, 3, 3])) == pytest.approx(5 / np.sqrt(6 * 5))
    assert kendall(np.array([1.0, NAN, 2, 3]), np.array([1.0, 7, NAN, 3])) == pytest.approx(1)


@pytest.mark.parametrize(("a", "b"), [([1.0, NAN], [NAN, 1.0]), ([1.0, 2], [3.0, 3]), ([], [])])
def test_kendall_of_no_order_is_nan(a: list[float], b: list[float]) -> None:
    assert isnan(kendall(np.array(a), np.array(b)))


def test_kendall_matrix() -> None:
    rng = np.random.default_rng(0)
    scores = rng.integers(6, size=(4, 40)).astype(float)
    scores[2, :5] = NAN
    matrix = kendall_matrix(scores)
    assert equal(matrix, matrix.T)
    assert np.allclose(np.diag(matrix), 1)
    for i in range(4):
        for j in range(4):
            both = ~np.isnan(scores[i]) & ~np.isnan(scores[j])
            expected = kendalltau(scores[i, both], scores[j, both]).statistic
            assert matrix[i, j] == pytest.approx(expected, abs=1e-15)


# -------------------------------------------------------------------------------------- statistics


def test_summary_by_hand() -> None:
    values = np.array([[1.0, 2], [2.0, NAN], [4.0, 2], [9.0, 2]])
    summary = summarise(values)
    assert [float(part[0]) for part in summary] == pytest.approx(
        [4, np.sqrt((9 + 4 + 0 + 25) / 3), 1.75, 3, 5.25]
    )
    assert all(isnan(part[1]) for part in summary)


def test_summary_of_one_run() -> None:
    assert [float(part) for part in summarise(np.array([3.0]))] == pytest.approx(
        [3, NAN, 3, 3, 3], nan_ok=True
    )


def test_summary_of_infinite_values() -> None:
    summary = summarise(np.array([1.0, np.inf, 1.0, 1.0, np.inf]))
    assert [float(part) for part in summary[:3]] == pytest.approx([np.inf, NAN, 1], nan_ok=True)
    assert bootstrap_interval(np.array([np.inf, 1.0]), np.random.default_rng(0))[0] == 1


def test_bootstrap_is_what_a_loop_draws() -> None:
    values, n = np.random.default_rng(1).exponential(size=30), 500
    rng = np.random.default_rng(7)
    means = [np.mean([values[i] for i in rng.integers(30, size=30)]) for _ in range(n)]
    expected = np.quantile(means, [0.025, 0.975])
    found = bootstrap_interval(values, np.random.default_rng(7), n)
    assert found == pytest.approx(tuple(expected))


def test_bootstrap_depends_on_its_generator_alone() -> None:
    values = np.random.default_rng(1).normal(size=2_000)  # drawn in several parts
    one, same, other = (bootstrap_interval(values, np.random.default_rng(s)) for s in (3, 3, 4))
    assert one == same != other
    assert one == pytest.approx(other, abs=0.005)


def test_bootstrap_covers_the_mean_and_narrows() -> None:
    rng = np.random.default_rng(2)
    widths = []
    for runs in (10, 100, 1000):
        values = rng.exponential(size=runs)
        low, high = bootstrap_interval(values, np.random.default_rng(0))
        assert low < values.mean() < high
        widths.append(high - low)
    assert widths == sorted(widths, reverse=True)


def test_bootstrap_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(5)
    samples = rng.normal(size=(400, 50))
    hits = 0
    for values in samples:
        low, high = bootstrap_interval(values, rng, 400)
        hits += low < 0 < high
    assert 0.90 < hits / len(samples) < 0.98


@pytest.mark.parametrize("values", [[2.5], [1.0, NAN, 3.0]])
def test_bootstrap_of_what_has_no_interval(values: list[float]) -> None:
    low, high = bootstrap_interval(np.array(values), np.random.default_rng(0))
    assert isnan(low)
    assert isnan(high)


def test_bootstrap_of_equal_values_has_no_width() -> None:
    assert bootstrap_interval(np.full(9, 0.5), np.random.default_rng(0)) == (0.5, 0.5)
