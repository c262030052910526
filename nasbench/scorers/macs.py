"""Multiply-adds: the dearer network is said to be better."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nasbench.scorers import Scores

if TYPE_CHECKING:
    from nasbench.correlate import Target

FACTS = ("macs", "flops", "encoder_macs", "encoder_flops")
"""The first of these that the benchmark has is taken; they order networks alike, or nearly so."""


def score(target: Target, argument: str) -> Scores:
    """Return what is recorded, or was counted by `nasbench count`. Raises `NotRecorded`."""
    return target.fact(FACTS, argument)
