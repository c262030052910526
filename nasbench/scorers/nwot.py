"""A zero-cost proxy: how unlike the signs of images are (Mellor et al., ICML 2021)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nasbench.scorers import Scores

if TYPE_CHECKING:
    from nasbench.correlate import Target


def score(target: Target, argument: str) -> Scores:
    """Return what `nasbench.proxies` says; the argument is that of `Target.proxy`."""
    return target.proxy("nwot", argument)
