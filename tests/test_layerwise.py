"""Layer-wise inverted residuals: counted to the published unit, read, spelled, kept apart."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from torch import nn

from nasbench.errors import BadValue, NotApplicable
from nasbench.find import find
from nasbench.nets import count, count_encoders
from nasbench.spaces.blocks.layers import LAYERS
from nasbench.spaces.blocks.layerwise import Convolution, Inverted, rounded
from nasbench.spaces.blocks.reduction import Gather
from tests.small_spaces import Layers

F1 = (
    "conv3h 8/2; k5 8/1 x1; k5 24/2 x5.4566; k5 24/1 x4.7912; k5s 32/2 x5.3501; "
    "k5s 24/1 x4.5379; k5h 56/2 x5.7133; k3h 56/1 x4.1212; k3sh 56/1 x5.1246; skip 80; "
    "k5sh 80/1 x4.507; k5sh 80/1 x1.7712; k3sh 144/2 x4.5685; k5sh 144/1 x5.84; "
    "k5sh 144/1 x6.8754; skip 224; irpool x6"
)
L1 = (
    "conv3h 16/2; k3h 16/1 x1; k5h 24/2 x5.4566; k5h 24/1 x1.7912; k3h 24/1 x1.7912; "
    "k5h 24/1 x1.7912; k5sh 40/2 x5.3501; k5sh 32/1 x3.5379; 2x k5sh 32/1 x4.5379; "
    "k5h 64/2 x5.7133; k3h 64/1 x2.1212; skip 64; k3h 64/1 x3.1246; k3h 112/1 x5.0333; "
    "k5sh 112/1 x2.507; k5sh 112/1 x1.7712; k5sh 112/1 x2.7712; 2x k5sh 112/1 x3.7712; "
    "k3sh 184/2 x5.5685; 2x k5sh 184/1 x2.84; 2x k5sh 184/1 x4.8754; skip 224; irpool x6"
)
NETWORKS = {
    "F0": (
        "conv3h 8/2; k5h 8/1 x1; k5h 16/2 x4; k5h 16/1 x3; k5s 24/2 x4; k5s 24/1 x3; k5sh 48/2 x4; "
        "k3sh 48/1 x3; k5sh 64/1 x3; k5sh 64/1 x2; k3sh 128/2 x3; k5sh 160/1 x3; skip 192; "
        "irpool x4"
    ),
    "F1": F1,
    "F2": F1,
    "F3": F1,
    "F4": (
        "conv3h 16/2; k3h 16/1 x1; k5h 24/2 x5.4566; 2x k5h 24/1 x1.7912; k5s 32/2 x5.3501; "
        "k5s 32/1 x3.5379; 2x k5s 32/1 x4.5379; k5h 64/2 x5.7133; k3h 64/1 x2.1212; skip 64; "
        "k3h 104/1 x5.0333; k5sh 104/1 x2.507; k5sh 104/1 x1.7712; k5sh 112/1 x3.7712; "
        "k3sh 184/2 x5.5685; k5sh 184/1 x2.84; k5sh 184/1 x4.8754; skip 224; irpool x6"
    ),
    "L1": L1,
    "L2": L1,
}
"""FBNetV2's networks as they were published, layer by layer: channels / stride x expansion."""

ENDS = {"F0": 1280, "F1": 1600, "F2": 1600}
"""Channels in front of the classifier, 1984 in the others."""

PUBLISHED = {
    "F0": (224, 2_811_448, 66_280_000, 66_554_112, 2_822_360),
    "F1": (128, 5_999_408, 56_231_936, 56_410_560, 6_024_736),
    "F2": (160, 5_999_408, 85_163_192, 85_441_392, 6_024_736),
    "F3": (192, 6_899_504, 121_423_712, 121_824_000, 6_924_832),
    "F4": (224, 6_994_824, 237_605_592, 238_351_984, 7_022_864),
    "L1": (224, 8_496_520, 325_025_344, 326_023_008, 8_538_776),
    "L2": (256, 8_496_520, 422_610_304, 423_912_768, 8_538_776),
}
"""Pixels a side, weights, MACs, MACs and one for each pixel that is pooled, all parameters."""


def network(text: str, end: int) -> nn.Sequential:
    layers, c = list[nn.Module](), 3
    for repeats, word in re.findall(r"(?:(\d)x )?([^;]+)(?:; |$)", text):
        for _ in range(int(repeats or 1)):
            kind, letters, kernel = re.match(r"(conv|k|skip|irpool)(\d?)(\w*)", word).groups()  # type: ignore[union-attr]
            kernel, letters = letters, kernel
            act = "hswish" if "h" in letters else "relu"
            numbers = [float(n) for n in re.findall(r"[\d.]+", word.partition(" ")[2])]
            if kind == "conv":
                layers.append(Convolution(3, act, c, c := int(numbers[0]), int(numbers[1])).build())
            elif kind == "irpool":
                wide = rounded(numbers[0] * c)
                layers += [Convolution(1, "hswish", c, wide).build(), nn.AdaptiveAvgPool2d(1)]
                layers.append(nn.Conv2d(wide, end, 1, bias=False))
            elif kind == "skip":
                if c != numbers[0]:
                    layers.append(LAYERS["conv1x1_bn_relu"](c, c := int(numbers[0]), 1))
            else:
                out, stride, expansion = numbers
                hidden = rounded(c * expansion)
                squeeze = rounded(hidden // 4) if "s" in letters else 0
                layer = Inverted(int(kernel), act, c, hidden, squeeze, c := int(out), int(stride))
                layers.append(layer.build())
    classifier = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(end, 1000)]
    return nn.Sequential(*layers, *classifier)


@pytest.mark.parametrize("name", NETWORKS)
def test_fbnet_published_counts(name: str) -> None:
    """To the last unit, for every network of FBNetV2 whose layers are published."""
    pixels, weights, macs, with_pools, params = PUBLISHED[name]
    pooled = 0

    def note(module: nn.Module, entering: tuple[torch.Tensor, ...], _: object) -> None:
        nonlocal pooled
        pooled += entering[0][0].numel()

    with torch.device("meta"):
        net = network(NETWORKS[name], ENDS.get(name, 1984))
    for module in net.modules():
        if isinstance(module, nn.AdaptiveAvgPool2d):
            module.register_forward_hook(note)
    found = count(net, (3, pixels, pixels))
    kinds = (nn.Conv2d, nn.Linear)
    layers = [module for module in net.modules() if isinstance(module, kinds)]
    assert sum(layer.weight.numel() for layer in layers) == weights
    assert found.macs == macs
    assert found.macs + pooled == with_pools
    assert found.params == params


def test_classes_are_the_networks_that_are_built() -> None:
    """Layers behind the depth and expansions that round to the same make no other network."""
    space = Layers()
    assert space.choices == (2, 2, 3, 2, 3, 2, 3, 2, 2)
    assert len(space) == 2 * 2 * 6 * 6 * 3 * 2 * 2
    assert list(map(space.read, map(space.spell, space))) == list(space)
    built = [str(space.layout(arch)) for arch in space]
    ids = space.class_ids()
    assert len(set(zip(built, ids.tolist(), strict=True))) == len(set(built)) == ids.max() + 1
    first = [space.canonical(arch) for arch in space]
    assert first == [space.at(built.index(text)) for text in built]
    assert space.trained_as().tolist() == [built.index(text) for text in built]


def test_decisions_of_a_layer_that_is_not_built_do_not_matter() -> None:
    space = Layers()
    arch = space.read("8_c4_1:k3c4x1-k3c6x2_2:k5sc8x2_c8")
    assert space.factor(arch) == (1, 0, 0, 0, None, None, 1, 1, 1)
    assert space.groups == ((0,), (1,), (2, 3), (4, 5), (6,), (7, 8))
    assert space.factor((1, 1, *arch[2:])) == (1, 1, 0, 0, 2, 1, 1, 1, 1)


@pytest.mark.parametrize("name", ["mbconv", "fbnetv2", "attentive_nas"])
def test_groups_are_layers(name: str) -> None:
    space = find("spaces", name)
    assert [i for group in space.groups for i in group] == list(range(len(space.choices)))
    if name == "mbconv":
        joint = [np.prod([space.choices[i] for i in group]) for group in space.groups]
        assert joint == [3, *[2, 120, 120] * 3]


def test_channels_are_rounded_as_published() -> None:
    given = {1: 8, 8: 8, 11.9: 16, 12: 16, 20: 24, 36: 40, 43.65: 48, 58: 56, 59: 64}
    assert {n: rounded(n) for n in given} == given
    assert [rounded(n, 1) for n in (0.2, 2.5, 7)] == [1, 3, 7]


def test_a_coarser_grid_of_pixels() -> None:
    """Of a row of 12: 9 of them, and 4."""
    x = torch.arange(144.0).reshape(1, 1, 12, 12)
    nine, four = [0, 1, 2, 4, 5, 6, 8, 9, 10], [0, 3, 6, 9]
    for pixels, of, kept in ((3, 4, nine), (9, 12, nine), (4, 12, four), (1, 99, [0])):
        y = Gather(pixels, of)(x)
        assert y[0, 0].tolist() == [[12.0 * row + column for column in kept] for row in kept]


def test_a_resolution_is_a_part_of_the_image() -> None:
    space = find("spaces", "mbconv")
    archs = [(i, *space.read(space.example)[1:]) for i in range(3)]
    sizes = [shape[1] for _, shape in count_encoders(space, archs, 96)]
    assert sizes == [6, 9, 12]
    x = torch.rand(2, 3, 24, 24)
    half, whole = (space.build(arch).eval() for arch in archs[::2])
    whole.load_state_dict({f"{int(k[0]) - 1}{k[1:]}": v for k, v in half.state_dict().items()})
    assert torch.equal(half(x), whole(x[..., ::2, ::2]))


def test_squeeze_and_excitation_scales_channels() -> None:
    layer = Inverted(3, "hswish", 4, 4, 2, 4).build().eval()
    acts = [type(each) for each in layer.modules() if not list(each.children())]
    assert acts.count(nn.Hardswish) == 1  # nothing widens
    (gate,) = [each for each in layer.modules() if isinstance(each, nn.AdaptiveAvgPool2d)]
    seen = []
    gate.register_forward_hook(lambda _, entering, left: seen.append((entering[0], left)))
    x = torch.rand(2, 4, 5, 5)
    assert layer(x).shape == x.shape
    ((entering, left),) = seen
    assert torch.allclose(entering.mean((2, 3), keepdim=True), left)


def test_a_count_of_a_space_that_is_not_listed() -> None:
    """Nothing walks through 10^36 members; what can't be done is said at once."""
    space = find("spaces", "fbnetv2")
    assert space.size > 1e36
    with pytest.raises(OverflowError):
        len(space)
    with pytest.raises(NotApplicable, match=r"fbnetv2 has 9.18e\+36 architectures"):
        space.class_ids()
    with pytest.raises(BadValue, match="no view"):
        space.canonical(space.at(0), "sideways")
    for arch in (space.at(space.size - 1), space.at(2**70)):
        assert space.at(space.index(arch)) == arch
        assert space.sample(np.random.default_rng(3)) in space


def test_what_is_left_of_the_pixels() -> None:
    x = torch.rand(1, 1, 12, 12)
    for pixels, part in ((9, 0.5625), (4, 1 / 9)):
        assert Gather(pixels, 12)(x).numel() / x.numel() == pytest.approx(part)
