"""How long the dense tasks' own parts take, on one core: decoders while training, SSIM."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torchmetrics.functional.image import structural_similarity_index_measure

from nasbench.find import find
from nasbench.images import Label
from nasbench.tasks.heads.ssim import ssim

IMAGES = 64


@pytest.fixture(autouse=True)
def _one_core() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.benchmark(group="decoder, a step of 64 images without the encoder")
@pytest.mark.parametrize("features", [(64, 1, 1), (64, 4, 4)])
@pytest.mark.parametrize("size", [32, 64])
@pytest.mark.parametrize("name", ["segmentsemantic", "autoencoder"])
def test_decoder(benchmark: Any, name: str, size: int, features: tuple[int, int, int]) -> None:
    task = find("tasks", name)
    dense = name == "segmentsemantic"
    label = Label(task.label, "mask", 17) if dense else Label("rgb", "picture", 3)
    head: Any = task.head(features, label, size)
    head.to(memory_format=torch.channels_last)
    x: Any = torch.randn(IMAGES, *features).to(memory_format=torch.channels_last)
    target = torch.zeros((IMAGES, size, size) + (() if dense else (3,)), dtype=torch.uint8)
    x.requires_grad_()

    def step() -> None:
        loss: Any = task.loss(head(x), target)
        loss.backward()

    benchmark(step)


@pytest.mark.benchmark(group="SSIM of 2,048 images of 32x32, in batches of 256")
@pytest.mark.parametrize("function", [ssim, structural_similarity_index_measure])
def test_ssim(benchmark: Any, function: Any) -> None:
    batches = torch.rand(8, 2, 256, 3, 32, 32)
    options = {} if function is ssim else {"data_range": 1.0}
    benchmark.pedantic(lambda: [function(*xy, **options) for xy in batches], rounds=5)
