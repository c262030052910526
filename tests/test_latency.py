"""Latencies: of layers from those of networks, and networks that are really measured."""

from __future__ import annotations

from collections import Counter
from itertools import product
from typing import Any

import numpy as np
import pytest

from nasbench.errors import BadValue, NotApplicable
from nasbench.find import find
from nasbench.parts.latency import (
    LatencyModel,
    Variable,
    covering,
    errors,
    smaller,
    variables,
)
from nasbench.parts.policy import Floats
from tests.small_spaces import Table

pytest.importorskip("torch")
from nasbench.nets import layers  # noqa: E402

WIDTH = find("spaces", "width")


def known(archs: Any) -> list[Counter[Variable]]:
    return [variables(layers(WIDTH, tuple(arch), 16)) for arch in archs]


def truth(networks: list[Counter[Variable]]) -> Floats:
    """A layer takes a fixed time and some for each multiply-add."""
    return np.array(
        [
            sum(k * (1 + 1e-4 * v.amounts[0] * v.amounts[1] * v.amounts[2]) for v, k in n.items())
            for n in networks
        ]
    )


def test_variables_are_shared_by_equal_layers() -> None:
    (network,) = known([(0, 4, 4, 4, 4)])
    assert sum(network.values()) == 5
    kinds = {v.kind for v in network}
    assert {dict(kind[1:])["stride"] for kind in kinds} == {1, 2}  # type: ignore[index]
    assert all(v.amounts[0] in (3, 8, 40) for v in network)
    space = find("spaces", "transnas_macro")
    twice = variables(layers(space, space.read("64-111144-basic"), 32))
    assert max(twice.values()) > 4
    with pytest.raises(NotApplicable, match="does not say its layers"):
        next(layers(Table(2, 2), (0, 0), 32))


def test_neighbours_in_one_amount() -> None:
    some = [Variable("a", each) for each in [(1, 1), (3, 1), (2, 1), (3, 5)]]
    some.append(Variable("b", (2, 5)))
    assert sorted(smaller(some)) == [(0, 2), (1, 3), (2, 1)]


def test_an_identifiable_design_gives_the_layers_back() -> None:
    rng = np.random.default_rng(0)
    v = [Variable("a", (n,)) for n in (1, 2, 3, 4)]
    theta = np.array([1.0, 1.5, 4.0, 4.0])
    networks = [
        Counter(dict(zip(v, row, strict=True))) for row in rng.integers(3, size=(9, 4)).tolist()
    ]
    told = np.array([sum(theta[i] * n[each] for i, each in enumerate(v)) for n in networks])
    for strength in (0, 100):
        found = LatencyModel.fit(networks, told, strength).theta
        assert [found[each] for each in v] == pytest.approx(theta)


def test_predictions_where_layers_are_not_identifiable() -> None:
    """Every network has one layer of each place: a constant may move from one to another."""
    fit, check = covering(WIDTH.choices, 150, np.random.default_rng(0)), list(WIDTH)[::29]
    networks = known(fit)
    columns = sorted({v for n in networks for v in n}, key=repr)
    design = np.array([[n[v] for v in columns] for n in networks])
    assert len(columns) == 105
    assert np.linalg.matrix_rank(design) < len(columns)
    model = LatencyModel.fit(networks, truth(networks))
    others = known(check)
    np.testing.assert_allclose(model.predict(others), truth(others), rtol=1e-6)


def test_order_helps_where_little_was_measured() -> None:
    rng = np.random.default_rng(1)
    networks, others = known(covering(WIDTH.choices, 30, rng)), known(list(WIDTH)[::29])
    noisy = truth(networks) * rng.normal(1, 0.05, 30)
    found = {
        strength: errors(LatencyModel.fit(networks, noisy, strength).predict(others), truth(others))
        for strength in (0, 100)
    }
    assert found[100][1] < found[0][1] < 1
    assert found[100][0] == pytest.approx(found[100][1] * truth(others).mean())


def violation(model: LatencyModel, order: list[tuple[Variable, Variable]]) -> float:
    return max(model.theta[a] - model.theta[b] for a, b in order)


def test_a_strong_order_is_kept() -> None:
    rng = np.random.default_rng(2)
    networks = known(covering(WIDTH.choices, 60, rng))
    told = truth(networks) + rng.normal(0, 3, 60)
    columns = sorted({v for n in networks for v in n}, key=repr)
    order = [(columns[a], columns[b]) for a, b in smaller(columns)]
    far = [violation(LatencyModel.fit(networks, told, k), order) for k in (0, 1e-2, 1e2, 1e6)]
    assert far[0] > 0.5
    assert far[0] > far[1] > far[2] > far[3]
    assert far[3] < 1e-4
    assert min(LatencyModel.fit(networks, told).theta.values()) >= 0


def test_what_was_not_measured_is_not_free() -> None:
    networks = known([(0, 0, 0, 0, 0), (1, 1, 1, 1, 1)])
    model = LatencyModel.fit(networks, truth(networks))
    with pytest.raises(
        BadValue, match="1 of the layers asked for were not measured, .*measure more"
    ):
        model.predict(known([(0, 0, 0, 0, 1)]))
    with pytest.raises(BadValue, match="0 latencies, 0 in the mean: there is nothing to learn"):
        LatencyModel.fit([], np.array([]))


def test_draws_cover_all_pairs_evenly() -> None:
    sizes, rng = (3, 5, 2, 5), np.random.default_rng(0)
    drawn = covering(sizes, 100, rng)
    seen = Counter((i, *path[i : i + 2]) for path in drawn for i in range(3))
    pairs = [(i, a, b) for i in range(3) for a, b in product(range(sizes[i]), range(sizes[i + 1]))]
    uniform = np.random.default_rng(0).integers(sizes, size=(100, 4)).tolist()
    by_chance = Counter((i, *path[i : i + 2]) for path in uniform for i in range(3))
    assert min(seen[pair] for pair in pairs) >= 5 > min(by_chance[pair] for pair in pairs)
    early = Counter((i, *path[i : i + 2]) for path in drawn[:20] for i in range(3))
    assert early.keys() == set(pairs)
    assert covering(sizes, 9, np.random.default_rng(1)) != drawn[:9]
