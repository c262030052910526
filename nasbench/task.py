"""A task: what an architecture is trained for, and which way its metrics improve."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from nasbench.errors import NotApplicable, NotRecorded
from nasbench.images import Label

if TYPE_CHECKING:
    from torch import Generator, Tensor, nn

Goal: TypeAlias = Literal["max", "min"]


@dataclass(frozen=True)
class Metric:
    """A quantity in the unit its source uses. Its goal is written here once and nowhere else.

    `display` turns a value into what papers print: room layout's `neg_loss` of -0.5938 is printed
    as 59.38 (a loss times 100, less is better), an `ssim` of 0.5962 as 59.62.
    """

    name: str
    goal: Goal
    unit: str = ""
    bounds: tuple[float, float] = (-inf, inf)
    display: float = 1.0

    @property
    def sign(self) -> int:
        """+1 where more is better, -1 where less is: `score = sign * value`."""
        return 1 if self.goal == "max" else -1


class Meter(Protocol):
    """Adds up what a task measures, batch after batch."""

    def add(self, output: Tensor, target: Tensor) -> None:
        """Take note of one batch: what the network said, and what is true."""

    def values(self) -> dict[str, float]:
        """Return every metric of the task, by name and in its unit, over all batches so far."""


@dataclass(frozen=True)
class Task:
    """A name, the metric that decides, and the others that are measured beside it.

    Epochs and class counts come with a benchmark. A task that can be trained says its `label`, what
    a source must tell about images, and has the methods below (`tasks/kinds/`); here they raise
    `NotApplicable`.
    """

    name: str
    metric: Metric
    others: tuple[Metric, ...] = ()
    label: str = ""

    def inputs(self, rgb: Tensor, told: Tensor, rng: Generator) -> tuple[Tensor, Tensor]:
        """Make what the network sees, and the target, of images (B, H, W, 3) uint8 and labels.

        What it sees is uint8 too: (B, H, W, 3), or (B, parts, h, w, 3) for networks that see an
        image in parts. All randomness is drawn from `rng`.
        """
        raise self._no("inputs")

    def head(self, features: tuple[int, int, int], label: Label, size: int) -> nn.Module:
        """Build what turns features (B, C, h, w) into the output, of images `size` high and wide.

        Of networks that see an image in parts the features are those of (B * parts) images.
        """
        raise self._no("head")

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the mean loss of a batch, a scalar to be minimised."""
        raise self._no("loss")

    @property
    def trained_on(self) -> str:
        """The metric that `loss` is; "" where something is added to it, or none is."""
        losses = (metric.name for metric in self if metric.goal == "min")
        return next((name for name in losses if name in ("loss", "l1_loss")), "")

    def critic(self, label: Label, size: int) -> nn.Module | None:
        """Build the network that an adversarial loss sets against ours; None without such a loss.

        It has an optimizer of its own, and is no part of what is measured.
        """
        return None

    def adversarial_losses(
        self, critic: nn.Module, output: Tensor, target: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return what the critic minimises, and what is added to `loss`; scalars of a batch.

        The former sends no gradient to the network. The latter does send one to the critic: set its
        gradients to zero in between.
        """
        raise self._no("adversarial losses")

    def meter(self, label: Label) -> Meter:
        """Begin to measure."""
        raise self._no("metrics")

    def predict(self, output: Tensor) -> Tensor:
        """Turn an output into what it says about each image, in the form of the target."""
        raise self._no("prediction")

    def _no(self, what: str) -> NotApplicable:
        return NotApplicable(
            f"not applicable: the task {self.name} can't be trained, has no {what}"
        )

    def __iter__(self) -> Iterator[Metric]:
        yield self.metric
        yield from self.others

    def __getitem__(self, name: str) -> Metric:
        for metric in self:
            if metric.name == name:
                return metric
        known = ", ".join(metric.name for metric in self)
        raise NotRecorded(f"{self.name} has no metric {name!r}; it has {known}")


def percent(name: str) -> Metric:
    """Make an accuracy-like metric: more is better, from 0 to 100."""
    return Metric(name, "max", "%", (0.0, 100.0))


def loss(name: str = "loss") -> Metric:
    """Make a loss: less is better, never negative; it can diverge to `inf`."""
    return Metric(name, "min", "", (0.0, inf))
