"""The inverted residual block of MobileNetV2 (Sandler et al., 2018), as MobileNetV3 has it, too."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor, nn

from nasbench.spaces.blocks.convolution import conv, conv_bn

ACTIVATIONS: Mapping[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "hswish": nn.Hardswish,
    "swish": nn.SiLU,
}


class SqueezeExcite(nn.Module):
    """Gates of channels (Hu et al., 2018; hard sigmoid: Howard et al., 2019).

    A mean over pixels, a 1x1 convolution to `middle` channels, ReLU, another one back; with biases.
    """

    def __init__(self, channels: int, middle: int) -> None:
        super().__init__()
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(channels, middle, 1),
            nn.ReLU(),
            nn.Conv2d(middle, channels, 1),
            nn.Hardsigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape (B, C, h, w)."""
        y: Tensor = x * self.gate(x)
        return y


class InvertedResidual(nn.Module):
    """Widen to `hidden`, a depthwise convolution, narrow; added to its input if the shape stays.

    BN behind every convolution, an activation behind the first two; where `hidden` channels enter,
    nothing widens. `squeeze` channels are in the middle of a `SqueezeExcite` behind the depthwise
    convolution; none where it is 0.
    """

    def __init__(
        self,
        c_in: int,
        c_out: int,
        stride: int,
        hidden: int,
        kernel: int,
        activation: str = "relu",
        squeeze: int = 0,
    ) -> None:
        super().__init__()
        act = ACTIVATIONS[activation]
        widen = [nn.Sequential(*conv_bn(c_in, hidden), act())] if hidden != c_in else []
        self.body = nn.Sequential(
            *widen,
            conv(hidden, hidden, stride, kernel, groups=hidden),
            nn.BatchNorm2d(hidden),
            act(),
            *([SqueezeExcite(hidden, squeeze)] if squeeze else []),
            conv_bn(hidden, c_out),
        )
        self.keeps = stride == 1 and c_in == c_out

    def forward(self, x: Tensor) -> Tensor:
        """Turn (B, c_in, h, w) into (B, c_out, ceil(h / stride), ceil(w / stride))."""
        y: Tensor = self.body(x)
        return y + x if self.keeps else y
