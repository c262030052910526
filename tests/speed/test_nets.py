"""How long it takes to build a network, and to count a whole space."""

from __future__ import annotations

from typing import Any

import pytest

from nasbench import nets
from nasbench.find import find


def count_all(name: str, size: int) -> int:
    space = find("spaces", name)
    return sum(counts.macs for counts, _ in nets.count_encoders(space, space, size))


@pytest.mark.parametrize(
    ("name", "size"), [("transnas_cell", 256), ("transnas_macro", 256), ("nats_size", 32)]
)
@pytest.mark.benchmark(group="count every network of a space, from nothing")
def test_count_a_space(benchmark: Any, name: str, size: int) -> None:
    """Promise: the 4,096 cells in <= 60 s on one core."""

    def forget() -> None:
        nets._layer.cache_clear()

    assert benchmark.pedantic(count_all, (name, size), setup=forget, rounds=1) > 0


@pytest.mark.parametrize("name", ["transnas_cell", "nasbench201", "nasbench_macro"])
@pytest.mark.benchmark(group="build one network at the published scale")
def test_build(benchmark: Any, name: str) -> None:
    space = find("spaces", name)
    arch = space.read(space.example)
    assert len(list(benchmark.pedantic(space.build, (arch,), rounds=5).parameters())) > 0


@pytest.mark.benchmark(group="count one network directly")
def test_count_directly(benchmark: Any) -> None:
    space = find("spaces", "transnas_cell")
    encoder = space.build(space.read(space.example))
    assert benchmark.pedantic(nets.count, (encoder, (3, 256, 256)), rounds=3).macs > 0
