"""Segmentation: a class for each pixel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from nasbench.errors import BadValue
from nasbench.images import IGNORED, Kind, Label
from nasbench.task import Meter, Metric, loss, percent
from nasbench.tasks.kinds.trainable import Decoding, Trainable, check_decoding

if TYPE_CHECKING:
    from torch import Generator, Tensor, nn

MIOU, ACC, LOSS = percent("mIoU"), percent("acc"), loss()


@dataclass(frozen=True)
class Segmentation(Trainable):
    """Logits (B, n, H, W) of classes (B, H, W) uint8.

    The loss is cross entropy, its mean over the pixels of a batch whose class is told. In training
    a pixel weighs the number of pixels of its class in the batch to the power of -`balance`: 0 is
    the plain mean, 1 counts each class alike. `decoder` is that of `heads.decoder`; of every
    `every` rows and columns of pixels the first are decoded, and the others neither trained nor
    measured.
    """

    metric: Metric = MIOU
    others: tuple[Metric, ...] = (ACC, LOSS)
    decoder: Decoding = "deconvolution"
    every: int = 1
    balance: float = 0.0
    kind: ClassVar[Kind] = "mask"

    def __post_init__(self) -> None:
        check_decoding(self.name, self.decoder, self.every)
        if not 0 <= self.balance <= 1:
            raise BadValue(f"{self.name} with balance {self.balance}: it is from 0 to 1")

    def inputs(self, rgb: Tensor, told: Tensor, rng: Generator) -> tuple[Tensor, Tensor]:
        """Return the images, and the classes of the pixels that are decoded."""
        return rgb, told[:, :: self.every, :: self.every]

    def head(self, features: tuple[int, int, int], label: Label, size: int) -> nn.Module:
        """Build a decoder."""
        from nasbench.tasks.heads.decoder import decoder

        return decoder(self.decoder, features, self.outputs(label), -(-size // self.every))

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the weighted mean of cross entropies, 0 where no pixel's class is told."""
        from nasbench.tasks.heads import losses

        told = losses.pixels(output, target)
        if not self.balance:
            return told.sum() / max(len(told), 1)
        classes = target[target != IGNORED].long()
        weights = classes.bincount().clamp(min=1).float().pow(-self.balance)[classes]
        return (told * weights).sum() / weights.sum().clamp(min=1e-9)

    @property
    def trained_on(self) -> str:
        """The cross entropy, if all pixels weigh the same."""
        return "" if self.balance else super().trained_on

    def meter(self, label: Label) -> Meter:
        """Begin to measure `mIoU`, `acc` and `loss`."""
        from nasbench.tasks.heads.meters import MaskMeter

        return MaskMeter(self.outputs(label))

    def predict(self, output: Tensor) -> Tensor:
        """Return each pixel's likeliest class (B, H, W) uint8, the first of equals."""
        import torch

        from nasbench.tasks.heads.meters import finite

        return finite(output).argmax(1).to(torch.uint8)
