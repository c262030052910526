"""Statistics over runs, methods and tasks, against scipy, scikit-posthocs and statsmodels."""

from __future__ import annotations

import warnings
from math import isnan

import numpy as np
import pytest
from scipy.stats import friedmanchisquare, trim_mean, wilcoxon

from nasbench.metrics.statistics import (
    cliques,
    friedman,
    holm,
    interquartile_interval,
    interquartile_mean,
    interval,
    paired_tests,
    within_noise,
)

NAN = np.nan


def test_interval_leaves_out_resamples_without_a_value() -> None:
    found = interval(2.0, np.array([NAN, *range(101)]), 0.9)
    assert found == pytest.approx((2, 5, 95))
    assert np.isnan(interval(2.0, np.array([NAN]))[1:]).all()
    assert np.isnan(interval(NAN, np.arange(9.0))).all()


@pytest.mark.parametrize("shape", [(1, 1), (3, 1), (4, 2), (25, 7)])
def test_interquartile_mean_is_a_trimmed_mean(shape: tuple[int, int]) -> None:
    values = np.random.default_rng(0).exponential(size=shape)
    assert interquartile_mean(values) == pytest.approx(trim_mean(values, 0.25, axis=None))


def test_interquartile_mean_of_nothing_or_nan() -> None:
    assert isnan(interquartile_mean(np.array([])))
    assert isnan(interquartile_mean(np.array([1.0, NAN, 2])))


def test_interquartile_interval_draws_within_tasks() -> None:
    values, draws = np.random.default_rng(1).normal([0, 10, 20], size=(12, 3)), 300
    found = interquartile_interval(values, np.random.default_rng(5), draws)
    rows = np.random.default_rng(5).integers(12, size=(draws, 12, 3))
    means = [trim_mean(values[each, [0, 1, 2]], 0.25, axis=None) for each in rows]
    assert found == pytest.approx(
        (trim_mean(values, 0.25, axis=None), *np.quantile(means, [0.025, 0.975]))
    )
    # Stratified, the distance between the tasks adds nothing.
    assert found.high - found.low < 2


def test_interquartile_interval_depends_on_its_generator_alone() -> None:
    values = np.random.default_rng(1).normal(size=(30, 2))
    one, same, other = (
        interquartile_interval(values, np.random.default_rng(s), 200) for s in (3, 3, 4)
    )
    assert one == same != other
    assert isnan(interquartile_interval(values[:1], np.random.default_rng(0)).low)


def test_holm_is_what_statsmodels_says() -> None:
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    for size in (1, 2, 9):
        p = np.random.default_rng(size).random(size) ** 3
        expected = multitest.multipletests(p, method="holm")[1]
        assert holm(p) == pytest.approx(expected)
    by_hand = holm(np.array([0.01, NAN, 0.04, 0.03]))
    assert by_hand == pytest.approx([0.03, NAN, 0.06, 0.06], nan_ok=True)
    assert len(holm(np.array([]))) == 0


def test_paired_tests() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(4, 30))
    values[1] += 1
    values[3] = values[2]
    values[0, :4] = NAN
    found = paired_tests(values)
    assert np.array_equal(found, found.T, equal_nan=True)
    assert np.isnan(np.diag(found)).all()
    assert found[2, 3] == 1
    p = [
        wilcoxon(values[0, 4:], values[1, 4:]).pvalue,
        wilcoxon(values[0, 4:], values[2, 4:]).pvalue,
        wilcoxon(values[0, 4:], values[3, 4:]).pvalue,
        wilcoxon(values[1], values[2]).pvalue,
        wilcoxon(values[1], values[3]).pvalue,
        1.0,
    ]
    assert found[np.triu_indices(4, 1)] == pytest.approx(holm(np.array(p)))
    assert np.isnan(paired_tests(np.full((2, 5), NAN))).all()


@pytest.mark.parametrize("runs", [1, 2, 3, 7, 10, 13, 14])
def test_few_results_of_which_some_are_equal(runs: int) -> None:
    """Up to 13 all signs are tried, at once; scipy tries one by one, for seconds."""
    rng = np.random.default_rng(runs)
    for step in (1, 4)[: 1 + (runs < 13)]:
        values = np.stack([np.zeros(runs), rng.integers(-step, step + 1, runs)])
        expected = wilcoxon(values[1]).pvalue if values[1].any() else 1.0
        assert paired_tests(values)[0, 1] == pytest.approx(expected, abs=1e-12)
    values[1], values[1, -1] = 0, 2
    assert paired_tests(values)[0, 1] == pytest.approx(wilcoxon(values[1]).pvalue)


@pytest.mark.parametrize(("methods", "tasks"), [(3, 5), (5, 7), (6, 20)])
def test_friedman_and_nemenyi(methods: int, tasks: int) -> None:
    posthocs = pytest.importorskip("scikit_posthocs")
    scores = np.random.default_rng(tasks).integers(4, size=(methods, tasks)).astype(float)
    scores[0] += 2
    found = friedman(scores)
    expected = friedmanchisquare(*scores)
    assert (found.statistic, found.p) == pytest.approx((expected.statistic, expected.pvalue))
    assert found.rank.sum() == pytest.approx(methods * (methods + 1) / 2)
    assert found.rank[0] == found.rank.min()
    oracle = posthocs.posthoc_nemenyi_friedman(scores.T).to_numpy()
    apart = ~np.eye(methods, dtype=bool)
    assert found.pairs[apart] == pytest.approx(oracle[apart], abs=1e-6)
    alike = np.abs(found.rank[:, None] - found.rank) <= found.critical
    assert np.array_equal((found.pairs >= 0.05)[apart], alike[apart])


def test_critical_difference_of_the_textbook() -> None:
    """Demsar (2006), table 5: q is 2.343 for 3 methods, 2.728 for 5, 3.164 for 10."""
    for methods, q in ((3, 2.343), (5, 2.728), (10, 3.164)):
        found = friedman(np.random.default_rng(0).random((methods, 14)))
        assert found.critical == pytest.approx(q * np.sqrt(methods * (methods + 1) / 84), abs=2e-3)


def test_friedman_leaves_out_tasks_and_needs_three_methods() -> None:
    scores = np.array([[3.0, 3, NAN], [2, 2, 9], [1, 1, 9]])
    found = friedman(scores)
    assert found.rank.tolist() == [1, 2, 3]
    assert not isnan(found.p)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        two, nothing = friedman(scores[:2]), friedman(np.full((3, 2), NAN))
    assert two.rank.tolist() == [1, 2]
    assert isnan(two.critical)
    assert np.isnan(two.pairs).all()
    assert np.isnan(nothing.rank).all()


@pytest.mark.parametrize(
    ("rank", "critical", "expected"),
    [
        ([1, 2, 3, 4], 1, [[0, 1], [1, 2], [2, 3]]),
        ([4, 1.5, 1, 9], 1, [[2, 1]]),
        ([3, 1, 2], 2, [[1, 2, 0]]),
        ([1, 2.0], 0.5, []),
        ([], 1, []),
    ],
)
def test_cliques(rank: list[float], critical: float, expected: list[list[int]]) -> None:
    assert cliques(np.array(rank), critical) == expected


def test_within_noise() -> None:
    """Of two trainings of the same network, 95 % differ by so little."""
    twice = np.random.default_rng(0).normal(scale=0.3, size=(2, 20_000))
    assert within_noise(twice[0] - twice[1], 0.3).mean() == pytest.approx(0.95, abs=0.005)
    assert within_noise(np.array([0.8, 0.9, -0.8, NAN]), 0.3).tolist() == [True, False, True, False]
    assert not within_noise(np.zeros(2), NAN).any()
