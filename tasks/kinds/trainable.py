"""What all kinds of tasks share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias, get_args

from nasbench.errors import BadValue
from nasbench.images import Kind, Label
from nasbench.task import Task

if TYPE_CHECKING:
    from torch import Generator, Tensor

Decoding: TypeAlias = Literal["deconvolution", "subpixel"]
"""How features become a picture or a mask; see `heads.decoder`."""


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


def check_decoding(name: str, decoder: str, times: int) -> None:
    """Raise `BadValue` for a decoder that isn't there, or a resolution that can't be."""
    if decoder not in get_args(Decoding):
        known = " and ".join(get_args(Decoding))
        raise BadValue(f"{name} with a decoder {decoder!r}: there are {known}")
    if not (isinstance(times, int) and 1 <= times <= 8):
        raise BadValue(f"{name} decodes at one in {times} of the resolution: it can be 1 to 8")
