"""Training one architecture: the one trainer, for every space, task and recipe.

A training is deterministic on one machine: the weights, the order of the images and whatever else
is drawn follow from its seed, and it uses one thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from math import inf, isfinite, prod
from time import perf_counter, process_time
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor, nn
from torch.nn import functional
from torch.optim import SGD, Adam, Optimizer

from nasbench.errors import BadValue, NoMemory
from nasbench.find import find
from nasbench.images import Array, Split, Wanted
from nasbench.nets import Counts, Network, count, count_encoders, network, seen
from nasbench.recipe import Recipe, Trainable, Trained
from nasbench.space import Architecture


@dataclass(frozen=True)
class Data:
    """The images of a split (N, H, W, 3) uint8, and the label that a task is trained on."""

    rgb: Tensor | Array
    told: Tensor | Array

    def __len__(self) -> int:
        return len(self.rgb)

    def pick(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Return some of the images, and what is told about them."""
        rgb = _pick(self.rgb, index)
        return rgb, rgb if self.told is self.rgb else _pick(self.told, index)


def _pick(array: Tensor | Array, index: Tensor) -> Tensor:
    if isinstance(array, Tensor):
        return array.index_select(0, index)
    return torch.from_numpy(array[index.numpy()])


def load(where: Trainable, split: Split, tick: Callable[[int, int], None] | None = None) -> Data:
    """Load a split; the three of the latest task stay in memory. `tick` as in `Wanted`."""
    return _load(where.recipe.images, where.wanted(split, tick), where.label.name)


@lru_cache(maxsize=3)
def _load(source: str, wanted: Wanted, label: str) -> Data:
    arrays = find("images", source).load(wanted, [label])
    kept = {
        name: torch.from_numpy(array) if isinstance(array, np.ndarray) else array
        for name, array in arrays.items()
    }
    return Data(kept["rgb"], kept[label])


def build(where: Trainable, arch: Architecture) -> Network:
    """Build the network of an architecture as the recipe says."""
    recipe = where.recipe
    return network(where.space, arch, where.task, where.label, recipe.size, recipe.scale)


class Inputs:
    """Makes what a network is given, and its target, of the images of a split."""

    def __init__(self, where: Trainable, device: str = "cpu") -> None:
        self.where, self.device = where, device
        # As large as an image, because channels alone broadcast at a seventh of the speed.
        side, pixels = (
            seen(where.task, where.recipe.size)[-1],
            (where.images.mean, where.images.std),
        )
        self.mean, self.std = (torch.tensor(v, device=device).repeat(side, side, 1) for v in pixels)

    def __call__(
        self, data: Data, index: Tensor, rng: Generator, augment: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Return normalized images (B, 3, H, W), or in parts, in channels-last order, and targets.

        What is drawn is drawn from `rng`; only training images are ever augmented.
        """
        rgb, told = data.pick(index)
        if augment and self.where.recipe.augment:
            rgb = _augmented(rgb, self.where.recipe.augment, rng)
        pixels, target = self.where.task.inputs(rgb, told, rng)
        return self.normalized(pixels), target.to(self.device)

    def normalized(self, pixels: Tensor) -> Tensor:
        """Turn (..., H, W, 3) uint8 into what the network is given: a channels-last view."""
        x = pixels.to(self.device, torch.float32).sub_(self.mean).div_(self.std)
        return x.movedim(-1, -3)


class Training:
    """A network at work: `epoch` trains it by one more, `measure` says what it is worth.

    The learning rate is that of the recipe's full length wherever it is stopped, so a shorter
    training is the beginning of the longer one.
    """

    def __init__(
        self, where: Trainable, arch: Architecture, seed: int = 0, device: str = "cpu"
    ) -> None:
        recipe = where.recipe
        self.where, self.device, self.done = where, device, 0
        self.data, self.inputs = load(where, "train"), Inputs(where, device)
        self.steps = len(self.data) // recipe.batch
        if not self.steps:
            raise BadValue(
                f"{where.address}: {len(self.data)} images are less than a batch of {recipe.batch}"
            )
        torch.manual_seed(seed)
        self.rng = Generator().manual_seed(seed)
        self.net = build(where, arch).to(device)
        self.net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimizer = optimizer(self.net, recipe)
        self.critic = where.task.critic(where.label, recipe.size)
        if self.critic is not None:
            self.referee = optimizer(self.critic.to(device), recipe)

    def epoch(self, tick: Callable[[], None] = lambda: None) -> float:
        """Train once on every image, in a new order, and return the mean loss.

        What is left over when the images are cut into batches is left out, this time.
        """
        task, recipe, optimizer = self.where.task, self.where.recipe, self.optimizer
        order = torch.randperm(len(self.data), generator=self.rng)[: self.steps * recipe.batch]
        total = torch.zeros((), device=self.device)
        self.net.train()
        for index in order.split(recipe.batch):
            for group in optimizer.param_groups:
                group["lr"] = recipe.rate((self.done + 0.5) / (self.steps * recipe.epochs))
            x, target = self.inputs(self.data, index, self.rng, augment=True)
            output = self.net(x)
            loss = task.loss(output, target)
            total += loss.detach()
            if self.critic is not None:
                own, part = task.adversarial_losses(self.critic, output, target)
                loss = loss + part
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if self.critic is not None:
                self.referee.zero_grad()
                own.backward()
                self.referee.step()
            self.done += 1
            tick()
        return float(total) / self.steps

    @torch.inference_mode()
    def measure(self, split: Split) -> dict[str, float]:
        """Return every metric of the task on a split; what is drawn is the same every time."""
        task, data = self.where.task, load(self.where, split)
        meter, rng = task.meter(self.where.label), Generator().manual_seed(0)
        self.net.eval()
        for index in torch.arange(len(data)).split(self.where.recipe.batch):
            x, target = self.inputs(data, index, rng)
            meter.add(self.net(x), target)
        return meter.values()

    @torch.inference_mode()
    def predict(self, count: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Return the first validation images as the network sees them, what is true, and its word.

        Shapes are those of `Task.inputs`, and of `Task.predict`.
        """
        task, data = self.where.task, load(self.where, "valid")
        index = torch.arange(min(count, len(data)))
        pixels, target = task.inputs(*data.pick(index), Generator().manual_seed(0))
        self.net.eval()
        said = task.predict(self.net(self.inputs.normalized(pixels)))
        return pixels.numpy(), target.numpy(), said.cpu().numpy()


def train(
    where: Trainable,
    arch: Architecture,
    seed: int = 0,
    epochs: int | None = None,
    *,
    device: str = "cpu",
    tick: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[Trained, Training]:
    """Train for the recipe's length, or stop after so many of its epochs.

    It is measured on the validation images after each epoch, and on the test images at the end of
    the full length only. Seconds are the processor's, which other work on the machine changes
    little; those of a GPU are by the clock. A loss that is not finite ends it: the epochs that are
    left repeat what the network is worth then, and take no time. `tick(done, total)` is told the
    steps.

    Raises `BadFile` for missing images, `NoMemory`, `OutsideSpace`, `NotApplicable`.
    """
    if not 0 <= seed < 2**63:
        raise BadValue(f"a seed of {seed}: it must be at least 0, and less than 2**63")
    arch, full = where.space.check(arch), where.recipe.epochs
    epochs = full if epochs is None else epochs
    notes = [] if where.space.has_path(arch) else ["no path from the input to the output"]
    curves: dict[str, list[float]] = {}
    seconds: list[float] = []
    clock = process_time if device == "cpu" else perf_counter
    splits: tuple[Split, ...] = ("train", "valid", "test") if epochs == full else ("train", "valid")
    with alone(), _memory(where):
        for split in splits:  # so that missing images are missed before the training
            load(where, split)
        training = Training(where, arch, seed, device)
        steps = epochs * training.steps
        start = clock()
        for epoch in range(1, epochs + 1):
            loss = training.epoch(lambda: tick(training.done, steps))
            found = {"train/loss": loss if isfinite(loss) else inf}
            found |= {f"valid/{name}": v for name, v in training.measure("valid").items()}
            lasts = 1 if isfinite(loss) else epochs + 1 - epoch
            for name, value in found.items():
                curves.setdefault(name, []).extend([value] * lasts)
            seconds.extend([clock() - start] * lasts)
            if not isfinite(loss):
                notes.append(f"the loss was not finite in epoch {epoch}, where the training ended")
                break
        test = training.measure("test") if epochs == full else {}
    counts = size(where, arch)
    return Trained(curves, test, seconds, counts.params, counts.macs, notes), training


def size(where: Trainable, arch: Architecture) -> Counts:
    """Count the parameters and multiply-adds of what would be trained, without building it."""
    recipe, (parts, side) = where.recipe, _seen(where)
    ((encoder, features),) = count_encoders(where.space, [arch], side, recipe.scale)
    head = _head(where, features)
    return Counts(encoder.params + head.params, parts * encoder.macs + head.macs)


@lru_cache(maxsize=64)
def _seen(where: Trainable) -> tuple[int, int]:
    """Return in how many parts a network sees an image, and how many pixels high they are."""
    *parts, _, height, _ = seen(where.task, where.recipe.size)
    return prod(parts), height


@lru_cache(maxsize=256)
def _head(where: Trainable, features: tuple[int, ...]) -> Counts:
    """Count the head behind features (C, h, w) of each part."""
    *parts, _, _, _ = seen(where.task, where.recipe.size)
    with torch.device("meta"):
        head = where.task.head(features, where.label, where.recipe.size)  # type: ignore[arg-type]
    return count(Network(nn.Identity(), head), (*parts, *features))


def optimizer(net: nn.Module, recipe: Recipe, fused: bool = True) -> Optimizer:
    """Make the recipe's optimizer of all weights; a fused one needs all gradients at each step."""
    weights, lr, decay = net.parameters(), recipe.lr, recipe.weight_decay
    if recipe.optimizer == "adam":
        betas = (recipe.momentum, 0.999)
        return Adam(weights, lr, betas=betas, weight_decay=decay, fused=fused)
    return SGD(weights, lr, recipe.momentum, 0, decay, recipe.nesterov, fused=fused)


def _augmented(rgb: Tensor, how: str, rng: Generator) -> Tensor:
    """Mirror half of the images and, if told to, move each by up to an eighth of it over black."""
    n, size = rgb.shape[:2]
    margin = size // 8 if how == "flip_crop" else 0
    top, left = torch.randint(2 * margin + 1, (2, n, 1), generator=rng) + torch.arange(size)
    left = torch.where(torch.rand(n, 1, generator=rng) < 0.5, left.flip(1), left)
    padded = functional.pad(rgb, (0, 0, margin, margin, margin, margin))
    return padded[torch.arange(n)[:, None, None], top[:, :, None], left[:, None, :]]


@contextmanager
def alone() -> Iterator[None]:
    """Use one thread, and leave the global generator as it was."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng():
            yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def _memory(where: Trainable) -> Iterator[None]:
    """Say in one line that memory ran out."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        words = ("out of memory", "not enough memory", "can't allocate memory")
        if isinstance(error, RuntimeError) and not any(word in str(error) for word in words):
            raise
        recipe = where.recipe
        raise NoMemory(
            f"{where.address}: no memory for batches of {recipe.batch} images of {recipe.size}x"
            f"{recipe.size} pixels: train fewer at once, or on a machine with more"
        ) from error
