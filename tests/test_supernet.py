"""Encoders with all options in them: the networks are in there, and gradients are theirs."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.autograd import gradcheck
from torch.autograd.graph import saved_tensors_hooks
from torch.nn import functional as F

from nasbench.errors import BadValue
from nasbench.find import find
from nasbench.nets import Features, Mix, Word, shared
from nasbench.space import Architecture, Scale, Space
from nasbench.spaces.blocks.superlayers import SuperLayers
from nasbench.spaces.blocks.supermacro import SuperModules, Weights, widths
from nasbench.spaces.blocks.supernet import SuperCell, SuperCells
from tests.small_spaces import Layers

MACRO = find("spaces", "transnas_macro")


class Case(NamedTuple):
    space: Space
    scale: Scale


CASES = {
    "transnas_cell": Case(find("spaces", "transnas_cell"), Scale(4, 1, 2, 3)),
    "transnas_cell, deep": Case(find("spaces", "transnas_cell"), Scale(3, 2, 1, 2)),
    "nasbench201": Case(find("spaces", "nasbench201"), Scale(4, 1, 2)),
    "width": Case(find("spaces", "width"), Scale(10, 1, 2)),
    "width, deep": Case(find("spaces", "width"), Scale(10, 2)),
    "mbconv": Case(find("spaces", "mbconv"), Scale(8, 1, 2)),
    "layers, tied and deep": Case(Layers(), Scale(4, 2)),
    "transnas_macro": Case(MACRO, Scale(4, 1, 2)),
    "transnas_macro, deep": Case(MACRO, Scale(3, 2, 4)),
}


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


@pytest.fixture(scope="module", params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


@pytest.fixture
def encoder(case: Case) -> nn.Module:
    return case.space.supernet(case.scale)


@pytest.fixture
def macro() -> SuperModules:
    encoder = MACRO.supernet(Scale(4, 1, 2))
    assert isinstance(encoder, SuperModules)
    return encoder


@pytest.fixture
def x() -> Tensor:
    return torch.randn(8, 3, 24, 24)


def members(space: Space, n: int = 16) -> list[Architecture]:
    """Random members; the first and the last, and of cells two in which nodes are dead."""
    rng = np.random.default_rng(0)
    dead = [(1, 0, 0, 3, 2, 0), (0, 0, 3, 0, 0, 2)] if len(space.factors) == 6 else []
    return [space.at(0), space.at(space.size - 1), *dead, *(space.sample(rng) for _ in range(n))]


def hard(space: Space, arch: Architecture) -> Word:
    return [{} if option is None else {option: None} for option in space.factor(arch)]


def gated(space: Space, arch: Architecture) -> list[dict[int, Tensor]]:
    """All options, those of the architecture with weight 1, the others with 0."""
    return [
        {each: torch.tensor(float(each == option), requires_grad=True) for each in range(n)}
        for n, option in zip(space.factors, space.factor(arch), strict=True)
    ]


def alone(case: Case, encoder: nn.Module, arch: Architecture) -> nn.Module:
    """Build the network with the weights it shares, and BN as the encoder's."""
    network = case.space.build(arch, case.scale)
    encoder.copy_into(case.space.factor(arch), network)  # type: ignore[operator]
    return network


def calibrate(net: nn.Module, *batches: tuple[Tensor, Word] | tuple[Tensor]) -> None:
    """Set statistics of batch normalization, and evaluate."""
    for norm in net.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.track_running_stats, norm.momentum = True, None
            norm.running_mean = torch.zeros(norm.num_features)
            norm.running_var = torch.ones(norm.num_features)
            norm.num_batches_tracked = torch.tensor(0)
    net.train()
    for batch in batches:
        net(*batch)
    net.eval()


def mixed(features: Features) -> Tensor:
    """Mix what a head of each shape makes of features; heads are some fixed functions."""
    total = torch.zeros(())
    for weight, each in features:
        head = torch.arange(each[0].numel(), dtype=each.dtype).view_as(each[0]).cos()
        output = (head * each).sum((1, 2, 3)).sin().mean()
        total = total + (output if weight is None else weight * output)
    return total


def only(features: Features) -> Tensor:
    """Return the features of value-1 weight, and check that all others weigh nothing."""
    rest = [(1.0 if weight is None else float(weight.detach()), each) for weight, each in features]
    assert sorted(weight for weight, _ in rest) == [*[0.0] * (len(rest) - 1), 1.0]
    return next(each for weight, each in rest if weight)


def close(one: Tensor, other: Tensor) -> None:
    torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_hard_path_is_the_network(case: Case, encoder: nn.Module, x: Tensor) -> None:
    for arch in members(case.space):
        network = alone(case, encoder, arch)
        ((weight, features),) = encoder(x, hard(case.space, arch))
        assert weight is None
        assert torch.equal(features, network(x)), arch
        if isinstance(encoder, SuperModules):
            assert tuple(features.shape[1:]) in encoder.features((3, 24, 24))


def test_one_hot_word_is_the_network(case: Case, encoder: nn.Module, x: Tensor) -> None:
    for arch in members(case.space, 8):
        features = only(encoder(x, gated(case.space, arch)))
        close(features, alone(case, encoder, arch)(x))


def test_calibrated_statistics_are_the_networks(case: Case, encoder: nn.Module, x: Tensor) -> None:
    for arch in members(case.space, 4):
        word, soft = hard(case.space, arch), list[Mix](gated(case.space, arch))
        if isinstance(encoder, SuperLayers):
            soft = [word[0], *soft[1:]]  # another resolution would add its own statistics
        calibrate(encoder, *((each, word) for each in x.view(2, 4, 3, 24, 24)))
        network = alone(case, encoder, arch)  # takes the statistics over
        taken = network.eval()(x)
        calibrate(network, *((each,) for each in x.view(2, 4, 3, 24, 24)))
        # Not training: one batch's values do not depend on another's.
        ((_, features),) = encoder(x[:1], word)
        close(features, taken[:1])
        close(features, network(x)[:1])
        close(only(encoder(x[:1], soft)), features)
        calibrate(encoder, *((each, soft) for each in x.view(2, 4, 3, 24, 24)))
        close(only(encoder(x[:1], soft)), features)
        shared(encoder)


def grads(case: Case, encoder: nn.Module, arch: Architecture) -> list[Tensor]:
    """Copy the gradients of shared weights to where a network has these weights.

    All others must be 0.
    """
    shares = deepcopy(encoder)
    for mine, theirs in zip(shares.parameters(), encoder.parameters(), strict=True):
        mine.data = torch.zeros_like(mine) if theirs.grad is None else theirs.grad
    found = weights(alone(case, shares, arch))
    total, copied = (
        sum(float(each.detach().abs().sum()) for each in some)
        for some in (shares.parameters(), found)
    )
    assert total == pytest.approx(copied, rel=1e-4)
    return [each.detach() for each in found]


def weights(network: nn.Module) -> list[Tensor]:
    convs = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    return [weight for m in convs for weight in (m.weight, m.bias) if weight is not None]


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_gradients_are_the_networks(
    case: Case, encoder: nn.Module, x: Tensor, layout: torch.memory_format
) -> None:
    encoder.double().to(memory_format=layout)  # type: ignore[call-overload]
    x = x[:4].double().contiguous(memory_format=layout)
    for arch in members(case.space, 3)[1:]:
        network = alone(case, encoder, arch).double().to(memory_format=layout)  # type: ignore[call-overload]
        backward(mixed([(None, network(x))]))
        for word in hard(case.space, arch), gated(case.space, arch):
            encoder.zero_grad()
            backward(mixed(encoder(x, word)))
            pairs = zip(grads(case, encoder, arch), weights(network), strict=True)
            for grad, weight in pairs:
                want = torch.zeros_like(weight) if weight.grad is None else weight.grad
                assert (grad - want).abs().max() <= 1e-3 * want.abs().max(), (arch, grad - want)
            got = [weight.grad is not None for weight in encoder.parameters()]
            assert sum(got) == sum(weight.grad is not None for weight in weights(network))


def backward(output: Tensor) -> None:
    if output.requires_grad:
        output.backward()


def test_gate_of_value_0_learns_without_its_operation() -> None:
    """The gate's gradient is <dL/dout, op(x)>, for which nothing of the operation is saved."""
    case = Case(CASES["nasbench201"].space, Scale(4, 1))
    encoder = case.space.supernet(case.scale)
    assert isinstance(encoder, SuperCells)
    cell = next(part for part in encoder.parts if isinstance(part, SuperCell))
    x, arch = torch.randn(4, 4, 8, 8), (3, 3, 3, 3, 3, 3)
    word = gated(case.space, arch)
    saved: list[Tensor] = []
    with saved_tensors_hooks(lambda tensor: saved.append(tensor) or tensor, lambda tensor: tensor):  # type: ignore[func-returns-value]
        out = cell(x, word)
    slope = torch.randn_like(out)
    backward((slope * out).sum())
    for option in 1, 2, 3, 4:
        op = cell.options[3][option]  # type: ignore[index]
        gate = word[3][option].grad
        assert gate is not None
        torch.testing.assert_close(gate, (slope * op(x)).sum(), rtol=1e-4, atol=1e-4)
        for weight in op.parameters():
            held = any(weight.data_ptr() == each.data_ptr() for each in saved)
            assert held == (option == 3)
            assert (weight.grad is not None) == (option == 3)
    assert word[3][0].grad is None  # zeros don't run


def test_factors_of_the_macro_space() -> None:
    assert MACRO.factors == (3, *[2] * 12)
    assert MACRO.groups == ((0,), (1, 2), (3, 4), (5, 6), (7, 8), (9, 10), (11, 12))
    bits = (0, 0, 1, 0, 0, 1, 1, 1, 1, 0, None, None)
    assert MACRO.factor(MACRO.read("64-12342-basic")) == (1, *bits)
    assert len({MACRO.factor(arch) for arch in MACRO}) == len(MACRO) == 3256
    assert all(sum(map(len, s.space.groups)) == len(s.space.factors) for s in CASES.values())


def test_widths() -> None:
    half: Weights = {0: torch.tensor(0.5), 1: torch.tensor(0.5)}
    levels: Weights = {0: 1.0}
    for _ in range(3):
        levels = widths(levels, half, 3)
    assert {u: float(p) for u, p in levels.items()} == {0: 1 / 8, 1: 3 / 8, 2: 3 / 8, 3: 1 / 8}
    assert sum(float(p) * 2**u for u, p in levels.items()) == 3.375
    for _ in range(9):
        levels = widths(levels, half, 3)
        assert sum(map(float, levels.values())) == pytest.approx(1)
    assert float(levels[3]) > 0.9
    assert widths({1: 1.0}, {1: torch.tensor(0.3)}, 3) == {2: 1.0}


def norm(x: Tensor) -> Tensor:
    return F.batch_norm(x, None, None, training=True)


def test_masks(macro: SuperModules, x: Tensor) -> None:
    """What enters a convolution is the sum of what each width would give, padded with zeros."""
    levels: Weights = {0: torch.tensor(0.25), 1: torch.tensor(0.5), 2: torch.tensor(0.25)}
    entering = macro._mask({0: torch.tensor(0.5), 1: torch.tensor(0.5)}, x)
    leaving = macro._mask(levels, x)
    assert entering is not None
    assert leaving is not None
    assert entering.flatten().tolist() == [1.0] * 4 + [0.5] * 4
    assert leaving.flatten().tolist() == [1.0] * 4 + [0.75] * 4 + [0.25] * 8
    assert macro._mask({2: 1.0}, x) is None
    part, x = macro.parts[1], torch.randn(4, 8, 6, 6)
    first, second, way = weights(part)
    y = F.conv2d((0.5 * F.relu(x) + 0.5 * padded(F.relu(x[:, :4]), 8)), first, padding=1)
    y = sum(
        (share * padded(F.relu(norm(y[:, : 4 << level])), 16) for level, share in levels.items()),
        torch.zeros(()),
    )
    same, rest = torch.tensor(0.3), torch.tensor(0.7)
    change = norm(F.conv2d(0.5 * x + 0.5 * padded(x[:, :4], 8), way))
    want = norm(F.conv2d(y, second, padding=1)) + same * padded(x, 16) + rest * change
    close(part(x, 16, 1, [entering, leaving], {0: same, 1: rest}), want)


def padded(x: Tensor, channels: int) -> Tensor:
    return F.pad(x, (0, 0, 0, 0, 0, channels - x.shape[1]))


def soft(logits: Tensor, halves: str) -> list[Mix]:
    """Soften depth and doublings; which modules halve is given."""
    z, p = logits[:3].softmax(0), logits[3:9].sigmoid()
    word: list[Mix] = [dict(enumerate(z))]
    for m, half in enumerate(halves):
        word += [{0: 1 - p[m], 1: p[m]}, {int(half): None}]
    return word


def test_soft_word_weighs_what_members_have(macro: SuperModules, x: Tensor) -> None:
    logits = torch.randn(9)
    z, p = logits[:3].softmax(0), logits[3:9].sigmoid()
    for halves in "101000", "000011", "110111":
        expected = dict[tuple[int, ...], float]()
        for d, u in ((d, u) for d in range(3) for u in (1, 2, 3)):
            halved = halves[: 4 + d].count("1")
            doubled = torch.ones(1)
            for each in p[: 4 + d]:  # by convolution; 3 and more are 3
                doubled = F.pad(doubled, (0, 1)) * (1 - each) + F.pad(doubled, (1, 0)) * each
            share = float(z[d] * (doubled[3:].sum() if u == 3 else doubled[u]))
            if 1 <= halved <= 4:
                shape = (4 << u, -(-12 // 2**halved), -(-12 // 2**halved))
                expected[shape] = expected.get(shape, 0) + share
        found = dict[tuple[int, ...], float]()
        for weight, features in macro(x, soft(logits, halves)):
            assert weight is not None
            shape = tuple(features.shape[1:])
            found[shape] = found.get(shape, 0) + float(weight)
        assert set(found) <= set(macro.features((3, 24, 24)))
        total = sum(expected.values())
        assert found == pytest.approx({each: w / total for each, w in expected.items()})


@pytest.mark.parametrize("halves", ["010000", "000011", "111011"])
def test_gradients_of_soft_weights(macro: SuperModules, halves: str) -> None:
    macro.double()
    x = torch.randn(3, 3, 9, 9, dtype=torch.float64)
    logits = torch.randn(9, dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda logits: mixed(macro(x, soft(logits, halves))), logits)


def test_gradients_of_only_weights(macro: SuperModules) -> None:
    """Depth, doubling, halving: each multiplies what its module gives."""
    macro.double()
    x = torch.randn(3, 3, 9, 9, dtype=torch.float64)
    options = [option for option in MACRO.factor(MACRO.read("64-2313-basic")) if option is not None]
    ones = torch.ones(9, dtype=torch.float64, requires_grad=True)

    def output(weights: Tensor) -> Tensor:
        word = [{option: weight} for option, weight in zip(options, weights, strict=True)]
        ((weight, _),) = features = macro(x, [*word, {}, {}, {}, {}])
        assert torch.equal(weight, weights[0])
        return mixed(features)

    assert gradcheck(output, ones)
    backward(output(ones))
    assert ones.grad is not None
    torch.testing.assert_close(ones.grad[1::2], ones.grad[2::2])


def test_the_heavier_resolution_runs(macro: SuperModules, x: Tensor) -> None:
    arch = MACRO.read("64-21311-basic")
    word = [dict(mix) for mix in hard(MACRO, arch)]
    alone = macro(x, word)
    less, more = (torch.tensor(w, requires_grad=True) for w in (0.4, 0.6))
    word[6] = {0: less, 1: more}
    assert MACRO.factor(arch)[6] == 1
    features = macro(x, word)
    assert torch.equal(only(features), only(alone))
    backward(mixed(features))
    assert less.grad is None
    assert more.grad is not None
    assert more.grad != 0


@pytest.mark.parametrize("modules", ["1133", "2222", "33333", "233333"])
def test_a_word_that_is_no_member(macro: SuperModules, x: Tensor, modules: str) -> None:
    word: list[Mix] = [{len(modules) - 4: None}]
    for digit in map(int, modules):
        word += [{int(digit in (2, 4)): None}, {int(digit > 2): None}]
    with pytest.raises(BadValue, match="right are 1 to 3 and 1 to 4"):
        macro(x, word)


def test_a_weight_of_one_at_full_resolution_changes_no_bit(x: Tensor) -> None:
    case = CASES["mbconv"]
    encoder = case.space.supernet(case.scale)
    word = hard(case.space, case.space.at(case.space.size - 1))
    ((_, want),) = encoder(x, word)
    weighed = [{i: torch.tensor(float(i == 2)) for i in range(3)}, *word[1:]]
    features = {float(weight): y for weight, y in encoder(x, weighed)}
    assert torch.equal(1.0 * features[1.0], want)
