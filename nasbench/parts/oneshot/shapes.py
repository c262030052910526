"""Effective shapes: what a network of the mean shapes costs (FBNetV2: Wan et al., CVPR 2020).

Of channels, expansions and pixels a side (`Space.amounts`) the cost sees the mean alone; over kinds
of layers it is averaged:

    c = sum_i g_i c_i,    C = sum_l sum_j g_lj cost_j(c_{l-1}, e_l, c_l, r)

So it ignores that what enters a layer and its hidden channels, their product with an expansion,
rise together; where costs are bilinear in channels, it is the expectation. Where g is one-hot it is
the cost.

*Our reconstruction*: the cost of a layer is known of its options, and taken as linear between two
neighbours. The paper's formulas are so in expansions and in channels that leave; in pixels and in
channels that enter, which hidden ones follow, they are quadratic.
"""

from __future__ import annotations

import torch
from torch import Tensor

from nasbench.parts.oneshot.distribution import Costs, Product


def around(p: Tensor, amounts: Tensor) -> Tensor:
    """Return weights (n,) of the two of n rising amounts that their mean by p (n,) is between."""
    mean = p @ amounts
    upper = int(torch.searchsorted(amounts, mean.detach()).clamp(1, len(amounts) - 1))
    low, high = amounts[upper - 1], amounts[upper]
    part = (mean - low) / (high - low)
    each = torch.eye(len(amounts)).to(p)
    return (1 - part) * each[upper - 1] + part * each[upper]


def effective(alpha: Product, costs: Costs, logits: Tensor | None = None) -> Tensor:
    """Return the cost of the mean shapes by `alpha`, or by other `logits` (K,), with a gradient.

    Its groups are single factors.
    """
    p = [each.softmax(0) for each in alpha.split(logits)]
    for i, (each, amounts) in enumerate(zip(p, alpha.space.amounts, strict=True)):
        if amounts is not None:
            p[i] = around(each, torch.tensor(amounts).to(each))
    return alpha.averaged(costs, p)
