"""Jigsaw puzzles (Noroozi & Favaro, 2016): which of some permutations shuffled nine tiles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from nasbench.errors import BadValue
from nasbench.images import Kind, Label
from nasbench.tasks.kinds.classification import Classification
from nasbench.tasks.kinds.permutations import MOST, permutations

if TYPE_CHECKING:
    from torch import Generator, Tensor, nn


@dataclass(frozen=True)
class Jigsaw(Classification):
    """The network sees nine tiles one by one; the head sees the features of all, in their order.

    The paper leaves random gaps between tiles, so that edges tell nothing. *Our reconstruction*
    leaves none: tiles of small images are small enough.
    """

    permutations: int = MOST
    kind: ClassVar[Kind] = "picture"

    def __post_init__(self) -> None:
        if self.permutations not in range(2, MOST + 1):
            raise BadValue(f"{self.name} with {self.permutations} permutations: 2 to {MOST} exist")

    def inputs(self, rgb: Tensor, told: Tensor, rng: Generator) -> tuple[Tensor, Tensor]:
        """Cut the centre of images into 3x3 tiles, and put them in the order of a permutation.

        Tile i of what is seen, (B, 9, t, t, 3), was at place `permutations()[target][i]`, places
        counted row by row. Raises `BadValue` for images of less than 3 pixels.
        """
        import torch

        size = rgb.shape[1]
        if not (tile := size // 3):
            raise BadValue(f"{self.name} cuts images into 3x3 tiles: {size} pixels are too few")
        start = (size - 3 * tile) // 2
        centre = slice(start, start + 3 * tile)
        grid = rgb[:, centre, centre].reshape(len(rgb), 3, tile, 3, tile, 3)
        tiles = grid.transpose(2, 3).flatten(1, 2)
        drawn = torch.randint(self.permutations, (len(rgb),), generator=rng, device=rng.device)
        target = drawn.to(rgb.device)
        order = torch.from_numpy(permutations()).to(rgb.device)[target]
        return tiles[torch.arange(len(rgb), device=rgb.device)[:, None], order], target

    def outputs(self, label: Label) -> int:
        """Return the number of permutations; raises `BadValue` if the label is not a picture."""
        super().outputs(label)
        return self.permutations

    def head(self, features: tuple[int, int, int], label: Label, size: int) -> nn.Module:
        """Build global average pooling of each tile, and a linear layer on all of them."""
        from nasbench.tasks.heads.linear import Linear

        return Linear(features[0], self.outputs(label), parts=9)
