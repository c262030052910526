"""Whole networks: a space's encoder and a task's head; and how large they are."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nasbench.images import Label
from nasbench.space import Architecture, Scale, Space
from nasbench.task import Task


class Network(nn.Module):
    """An encoder and a head. An image in parts, (B, parts, 3, h, w), is encoded part by part."""

    def __init__(self, encoder: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.encoder, self.head = encoder, head

    def forward(self, x: Tensor) -> Tensor:
        """Turn images (B, 3, H, W), or images in parts, into the task's output."""
        output: Tensor = self.head(self.encoder(x.flatten(0, -4)))
        return output


@dataclass(frozen=True)
class Counts:
    """Trainable parameters, and multiply-adds of convolutions and linear layers for one image."""

    params: int
    macs: int


def network(
    space: Space,
    arch: Architecture,
    task: Task,
    label: Label,
    size: int,
    scale: Scale | None = None,
) -> Network:
    """Build the network of an architecture for a task, on images of so many pixels a side."""
    raise NotImplementedError


def seen(task: Task, size: int) -> tuple[int, ...]:
    """Return the shape of what a network sees of one image: (3, H, W), or (parts, 3, h, w)."""
    rgb = torch.zeros(1, size, size, 3, dtype=torch.uint8)
    raise NotImplementedError(rgb)


def count(network: Network, shape: tuple[int, ...]) -> Counts:
    """Count a network for images of a shape."""
    raise NotImplementedError
