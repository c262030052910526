"""Contrast of views against a queue of keys, and a teacher that follows (MoCo: He et al., 2020).

Pi-NAS (Peng et al., 2021) trains supernets so: the positive is the key of another path.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from nasbench.nets import Shape, Word
from nasbench.space import LISTED, Architecture, Space


def info_nce(queries: Tensor, keys: Tensor, queue: Tensor, temperature: float) -> Tensor:
    """Return the mean of -log(exp(q.k / t) / (exp(q.k / t) + sum_n exp(q.n / t))) over a batch.

    Queries and their keys are (B, D) of norm 1, the negatives `queue` (N, D). Only queries have a
    gradient.
    """
    positive = (queries * keys.detach()).sum(1, keepdim=True)
    logits = torch.cat([positive, queries @ queue.detach().T], 1) / temperature
    return cross_entropy(logits, torch.zeros(len(logits), dtype=torch.long))


def consistency(queries: Tensor, keys: Tensor) -> Tensor:
    """Return the mean of |q - k|^2 over a batch, (B, D) of norm 1: no negatives, so it collapses.

    Only queries have a gradient.
    """
    return (queries - keys.detach()).square().sum(1).mean()


def spread(embeddings: Tensor) -> float:
    """Return the standard deviation over a batch (B, D) of norm 1, the mean over dimensions.

    It is near 1 / sqrt(D) where embeddings point everywhere, and goes to 0 where they collapse.
    """
    return float(embeddings.detach().std(0, correction=0).mean())


class Embedding(nn.Module):
    """An encoder, and for each shape of its features a neck: what images are contrasted by.

    A neck is linear, ReLU, linear, from pooled features to `width` numbers, and if it is `centred`
    batch normalization by the batch, without weights: then no direction is common to all images.
    """

    def __init__(
        self,
        encoder: nn.Module,
        shapes: Sequence[Shape],
        hidden: int,
        width: int,
        rng: Generator,
        centred: bool = True,
    ) -> None:
        super().__init__()
        self.encoder, self.shapes = encoder, list(shapes)
        self.necks = nn.ModuleList(
            nn.Sequential(
                nn.Linear(shape[0], hidden),
                nn.ReLU(),
                nn.Linear(hidden, width),
                nn.BatchNorm1d(width, affine=False, track_running_stats=False)
                if centred
                else nn.Identity(),
            )
            for shape in shapes
        )
        for layer in self.necks.modules():
            if isinstance(layer, nn.Linear):
                nn.init.kaiming_normal_(layer.weight, generator=rng)
                nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor, word: Word) -> Tensor:
        """Turn images (B, 3, H, W) into embeddings (B, width) of norm 1, for a single path."""
        ((_, features),) = self.encoder(x, word)
        neck = self.necks[self.shapes.index(tuple(features.shape[1:]))]
        return normalize(neck(features.mean((2, 3))))


class Queue(nn.Module):
    """The last keys (size, D), as negatives; of norm 1 and random at first."""

    keys: Tensor
    place: Tensor

    def __init__(self, size: int, width: int, rng: Generator) -> None:
        super().__init__()
        self.register_buffer("keys", normalize(torch.randn(size, width, generator=rng)))
        self.register_buffer("place", torch.tensor(0))

    @torch.no_grad()
    def push(self, keys: Tensor) -> None:
        """Put keys (B, D) in the place of the oldest; raises `ValueError` for more than it holds.

        They are kept as they are, whatever their norm.
        """
        size = len(self.keys)
        if len(keys) > size:
            raise ValueError(f"{len(keys)} keys for a queue of {size}: it must hold a batch")
        self.keys[(self.place + torch.arange(len(keys))) % size] = keys
        self.place.copy_((self.place + len(keys)) % size)


@contextmanager
def running(net: nn.Module) -> Iterator[set[str]]:
    """Collect the names of the modules of a network that run: the pieces of a path."""
    names: set[str] = set()

    def note(name: str) -> Callable[[nn.Module, Any], None]:
        return lambda module, inputs: names.add(name)

    hooks = [each.register_forward_pre_hook(note(name)) for name, each in net.named_modules()]
    try:
        yield names
    finally:
        for hook in hooks:
            hook.remove()


@torch.no_grad()
def follow(teacher: nn.Module, student: nn.Module, names: Iterable[str], momentum: float) -> None:
    """Move the parameters that the named modules have themselves: k <- m k + (1 - m) q.

    Those of modules inside of them belong to these. Whatever is not named stays as it is.
    """
    for name in names:
        behind, ahead = teacher.get_submodule(name), student.get_submodule(name)
        pairs = zip(behind.parameters(recurse=False), ahead.parameters(recurse=False), strict=True)
        for k, q in pairs:
            k.mul_(momentum).add_(q, alpha=1 - momentum)


def pairs(
    space: Space,
) -> Callable[[np.random.Generator], tuple[Architecture, Architecture]]:
    """Return what draws two members that differ in as many decisions as one can.

    Members without a path are left out.
    """
    if space.size > LISTED:
        return partial(apart, space)
    return partial(pair, np.array([arch for arch in space if space.has_path(arch)]))


def pair(members: NDArray[np.int64], rng: np.random.Generator) -> tuple[Architecture, Architecture]:
    """Draw one of the members (N, decisions), and another that differs in as much as one can."""
    one = members[rng.integers(len(members))]
    same = (members == one).sum(1)
    other = members[rng.choice(np.flatnonzero(same == same.min()))]
    return tuple(one.tolist()), tuple(other.tolist())


def apart(space: Space, rng: np.random.Generator) -> tuple[Architecture, Architecture]:
    """Draw two members of a grid, too large to be listed, that differ in every decision."""
    one = space.sample(rng)
    steps = [int(rng.integers(1, n)) for n in space.choices]
    other = ((gene + step) % n for gene, step, n in zip(one, steps, space.choices, strict=True))
    return one, tuple(other)
