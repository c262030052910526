"""Losses before they are averaged, so that what is trained and what is measured are the same."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from nasbench.images import IGNORED


def classes(output: Tensor, target: Tensor) -> Tensor:
    """Cross entropies (B,) of logits (B, n); the target is classes (B,) or probabilities (B, n)."""
    return F.cross_entropy(output.float(), target, reduction="none")


def numbers(output: Tensor, target: Tensor) -> Tensor:
    """Squared errors (B, n)."""
    return (output.float() - target).square()


def pixels(output: Tensor, target: Tensor) -> Tensor:
    """Cross entropies of the pixels whose class is told, in a row.

    The output is logits (B, n, H, W), the target classes (B, H, W) or `IGNORED`.
    """
    losses = F.cross_entropy(output.float(), target.long(), ignore_index=IGNORED, reduction="none")
    return losses[target != IGNORED]


def pictures(output: Tensor, target: Tensor) -> Tensor:
    """Absolute errors (B, c, H, W) on the output's scale; the target is (B, H, W, c) uint8."""
    return (output.float() - signal(target)).abs()


def signal(picture: Tensor) -> Tensor:
    """Bring pictures (B, H, W, c) uint8 into the form of outputs: (B, c, H, W), from -1 to 1."""
    return picture.movedim(-1, 1) / 127.5 - 1
