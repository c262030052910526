"""Losses that weigh in what an architecture is expected to cost (ProxylessNAS: Cai et al., 2019).

`Distribution.expected` is the cost; it and the `reference` have the same unit.
"""

from __future__ import annotations

from math import log

from torch import Tensor

from nasbench.errors import BadValue


def mul_log(loss: Tensor, cost: Tensor, reference: float, a: float = 0.2, b: float = 0.3) -> Tensor:
    """Return loss * a (log cost / log reference)^b; both costs must be above 1, in their unit.

    Raises `ValueError` for a reference that is not.
    """
    if reference <= 1:
        raise ValueError(f"reference {reference}: it must be above 1, for its logarithm divides")
    return loss * a * (cost.log() / log(reference)) ** b


def add_linear(loss: Tensor, cost: Tensor, reference: float, rate: float = 0.1) -> Tensor:
    """Return loss + rate (cost - reference) / reference."""
    return loss + rate * (cost - reference) / reference


def feasible(target: float, costs: Tensor) -> None:
    """Check a target against the costs (N,) of all members, multiply-adds; raises `BadValue`."""
    least, most = int(costs.min()), int(costs.max())
    if target < least:
        raise BadValue(
            f"target {target:,.0f} multiply-adds: members of the space have {least:,} to {most:,}"
        )
