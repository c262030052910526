"""A layer-wise space of which only widths are decided about, and its supernet by masks."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from nasbench.benchmark import trainable
from nasbench.errors import NotApplicable, OutsideSpace
from nasbench.find import find
from nasbench.nets import count_encoders, shared
from nasbench.parts.oneshot.channels import Channels, Packed, Widths, bilinear
from nasbench.parts.oneshot.free_channels import FreeWidths
from nasbench.parts.oneshot.priced import priced
from nasbench.space import Scale, Space
from nasbench.spaces.blocks.layerwise import LayerWise, Stage
from nasbench.supernet import OneShot, calibrated

MBCONV = find("spaces", "mbconv")
SHAPES = str(Path(__file__).with_name("shapes.py"))
LIKE = "18_c8_2:k3c8x1-k5sc8x1_1:k5shc24x4-k5sc16x3_2:k3hc48x6-k3sc32x2_c96"
"""Another kernel, activation and depth in each stage, and a coarser grid."""
OPEN = Scale(8, 1, 2)


class Ends(LayerWise):
    """Stem and head have widths, too; a layer of its first stage never widens."""

    name = "ends"
    example = "8_c4_1:k3c4_1:k3sc4x1_c8"
    scale = Scale(width=4, depth=1)
    resolutions = (8,)
    stems = (4, 8)
    stages = (
        Stage((4, 8), (1,), (1, 2), 1, (3,), (False,), ("relu",)),
        Stage((4, 8), (1, 2), (1,), 1, (3,), (True,), ("relu",)),
    )
    heads = (8, 12)
    divisor = 4


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def only(space: Space, like: str) -> Any:
    return space.only_widths(space.read(like))


def ends() -> Any:
    space = Ends()
    return space.only_widths(tuple(n - 1 for n in space.choices))


def some(space: Space, n: int = 12) -> list[tuple[int, ...]]:
    rng = np.random.default_rng(0)
    widest = [n - 1 for n in space.factors]
    return [space.member(widest), space.member([0] * len(widest))] + [
        space.sample(rng) for _ in range(n)
    ]


def test_members_differ_in_widths_alone() -> None:
    space = only(MBCONV, LIKE)
    assert len(space) == 15**5
    assert space.factors == (5, 3) * 5
    assert space.groups == tuple((i, i + 1) for i in range(0, 10, 2))
    like, rng = MBCONV.read(LIKE), np.random.default_rng(0)
    assert like in space
    assert space.spell(like) == LIKE
    for arch in [space.sample(rng) for _ in range(50)]:
        assert arch in MBCONV
        assert arch in space
        assert space.member(space.factor(arch)) == space.at(space.index(arch)) == arch
        told, other = MBCONV.plan(arch), MBCONV.plan(like)  # type: ignore[attr-defined]
        assert (told.resolution, told.head) == (other.resolution, other.head)
        for (depth, blocks), (n, those) in zip(told.stages, other.stages, strict=True):
            assert depth == n
            assert [b[:3] for b in blocks] == [b[:3] for b in those]
            assert blocks[depth:] == those[depth:]
        assert set(space.neighbours(arch)) <= set(MBCONV.neighbours(arch))
        assert len(space.neighbours(arch)) == 5 * (4 + 2)
    deeper = LIKE.replace("_1:", "_2:")
    assert MBCONV.read(deeper) not in space
    with pytest.raises(OutsideSpace):
        space.check(MBCONV.read(deeper))
    assert pickle.loads(pickle.dumps(space)).factor(like) == space.factor(like)


def test_costs_are_those_of_the_whole_space() -> None:
    space = only(MBCONV, LIKE)
    archs, terms = some(space, 3), space.terms(16, OPEN)
    for arch, (known, _) in zip(archs, count_encoders(MBCONV, archs, 16, OPEN), strict=True):
        options = space.factor(arch)
        told = sum(int(table[tuple(options[f] for f in factors)]) for factors, table in terms)
        assert told == known.macs


@pytest.mark.parametrize("space", [only(MBCONV, LIKE), ends()], ids=str)
def test_widths_are_channels_of_the_networks(space: Any) -> None:
    for arch in some(space, 4):
        options, encoder = space.factor(arch), space.build(arch, space.scale)
        told = [t[tuple(options[f] for f in fs)] for fs, t in space.widths(space.scale).values()]
        blocks = [graph.layers[0] for graph in encoder]
        found = []
        for block in blocks:
            convs = [m for m in block.modules() if isinstance(m, nn.Conv2d)]
            if hasattr(block, "body"):
                hidden = next(conv.out_channels for conv in convs if conv.groups > 1)
                found += [hidden, convs[-1].out_channels]
            elif convs:
                found.append(convs[0].out_channels)
        if space.name == "ends":  # a hidden width that nothing decides about
            del found[1], found[2]
            assert told == found
        else:
            assert told == found[1:-1]


def spread(space: Any, arch: tuple[int, ...], rng: np.random.Generator) -> list[Tensor]:
    """Draw masks of an architecture, any of the channels; what is carried has the same ones."""
    options, masks = space.factor(arch), list[Tensor]()
    carried = space.carried(arch, space.scale)
    for f, (factors, table) in space.widths(space.scale).items():
        c, most = int(table[tuple(options[g] for g in factors)]), int(table.max())
        mask = torch.zeros(most)
        if f not in carried:
            mask[rng.permutation(most)[:c]] = 1
        elif (source := carried[f]) is None:
            mask[:c] = 1
        else:
            n = min(most, len(masks[source]))
            mask[:n] = masks[source][:n]
        assert int(mask.sum()) == c
        masks.append(mask)
    return masks


def alone(space: Any, net: Any, arch: tuple[int, ...], masks: Sequence[Tensor]) -> nn.Module:
    """Build the stand-alone encoder, and give it the weights of the channels that are open."""
    encoder = shared(space.build(arch, space.scale))
    options = iter(space.inner.slots([*masks], torch.ones(0))[1:])

    def kept(mask: Tensor, most: int) -> Tensor:
        return mask.nonzero()[:, 0] if len(mask) else torch.arange(most)

    def put(target: Any, weight: Tensor, out: Tensor, into: Tensor | None = None) -> None:
        weight = weight[out] if into is None else weight[out][:, into]
        assert target.weight.shape == weight.shape
        target.weight.data = weight.detach().clone()

    graphs = [graph.layers[0] for graph in encoder]  # type: ignore[attr-defined]
    if not isinstance(graphs[0], nn.Sequential):
        graphs = graphs[1:]
    before = kept(next(options), net.stem.conv.out_channels)
    put(graphs[0][0], net.stem.conv.weight, before)
    for ((block,),), own in zip(net.blocks, graphs[1:-1], strict=True):
        told = [next(options) for _ in range(6)]
        leaving = kept(told[5], block.narrow.conv.out_channels)
        convs = [m for m in own.modules() if isinstance(m, nn.Conv2d)]
        hidden = kept(told[4], 0) if len(told[4]) else before
        if isinstance(own.body[0], nn.Sequential):
            put(convs.pop(0), block.widen.conv.weight, hidden, before)
        else:
            assert torch.equal(hidden, before)
        put(convs.pop(0), block.depthwise[0].weight, hidden)
        if len(convs) == 3:
            first, second = block.squeeze.gate[1], block.squeeze.gate[3]
            middle = torch.arange(convs[0].out_channels)
            put(convs[0], first.weight, middle, hidden)
            convs[0].bias.data = first.bias[middle].detach().clone()  # type: ignore[union-attr]
            put(convs[1], second.weight, hidden, middle)
            convs[1].bias.data = second.bias[hidden].detach().clone()  # type: ignore[union-attr]
        put(convs[-1], block.narrow.conv.weight, leaving, hidden)
        before = leaving
    put(graphs[-1][0], net.head.conv.weight, kept(next(options), space.inner.heads[0]), before)
    return encoder


@pytest.mark.parametrize("space", [only(MBCONV, LIKE), ends()], ids=str)
def test_masks_are_the_network_that_has_these_channels(space: Any) -> None:
    """Any of them, for all images: what it gives, and the gradient of its input."""
    net, rng = space.supernet(space.scale), np.random.default_rng(0)
    x = torch.randn(6, 3, 16, 16)
    residuals = 0
    for arch in some(space, 10):
        masks = spread(space, arch, rng)
        encoder = alone(space, net, arch, masks)
        one, other = x.clone().requires_grad_(), x.clone().requires_grad_()
        ((weight, y),) = net(one, masks)
        want = encoder(other)
        shown = y if y.shape == want.shape else y[:, masks[-1] == 1]
        assert weight is None
        torch.testing.assert_close(shown, want, rtol=1e-3, atol=1e-4)
        assert y.count_nonzero() <= want.numel()
        waves = torch.arange(want.numel()).view_as(want).cos()
        slopes = [
            torch.autograd.grad((each * waves).sum(), image)[0]
            for each, image in ((shown, one), (want, other))
        ]
        torch.testing.assert_close(slopes[0], slopes[1], rtol=1e-2, atol=1e-3)
        residuals += len(space.carried(arch, space.scale))
    assert residuals


@pytest.mark.parametrize("space", [only(MBCONV, LIKE), ends()], ids=str)
def test_first_channels_are_the_hard_path(space: Any) -> None:
    """Of all images, or of each; two architectures in a batch are residual each by itself."""
    net = space.supernet(space.scale)
    x = torch.randn(4, 3, 16, 16)
    for arch in some(space, 5):
        options = space.factor(arch)
        masks = []
        for factors, table in space.widths(space.scale).values():
            c = int(table[tuple(options[f] for f in factors)])
            masks.append((torch.arange(int(table.max())) < c).float())
        ((_, hard),) = net(x, [{o: None} for o in options])
        ((_, y),) = net(x, masks)
        torch.testing.assert_close(y[:, : hard.shape[1]], hard, rtol=1e-3, atol=1e-4)
        each = [mask[None, :, None, None].repeat(4, 1, 1, 1) for mask in masks]
        torch.testing.assert_close(net(x, each)[0][1], y, rtol=1e-4, atol=1e-5)


def test_each_image_by_itself() -> None:
    """Given statistics, an image of a batch is what it is with all others like it."""
    space = only(MBCONV, LIKE)
    net, x = space.supernet(space.scale), torch.randn(4, 3, 16, 16)
    rng = np.random.default_rng(1)
    archs = some(space, 2)  # the narrowest is residual where it can be, and widens nothing
    words = [spread(space, arch, rng) for arch in archs]
    with calibrated(net, [x], words[0]):
        alone = [net(x[i : i + 1], word)[0][1] for i, word in enumerate(words)]
        masks = [torch.stack(each)[..., None, None] for each in zip(*words, strict=True)]
        torch.testing.assert_close(net(x, masks)[0][1], torch.cat(alone), rtol=1e-4, atol=1e-5)


def test_assignments_of_a_choice_carry_on_what_entered(tmp_path: Path) -> None:
    """CafeNet's words, free and bilateral, are networks that have these channels alone."""
    where, _ = trainable(f"{SHAPES}/mbconv/class_scene")
    where = replace(where, recipe=replace(where.recipe, scale=OPEN), like=MBCONV.read(LIKE))
    live = OneShot(where, 0, 1, np.random.default_rng(0), tmp_path / "state")
    space: Any = where.space
    free = FreeWidths.of(live, priced(live), beta=4.0)
    net, x = space.supernet(OPEN), torch.randn(4, 3, 16, 16)
    assert all(t.ravel()[0] % free.sizes[f] == 0 for f, (_, t) in space.widths(OPEN).items())
    rng, residuals = np.random.default_rng(0), 0
    for arch in some(space, 6):
        carried = space.carried(arch, OPEN)
        words = free.words(arch, 3, rng) + free.words(arch, 1, rng, bilateral=True)
        assert len(words) in (3, 5)  # the widest is but one assignment
        for word in words:
            wide: Any = [{o: None} for o in space.factor(arch)]
            for f, source in carried.items():
                kept = torch.arange(8) if source is None else word[source].nonzero()[:, 0]
                assert torch.equal(word[f].nonzero()[:, 0], kept)
                residuals += 1
            want = alone(space, net, arch, word)(x)  # type: ignore[arg-type]
            torch.testing.assert_close(net(x, word)[0][1], want, rtol=1e-3, atol=1e-4)
            same_packed(net, x, word)
        fixed = net(x, wide)[0][1]
        torch.testing.assert_close(net(x, words[0])[0][1], fixed, rtol=1e-3, atol=1e-4)
    assert residuals


def same_packed(net: Any, x: Tensor, word: Any) -> None:
    """Outputs and gradients of the channels that are open alone, and of masks, are equal."""
    net.double()
    convs, slopes = net.convolutions((3, 16, 16)), []
    for encoder in net, Packed(net, convs):
        net.zero_grad()
        ((_, y),) = encoder(x.double(), word)
        (y * torch.linspace(-1, 1, y.numel()).view_as(y)).sum().backward()
        slopes.append([y.detach(), *(conv.layer.weight.grad.clone() for conv in convs)])
    for one, other in zip(*slopes, strict=True):
        torch.testing.assert_close(one, other)
    net.float()


def gated(space: Any) -> Channels:
    widths = Widths.of(space, space.scale)
    net = space.supernet(space.scale).to(memory_format=torch.channels_last)
    made = Channels(net, widths, widths.tied(net.convolutions((3, 16, 16))), 1.0)
    for value in made.values:
        value.data.uniform_(0.5, 1.5)
    return made


def test_what_the_widest_network_adds_up_is_a_group() -> None:
    widths = Widths.of(only(MBCONV, LIKE), OPEN)
    assert [list(g) for g in widths.groups] == [[0], [1, 3], [2], [4], [5], [6], [7, 9], [8]]
    assert widths.most == [48, 16, 96, 96, 32, 192, 64, 384]
    assert widths.least == [8, 8, 8, 8, 16, 16, 32, 32]
    counts = [17, 13, 9, 40, 23, 190, 50, 99]
    options = widths.nearest(counts)
    assert options[1] == options[3] == 1  # 12 channels
    assert widths.channels(options) == [16, 12, 12, 12, 36, 24, 144, 48, 96, 48]
    assert widths.nearest(widths.least) == [0] * 10
    assert widths.nearest(widths.most) == [4, 2] * 5


def test_costs_of_channels() -> None:
    """They are those of members that widen everywhere, without squeeze-and-excitation."""
    space = only(MBCONV, LIKE.replace("s", ""))
    widths, net = Widths.of(space, OPEN), space.supernet(OPEN)
    convs = widths.tied(net.convolutions((3, 16, 16)))
    rng, terms = np.random.default_rng(0), space.terms(16, OPEN)
    for _ in range(9):
        counts = [int(rng.integers(1, n + 1)) for n in widths.most]
        options = widths.nearest(counts)
        found = widths.channels(options)
        if any(options[i] == 0 for i in range(0, 10, 2)):
            continue
        told = sum(int(table[tuple(options[f] for f in factors)]) for factors, table in terms)
        each = [found[group[0]] for group in widths.groups]
        assert float(bilinear(convs, each)) == told
    with_squeeze = only(MBCONV, LIKE)
    widest = space.member([n - 1 for n in space.factors]), with_squeeze.member([4, 2] * 5)
    for some_space, arch in zip((space, with_squeeze), widest, strict=True):
        net = some_space.supernet(OPEN)
        ((known, _),) = count_encoders(MBCONV, [arch], 16, OPEN)
        convs = widths.tied(net.convolutions((3, 16, 16)))
        assert float(bilinear(convs, widths.most)) == known.macs


@pytest.mark.parametrize("space", [only(MBCONV, LIKE), ends()], ids=str)
def test_what_is_zero_can_be_cut(space: Any) -> None:
    """Of groups, of the middle of blocks with squeeze-and-excitation, of the last layer."""
    net, x, rng = gated(space), torch.randn(4, 3, 16, 16), np.random.default_rng(0)
    sgd = torch.optim.SGD(net.parameters(), 0.1, 0.9)
    net.optimizers.append(sgd)
    keep = [torch.from_numpy(rng.random(n) < 0.6) for n in net.counts]
    for value, kept in zip(net.values, keep, strict=True):
        kept[0] = True
        value.data *= kept
    ((_, before),) = net(x, list(net.values))
    before.square().sum().backward()
    sgd.step()
    for value, kept in zip(net.values, keep, strict=True):
        value.data *= kept
    ((_, before),) = net(x, list(net.values))
    net.cut(keep)
    assert net.counts == [int(kept.sum()) for kept in keep]
    ((_, after),) = net(x, list(net.values))
    torch.testing.assert_close(after, before, rtol=1e-3, atol=1e-4)
    for weight in sgd.param_groups[0]["params"]:
        known = sgd.state[weight].get("momentum_buffer")
        assert known is None or known.shape == weight.shape
    fresh = gated(space)
    fresh.load_state_dict(net.state_dict())
    torch.testing.assert_close(fresh(x, list(fresh.values))[0][1], after)
    widest = [{n - 1: None} for n in space.factors]
    assert net(x, widest)[0][1].shape == after.shape  # an architecture still runs


def test_spaces_without_single_widths() -> None:
    other = find("spaces", "attentive_nas")
    assert not other.has_widths
    with pytest.raises(NotApplicable, match="attentive_nas does not decide about single widths"):
        other.only_widths(other.at(0))
    with pytest.raises(NotApplicable, match="layers of 2 blocks each"):
        only(MBCONV, LIKE).widths(Scale(8, 2, 2))
