"""Training a slimmable network by the sandwich rule, and what it says of single widths.

Each step trains the widest network by the labels, the narrowest and one of random widths for each
image by what the widest says (Yu & Huang, ICCV 2019; OWS and AOWS: Berman et al., CVPR 2020).
Widths are masks behind BN and ReLU, so one batch has statistics of all its networks.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer

from nasbench.parts.policy import Floats
from nasbench.supernet import Batch, OneShot, Supernet, path
from nasbench.task import Task


def draw(p: Sequence[Floats], k: int, rng: Generator) -> Tensor:
    """Draw states (k, layers), each layer by itself from its probabilities (states,)."""
    each = [torch.multinomial(torch.from_numpy(q), k, True, generator=rng) for q in p]
    return torch.stack(each, 1)


def sandwich(
    live: OneShot, net: Supernet, batch: Batch, options: Tensor, optimizer: Optimizer
) -> Tensor:
    """Do one step; return for each image (B,) how much better than the widest the random one is.

    That is minus the difference of their losses by the labels, over the number of layers: what one
    layer has part in. `options` (B, factors) are the random widths.
    """
    sizes, task = live.where.space.factors, live.where.task
    optimizer.zero_grad()
    widest = net(batch.x, path([n - 1 for n in sizes]))
    live.loss(widest, batch.target).backward()
    widest = widest.detach()
    wanted = widest.softmax(1) if _classifies(task) else batch.target
    for some in (torch.zeros(len(sizes), dtype=torch.int64), options):
        output = net(batch.x, net.masks(some))
        live.loss(output, wanted).backward()
    optimizer.step()
    with torch.no_grad():
        losses = [_each(task, output.detach(), batch.target) for output in (widest, output)]
    return (losses[0] - losses[1]) / len(live.where.space.groups)


def _classifies(task: Task) -> bool:
    """Say whether outputs are logits of one class an image, so that their softmax is a target."""
    return task.metric.name == "top1"


def _each(task: Task, output: Tensor, target: Tensor) -> Tensor:
    """Return the loss of each image (B,)."""
    if _classifies(task):
        return F.cross_entropy(output.float(), target, reduction="none")
    pairs = zip(output.split(1), target.split(1), strict=True)
    return torch.stack([task.loss(one, told) for one, told in pairs])


class Windows(nn.Module):
    """The latest numbers, `length` at most, that were noted of each state of each layer."""

    values: Tensor
    noted: Tensor

    @classmethod
    def of(cls, live: OneShot, sizes: Sequence[int], epochs: float) -> Windows:
        """Make them as long as what is drawn in so many epochs, were all states as likely."""
        images = live.steps() * live.where.recipe.batch
        return cls(sizes, max(1, round(epochs * images / max(sizes))))

    def __init__(self, sizes: Sequence[int], length: int) -> None:
        super().__init__()
        self.sizes = sizes
        self.register_buffer("values", torch.zeros(len(sizes), max(sizes), length))
        self.register_buffer("noted", torch.zeros(len(sizes), max(sizes), dtype=torch.int64))

    @torch.no_grad()
    def add(self, states: Tensor, numbers: Tensor) -> None:
        """Note a number (B,) of each state (B, layers) that was taken."""
        length = self.values.shape[-1]
        for i, taken in enumerate(states.T):
            for state in taken.unique().tolist():
                new = numbers[taken == state][-length:].to(self.values)
                place = (int(self.noted[i, state]) + torch.arange(len(new))) % length
                self.values[i, state, place] = new
                self.noted[i, state] += len(new)

    def means(self) -> list[Floats]:
        """Return the mean of each state (states,), by layer.

        A state that was never noted has the worst of its layer, all of them 0 if none was.
        """
        count = self.noted.clamp(max=self.values.shape[-1])
        means = (self.values.double().sum(-1) / count).numpy()
        found = []
        for n, row in zip(self.sizes, means, strict=True):
            seen = row[:n][~np.isnan(row[:n])]
            found.append(np.nan_to_num(row[:n], nan=seen.min() if len(seen) else 0.0))
        return found
