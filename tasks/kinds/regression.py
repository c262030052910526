"""Regression: some numbers for each image."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, ClassVar

from nasbench.images import Kind, Label
from nasbench.task import Meter, Metric, loss
from nasbench.tasks.kinds.trainable import Trainable

if TYPE_CHECKING:
    from torch import Tensor, nn

NEG_LOSS, LOSS = Metric("neg_loss", "max", "", (-inf, 0.0), display=-100.0), loss()


@dataclass(frozen=True)
class Regression(Trainable):
    """Numbers (B, n), on the scale on which they are told; the loss is the mean squared error."""

    metric: Metric = NEG_LOSS
    others: tuple[Metric, ...] = (LOSS,)
    kind: ClassVar[Kind] = "numbers"

    def head(self, features: tuple[int, int, int], label: Label, size: int) -> nn.Module:
        """Build global average pooling and a linear layer."""
        from nasbench.tasks.heads.linear import Linear

        return Linear(features[0], self.outputs(label))

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the squared error, its mean over images and numbers."""
        from nasbench.tasks.heads import losses

        return losses.numbers(output, target).mean()

    def meter(self, label: Label) -> Meter:
        """Begin to measure `neg_loss` and `loss`."""
        from nasbench.tasks.heads.meters import NumberMeter

        return NumberMeter()

    def predict(self, output: Tensor) -> Tensor:
        """Return the numbers."""
        from nasbench.tasks.heads.meters import finite

        return finite(output)
