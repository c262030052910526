"""CafeNet's assignments of channels to widths: by hand, and in a supernet."""

from __future__ import annotations

from itertools import product
from math import comb
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from nasbench.errors import RunnerFailed
from nasbench.parts.oneshot.channels import Packed
from nasbench.parts.oneshot.free_channels import (
    FreeWidths,
    aligned,
    assignments,
    bin_sizes,
    local,
    mask,
    right,
    sensitivities,
    step,
)
from nasbench.parts.oneshot.priced import priced
from nasbench.supernet import Masks, OneShot
from tests.made_up import look_less
from tests.test_one_shot import table, trial


def sets(n: int, c: int, r: int, inner: int | None = None) -> set[str]:
    """Return all assignments, bins counted from 1 as in the paper."""
    return {"".join(str(b + 1) for b in each) for each in local(n, c, r, inner).all()}


@pytest.mark.parametrize(
    ("n", "c", "r", "base", "zone", "expected"),
    [
        (6, 3, 1, {1}, {2, 3, 4}, {"123", "124", "134"}),
        (6, 1, 1, set(), {1, 2}, {"1", "2"}),
        (6, 6, 1, {1, 2, 3, 4}, {5, 6}, {"123456"}),
        (6, 5, 1, {1, 2, 3}, {4, 5, 6}, {"12345", "12346", "12356"}),
    ],
)
def test_sets_by_hand(
    n: int, c: int, r: int, base: set[int], zone: set[int], expected: set[str]
) -> None:
    found = local(n, c, r)
    assert {b + 1 for b in range(found.base)} == base
    assert {b + 1 for b in found.zone} == zone
    assert sets(n, c, r) == expected
    assert found.size == len(expected)


def test_numbers_of_sets() -> None:
    assert (local(6, 3, 2).base, local(6, 3, 2).size) == (0, 10)
    assert len(sets(6, 3, 6)) == comb(6, 3) == 20
    found = local(8, 4, 2)
    assert (found.base, found.zone, found.size) == (1, range(1, 6), 10)
    assert [local(99, 50, r).size for r in (1, 2)] == [3, 10]


@pytest.mark.parametrize("r", range(8))
def test_every_width(r: int) -> None:
    n = 7
    for c in range(1, n + 1):
        found, fixed = local(n, c, r), tuple(range(c))
        every = found.all()
        assert len(set(every)) == len(every) == found.size
        assert every[0] == fixed
        assert all(len(set(each)) == c and max(each) < n for each in every)
        assert all(list(each) == sorted(each) for each in every)
        assert c == n or local(n, c + 1, r).base >= found.base
        assert set().union(*every) >= set(fixed)
        if r == 0:
            assert every == [fixed]
        if r >= n - 1:
            assert found.size == comb(n, c)
        rng = np.random.default_rng(c)
        assert {found.draw(rng) for _ in range(40 * found.size)} == set(every)


def test_another_convention() -> None:
    """As many free bins below c as above it."""
    assert sets(6, 3, 1, inner=1) == {"123", "124"}
    assert sets(6, 3, 2, inner=2) == {"123", "124", "125", "134", "135", "145"}
    with pytest.raises(ValueError, match="7 of 6 bins"):
        local(6, 7)
    with pytest.raises(ValueError, match="0 of 6 bins"):
        local(6, 0)


def test_assignments_of_all_layers() -> None:
    layers, rng = [local(6, 3), local(6, 1), local(6, 6)], np.random.default_rng(0)
    every = assignments(layers, 6, rng)
    assert every == list(product(*(layer.all() for layer in layers)))
    for most in range(1, 6):
        some = assignments(layers, most, rng)
        assert some[0] == every[0] == ((0, 1, 2), (0,), tuple(range(6)))
        assert len(set(some)) == len(some) == most
        assert set(some) <= set(every)
    seen = {each for _ in range(99) for each in assignments(layers, 2, rng)[1:]}
    assert seen == set(every[1:])


OUT, PIXELS = (16, 32, 64, 64), (32, 32, 16, 8)


def chain(widths: tuple[int, ...]) -> float:
    """Return the multiply-adds of 3x3 convolutions on an image of 3 channels."""
    entering = (3, *widths)
    return sum(9.0 * a * b * p * p for a, b, p in zip(entering, widths, PIXELS, strict=False))


def test_bins_by_hand() -> None:
    widths = [(c - 1, c) for c in OUT]
    s = sensitivities(
        lambda options: chain(tuple(w[o] for w, o in zip(widths, options, strict=True))), widths
    )
    assert chain(OUT) == 12238848
    assert s == [322560, 294912, 110592, 36864]
    sizes = bin_sizes(s)
    assert sizes == [1, 1, 3, 9]
    assert [-(-n // b) for n, b in zip(OUT, sizes, strict=True)] == [16, 32, 22, 8]
    assert [b * each for b, each in zip(sizes, s, strict=True)] == [322560, 294912, 331776, 331776]


@pytest.mark.parametrize("beta", [1.0, 1.7, 4.0])
def test_bins_cost_about_as_much(beta: float) -> None:
    s = np.random.default_rng(0).uniform(1, 50, 30).tolist()
    for b, each in zip(bin_sizes(s, beta), s, strict=True):
        assert abs(b * each - beta * max(s)) <= each / 2


def test_steps_of_several_channels() -> None:
    """A chain is linear in each width, so the mean over a step is that of a channel."""
    widths = [(c // 2, c, c) for c in OUT]
    s = sensitivities(
        lambda options: chain(tuple(w[o] for w, o in zip(widths, options, strict=True))), widths
    )
    assert s == [322560, 294912, 110592, 36864]
    assert sensitivities(lambda options: 7.0, [(4, 4)]) == [0.0]
    assert bin_sizes([0.0, 2.0]) == [1, 1]
    (saves,) = sensitivities(lambda options: -options[0], [(4, 8)])  # a latency may say so
    assert bin_sizes([saves, 2.0])[0] > 10**6


def test_widths_are_whole_bins() -> None:
    assert [aligned(b, (8, 16, 40)) for b in (1, 2, 3, 7, 8, 99)] == [1, 2, 2, 4, 8, 8]
    assert aligned(9, (3, 6, 10)) == 1
    assert aligned(5, (6, 12)) == 3


def test_masks() -> None:
    assert mask((0, 2), 2, 6).tolist() == [1, 1, 0, 0, 1, 1]
    assert mask((1,), 3, 5).tolist() == [0, 0, 0, 1, 1]  # the last bin is smaller
    assert mask(right(3, 2), 1, 3).tolist() == [0, 1, 1]


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NASBENCH_HOME", str(tmp_path / "home"))
    look_less(monkeypatch, 4)


@pytest.fixture
def live(tmp_path: Path) -> OneShot:
    where = table(space="width").trained_by
    assert where
    return OneShot(where, 0, 1, np.random.default_rng(0), tmp_path / "state")


def test_bins_of_a_space(live: OneShot) -> None:
    """Widths of 2 to 10 on images of 16 pixels, in layers of 8, 8, 4, 4 and 2 pixels."""
    free = FreeWidths.of(live, priced(live))
    c, pixels = 10, (64, 64, 16, 16, 4)
    entering = (3, c, c, c, c)
    own = [9 * p * before for p, before in zip(pixels, entering, strict=True)]
    after = [9 * p * c for p in (*pixels[1:], 0)]
    s = [a + b for a, b in zip(own, after, strict=True)]
    assert bin_sizes(s) == [1, 1, 3, 4, 21]
    assert list(free.sizes.values()) == [1, 1, 2, 2, 2]
    assert list(FreeWidths.of(live, priced(live), beta=2.0).sizes.values()) == [2] * 5
    for arch in ((0, 1, 2, 3, 4), (4, 0, 4, 0, 4)):
        assert isinstance(live.macs, Tensor)
        assert live.cost(arch) == live.macs[live.where.space.index(arch)]
        for word in free.words(arch, 9, np.random.default_rng(0)):
            assert [int(m.sum()) for m in word] == [2 * (o + 1) for o in arch]  # type: ignore[union-attr]
        left, last = free.words(arch, 9, np.random.default_rng(0), bilateral=True)
        assert all(torch.equal(a, b.flip(0)) for a, b in zip(left, last, strict=True))  # type: ignore[union-attr, arg-type]


def alone(net: torch.nn.Module, x: Tensor, word: Masks) -> Tensor:
    """Run the network that has these channels alone, with the weights it shares."""
    entering = torch.arange(3)
    for banks, channels, stride in zip(net.layers, word, net.strides, strict=True):  # type: ignore[arg-type]
        assert isinstance(channels, Tensor)
        leaving = channels.nonzero()[:, 0]
        weight = banks[0].conv.weight[leaving][:, entering]
        x = F.relu(F.batch_norm(F.conv2d(x, weight, None, stride, 1), None, None, training=True))
        entering = leaving
    return x


def test_consecutive_layers_share_the_channels(live: OneShot) -> None:
    net, free = live.supernet(), FreeWidths.of(live, priced(live), offset=2)
    x = torch.randn(4, 3, 16, 16, generator=live.rng)
    words = free.words((2, 1, 3, 0, 2), 6, np.random.default_rng(0))
    assert len(words) == 6
    for word in words:
        ((_, features),) = net.encoder(x, word)
        chosen = word[-1].nonzero()[:, 0]  # type: ignore[union-attr]
        torch.testing.assert_close(features[:, chosen], alone(net.encoder, x, word))
        assert (features.detach()[:, word[-1] == 0] == 0).all()
    ((_, path),) = net.encoder(x, [{o: None} for o in (2, 1, 3, 0, 2)])
    ((_, features),) = net.encoder(x, words[0])
    torch.testing.assert_close(features[:, : path.shape[1]], path)


def test_only_chosen_channels_learn(live: OneShot) -> None:
    net, free = live.supernet(), FreeWidths.of(live, priced(live), offset=2)
    (batch,) = next(live.batches())
    word = free.words((2, 1, 3, 0, 2), 6, np.random.default_rng(0))[-1]
    live.loss(net(batch.x, word), batch.target).backward()
    entering = torch.ones(3)
    for banks, leaving in zip(net.encoder.layers, word, strict=True):  # type: ignore[arg-type]
        assert isinstance(leaving, Tensor)
        slope = banks[0].conv.weight.grad.abs().sum((2, 3))
        assert torch.equal(slope > 0, leaving.outer(entering) > 0)
        entering = leaving


def test_none_but_open_channels_run(live: OneShot) -> None:
    """Of any masks that all images share; each image's own are left to the encoder."""
    net, free = live.supernet(masked=True), FreeWidths.of(live, priced(live))
    words: list[Any] = free.words((2, 1, 3, 0, 2), 6, np.random.default_rng(0))
    each = [torch.stack(masks)[..., None, None] for masks in zip(*words[:2], strict=True)]
    words += [(4,) * 5, (0, 1, 2, 3, 4), each]
    x, shapes = next(live.batches())[0].x[:2], list[Any]()
    with torch.no_grad():
        plain = [net(x, word) for word in words]
        net.encoder = packed = Packed(net.encoder, net.convolutions())
        bank = packed.encoder.layers[2][0].conv  # type: ignore[index, union-attr]
        bank.register_forward_hook(lambda layer, *_: shapes.append(tuple(layer.weight.shape[:2])))
        found = [net(x, word) for word in words]
    torch.testing.assert_close(torch.stack(found), torch.stack(plain))
    assert set(shapes[:-3]) == {(8, 4)}  # of 10 channels each, as at a scale of 10
    assert shapes[-3] == shapes[-1] == tuple(bank.weight.shape[:2]) == (10, 10)


@pytest.mark.parametrize("inner", [True, False])
def test_a_step_is_on_the_best_or_on_the_mean(live: OneShot, inner: bool) -> None:
    net, free = live.supernet(), FreeWidths.of(live, priced(live))
    weights = torch.optim.SGD(net.parameters(), 0.1)
    (batch,) = next(live.batches())
    rng = np.random.default_rng(0)
    words = free.words((2, 1, 3, 0, 2), 5, rng) if inner else free.words((2,) * 5, 2, rng, True)
    losses = [live.loss(net(batch.x, word), batch.target) for word in words]
    told = [float(loss.detach()) for loss in losses]
    first = net.encoder.layers[0][0].conv.weight  # type: ignore[index, union-attr]
    wanted = losses[told.index(min(told))] if inner else (losses[0] + losses[1]) / 2
    (slope,) = torch.autograd.grad(wanted, first)
    loss, fixed = step(live, net, batch, words, weights, inner)
    assert fixed == told[0]
    assert loss == pytest.approx(min(told) if inner else sum(told) / 2)
    assert not inner or loss <= fixed
    torch.testing.assert_close(first.grad, slope)


@pytest.mark.parametrize("searcher", ["evolution", "random"])
@pytest.mark.parametrize("sharing", ["free", "fixed", "bilateral"])
def test_a_choice_costs_no_more_than_the_target(live: OneShot, sharing: str, searcher: str) -> None:
    traces = trial(
        "cafenet", table(space="width"), sharing=sharing, searcher=searcher, target=20_000
    )
    told = traces.info
    costs = [live.cost(tuple(arch)) for arch in traces.arch.tolist()]
    assert told["macs"].tolist() == costs
    assert max(costs) <= 20_000 < live.cost((4,) * 5)
    if sharing == "free":
        assert (told["loss"] < told["fixed_loss"]).all()
        assert (told["score"] >= told["fixed_score"]).all()
    same = [bool((told[key] == told[f"fixed_{key}"]).all()) for key in ("loss", "score")]
    assert same == [sharing == "fixed"] * 2


@pytest.mark.parametrize(
    ("params", "why"),
    [
        (
            {"target": 10},
            "a target of 10 multiply-adds can't be met: .* costs 7,056, the widest 107,280",
        ),
        ({"sharing": "none"}, r"'none', 'evolution': of \('free', 'fixed', 'bil"),
        ({"offset": -1}, "offset -1"),
    ],
)
def test_what_can_not_be_searched(params: dict[str, Any], why: str) -> None:
    with pytest.raises(RunnerFailed, match=why):
        trial("cafenet", table(space="width"), **params)
