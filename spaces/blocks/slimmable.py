"""Layers whose widths are still open: the widest one's weights, of which others use the first.

Options of a width run together as one layer, whose channels are masked by the probability that they
are there: memory and time hardly depend on how many options there are. Masks act behind BN and
activation, for BN would undo them (Wan et al., FBNetV2, CVPR 2020).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nasbench.errors import BadValue
from nasbench.nets import Convolution, Features, Masks, Mix, Word, shared, weighed
from nasbench.spaces.blocks.layerwise import Stage, rounded
from nasbench.spaces.blocks.mobile import ACTIVATIONS, InvertedResidual, SqueezeExcite
from nasbench.spaces.blocks.supernet import copy

Weight: TypeAlias = Tensor | float
"""A tensor of no axes; 1.0 for what a word takes as it is."""

Shares: TypeAlias = Sequence[tuple[int, Tensor | None]]
"""Numbers of channels that are open, each with its weight; one without is taken as it is."""


class SlicedBatchNorm(nn.BatchNorm2d):
    """Normalizes the first channels, as many as enter; without affine weights."""

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape (B, C, h, w), where C is at most `num_features`."""
        if self.running_mean is None or self.running_var is None:
            return F.batch_norm(x, None, None, training=True, eps=self.eps)
        rate = self.momentum or 0.0
        if self.training and self.num_batches_tracked is not None:
            self.num_batches_tracked += 1
            rate = rate or 1 / int(self.num_batches_tracked)
        mean, var = self.running_mean[: x.shape[1]], self.running_var[: x.shape[1]]
        return F.batch_norm(x, mean, var, None, None, self.training, rate, self.eps)


class SlicedConv2d(nn.Conv2d):
    """Uses the first channels, as many as enter and are asked for."""

    def forward(self, x: Tensor, c_out: int, stride: int = 1) -> Tensor:  # type: ignore[override]
        """Turn (B, c_in, h, w) into (B, c_out, ceil(h / stride), ceil(w / stride))."""
        weight = self.weight[:c_out, : x.shape[1]]
        bias = None if self.bias is None else self.bias[:c_out]
        if (kernel := weight.shape[-1]) == 1:  # cut the grid out first, as `Pointwise` does
            x, stride = x[..., ::stride, ::stride], 1
        return F.conv2d(x, weight, bias, stride, kernel // 2)


class SlicedDepthwise(nn.Conv2d):
    """Uses the kernels of the first channels, as many as enter."""

    def __init__(self, channels: int, kernel: int, stride: int) -> None:
        super().__init__(
            channels, channels, kernel, stride, kernel // 2, groups=channels, bias=False
        )

    def forward(self, x: Tensor) -> Tensor:
        """Turn (B, C, h, w) into (B, C, ceil(h / stride), ceil(w / stride))."""
        n, padding = x.shape[1], self.kernel_size[0] // 2
        return F.conv2d(x, self.weight[:n], None, self.stride, padding, 1, n)


class SlicedExcite(SqueezeExcite):
    """Squeeze-and-excitation of the first channels, as many as enter."""

    def __init__(self, channels: int, middle: int) -> None:
        super().__init__(channels, middle)
        self.gate[1] = SlicedConv2d(channels, middle, 1)
        self.gate[3] = SlicedConv2d(middle, channels, 1)

    def forward(self, x: Tensor, most: int, limit: Callable[[Tensor], Tensor]) -> Tensor:  # type: ignore[override]
        """Keep the shape (B, C, h, w); `limit` masks the first `most` channels of the middle."""
        pool, first, act, second, gate = self.gate
        y = act(first(pool(x), most))
        out: Tensor = x * gate(second(limit(y), x.shape[1]))
        return out


class Bank(nn.Module):
    """A convolution and BN, as wide as the widest network has them."""

    def __init__(self, c_in: int, c_out: int, kernel: int) -> None:
        super().__init__()
        self.conv = SlicedConv2d(c_in, c_out, kernel, bias=False)
        self.norm = SlicedBatchNorm(c_out)

    def forward(self, x: Tensor, c_out: int, stride: int = 1) -> Tensor:
        """Turn (B, c_in, h, w) into (B, c_out, ceil(h / stride), ceil(w / stride))."""
        y: Tensor = self.norm(self.conv(x, c_out, stride))
        return y

    def copy_into(self, layer: nn.Sequential) -> None:
        """Copy what a layer shares that ends with a convolution and BN."""
        copy(self.conv, layer[-2])
        copy(self.norm, layer[-1])


def prefix(widths: Sequence[tuple[int, Weight]], device: torch.device) -> Tensor:
    """Return the mask (C, 1, 1) of the widest: the sum of p times "is among the first c"."""
    channels = torch.arange(max(c for c, _ in widths), device=device)
    return torch.stack([p * (channels < c) for c, p in widths]).sum(0)[:, None, None]


class SuperChain(nn.Module):
    """A chain of 3x3 convolutions with BN and ReLU; factor l is the width of layer l.

    `widths` (increasing) are the options of each layer, of `depth` convolutions; `strides` are of
    the layers' first ones.
    """

    def __init__(
        self, widths: Sequence[Sequence[int]], strides: Sequence[int], depth: int = 1
    ) -> None:
        super().__init__()
        self.widths, self.strides = widths, strides
        entering = (3, *(options[-1] for options in widths))
        self.layers = nn.ModuleList(
            nn.ModuleList(Bank(c, options[-1], 3) for c in (before, *[options[-1]] * (depth - 1)))
            for before, options in zip(entering, widths, strict=False)
        )
        shared(self)

    def features(self, shape: tuple[int, int, int]) -> list[tuple[int, int, int]]:
        """Return the shapes that features of an image (C, H, W) can have: a width each."""
        _, *size = shape
        for stride in self.strides:
            size = [-(-n // stride) for n in size]
        return [(width, size[0], size[1]) for width in dict.fromkeys(self.widths[-1])]

    def convolutions(self, shape: tuple[int, int, int]) -> list[Convolution]:
        """List them from the image (C, H, W) on."""
        _, *size = shape
        found = []
        for i, (stride, banks) in enumerate(zip(self.strides, self.layers, strict=True)):
            size = [-(-n // stride) for n in size]
            for inside, bank in enumerate(banks):  # type: ignore[arg-type, var-annotated]
                before = i if inside else i - 1 if i else None
                found.append(Convolution(bank.conv, before, i, size[0] * size[1]))
        return found

    def forward(self, x: Tensor, word: Word | Masks) -> Features:
        """Turn images (B, 3, H, W) into features (B, C, h, w), those of each width of the last.

        Of a mask it is the widest. The weight of an only option multiplies what its layer gives.
        """
        shares: Shares = []
        mask: Tensor | None = None
        for mix, options, banks, stride in zip(
            word, self.widths, self.layers, self.strides, strict=True
        ):
            x = multiplied(x if mask is None else mask * x, shares)
            if isinstance(mix, Tensor):
                shares, mask = [(options[-1], None)], mix[:, None, None] if mix.dim() == 1 else mix
            else:
                shares, mask = [(options[option], weight) for option, weight in mix.items()], None
                mask = _mask(shares, x.device)
            for i, bank in enumerate(banks):  # type: ignore[arg-type, var-annotated]
                x = x if mask is None or not i else mask * x
                x = F.relu(bank(x, max(c for c, _ in shares), 1 if i else stride))
        if len(shares) > 1:
            return [(weight, x[:, :c]) for c, weight in shares]
        return [(shares[0][1], x if mask is None else mask * x)]

    def copy_into(self, options: Sequence[int], encoder: nn.Sequential) -> None:
        """Copy the weights of one architecture, given by its options, into its own encoder."""
        banks = [bank for layer in self.layers for bank in layer]  # type: ignore[attr-defined]
        for bank, graph in zip(banks, encoder, strict=True):
            conv, norm, _ = graph.layers[0]  # type: ignore[index]
            copy(bank.conv, conv)
            copy(bank.norm, norm)


def _mask(shares: Shares, device: torch.device) -> Tensor | None:
    """Return the mask of several open numbers of channels; None for an only one."""
    if len(shares) < 2:
        return None
    return prefix([(c, 1.0 if p is None else p) for c, p in shares], device)


def masked(x: Tensor, shares: Shares) -> Tensor:
    """Mask channels of which several numbers are open."""
    mask = _mask(shares, x.device)
    return x if mask is None else mask * x


def multiplied(x: Tensor, shares: Shares) -> Tensor:
    """Multiply by the weight of an only option, if it has one."""
    if len(shares) != 1 or (weight := shares[0][1]) is None:
        return x
    return weight * x


class SuperInverted(nn.Module):
    """An inverted residual with all options of its stage, and of the channels that enter.

    Weights are shared by all combinations: kernels have a depthwise convolution each, activations
    and squeeze-and-excitation are mixed where they are, and hidden and leaving channels masked.
    Raises `BadValue` where rounding would widen some of the channels that an expansion of 1 keeps.
    """

    def __init__(self, entering: Sequence[int], stage: Stage, stride: int, divisor: int) -> None:
        super().__init__()
        self.stage, self.stride, self.divisor = stage, stride, divisor
        for c in entering:
            if any((rounded(c * e, divisor) == c) != (e == 1) for e in stage.expansions):
                raise BadValue(
                    f"{c} channels, expanded by {stage.expansions} and rounded to {divisor}, can't "
                    f"share weights: expansions above 1 must widen them; use multiples of {divisor}"
                )
        c_in, c_out = max(entering), max(stage.channels)
        hidden = rounded(c_in * max(stage.expansions), divisor)
        self.widen = Bank(c_in, hidden, 1)
        self.depthwise = nn.ModuleList(SlicedDepthwise(hidden, k, stride) for k in stage.kernels)
        self.norms = nn.ModuleList(SlicedBatchNorm(hidden) for _ in stage.kernels)
        self.squeeze = SlicedExcite(hidden, rounded(hidden // 4, divisor))
        self.narrow = Bank(hidden, c_out, 1)
        shared(self)

    def forward(self, x: Tensor, entering: Shares, word: Word) -> tuple[Tensor, Shares]:
        """Turn (B, c_in, h, w) into (B, c_out, ceil(h / stride), ceil(w / stride)), masked as told.

        `word` has the mixes of `Block`: kernel, squeeze, activation, expansion, channels. What
        enters is masked already; what is added to the result, weighed by the probability that the
        channels stay, is *our reconstruction*.
        """
        kernels, squeezes, activations, expansions, channels = word
        if len(entering) == 1:  # x was multiplied by its weight
            entering = [(entering[0][0], None)]

        def activated(x: Tensor) -> Tensor:
            acts = [ACTIVATIONS[name]() for name in self.stage.activations]
            return _mixed(activations, acts.__getitem__, x)

        wide: list[tuple[int, Tensor | None]] = []
        hidden: list[tuple[int, Tensor | None]] = []
        kept: Mix = {}
        for option, weight in expansions.items():
            expansion = self.stage.expansions[option]
            for c, p in entering:
                share = (rounded(c * expansion, self.divisor), both(p, weight))
                hidden.append(share)
                wide += [share] if expansion != 1 else []
            kept = {option: weight} if expansion == 1 else kept
        most = max(c for c, _ in hidden)
        y: Tensor | None = None
        if wide:
            with recorded(*(weight for _, weight in wide)):
                y = activated(self.widen(x, most))
            y = _given(y, wide, len(hidden) > 1)
        for weight in kept.values():
            same = F.pad(x, (0, 0, 0, 0, 0, most - x.shape[1]))
            same = same if weight is None else weight * same
            y = same if y is None else y + same
        assert y is not None
        y = masked(activated(_mixed(kernels, self._kernel, y)), hidden)
        middle = [(rounded(c // 4, self.divisor), weight) for c, weight in hidden]

        def squeezed(x: Tensor) -> Tensor:
            out: Tensor = self.squeeze(x, max(c for c, _ in middle), lambda y: masked(y, middle))
            return out

        y = _mixed(squeezes, lambda o: squeezed if self.stage.squeezes[o] else _same, y)
        leaving = [(self.stage.channels[option], weight) for option, weight in channels.items()]
        y = self.narrow(y, max(c for c, _ in leaving))
        y = multiplied(masked(y, leaving), leaving)
        if self.stride == 1:
            for c, weight in leaving:
                for before, p in entering:
                    if c == before:
                        stays = F.pad(x[:, :c], (0, 0, 0, 0, 0, y.shape[1] - c))
                        together = both(p, weight)
                        y = y + (stays if together is None else together * stays)
        return y, leaving

    def _kernel(self, option: int) -> Callable[[Tensor], Tensor]:
        conv, norm = self.depthwise[option], self.norms[option]
        return lambda x: norm(conv(x))

    def by_masks(self, x: Tensor, entering: Tensor, word: Masks) -> tuple[Tensor, Tensor]:
        """Do the same by masks (1 or B, C, 1, 1) of channels that enter, and of this layer's own.

        In `word` expansions and channels are masks of hidden and of leaving ones; options that are
        no masks are single ones. Where the same channels are open as entered, these are not widened
        and are added to what leaves, as in the network that has no others. The middle of
        squeeze-and-excitation follows from how many hidden channels are not 0.
        """
        kernels, squeezes, activations, expansions, channels = word
        assert not isinstance(kernels, Tensor)
        assert not isinstance(squeezes, Tensor)
        assert not isinstance(activations, Tensor)
        act = ACTIVATIONS[self.stage.activations[min(activations)]]()
        hidden, leaving = entering, opened(channels, self.stage.channels)
        y = x
        if isinstance(expansions, Tensor):
            hidden = opened(expansions, ())
            y = act(self.widen(x, n := hidden.shape[1]))
            if bool((same := _same_channels(entering, hidden)).any()):
                y = torch.where(same, _padded(x, n), y)
        y = hidden * act(self._kernel(min(kernels))(y))
        if self.stage.squeezes[min(squeezes)]:
            number = torch.arange(n := hidden.shape[1] + 1)
            middles = torch.tensor([rounded(c // 4, self.divisor) for c in range(n)])
            middle = middles[(hidden != 0).sum(1)][:, None]  # (1 or B, 1, 1, 1)
            most = int(middle.max())
            y = self.squeeze(y, most, lambda y: y * (number[:most, None, None] < middle))
        y = leaving * self.narrow(y, n := leaving.shape[1])
        if self.stride == 1 and bool((same := _same_channels(entering, leaving)).any()):
            y = y + torch.where(same, _padded(x, n), 0.0)
        return y, leaving

    def convolutions(
        self, ends: tuple[int | None, int | None, int | None], before: int, after: int
    ) -> list[Convolution]:
        """List those of a layer whose other decisions have one option.

        `ends` are the factors that enter, are hidden and leave; so many pixels enter and leave.
        """
        entering, hidden, leaving = ends
        found = []
        if hidden is None:
            hidden = entering
        else:
            found.append(Convolution(self.widen.conv, entering, hidden, before))
        (depthwise,) = self.depthwise
        assert isinstance(depthwise, nn.Conv2d)
        found.append(Convolution(depthwise, hidden, hidden, after))
        if any(self.stage.squeezes):
            _, first, _, second, _ = self.squeeze.gate
            assert isinstance(first, nn.Conv2d)
            assert isinstance(second, nn.Conv2d)
            found += [Convolution(first, hidden, None, 1), Convolution(second, None, hidden, 1)]
        return [*found, Convolution(self.narrow.conv, hidden, leaving, after)]

    def copy_into(self, options: Sequence[int], alone: InvertedResidual) -> None:
        """Copy the weights of one combination, given by its options, into its own block."""
        kernel = options[0]
        pairs = [(self.widen.conv, self.widen.norm)] * isinstance(alone.body[0], nn.Sequential)
        pairs += [(self.depthwise[kernel], self.norms[kernel])]  # type: ignore[list-item]
        pairs += [(self.narrow.conv, self.narrow.norm)]
        inside = [m for m in alone.body.modules() if isinstance(m, SqueezeExcite)]
        gates = {id(m) for each in inside for m in each.modules()}
        convs = [m for m in alone.modules() if isinstance(m, nn.Conv2d) and id(m) not in gates]
        norms = [m for m in alone.modules() if isinstance(m, nn.BatchNorm2d)]
        for (conv, norm), *own in zip(pairs, convs, norms, strict=True):
            copy(conv, own[0])
            copy(norm, own[1])
        for each in inside:
            copy(self.squeeze, each)


def _same(x: Tensor) -> Tensor:
    return x


def opened(mix: Mix | Tensor, options: Sequence[int]) -> Tensor:
    """Return a mask as (1 or B, C, 1, 1); of a single option it is that of its channels."""
    if isinstance(mix, Tensor):
        return mix[None, :, None, None] if mix.dim() == 1 else mix
    (option,) = mix
    return torch.ones(1, options[option], 1, 1)


def _padded(x: Tensor, channels: int) -> Tensor:
    """Return the first channels; zeros beyond those that there are."""
    return F.pad(x, (0, 0, 0, 0, 0, channels - x.shape[1]))


def _same_channels(one: Tensor, other: Tensor) -> Tensor:
    """Say of which images (1 or B, 1, 1, 1) two masks are the same."""
    most = max(one.shape[1], other.shape[1])
    return (_padded(one, most) == _padded(other, most)).all(1, keepdim=True)


def recorded(*weights: Tensor | None) -> torch.set_grad_enabled:
    """Record no gradient where all weights are 0: none would pass (`nasbench.nets.weighed`)."""
    some = any(weight is None or bool(weight.detach() != 0) for weight in weights)
    return torch.set_grad_enabled(torch.is_grad_enabled() and some)


def both(one: Tensor | None, other: Tensor | None) -> Tensor | None:
    """Multiply two weights, as far as there are any."""
    if one is None or other is None:
        return other if one is None else one
    return one * other


def _mixed(mix: Mix, layer: Callable[[int], Callable[[Tensor], Tensor]], x: Tensor) -> Tensor:
    """Sum what the options give, each by its weight."""
    each = [weighed(layer(option), x, weight) for option, weight in mix.items()]
    return torch.stack(each).sum(0) if len(each) > 1 else each[0]


def _given(x: Tensor, shares: Shares, several: bool) -> Tensor:
    """Mask the channels of some of several options, or weigh an only one."""
    if not several:
        return multiplied(x, shares)
    mask = prefix([(c, 1.0 if p is None else p) for c, p in shares], x.device)
    return F.pad(mask, (0, 0, 0, 0, 0, x.shape[1] - len(mask))) * x
