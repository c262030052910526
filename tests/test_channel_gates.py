"""Gates of FiGS: their law, their price, and what is kept.

Numbers are those of section 1.4 of the specification.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise, product
from math import exp, log
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.optim import SGD

from nasbench.budget import Budget
from nasbench.errors import BadValue, NotApplicable, RunnerFailed
from nasbench.find import find
from nasbench.loop import run
from nasbench.nets import Convolution, count_encoders
from nasbench.parts.oneshot.channel_gates import (
    Law,
    alive,
    entropy,
    export,
    gate,
    keep_first,
    logistic,
    numbers,
    options,
    penalty,
    temperature,
    tied,
    together,
)
from nasbench.parts.oneshot.channels import Channels, Widths, bilinear
from nasbench.space import Scale
from nasbench.spaces.blocks.slimmable import SuperChain
from nasbench.supernet import Supernet
from tests.made_up import look_less
from tests.test_one_shot import table

NOISE = torch.linspace(0, 1, 400_003, dtype=torch.float64)[1:-1].logit()
"""The logistic law by its quantiles."""


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NASBENCH_HOME", str(tmp_path / "home"))
    look_less(monkeypatch, 4)


def plain(widths: Sequence[Sequence[int]]) -> Widths:
    """Widths that depend on nothing, each by itself."""
    return Widths(
        {i: ((i,), np.array(w)) for i, w in enumerate(widths)}, [[i] for i in range(len(widths))]
    )


def gates(logit: float, tau: float) -> Tensor:
    return gate(torch.full_like(NOISE, logit), tau, NOISE)


@pytest.mark.parametrize(
    ("tau", "known"), [(1, 0.990962), (0.5, 0.973367), (0.1, 0.938180), (0.001, 0.924296)]
)
def test_probability_of_being_alive(tau: float, known: float) -> None:
    assert alive(gates(2.5, tau)).double().mean().item() == pytest.approx(known, abs=5e-6)
    sigmoid = torch.tensor(2.5 - tau * log(0.1 / 0.9)).sigmoid().item()
    assert sigmoid == pytest.approx(known, abs=1e-6)


@pytest.mark.parametrize("tau", [2, 1, 0.1, 0.001, 0])
@pytest.mark.parametrize("logit", [-1.0, 0.5, 2.5])
def test_half_open_with_probability_p(tau: float, logit: float) -> None:
    m = gates(logit, tau)
    p = torch.tensor(logit).sigmoid().item()
    assert (m > 0.5).double().mean().item() == pytest.approx(p, abs=1e-5)
    if tau == 1:
        assert bool((m > 0).all())  # so it is no hard concrete gate
    if not tau:
        assert set(m.tolist()) == {0.0, 1.0}


@pytest.mark.parametrize(("logit", "mean"), [(2.5, 0.845869), (-1, 0.338697), (1e-4, 0.5)])
def test_mean(logit: float, mean: float) -> None:
    assert gates(logit, 1).mean().item() == pytest.approx(mean, abs=2e-5)
    p = torch.tensor(logit, dtype=torch.float64).sigmoid().item()
    assert gates(logit, 1e-4).mean().item() == pytest.approx(p, abs=2e-5)


def test_noise_is_logistic() -> None:
    noise = logistic(100_000, torch.Generator().manual_seed(0))
    assert noise.mean().item() == pytest.approx(0, abs=0.02)
    assert noise.std().item() == pytest.approx(torch.pi / 3**0.5, abs=0.02)
    assert (noise.abs() > log(9)).double().mean().item() == pytest.approx(0.2, abs=0.005)


def test_straight_through() -> None:
    """Forwards 0 or 1, exactly; backwards m (1 - m) / tau."""
    noise = logistic(50, torch.Generator().manual_seed(0))
    logits = torch.linspace(-2, 2, 50, requires_grad=True)
    m, hard = gate(logits, 0.7, noise), gate(logits, 0.7, noise, straight_through=True)
    assert torch.equal(hard, (logits + noise > 0).float())
    (slope,) = torch.autograd.grad(hard.sum(), logits)
    torch.testing.assert_close(slope, m * (1 - m) / 0.7)
    assert not gate(logits, 0, noise, straight_through=True).requires_grad


def test_images_share_a_gate_and_channels_do_not() -> None:
    net, x = SuperChain([(3, 6)], (2,)), torch.randn(4, 3, 9, 9)
    m = gate(torch.zeros(6), 1, logistic(6, torch.Generator().manual_seed(0)))
    ((_, gated),), ((_, plain),) = net(x, [m]), net(x, [torch.ones(6)])
    ratio = gated / plain
    for channel, each in zip(m, ratio.unbind(1), strict=True):
        torch.testing.assert_close(
            each[each.isfinite()], channel.expand(int(each.isfinite().sum()))
        )
    assert len(set(m.tolist())) == 6


def test_temperature_falls() -> None:
    assert temperature(0.5, 700, None) == 0.5
    assert temperature(0.5, 0, 100) == 0.5
    assert temperature(0.5, 200, 100) == pytest.approx(0.005)


def test_groups() -> None:
    assert together(torch.tensor([0.2, 0.5, 0.9])).item() == pytest.approx(0.96)
    assert together(torch.tensor([[0.0, 0.0], [1.0, 0.3]])).tolist() == [0, 1]


def test_logits_of_groups() -> None:
    p = torch.tensor([[0.2, 0.5, 0.9], [0.3, 0.3, 0.3]], dtype=torch.float64)
    torch.testing.assert_close(tied(p.logit()).sigmoid(), together(p))
    one = torch.tensor([[-3.0], [60.0]])
    torch.testing.assert_close(tied(one), one[:, 0].double())
    assert tied(torch.tensor([[torch.inf, -1.0]])).tolist() == [torch.inf]


# ------------------------------------------------------------------------------------------- price


def block() -> list[Convolution]:
    """An inverted residual: 5 channels, widened to factor 0, of which factor 1 leaves."""

    return [
        Convolution(nn.Conv2d(5, 6, 1), None, 0, 16),
        Convolution(nn.Conv2d(6, 6, 3, groups=6), 0, 0, 4),
        Convolution(nn.Conv2d(6, 4, 1), 0, 1, 4),
    ]


def test_price_when_all_is_open() -> None:
    """Twice the cost by the published penalty, the cost itself as an expectation."""
    ones = [torch.ones(6), torch.ones(4)]
    for unit, real in (("macs", 5 * 6 * 16 + 9 * 6 * 4 + 6 * 4 * 4), ("params", 30 + 54 + 24)):
        where: Any = unit
        assert bilinear(block(), [6, 4], where).item() == real
        assert bilinear(block(), [p.sum() for p in ones], where).item() == real
        assert penalty(block(), ones, ones, where).item() == 2 * real
    with pytest.raises(ValueError, match="unit 'flops': there are macs, params"):
        bilinear(block(), [6, 4], "flops")  # type: ignore[arg-type]


def test_slopes_of_the_price() -> None:
    """k sum(p_in) p (1 - p): always up; the published penalty's where A is the sum of p."""
    chain = [Convolution(nn.Conv2d(3, 4, 3), None, 0, 5)]
    chain += [Convolution(nn.Conv2d(4, 2, 1), 0, 1, 7)]
    logits = [torch.randn(n, dtype=torch.float64, requires_grad=True) for n in (4, 2)]
    p = [each.sigmoid() for each in logits]
    whole = bilinear(chain, [each.sum() for each in p])
    slopes = torch.autograd.grad(whole, logits, retain_graph=True)
    first, second = p
    within = [9 * 5 * 3 + 7 * second.sum(), 7 * first.sum()]
    for slope, each, k in zip(slopes, p, within, strict=True):
        torch.testing.assert_close(slope, k * each * (1 - each))
        assert bool((slope > 0).all())
    published = torch.autograd.grad(penalty(chain, p, p), logits)
    for slope, other in zip(slopes, published, strict=True):
        torch.testing.assert_close(slope, other)


def test_the_price_alone_shuts_gates() -> None:
    logits = [torch.full((n,), 2.5, requires_grad=True) for n in (6, 4)]
    optimizer = SGD(logits, 1.0)
    for _ in range(5):
        before = [each.detach().clone() for each in logits]
        p = [each.sigmoid() for each in logits]
        optimizer.zero_grad()
        (penalty(block(), p, [each > 0.1 for each in p]) / 792).backward()
        optimizer.step()
        for each, was in zip(logits, before, strict=True):
            assert bool((each < was).all())


@pytest.mark.parametrize("depth", [1, 2])
def test_costs_of_a_supernet_are_those_of_its_networks(depth: int) -> None:
    where = table(space="width").trained_by
    assert where
    scale = Scale(20, depth, 2)
    net = find("spaces", "width").supernet(scale)
    convs = net.convolutions((3, 15, 15))  # type: ignore[operator]
    widths = Widths.of(where.space, scale)
    for arch in ((0, 1, 2, 3, 4), (4, 0, 4, 1, 1)):
        counts = widths.channels(arch)
        ((known, _),) = count_encoders(where.space, [arch], 15, scale)
        assert bilinear(convs, counts).item() == known.macs
        weights = known.params - 2 * depth * sum(counts)  # without those of BN
        assert bilinear(convs, counts, "params").item() == weights


# ------------------------------------------------------------------------------------ what is kept


def test_export() -> None:
    assert export([torch.tensor([0.1, -3, 2]), torch.tensor([0.0, 1.0])]) == [2, 1]
    shut = torch.full((3,), -1.0)
    with pytest.raises(BadValue, match="no channel of width 2 is left: lower the price, or keep"):
        export([torch.ones(3), shut])
    assert export([torch.ones(3), keep_first(shut)]) == [3, 1]


def test_the_first_is_open_and_has_no_slope() -> None:
    logits = torch.full((3,), -1.0, requires_grad=True)
    noise = logistic(3, torch.Generator().manual_seed(0))
    for straight in (False, True):
        m = gate(keep_first(logits), 0.001, noise - 9, straight)
        assert m.tolist()[0] == 1
        (slope,) = torch.autograd.grad(m.sum() + keep_first(logits).sigmoid().sum(), logits)
        assert slope[0] == 0
        assert bool(slope.isfinite().all())


def test_numbers_of_open_gates_are_exact() -> None:
    logits = torch.tensor([-1.0, 0.3, 2.0, 4.0])
    p, want = logits.double().sigmoid(), torch.zeros(5, dtype=torch.float64)
    for word in product([0, 1], repeat=4):
        mask = torch.tensor(word)
        want[sum(word)] += torch.where(mask == 1, p, 1 - p).prod()
    torch.testing.assert_close(numbers(logits).exp(), want)
    near = options(logits, (1, 3, 4))
    torch.testing.assert_close(near.exp(), torch.stack([want[:3].sum(), want[3], want[4]]))
    assert entropy(near, (1, 3, 4)) == pytest.approx(-float((near.exp() * near).sum()))
    torch.testing.assert_close(options(logits, (1, 3, 3, 4))[[0, 2, 3]], near)
    assert entropy(options(logits, (1, 3, 3, 4)), (1, 3, 3, 4)) == entropy(near, (1, 3, 4))
    far = numbers(torch.full((40,), 60.0))
    assert far.isfinite().all()  # not one is 0 by rounding


def test_nearest_options() -> None:
    widths = plain([(2, 4, 6), (1, 5)])
    assert widths.nearest([5, 3]) == [1, 0]  # the narrower of two
    assert widths.nearest([9, 4]) == [2, 1]


def test_the_law_of_members_is_exact() -> None:
    """Over all words of gates: hidden channels depend on what enters, a group has one number."""
    terms = {
        0: ((0,), np.array([1, 3])),
        1: ((0, 1), np.array([[1, 2], [3, 5]])),
        2: ((2,), np.array([1, 3])),
    }
    widths = Widths(terms, [[0, 2], [1]])
    logits = [torch.tensor([0.3, -1.0, 2.0]), torch.tensor([-1.0, 0.3, 2.0, 0.1, -0.7])]
    want: dict[tuple[int, ...], float] = {}
    p = torch.cat(logits).double().sigmoid()
    for word in product([0, 1], repeat=8):
        mask = torch.tensor(word)
        options = tuple(widths.nearest([sum(word[:3]), sum(word[3:])]))
        chance = float(torch.where(mask == 1, p, 1 - p).prod())
        want[options] = want.get(options, 0.0) + chance
    law = Law(widths, logits)
    for options in product(range(2), repeat=3):
        assert exp(law.log_p(options)) == pytest.approx(want.get(options, 0.0))
    assert law.entropy() == pytest.approx(-sum(q * log(q) for q in want.values()))


def test_an_architecture_is_its_likeliest_channels() -> None:
    """Times their weights, at the widest shape."""
    net = SuperChain([(2, 4), (1, 3)], (2, 1))
    widths = plain(net.widths)
    channels = Channels(net, widths, net.convolutions((3, 9, 9)), 0.0, torch.sigmoid)
    channels.values[0].data = torch.tensor([0.0, 3, -1, 2])
    channels.values[1].data = torch.tensor([-2.0, 1, 0])
    x = torch.randn(4, 3, 9, 9)
    ((weight, y),) = channels(x, [{0: None}, {1: None}])
    masks = [torch.tensor([0.0, 1, 0, 1]), torch.ones(3)]
    weighed = [m * v.sigmoid() for m, v in zip(masks, channels.values, strict=True)]
    assert weight is None
    torch.testing.assert_close(y, net(x, weighed)[0][1])
    assert torch.equal(channels(x, weighed)[0][1], y)  # masks are passed on


def test_a_supernet_that_is_no_chain() -> None:
    where = table(space="cell").trained_by
    assert where
    with pytest.raises(NotApplicable, match=r"more than widths is decided about: <transnas_cell"):
        Supernet(where).convolutions()


def test_a_sum_with_channels_that_nothing_decides_about() -> None:
    """It would be lost with the first channel that goes."""

    class Stem(type(find("spaces", "mbconv"))):  # type: ignore[misc]
        stems = (16,)  # as many as the widest first layer leaves

    space = Stem()
    only = space.only_widths(tuple(n - 1 for n in space.choices))
    with pytest.raises(NotApplicable, match="of mbconv adds width 1 to channels that nothing"):
        Widths.of(only)


# ------------------------------------------------------------------------------------------ runner

FAST: dict[str, Any] = {"tau": 0.5, "learning_rate": 3.0, "warmup": 0.0}


def test_a_price_and_a_target_make_cheaper() -> None:
    where, budget = table(space="width"), Budget(epochs=6)
    prices: list[dict[str, Any]] = [{"strength": 0.0}, {"strength": 3.0}]
    free, priced, on_mask, params = (
        run("figs", where, [0], budget, **FAST, **each).info["macs"]
        for each in (
            *prices,
            {"strength": 3.0, "on_mask": True},
            {"strength": 3.0, "cost": "params"},
        )
    )
    assert max(priced[-1], on_mask[-1], params[-1]) < 0.9 * free[-1]
    target = float(free[-1]) * 0.8
    held = run("figs", where, [0], budget, **FAST, strength=3.0, target=target)
    assert priced[-1] < held.info["macs"][-1]  # no price below the target
    assert where.trained_by
    scale = where.trained_by.recipe.scale
    archs = [tuple(arch) for arch in held.arch.tolist()]
    assert all(c.macs <= target for c, _ in count_encoders(where.space, archs, 16, scale))


def test_what_the_runner_refuses() -> None:
    where, budget = table(space="width"), Budget(epochs=1)
    message = "a target of 5 multiply-adds can't be met: .* costs 7,056, the widest 107,280"
    with pytest.raises(RunnerFailed, match=message):
        run("figs", where, [0], budget, target=5.0)
    with pytest.raises(RunnerFailed, match=r"figs.*, epoch 1: no channel of width 1 is left"):
        run("figs", where, [0], budget, first=False, initial=-9.0)
    kept = run("figs", where, [0], budget, initial=-9.0)
    assert kept.arch.tolist() == [[0] * 5]


def test_weights_warm_up_first() -> None:
    where = table(space="width")
    macs = run("figs", where, [0], Budget(epochs=4), **{**FAST, "warmup": 0.5}).info["macs"]
    first, second, third, _ = macs.tolist()
    assert first == second != third
    assert all(a >= b for a, b in pairwise(macs.tolist()))
