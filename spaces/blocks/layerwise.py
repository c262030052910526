"""Spaces of inverted residuals in which every layer has decisions of its own.

A space says its ranges: resolutions, widths of the stem and of the head, and stages. A decision is
there where a range has more than one option, in this order: resolution, stem, for each stage its
depth and then for each layer kernel, squeeze-and-excitation, activation, expansion and channels,
and last the head. Layers behind a stage's depth are written, and not built.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import accumulate, product
from math import floor
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

from nasbench.space import Architecture, Grid, Price, Scale, Space, Term, in_a_row, macs
from nasbench.spaces.blocks.layout import Edge, Graph, scaled

if TYPE_CHECKING:
    from torch import nn


T = TypeVar("T")


def rounded(n: float, divisor: int = 8) -> int:
    """Round a number of channels to a multiple, a half upwards; up where more than 5 % were lost.

    A multiple stays; the least is the divisor. The rule of FBNetV2 (Wan et al., CVPR 2020).
    """
    near = max(divisor, floor(n / divisor + 0.5) * divisor)
    return near + divisor if near < 0.95 * n else near


class Convolution(NamedTuple):
    """A convolution with BN and an activation."""

    kernel: int
    activation: str
    c_in: int
    c_out: int
    stride: int = 1

    def macs(self, before: int, after: int) -> int:
        """Return its multiply-adds; so many pixels leave."""
        return self.kernel**2 * self.c_in * self.c_out * after

    @property
    def params(self) -> int:
        """Its trainable parameters."""
        return (self.kernel**2 * self.c_in + 2) * self.c_out

    def build(self) -> nn.Module:
        """Make the module, (B, c_in, h, w) to (B, c_out, ceil(h / stride), ceil(w / stride))."""
        from torch.nn import Sequential

        from nasbench.spaces.blocks.convolution import conv_bn
        from nasbench.spaces.blocks.mobile import ACTIVATIONS

        layers = conv_bn(self.c_in, self.c_out, self.stride, self.kernel)
        return Sequential(*layers, ACTIVATIONS[self.activation]())


class Inverted(NamedTuple):
    """An inverted residual with `hidden` channels inside; 0 `squeeze` channels are no SE."""

    kernel: int
    activation: str
    c_in: int
    hidden: int
    squeeze: int
    c_out: int
    stride: int = 1

    def build(self) -> nn.Module:
        """Make the module, (B, c_in, h, w) to (B, c_out, ceil(h / stride), ceil(w / stride))."""
        from nasbench.spaces.blocks.mobile import InvertedResidual

        return InvertedResidual(
            self.c_in,
            self.c_out,
            self.stride,
            self.hidden,
            self.kernel,
            self.activation,
            self.squeeze,
        )

    def macs(self, before: int, after: int) -> int:
        """Return its multiply-adds; so many pixels enter and leave."""
        widen = self.c_in * self.hidden * before if self.hidden != self.c_in else 0
        depthwise, narrow = self.kernel**2 * self.hidden, self.hidden * self.c_out
        return widen + (depthwise + narrow) * after + 2 * self.hidden * self.squeeze

    @property
    def params(self) -> int:
        """Its trainable parameters."""
        widen = (self.c_in + 2) * self.hidden if self.hidden != self.c_in else 0
        depthwise, narrow = (self.kernel**2 + 2) * self.hidden, (self.hidden + 2) * self.c_out
        biases = (self.hidden + self.squeeze) * (self.squeeze > 0)
        return widen + depthwise + narrow + 2 * self.hidden * self.squeeze + biases


class Subsample(NamedTuple):
    """Pixels of a coarser grid: `pixels` of every `of` in a row, at least one."""

    pixels: int
    of: int

    def macs(self, before: int, after: int) -> int:
        """Return none."""
        return 0

    @property
    def params(self) -> int:
        """It has none."""
        return 0

    def build(self) -> nn.Module:
        """Make the module, (B, C, h, w) to (B, C, h', w') with h' = floor(h * pixels / of)."""
        from nasbench.spaces.blocks.reduction import Gather

        return Gather(self.pixels, self.of)


LETTERS = {"relu": "", "hswish": "h", "swish": "w"}


class Block(NamedTuple):
    """What is decided about a layer."""

    kernel: int
    squeeze: bool
    activation: str
    expansion: float
    channels: int

    def __str__(self) -> str:
        """Write it like `k5shc24x4`: kernel 5, SE, h-swish, 24 channels, expansion 4."""
        letters = "s" * self.squeeze + LETTERS[self.activation]
        return f"k{self.kernel}{letters}c{self.channels}x{self.expansion:g}"


@dataclass(frozen=True)
class Stage:
    """Layers of equal ranges, of which the first has the stride.

    `depths` are increasing numbers of layers; where options are `tied` all layers have the same.
    """

    channels: tuple[int, ...]
    expansions: tuple[float, ...] = (1,)
    depths: tuple[int, ...] = (1,)
    stride: int = 1
    kernels: tuple[int, ...] = (3, 5)
    squeezes: tuple[bool, ...] = (False, True)
    activations: tuple[str, ...] = ("relu", "hswish")
    tied: bool = False

    @property
    def layers(self) -> int:
        """How many layers are decided about."""
        return 1 if self.tied else self.depths[-1]

    @property
    def ranges(self) -> tuple[tuple[Any, ...], ...]:
        """The options of a layer, as `Block` has them."""
        return (
            self.kernels,
            self.squeezes,
            self.activations,
            self.expansions,
            self.channels,
        )


class Plan(NamedTuple):
    """An architecture in words: of each stage its depth, and all that is decided about layers."""

    resolution: int
    stem: int
    stages: tuple[tuple[int, tuple[Block, ...]], ...]
    head: int


class Step(NamedTuple):
    """A layer as part of a cost, by the places of ranges that it depends on.

    It is built, behind the channels that enter, with the `chosen` depths; the last of the strides
    up to here is its own.
    """

    enters: int
    chosen: Mapping[int, tuple[int, ...]]
    own: Sequence[int]
    strides: tuple[int, ...]


class LayerWise(Grid):
    """A subclass says its ranges.

    `resolutions` are pixels a side, the largest last: an image of so many is the network's whole
    input, and any other is taken in proportion, by pixels of a coarser grid. Hidden channels are
    those that enter, times the expansion, `rounded` to the `divisor`; a fourth of them is in the
    middle of squeeze-and-excitation. The head is a 1x1 convolution with BN to so many channels.
    """

    resolutions: tuple[int, ...]
    stems: tuple[int, ...]
    stages: tuple[Stage, ...]
    heads: tuple[int, ...]
    activation: str = "relu"
    """Of stem and head."""
    divisor: int = 8

    scale: Scale

    pixels: int
    """A side of the whole input."""

    def __init__(self) -> None:
        self.pixels = self.resolutions[-1]
        self.choices = tuple(len(options) for options in self._slots if len(options) > 1)

    @cached_property
    def _slots(self) -> list[tuple[Any, ...]]:
        """All ranges in order, those of one option too."""
        slots: list[tuple[Any, ...]] = [self.resolutions, self.stems]
        for stage in self.stages:
            slots += [stage.depths, *stage.ranges * stage.layers]
        return [*slots, self.heads]

    def slots(self, said: Sequence[T], only: T) -> list[T]:
        """Return what is said of each decision for all ranges, `only` for those of one option."""
        rest = iter(said)
        return [next(rest) if len(slot) > 1 else only for slot in self._slots]

    def wide(self, channels: Sequence[int], scale: Scale) -> tuple[int, ...]:
        """Return scaled channels: in proportion to `Scale.width`, at least one."""
        return tuple(max(1, round(c * scale.width / self.scale.width)) for c in channels)

    def plan(self, arch: Architecture) -> Plan:
        """Say what an architecture's numbers mean. Raises `OutsideSpace`."""
        genes = self.slots(self.check(arch), 0)
        said = iter([slot[gene] for slot, gene in zip(self._slots, genes, strict=True)])
        resolution, stem = next(said), next(said)
        stages = tuple(
            (next(said), tuple(_block(said) for _ in range(stage.layers))) for stage in self.stages
        )
        return Plan(resolution, stem, stages, next(said))

    def spell(self, arch: Architecture) -> str:
        """Write resolution, stem, stages and head between underlines.

        A stage like `1:k3c16x4-k5shc24x4` has one of its two layers.
        """
        plan = self.plan(arch)
        stages = (f"{depth}:{'-'.join(map(str, blocks))}" for depth, blocks in plan.stages)
        return "_".join([f"{plan.resolution}", f"c{plan.stem}", *stages, f"c{plan.head}"])

    def read(self, text: str) -> Architecture:
        """Invert `spell`; raises `OutsideSpace`."""
        words = text.replace("_", "-").replace(":", "-").split("-")
        wanted = iter(words)
        try:
            genes = [gene for known in self._words for gene in known[next(wanted)]]
        except (KeyError, StopIteration):
            raise self.outside(text) from None
        if self.spell(arch := tuple(genes)) != text:
            raise self.outside(text)
        return arch

    @cached_property
    def _words(self) -> list[dict[str, Architecture]]:
        """What may stand in each place, and the decisions that it tells."""
        words = [_told(self.resolutions), _told(self.stems, "c")]
        for stage in self.stages:
            words += [_told(stage.depths), *[_blocks(stage)] * stage.layers]
        return [*words, _told(self.heads, "c")]

    def edges(self, arch: Architecture) -> list[tuple[int, int, str]]:
        """Return the chain: resolution and stem, each layer that is built, the head."""
        plan = self.plan(arch)
        layers = [str(block) for _, block in self._built(plan)]
        ends = f"{plan.resolution} pixels, {plan.stem} channels", f"{plan.head} channels"
        return in_a_row([ends[0], *layers, ends[1]])

    def _built(self, plan: Plan) -> Iterator[tuple[int, Block]]:
        """Yield the stride and the decisions of each layer."""
        for stage, (depth, blocks) in zip(self.stages, plan.stages, strict=True):
            for i in range(depth):
                yield stage.stride if i == 0 else 1, blocks[0 if stage.tied else i]

    def profile(self, arch: Architecture) -> tuple[int, ...]:
        """Return the channels of the stem, of each layer that is built, and of the head."""
        plan = self.plan(arch)
        return plan.stem, *(block.channels for _, block in self._built(plan)), plan.head

    def canonical(self, arch: Architecture, view: str = "as_built") -> Architecture:
        """Return the first member with the same network, by arithmetic.

        Decisions about layers that are not built are 0, and of expansions that round to the same
        channels at the published size it is the first.
        """
        self.check_view(view)
        plan, stages = self.plan(arch), list[tuple[int, tuple[Block, ...]]]()
        wide = plan.stem
        for stage, (depth, blocks) in zip(self.stages, plan.stages, strict=True):
            first = []
            for i, block in enumerate(blocks):
                if i < depth:
                    entering = [wide] + [block.channels] * (stage.tied and depth > 1)
                    same = self._same(block.expansion, stage.expansions, entering)
                    first.append(block._replace(expansion=same))
                    wide = block.channels
                else:
                    first.append(Block(*(options[0] for options in stage.ranges)))
            stages.append((depth, tuple(first)))
        return self._genes(plan._replace(stages=tuple(stages)))

    def _same(self, asked: float, options: tuple[float, ...], entering: list[int]) -> float:
        """Return the first expansion that gives the same hidden channels."""

        def hidden(expansion: float) -> list[int]:
            return [rounded(c * expansion, self.divisor) for c in entering]

        return next(each for each in options if hidden(each) == hidden(asked))

    def _genes(self, plan: Plan) -> Architecture:
        """Invert `plan`."""
        said: list[Any] = [plan.resolution, plan.stem]
        for depth, blocks in plan.stages:
            said += [depth, *(value for block in blocks for value in block)]
        return tuple(
            slot.index(value)
            for slot, value in zip(self._slots, [*said, plan.head], strict=True)
            if len(slot) > 1
        )

    def form(self, arch: Architecture, view: str = "as_built") -> Hashable:
        """Return what is the same for equal networks: the first of them."""
        return self.canonical(arch, view)

    def factor(self, arch: Architecture) -> tuple[int | None, ...]:
        """Return the options; those of layers that are not built don't matter."""
        arch = self.check(arch)
        depths = [depth for depth, _ in self.plan(arch).stages]
        return tuple(
            None if owner and owner[1] >= depths[owner[0]] else gene
            for owner, gene in zip(self._owners, arch, strict=True)
        )

    @property
    def apart(self) -> tuple[int, ...]:
        """The resolution: mixed ones would each cost a pass, and share statistics."""
        return (0,) if len(self.resolutions) > 1 else ()

    @property
    def within(self) -> tuple[tuple[int, int] | None, ...]:
        """Decisions about a layer matter from the depth on that builds it."""
        found: list[tuple[int, int] | None] = []
        for owner in self._owners:
            stage, layer = owner or (0, 0)
            least = next(i for i, depth in enumerate(self.stages[stage].depths) if depth > layer)
            found.append((self._factors[self._depths[stage]], least) if owner and least else None)
        return tuple(found)

    @property
    def amounts(self) -> tuple[tuple[float, ...] | None, ...]:
        """Resolutions, expansions and channels; all else are kinds of layers."""
        found: list[tuple[float, ...] | None] = [self.resolutions, self.stems]
        for stage in self.stages:
            found += [None, *(None, None, None, stage.expansions, stage.channels) * stage.layers]
        each = zip([*found, self.heads], self._slots, strict=True)
        return tuple(numbers for numbers, slot in each if len(slot) > 1)

    @cached_property
    def _factors(self) -> list[int]:
        """The factor of each range, -1 of those with one option."""
        return self.slots(range(len(self.choices)), -1)

    @cached_property
    def _depths(self) -> list[int]:
        """The place of each stage's depths among all ranges; those of its layers follow."""
        sizes = (1 + len(stage.ranges) * stage.layers for stage in self.stages)
        return list(accumulate(sizes, initial=2))[:-1]

    def terms(self, side: int, scale: Scale | None = None, price: Price = macs) -> list[Term]:
        """Return resolution, stem, each layer behind each that may be before it, and the head."""
        scale, most, act = scaled(self, scale, (1, 2)), self.pixels, self.activation

        def wide(channels: int) -> int:
            return self.wide([channels], scale)[0]

        def chain(resolution: int, layers: Sequence[Any], strides: Sequence[int] = ()) -> float:
            n, total = max(1, side * resolution // most), 0.0
            for stride in strides:
                n = -(-n // stride)
            for layer in layers:
                before, n = n, -(-n // layer.stride)
                total += price(layer, before, n)
            return total

        def coarser(v: Mapping[int, Any]) -> float:
            n = side * v[0] // most
            return price(Subsample(v[0], most), side, n) if v[0] != most else 0

        def stem(v: Mapping[int, Any]) -> float:
            return chain(v[0], [Convolution(3, act, 3, wide(v[1]), scale.stride)])

        def cost(step: Step, v: Mapping[int, Any]) -> float:
            if any(v[place] not in allowed for place, allowed in step.chosen.items()):
                return 0
            c_in, own = wide(v[step.enters]), [v[place] for place in step.own]
            layers: Sequence[Any] = [Convolution(1, act, c_in, wide(own[0]))]
            if len(own) > 1:
                layers = self._layer(c_in, Block(*own), step.strides[-1], scale)
            return chain(v[0], layers, step.strides[:-1])

        found = [self._term({0}, coarser), self._term({0, 1}, stem)]
        for step in self._chain(scale.stride):
            places = {0, step.enters, *step.chosen, *step.own}
            found.append(self._term(places, partial(cost, step)))
        return found

    def _term(self, places: set[int], cost: Callable[[Mapping[int, Any]], float]) -> Term:
        """Tabulate costs over the ranges in these places."""
        order = sorted(places)
        values = product(*(self._slots[place] for place in order))
        table = [cost(dict(zip(order, each, strict=True))) for each in values]
        kept = [place for place in order if len(self._slots[place]) > 1]
        shape = [len(self._slots[place]) for place in kept]
        factors = tuple(self._factors[place] for place in kept)
        return factors, np.array(table, float).reshape(shape)

    def _chain(self, stride: int) -> Iterator[Step]:
        """Yield each layer for each that may be in front of it, and so the head."""
        strides: tuple[int, ...] = (stride,)
        ends: dict[int, dict[int, tuple[int, ...]]] = {1: {}}
        for stage, at in zip(self.stages, self._depths, strict=True):
            leaving: dict[int, dict[int, tuple[int, ...]]] = {}
            for i in range(stage.depths[-1]):
                first = at + 1 + (0 if stage.tied else i * len(stage.ranges))
                own = range(first, first + len(stage.ranges))
                built = {at: tuple(depth for depth in stage.depths if depth > i)}
                strides = (*strides, 1 if i else stage.stride)
                for enters, chosen in ends.items():
                    yield Step(enters, chosen | built, own, strides)
                ends = {own[-1]: {}}
                if i + 1 in stage.depths:
                    before = leaving.get(own[-1], {at: ()})
                    leaving[own[-1]] = {at: (*before[at], i + 1)}
            ends = leaving
        for enters, chosen in ends.items():
            yield Step(enters, chosen, [len(self._slots) - 1], (*strides, 1))

    @property
    def groups(self) -> tuple[tuple[int, ...], ...]:
        """The decisions about a layer belong together; each other one is alone."""
        together: dict[Hashable, list[int]] = {}
        for i, owner in enumerate(self._owners):
            together.setdefault(owner or i, []).append(i)
        return tuple(map(tuple, together.values()))

    @cached_property
    def _owners(self) -> list[tuple[int, int] | None]:
        """The stage and the layer of each decision, None where it is about no layer."""
        owners: list[tuple[int, int] | None] = [None, None]
        for s, stage in enumerate(self.stages):
            owners.append(None)
            owners += [(s, layer) for layer in range(stage.layers) for _ in stage.ranges]
        owners.append(None)
        return [own for own, slot in zip(owners, self._slots, strict=True) if len(slot) > 1]

    def layout(self, arch: Architecture, scale: Scale | None = None) -> list[Graph]:
        """Lay the encoder out; the stem has stride 1 or 2.

        Channels other than hidden ones are in proportion to `Scale.width`, which the narrowest stem
        has. Of `Scale.depth` layers instead of one the first changes the shape.
        """
        plan, scale = self.plan(arch), scaled(self, scale, (1, 2))
        act = self.activation

        def wide(channels: int) -> int:
            return self.wide([channels], scale)[0]

        layers: list[Subsample | Convolution | Inverted] = []
        if plan.resolution != self.pixels:
            layers.append(Subsample(plan.resolution, self.pixels))
        layers.append(Convolution(3, act, 3, width := wide(plan.stem), scale.stride))
        for stride, block in self._built(plan):
            layers += self._layer(width, block, stride, scale)
            width = wide(block.channels)
        layers.append(Convolution(1, act, width, wide(plan.head)))
        return [(Edge(0, 1, layer),) for layer in layers]  # type: ignore[arg-type]

    def _layer(self, c_in: int, block: Block, stride: int, scale: Scale) -> list[Inverted]:
        """Return what a layer consists of: `Scale.depth` inverted residuals."""
        made, (c_out,) = list[Inverted](), self.wide([block.channels], scale)
        for step in (stride, *[1] * (scale.depth - 1)):
            hidden = rounded(c_in * block.expansion, self.divisor)
            squeeze = rounded(hidden // 4, self.divisor) if block.squeeze else 0
            ends = hidden, squeeze, c_out, step
            made.append(Inverted(block.kernel, block.activation, c_in, *ends))
            c_in = c_out
        return made

    @property
    def has_widths(self) -> bool:
        """Every layer has its own, and where some expand, the others keep their channels."""
        return not any(
            stage.tied or (len(stage.expansions) == 1 and stage.expansions != (1,))
            for stage in self.stages
        )

    def only_widths(self, like: Architecture) -> Space:
        """Return the members that differ from one in channels and expansions of what it builds."""
        from nasbench.spaces.blocks.pinned import OnlyWidths

        return OnlyWidths(self, like) if self.has_widths else super().only_widths(like)

    def build(self, arch: Architecture, scale: Scale | None = None) -> nn.Module:
        """Build the encoder; weights are drawn as torch does by default."""
        from nasbench.spaces.blocks.graph import chain

        return chain(self.layout(arch, scale))

    def supernet(self, scale: Scale | None = None) -> nn.Module:
        """Build the encoder with all options in it; widths are masks over the most channels.

        Raises `BadValue` where rounding would keep widths from sharing weights.
        """
        from nasbench.spaces.blocks.superlayers import SuperLayers

        return SuperLayers(self, scaled(self, scale, (1, 2)))


def _block(said: Iterator[Any]) -> Block:
    return Block(next(said), next(said), next(said), next(said), next(said))


def _told(options: tuple[int, ...], letter: str = "") -> dict[str, Architecture]:
    return {f"{letter}{n}": (i,) if len(options) > 1 else () for i, n in enumerate(options)}


def _blocks(stage: Stage) -> dict[str, Architecture]:
    return {
        str(Block(*(options[i] for options, i in zip(stage.ranges, genes, strict=True)))): tuple(
            i for options, i in zip(stage.ranges, genes, strict=True) if len(options) > 1
        )
        for genes in product(*(range(len(options)) for options in stage.ranges))
    }
