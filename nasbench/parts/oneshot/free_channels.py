"""Which channels a width may have: CafeNet's locally free ones (Su et al., ICLR 2021).

A layer has n bins of channels, of which a width has c. The first of them are *base*, the others are
free: any out of a *zone* around bin c. With the offset r, in bins counted from 1,

    base = {1 .. c - inner},  zone = {c - inner + 1 .. c + r},  inner = r + 1

cut at 1 and n; inner - 1 of the zone lie below bin c. r = 0 leaves the first c alone, as in
slimmable networks, r >= n - 1 any c of n. The paper's own convention could not be checked, so
`inner` can be told. Here bins are counted from 0; an assignment is its bins in rising order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from math import comb, gcd, prod
from typing import NamedTuple, TypeAlias

import numpy as np
import torch
from torch import Tensor

from nasbench.nets import Masks
from nasbench.space import Architecture, Space
from nasbench.supernet import OneShot, path

Assignment: TypeAlias = tuple[int, ...]
"""The bins that a layer has, counted from 0."""


class Local(NamedTuple):
    """What one width may be: `base` bins from the first on, and `free` ones out of the `zone`."""

    base: int
    zone: range
    free: int

    @property
    def size(self) -> int:
        """How many assignments there are."""
        return comb(len(self.zone), self.free)

    def all(self) -> list[Assignment]:
        """List them; the fixed pattern, the first bins, is the first."""
        base = tuple(range(self.base))
        return [base + free for free in combinations(self.zone, self.free)]

    def draw(self, rng: np.random.Generator) -> Assignment:
        """Draw one of them uniformly."""
        free = np.sort(rng.choice(self.zone, self.free, replace=False))
        return (*range(self.base), *free.tolist())


def local(n: int, c: int, r: int = 1, inner: int | None = None) -> Local:
    """Say what c of n bins may be, with the offset r.

    Raises `ValueError` for a width of no bins, or of more than there are.
    """
    inner = r + 1 if inner is None else inner
    if not 1 <= c <= n or r < 0 or inner < 0:
        raise ValueError(f"{c} of {n} bins, offset {r}, inner {inner}: 1 to n bins, 0 or more")
    base = max(0, c - inner)
    return Local(base, range(base, min(n, c + r)), c - base)


def assignments(
    layers: Sequence[Local], most: int, rng: np.random.Generator
) -> list[tuple[Assignment, ...]]:
    """Return assignments of all layers together, the fixed one first: all, or `most` drawn ones.

    The others are drawn uniformly, layer by layer, and no one twice.
    """
    if prod(layer.size for layer in layers) <= most:
        return list(product(*(layer.all() for layer in layers)))
    found = {tuple(tuple(range(layer.base + layer.free)) for layer in layers): None}
    while len(found) < most:
        found.setdefault(tuple(layer.draw(rng) for layer in layers))
    return list(found)


def right(n: int, c: int) -> Assignment:
    """Return the last c of n bins, which BCNet (Su et al., CVPR 2021) trains beside the first."""
    return tuple(range(n - c, n))


def mask(bins: Sequence[int], size: int, channels: int) -> Tensor:
    """Return the mask (channels,) of these bins of so many channels each: 1 or 0."""
    here = torch.zeros(-(-channels // size), size)
    here[list(bins)] = 1
    return here.flatten()[:channels]


def sensitivities(
    cost: Callable[[tuple[int, ...]], float], widths: Sequence[Sequence[int]]
) -> list[float]:
    """Return what a channel of each layer costs in the widest network: s_l.

    `cost(options)` is that of the network with these options of the layers' `widths`, which
    increase. It is the mean over the step to the next narrower width: that of a single channel
    where cost is linear in it, as in a chain. A layer without a narrower one has 0.
    """
    widest = tuple(len(options) - 1 for options in widths)
    found = []
    for layer, options in enumerate(widths):
        narrower = [i for i, width in enumerate(options) if width < options[-1]]
        if not narrower:
            found.append(0.0)
            continue
        other = (*widest[:layer], narrower[-1], *widest[layer + 1 :])
        step = options[-1] - options[narrower[-1]]
        found.append((cost(widest) - cost(other)) / step)
    return found


def bin_sizes(sensitivity: Sequence[float], beta: float = 1.0) -> list[int]:
    """Return b_l = max(1, round(beta max_j s_j / s_l)): bins of all layers cost about as much.

    What costs nothing has bins of one channel.
    """
    most = beta * max(sensitivity, default=0.0)
    return [max(1, round(most / s)) if s else 1 for s in sensitivity]


def aligned(size: int, widths: Sequence[int]) -> int:
    """Return the largest size of bins, at most this one, of which all widths are whole numbers."""
    common = gcd(*widths)
    return max(each for each in range(1, min(size, common) + 1) if common % each == 0)


@dataclass(frozen=True)
class FreeWidths:
    """The widths of a space's factors in bins of `sizes` channels, and where they are free."""

    space: Space
    widths: Mapping[int, Sequence[int]]
    sizes: Mapping[int, int]
    offset: int = 1
    inner: int | None = None

    @classmethod
    def of(
        cls, live: OneShot, beta: float = 1.0, offset: int = 1, inner: int | None = None
    ) -> FreeWidths:
        """Make bins that cost about as much, of which every width is a whole number."""
        space = live.where.space
        widths = space.widths(live.where.recipe.scale)

        def cost(options: tuple[int, ...]) -> float:
            arch = [n - 1 for n in space.choices]
            for factor, option in zip(widths, options, strict=True):
                arch[factor] = option
            return live.cost(tuple(arch))

        fitting = bin_sizes(sensitivities(cost, list(widths.values())), beta)
        sizes = {f: aligned(b, widths[f]) for f, b in zip(widths, fitting, strict=True)}
        return cls(space, widths, sizes, offset, inner)

    def words(
        self, arch: Architecture, most: int, rng: np.random.Generator, bilateral: bool = False
    ) -> list[Masks]:
        """Return what stands for an architecture, the fixed pattern first; `most` or all if fewer.

        `bilateral`: first channels, then last ones, nothing else.
        """
        options = self.space.factor(arch)
        built = {f: o for f in self.widths if (o := options[f]) is not None}
        ends = [(self._bins(f, -1), self._bins(f, o)) for f, o in built.items()]
        layers = [local(n, c, self.offset, self.inner) for n, c in ends]
        found = assignments(layers, 1 if bilateral else most, rng)
        if bilateral:
            found.append(tuple(right(n, c) for n, c in ends))
        return [self._word(options, dict(zip(built, each, strict=True))) for each in found]

    def _bins(self, factor: int, option: int) -> int:
        return self.widths[factor][option] // self.sizes[factor]

    def _word(self, options: Sequence[int | None], chosen: Mapping[int, Assignment]) -> Masks:
        masks = {f: mask(bins, self.sizes[f], self.widths[f][-1]) for f, bins in chosen.items()}
        return [masks.get(f, mix) for f, mix in enumerate(path(options))]
