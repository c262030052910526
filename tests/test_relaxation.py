"""Relaxed and straight-through choices, gates, schedules.

Numbers are those of sections 1.1, 5.8, 6.4, 6.7, 7.4, 7.7 and 8.7 of the specification.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Generator, Tensor

from nasbench.find import find
from nasbench.parts.oneshot.distribution import Enumerated
from nasbench.parts.oneshot.relaxation import (
    chosen,
    gates,
    gumbel,
    gumbel_softmax,
    of_those,
    rescale,
    soft,
    straight_through,
    two_gates,
)
from nasbench.parts.oneshot.schedules import cosine, exponential, linear
from nasbench.space import Scale
from tests.small_spaces import Table


def leaf(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


def slope(loss: Tensor, at: Tensor) -> list[float]:
    (found,) = torch.autograd.grad(loss, at)
    return list(map(float, found))


def seeded(seed: int = 0) -> Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(("tau", "mean"), [(10, 0.371), (1, 0.653), (0.1, 0.954), (0.01, 0.995)])
def test_how_sharp_a_relaxed_draw_is(tau: float, mean: float) -> None:
    logits, noise = torch.tensor([0.2, -0.1, 0.0]), gumbel(60_000, seeded()).view(-1, 3)
    sharpest = gumbel_softmax(logits, tau, noise).amax(-1)
    assert sharpest.mean().item() == pytest.approx(mean, abs=0.005)


@pytest.mark.parametrize("tau", [10, 1, 0.1])
def test_the_largest_entry_is_a_draw_from_p(tau: float) -> None:
    logits, n = torch.tensor([0.2, -0.1, 0.0]), 100_000
    largest = gumbel_softmax(logits, tau, gumbel(3 * n, seeded(1)).view(-1, 3)).argmax(-1)
    p, often = logits.softmax(-1), torch.bincount(largest) / n
    assert bool(((often - p).abs() < 3 * (p * (1 - p) / n).sqrt()).all())


def test_a_relaxed_draw_does_not_depend_on_a_shift_and_has_limits() -> None:
    logits, noise = torch.tensor([0.2, -0.1, 0.0]), torch.tensor([0.3, 0.1, -0.2])
    z = gumbel_softmax(logits, 0.7, noise)
    assert z.sum().item() == pytest.approx(1)
    torch.testing.assert_close(z, gumbel_softmax(logits + 5, 0.7, noise))
    assert gumbel_softmax(logits, 1e-4, noise).tolist() == [1, 0, 0]
    torch.testing.assert_close(gumbel_softmax(logits, 1e9, noise), torch.full((3,), 1 / 3))


def test_noise_that_is_not_finite_is_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    draws = [torch.tensor([0.5, 0.0]), torch.tensor([1.0, 0.5]), torch.tensor([0.5, 0.25])]
    monkeypatch.setattr(torch, "rand", lambda n, generator: draws.pop(0))
    noise = gumbel(2, seeded())
    torch.testing.assert_close(noise, torch.tensor([0.366513, -0.326634]))
    assert draws == []


def test_mixture_of_darts() -> None:
    c = (1.5, 0.5)
    (mix,) = soft([leaf(0, 0, 0).softmax(-1)])
    assert [mix[o].item() for o in (0, 1, 2)] == [pytest.approx(1 / 3)] * 3
    alpha = leaf(0.3, -0.2)
    (mix,) = soft([alpha.softmax(-1)])
    assert all(weight.shape == () for weight in mix.values())
    assert slope(mix[0] * c[0] + mix[1] * c[1], alpha) == pytest.approx([0.2350, -0.2350], abs=5e-5)


def test_slope_of_snas() -> None:
    alpha, noise, o, tau = leaf(0.3, -0.2), torch.tensor([0.1, 0.4]), (3.0, 1.2), 0.6
    z = gumbel_softmax(alpha, tau, noise)
    found = slope(z[0] * o[0] + z[1] * o[1], alpha)
    for k in range(2):
        by_hand = sum(o[m] * z[m].item() * ((m == k) - z[k].item()) / tau for m in range(2))
        assert found[k] == pytest.approx(by_hand, abs=1e-12)


def test_both_variants_of_gdas() -> None:
    alpha, noise = leaf(0.3, -0.2), torch.tensor([0.1, 0.4], dtype=torch.float64)
    sample = gumbel_softmax(alpha, 2, noise)
    assert sample.tolist() == pytest.approx([0.52498, 0.47502], abs=5e-6)
    (mix,) = chosen([sample])
    assert list(mix) == [0]
    later = mix[0] * 3
    assert slope(later, alpha) == pytest.approx([0.37406, -0.37406], abs=5e-6)
    option, h = straight_through(gumbel_softmax(alpha, 2, noise))
    first = h[option] * 3 + (h.sum() - h[option])
    assert first.item() == later.item() == 3
    assert slope(first, alpha) == pytest.approx([0.24938, -0.24938], abs=5e-6)


def test_straight_through_is_one_hot_exactly() -> None:
    for p in torch.rand(1000, 5, generator=seeded(2)).softmax(-1):
        option, h = straight_through(p.requires_grad_())
        assert option == int(p.argmax())
        assert h.tolist() == [float(i == option) for i in range(5)]
    option, h = straight_through(p, 3)
    assert (option, h.tolist()) == (3, [0, 0, 0, 1, 0])


def test_a_chosen_path_is_that_network_and_trains_nothing_else() -> None:
    encoder = find("spaces", "transnas_cell").supernet(Scale(4, 1, 4, 1))
    x, alpha = torch.rand(2, 3, 16, 16), Enumerated(find("spaces", "transnas_cell"))
    rng = seeded(3)
    word = chosen([gumbel_softmax(each, 1, gumbel(4, rng)) for each in alpha.split()])
    ((_, y),) = encoder(x, word)
    ((_, plain),) = encoder(x, [{option: None} for (option,) in word])
    assert torch.equal(y, plain)
    y.square().sum().backward()
    (cell,) = [part for part in encoder.modules() if hasattr(part, "options")]
    edges = zip(word, cell.get_submodule("options").children(), strict=True)
    others = [
        weight
        for mix, options in edges
        for option, layer in enumerate(options.children())
        if option not in mix
        for weight in layer.parameters()
    ]
    assert others
    assert all(weight.grad is None for weight in others)
    assert alpha.logits.grad is not None
    assert bool(alpha.logits.grad.any())


def test_binary_gates() -> None:
    alpha, by_gate = leaf(0.5, 0.1, -0.3, 0.2), [0.8, 0.3, -0.4, 1.1]
    p = alpha.detach().softmax(-1).tolist()
    mix = gates(alpha, seeded())
    assert sorted(gate.item() for gate in mix.values()) == [0, 0, 0, 1]
    found = slope(torch.stack([by_gate[o] * gate for o, gate in mix.items()]).sum(), alpha)
    by_hand = [sum(by_gate[j] * p[j] * ((i == j) - p[i]) for j in range(4)) for i in range(4)]
    assert found == pytest.approx(by_hand, abs=1e-7)
    assert sum(found) == pytest.approx(0, abs=1e-7)


def test_binary_gates_of_two() -> None:
    alpha = leaf(0.3, -0.2)
    p = alpha.detach().softmax(-1).tolist()
    mix = gates(alpha, seeded())
    expected = p[0] * p[1] * (0.7 - 0.2)
    assert slope(0.7 * mix[0] + 0.2 * mix[1], alpha) == pytest.approx([expected, -expected])


def test_active_gates_are_draws_from_p() -> None:
    alpha, rng, n = leaf(1.0, 0.0, -1.0), seeded(4), 1000
    p = alpha.detach().softmax(-1)
    active = torch.stack([torch.stack(list(gates(alpha, rng).values())) for _ in range(n)])
    often = active.detach().mean(0)
    assert bool(((often - p).abs() < 4 * (p * (1 - p) / n).sqrt()).all())


def test_two_paths_are_drawn_without_replacement() -> None:
    alpha, rng, n = leaf(0.5, 0.1, -0.3, 0.2), seeded(5), 2000
    p = alpha.detach().softmax(-1).tolist()
    often = dict.fromkeys([(i, j) for i in range(4) for j in range(i)], 0)
    active = 0
    for _ in range(n):
        mix = two_gates(alpha, rng)
        often[max(mix), min(mix)] += 1
        if set(mix) == {0, 2}:
            active += mix[0].item() == 1
    for (a, b), times in often.items():
        q = p[a] * p[b] * (1 / (1 - p[a]) + 1 / (1 - p[b]))
        assert abs(times / n - q) < 4 * (q * (1 - q) / n) ** 0.5
    q, times = p[0] / (p[0] + p[2]), often[2, 0]
    assert abs(active / times - q) < 4 * (q * (1 - q) / times) ** 0.5


def test_a_step_of_two_paths_leaves_the_others_probabilities() -> None:
    alpha, rng = leaf(0.5, 0.1, -0.3, 0.2), seeded(6)
    assert alpha.softmax(-1).tolist() == pytest.approx(
        [0.34959, 0.23434, 0.15708, 0.25899], abs=5e-6
    )
    while set(mix := two_gates(alpha, rng)) != {0, 2}:
        pass
    optimizer = torch.optim.SGD([alpha], 0.1)
    (0.8 * mix[0] - 0.4 * mix[2]).backward()
    assert alpha.grad is not None
    assert alpha.grad.tolist() == pytest.approx([0.25669, 0, -0.25669, 0], abs=5e-6)
    before = alpha.detach().clone()
    optimizer.step()
    moved = alpha.detach().clone()
    rescale(alpha, before, list(mix))
    assert (moved - alpha.detach()).tolist() == pytest.approx(
        [-0.009469, 0, -0.009469, 0], abs=5e-7
    )
    p, old = alpha.detach().softmax(-1).tolist(), before.softmax(-1).tolist()
    assert p == pytest.approx([0.34398, 0.23434, 0.16270, 0.25899], abs=5e-6)
    assert [p[1], p[3]] == pytest.approx([old[1], old[3]], abs=1e-12)


def test_the_price_of_two_paths_compares_these() -> None:
    """By p over the two, p~_a p~_b (C_a - C_b): none where both cost the same, or for others."""
    alpha = Enumerated(Table(3, 2))
    alpha.logits.data = torch.tensor([0.5, 0.1, 0.4, 0.3, 0.7], dtype=torch.float64).log()
    word = [{0: torch.tensor(1.0), 1: torch.tensor(0.0)}, {1: torch.tensor(1.0)}]
    for costs, slope in (([1, 1, 4], 0.0), ([3, 1, 4], 5 / 6 * 1 / 6 * 2)):
        alpha.logits.grad = None
        members = torch.tensor([costs[arch[0]] for arch in alpha.space], dtype=torch.float64)
        expected = alpha.expected(members, of_those(alpha.split(), word))
        assert expected.item() == pytest.approx(5 / 6 * costs[0] + 1 / 6 * costs[1])
        expected.backward()
        assert alpha.logits.grad is not None
        assert alpha.logits.grad.tolist() == pytest.approx([slope, -slope, 0, 0, 0], abs=1e-12)


@pytest.mark.parametrize("draw", [gates, two_gates])
def test_gates_learn_which_option_is_better(draw: Callable[..., Any]) -> None:
    """Straight-through estimates are biased; on a separable toy the sign is right."""
    alpha, rng = leaf(0.0, 0.0), seeded()
    for _ in range(20):
        mix = draw(alpha, rng)
        output = sum((3.0, 1.0)[option] * gate for option, gate in mix.items())
        found = slope((1.0 - output) ** 2, alpha)
        active = max(mix, key=lambda option: float(mix[option].detach()))
        assert found[0] > 0 > found[1] if active == 0 else found == [0, 0]


def test_of_one_option_one_gate_is_open() -> None:
    (gate,) = two_gates(leaf(0.3), seeded()).values()
    assert gate.item() == 1


def test_adam_without_momentum_moves_the_two_alone() -> None:
    distribution, rng = Enumerated(Table(4, 3)), seeded(7)
    optimizer = torch.optim.Adam([distribution.logits], 0.1, betas=(0.0, 0.999))
    for _ in range(20):
        before = [each.detach().clone() for each in distribution.split()]
        mixes = [two_gates(each, rng) for each in distribution.split()]
        optimizer.zero_grad()
        loss = torch.stack([o * gate for mix in mixes for o, gate in mix.items()]).sum()
        loss.backward()
        optimizer.step()
        for logits, old, mix in zip(distribution.split(), before, mixes, strict=True):
            rescale(logits, old, list(mix))
            for option, was in enumerate(old.softmax(-1).tolist()):
                now = logits.detach().log_softmax(-1)[option].item()
                same = now == pytest.approx(torch.tensor(was).log().item(), abs=1e-6)
                assert same == (option not in mix)


def test_temperatures() -> None:
    gdas = [linear(10, 0.1, epoch, 249) for epoch in (0, 124, 249)]
    assert gdas == pytest.approx([10, 5.07, 0.1], abs=5e-3)
    snas = [linear(1, 0.03, epoch, 150) for epoch in (0, 75, 149)]
    assert snas == pytest.approx([1, 0.515, 0.0365], abs=5e-5)
    assert linear(10, 0.1, 0, 0) == 10
    fbnet = [exponential(5, 5 * 0.956**89, epoch, 89) for epoch in (0, 10, 45, 89)]
    assert fbnet == pytest.approx([5, 3.188, 0.660, 0.0911], abs=5e-4)


def test_rates() -> None:
    rates = [cosine(0.025, 0.001, epoch, 50) for epoch in range(51)]
    assert (rates[0], rates[25], rates[50]) == pytest.approx((0.025, 0.013, 0.001))
    assert all(a > b for a, b in pairwise(rates))
    assert cosine(0.025, 0.001, 0, 0) == 0.025
