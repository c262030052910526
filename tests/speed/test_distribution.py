"""How long a step of a distribution over architectures takes: entropy, a draw, and a gradient."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from nasbench.find import find
from nasbench.parts.oneshot.distribution import Enumerated
from nasbench.parts.oneshot.importance import surrogate


@pytest.mark.benchmark(group="a step of a distribution over architectures, 16 samples")
@pytest.mark.parametrize("joint", [False, True], ids=["factorised", "joint"])
@pytest.mark.parametrize("name", ["transnas_cell", "transnas_macro", "nasbench201"])
def test_step(benchmark: Any, name: str, joint: bool) -> None:
    """Promise: 2 ms."""
    distribution, rng = Enumerated(find("spaces", name)), torch.Generator().manual_seed(0)
    if joint:
        distribution = distribution.joint()
    weights = torch.full((16,), 1 / 16)

    def step() -> float:
        rows = distribution.sample(16, rng)
        surrogate(weights, distribution.log_p()[rows]).backward()
        return distribution.entropy().item()

    assert benchmark(step) > 0
