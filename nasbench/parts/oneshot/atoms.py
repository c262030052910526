"""Atoms, as AtomNAS has them (Mei et al., ICLR 2020): channels with a scale, priced by their cost.

The loss has rho(t) sum_b c_b |gamma_b|_1, where the price c_b of a factor's channels is their cost
f_b, so that over all channels the mean price is 1. Scales that have vanished are cut.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from nasbench.nets import Convolution
from nasbench.parts.oneshot.channels import Unit, Widths, bilinear


def costs(convs: Sequence[Convolution], counts: Sequence[int], unit: Unit = "macs") -> list[float]:
    """Return the cost f of one channel of each group: of what it enters and leaves.

    Where neighbours are cut, too, those between the two count twice.
    """
    found = []
    for factor, n in enumerate(counts):
        touching = [conv for conv in convs if factor in (conv.entering, conv.leaving)]
        found.append(float(bilinear(touching, counts, unit)) / n)
    return found


def slopes(
    price: Callable[[Sequence[int]], float], options: Sequence[int], widths: Widths
) -> list[float]:
    """Return the cost f of one channel of each group, where it is known of whole networks alone.

    It is what a network with these options saves by the narrowest option of a group, by channel;
    what has that already is compared with the widest. All other options stay, so hidden channels
    go along with those that enter.
    """
    found, here, channels = [], price(options), widths.channels(options)
    factors = list(widths.terms)
    for group in widths.groups:
        most = widths.terms[group[0]][1].shape[-1] - 1
        option = most if all(options[f] == 0 for f in group) else 0
        other = [option if f in group else o for f, o in enumerate(options)]
        at = factors.index(group[0])
        fewer = channels[at] - widths.channels(other)[at]
        found.append(max((here - price(other)) / fewer, 0.0) if fewer else 0.0)
    return found


def prices(f: Sequence[float], counts: Sequence[int], equal: bool = False) -> list[float]:
    """Return c = f / mean, the mean over all channels; 1 for each if they shall be `equal`.

    So they are where none costs anything.
    """
    mean = sum(n * each for n, each in zip(counts, f, strict=True)) / sum(counts)
    return [1.0 if equal or not mean else each / mean for each in f]


def rate(rho: float, epoch: float, free: float, full: float) -> float:
    """Return rho(t): 0 until the epoch `free`, rising linearly to the epoch `full`, then rho."""
    if epoch >= full:
        return rho
    return 0.0 if epoch <= free else rho * (epoch - free) / (full - free)


def l1(scales: Iterable[Tensor], c: Sequence[float]) -> Tensor:
    """Return sum_b c_b |gamma_b|_1."""
    return torch.stack([price * g.abs().sum() for g, price in zip(scales, c, strict=True)]).sum()


def soft_threshold(scale: Tensor, step: float) -> Tensor:
    """Return sign(gamma) max(|gamma| - step, 0): the proximal step of L1, to exact zeros."""
    return scale.sign() * (scale.abs() - step).relu()


class Average:
    """An exponential moving average of scales: a = decay a + (1 - decay) gamma after each step."""

    def __init__(self, scales: Iterable[Tensor], decay: float) -> None:
        self.decay = decay
        self.values = [scale.detach().clone() for scale in scales]

    def update(self, scales: Iterable[Tensor]) -> None:
        """Take scales (C,) of each factor in."""
        for value, scale in zip(self.values, scales, strict=True):
            value.lerp_(scale.detach(), 1 - self.decay)

    def cut(self, keep: Sequence[Tensor]) -> None:
        """Forget all but those to keep, (C,) bool."""
        self.values = [value[kept] for value, kept in zip(self.values, keep, strict=True)]

    def state_dict(self) -> dict[str, Any]:
        """Return the averages."""
        return {"values": self.values}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take them over, however many channels they are of."""
        self.values = list(state_dict["values"])


def living(sizes: Sequence[Tensor], threshold: float, least: Sequence[int]) -> list[Tensor]:
    """Say which channels (C,) of each factor are above the threshold, by |gamma|.

    So many of each stay at least, the largest.
    """
    found = []
    for size, n in zip(sizes, least, strict=True):
        kept = size > threshold
        if int(kept.sum()) < n:
            kept = torch.zeros_like(kept)
            kept[size.argsort(descending=True, stable=True)[:n]] = True
        found.append(kept)
    return found


def targeted(
    sizes: Sequence[Tensor],
    price: Callable[[Sequence[int]], float],
    target: float,
    least: Sequence[int],
) -> list[int]:
    """Return how many channels stay when the smallest go, until their `price` is at most `target`.

    One after the other by size, of all groups together. So many of each stay, whatever the target.
    """
    counts = [len(size) for size in sizes]
    owner = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(counts)).tolist()
    for channel in torch.cat(list(sizes)).argsort(stable=True).tolist():
        if price(counts) <= target:
            break
        counts[owner[channel]] -= counts[owner[channel]] > least[owner[channel]]
    return counts
