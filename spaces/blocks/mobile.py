"""The inverted residual block of MobileNetV2 (Sandler et al., 2018)."""

from __future__ import annotations

from torch import Tensor, nn

from nasbench.spaces.blocks.convolution import conv, conv_bn, conv_bn_relu


class InvertedResidual(nn.Module):
    """Widen by `expansion`, a depthwise convolution, narrow; added to its input if the shape stays.

    BN behind every convolution, ReLU behind the first two.
    """

    def __init__(self, c_in: int, c_out: int, stride: int, expansion: int, kernel: int) -> None:
        super().__init__()
        hidden = expansion * c_in
        self.body = nn.Sequential(
            conv_bn_relu(c_in, hidden),
            conv(hidden, hidden, stride, kernel, groups=hidden),
            nn.BatchNorm2d(hidden),
            nn.ReLU(),
            conv_bn(hidden, c_out),
        )
        self.keeps = stride == 1 and c_in == c_out

    def forward(self, x: Tensor) -> Tensor:
        """Turn (B, c_in, h, w) into (B, c_out, ceil(h / stride), ceil(w / stride))."""
        y: Tensor = self.body(x)
        return y + x if self.keeps else y
