"""What a one-shot method trains with: a supernet, images, and a place for what must survive.

A supernet is a space's encoder with all options in it, and a head for every shape that features
can have. It takes an architecture, of which only its own options run, or a word: what a method says
of each factor of the space (`nasbench.nets.Word`).
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from math import isfinite
from pathlib import Path
from time import process_time
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.optim import Optimizer

from nasbench.errors import BadFile, BadValue, NotApplicable, RunnerFailed
from nasbench.live import Inputs, build, load, optimizer
from nasbench.nets import Convolution, Network, count_encoders, seen, shared, weighed
from nasbench.nets import Masks as Masks
from nasbench.nets import Word as Word
from nasbench.parts.oneshot.distribution import Costs
from nasbench.parts.oneshot.schedules import cosine
from nasbench.recipe import Trainable
from nasbench.space import LISTED, Architecture, Scale, Space, macs, params

Counted: TypeAlias = Literal["macs", "params"]

IMAGES = 256
"""Validation images that an architecture is scored on under shared weights, all in one batch."""


class Supernet(nn.Module):
    """All networks of a space at once, for one task; `net(x, architecture or word)`.

    If `masked`, an architecture is masks over the channels of the widest one, whose head is the
    only one that is used: for methods that train by masks. Raises `NotApplicable` where more than
    widths is decided about.
    """

    def __init__(self, where: Trainable, masked: bool = False) -> None:
        super().__init__()
        self.where, self.masked, recipe = where, masked, where.recipe
        self.widths = where.space.widths(recipe.scale)
        if masked and len(self.widths) < len(where.space.factors):
            raise NotApplicable(
                f"not applicable: {where.space.name} decides about more than the widths that masks "
                "can tell"
            )
        self.encoder = where.space.supernet(recipe.scale)
        self.shapes = self.encoder.features(seen(where.task, recipe.size)[-3:])  # type: ignore[operator]
        self.heads = nn.ModuleList(
            shared(where.task.head(shape, where.label, recipe.size)) for shape in self.shapes
        )

    def forward(self, x: Tensor, word: Architecture | Word | Masks) -> Tensor:
        """Turn images (B, 3, H, W), or images in parts, into the task's output.

        The mask of an image is that of all its parts.
        """
        if isinstance(word, tuple):
            options = self.where.space.factor(word)
            word = self.masks(torch.tensor(options)) if self.masked else path(options)
        images = x.flatten(0, -4)
        parts = len(images) // len(x)
        word = [
            (mix if mix.dim() == 1 else mix.repeat_interleave(parts, 0)).to(x.dtype)
            if isinstance(mix, Tensor)
            else {o: None if weight is None else weight.to(x.dtype) for o, weight in mix.items()}
            for mix in word
        ]
        outputs = [
            weighed(self.head(features), features, weight)
            for weight, features in self.encoder(images, word)
        ]
        output: Tensor = sum(outputs[1:], outputs[0])
        return output

    def masks(self, options: Tensor) -> list[Tensor]:
        """Return the masks of options (factors,) for all images, or (B, factors) for each."""
        masks = [
            torch.arange(int(table.max()))
            < torch.from_numpy(table)[tuple(options[..., f] for f in factors)][..., None]
            for factors, table in self.widths.values()
        ]
        return [mask if mask.dim() == 1 else mask[..., None, None] for mask in masks]

    def head(self, features: Tensor) -> nn.Module:
        """Return the head for features of this shape (B, C, h, w)."""
        head: nn.Module = self.heads[self.shapes.index(tuple(features.shape[1:]))]
        return head

    def convolutions(self) -> list[Convolution]:
        """List the encoder's convolutions; raises `NotApplicable` where not all is widths."""
        if len(self.widths) < len(self.where.space.factors):
            raise NotApplicable(
                f"not applicable: more than widths is decided about: {self.where.space!r}"
            )
        shape = seen(self.where.task, self.where.recipe.size)[-3:]
        listed: list[Convolution] = self.encoder.convolutions(shape)  # type: ignore[operator]
        return listed

    def network(self, arch: Architecture) -> Network:
        """Build the network of an architecture on its own, with the weights it shares."""
        alone = build(self.where, arch)
        self.encoder.copy_into(self.where.space.factor(arch), alone.encoder)  # type: ignore[operator]
        side = seen(self.where.task, self.where.recipe.size)[-1]
        ((_, shape),) = count_encoders(self.where.space, [arch], side, self.where.recipe.scale)
        alone.head.load_state_dict(self.heads[self.shapes.index(shape)].state_dict(), strict=False)
        return alone


def path(options: Sequence[int | None]) -> Word:
    """Return the word for a single architecture, given by its option of each factor."""
    return [{} if option is None else {option: None} for option in options]


@contextmanager
def calibrated(
    net: nn.Module, batches: Sequence[Tensor], word: Architecture | Masks
) -> Iterator[None]:
    """Evaluate by statistics of batch normalization that are this word's own: means over batches.

    Those of the batch itself are used again afterwards.
    """
    norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    training = net.training
    for norm in norms:
        norm.track_running_stats, norm.momentum = True, None  # a plain mean over the batches
        norm.running_mean = torch.zeros(norm.num_features)
        norm.running_var = torch.ones(norm.num_features)
        norm.num_batches_tracked = torch.tensor(0)
    try:
        net.train()
        with torch.no_grad():
            for x in batches:
                net(x, word)
        net.eval()
        yield
    finally:
        net.train(training)
        shared(net)


class Kept(Protocol):
    """Anything with a state: modules, optimizers."""

    def state_dict(self) -> Any:
        """Return the state."""

    def load_state_dict(self, state_dict: Any, /) -> Any:
        """Take it over."""


@dataclass(frozen=True)
class Batch:
    """Images as a network sees them, (B, 3, H, W) or in parts, and the task's target for them."""

    x: Tensor
    target: Tensor

    def __len__(self) -> int:
        return len(self.x)


class Saved:
    """Counts the bytes that autograd saves for backward passes; `peak` is the most at a time."""

    def __init__(self) -> None:
        self.now = self.peak = 0
        self._held: dict[int, tuple[int, int]] = {}

    def pack(self, tensor: Tensor) -> _Saved:
        """Take note of a tensor that is saved; views of one storage count once."""
        storage = tensor.untyped_storage()
        key, size = storage.data_ptr(), storage.nbytes()
        uses = self._held.get(key, (0, size))[0]
        if not uses:
            self.now += size
            self.peak = max(self.peak, self.now)
        self._held[key] = uses + 1, size
        return _Saved(tensor, self, key)

    def free(self, key: int) -> None:
        """Take note that it is needed no longer."""
        uses, size = self._held.pop(key)
        if uses > 1:
            self._held[key] = uses - 1, size
        else:
            self.now -= size


class _Saved:
    def __init__(self, tensor: Tensor, to: Saved, key: int) -> None:
        self.tensor, self._to, self._key = tensor, to, key

    def __del__(self) -> None:
        self._to.free(self._key)


@dataclass
class OneShot:
    """One run of a one-shot method: what it trains with, and how far it has come.

    `epochs` is its length: an epoch is one pass over the images that weights are trained on.
    `state` is the file of what must survive, rewritten after each choice. `begun()` is called
    before the first epoch; what that takes, `aside`, is not the method's. A method counts the
    architectures it draws in `samples`.
    """

    where: Trainable
    seed: int
    epochs: int
    numpy: np.random.Generator
    state: Path
    begun: Callable[[], None] = lambda: None
    done: int = 0
    aside: float = 0.0
    saved_bytes: int = 0
    samples: int = 0
    net: Supernet | None = None
    _kept: dict[str, Kept] = field(default_factory=dict[str, Kept])
    _rated: list[tuple[Optimizer, float, float]] = field(
        default_factory=list[tuple[Optimizer, float, float]]
    )

    @cached_property
    def rng(self) -> Generator:
        """What torch draws from in this run."""
        return Generator().manual_seed(int(np.random.SeedSequence(self.seed).generate_state(1)[0]))

    def supernet(self, masked: bool = False) -> Supernet:
        """Build the supernet; its weights follow from the run's seed."""
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            self.net = Supernet(self.where, masked)
        self.net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return self.net

    def optimizer(self, net: nn.Module, until: float = 1.0, since: float = 0.0) -> Optimizer:
        """Make the optimizer of the weights: the recipe's, its rate falling to 0 by a cosine.

        It begins to fall when the part `since` of the run is done, and is 0 after `until`. *Our
        reconstruction* of all methods here: what they publish was chosen for other images.
        """
        made = optimizer(net, self.where.recipe, fused=False)
        self._rated.append((made, since, until))
        return made

    def only_widths(self, like: str) -> Space:
        """Decide about widths alone, and return the space that this leaves.

        All else is as in an architecture, by default that with the last option of every decision.
        Raises `OutsideSpace` for what isn't one.
        """
        space = self.where.space
        arch = space.read(like) if like else tuple(n - 1 for n in space.choices)
        self.where = replace(self.where, like=arch)
        return self.where.space

    def keep(self, **kept: Kept) -> None:
        """Say what must survive, by name, before the first epoch."""
        self._kept |= kept

    def rounds(self) -> Iterator[int]:
        """Count the epochs, from 0 or from where the run was cut off."""
        self._restore()
        start = process_time()
        self.begun()
        self.aside = process_time() - start
        while self.done < self.epochs:
            yield self.done
            self.done, self.aside = self.done + 1, 0.0

    def batches(self, share: float = 1.0) -> Iterator[tuple[Batch, ...]]:
        """Go once through the training images, in a new order.

        Below 1 the share is that of images for the weights, and each step has a second batch, of
        the rest. Which images are which is drawn once a run. Raises `BadValue` where one has none.
        """
        first, batch = round(share * len(self._order)), self.where.recipe.batch
        if share < 1 and not 0 < first < len(self._order):
            raise BadValue(f"a share of {share}: of {len(self._order)} images none would be left")
        parts = [self._order[:first], *([self._order[first:]] if share < 1 else [])]
        steps = self.steps(share)
        for step in range(steps):
            done = self.done * steps + step
            for made, since, until in self._rated:
                first, last = (round(part * self.epochs * steps) for part in (since, until))
                at = min(max(done, first), last) - first
                for group in made.param_groups:
                    group["lr"] = cosine(self.where.recipe.lr, 0.0, at, last - first)
            if not step:
                orders = [self._shuffled(part, steps * batch) for part in parts]
            index = [order[step * batch : (step + 1) * batch] for order in orders]
            drawn = tuple(self._batch(i) for i in index)
            if step:
                yield drawn
                continue
            saved = Saved()
            with saved_tensors_hooks(saved.pack, lambda held: held.tensor):
                yield drawn
            self.saved_bytes = saved.peak

    def steps(self, share: float = 1.0) -> int:
        """Return how many steps an epoch has; raises `BadValue` where it has none."""
        images, batch = round(share * len(self._order)), self.where.recipe.batch
        if steps := images // batch:
            return steps
        raise BadValue(f"{self.where.address}: {images} images are less than a batch of {batch}")

    @cached_property
    def _order(self) -> Tensor:
        return torch.randperm(len(load(self.where, "train")), generator=self.rng)

    def _shuffled(self, part: Tensor, wanted: int) -> Tensor:
        """Return so many of these, each again only after all others."""
        rounds = -(-wanted // len(part))
        orders = [part[torch.randperm(len(part), generator=self.rng)] for _ in range(rounds)]
        return torch.cat(orders)[:wanted]

    def _batch(self, index: Tensor) -> Batch:
        return Batch(*self._inputs(load(self.where, "train"), index, self.rng, augment=True))

    @cached_property
    def _inputs(self) -> Inputs:
        return Inputs(self.where)

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the task's mean loss; raises `RunnerFailed` where it is not finite."""
        loss = self.where.task.loss(output, target)
        if isfinite(float(loss.detach())):
            return loss
        raise RunnerFailed(f"the loss was {float(loss.detach())} in epoch {self.done + 1}")

    @torch.no_grad()
    def score(
        self,
        net: Supernet,
        archs: Sequence[Architecture | Masks],
        *,
        images: int | None = IMAGES,
        recalibrate: int = 0,
    ) -> NDArray[np.float64]:
        """Return the main metric (A,) of architectures, or of words, under shared weights.

        More is better; NaN of one that is none of the network's. On the first validation `images`,
        or all of them (None),
        with the batch's own statistics; or with those of so many batches of training images
        (`calibrated`).
        """
        task, rng = self.where.task, Generator().manual_seed(0)
        data = load(self.where, "valid")
        size = len(data) if images is None else min(images, len(data))
        x, target = self._inputs(data, torch.arange(size), rng)
        some = [batch.x for batch in self.first(recalibrate)]
        scores = []
        for arch in archs:
            if isinstance(arch, tuple) and arch not in net.where.space:
                scores.append(np.nan)
                continue
            meter = task.meter(self.where.label)
            if some:
                with calibrated(net, some, arch):
                    meter.add(net(x, arch), target)
            else:
                meter.add(net(x, arch), target)
            scores.append(task.metric.sign * meter.values()[task.metric.name])
        return np.array(scores, np.float64)

    def first(self, batches: int) -> Iterator[Batch]:
        """Yield so many batches of training images, always the same, as they are."""
        data, rng, size = (
            load(self.where, "train"),
            Generator().manual_seed(0),
            self.where.recipe.batch,
        )
        for index in torch.arange(batches * size).split(size) if batches else ():
            yield Batch(*self._inputs(data, index, rng))

    @property
    def macs(self) -> Costs:
        """Multiply-adds (N,) of the encoder of every member of the space, in order, or `terms`."""
        return self.costs("macs")

    def costs(self, what: Counted) -> Costs:
        """Return the counts (N,) of the encoders of all members, in order, or `terms`."""
        return counted(self.where.space, self.side, self.where.recipe.scale, what)

    def cost(self, arch: Architecture, what: Counted = "macs") -> int:
        """Return the multiply-adds of one encoder, or its parameters."""
        space, scale = self.where.space, self.where.recipe.scale
        if space.size <= LISTED:
            ((counts, _),) = count_encoders(space, [arch], self.side, scale)
            return int(getattr(counts, what))
        options = [option or 0 for option in space.factor(arch)]
        terms = self.costs(what)
        return sum(int(table[tuple(options[f] for f in fs)]) for fs, table in terms)

    @cached_property
    def side(self) -> int:
        """Pixels a side of what a network sees."""
        return seen(self.where.task, self.where.recipe.size)[-1]

    def save(self, told: Any) -> None:
        """Write what must survive, and what was told so far: plain values."""
        from nasbench.store import atomic

        state = {
            "told": told,
            "samples": self.samples,
            "kept": {name: kept.state_dict() for name, kept in self._kept.items()},
            "torch": self.rng.get_state(),
            "numpy": repr(self.numpy.bit_generator.state),
        }
        raw = io.BytesIO()
        torch.save(state, raw)
        self.state.parent.mkdir(parents=True, exist_ok=True)
        with atomic(self.state) as file:
            file.write(raw.getvalue())

    def told(self) -> Any:
        """Return what was told when the run was cut off; None for one that begins."""
        return self._loaded["told"] if self._loaded else None

    @cached_property
    def _loaded(self) -> Mapping[str, Any] | None:
        if not self.state.is_file():
            return None
        try:
            loaded: Mapping[str, Any] = torch.load(self.state, weights_only=True)
        except Exception as error:  # a damaged archive fails in many ways
            raise BadFile(f"{self.state} is damaged, delete it to begin again: {error}") from error
        return loaded

    def _restore(self) -> None:
        from ast import literal_eval

        if self._loaded is None:
            return
        for name, kept in self._kept.items():
            kept.load_state_dict(self._loaded["kept"][name])
        _ = self._order  # drawn before anything else in any run
        self.rng.set_state(self._loaded["torch"])
        self.numpy.bit_generator.state = literal_eval(self._loaded["numpy"])
        self.done, self.samples = len(self._loaded["told"]), self._loaded["samples"]


@lru_cache(maxsize=4)
def counted(space: Space, side: int, scale: Scale | None, what: Counted) -> Costs:
    """Count the encoders of all members (N,), or of a space too large to be listed `terms`."""
    if space.size > LISTED:
        price = {"macs": macs, "params": params}[what]
        terms = space.terms(side, scale, price)
        return [(factors, torch.from_numpy(table)) for factors, table in terms]
    all_ = count_encoders(space, space, side, scale)
    return torch.tensor([getattr(counts, what) for counts, _ in all_])
