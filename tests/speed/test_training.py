"""Training, beside a plain loop over a DataLoader: the same network, images and epochs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from nasbench.benchmark import trainable
from nasbench.space import Architecture

torch = pytest.importorskip("torch")
from torch.utils.data import DataLoader, Dataset  # noqa: E402

from nasbench.live import Data, Training, build, load  # noqa: E402

IMAGES = 2_048
ARCHS: dict[str, Architecture] = {"light": (1, 0, 2, 0, 1, 3), "all 3x3": (3, 3, 3, 3, 3, 3)}


class Plain(Dataset[Any]):
    """One image at a time, as most code has it: turned, scaled, normalized, with its target."""

    def __init__(self, rgb: Any, told: Any) -> None:
        self.rgb, self.told = rgb.numpy(), told.numpy()

    def __len__(self) -> int:
        return len(self.rgb)

    def __getitem__(self, index: int) -> Any:
        image = torch.from_numpy(self.rgb[index]).permute(2, 0, 1).contiguous().float().div(255)
        mean, std = torch.as_tensor([0.5] * 3), torch.as_tensor([0.5] * 3)
        image.sub_(mean.view(-1, 1, 1)).div_(std.view(-1, 1, 1))
        return image, self.told[index]


def plain(task: str, arch: Architecture) -> Callable[[], None]:
    where, _ = trainable(f"rooms/cell/{task}")
    data, recipe = load(where, "train"), where.recipe
    pixels, told = data.pick(torch.arange(IMAGES))
    images = Plain(*where.task.inputs(pixels, told, torch.Generator()))
    loader = DataLoader(images, batch_size=recipe.batch, shuffle=True, drop_last=True)
    net = build(where, arch)
    optimizer: Any = torch.optim.SGD(net.parameters(), recipe.lr, 0.9)
    if recipe.optimizer == "adam":
        optimizer = torch.optim.Adam(net.parameters(), recipe.lr)

    def epoch() -> None:
        net.train()
        for x, target in loader:
            optimizer.zero_grad()
            where.task.loss(net(x), target).backward()
            optimizer.step()

    return epoch


def ours(task: str, arch: Architecture) -> Callable[[], None]:
    where, _ = trainable(f"rooms/cell/{task}")
    training = Training(where, arch)
    training.data = Data(*training.data.pick(torch.arange(IMAGES)))
    training.steps = IMAGES // where.recipe.batch

    def epoch() -> None:
        training.epoch()

    return epoch


@pytest.mark.parametrize("arch", ARCHS.values(), ids=ARCHS)
@pytest.mark.parametrize("task", ["class_object", "segmentsemantic"])
@pytest.mark.parametrize("loop", [ours, plain])
def test_one_epoch(benchmark: Any, loop: Any, task: str, arch: Architecture) -> None:
    """Promise: 1.3 x the throughput of the plain loop, on one core."""
    benchmark.group = f"{IMAGES:,} rooms, {task}, {arch}"
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        benchmark.pedantic(loop(task, arch), rounds=5, warmup_rounds=1)
    finally:
        torch.set_num_threads(threads)
