"""How much paths of a supernet disagree about what they share.

Pi-NAS (Peng et al., 2021) is against both shifts. The formulas are *ours*: the paper's could not be
checked.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity

from nasbench.space import Architecture
from nasbench.supernet import OneShot, Supernet, calibrated, path


def feature_shift(net: Supernet, x: Tensor, a: Architecture, b: Architecture) -> dict[str, float]:
    """Return 1 - cos of what enters each module of the encoder that both paths run, by its name.

    Pooled, and a mean over the images (B, 3, H, W), or in parts, on which batch normalization is
    calibrated for each path. What has another width in the two is left out.
    """
    one, other = (_entering(net, x, arch) for arch in (a, b))
    return {
        name: float(1 - cosine_similarity(features, other[name]).mean())
        for name, features in one.items()
        if name in other and other[name].shape == features.shape
    }


@torch.no_grad()
def _entering(net: Supernet, x: Tensor, arch: Architecture) -> dict[str, Tensor]:
    """Return what enters each module (B, C), by its name; where it runs twice, the last time."""
    found: dict[str, Tensor] = {}

    def note(name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        return lambda module, inputs: found.update({name: inputs[0].mean((2, 3))})

    with calibrated(net, [x], arch):
        modules = net.encoder.named_modules()
        hooks = [each.register_forward_pre_hook(note(name)) for name, each in modules if name]
        try:
            net.encoder(x.flatten(0, -4), path(net.where.space.factor(arch)))
        finally:
            for hook in hooks:
                hook.remove()
    return found


def update_conflict(net: nn.Module, one: Tensor, other: Tensor) -> dict[str, float]:
    """Return 1 - cos of the gradients of two losses, for each parameter that both teach, by name.

    From 0 (one update does for both) over 1 to 2 (they undo each other). Graphs are kept.
    """
    names, weights = zip(*net.named_parameters(), strict=True)
    first, second = (
        torch.autograd.grad(loss, weights, retain_graph=True, allow_unused=True)
        for loss in (one, other)
    )
    return {
        name: float(1 - cosine_similarity(a.flatten(), b.flatten(), 0))
        for name, a, b in zip(names, first, second, strict=True)
        if a is not None and b is not None
    }


def disagreement(live: OneShot, net: Supernet, pairs: int) -> dict[str, float]:
    """Return the mean `feature_shift` and `update_conflict` of pairs of members, always the same.

    They are drawn uniformly from those with a path, so they share some of their layers; the images
    are the first batch of training. NaN where nothing is shared.
    """
    space, rng, told = net.where.space, np.random.default_rng(0), list[list[float]]()
    (batch,) = live.first(1)

    def drawn() -> Architecture:
        while True:
            if space.has_path(arch := space.sample(rng)):
                return arch

    frozen = [weight for weight in net.parameters() if not weight.requires_grad]
    net.requires_grad_()  # heads alone may learn by now
    for _ in range(pairs):
        a, b = drawn(), drawn()
        losses = [net.where.task.loss(net(batch.x, each), batch.target) for each in (a, b)]
        each = feature_shift(net, batch.x, a, b), update_conflict(net, *losses)
        told.append([float(np.mean([*shared.values()])) if shared else np.nan for shared in each])
    for weight in frozen:
        weight.requires_grad_(False)
    means = [column[~np.isnan(column)] for column in np.array(told).T]
    names = ("feature_shift", "update_conflict")
    return {n: float(m.mean()) if len(m) else np.nan for n, m in zip(names, means, strict=True)}
