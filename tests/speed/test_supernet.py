"""A step of a supernet of `rooms`: one path, all options at once, beside the network on its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from nasbench.benchmark import trainable

torch = pytest.importorskip("torch")
from nasbench.live import alone  # noqa: E402
from nasbench.supernet import OneShot  # noqa: E402

ARCH = (3, 1, 3, 2, 3, 3)


@pytest.mark.parametrize("what", ["network", "path", "mixture"])
@pytest.mark.benchmark(group="a step on 64 images, cell/class_object")
def test_step(benchmark: BenchmarkFixture, what: str, tmp_path: Path) -> None:
    where, _ = trainable("rooms/cell/class_object")
    live = OneShot(where, 0, 1, np.random.default_rng(0), tmp_path / "state")
    net = live.supernet()
    x = torch.randn(64, 3, 24, 24).to(memory_format=torch.channels_last)
    target = torch.arange(64) % where.label.n
    word = [{o: torch.tensor(0.25, requires_grad=True) for o in range(4)}] * 6
    network = net.network(ARCH)

    runs = {"path": lambda: net(x, ARCH), "mixture": lambda: net(x, word)}
    runs["network"] = lambda: network(x)

    def step() -> None:
        output = runs[what]()
        where.task.loss(output, target).backward()

    with alone():
        benchmark(step)


@pytest.mark.benchmark(group="shared weights score one cell on 256 images")
def test_score(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    where, _ = trainable("rooms/cell/class_object")
    live = OneShot(where, 0, 1, np.random.default_rng(0), tmp_path / "state")
    net = live.supernet()
    with alone():
        benchmark(live.score, net, [ARCH])
