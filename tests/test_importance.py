"""Importance weights, as PARSEC and FP-NAS use them, and both on a table with a planted optimum.

Numbers are those of sections 3.5, 3.8, 4.6, 4.7 and 15.5 of the specification.
"""

from __future__ import annotations

from math import log, sqrt

import numpy as np
import pytest
import torch
from torch import Tensor

from nasbench.find import find
from nasbench.parts.oneshot.distribution import Enumerated
from nasbench.parts.oneshot.importance import (
    cost_aware,
    effective_samples,
    importance_weights,
    sample_size,
    surrogate,
)
from tests.small_spaces import Table

CELL = find("spaces", "transnas_cell")
LL = torch.tensor([-100.0, -102.0, -101.0], dtype=torch.float64)


def test_scales_of_the_likelihood() -> None:
    om = importance_weights(LL, 64)
    assert om.tolist() == pytest.approx([0.665, 0.090, 0.245], abs=5e-4)
    assert effective_samples(om) == pytest.approx(1.96, abs=5e-3)
    mean = importance_weights(LL, 64, "mean")
    assert mean.tolist() == pytest.approx([0.339, 0.328, 0.333], abs=5e-4)
    torch.testing.assert_close(importance_weights(LL, 64, "sqrt"), importance_weights(LL / 8, 1))
    with pytest.raises(ValueError, match="scale 'log': there are sum, mean, sqrt"):
        importance_weights(LL, 64, "log")  # type: ignore[arg-type]


def test_weights_are_a_distribution_that_a_constant_does_not_change() -> None:
    om = importance_weights(LL, 64)
    assert om.sum().item() == pytest.approx(1)
    assert bool((om >= 0).all())
    torch.testing.assert_close(om, importance_weights(LL - 1e5, 64))  # exp(ll) is 0 for both
    assert effective_samples(torch.full((7,), 1 / 7)) == pytest.approx(7)


def slopes(om: Tensor, rows: Tensor, p: Tensor) -> Tensor:
    """What the surrogate's gradient is, minus, for many draws (T, K) of one categorical (n,)."""
    indicator = torch.nn.functional.one_hot(rows, len(p)) - p
    return (om[..., None] * indicator).sum(-2)


def test_posterior_of_two() -> None:
    space = Enumerated(Table(2))
    om = importance_weights(torch.tensor([log(0.8), log(0.2)], dtype=torch.float64), 1)
    assert om.tolist() == pytest.approx([0.8, 0.2])
    surrogate(om, space.log_p()).backward()
    assert space.logits.grad is not None
    assert (-space.logits.grad).tolist() == pytest.approx([0.3, -0.3])


P = torch.tensor([0.2, -0.1, 0.0], dtype=torch.float64).softmax(-1)
LIKELY = torch.tensor([-1.0, -1.5, -0.7], dtype=torch.float64)
EXACT = [0.0008, -0.1135, 0.1128]


def test_exact_slope() -> None:
    posterior = (P.log() + LIKELY).softmax(-1)
    assert (posterior - P).tolist() == pytest.approx(EXACT, abs=5e-5)


@pytest.mark.parametrize(("k", "second"), [(1, 0.0), (2, -0.062), (4, -0.090), (8, -0.103)])
def test_bias_of_few_samples(k: int, second: float) -> None:
    rows = torch.cartesian_prod(*[torch.arange(3)] * k).view(-1, k)
    mean = P[rows].prod(1) @ slopes(importance_weights(LIKELY[rows], 1), rows, P)
    assert mean[1].item() == pytest.approx(second, abs=0.0015)


@pytest.mark.parametrize(("k", "second"), [(16, -0.108), (64, -0.112)])
def test_bias_of_many_samples(k: int, second: float) -> None:
    rng = torch.Generator().manual_seed(0)
    rows = torch.multinomial(P, 20_000 * k, replacement=True, generator=rng).view(-1, k)
    om = importance_weights(LIKELY[rows], 1)
    found, steady = slopes(om, rows, P), slopes(om - 1 / k, rows, P)
    error = found[:, 1].std().item() / sqrt(len(found))
    assert abs(found[:, 1].mean().item() - second) < 3 * error + 5e-4
    assert (found.mean(0) - steady.mean(0)).abs().max().item() < 3 * error  # a control variate
    if k == 16:
        assert found.std(0).norm().item() == pytest.approx(0.200, abs=0.005)
        assert steady.std(0).norm().item() == pytest.approx(0.050, abs=0.002)


def test_many_samples_come_near_the_exact_slope() -> None:
    rng = torch.Generator().manual_seed(1)
    rows = torch.multinomial(P, 1000 * 2000, replacement=True, generator=rng).view(1000, -1)
    found = slopes(importance_weights(LIKELY[rows], 1), rows, P)
    error = found.std(0) / sqrt(len(found))
    assert bool(((found.mean(0) - torch.tensor(EXACT)).abs() < 3 * error + 1e-4).all())


def test_equal_likelihoods_say_nothing() -> None:
    rng = torch.Generator().manual_seed(2)
    rows = torch.multinomial(P, 16 * 2000, replacement=True, generator=rng).view(-1, 16)
    om = importance_weights(torch.zeros_like(rows, dtype=torch.float64), 1)
    found = slopes(om, rows, P)
    assert bool((found.mean(0).abs() < 4 * found.std(0) / sqrt(len(found))).all())
    assert not slopes(om - 1 / 16, rows, P).any()


def test_no_gradient_passes_the_weights() -> None:
    om = torch.tensor([0.7, 0.3], requires_grad=True)
    log_p = torch.tensor([-1.0, -2.0], requires_grad=True)
    loss = surrogate(om, log_p)
    assert loss.item() == pytest.approx(1.3)
    loss.backward()
    assert om.grad is None
    assert log_p.grad is not None
    assert log_p.grad.tolist() == pytest.approx([-0.7, -0.3])


@pytest.mark.parametrize(("beta", "slope"), [(0, -0.30), (0.3, -0.15), (0.6, 0.0), (1.0, 0.20)])
def test_cost_and_accuracy_in_balance(beta: float, slope: float) -> None:
    toy, om = Enumerated(Table(2)), torch.tensor([0.8, 0.2], dtype=torch.float64)
    m = cost_aware(om, torch.tensor([20.0, 10.0]), 10, beta)  # C = (1, 0)
    assert m.sum().item() == pytest.approx(1 - beta)
    surrogate(m, toy.log_p()).backward()
    assert toy.logits.grad is not None
    assert toy.logits.grad.tolist() == pytest.approx([slope, -slope], abs=1e-9)


def test_what_is_below_the_target_costs_nothing() -> None:
    om = torch.tensor([0.5, 0.3, 0.2])
    assert torch.equal(cost_aware(om, torch.tensor([10.0, 9.0, 1.0]), 10, 0.3), om)
    m = cost_aware(om, torch.tensor([10.0, 15.0, 25.0]), 10, 0.4)  # C = (0, .5, 1.5)
    assert m.tolist() == pytest.approx([0.5, 0.3 - 0.1, 0.2 - 0.3])


def test_samples_follow_the_entropy() -> None:
    sharp = Enumerated(CELL)
    rate = 14 / sharp.entropy().item()
    assert rate == pytest.approx(1.683, abs=5e-4)
    found = []
    for sharpness in (0, 0.5, 1, 2, 4, 8):
        sharp.logits.data.zero_()
        for logits in sharp.split():
            logits.data[1] = sharpness
        h = sharp.entropy().item()
        found.append((round(h, 3), sample_size(h, rate, 2, 14)))
    assert found == [(8.318, 14), (8.156, 14), (7.610, 13), (5.510, 9), (1.571, 3), (0.054, 2)]
    assert sample_size(1000, rate, 2, 30) == 30
    assert sample_size(0, rate, 2, 14) == 2
    with pytest.raises(ValueError, match="samples from 1 to 14: it must be from at least 2"):
        sample_size(8, rate, 1, 14)


def planted(seed: int) -> Tensor:
    """A score of every cell: a part of each edge, and of each pair of edges."""
    rng = np.random.default_rng(seed)
    cells = np.array(list(CELL))
    alone, pairs = rng.normal(size=(6, 4)), 0.5 * rng.normal(size=(6, 6, 4, 4))
    score = alone[np.arange(6), cells].sum(1)
    for i in range(6):
        for j in range(i):
            score += pairs[i, j, cells[:, i], cells[:, j]]
    return torch.from_numpy((score - score.mean()) / score.std())


def searched(score: Tensor, seed: int, adaptive: bool) -> tuple[Enumerated, int]:
    """PARSEC with 14 samples, or FP-NAS with as many at first: 200 steps on a table."""
    rng = torch.Generator().manual_seed(seed)
    distribution = Enumerated(CELL)
    optimizer = torch.optim.Adam([distribution.logits], 0.1)
    rate, drawn = 14 / distribution.entropy().item(), 0
    for step in range(200):
        if adaptive and step == 50:
            distribution = distribution.joint()
            optimizer = torch.optim.Adam([distribution.logits], 0.1)
        h = distribution.entropy().item()
        rows = distribution.sample(sample_size(h, rate, 2, 14) if adaptive else 14, rng)
        om = importance_weights(2 * score[rows], 1)
        optimizer.zero_grad()
        surrogate(om - 1 / len(om), distribution.log_p()[rows]).backward()
        optimizer.step()
        drawn += len(rows)
    return distribution, drawn


@pytest.mark.parametrize("adaptive", [False, True], ids=["PARSEC", "FP-NAS"])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_planted_optimum_is_found(seed: int, adaptive: bool) -> None:
    score = planted(seed)
    found, drawn = searched(score, seed, adaptive)
    assert score[CELL.index(found.mode())].item() >= score.quantile(0.95).item()
    assert (drawn < 14 * 200) == adaptive
