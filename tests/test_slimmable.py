"""An inverted residual with all options in it: each combination is a block of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import gradcheck
from torch.autograd.graph import saved_tensors_hooks
from torch.nn import functional as F

from nasbench.errors import BadValue
from nasbench.nets import Features, Word, shared
from nasbench.parts.oneshot.relaxation import gumbel_softmax
from nasbench.spaces.blocks.layerwise import Inverted, Stage, rounded
from nasbench.spaces.blocks.slimmable import SuperChain, SuperInverted, prefix
from nasbench.supernet import Saved

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


def chain(options: int) -> SuperChain:
    """Two layers: the first one's width is open, 32 at most."""
    return SuperChain([[32 * (i + 1) // options for i in range(options)], [32]], (1, 2))


class Branches(nn.Module):
    """The sum that masks stand for, with a convolution for each option."""

    def __init__(self, options: int) -> None:
        super().__init__()
        self.last, self.first = chain(1).layers[1][0], chain(options).widths[0]  # type: ignore[index]
        self.convs = nn.ModuleList(nn.Conv2d(3, c, 3, padding=1, bias=False) for c in self.first)
        self.norms = nn.ModuleList(nn.BatchNorm2d(c, affine=False) for c in self.first)

    def forward(self, x: Tensor, word: Word) -> Features:
        total = torch.zeros(())
        for option, (conv, norm) in enumerate(zip(self.convs, self.norms, strict=True)):
            y, p = norm(conv(x)).relu(), word[0][option]
            assert p is not None
            total = total + p * F.pad(y, (0, 0, 0, 0, 0, 32 - y.shape[1]))
        return [(None, self.last(total, 32, 2))]


def weights(options: int) -> dict[int, Tensor]:
    p = torch.linspace(-1, 1, options, requires_grad=True).softmax(0)
    return dict(enumerate(p))


def saved(net: nn.Module, options: int) -> int:
    held = Saved()
    with saved_tensors_hooks(held.pack, lambda each: each.tensor):
        y = net(torch.randn(8, 3, 16, 16), [weights(options), {0: None}])[0][1]
    assert y.requires_grad
    return held.peak


def test_memory_does_not_grow_with_the_options() -> None:
    """From 2 to 32 it is less than 2 % more, where branches need more than 8 times as much."""
    masked, branched = ([saved(kind(n), n) for n in (2, 32)] for kind in (chain, Branches))
    assert masked[1] / masked[0] < 1.02
    assert branched[1] / branched[0] > 8
    assert len(list(chain(2).parameters())) == len(list(chain(32).parameters()))


@pytest.mark.parametrize("training", [True, False])
def test_masks_are_the_sum_of_padded_branches(training: bool) -> None:
    """With shared weights: what the first c filters give, padded; BN is by channel.

    By the batch's statistics, and by its own.
    """
    net, x = chain(4).double(), torch.randn(4, 3, 9, 9, dtype=torch.float64)
    for norm in net.modules():
        if isinstance(norm, nn.BatchNorm2d) and not training:
            norm.running_mean = torch.randn(norm.num_features).double()
            norm.running_var = torch.rand(norm.num_features).double() + 0.5
    net.train(training)
    p = {option: weight.double() for option, weight in weights(4).items()}
    bank = net.layers[0][0]  # type: ignore[index]
    y = sum(
        p[i] * F.pad(bank(x, c).relu(), (0, 0, 0, 0, 0, 32 - c))
        for i, c in enumerate(net.widths[0])
    )
    want = net.layers[1][0](y, 32, 2).relu()  # type: ignore[index]
    torch.testing.assert_close(net(x, [p, {0: None}])[0][1], want, rtol=1e-10, atol=1e-10)


def test_cold_noise_runs_one_network() -> None:
    net, x = chain(4), torch.randn(4, 3, 9, 9)
    logits = torch.tensor([0.1, 0.3, 0.2, -0.5])
    word = [dict(enumerate(gumbel_softmax(logits, 1e-3, torch.zeros(4)))), {0: None}]
    assert float(word[0][1]) == pytest.approx(1, abs=1e-6)
    torch.testing.assert_close(net(x, word)[0][1], net(x, [{1: None}, {0: None}])[0][1])


@pytest.mark.parametrize("seed", range(5))
def test_masks_fall_from_one(seed: int) -> None:
    """M is 1 up to the narrowest option, never rises, and stays from 0 to 1."""
    p = torch.randn(4, generator=torch.Generator().manual_seed(seed)).softmax(0)
    mask = prefix(list(zip((3, 5, 6, 9), p, strict=True)), torch.device("cpu")).flatten()
    torch.testing.assert_close(mask[:3], torch.ones(3))
    assert bool((mask.diff() <= 0).all())
    assert float(mask.min()) == pytest.approx(float(p[3]))


def test_batch_normalization_would_undo_a_mask() -> None:
    """In front of it: every channel has a deviation of 1 again."""
    mask = torch.tensor([1, 1, 0.65, 0.65, *[0.077] * 4])[:, None, None]
    y, norm = torch.randn(64, 8, 9, 9), nn.BatchNorm2d(8, affine=False)
    before, behind = norm(mask * y), mask * norm(y)
    torch.testing.assert_close(before.std((0, 2, 3)), torch.ones(8), rtol=2e-3, atol=0)
    torch.testing.assert_close(behind.std((0, 2, 3)), mask.flatten(), rtol=2e-3, atol=0)
