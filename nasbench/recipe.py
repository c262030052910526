"""How a benchmark trains: images, size of the network, length and optimizer. No torch here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from typing import Any, Literal

from nasbench.errors import BadValue
from nasbench.space import Scale


@dataclass(frozen=True)
class Recipe:
    """All that a training depends on beside space, architecture, task and seed.

    `train`, `valid` and `test` are numbers of images (None: all there are), `size` their height and
    width in pixels, `scale` that of the network (None: the space's own). `lr` is the peak of the
    schedule, which warms up over the first `warmup` part of the steps: "one_cycle" and "cosine"
    fall to zero. `options` are fields of the task to be replaced: `{"permutations": 64}`.
    """

    images: str
    size: int
    epochs: int
    batch: int
    lr: float
    train: int | None = None
    valid: int | None = None
    test: int | None = None
    scale: Scale | None = None
    optimizer: Literal["sgd", "adam"] = "sgd"
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 0.0
    schedule: Literal["one_cycle", "cosine"] = "one_cycle"
    warmup: float = 0.0
    augment: Literal["", "flip", "flip_crop"] = ""
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def __post_init__(self) -> None:
        for name in ("size", "epochs", "batch", "lr"):
            if not getattr(self, name) > 0:
                raise BadValue(f"a recipe with {name} {getattr(self, name)}: it must be above 0")

    @property
    def digest(self) -> str:
        """A short checksum: trainings by different recipes are different trainings."""
        return sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]
