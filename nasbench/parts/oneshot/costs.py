"""Losses that weigh in what an architecture is expected to cost (ProxylessNAS: Cai et al., 2019).

`Distribution.expected` is the cost; it and the `reference` have the same unit.
"""

from __future__ import annotations

from math import log

from torch import Tensor


def mul_log(loss: Tensor, cost: Tensor, reference: float, a: float = 0.2, b: float = 0.3) -> Tensor:
    """Return loss * a (log cost / log reference)^b; both costs must be above 1, in their unit.

    Raises `ValueError` for one that is not.
    """
    if reference <= 1 or float(cost.detach()) <= 1:
        raise ValueError(
            f"an expected cost of {float(cost.detach()):.3g} and a reference of {reference:.3g}: "
            "both must be above 1, because this penalty takes their logarithms"
        )
    return loss * a * (cost.log() / log(reference)) ** b


def add_linear(loss: Tensor, cost: Tensor, reference: float, rate: float = 0.1) -> Tensor:
    """Return loss + rate (cost - reference) / reference; raises `ValueError` for none below 0."""
    if reference <= 0:
        raise ValueError(f"a reference of {reference}: it must be above 0")
    return loss + rate * (cost - reference) / reference
