"""Which channels a width may have: CafeNet's locally free ones (Su et al., ICLR 2021).

A layer has n bins of channels, of which a width has c. The first of them are *base*, the others are
free: any out of a *zone* around bin c. With the offset r, in bins counted from 1,

    base = {1 .. c - inner},  zone = {c - inner + 1 .. c + r},  inner = r + 1

cut at 1 and n; inner - 1 of the zone lie below bin c. r = 0 leaves the first c alone, as in
slimmable networks, r >= n - 1 any c of n. The paper's own convention could not be checked, so
`inner` can be told. Here bins are counted from 0; an assignment is its bins in rising order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, product
from math import comb, gcd, prod
from typing import NamedTuple, TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.optim import Optimizer

from nasbench.nets import Masks
from nasbench.parts.oneshot.priced import Priced
from nasbench.space import Architecture, Scale, Space, Term
from nasbench.supernet import Batch, OneShot, Supernet

Assignment: TypeAlias = tuple[int, ...]
"""The bins that a layer has, counted from 0."""


LEAST = 1e-9
"""What a channel costs at least, so that bins are the coarsest where it seems to cost nothing."""


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
    where cost is linear in it, as in a chain; `LEAST` where a latency says that it costs nothing or
    less. A layer without a narrower one has 0.
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
        found.append(max((cost(widest) - cost(other)) / step, LEAST))
    return found


def bin_sizes(sensitivity: Sequence[float], beta: float = 1.0) -> list[int]:
    """Return b_l = max(1, round(beta max_j s_j / s_l)): bins of all layers cost about as much.

    What has no other width has bins of one channel.
    """
    most = beta * max(sensitivity, default=0.0)
    return [max(1, round(most / s)) if s else 1 for s in sensitivity]


def aligned(size: int, widths: Iterable[int]) -> int:
    """Return the largest size of bins, at most this one, of which all widths are whole numbers."""
    common = gcd(*map(int, widths))
    return max(each for each in range(1, min(size, common) + 1) if common % each == 0)


@dataclass(frozen=True)
class FreeWidths:
    """The factors of a space of widths in bins of `sizes` channels, and where they are free.

    Channels that are carried on, through a sum or where nothing widens, are those that entered.
    """

    space: Space
    scale: Scale | None
    sizes: Mapping[int, int]
    offset: int = 1
    inner: int | None = None

    @classmethod
    def of(
        cls,
        live: OneShot,
        price: Priced,
        beta: float = 1.0,
        offset: int = 1,
        inner: int | None = None,
    ) -> FreeWidths:
        """Make bins that cost about as much, of which every width is a whole number."""
        space, scale = live.where.space, live.where.recipe.scale
        tables = [table for _, table in space.widths(scale).values()]
        widest = [table.reshape(-1, table.shape[-1])[-1].tolist() for table in tables]
        fitting = bin_sizes(sensitivities(lambda o: price.of(space.member(o)), widest), beta)
        sizes = [
            aligned(b, table.ravel().tolist()) for b, table in zip(fitting, tables, strict=True)
        ]
        return cls(space, scale, dict(enumerate(sizes)), offset, inner)

    @cached_property
    def _widths(self) -> Mapping[int, Term]:
        return self.space.widths(self.scale)

    def words(
        self, arch: Architecture, most: int, rng: np.random.Generator, bilateral: bool = False
    ) -> list[Masks]:
        """Return what stands for an architecture, the fixed pattern first; `most` or all if fewer.

        `bilateral`: first channels, then last ones, nothing else.
        """
        options, carried = self.space.factor(arch), self.space.carried(arch, self.scale)
        channels = {f: int(t[tuple(options[g] for g in fs)]) for f, (fs, t) in self._widths.items()}
        ends = {
            f: (int(t.max()) // self.sizes[f], channels[f] // self.sizes[f])
            for f, (_, t) in self._widths.items()
            if f not in carried
        }
        layers = [local(n, c, self.offset, self.inner) for n, c in ends.values()]
        found = assignments(layers, 1 if bilateral else most, rng)
        if bilateral:
            found.append(tuple(right(n, c) for n, c in ends.values()))
        return [self._word(dict(zip(ends, each, strict=True)), carried, channels) for each in found]

    def _word(
        self,
        chosen: Mapping[int, Assignment],
        carried: Mapping[int, int | None],
        channels: Mapping[int, int],
    ) -> Masks:
        masks: dict[int, Tensor] = {}
        for f, (_, table) in self._widths.items():
            here = int(table.max())
            if f in chosen:
                masks[f] = mask(chosen[f], self.sizes[f], here)
            elif (source := carried[f]) is None:
                masks[f] = mask(range(channels[f]), 1, here)
            else:
                entered = masks[source]
                masks[f] = F.pad(entered, (0, here - len(entered)))
        return list(masks.values())


def step(
    live: OneShot,
    net: Supernet,
    batch: Batch,
    words: Sequence[Masks],
    weights: Optimizer,
    inner: bool,
) -> tuple[float, float]:
    """Step on the mean loss of all words, or on that of the `inner` minimum alone.

    Return the loss, and that of the first word.
    """

    def loss(word: Masks) -> Tensor:
        return live.loss(net(batch.x, word), batch.target)

    first: list[float] = []
    if inner:
        with torch.no_grad():
            first = [float(loss(word)) for word in words]
        words = [words[int(np.argmin(first))]]
    weights.zero_grad()
    trained = []
    for word in words:
        each = loss(word)
        (each / len(words)).backward()
        trained.append(float(each.detach()))
    weights.step()
    return float(np.mean(trained)), (first or trained)[0]
