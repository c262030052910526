"""Channels that a search tells apart one by one: what they cost, and how they are taken away.

A factor of the space is a width; its channels are those of the widest option, in any order. Costs
are bilinear: a convolution between a and b channels takes k a b. So the middle of
squeeze-and-excitation counts as that of the widest, and an expansion of 1 as if it widened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.optim import Optimizer

from nasbench.errors import NotApplicable
from nasbench.nets import Convolution, Features, Masks, Word
from nasbench.space import Scale, Space, Term

Unit = Literal["macs", "params"]


def coefficient(conv: Convolution, unit: Unit = "macs") -> int:
    """Return k: multiply-adds, or weights, for each pair of channels."""
    if unit not in ("macs", "params"):
        raise ValueError(f"unit {unit!r}: there are macs, params")
    return conv.kernel * (conv.pixels if unit == "macs" else 1)


def entering(conv: Convolution, numbers: Sequence[Tensor]) -> Tensor:
    """Return what is known of the channels that enter: one of the numbers, or how many they are."""
    if conv.entering is None:
        return torch.tensor(conv.layer.weight.shape[1], dtype=torch.float64)
    return numbers[conv.entering]


def leaving(conv: Convolution, numbers: Sequence[Tensor]) -> Tensor:
    """Return what is known of the channels that leave, as `entering`."""
    if conv.leaving is None:
        return torch.tensor(conv.layer.weight.shape[0], dtype=torch.float64)
    return numbers[conv.leaving]


def bilinear(
    convs: Iterable[Convolution], channels: Sequence[Tensor | float], unit: Unit = "macs"
) -> Tensor:
    """Return the cost of so many channels of each group, with its slopes.

    Of expected numbers sum p it is the expected cost, where no convolution is within a factor.
    """
    numbers = [torch.as_tensor(n).double() for n in channels]
    each = [
        coefficient(conv, unit)
        * leaving(conv, numbers)
        * (1 if conv.depthwise else entering(conv, numbers))
        for conv in convs
    ]
    return torch.stack(each).sum()


@dataclass(frozen=True)
class Widths:
    """The widths of a space (`Space.widths`), in groups whose channels stand or fall together.

    Those that the widest network adds up are one group: its members have the same channels. Raises
    `NotApplicable` where one is added to channels that nothing decides about.
    """

    terms: Mapping[int, Term]
    groups: Sequence[Sequence[int]]

    @classmethod
    def of(cls, space: Space, scale: Scale | None = None) -> Widths:
        """Group what is added up and has the same options."""
        terms, groups = space.widths(scale), dict[int, list[int]]()
        carried = space.carried(space.member([n - 1 for n in space.factors]), scale)
        for factor, (_, table) in terms.items():
            source = carried.get(factor, factor)
            if source is None:
                raise NotApplicable(
                    f"not applicable: the widest network of {space.name} adds width {factor} to "
                    "channels that nothing decides about, so none of them may go"
                )
            if not np.array_equal(table, terms[source][1]):
                source = factor
            groups[factor] = groups.get(source, [])
            groups[factor].append(factor)
        return cls(terms, [group for factor, group in groups.items() if group[0] == factor])

    @cached_property
    def owner(self) -> Mapping[int, int]:
        """The group of each factor."""
        return {factor: g for g, group in enumerate(self.groups) for factor in group}

    @property
    def most(self) -> list[int]:
        """The channels of each group's widest option."""
        return [int(self.terms[group[0]][1].max()) for group in self.groups]

    @property
    def least(self) -> list[int]:
        """The channels of each group's narrowest option."""
        return [int(self.terms[group[0]][1].min()) for group in self.groups]

    def tied(self, convs: Iterable[Convolution]) -> list[Convolution]:
        """Return convolutions between groups in place of factors."""

        def group(factor: int | None) -> int | None:
            return None if factor is None else self.owner[factor]

        return [
            replace(conv, entering=group(conv.entering), leaving=group(conv.leaving))
            for conv in convs
        ]

    def channels(self, options: Sequence[int]) -> list[int]:
        """Return how many channels each factor has."""
        return [int(table[tuple(options[f] for f in fs)]) for fs, table in self.terms.values()]

    def nearest(self, counts: Sequence[float]) -> list[int]:
        """Return the options whose channels are nearest to these of each group.

        The narrower ones of equals; hidden ones given the options of what enters.
        """
        options: list[int] = []
        for factor, (factors, table) in self.terms.items():
            row = table[tuple(options[f] for f in factors[:-1])]
            options.append(int(abs(row - counts[self.owner[factor]]).argmin()))
        return options


class Channels(nn.Module):
    """An encoder of widths, run by masks, with a number for each channel, `values[g]` (C,).

    `apart` it has one for each width of the group, (C, k). A mask of each group is passed on. Of an
    architecture's c channels of a factor it runs those with the largest weights, and multiplies
    them by these: `weigh(values[g])`. Features have the widest shape, where 0 is in the place of
    channels that were cut. A state of fewer channels cuts it when it's loaded; `optimizers` of its
    weights go along. `convs` are between groups.
    """

    place: Tensor

    def __init__(
        self,
        encoder: nn.Module,
        widths: Widths,
        convs: Sequence[Convolution],
        first: float,
        weigh: Callable[[Tensor], Tensor] = lambda value: value,
        apart: bool = False,
    ) -> None:
        super().__init__()
        self.encoder, self.widths, self.convs, self.weigh = encoder, widths, convs, weigh
        self.optimizers: list[Optimizer] = []
        each = zip(widths.most, widths.groups, strict=True)
        self.values = nn.ParameterList(
            torch.full((n, len(group)) if apart else (n,), first) for n, group in each
        )
        self.widest = len(convs[-1].layer.weight)
        self.register_buffer("place", torch.arange(self.widest))
        self.register_load_state_dict_pre_hook(_cut_to)  # type: ignore[no-untyped-call]

    @property
    def counts(self) -> list[int]:
        """How many channels each group has."""
        return [len(value) for value in self.values]

    def forward(self, x: Tensor, word: Masks) -> Features:
        """Turn images (B, 3, H, W) into features (B, C, h, w) of the widest."""
        owner, open_ = self.widths.owner, [mix for mix in word if isinstance(mix, Tensor)]
        if open_:
            masks = [open_[owner[factor]] for factor in self.widths.terms]
        else:
            weights = [self.weigh(value) for value in self.values]
            counts = self.widths.channels([min(mix) for mix in word])
            each = zip(self.widths.terms, counts, strict=True)
            masks = [largest(weights[owner[factor]], c) for factor, c in each]
        ((_, y),) = self.encoder(x, masks)
        return [(None, _placed(y, self.place, self.widest))]

    @torch.no_grad()
    def cut(self, keep: Sequence[Tensor]) -> None:
        """Take channels away for good, all but those to keep, (C,) bool for each group.

        Weights and values become smaller ones, and `optimizers` have these, with what they remember
        of them.
        """
        if all(bool(kept.all()) for kept in keep):
            return
        cuts: dict[Tensor, tuple[nn.Parameter, Sequence[Tensor | None]]] = {}

        def smaller(weight: Tensor, *axes: Tensor | None) -> nn.Parameter:
            made = nn.Parameter(_kept(weight, axes))  # the graph knows the old one by its shape
            cuts[weight] = made, axes
            return made

        for i, kept in enumerate(keep):
            self.values[i] = smaller(self.values[i], kept)
        for conv in self.convs:
            before = None if conv.entering is None or conv.depthwise else keep[conv.entering]
            after = None if conv.leaving is None else keep[conv.leaving]
            conv.layer.weight = smaller(conv.layer.weight, after, before)
            if conv.layer.bias is not None:
                conv.layer.bias = smaller(conv.layer.bias, after)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["params"] = [cuts.get(weight, (weight,))[0] for weight in group["params"]]
            for weight, (made, axes) in cuts.items():
                if weight in optimizer.state:
                    optimizer.state[made] = {
                        name: _kept(known, axes) if known.shape == weight.shape else known
                        for name, known in optimizer.state.pop(weight).items()
                    }  # Adam counts its steps in a tensor of no axes
        if (last := self.convs[-1].leaving) is not None:
            self.place = self.place[keep[last]]


class Packed(nn.Module):
    """An encoder of widths that runs none but the channels that masks of 0 and 1 (C,) leave open.

    It gives what `encoder` gives by these masks, and the same gradients, and costs what that
    network costs alone. Where as many channels leave as enter what may keep or add them, they must
    be the same ones (`Space.carried`). By any other word it is the encoder itself.
    """

    def __init__(self, encoder: nn.Module, convs: Sequence[Convolution]) -> None:
        super().__init__()
        self.encoder, self.convs = encoder, convs
        self.names = {module: name for name, module in encoder.named_modules()}

    def forward(self, x: Tensor, word: Word | Masks) -> Features:
        """Turn images (B, 3, H, W) into features (B, C, h, w) of the widest."""
        keep = [mix.bool() for mix in word if isinstance(mix, Tensor) and mix.dim() == 1]
        if len(keep) < len(word):
            found: Features = self.encoder(x, word)
            return found
        weights = {}
        for conv in self.convs:
            before = None if conv.entering is None or conv.depthwise else keep[conv.entering]
            after = None if conv.leaving is None else keep[conv.leaving]
            name, layer = self.names[conv.layer], conv.layer
            weights[f"{name}.weight"] = _kept(layer.weight, (after, before))
            if layer.bias is not None:
                weights[f"{name}.bias"] = _kept(layer.bias, (after,))
        ones = [x.new_ones(int(kept.sum())) for kept in keep]
        ((_, y),) = functional_call(self.encoder, weights, (x, ones))
        last = self.convs[-1]
        if last.leaving is not None:
            y = _placed(y, keep[last.leaving].nonzero().flatten(), len(last.layer.weight))
        return [(None, y)]


def largest(weights: Tensor, c: int) -> Tensor:
    """Return weights (C,), all but the c of largest size being 0."""
    order = weights.detach().abs().argsort(descending=True, stable=True)
    return weights * torch.zeros_like(weights).index_fill(0, order[:c], 1.0)


def _placed(y: Tensor, place: Tensor, channels: int) -> Tensor:
    """Put channels in their places among so many, whose others are 0."""
    if y.shape[1] == channels:
        return y
    wide = y.new_zeros(len(y), channels, *y.shape[2:])
    return wide.index_copy(1, place, y)


def _kept(tensor: Tensor, axes: Sequence[Tensor | None]) -> Tensor:
    for axis, keep in enumerate(axes):
        if keep is not None:
            tensor = tensor.index_select(axis, keep.nonzero().flatten())
    layout = torch.channels_last if tensor.dim() == 4 else torch.contiguous_format
    return tensor.contiguous(memory_format=layout)


def _cut_to(channels: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    """Cut channels so that a state fits; which ones does not matter, as all is loaded."""
    assert isinstance(channels, Channels)
    sizes = [len(state[f"{prefix}values.{i}"]) for i in range(len(channels.values))]
    pairs = zip(channels.counts, sizes, strict=True)
    channels.cut([torch.arange(has) < wanted for has, wanted in pairs])
