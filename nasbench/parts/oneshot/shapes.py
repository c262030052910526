"""What a chain of layers is expected to cost while its shapes are still open, with a gradient.

A chain goes from state to state: the channels that leave a layer, or channels and resolution, or
the channels and whether the stage goes on. `start` (S,) is the distribution behind the stem,
`steps[l]` (S, S') that of layer l's state given the one before (rows sum to 1). A step whose rows
are all alike does not depend on what was before; `doublings` is one that does.

`exact` weighs the cost of every pair of states by its probability. `effective` is the cost of the
mean shapes, as FBNetV2 propagates them (Wan et al., CVPR 2020): it needs no table of costs, and
ignores that what enters and what leaves a layer may be correlated. Costs are in whatever unit they
are given: multiply-adds, parameters, seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Cost = Callable[[Tensor, Tensor], Tensor]
"""What a layer costs, given the channels that enter and that leave it."""


def marginals(start: Tensor, steps: Sequence[Tensor]) -> list[Tensor]:
    """Return the distribution (S,) of the state behind the stem and behind each layer."""
    found = [start]
    for step in steps:
        found.append(found[-1] @ step)
    return found


def exact(start: Tensor, steps: Sequence[Tensor], costs: Sequence[Tensor]) -> Tensor:
    """Return E[sum of costs], for costs (S, S') of each layer by the states around it."""
    before = marginals(start, steps)[:-1]
    each = zip(before, steps, costs, strict=True)
    return torch.stack([(q[:, None] * step * cost).sum() for q, step, cost in each]).sum()


def effective(
    start: Tensor, steps: Sequence[Tensor], channels: Sequence[Tensor], costs: Sequence[Cost]
) -> Tensor:
    """Return the sum of costs at mean shapes; `channels[l]` (S,) are those of each state.

    There is one more of these than of layers: the first is behind the stem.
    """
    means = [q @ c.to(q) for q, c in zip(marginals(start, steps), channels, strict=True)]
    each = [cost(means[i], means[i + 1]) for i, cost in enumerate(costs)]
    return torch.stack(each).sum()


def free(p: Tensor, states: int = 1) -> Tensor:
    """Return the step (states, S') to a state that depends on nothing: p (S',) is its own."""
    return p.expand(states, -1)


def doublings(p: Tensor, most: int) -> Tensor:
    """Return the step (most + 1, most + 1) between numbers of doublings, with probability p of one.

    Beyond the most there is no other. Of halvings it is the same; `torch.kron` joins two of them.
    """
    levels = torch.arange(most + 1)
    same = torch.eye(most + 1, dtype=p.dtype)
    more = torch.eye(most + 1, dtype=p.dtype)[(levels + 1).clamp(max=most)]
    return same + p * (more - same)


def mixed(table: Tensor, weights: Sequence[Tensor]) -> Tensor:
    """Average a table (S, S', n, m, ...) over its last axes, by the weights (n,), (m,) ... of each.

    So options of a layer that change no shape (kernel, SE) get into its costs.
    """
    for p in reversed(weights):
        table = table.to(p) @ p
    return table


def convolution(
    c_in: Tensor, c_out: Tensor, pixels: Tensor | float, kernel: int, groups: Tensor | float = 1
) -> Tensor:
    """Return the multiply-adds of a convolution that gives so many pixels; weights, for one pixel.

    A depthwise one has `c_in` groups.
    """
    return kernel**2 * pixels * c_in * c_out / groups


def inverted(
    c_in: Tensor,
    hidden: Tensor,
    c_out: Tensor,
    before: Tensor | float,
    after: Tensor | float,
    kernel: int,
    squeeze: Tensor | float = 0.0,
) -> Tensor:
    """Return the multiply-adds of an inverted residual that widens (FBNetV2's effective shapes).

    `before` and `after` are pixels around its stride; `squeeze` channels are in its SE's middle.
    """
    widen, narrow = c_in * hidden * before, hidden * c_out * after
    return widen + kernel**2 * hidden * after + narrow + 2 * hidden * squeeze
