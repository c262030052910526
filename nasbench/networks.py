"""The networks of a space before any training, scored by zero-cost proxies. No torch until then."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from nasbench.errors import BadValue, NotApplicable
from nasbench.find import find
from nasbench.images import Label
from nasbench.recipe import Trainable
from nasbench.space import Architecture, Scale, Space
from nasbench.task import Task

if TYPE_CHECKING:
    from torch import Tensor

    from nasbench.evaluate import Where

WIDTH, DEPTH, STRIDE, SIZE = 8, 1, 2, 32
"""Of networks that are only looked at: so small that a core scores dozens in a second.

The stride is that of the stem, at most; `SIZE` is in pixels a side.
"""
CLASSES = 10
"""Outputs of a network whose task is only looked up."""
DATA_FREE = frozenset({"synflow", "zen", "l2_norm", "params", "flops"})
"""The proxies that look at no images, nor at what would be noise in their place."""


@dataclass(frozen=True)
class Networks:
    """Networks as `where` says that they are trained, on its first training images.

    Without `where`, for benchmarks that are only looked up: encoders of the width and depth above
    with a linear classifier of `CLASSES` outputs, on normal noise with random classes, whatever the
    task. `width`, `depth` and `size` (pixels a side) replace what would be; `batch` is the number
    of images.
    """

    space: Space
    where: Trainable | None = None
    width: int | None = None
    depth: int | None = None
    size: int | None = None
    batch: int = 32

    def __post_init__(self) -> None:
        for name in ("width", "depth", "size", "batch"):
            value, least = getattr(self, name), 2 if name == "batch" else 1
            if value is not None and not (isinstance(value, int) and value >= least):
                raise BadValue(f"networks with {name} {value}: it must be {least} or more")

    @classmethod
    def of(cls, where: Where) -> Networks:
        """Return those of what answers come from: as trained, or only to be looked at."""
        return cls(where.space, where if isinstance(where, Trainable) else None)

    @property
    def scale(self) -> Scale:
        """The size of the networks; raises `NotApplicable` for a space that builds none."""
        known = (self.where and self.where.recipe.scale) or self.space.scale
        if known is None:
            raise NotApplicable(f"not applicable: {self.space.name} does not say how to build")
        if self.where is None:
            known = Scale(WIDTH, DEPTH, min(STRIDE, known.stride))
        return replace(known, width=self.width or known.width, depth=self.depth or known.depth)

    @property
    def pixels(self) -> int:
        """Height and width of the images."""
        return self.size or (self.where.recipe.size if self.where else SIZE)

    @property
    def task(self) -> tuple[Task, Label]:
        """What the networks' heads are for."""
        if self.where:
            return self.where.task, self.where.label
        return find("tasks", "cifar10"), Label("class", "class", CLASSES)

    def told(self, proxy: str = "") -> str:
        """Say what the networks are, and what they are shown, if a proxy looks at it."""
        scale, what = self.scale, "training images" if self.where else "noise"
        size = f"{self.pixels}x{self.pixels} pixels"
        data = "" if proxy in DATA_FREE else f", a batch of {self.batch} of {what}"
        return f"networks of width {scale.width} and depth {scale.depth} on {size}{data}"

    def score(self, proxy: str, arch: Architecture, seed: int = 0) -> float:
        """Return what a proxy of `nasbench.proxies` says of an architecture: more is better.

        Weights, noise and whatever else is drawn follow from the seed. Isomorphic architectures
        have one score, that of the first of their class. Scores of the same are remembered.
        Raises `UnknownName`, `NotApplicable`, and `BadFile` where images are missing.
        """
        return _score(self, proxy, self.space.canonical(arch), seed)


@lru_cache(maxsize=2**16)
def _score(networks: Networks, proxy: str, arch: Architecture, seed: int) -> float:
    import torch

    from nasbench.live import alone
    from nasbench.nets import network
    from nasbench.proxies import Batch, score

    weights, _, drawn = _seeds(seed)
    task, label = networks.task
    with alone():
        x, target, classes = _images(networks, seed)
        torch.manual_seed(weights)
        net = network(networks.space, arch, task, label, networks.pixels, networks.scale)
        rng = torch.Generator().manual_seed(drawn)
        return score(proxy, net, Batch(x, target, task.loss, rng, classes))


@lru_cache(maxsize=2)
def _images(networks: Networks, seed: int) -> tuple[Tensor, Tensor, Tensor | None]:
    """Return inputs and targets, and their classes if they have any."""
    import torch

    rng, side = torch.Generator().manual_seed(_seeds(seed)[1]), networks.pixels
    if (where := networks.where) is None:
        x = torch.randn(networks.batch, 3, side, side, generator=rng)
        target = torch.randint(CLASSES, (networks.batch,), generator=rng)
        return x, target, target
    wanted = replace(where.wanted("train"), size=side, count=networks.batch)
    loaded = where.images.load(wanted, [where.label.name])
    index = np.arange(min(networks.batch, len(loaded["rgb"])))
    rgb, told = (torch.from_numpy(loaded[name][index]) for name in ("rgb", where.label.name))
    pixels, target = where.task.inputs(rgb, told, rng)
    mean, std = (torch.tensor(v) for v in (where.images.mean, where.images.std))
    x = ((pixels.float() - mean) / std).movedim(-1, -3).contiguous()
    if target.ndim == 1:
        return x, target, target
    return x, target, target.argmax(1) if where.label.kind == "class" else None


def _seeds(seed: int) -> list[int]:
    """Return seeds of the weights, of the images, and of the rest: not one stream for all."""
    return list(map(int, np.random.SeedSequence(seed).generate_state(3)))
