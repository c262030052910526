"""Global average pooling and a linear layer: classes and numbers."""

from __future__ import annotations

from torch import Tensor, nn


class Linear(nn.Module):
    """Turn features (B * parts, C, h, w) into (B, outputs), by way of the parts' means, joined."""

    def __init__(self, channels: int, outputs: int, parts: int = 1) -> None:
        super().__init__()
        self.linear = nn.Linear(channels * parts, outputs)

    def forward(self, features: Tensor) -> Tensor:
        """Pool and weigh."""
        means = features.mean((2, 3)).reshape(-1, self.linear.in_features)
        output: Tensor = self.linear(means)
        return output
