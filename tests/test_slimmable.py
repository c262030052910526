"""An inverted residual with all options in it: each combination is a block of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import gradcheck

from nasbench.errors import BadValue
from nasbench.nets import shared
from nasbench.spaces.blocks.layerwise import Inverted, Stage, rounded
from nasbench.spaces.blocks.slimmable import SuperChain, SuperInverted, prefix

STAGE = Stage((8, 12, 16), (1, 2, 3))
ENTERING = (8, 12)
OPTIONS = [range(2), range(2), range(2), range(3), range(3)]


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def one(option: int, n: int) -> dict[int, Tensor | None]:
    return {each: torch.tensor(float(each == option)) for each in range(n)}


def alone(net: SuperInverted, c_in: int, options: Sequence[int], stride: int) -> nn.Module:
    kernel, squeeze, act, expansion, channels = (
        known[option] for known, option in zip(STAGE.ranges, options, strict=True)
    )
    hidden = rounded(c_in * expansion, 4)
    middle = rounded(hidden // 4, 4) if squeeze else 0
    block = Inverted(kernel, act, c_in, hidden, middle, channels, stride).build()
    net.copy_into(options, block)  # type: ignore[arg-type]
    return shared(block)


@pytest.mark.parametrize("stride", [1, 2])
def test_each_combination_is_a_block_of_its_own(stride: int) -> None:
    """By a hard word, and by weights of 1 and 0 through masks, with what enters masked, too."""
    net, x = SuperInverted(ENTERING, STAGE, stride, 4), torch.randn(4, 12, 7, 7)
    for options in list(product(*OPTIONS))[::2]:
        for c in ENTERING:
            block = alone(net, c, options, stride)
            want = block(x[:, :c])
            hard, shares = net(x[:, :c], [(c, None)], [{option: None} for option in options])
            assert torch.equal(hard, want), options
            assert shares == [(STAGE.channels[options[4]], None)]
            entering = [(each, torch.tensor(float(each == c))) for each in ENTERING]
            word = [one(o, len(n)) for o, n in zip(options, OPTIONS, strict=True)]
            y, _ = net(prefix(entering, x.device) * x, entering, word)
            n = want.shape[1]
            torch.testing.assert_close(y[:, :n], want, rtol=1e-4, atol=1e-4)
            assert not y[:, n:].any()


def test_all_weights_have_gradients() -> None:
    net = SuperInverted(ENTERING, STAGE, 1, 4).double()
    x = torch.randn(3, 12, 5, 5, dtype=torch.float64)

    def output(logits: Tensor) -> Tensor:
        parts = [p.softmax(0) for p in logits.split([2, 2, 2, 2, 3, 3])]
        entering = list(zip(ENTERING, parts[0], strict=True))
        word = [dict(enumerate(p)) for p in parts[1:]]
        y, _ = net(prefix(entering, x.device) * x, entering, word)
        waves: Tensor = y * torch.arange(y.numel(), dtype=y.dtype).view_as(y).cos()
        return waves.sum().sin()

    logits = torch.randn(14, dtype=torch.float64, requires_grad=True)
    assert gradcheck(output, logits)
    assert torch.autograd.grad(output(logits), logits)[0].all()


def test_the_weight_of_what_enters_acts_once() -> None:
    """It multiplied x already; those of the block multiply what they stand for."""
    net = SuperInverted(ENTERING, STAGE, 1, 4)
    ones = [torch.ones((), requires_grad=True) for _ in range(6)]
    options = [1, 1, 0, 1, 1]
    word = [{option: weight} for option, weight in zip(options, ones[1:], strict=True)]
    x = torch.randn(2, 12, 5, 5)
    y, shares = net(x, [(12, ones[0])], word)
    assert shares == [(12, ones[5])]
    torch.testing.assert_close(y, net(x, [(12, None)], [{o: None} for o in options])[0])
    y.square().sum().backward()
    assert ones[0].grad is None
    assert all(weight.grad is not None for weight in ones[1:])


def test_a_mask_is_what_padded_blocks_would_sum_to() -> None:
    mask = prefix([(2, 0.2), (4, 0.3), (8, 0.5)], torch.device("cpu")).flatten()
    torch.testing.assert_close(mask, torch.tensor([1.0, 1, 0.8, 0.8, 0.5, 0.5, 0.5, 0.5]))


def test_channels_that_rounding_would_widen_are_refused() -> None:
    with pytest.raises(BadValue, match=r"6 channels, .*; use multiples of 4"):
        SuperInverted((8, 6), STAGE, 1, 4)


def test_masks_of_a_chain() -> None:
    """Ones, then zeros: the narrower network; of other images another one; a gap is a gap."""
    net, x = SuperChain([(4, 8), (3, 6), (2, 4)], (2, 1, 2), depth=2), torch.randn(4, 3, 9, 9)

    def first(c: int, n: int) -> Tensor:
        return (torch.arange(n) < c).float()

    (hard,) = net(x, [{0: None}, {1: None}, {0: None}])
    masks = [first(4, 8), first(6, 6), first(2, 4)]
    ((weight, y),) = net(x, masks)
    assert weight is None
    assert y.shape[1] == 4
    torch.testing.assert_close(y[:, :2], hard[1], rtol=1e-5, atol=1e-5)
    assert not y[:, 2:].any()
    each = [mask.expand(4, -1)[..., None, None].clone() for mask in masks]
    torch.testing.assert_close(net(x, each)[0][1], y)
    each[0][2, 1] = 0  # the statistics of a batch are of all its images
    assert not torch.equal(net(x, each)[0][1], y)
    masks[2] = torch.tensor([0.0, 1, 0, 1])
    ((_, y),) = net(x, masks)
    assert y[:, [1, 3]].any()
    assert not y[:, [0, 2]].any()
