"""The other half of an adversarial loss: a network that tells true pictures from made ones.

TransNAS-Bench-101 (Duan et al., 2021) adds such a loss to L1, with weights that were not published.
The losses are those of pix2pix (Isola et al., 2017). *Our reconstruction*: the critic sees nothing
but the picture, and is two layers shorter than the published one of 256 pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nasbench.tasks.heads.losses import signal


class Critic(nn.Sequential):
    """Turn pictures (B, channels, H, W) into a logit for each patch of 15 pixels: is it true?"""

    def __init__(self, channels: int) -> None:
        super().__init__(
            nn.Conv2d(channels, 32, 3, 2, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(32, 64, 3, 2, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(64, 1, 3, padding=1),
        )


def adversarial(critic: nn.Module, output: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Return what the critic minimises, and what the network that made the output does.

    Both are cross entropies of true or made; the critic's is halved, which slows it down.
    """
    true, made = critic(signal(target)), critic(output.detach())
    own = torch.stack([F.softplus(-true).mean(), F.softplus(made).mean()]).mean()
    return own, F.softplus(-critic(output)).mean()
