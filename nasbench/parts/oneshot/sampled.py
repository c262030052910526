"""Steps on sampled architectures, one network at a time: PARSEC and FP-NAS."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.optim import Optimizer

from nasbench.space import Architecture
from nasbench.supernet import Batch, OneShot, Supernet


@torch.no_grad()
def log_likelihoods(
    live: OneShot, net: Supernet, batch: Batch, archs: Sequence[Architecture]
) -> Tensor:
    """Return log p(y | x, w, A_k) (K,) of a whole batch: minus its size times the mean loss."""
    known: dict[Architecture, Tensor] = {}
    for arch in archs:
        if arch not in known:  # the same batch for all, so the same network says the same
            known[arch] = -len(batch) * live.loss(net(batch.x, arch), batch.target)
    return torch.stack([known[arch] for arch in archs]).double()


def descend(
    live: OneShot,
    net: Supernet,
    batch: Batch,
    archs: Sequence[Architecture],
    weights: Tensor,
    optimizer: Optimizer,
) -> None:
    """Step down sum_k om_k grad loss_k, added up one network after the other."""
    total: dict[Architecture, float] = {}
    for arch, weight in zip(archs, weights.tolist(), strict=True):
        total[arch] = total.get(arch, 0.0) + weight
    optimizer.zero_grad()
    for arch, weight in total.items():
        loss = weight * live.loss(net(batch.x, arch), batch.target)
        loss.backward()
    optimizer.step()
