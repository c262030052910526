"""Pictures: the image itself, or another of the same size."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, ClassVar

from nasbench.errors import BadValue
from nasbench.images import Kind, Label
from nasbench.task import Meter, Metric, loss
from nasbench.tasks.kinds.trainable import Decoding, Trainable, check_decoding

if TYPE_CHECKING:
    from torch import Tensor, nn

SSIM, L1_LOSS = Metric("ssim", "max", "", (-1.0, 1.0), display=100.0), loss("l1_loss")


@dataclass(frozen=True)
class Picture(Trainable):
    """Pictures (B, c, H, W) from -1 to 1, of (B, H, W, c) uint8; the loss is L1 on that scale.

    `adversarial` is the weight of the critic's part in the loss, that of L1 being 1: 0.01 / 0.99 in
    the configurations of TransNAS-Bench-101. `dissimilarity` is the weight of 1 - SSIM in it, as in
    Zhao et al., 2017. Neither is added by default. `decoder` and `coarse` are those of
    `heads.decoder`.
    """

    metric: Metric = SSIM
    others: tuple[Metric, ...] = (L1_LOSS,)
    adversarial: float = 0.0
    dissimilarity: float = 0.0
    decoder: Decoding = "deconvolution"
    coarse: int = 1
    kind: ClassVar[Kind] = "picture"

    def __post_init__(self) -> None:
        for name in ("adversarial", "dissimilarity"):
            if not 0 <= getattr(self, name) < inf:
                raise BadValue(f"{self.name} with {name} {getattr(self, name)}: it is 0 or above")
        check_decoding(self.name, self.decoder, self.coarse)

    def head(self, features: tuple[int, int, int], label: Label, size: int) -> nn.Module:
        """Build a decoder that ends in a hyperbolic tangent."""
        from torch import nn

        from nasbench.tasks.heads.decoder import decoder

        made = decoder(self.decoder, features, self.outputs(label), size, self.coarse)
        return nn.Sequential(made, nn.Tanh())

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the mean absolute error over images, pixels and channels, and what is added."""
        from nasbench.tasks.heads import losses

        absolute = losses.pictures(output, target).mean()
        if not self.dissimilarity:
            return absolute
        from nasbench.tasks.heads.ssim import ssim

        alike = ssim((output.float() + 1) / 2, (losses.signal(target) + 1) / 2).mean()
        return absolute + self.dissimilarity * (1 - alike)

    @property
    def trained_on(self) -> str:
        """The absolute error, if it's alone."""
        return "" if self.dissimilarity else super().trained_on

    def critic(self, label: Label, size: int) -> nn.Module | None:
        """Build a critic of patches, if it has a weight."""
        from nasbench.tasks.heads.critic import Critic

        return Critic(self.outputs(label)) if self.adversarial else None

    def adversarial_losses(
        self, critic: nn.Module, output: Tensor, target: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the critic's loss, and its weighted part in the network's."""
        from nasbench.tasks.heads.critic import adversarial

        own, part = adversarial(critic, output, target)
        return own, self.adversarial * part

    def meter(self, label: Label) -> Meter:
        """Begin to measure `ssim` and `l1_loss`."""
        from nasbench.tasks.heads.meters import PictureMeter

        return PictureMeter()

    def predict(self, output: Tensor) -> Tensor:
        """Return pictures (B, H, W, c) uint8."""
        import torch

        from nasbench.tasks.heads.meters import finite

        return ((finite(output).float() + 1) * 127.5).round().to(torch.uint8).movedim(1, -1)
