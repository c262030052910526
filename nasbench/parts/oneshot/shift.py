"""How much paths of a supernet disagree about what they share.

Pi-NAS (Peng et al., 2021) is against both shifts. The formulas are *ours*: the paper's could not be
checked.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity

from nasbench.space import Architecture
from nasbench.supernet import Supernet, calibrated, path


def feature_shift(net: Supernet, x: Tensor, a: Architecture, b: Architecture) -> dict[str, float]:
    """Return 1 - cos of what enters each module of the encoder that both paths run, by its name.

    Pooled, and a mean over the images (B, 3, H, W), on which batch normalization is calibrated for
    each path. What has another width in the two is left out.
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
            net.encoder(x, path(net.where.space.factor(arch)))
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
