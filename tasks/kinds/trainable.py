"""What all kinds of tasks share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from nasbench.errors import BadValue
from nasbench.images import Kind, Label
from nasbench.task import Task

if TYPE_CHECKING:
    from torch import Generator, Tensor


@dataclass(frozen=True)
class Trainable(Task):
    """A network sees the image as it is, and learns what a label of this `kind` tells."""

    kind: ClassVar[Kind]

    def inputs(self, rgb: Tensor, told: Tensor, rng: Generator) -> tuple[Tensor, Tensor]:
        """Return the images, and what is told about them."""
        return rgb, told

    def outputs(self, label: Label) -> int:
        """Return how many classes, numbers or channels there are; `BadValue` for another kind."""
        if label.kind == self.kind:
            return label.n
        raise BadValue(
            f"{self.name} learns from a label of the kind {self.kind!r}, "
            f"and {label.name!r} is of the kind {label.kind!r}"
        )
