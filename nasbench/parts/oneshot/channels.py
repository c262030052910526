"""Channels that a search tells apart one by one: what they cost, and how they are taken away.

A factor of the space is a width; its channels are those of the widest option, in any order. Costs
are bilinear: a convolution between a and b channels takes k a b.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from nasbench.nets import Convolution, Features, Masks
from nasbench.space import Architecture

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


def cost(
    convs: Iterable[Convolution], channels: Sequence[Tensor | float], unit: Unit = "macs"
) -> Tensor:
    """Return the cost of so many channels of each factor, with its slopes.

    Of expected numbers sum p it is the expected cost, where no convolution is within a factor.
    """
    numbers = [torch.as_tensor(n).double() for n in channels]
    each = [
        coefficient(conv, unit)
        * numbers[conv.leaving]
        * (1 if conv.depthwise else entering(conv, numbers))
        for conv in convs
    ]
    return torch.stack(each).sum()


def nearest(
    widths: Sequence[Sequence[int]],
    channels: Sequence[int],
    among: Collection[Architecture] | None = None,
) -> Architecture:
    """Return the options whose widths are nearest to these, the narrower ones of equals.

    `among` some architectures it is the first with the least sum of differences.
    """

    def away(arch: Architecture) -> int:
        options = zip(widths, arch, channels, strict=True)
        return sum(abs(width[option] - n) for width, option, n in options)

    if among is not None:
        return min(among, key=away)
    pairs = zip(widths, channels, strict=True)
    return tuple(min(range(len(w)), key=lambda o: abs(w[o] - n)) for w, n in pairs)


class Channels(nn.Module):
    """An encoder of widths, run by masks, with a number for each channel, `values[l]` (C,).

    A mask is passed on. Of an architecture's c channels of a factor it runs those with the largest
    weights, and multiplies them by these: `weigh(values[l])`. Features have the widest shape, where
    0 is in the place of channels that were cut. A state of fewer channels cuts it when it's loaded;
    `optimizers` of its weights go along.
    """

    place: Tensor

    def __init__(
        self,
        encoder: nn.Module,
        widths: Sequence[Sequence[int]],
        convs: Sequence[Convolution],
        first: float,
        weigh: Callable[[Tensor], Tensor] = lambda value: value,
    ) -> None:
        super().__init__()
        self.encoder, self.widths, self.convs, self.weigh = encoder, widths, convs, weigh
        self.optimizers: list[Optimizer] = []
        self.values = nn.ParameterList(torch.full((width[-1],), first) for width in widths)
        self.register_buffer("place", torch.arange(widths[-1][-1]))
        self.register_load_state_dict_pre_hook(_cut_to)  # type: ignore[no-untyped-call]

    @property
    def counts(self) -> list[int]:
        """How many channels each factor has."""
        return [len(value) for value in self.values]

    def forward(self, x: Tensor, word: Masks) -> Features:
        """Turn images (B, 3, H, W) into features (B, C, h, w) of the widest."""
        masks = [
            mix if isinstance(mix, Tensor) else largest(self.weigh(value), width[min(mix)])
            for mix, value, width in zip(word, self.values, self.widths, strict=True)
        ]
        ((_, y),) = self.encoder(x, masks)
        widest = self.widths[-1][-1]
        if y.shape[1] == widest:
            return [(None, y)]
        wide = y.new_zeros(len(y), widest, *y.shape[2:])
        return [(None, wide.index_copy(1, self.place, y))]

    @torch.no_grad()
    def cut(self, keep: Sequence[Tensor]) -> None:
        """Take channels away for good, all but those to keep, (C,) bool for each factor.

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
            conv.layer.weight = smaller(conv.layer.weight, keep[conv.leaving], before)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["params"] = [cuts.get(weight, (weight,))[0] for weight in group["params"]]
            for weight, (made, axes) in cuts.items():
                if weight in optimizer.state:
                    optimizer.state[made] = {
                        name: _kept(known, axes) if known.shape == weight.shape else known
                        for name, known in optimizer.state.pop(weight).items()
                    }  # Adam counts its steps in a tensor of no axes
        self.place = self.place[keep[-1]]


def largest(weights: Tensor, c: int) -> Tensor:
    """Return weights (C,), all but the c of largest size being 0."""
    order = weights.detach().abs().argsort(descending=True, stable=True)
    return weights * torch.zeros_like(weights).index_fill(0, order[:c], 1.0)


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
