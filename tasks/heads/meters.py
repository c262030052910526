"""Meters: metrics over batches of any size, added up as integers or in 64 bits.

Where an output is not finite, the loss is infinite. For all else such an output counts as zeros.
"""

from __future__ import annotations

from math import inf, isfinite, nan

import torch
from torch import Tensor

from nasbench.images import IGNORED
from nasbench.tasks.heads import losses
from nasbench.tasks.heads.ssim import ssim


class Mean:
    """The mean of all values of all batches; NaN before there is one."""

    def __init__(self) -> None:
        self.total, self.count = 0.0, 0

    def add(self, values: Tensor) -> None:
        """Take note of values of any shape."""
        self.total += values.sum(dtype=torch.float64).item()
        self.count += values.numel()

    @property
    def value(self) -> float:
        """The mean so far."""
        return self.total / self.count if self.count else nan


class Loss(Mean):
    """The mean loss, infinite from the first output on that was not finite."""

    def add_of(self, output: Tensor, losses: Tensor) -> None:
        """Take note of an output's losses."""
        self.add(losses)
        if not (isfinite(self.total) and output.isfinite().all()):
            self.total = inf


def finite(output: Tensor) -> Tensor:
    """Put zeros in place of what is not finite."""
    return output.nan_to_num(0.0, 0.0, 0.0)


class ClassMeter:
    """`top1` and `top5` in percent, and `loss`. Of soft labels the likeliest class is true.

    Of equal logits the first counts as the larger: nothing is guessed right by saying nothing.
    """

    def __init__(self) -> None:
        self.top1, self.top5, self.loss = Mean(), Mean(), Loss()

    def add(self, output: Tensor, target: Tensor) -> None:
        """Take note of logits (B, n) and classes (B,) or probabilities (B, n)."""
        self.loss.add_of(output, losses.classes(output, target))
        true = (target if target.ndim == 1 else target.argmax(1)).unsqueeze(1)
        logits = finite(output)
        logit = logits.gather(1, true)
        first = torch.arange(logits.shape[1], device=true.device) < true
        ahead = ((logits > logit) | (logits == logit) & first).sum(1)
        self.top1.add(ahead < 1)
        self.top5.add(ahead < 5)

    def values(self) -> dict[str, float]:
        """Return the metrics over all images so far."""
        return {
            "top1": 100 * self.top1.value,
            "top5": 100 * self.top5.value,
            "loss": self.loss.value,
        }


class NumberMeter:
    """`loss`, the mean squared error over images and numbers, and its negative `neg_loss`."""

    def __init__(self) -> None:
        self.loss = Loss()

    def add(self, output: Tensor, target: Tensor) -> None:
        """Take note of two times (B, n) numbers."""
        self.loss.add_of(output, losses.numbers(output, target))

    def values(self) -> dict[str, float]:
        """Return the metrics over all images so far."""
        return {"neg_loss": -self.loss.value, "loss": self.loss.value}


class MaskMeter:
    """`mIoU` and pixel accuracy `acc` in percent, and `loss`, over all pixels of all images.

    The mean of intersection over union is over the classes that some pixel has or is said to have.
    """

    def __init__(self, classes: int) -> None:
        self.confusion, self.loss = torch.zeros(classes, classes, dtype=torch.int64), Loss()

    def add(self, output: Tensor, target: Tensor) -> None:
        """Take note of logits (B, n, H, W) and classes (B, H, W) or `IGNORED`."""
        self.loss.add_of(output, losses.pixels(output, target))
        told, n = target != IGNORED, len(self.confusion)
        pairs = target[told].long() * n + finite(output).argmax(1)[told]
        self.confusion += pairs.bincount(minlength=n * n).reshape(n, n).cpu()

    def values(self) -> dict[str, float]:
        """Return the metrics over all pixels so far."""
        confusion = self.confusion.double()
        right = confusion.diag()
        union = confusion.sum(0) + confusion.sum(1) - right
        return {
            "mIoU": 100 * (right / union)[union > 0].mean().item(),
            "acc": 100 * (right.sum() / confusion.sum()).item(),
            "loss": self.loss.value,
        }


class PictureMeter:
    """`ssim`, its mean over images, and `l1_loss`.

    The one is of pictures brought to values from 0 to 1, the other from -1 to 1, as in training.
    """

    def __init__(self) -> None:
        self.ssim, self.loss = Mean(), Loss()

    def add(self, output: Tensor, target: Tensor) -> None:
        """Take note of pictures (B, c, H, W) from -1 to 1, and (B, H, W, c) uint8."""
        self.loss.add_of(output, losses.pictures(output, target))
        made, true = finite(output).float(), losses.signal(target)
        self.ssim.add(ssim((made + 1) / 2, (true + 1) / 2))

    def values(self) -> dict[str, float]:
        """Return the metrics over all images so far."""
        return {"ssim": self.ssim.value, "l1_loss": self.loss.value}
