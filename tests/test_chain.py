"""Chains of states: the document's fixture A.1, and random chains against all their paths."""

from __future__ import annotations

from itertools import pairwise as neighbours
from itertools import product

import numpy as np
import pytest
from scipy.special import logsumexp

from nasbench.errors import BadValue
from nasbench.parts.chain import (
    Path,
    cost,
    exact,
    feasible,
    marginals,
    pairwise,
    utility,
    viterbi,
    within,
)
from nasbench.parts.policy import Floats
from nasbench.spaces.blocks.layerwise import rounded

Chain = tuple[list[Floats], list[Floats]]

U = [np.array(u) for u in ([0.0], [0, 1.0], [0, 0.6, 1.5], [0, 0.8], [0.0])]
T = [
    np.array(t, float)
    for t in ([[1, 2]], [[1, 2, 3], [2, 3, 5]], [[1, 2], [2, 3], [3, 5]], [[1], [2]])
]
PATHS = """4,0,000 6,.6,010 6,.8,001 6,1,100 8,1.4,011 8,1.5,020 8,1.6,110 8,1.8,101 10,2.4,111
11,2.3,021 11,2.5,120 14,3.3,121"""


def states(word: str) -> Path:
    """Read the states of the three layers; source and sink have one."""
    return (0, *map(int, word), 0)


def score(unaries: list[Floats], pairs: list[Floats], gamma: float, path: Path) -> float:
    return float(utility(unaries, path) - gamma * cost(pairs, path))


def every(unaries: list[Floats]) -> list[Path]:
    return list(product(*(range(len(u)) for u in unaries)))


def random(seed: int, whole: bool = False) -> Chain:
    """A chain of up to 6 layers of up to 5 states."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 6, size=rng.integers(2, 7))
    unaries = [rng.normal(size=n) for n in sizes]
    pairs = [rng.uniform(0.5, 3, size=ends) for ends in neighbours(sizes)]
    return unaries, [np.floor(3 * t) if whole else t for t in pairs]


def test_all_paths_of_the_fixture() -> None:
    for line in PATHS.split():
        latency, good, word = line.split(",")
        assert cost(T, states(word)) == float(latency)
        assert utility(U, states(word)) == pytest.approx(float(good))
    assert len(PATHS.split()) == len(every(U))
    feasible(T, 4)
    with pytest.raises(
        BadValue, match=r"a target of 3.9 can't be met: the least is 4, the most 14"
    ):
        feasible(T, 3.9)


@pytest.mark.parametrize(
    ("gamma", "value", "word"),
    [
        (0, 3.3, "121"),
        (0.1, 1.9, "121"),
        (0.2, 0.5, "121"),
        (0.25, -0.1, "111"),
        (0.3, -0.6, ""),  # 101 and 111
        (0.35, -1.0, "101"),
        (0.4, -1.4, ""),  # 100 and 101
        (0.45, -1.7, "100"),
        (0.5, -2.0, ""),  # 000 and 100
    ],
)
def test_best_paths_of_the_fixture(gamma: float, value: float, word: str) -> None:
    path = viterbi(U, T, gamma)
    assert score(U, T, gamma, path) == pytest.approx(value)
    assert not word or path == states(word)


@pytest.mark.parametrize(
    ("budget", "word"),
    [
        *[(4, "000"), (6, "100"), (7, "100"), (8, "101"), (9, "101"), (10, "111"), (14, "121")],
        *[(11, "111"), (12, "111"), (13, "111")],
    ],
)
def test_budgets_of_the_fixture(budget: float, word: str) -> None:
    path, gamma = within(U, T, budget)
    assert path == states(word) == viterbi(U, T, gamma)
    best = exact(U, T, budget)
    assert best == (states("120") if budget in (11, 12, 13) else path)


@pytest.mark.parametrize(
    ("temperature", "layers"),
    [
        (1, [(0.425517, 0.574483), (0.335809, 0.335809, 0.328383), (0.474733, 0.525267)]),
        (0.1, [(0.042757, 0.957243), (0.450648, 0.450648, 0.098705), (0.179596, 0.820404)]),
    ],
)
def test_marginals_of_the_fixture(temperature: float, layers: list[tuple[float, ...]]) -> None:
    first, *found, last = marginals(U, T, 0.3, temperature)
    assert [first.tolist(), last.tolist()] == [[1], [1]]
    for p, expected in zip(found, layers, strict=True):
        assert p.tolist() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("seed", range(100))
def test_the_best_of_all_paths(seed: int) -> None:
    unaries, pairs = random(seed)
    for gamma in (0, 0.3, 2):
        best = max(score(unaries, pairs, gamma, path) for path in every(unaries))
        found = viterbi(unaries, pairs, gamma)
        assert score(unaries, pairs, gamma, found) == pytest.approx(best, abs=1e-12)


@pytest.mark.parametrize("seed", range(100))
def test_marginals_are_sums_over_all_paths(seed: int) -> None:
    unaries, pairs = random(seed)
    paths = every(unaries)
    for gamma, temperature in [(0.3, 1.0), (1.5, 0.05)]:
        logs = np.array([score(unaries, pairs, gamma, path) for path in paths]) / temperature
        p = np.exp(logs - logsumexp(logs))
        for i, found in enumerate(marginals(unaries, pairs, gamma, temperature)):
            summed = np.bincount([path[i] for path in paths], p, len(unaries[i]))
            np.testing.assert_allclose(found, summed, rtol=0, atol=1e-9)
            assert found.sum() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_a_low_temperature_leaves_the_best_path(seed: int) -> None:
    unaries, pairs = random(seed)
    best = viterbi(unaries, pairs, 0.4)
    for state, p in zip(best, marginals(unaries, pairs, 0.4, 1e-5), strict=True):
        assert p[state] == pytest.approx(1)


def test_a_higher_price_buys_less() -> None:
    moved = 0
    for unaries, pairs in map(random, range(20)):
        paths = [viterbi(unaries, pairs, gamma) for gamma in np.linspace(0, 4, 41)]
        for values in (cost(pairs, paths), utility(unaries, paths)):
            assert (np.diff(values) <= 1e-12).all()
            moved += values[0] > values[-1]
    assert moved > 30


@pytest.mark.parametrize("seed", range(20))
def test_what_is_found_is_within_the_target(seed: int) -> None:
    unaries, pairs = random(seed, whole=seed % 2 == 0)
    paths = every(unaries)
    costs, good = cost(pairs, paths), utility(unaries, paths)
    for part in (0, 0.3, 0.7, 1):
        target = costs.min() + part * np.ptp(costs)
        path, _ = within(unaries, pairs, target)
        best = exact(unaries, pairs, target * (1 + 1e-6))
        for found in (path, best):
            assert cost(pairs, found) <= target * (1 + 1e-5)
        assert utility(unaries, path) <= utility(unaries, best) + 1e-12
        if seed % 2 == 0:  # whole costs are not rounded
            assert utility(unaries, best) == pytest.approx(good[costs <= target + 1e-4].max())
        else:  # a bin a layer
            within_ = costs <= target - len(unaries) * target / 10_000
            assert not within_.any() or utility(unaries, best) >= good[within_].max() - 1e-12


def test_targets_far_from_the_first_upper_end() -> None:
    path, gamma = within(U, [t / 1e6 for t in T], 8e-6)
    assert path == states("101")
    assert gamma > 1e4
    with pytest.raises(BadValue, match=r"can't be met: the least is 4e-06, the most 1\.4e-05"):
        within(U, [t / 1e6 for t in T], 3e-6)  # and doubles nothing for ever


def test_rounding_that_leaves_no_path() -> None:
    """Each fork costs 0.6 more than its least entries say, and two of these are two bins."""
    fork = [np.array([[0.0, 0.6]]), np.array([[0.6], [0.0]])]
    unaries, pairs = [np.arange(float(n)) for n in (1, 2, 1, 2, 1)], [*fork, *fork]
    assert exact(unaries, pairs, 1.25, bins=1) == within(unaries, pairs, 1.25)[0]
    assert exact(unaries, pairs, 1.25, bins=9) == (0, 1, 0, 1, 0)


@pytest.mark.parametrize("seed", range(20))
def test_costs_of_a_whole_are_those_of_neighbours(seed: int) -> None:
    unaries, pairs = random(seed)
    sizes = [len(u) for u in unaries]
    found = pairwise(lambda paths: 7 + cost(pairs, paths), sizes)
    assert [t.shape for t in found] == [t.shape for t in pairs]
    paths = every(unaries)
    np.testing.assert_allclose(cost(found, paths), 7 + cost(pairs, paths))


def test_what_is_no_chain() -> None:
    with pytest.raises(BadValue, match="it's no chain"):
        pairwise(lambda paths: [path[0] * path[2] + 1 for path in paths], (3, 3, 3))


def test_widths_of_the_published_space() -> None:
    """MobileNet v1 of OWS and AOWS: 10^15.57 widths of 14 layers, 2,396 pairs of neighbours."""
    wide = [32, 64, 128, 128, 256, 256, *[512] * 6, 1024, 1024]
    options = [{rounded(c * part) for part in np.linspace(0.2, 1.5, 14)} for c in wide]
    sizes = [len(each) for each in options]
    assert sizes == [6, 11, *[14] * 12]
    assert np.log10(sizes).sum() == pytest.approx(15.57, abs=5e-3)
    assert sum(a * b for a, b in zip([1, *sizes], [*sizes, 1], strict=True)) == 2396


def test_the_least_that_is_said_can_be_met() -> None:
    with pytest.raises(BadValue, match="the least is 12,345,649, the most 20,000,001"):
        feasible([np.array([[12_345_649.0, 20_000_001.0]])], 12_345_000)


def test_no_limit() -> None:
    """The best of all, by dynamic programming too."""
    unaries, pairs = U, T
    best = max(product(*[range(len(u)) for u in unaries]), key=lambda p: utility(unaries, p))
    assert utility(unaries, exact(unaries, pairs, np.inf)) == utility(unaries, best)


def test_one_layer_is_no_chain() -> None:
    with pytest.raises(BadValue, match="a chain of 1: neighbours have costs"):
        pairwise(lambda paths: np.ones(len(paths)), [3])
