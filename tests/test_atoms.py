"""Atoms of AtomNAS: prices, averages, masks, and channels that are cut out of a supernet.

What must hold is section 2.4 of the specification.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import SGD, Adam, Optimizer

from nasbench.budget import Budget
from nasbench.errors import RunnerFailed
from nasbench.loop import run
from nasbench.parts.oneshot.atoms import (
    Average,
    costs,
    l1,
    living,
    prices,
    rate,
    slopes,
    soft_threshold,
    targeted,
)
from nasbench.parts.oneshot.channels import Channels, bilinear
from nasbench.spaces.blocks.slimmable import SuperChain
from tests.made_up import look_less
from tests.test_channel_gates import block, plain
from tests.test_one_shot import table

WIDTHS = [(2, 6), (3, 5), (2, 4)]
KEEP = [[1, 0, 1, 1, 0, 1], [1, 1, 0, 1, 0], [0, 1, 1, 1]]


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("NASBENCH_HOME", str(tmp_path / "home"))
    look_less(monkeypatch, 4)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def channels(depth: int = 1) -> Channels:
    net = SuperChain(WIDTHS, (2, 1, 2), depth).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    made = Channels(net, plain(WIDTHS), net.convolutions((3, 9, 9)), 1.0)
    for value in made.values:
        value.data.uniform_(0.5, 1.5)
    return made


def keep() -> list[Tensor]:
    return [torch.tensor(kept, dtype=torch.bool) for kept in KEEP]


def output(net: Channels, x: Tensor) -> Tensor:
    y: Tensor
    ((_, y),) = net(x, list(net.values))
    return y


# ------------------------------------------------------------------------------------------ prices


def test_the_mean_price_of_a_channel_is_one() -> None:
    net = channels()
    f = costs(net.convs, net.counts)
    c = prices(f, net.counts)
    mean = sum(n * each for n, each in zip(net.counts, c, strict=True)) / sum(net.counts)
    assert mean == pytest.approx(1, abs=1e-6)
    assert c[0] / c[1] == pytest.approx(f[0] / f[1])
    assert prices([7.0, 7.0], [2, 9]) == [1, 1]
    assert prices(f, net.counts, equal=True) == [1, 1, 1]
    scales = [torch.tensor([1.0, -2]), torch.tensor([0.5])]
    assert l1(scales, [2.0, 4.0]).item() == pytest.approx(8)


def test_rho_rises() -> None:
    assert rate(3.0, 0, 0, 25) == 0
    assert rate(3.0, 12.5, 0, 25) == pytest.approx(1.5)
    assert rate(3.0, 25, 0, 25) == rate(3.0, 99, 0, 25) == 3
    assert rate(3.0, 4, 5, 10) == 0
    assert rate(3.0, 6, 5, 10) == pytest.approx(0.6)
    assert rate(3.0, 0, 0, 0) == 3


def test_what_atoms_cost_is_what_cutting_saves() -> None:
    """Exactly, where atoms are independent, or of one layer; neighbours share what is between."""
    convs, counts = block(), [6, 4]
    f, whole = costs(convs, counts), float(bilinear(convs, counts))
    assert whole - float(bilinear(convs, [2, 4])) == pytest.approx(4 * f[0])
    net = channels()
    f, whole = costs(net.convs, net.counts), float(bilinear(net.convs, net.counts))
    assert whole - float(bilinear(net.convs, [6, 2, 4])) == pytest.approx(3 * f[1])
    both = whole - float(bilinear(net.convs, [4, 4, 4]))
    assert both == pytest.approx(2 * f[0] + f[1] - 2 * 1 * 9 * 25)


def test_costs_of_channels_where_whole_networks_are_known() -> None:
    """What the narrowest option saves, or the widest adds to it; nothing where it adds."""
    widths = plain([(2, 4, 6), (3, 5), (2, 4)])

    def price(options: Sequence[int]) -> float:
        a, b, c = widths.channels(options)
        return 0.5 + 2 * a + b * c - 0.1 * c

    assert slopes(price, [2, 0, 1], widths) == pytest.approx([2, 4, 2.9])
    assert slopes(price, [0, 1, 0], widths) == pytest.approx([2, 2, 4.9])
    assert slopes(lambda options: -sum(options), [1, 1, 1], widths) == [0, 0, 0]
    assert prices([0.0, 0.0], [2, 9]) == [1, 1]


def test_proximal_steps_reach_zero() -> None:
    scale = torch.tensor([0.3, -0.3, 0.1, -0.05, 0.0])
    torch.testing.assert_close(soft_threshold(scale, 0.1), torch.tensor([0.2, -0.2, 0, 0, 0]))
    assert soft_threshold(scale, 0.1).tolist()[2:] == [0, 0, 0]


# ---------------------------------------------------------------------------------------- who stays


def test_average() -> None:
    mean = Average([torch.tensor([1.0, 0, 4])], 0.75)
    mean.update([torch.tensor([0.0, 1, 4])])
    assert mean.values[0].tolist() == [0.75, 0.25, 4]
    mean.cut([torch.tensor([True, False, True])])
    other = Average([torch.ones(3)], 0.75)
    other.load_state_dict(mean.state_dict())
    other.update([torch.zeros(2)])
    assert other.values[0].tolist() == [0.5625, 3]


def test_the_largest_stay_at_least() -> None:
    sizes = [torch.tensor([0.5, 1e-4, 2e-4]), torch.tensor([1e-4, 3e-4, 2e-4])]
    assert [kept.tolist() for kept in living(sizes, 1e-3, [1, 2])] == [
        [True, False, False],
        [False, True, True],
    ]


@pytest.mark.parametrize("target", [3000, 6000, 10_000])
def test_mask_by_a_target(target: float) -> None:
    """It costs no more, but with the last one that went it does; the smallest went."""
    net, least = channels(), [1, 1, 1]
    sizes = [value.detach().abs() for value in net.values]

    def price(counts: Sequence[int]) -> float:
        return float(bilinear(net.convs, counts))

    counts = targeted(sizes, price, target, least)
    assert price(counts) <= target < price(net.counts)
    kept = [size.sort(descending=True).values[:n] for size, n in zip(sizes, counts, strict=True)]
    gone = [size.sort(descending=True).values[n:] for size, n in zip(sizes, counts, strict=True)]
    assert all(float(some.min()) >= float(torch.cat(gone).max()) for some in kept if len(some) > 1)
    counts[max(range(3), key=lambda g: float(gone[g].max()) if len(gone[g]) else 0.0)] += 1
    assert price(counts) > target


def test_a_target_leaves_the_least() -> None:
    net = channels()
    sizes = [value.detach() for value in net.values]
    assert targeted(sizes, sum, 0, [2, 3, 2]) == [2, 3, 2]
    assert targeted(sizes, lambda counts: 0.0, 0, [2, 3, 2]) == net.counts


# --------------------------------------------------------------------------------------- shrinking


@pytest.mark.parametrize("depth", [1, 2])
def test_what_is_zero_can_be_cut(depth: int) -> None:
    """The output stays, and has zeros in place of channels of the last layer."""
    net, x = channels(depth), torch.randn(4, 3, 9, 9)
    for value, kept in zip(net.values, keep(), strict=True):
        value.data *= kept
    before = output(net, x)
    net.cut(keep())
    assert net.counts == [4, 3, 3]
    after = output(net, x)
    torch.testing.assert_close(after, before, rtol=1e-5, atol=1e-6)
    assert not after[:, 0].any()
    assert after.shape == (4, 4, 3, 3)
    found = [tuple(conv.layer.weight.shape[:2]) for conv in net.convs]
    assert found == (
        [(4, 3), (3, 4), (3, 3)] if depth == 1 else [(4, 3), (4, 4), (3, 4)] + 3 * [(3, 3)]
    )
    ((_, narrow),) = net(x, [{0: None}, {1: None}, {0: None}])  # an architecture still runs
    assert narrow.shape == after.shape
    assert narrow.flatten(2).any(2).any(0).sum() == 2


def test_shrinking_is_idempotent() -> None:
    net, x = channels(), torch.randn(4, 3, 9, 9)
    net.values[0].data[1] = 1e-5
    kept = living([value.detach().abs() for value in net.values], 1e-3, [1, 1, 1])
    net.cut(kept)
    first, state = output(net, x), {name: t.clone() for name, t in net.state_dict().items()}
    again = living([value.detach().abs() for value in net.values], 1e-3, [1, 1, 1])
    assert all(bool(each.all()) for each in again)
    net.cut(again)
    assert torch.equal(output(net, x), first)
    assert all(torch.equal(t, state[name]) for name, t in net.state_dict().items())


def step(net: Channels, optimizer: Optimizer, x: Tensor) -> None:
    optimizer.zero_grad()
    y = output(net, x)
    (y * torch.arange(y.numel()).view_as(y).cos()).sum().backward()
    optimizer.step()


def made(kind: str, net: Channels) -> Optimizer:
    if kind == "sgd":
        return SGD(net.parameters(), 0.01, 0.9)
    return Adam(net.parameters(), 0.01)


@pytest.mark.parametrize("kind", ["sgd", "adam"])
def test_optimizers_remember_what_is_left(kind: str) -> None:
    """The step behind a cut is that of the wide network, as far as it is left."""
    wide, x = channels(), torch.randn(4, 3, 9, 9)
    optimizer = made(kind, wide)
    for _ in range(3):
        step(wide, optimizer, x)
    for value, kept in zip(wide.values, keep(), strict=True):
        value.data *= kept
    small = channels()
    small.load_state_dict(wide.state_dict())
    other = made(kind, small)
    other.load_state_dict(deepcopy(optimizer.state_dict()))
    small.optimizers.append(other)
    small.cut(keep())
    for weight, its in zip(small.parameters(), other.param_groups[0]["params"], strict=True):
        assert weight is its
        assert other.state[weight]
        assert all(known.shape in ((), weight.shape) for known in other.state[weight].values())
    step(wide, optimizer, x)
    step(small, other, x)
    wide.optimizers.append(optimizer)
    wide.cut(keep())
    for one, two in zip(wide.parameters(), small.parameters(), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-6)
    for a, b in zip(optimizer.state.values(), other.state.values(), strict=True):
        for name in a:
            torch.testing.assert_close(a[name], b[name], rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("kind", ["sgd", "adam"])
def test_a_run_goes_on_with_what_is_left(kind: str) -> None:
    """A fresh network takes the state of a smaller one over, bit by bit, and so its optimizer."""
    net, x = channels(), torch.randn(4, 3, 9, 9)
    optimizer = made(kind, net)
    step(net, optimizer, x)
    net.optimizers.append(optimizer)
    net.cut(keep())
    file = BytesIO()
    torch.save([net.state_dict(), optimizer.state_dict()], file)
    file.seek(0)
    states = torch.load(file, weights_only=True)
    fresh = channels()
    again = made(kind, fresh)
    fresh.optimizers.append(again)
    fresh.load_state_dict(states[0])
    again.load_state_dict(states[1])
    assert fresh.counts == [4, 3, 3]
    for each, its in ((net, optimizer), (fresh, again)):
        step(each, its, x)
        step(each, its, x)
    assert torch.equal(output(net, x), output(fresh, x))


def test_a_shift_would_be_left() -> None:
    """Why atoms have none: a channel with scale 0 and shift beta gives act(beta), and it is lost.

    With no shift a scale that isn't negative is the same behind the activation as in front of it.
    """
    x, gamma, project = (
        torch.randn(8, 3, 5, 5),
        torch.tensor([0.7, 0.0, 1.2]),
        torch.randn(2, 3, 1, 1),
    )

    def atoms(beta: Sequence[float], channels: Sequence[int]) -> Tensor:
        shift = torch.tensor(beta)
        y = F.relu(F.batch_norm(x, None, None, gamma, shift, training=True))
        return F.conv2d(y[:, channels], project[:, channels])

    for beta in (0.4, -0.4, 0.0):
        change = atoms([0.1, beta, 0], [0, 1, 2]) - atoms([0.1, beta, 0], [0, 2])
        known = max(beta, 0) * project[:, 1]
        torch.testing.assert_close(change, known[None].expand_as(change), rtol=1e-4, atol=1e-6)
    outside = gamma[:, None, None] * F.relu(F.batch_norm(x, None, None, training=True))
    inside = F.relu(F.batch_norm(x, None, None, gamma, torch.zeros(3), training=True))
    torch.testing.assert_close(outside, inside)


def test_depthwise_weights_are_cut_once() -> None:
    convs = block()
    inner = nn.Module()
    net = Channels(inner, plain([(3, 6), (2, 4)]), convs, 1.0)
    net.cut([torch.arange(6) < 3, torch.arange(4) < 2])
    assert [tuple(conv.layer.weight.shape[:2]) for conv in convs] == [(3, 5), (3, 1), (2, 3)]


# ------------------------------------------------------------------------------------------- runner

FAST: dict[str, Any] = {"rho": 3.0, "average": 0.01, "proximal": True, "full": 0.0}


def test_supernets_shrink_and_prices_decide_where() -> None:
    where, budget = table(space="width"), Budget(epochs=3)
    traces = run("atomnas", where, [0], budget, **FAST)
    first, *_, last = traces.info["channels"].tolist()
    assert 10 <= last < first <= 50
    assert traces.info["saved_bytes"][-1] < traces.info["saved_bytes"][0]
    assert traces.info["macs"][-1] < 107_280
    still = run("atomnas", where, [0], budget, **{**FAST, "worth": 1.0})
    assert still.info["channels"].tolist() == [50, 50, 50]


def test_a_target_is_held() -> None:
    where, budget = table(space="width"), Budget(epochs=1)
    target = 40_000.0
    traces = run("atomnas", where, [0], budget, target=target)
    assert 30_000 < traces.info["macs"][0] <= target
    with pytest.raises(RunnerFailed, match="a target of 5 multiply-adds can't be met"):
        run("atomnas", where, [0], budget, target=5.0)


def test_a_loose_target_brings_nothing_back_to_life() -> None:
    """What is dead and was not worth a cut stays out of the choice."""
    more: dict[str, Any] = {"threshold": 0.97, "average": 0.01, "worth": 1.0}
    free, loose = (
        run(
            "atomnas", table(space="width"), [0], Budget(epochs=2), **more, target=target
        ).arch.tolist()
        for target in (None, 1e9)
    )
    assert loose == free != [[4] * 5] * 2
