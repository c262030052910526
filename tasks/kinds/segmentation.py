"""Segmentation: a class for each pixel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from nasbench.images import Kind, Label
from nasbench.task import Meter, Metric, loss, percent
from nasbench.tasks.kinds.trainable import Trainable

if TYPE_CHECKING:
    from torch import Tensor, nn

MIOU, ACC, LOSS = percent("mIoU"), percent("acc"), loss()


@dataclass(frozen=True)
class Segmentation(Trainable):
    """Logits (B, n, H, W) of classes (B, H, W) uint8.

    The loss is cross entropy, its mean over the pixels of a batch whose class is told.
    """

    metric: Metric = MIOU
    others: tuple[Metric, ...] = (ACC, LOSS)
    kind: ClassVar[Kind] = "mask"

    def head(self, features: tuple[int, int, int], label: Label, size: int) -> nn.Module:
        """Build a decoder."""
        from nasbench.tasks.heads.decoder import Decoder

        return Decoder(features, self.outputs(label), size)

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the mean cross entropy, 0 where no pixel's class is told."""
        from nasbench.tasks.heads import losses

        told = losses.pixels(output, target)
        return told.sum() / max(len(told), 1)

    def meter(self, label: Label) -> Meter:
        """Begin to measure `mIoU`, `acc` and `loss`."""
        from nasbench.tasks.heads.meters import MaskMeter

        return MaskMeter(self.outputs(label))

    def predict(self, output: Tensor) -> Tensor:
        """Return each pixel's likeliest class (B, H, W) uint8, the first of equals."""
        import torch

        from nasbench.tasks.heads.meters import finite

        return finite(output).argmax(1).to(torch.uint8)
