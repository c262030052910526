"""Whole networks: a space's encoder and a task's head; how large they are, what they share."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Any, Protocol, TypeAlias, runtime_checkable

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils.flop_counter import FlopCounterMode

from nasbench.errors import NotApplicable
from nasbench.images import Label
from nasbench.space import Architecture, Scale, Space
from nasbench.task import Task

Shape: TypeAlias = tuple[int, ...]


class Network(nn.Module):
    """An encoder and a head. An image in parts, (B, parts, 3, h, w), is encoded part by part."""

    def __init__(self, encoder: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.encoder, self.head = encoder, head

    def forward(self, x: Tensor) -> Tensor:
        """Turn images (B, 3, H, W), or images in parts, into the task's output."""
        output: Tensor = self.head(self.encoder(x.flatten(0, -4)))
        return output


@dataclass(frozen=True)
class Counts:
    """Trainable parameters, and multiply-adds of convolutions and linear layers for one image."""

    params: int
    macs: int


class Layer(Hashable, Protocol):
    """What builds a module: equal layers build modules of one size."""

    def build(self) -> nn.Module:
        """Make the module."""


@runtime_checkable
class LaidOut(Protocol):
    """A space that says what its encoders consist of: then each layer is counted only once."""

    def layout(
        self, arch: Architecture, scale: Scale | None = None
    ) -> Iterable[Iterable[tuple[int, int, Layer]]]:
        """List graphs, one after the other: edges (source, target, layer) by target, from node 0.

        The last node's features enter the next graph. Raises `BadValue` as `Space.build` does.
        """


def network(
    space: Space,
    arch: Architecture,
    task: Task,
    label: Label,
    size: int,
    scale: Scale | None = None,
) -> Network:
    """Build the network of an architecture for a task, on images of so many pixels a side."""
    _, (channels, height, width) = _encoder(space, arch, seen(task, size)[-3:], scale)
    encoder = space.build(arch, scale)
    return Network(encoder, task.head((channels, height, width), label, size))


def seen(task: Task, size: int) -> Shape:
    """Return the shape of what a network sees of one image: (3, H, W), or (parts, 3, h, w)."""
    rgb = torch.zeros(1, size, size, 3, dtype=torch.uint8)
    inputs, _ = task.inputs(rgb, rgb, torch.Generator())  # what is told changes no input
    *parts, height, width, channels = inputs.shape[1:]
    return (*parts, channels, height, width)


def count(network: nn.Module, shape: Sequence[int]) -> Counts:
    """Count a network on one image of this shape, as `seen` gives it; nothing is computed."""
    return _count(network, tuple(shape))[0]


def count_encoders(
    space: Space, archs: Iterable[Architecture], size: int, scale: Scale | None = None
) -> Iterator[tuple[Counts, Shape]]:
    """Count encoders on images of so many pixels a side, and say the shape of their features.

    The counts are what `count(space.build(arch, scale), (3, size, size))` gives, and hundreds of
    times as fast where the space has a `layout`. Raises `NotApplicable` and `BadValue` as
    `Space.build` does.
    """
    return (_encoder(space, arch, (3, size, size), scale) for arch in archs)


def layers(
    space: Space, arch: Architecture, size: int, scale: Scale | None = None
) -> Iterator[tuple[Layer, Shape]]:
    """Yield the layers of an encoder, each with the shape (C, h, w) that enters it.

    Raises `NotApplicable` for a space without a `layout`, `BadValue` as `Space.build` does.
    """
    if not isinstance(space, LaidOut):
        raise NotApplicable(f"not applicable: {space.name} does not say its layers one by one")
    for layer, entering, _, _ in _walk(space.layout(arch, scale), (3, size, size)):
        yield layer, entering


Mix: TypeAlias = Mapping[int, Tensor | None]
"""What a search says of one factor of a space: options, each with a weight, a tensor of no axes, or
None for one that is taken as it is. What is not named does not run."""

Word: TypeAlias = Sequence[Mix]
"""A mix for each factor; of a single architecture it names one option each, without a weight."""

Masks: TypeAlias = Sequence[Mix | Tensor]
"""A word in which a width may have a mask, (C,) or (B, C, 1, 1): what each of its most channels is
multiplied by, for all images or for each. Spaces of widths take it."""

Features: TypeAlias = list[tuple[Tensor | None, Tensor]]
"""What an encoder gives: features (B, C, h, w), with their weights where they are several."""


@dataclass(frozen=True)
class Convolution:
    """A convolution of a supernet of widths: what it costs, and what goes when channels do.

    The channels of a factor leave it, those of another one enter (None: always the same): the first
    two axes of its weight, of which a depthwise one has the first only. It gives so many `pixels`.
    """

    layer: nn.Conv2d
    entering: int | None
    leaving: int | None
    pixels: int

    @property
    def depthwise(self) -> bool:
        """Whether each channel is by itself."""
        return self.layer.groups > 1

    @property
    def kernel(self) -> int:
        """How many weights are between two channels."""
        return self.layer.weight[0, 0].numel()


def weighed(layer: Callable[[Tensor], Tensor], x: Tensor, weight: Tensor | None) -> Tensor:
    """Apply a layer, and weigh what it gives.

    Where the weight is 0 no gradient passes through the layer, so nothing is saved for one: only
    the weight's own is left.
    """
    if weight is None:
        return layer(x)
    if weight.detach() != 0:
        return weight * layer(x)
    with torch.no_grad():
        y = layer(x)
    return weight * y.detach()  # the identity gave x itself


def shared(network: nn.Module) -> nn.Module:
    """Turn every batch normalization into one for shared weights.

    It is neither affine nor does it keep statistics: those of the batch are used, unless
    `nasbench.supernet.calibrated` provides others.
    """
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.affine = module.track_running_stats = False
            module.weight = module.bias = None  # type: ignore[assignment]
            module.running_mean = module.running_var = module.num_batches_tracked = None
    return network


def _encoder(
    space: Space, arch: Architecture, shape: Shape, scale: Scale | None
) -> tuple[Counts, Shape]:
    """Count an encoder, and say the shape of its features (C, h, w)."""
    if not isinstance(space, LaidOut):
        with torch.device("meta"):
            return _count(space.build(arch, scale), shape)
    params = macs = 0
    for _, _, counts, leaving in _walk(space.layout(arch, scale), shape):
        params, macs, shape = params + counts.params, macs + counts.macs, leaving
    return Counts(params, macs), shape


def _walk(
    graphs: Iterable[Iterable[tuple[int, int, Layer]]], shape: Shape
) -> Iterator[tuple[Layer, Shape, Counts, Shape]]:
    """Yield each layer, the shape that enters it, its counts and the shape that leaves it."""
    for graph in graphs:
        shapes = {0: shape}
        for source, target, layer in graph:
            counts, shape = _layer(layer, shapes[source])
            yield layer, shapes[source], counts, shape
            shapes[target] = shape


@lru_cache(maxsize=None, typed=True)  # two spaces may have equal tuples of different types
def _layer(layer: Layer, shape: Shape) -> tuple[Counts, Shape]:
    with torch.device("meta"):
        return _count(layer.build(), shape)


class _Skip(TorchFunctionMode):
    """Skip what keeps a shape and counts nothing: torch takes it apart, even without memory."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in _SKIPPED and args:
            return args[0]
        return func(*args, **(kwargs or {}))


_SKIPPED = frozenset({F.batch_norm, F.relu, F.hardswish, F.hardsigmoid, F.silu})


def _count(network: nn.Module, shape: Shape) -> tuple[Counts, Shape]:
    """Run a network on two images without memory; a training batch norm refuses a single one."""
    held = chain(network.named_parameters(), network.named_buffers())
    empty = {name: t if t.is_meta else torch.empty_like(t, device="meta") for name, t in held}
    images = torch.empty(2, *shape, device="meta")
    with torch.no_grad(), FlopCounterMode(display=False) as counter, _Skip():
        output: Tensor = functional_call(network, empty, (images,))
    params = sum(each.numel() for each in network.parameters() if each.requires_grad)
    return Counts(params, counter.get_total_flops() // 4), tuple(output.shape[1:])
