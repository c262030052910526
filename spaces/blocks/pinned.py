"""A layer-wise space of which only widths are decided about; all else is as in one architecture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nasbench.errors import NotApplicable
from nasbench.space import Architecture, Price, Scale, Space, Term, macs
from nasbench.spaces.blocks.layerwise import LayerWise, Stage, rounded
from nasbench.spaces.blocks.layout import Graph, scaled

if TYPE_CHECKING:
    from torch import nn


class Pinned(LayerWise):
    """The layers that an architecture builds, each a stage; widths have all of their options."""

    def __init__(self, whole: LayerWise, like: Architecture) -> None:
        plan = whole.plan(like)
        self.name, self.example, self.scale = whole.name, whole.example, whole.scale
        self.activation, self.divisor = whole.activation, whole.divisor
        self.resolutions, self.stems, self.heads = (plan.resolution,), whole.stems, whole.heads
        self.stages = tuple(
            Stage(
                stage.channels,
                stage.expansions,
                (1,),
                1 if i else stage.stride,
                (block.kernel,),
                (block.squeeze,),
                (block.activation,),
            )
            for stage, (depth, blocks) in zip(whole.stages, plan.stages, strict=True)
            for i, block in enumerate(blocks[:depth])
        )
        super().__init__()
        self.pixels = whole.pixels


class Widening(NamedTuple):
    """A layer: what enters it and its own two widths, by factors (None: nothing is decided)."""

    stage: Stage
    enters: int | None
    expansion: int | None
    channels: int | None
    entering: tuple[int, ...]
    leaving: tuple[int, ...]


class OnlyWidths(Space):
    """Members of a space that differ from one in widths alone; they are written as in it.

    Factors are the options of the stem, of each layer that is built its expansion and its channels,
    and of the head. Raises `OutsideSpace` for one that is no member.
    """

    def __init__(self, whole: LayerWise, like: Architecture) -> None:
        self.whole, self.like = whole, whole.check(like)
        self.inner = Pinned(whole, like)
        self.name, self.choices, self.scale = whole.name, whole.choices, whole.scale
        self.example, self.views = whole.spell(self.like), whole.views

    @cached_property
    def decided(self) -> list[int]:
        """The decision of the whole space that each factor is."""
        of, found = self.whole._factors, [self.whole._factors[1]]
        depths = (depth for depth, _ in self.whole.plan(self.like).stages)
        for at, depth in zip(self.whole._depths, depths, strict=True):
            for layer in range(depth):
                found += of[at + 4 + 5 * layer : at + 6 + 5 * layer]
        return [place for place in [*found, of[-1]] if place >= 0]

    @cached_property
    def _given(self) -> list[int]:
        """All other decisions."""
        return sorted(set(range(len(self.choices))) - set(self.decided))

    @property
    def factors(self) -> tuple[int, ...]:
        """How many options each width has."""
        return self.inner.choices

    @property
    def groups(self) -> tuple[tuple[int, ...], ...]:
        """The widths of a layer belong together."""
        return self.inner.groups

    def factor(self, arch: Architecture) -> tuple[int, ...]:
        """Return the options of widths."""
        arch = self.check(arch)
        return tuple(arch[place] for place in self.decided)

    def member(self, options: Sequence[int]) -> Architecture:
        """Invert `factor`."""
        arch = list(self.like)
        for place, option in zip(self.decided, options, strict=True):
            arch[place] = int(option)
        return self.check(arch)

    def __contains__(self, arch: object) -> bool:
        if arch not in self.whole:
            return False
        assert isinstance(arch, tuple)
        return all(arch[place] == self.like[place] for place in self._given)

    def __len__(self) -> int:
        return len(self.inner)

    @property
    def size(self) -> int:
        """The product of the numbers of options."""
        return self.inner.size

    def sample(self, rng: np.random.Generator) -> Architecture:
        """Draw uniformly over the members."""
        return self.member(self.inner.sample(rng))

    def at(self, index: int) -> Architecture:
        """Read the number's digits."""
        return self.member(self.inner.at(index))

    def index(self, arch: Architecture) -> int:
        """Write the options as a number."""
        return self.inner.index(self.factor(arch))

    def neighbours(self, arch: Architecture) -> list[Architecture]:
        """List the members that differ in one width."""
        return [self.member(each) for each in self.inner.neighbours(self.factor(arch))]

    def spell(self, arch: Architecture) -> str:
        """Write it as the whole space does."""
        return self.whole.spell(self.check(arch))

    def read(self, text: str) -> Architecture:
        """Invert `spell`; raises `OutsideSpace`."""
        return self.check(self.whole.read(text))

    def outside(self, asked: object) -> Any:
        """Make the error of the whole space, for what is no member of it, or of this part."""
        return self.whole.outside(asked)

    def layout(self, arch: Architecture, scale: Scale | None = None) -> list[Graph]:
        """Lay the encoder out as the whole space does."""
        return self.whole.layout(self.check(arch), scale)

    def build(self, arch: Architecture, scale: Scale | None = None) -> nn.Module:
        """Build the encoder as the whole space does."""
        return self.whole.build(self.check(arch), scale)

    def supernet(self, scale: Scale | None = None) -> nn.Module:
        """Build an encoder of the layers that all members have; widths are masks."""
        return self.inner.supernet(scale)

    def terms(self, side: int, scale: Scale | None = None, price: Price = macs) -> list[Term]:
        """Return the costs, over widths."""
        return self.inner.terms(side, scale, price)

    def widths(self, scale: Scale | None = None) -> Mapping[int, Term]:
        """Return the channels of stem and head, and the hidden and leaving ones of each layer.

        Hidden channels depend on those that enter. Raises `NotApplicable` where a layer is several.
        """
        scale = scaled(self.whole, scale, (1, 2))
        if scale.depth != 1:
            raise NotApplicable(
                f"not applicable: layers of {scale.depth} blocks each, which share an expansion, "
                "have no hidden width"
            )
        found: dict[int, Term] = {}

        def note(factor: int | None, channels: Sequence[int]) -> None:
            if factor is not None:
                found[factor] = (factor,), np.array(channels)

        note(self._ends[0], self.inner.wide(self.inner.stems, scale))
        for layer in self._layers(scale):
            if layer.expansion is not None:
                hidden = [
                    [rounded(c * e, self.inner.divisor) for e in layer.stage.expansions]
                    for c in layer.entering
                ]
                if layer.enters is None:
                    note(layer.expansion, hidden[0])
                else:
                    found[layer.expansion] = (layer.enters, layer.expansion), np.array(hidden)
            note(layer.channels, layer.leaving)
        note(self._ends[1], self.inner.wide(self.inner.heads, scale))
        return found

    def carried(self, arch: Architecture, scale: Scale | None = None) -> Mapping[int, int | None]:
        """Return hidden widths of expansions of 1, and channels that what enters is added to."""
        scale, found = scaled(self.whole, scale, (1, 2)), dict[int, int | None]()
        options = self.factor(arch)

        def option(factor: int | None) -> int:
            return 0 if factor is None else options[factor]

        for layer in self._layers(scale):
            expansion = layer.stage.expansions[option(layer.expansion)]
            if layer.expansion is not None and expansion == 1:
                found[layer.expansion] = layer.enters
            if layer.channels is not None and layer.stage.stride == 1:
                entering = layer.entering[option(layer.enters)]
                if entering == layer.leaving[option(layer.channels)]:
                    found[layer.channels] = layer.enters
        return found

    @cached_property
    def _ends(self) -> tuple[int | None, int | None]:
        """The factors of stem and head."""
        factors = self.inner.slots(range(len(self.factors)), -1)
        first, last = (None if i < 0 else i for i in (factors[1], factors[-1]))
        return first, last

    def _layers(self, scale: Scale) -> Iterator[Widening]:
        said = iter(self.inner.slots([*range(len(self.factors))], -1)[2:])
        enters, entering = self._ends[0], self.inner.wide(self.inner.stems, scale)
        for stage in self.inner.stages:
            *_, expansion, channels = (None if (f := next(said)) < 0 else f for _ in range(6))
            leaving = self.inner.wide(stage.channels, scale)
            yield Widening(stage, enters, expansion, channels, entering, leaving)
            enters, entering = channels, leaving

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.whole, self.like)
