"""From features to a picture: `decoder` makes the part of a head that does it.

"deconvolution": transposed convolutions, each of which doubles the resolution.

TransNAS-Bench-101 (Duan et al., 2021) decodes masks by eight convolutions and deconvolutions and
pictures by a deconvolution generator, at 256 pixels; widths and kernels were not published. *Our
reconstruction* takes the kernel of 4 and stride of 2 of DCGAN (Radford et al., 2016) and pix2pix
(Isola et al., 2017), and as many layers as the way up from an encoder's output needs.

"subpixel": one linear layer at each place of the features, which says all pixels of the square that
lies there (the sub-pixel convolution of Shi et al., 2016, without layers before it). What it costs
is little beside the encoder, and what it can't do, the encoder must.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

NARROWEST = 16
"""Channels that are left at least, however often they were halved."""


class Decoder(nn.Module):
    """Turn features (B, C, h, w) into (B, outputs, size, size), whatever C, h, w and size are.

    Each layer but the last halves the channels, and is followed by batch normalization and ReLU.
    The resolutions are those of an encoder that halves `size` rounding up, in reverse; features
    that are between two of them are first resized to the larger.
    """

    def __init__(self, features: tuple[int, int, int], outputs: int, size: int) -> None:
        super().__init__()
        channels, height, _ = features
        self.sizes = [size]
        while height <= (half := (self.sizes[0] + 1) // 2) < self.sizes[0]:
            self.sizes.insert(0, half)
        self.layers = nn.ModuleList()
        for _ in self.sizes[1:-1]:
            width = max(channels // 2, NARROWEST)
            double = nn.ConvTranspose2d(channels, width, 4, 2, 1, bias=False)
            self.layers.append(nn.Sequential(double, nn.BatchNorm2d(width), nn.ReLU()))
            channels = width
        if self.sizes[1:]:
            self.layers.append(nn.ConvTranspose2d(channels, outputs, 4, 2, 1))
        else:
            self.layers.append(nn.Conv2d(channels, outputs, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        """Decode; what a doubling has beyond an odd size is cut off."""
        if x.shape[-2:] != (self.sizes[0], self.sizes[0]):
            x = F.interpolate(x, self.sizes[0])
        for layer, size in zip(self.layers, self.sizes[1:] or self.sizes, strict=True):
            x = layer(x)[..., :size, :size]
        return x


class Subpixel(nn.Module):
    """Turn features (B, C, h, w) into (B, outputs, size, size), by squares of pixels.

    What squares are together, if it isn't that size, is interpolated.
    """

    def __init__(self, features: tuple[int, int, int], outputs: int, size: int) -> None:
        super().__init__()
        channels, height, _ = features
        self.size, side = size, -(-size // height)
        self.squares = nn.Conv2d(channels, outputs * side**2, 1)
        self.shuffle = nn.PixelShuffle(side)

    def forward(self, x: Tensor) -> Tensor:
        """Decode."""
        output: Tensor = self.shuffle(self.squares(x))
        if output.shape[-2:] == (self.size, self.size):
            return output
        return F.interpolate(output, self.size, mode="bilinear")


def decoder(
    how: str, features: tuple[int, int, int], outputs: int, size: int, coarse: int = 1
) -> nn.Module:
    """Build what turns features (B, C, h, w) into (B, outputs, size, size).

    It decodes to a `coarse`-th of the resolution, rounded up, and interpolates from there.
    """
    made = (Subpixel if how == "subpixel" else Decoder)(features, outputs, -(-size // coarse))
    return made if coarse == 1 else nn.Sequential(made, nn.Upsample(size, mode="bilinear"))
