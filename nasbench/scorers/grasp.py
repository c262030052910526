"""A zero-cost proxy: what pruning does to the gradient (GraSP: Wang et al., ICLR 2020)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nasbench.scorers import Scores

if TYPE_CHECKING:
    from nasbench.correlate import Target


def score(target: Target, argument: str) -> Scores:
    """Return what `nasbench.proxies` says; the argument is that of `Target.proxy`."""
    return target.proxy("grasp", argument)
