"""Effective shapes: the document's numbers, formulas by hand, and the exact expectation."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor, tensor

from nasbench.budget import Budget
from nasbench.errors import RunnerFailed
from nasbench.find import find
from nasbench.loop import Method, run_method
from nasbench.nets import count_encoders
from nasbench.parts.oneshot.distribution import Product
from nasbench.parts.oneshot.shapes import around, effective
from nasbench.space import Space, params
from nasbench.spaces.blocks.layerwise import LayerWise
from nasbench.training import FromTraining
from tests.made_up import look_less
from tests.small_spaces import Layers
from tests.test_one_shot import table, trial, unlisted

MBCONV = cast("LayerWise", find("spaces", "mbconv"))


def terms(space: Space, side: int = 24, **told: Any) -> list[tuple[tuple[int, ...], Tensor]]:
    return [(factors, torch.from_numpy(costs)) for factors, costs in space.terms(side, **told)]


def one_hot(alpha: Product, arch: tuple[int, ...]) -> Tensor:
    """Return logits of one architecture."""
    each = [torch.eye(n)[gene] for n, gene in zip(alpha.space.choices, arch, strict=True)]
    return torch.cat(each).double().log()


def test_the_mean_of_widths() -> None:
    """3x3, from 16 channels to 18.4 in the mean, 14x14 pixels."""
    amounts = tensor([8.0, 16, 24], dtype=torch.float64)
    logits = tensor([0.2, 0.3, 0.5], dtype=torch.float64).log().requires_grad_()
    weights = around(logits.softmax(0), amounts)
    assert weights.tolist() == pytest.approx([0, 0.7, 0.3])
    macs = weights @ (9 * 14 * 14 * 16 * amounts)
    assert macs.item() == pytest.approx(519_321.6)
    macs.backward()
    assert logits.grad is not None
    assert logits.grad[2] > 0 > logits.grad[0]
    for each in torch.eye(3, dtype=torch.float64):
        assert around(each, amounts).tolist() == each.tolist()


@pytest.mark.parametrize("name", ["mbconv", "fbnetv2", "attentive_nas"])
def test_options_that_are_numbers_rise(name: str) -> None:
    space = find("spaces", name)
    numbers = [each for each in space.amounts if each is not None]
    assert all(list(each) == sorted(set(each)) for each in numbers)
    each = zip(space.amounts, space.choices, strict=True)
    assert all(amounts is None or len(amounts) == n for amounts, n in each)
    assert len(numbers) > len(space.choices) / 4


@pytest.mark.parametrize("space", [MBCONV, Layers()], ids=str)
def test_one_hot_it_is_the_cost(space: Space) -> None:
    alpha, rng = Product(space), np.random.default_rng(0)
    macs, weights = terms(space), terms(space, price=params)
    archs = [space.sample(rng) for _ in range(20)]
    for arch, (counts, _) in zip(archs, count_encoders(space, archs, 24), strict=True):
        logits = one_hot(alpha, arch)
        assert effective(alpha, macs, logits) == counts.macs
        assert effective(alpha, weights, logits) == counts.params


def test_the_formula_of_an_inverted_residual() -> None:
    """c E h^2 + k^2 E h'^2 + E f h'^2 with E = e c, where the mean channels are an option."""
    arch = MBCONV.read("24_c8_1:k3c8x6-k3c8x1_1:k5c16x6-k3c16x1_1:k3c32x1-k3c32x1_c96")
    alpha, amounts = Product(MBCONV), MBCONV.amounts
    p = [torch.eye(n)[gene].double() for n, gene in zip(MBCONV.choices, arch, strict=True)]
    leaving, behind = amounts.index((8, 12, 16)), amounts.index((16, 24, 32))
    p[leaving], p[behind] = (tensor(each).double() for each in ([0.25, 0.5, 0.25], [0.5, 0, 0.5]))
    p[behind - 1] = tensor([0, 0, 0.5, 0.1, 0.4]).double()
    logits = torch.cat([each.log() for each in p])
    c, e, f = 12.0, 0.5 * 3 + 0.1 * 4 + 0.4 * 6, 24.0
    layers = [
        27 * 8 * 144,
        8 * 48 * 144 + 9 * 48 * 144 + 48 * c * 144,
        c * (e * c) * 144 + 25 * (e * c) * 36 + (e * c) * f * 36,
        9 * f * 9 + f * 32 * 9,
        32 * 96 * 9,
    ]
    total = effective(alpha, terms(MBCONV), logits)
    assert total.item() == pytest.approx(sum(layers))
    exact = alpha.expected(terms(MBCONV), logits)
    ignored = e * 144 * (0.25 * 8**2 + 0.5 * 12**2 + 0.25 * 16**2 - c**2)
    assert exact.item() - total.item() == pytest.approx(ignored)


@pytest.fixture
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NASBENCH_HOME", str(tmp_path / "home"))
    look_less(monkeypatch, 4)


@pytest.mark.usefixtures("_home")
def test_dmasking_pays_for_mean_shapes() -> None:
    pays = {"penalty": "add", "rate": 1e3, "learning_rate": 0.5, "warmup": 0.0, "share": 0.5}
    found = []
    for expectation in "exact", "effective":
        with FromTraining(unlisted()) as evaluate:
            method = Method("dmasking", {**pays, "expectation": expectation})
            found.append(run_method(method, evaluate, [0], Budget(epochs=1)).info["macs"][-1])
    uniform = Product(MBCONV).expected(terms(MBCONV, side=16)).item()
    assert found[0] != found[1]
    assert max(found) < uniform
    with pytest.raises(RunnerFailed, match="expectation 'effective': of width there is exact"):
        trial("dmasking", table(space="width"), expectation="effective")
