"""A layer whose width is open: how time and memory grow with the options, masked and branched."""

from __future__ import annotations

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

torch = pytest.importorskip("torch")
from tests.test_slimmable import Branches, chain, weights  # noqa: E402


@pytest.mark.parametrize("options", [2, 8, 32])
@pytest.mark.parametrize("kind", ["masked", "branched"])
@pytest.mark.benchmark(group="a step of a layer with open width, 32 channels, 64 x 24 x 24")
def test_step(benchmark: BenchmarkFixture, kind: str, options: int) -> None:
    """Promise: 32 options, masked, take at most 10 % more than 2."""
    torch.manual_seed(0)
    net = chain(options) if kind == "masked" else Branches(options)
    x = torch.randn(64, 3, 24, 24)

    def step() -> None:
        net(x, [weights(options), {0: None}])[0][1].square().mean().backward()

    benchmark(step)
