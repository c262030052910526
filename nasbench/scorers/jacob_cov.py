"""A zero-cost proxy: how unlike the slopes of images are (Mellor et al., 2020)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nasbench.scorers import Scores

if TYPE_CHECKING:
    from nasbench.correlate import Target


def score(target: Target, argument: str) -> Scores:
    """Return what `nasbench.proxies` says; the argument is that of `Target.proxy`."""
    return target.proxy("jacob_cov", argument)
