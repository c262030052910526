"""Random views of images, for learning without labels (MoCo v2: Chen et al., 2020).

Crops, flips, jitter of colours, and grey, of normalized images. *Our reconstruction*: hue and blur
are left out, for images are small; black is the darkest value of each channel in the batch, because
normalized images don't say what it is.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor
from torch.nn.functional import affine_grid, grid_sample


def view(
    x: Tensor,
    rng: Generator,
    *,
    least: float = 0.2,
    jitter: float = 0.4,
    jittered: float = 0.8,
    grey: float = 0.2,
) -> Tensor:
    """Return one view (B, 3, H, W), in channels-last order, of each image or part (..., 3, H, W).

    A crop has from `least` of the area to all of it. The share `jittered` has brightness, contrast
    and saturation times 1 - `jitter` to 1 + `jitter`, the share `grey` no colour.
    """
    cropped = crop(x.flatten(0, -4), rng, least)
    return recolour(cropped, rng, jitter, jittered, grey).contiguous(
        memory_format=torch.channels_last
    )


def crop(x: Tensor, rng: Generator, least: float = 0.2) -> Tensor:
    """Cut a rectangle out of each image, 3:4 to 4:3, resize it to (H, W), mirror every second.

    Sides that would be longer than the image's are as long.
    """
    area, shape, flip, *place = torch.rand(5, len(x), generator=rng)
    ratio = (4 / 3) ** (2 * shape - 1)
    sides = ((least + (1 - least) * area) * torch.stack([ratio, 1 / ratio])).sqrt().clamp(max=1)
    middle = (2 * torch.stack(place) - 1) * (1 - sides)
    theta = torch.zeros(len(x), 2, 3)
    theta[:, 0, 0], theta[:, 1, 1] = torch.where(flip < 0.5, -sides[0], sides[0]), sides[1]
    theta[:, :, 2] = middle.T
    grid = affine_grid(theta, list(x.shape), align_corners=False)
    return grid_sample(x, grid, padding_mode="border", align_corners=False)


def recolour(
    x: Tensor, rng: Generator, jitter: float = 0.4, jittered: float = 0.8, grey: float = 0.2
) -> Tensor:
    """Change brightness, then contrast, then saturation, then take the colour of some (`view`)."""
    drawn = torch.rand(5, len(x), 1, 1, 1, generator=rng)
    factors = torch.where(drawn[3] < jittered, 1 + jitter * (2 * drawn[:3] - 1), 1.0)
    black = x.amin((0, 2, 3), keepdim=True)
    x = torch.lerp(black, x, factors[0])
    x = torch.lerp(_grey(x).mean((2, 3), keepdim=True), x, factors[1])
    x = torch.lerp(_grey(x), x, factors[2])
    return torch.where(drawn[4] < grey, _grey(x), x)


def _grey(x: Tensor) -> Tensor:
    """Return the luma (B, 1, H, W)."""
    weights = x.new_tensor([0.299, 0.587, 0.114])
    return (x * weights[:, None, None]).sum(1, keepdim=True)
