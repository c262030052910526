"""How a benchmark trains, and what came of a training: plain data, no torch here."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property
from hashlib import sha256
from math import cos, pi
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from nasbench.errors import BadValue
from nasbench.find import find
from nasbench.images import Images, Label, Split, Wanted
from nasbench.space import Architecture, Scale, Space
from nasbench.task import Task

VERSION = 1
"""Of what networks, tasks and the trainer compute: to be raised when equal recipes give others."""


@dataclass(frozen=True)
class Recipe:
    """All that a training depends on beside space, architecture, task and seed.

    `train`, `valid` and `test` are numbers of images (None: all there are), `size` their height and
    width in pixels, `scale` that of the network (None: the space's own). The learning rate rises to
    `lr` over the first `warmup` part of the steps and falls to zero over the rest, linearly or by a
    cosine, or stays; "adam" has `momentum` as its first beta. `options` are fields of the task to
    be replaced: `{"permutations": 64}`.
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
    schedule: Literal["linear", "cosine", "constant"] = "cosine"
    warmup: float = 0.0
    augment: Literal["", "flip", "flip_crop"] = ""
    options: Mapping[str, Any] = field(default_factory=dict[str, Any], hash=False)

    def __post_init__(self) -> None:
        for name in ("size", "epochs", "batch", "lr"):
            if not getattr(self, name) > 0:
                raise BadValue(f"a recipe with {name} {getattr(self, name)}: it must be above 0")
        if self.batch < 2:
            raise BadValue("a recipe with batches of 1: batch normalization needs at least 2")
        for name in ("warmup", "momentum"):
            if not 0 <= getattr(self, name) < 1:
                part = getattr(self, name)
                raise BadValue(f"a recipe with {name} {part}: it must be from 0 to below 1")
        if self.nesterov and not (self.optimizer == "sgd" and self.momentum):
            raise BadValue("a recipe with nesterov: it needs sgd with momentum")
        for name, hint in get_type_hints(Recipe).items():
            if get_origin(hint) is Literal and getattr(self, name) not in get_args(hint):
                known = ", ".join(map(repr, get_args(hint)))
                raise BadValue(f"a recipe with {name} {getattr(self, name)!r}: there are {known}")

    def rate(self, done: float) -> float:
        """Return the learning rate when a part of the training, 0 to 1, is done."""
        if done < self.warmup:
            return self.lr * done / self.warmup
        if self.schedule == "constant":
            return self.lr
        left = (1 - done) / (1 - self.warmup)
        return self.lr * ((1 - cos(pi * left)) / 2 if self.schedule == "cosine" else left)


@dataclass(frozen=True)
class Live:
    """What of a benchmark can be trained: its spaces under the names tables have, its tasks.

    `scales` are those of networks in spaces where a recipe's is not meant.
    """

    spaces: Mapping[str, str]
    recipes: Mapping[str, Recipe]
    scales: Mapping[str, Scale] = field(default_factory=dict[str, Scale])

    @property
    def tables(self) -> dict[str, tuple[str, ...]]:
        """The spaces, and the tasks of each, as a benchmark's file lists them."""
        return {space: tuple(self.recipes) for space in self.spaces}

    def trainable(self, bench: str, space: str, task: str, images: Path | None) -> Trainable:
        """Return one space on one task, as the benchmark of that name trains it."""
        recipe = self.recipes[task]
        if space in self.scales:
            recipe = replace(recipe, scale=self.scales[space])
        return Trainable(f"{bench}/{space}/{task}", self.spaces[space], recipe, images)


@dataclass(frozen=True)
class Trainable:
    """One space on one task, trained by a recipe: what a table is where results are looked up.

    `path` is where the images are, if they are the user's. Its fields have the names that a table's
    have: `answers` says that an answer is the last epoch's value. With `like`, an architecture, the
    space is of those that differ from it in widths alone.
    """

    address: str
    space_name: str
    recipe: Recipe
    path: Path | None = None
    schedule: str = "live"
    answers: str = "final"
    like: Architecture | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """Send names to other processes, not what was found by them: it may be from a file."""
        return type(self), tuple(getattr(self, field.name) for field in fields(self))

    @cached_property
    def space(self) -> Space:
        """The space."""
        space = find("spaces", self.space_name)
        return space if self.like is None else space.only_widths(self.like)

    @cached_property
    def task(self) -> Task:
        """The task, with the recipe's options."""
        task = find("tasks", self.address.rpartition("/")[2])
        try:
            return replace(task, **self.recipe.options)
        except TypeError as error:
            raise BadValue(f"{self.address}: options of its recipe can't be: {error}") from error

    @property
    def trained_by(self) -> Trainable:
        """Itself: as a table has it."""
        return self

    @property
    def epochs(self) -> int:
        """Length of a full training."""
        return self.recipe.epochs

    @cached_property
    def images(self) -> Images:
        """The source of images."""
        return find("images", self.recipe.images)

    @cached_property
    def label(self) -> Label:
        """What the images tell of what is trained for; raises `NotRecorded` if they don't."""
        label = self.images.label(self.task.label)
        if self.recipe.augment and label.kind != "class":
            raise BadValue(f"{self.address}: a recipe can't {self.recipe.augment} a {label.kind}")
        return label

    def wanted(self, split: Split, tick: Callable[[int, int], None] | None = None) -> Wanted:
        """Say which images of a split are trained or measured on."""
        recipe, told = self.recipe, {} if tick is None else {"tick": tick}
        return Wanted(split, recipe.size, getattr(recipe, split), self.path, **told)

    @property
    def content(self) -> dict[str, Any]:
        """What results follow from beside architecture and seed: plain values, by what they are.

        `VERSION`, the recipe, the space (a file: its digest too), and digests of the images.
        """
        own = Path(self.space_name)
        return {
            "version": VERSION,
            "recipe": asdict(replace(self.recipe, scale=self.recipe.scale or self.space.scale)),
            "space": [self.space_name, _digest(own) if own.suffix == ".py" else ""],
            "images": [self.images.digest(self.wanted(s)) for s in ("train", "valid", "test")],
        }

    @cached_property
    def content_sha256(self) -> str:
        """A checksum of the `content`; with another one, other results."""
        told = json.dumps(list(self.content.values()), sort_keys=True, default=repr)
        return sha256(told.encode()).hexdigest()


def _digest(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()


@dataclass(frozen=True)
class Trained:
    """What came of a training, epoch by epoch, as far as it went.

    `curves` has one number per epoch for each "train/<metric>" and "valid/<metric>", `test` the
    metrics at the end of a full training; units are the task's. `seconds` of training and
    validation add up from epoch to epoch. `notes` say what a user of the numbers must know.
    """

    curves: Mapping[str, list[float]]
    test: Mapping[str, float]
    seconds: list[float]
    params: int
    macs: int
    notes: list[str] = field(default_factory=list[str])

    @property
    def epochs(self) -> int:
        """How many epochs it was trained for."""
        return len(self.seconds)
