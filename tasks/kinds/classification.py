"""Classification: which one of n classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from nasbench.images import Kind, Label
from nasbench.task import Meter, Metric, loss, percent
from nasbench.tasks.kinds.trainable import Trainable

if TYPE_CHECKING:
    from torch import Tensor, nn

TOP1, TOP5, LOSS = percent("top1"), percent("top5"), loss()


@dataclass(frozen=True)
class Classification(Trainable):
    """Logits (B, n) of classes (B,) int64, or of soft labels: probabilities (B, n) float32.

    The loss is cross entropy. With five classes or fewer `top5` is always 100.
    """

    metric: Metric = TOP1
    others: tuple[Metric, ...] = (TOP5, LOSS)
    kind: ClassVar[Kind] = "class"

    def head(self, features: tuple[int, int, int], label: Label, size: int) -> nn.Module:
        """Build global average pooling and a linear layer."""
        from nasbench.tasks.heads.linear import Linear

        return Linear(features[0], self.outputs(label))

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the mean cross entropy."""
        from nasbench.tasks.heads import losses

        return losses.classes(output, target).mean()

    def meter(self, label: Label) -> Meter:
        """Begin to measure `top1`, `top5` and `loss`."""
        from nasbench.tasks.heads.meters import ClassMeter

        return ClassMeter()

    def predict(self, output: Tensor) -> Tensor:
        """Return the likeliest classes (B,), the first of equals."""
        from nasbench.tasks.heads.meters import finite

        return finite(output).argmax(1)
