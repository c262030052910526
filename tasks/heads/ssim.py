"""Structural similarity of pictures (Wang et al., 2004)."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor
from torch.nn import functional as F

SIDE, SIGMA = 11, 1.5
"""The Gaussian window's side and standard deviation, in pixels."""


def ssim(x: Tensor, y: Tensor) -> Tensor:
    """Return the mean similarity (B,) of each two pictures (B, c, H, W) with values from 0 to 1.

    The mean is over channels and all places where the window lies within the picture. In pictures
    that are smaller than the window, its side is the largest odd number that fits.
    """
    height, width = x.shape[-2:]
    side = min(SIDE, height, width)
    side -= side % 2 == 0
    down, across = _window(height, side).to(x), _window(width, side).to(x)
    x, y = x.contiguous(), y.contiguous()
    moments = torch.stack([x, y, x.square() + y.square(), x * y])
    # Rows of all pictures at once, from the right: else there is a small product for each picture.
    rows = (moments.reshape(-1, width) @ across).reshape(-1, height, across.shape[1])
    columns = rows.mT.reshape(-1, height) @ down
    mean_x, mean_y, squares, product = columns.reshape(4, *x.shape[:2], -1, down.shape[1])
    means = mean_x.square() + mean_y.square()
    luminance = (2 * mean_x * mean_y + 0.01**2) / (means + 0.01**2)
    structure = (2 * (product - mean_x * mean_y) + 0.03**2) / (squares - means + 0.03**2)
    similarity: Tensor = luminance * structure
    return similarity.mean((1, 2, 3))


@cache
@torch.inference_mode(False)  # or else the first use could forbid gradients to all later ones
def _window(pixels: int, side: int) -> Tensor:
    """Weights (pixels, places) of a row of pixels in each place that the window can take.

    As a matrix product this is several times faster than convolutions of so few channels.
    """
    weights = torch.exp(-0.5 * ((torch.arange(side) - side // 2) / SIGMA) ** 2)
    row = F.pad(weights / weights.sum(), (0, pixels - side))
    return torch.stack([row.roll(place) for place in range(pixels - side + 1)], 1)
