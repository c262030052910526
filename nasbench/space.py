"""A search space: which architectures exist, how they are written, who neighbours whom."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise, product
from math import prod
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nasbench.errors import BadValue, NotApplicable, OutsideSpace

if TYPE_CHECKING:
    from torch import nn

Architecture: TypeAlias = tuple[int, ...]
"""One choice per decision, counted from 0: a plain value, so it hashes, compares and prints."""

Term: TypeAlias = tuple[tuple[int, ...], NDArray[Any]]
"""Factors, and a table of costs, or of channels, over their options."""

Price: TypeAlias = Callable[[Any, int, int], float]
"""What a layer costs, if so many pixels a side enter it and so many leave it."""

Bits: TypeAlias = NDArray[np.uint8]

LISTED = 2**22
"""A space of more members is never listed: neither walked through, nor are its classes numbered."""


def macs(layer: Any, before: int, after: int) -> float:
    """Price a layer by its multiply-adds."""
    return float(layer.macs(before**2, after**2))


def params(layer: Any, before: int, after: int) -> float:
    """Price a layer by its trainable parameters."""
    return float(layer.params)


@dataclass(frozen=True)
class Scale:
    """How large a network is built; the published size is a space's `scale`.

    `width` channels behind the stem, `depth` cells or blocks in a stage, module or layer, `stride`
    of the stem as a whole; of a chain of modules that is always the same the first `modules` are
    built (None: all).
    """

    width: int
    depth: int
    stride: int = 1
    modules: int | None = None


def in_a_row(words: Iterable[str]) -> list[tuple[int, int, str]]:
    """Return the edges of one thing after the other."""
    return [(node, node + 1, word) for node, word in enumerate(words)]


class Space(ABC):
    """A set of architectures over a grid of decisions. `Grid` and `Listed` are the two kinds.

    A subclass says `name`, `choices` (how many options each decision has), one `example` in the
    published spelling, and the two methods `spell` and `read`.

    `views` names the ways to look at an architecture when asking which ones are equal; the first
    is the network as it is really built, and the default everywhere. A space whose networks can be
    built has a `scale`, the published one, and `build`.
    """

    name: str
    choices: tuple[int, ...]
    example: str
    views: tuple[str, ...] = ("as_built",)
    scale: Scale | None = None

    @abstractmethod
    def spell(self, arch: Architecture) -> str:
        """Write the architecture the way its paper does."""

    @abstractmethod
    def read(self, text: str) -> Architecture:
        """Invert `spell`; raises `OutsideSpace` for anything `spell` would not write."""

    @abstractmethod
    def __len__(self) -> int: ...

    @property
    def size(self) -> int:
        """How many members there are: `len`, which Python limits to 2^63 - 1."""
        return len(self)

    @abstractmethod
    def at(self, index: int) -> Architecture:
        """Return member number `index` (0 to len - 1), in the order of iteration."""

    @abstractmethod
    def index(self, arch: Architecture) -> int:
        """Invert `at`."""

    @abstractmethod
    def neighbours(self, arch: Architecture) -> list[Architecture]:
        """List the architectures one change away, each once, in a fixed order."""

    def __contains__(self, arch: object) -> bool:
        return (
            isinstance(arch, tuple)
            and len(arch) == len(self.choices)
            and all(
                isinstance(gene, int | np.integer) and 0 <= gene < n
                for gene, n in zip(arch, self.choices, strict=True)
            )
        )

    @property
    def decided(self) -> Sequence[int]:
        """The places of an architecture in which members differ."""
        return range(len(self.choices))

    def __iter__(self) -> Iterator[Architecture]:
        return map(self.at, range(len(self)))

    def check(self, arch: Sequence[int]) -> Architecture:
        """Return the architecture as a tuple of plain integers; raises `OutsideSpace`."""
        if (given := tuple(arch)) in self:
            return tuple(map(int, given))
        raise self.outside(given)

    def check_view(self, view: str) -> str:
        """Return the view; raises `BadValue` if the space has no such one."""
        if view in self.views:
            return view
        raise BadValue(f"{self.name} has no view {view!r}; it has {', '.join(self.views)}")

    def outside(self, asked: object) -> OutsideSpace:
        """Make the error for something that is not a member."""
        return OutsideSpace(
            f"{asked!r} is not in {self.name}: its {_many(self.size)} architectures look like "
            f"{self.example} = {self.read(self.example)}"
        )

    def sample(self, rng: np.random.Generator) -> Architecture:
        """Draw uniformly over the members; the generator passed in is the only chance there is."""
        return self.at(int(rng.integers(len(self))))

    def mutate(self, arch: Architecture, rng: np.random.Generator) -> Architecture:
        """Draw uniformly over the neighbours."""
        near = self.neighbours(arch)
        return near[int(rng.integers(len(near)))]

    def grow(self, part: Architecture) -> list[Architecture]:
        """List what a part of an architecture becomes with one more piece; none if it is whole.

        Parts are the decisions made so far, () at first; the largest are the members themselves.
        A method that goes from simple to complex (Liu et al., 2018) climbs them: here, decision by
        decision from the first, which is *our reconstruction*.
        """
        size = len(part)
        return sorted({arch[: size + 1] for arch in self if arch[:size] == part} - {part})

    def complete(self, part: Architecture) -> Architecture:
        """Return the member that is trained for a part; what is open takes its last option."""
        return max(arch for arch in self if arch[: len(part)] == part)

    def one_hot(self, archs: ArrayLike) -> Bits:
        """Encode `(..., decisions)` as `(..., sum(choices))`: an indicator per decision and option.

        Also known as the adjacency encoding (White et al., 2020).
        """
        genes = np.asarray(archs)
        return np.concatenate(
            [genes[..., i, None] == np.arange(n) for i, n in enumerate(self.choices)], axis=-1
        ).astype(np.uint8)

    def paths(self, archs: ArrayLike) -> Bits:
        """Encode `(..., decisions)` by the paths that are there, one indicator per possible path.

        For cells this is the path encoding of BANANAS (White et al., 2021). Here, for chains, which
        have but one path, it is *our reconstruction*: one indicator for each option of a decision
        and for each pair of options of two successive decisions, `(..., sum(choices) + pairs)`.
        """
        single = self.one_hot(archs)
        stops = list(accumulate(self.choices, initial=0))
        parts = [single[..., start:stop] for start, stop in pairwise(stops)]
        pairs = [
            (a[..., :, None] * b[..., None, :]).reshape(*a.shape[:-1], a.shape[-1] * b.shape[-1])
            for a, b in pairwise(parts)
        ]
        return np.concatenate([single, *pairs], axis=-1)

    def has_path(self, arch: Architecture) -> bool:
        """Say whether anything of the input reaches the output."""
        return True

    def form(self, arch: Architecture, view: str = "as_built") -> Hashable:
        """Return a value that two architectures share exactly if they are the same network.

        Where nothing is known about equal networks (here), each architecture is its own.
        """
        self.check_view(view)
        return self.check(arch)

    def class_ids(self, view: str = "as_built") -> NDArray[np.int64]:
        """Number the isomorphism classes by first appearance: `(len,)`, in order of iteration.

        Raises `NotApplicable` for a space too large to be listed.
        """
        return self._classes(view)[0]

    def canonical(self, arch: Architecture, view: str = "as_built") -> Architecture:
        """Return the first member of the architecture's class, which stands for all of them.

        Raises `NotApplicable` for a space too large to be listed that does not say it by itself.
        """
        if type(self).form is Space.form:
            self.check_view(view)
            return self.check(arch)
        ids, first = self._classes(view)
        return self.at(int(first[ids[self.index(self.check(arch))]]))

    def trained_as(self, view: str = "as_built") -> NDArray[np.int32]:
        """Return by number the member that stands for the class of each: `(len,)`.

        It is the first of the class in order of iteration, as `canonical` says: the smallest row.
        Raises `NotApplicable` for a space too large to be listed.
        """
        ids, first = self._classes(view)
        return first[ids].astype(np.int32)

    def _classes(self, view: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        if self.check_view(view) not in self._class_cache:
            if self.size > LISTED:
                raise NotApplicable(
                    f"not applicable: {self.name} has {_many(self.size)} architectures, and those "
                    f"of a space are listed up to {LISTED:,}; ask for single ones"
                )
            seen: dict[Hashable, int] = {}
            ids = np.fromiter(
                (seen.setdefault(self.form(arch, view), len(seen)) for arch in self),
                np.int64,
                len(self),
            )
            self._class_cache[view] = ids, np.unique(ids, return_index=True)[1]
        return self._class_cache[view]

    @cached_property
    def _class_cache(self) -> dict[str, tuple[NDArray[np.int64], NDArray[np.int64]]]:
        return {}

    def edges(self, arch: Architecture) -> list[tuple[int, int, str]]:
        """Return the architecture as a graph to be drawn: source, target, what stands between.

        Nodes are numbered in topological order from 0, the input; "" stands where nothing does.
        Here it is a chain of the options' numbers; a subclass says what they are.
        """
        return in_a_row(map(str, self.check(arch)))

    def profile(self, arch: Architecture) -> tuple[int, ...]:
        """Return how many channels leave each layer, where that is decided about; () elsewhere."""
        return ()

    def build(self, arch: Architecture, scale: Scale | None = None) -> nn.Module:
        """Build the network up to where a task's head begins, in the published size by default.

        It turns images (B, 3, H, W) into features (B, C, h, w). Raises `NotApplicable` where the
        space has no networks, `BadValue` for a scale that can't be built.
        """
        raise NotApplicable(f"not applicable: {self.name} says how to write networks, not to build")

    def supernet(self, scale: Scale | None = None) -> nn.Module:
        """Build the encoder with all options in it.

        Raises `NotApplicable` for a space that has none, `BadValue` as `build` does.
        """
        raise NotApplicable(f"not applicable: {self.name} does not say how options share weights")

    @property
    def shares(self) -> bool:
        """Whether there is a supernet."""
        return type(self).supernet is not Space.supernet

    @property
    def factors(self) -> tuple[int, ...]:
        """How many options each decision of a relaxed search has; those of the space, here."""
        return self.choices

    @property
    def groups(self) -> tuple[tuple[int, ...], ...]:
        """Which `factors` a joint distribution takes together: each of them in one group."""
        return tuple((i,) for i in range(len(self.factors)))

    @property
    def apart(self) -> tuple[int, ...]:
        """Which `factors` have options of different shapes, so that only one of them can run."""
        return ()

    def widths(self, scale: Scale | None = None) -> Mapping[int, Term]:
        """Return the channels, increasing, of the options of each factor that is a width.

        Where they depend on how many channels enter, the table is over the options of an earlier
        factor first. The supernet takes masks of the most channels. Here there is no width.
        """
        return {}

    def carried(self, arch: Architecture, scale: Scale | None = None) -> Mapping[int, int | None]:
        """Return the widths whose channels are the very ones of an earlier one, and this one.

        None stands for channels that nothing decides about. A sum has them, or nothing widens.
        """
        return {}

    @property
    def has_widths(self) -> bool:
        """Whether there is `only_widths`."""
        return False

    def only_widths(self, like: Architecture) -> Space:
        """Return the members that differ from one in widths alone, whose factors are widths.

        Raises `NotApplicable` for a space that does not decide about single widths.
        """
        raise NotApplicable(f"not applicable: {self.name} does not decide about single widths")

    @property
    def within(self) -> tuple[tuple[int, int] | None, ...]:
        """Return for each factor on what it depends whether it matters, in a grid: None is always.

        Else it is another factor, which always matters, and the first of its options with which.
        """
        return (None,) * len(self.factors)

    @property
    def amounts(self) -> tuple[tuple[float, ...] | None, ...]:
        """What each factor's options are numbers of, rising: channels, expansions, pixels a side.

        None where they are kinds, or nothing is known of it.
        """
        return (None,) * len(self.factors)

    def terms(self, side: int, scale: Scale | None = None, price: Price = macs) -> list[Term]:
        """Return what an encoder costs as a sum: factors, and a table over their options.

        By default in multiply-adds, on images of so many pixels a side. A layer that isn't built
        costs 0. Only a space too large to be listed has to know; any other raises `NotApplicable`.
        """
        raise NotApplicable(f"not applicable: {self.name} can be listed, so count its members")

    def factor(self, arch: Architecture) -> tuple[int | None, ...]:
        """Return an architecture's option of each factor, None where the factor doesn't matter."""
        return self.check(arch)

    def member(self, options: Sequence[int]) -> Architecture:
        """Invert `factor`, in a space whose factors always matter."""
        return self.check(options)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), ()

    def __repr__(self) -> str:
        return f"<{self.name}: {_many(self.size)} architectures like {self.example}>"


def _many(size: int) -> str:
    return f"{size:,}" if size < 10**15 else f"{size:.2e}"


class Grid(Space):
    """Every combination of options is a member; neighbours differ in one decision."""

    @cached_property
    def _size(self) -> int:
        return prod(self.choices)

    def __len__(self) -> int:
        return self._size

    @property
    def size(self) -> int:
        """The product of the numbers of options."""
        return self._size

    def sample(self, rng: np.random.Generator) -> Architecture:
        """Draw uniformly over the members; where they have no 64-bit number, by decision."""
        if self._size < 2**63:
            return super().sample(rng)
        return tuple(rng.integers(self.choices).tolist())

    def __iter__(self) -> Iterator[Architecture]:
        return product(*map(range, self.choices))

    def at(self, index: int) -> Architecture:
        """Read the number's digits; the last decision turns fastest."""
        if not 0 <= index < self._size:
            raise IndexError(f"{self.name} has members 0 to {self._size - 1}, asked was {index}")
        genes = []
        for n in reversed(self.choices):
            index, gene = divmod(index, n)
            genes.append(gene)
        return tuple(genes[::-1])

    def index(self, arch: Architecture) -> int:
        """Write the digits as a number."""
        index = 0
        for gene, n in zip(arch, self.choices, strict=True):
            index = index * n + gene
        return index

    def grow(self, part: Architecture) -> list[Architecture]:
        """Make the next decision, in every way."""
        return [(*part, gene) for n in self.choices[len(part) :][:1] for gene in range(n)]

    def complete(self, part: Architecture) -> Architecture:
        """Take the last option of every decision that is open."""
        return (*part, *(n - 1 for n in self.choices[len(part) :]))

    def neighbours(self, arch: Architecture) -> list[Architecture]:
        """List the architectures that differ in one decision."""
        return [self._step(arch, k) for k in range(len(self._steps))]

    def mutate(self, arch: Architecture, rng: np.random.Generator) -> Architecture:
        """Draw uniformly over the neighbours, without listing them."""
        return self._step(arch, int(rng.integers(len(self._steps))))

    def _step(self, arch: Architecture, k: int) -> Architecture:
        i, gene = self._steps[k]
        return (*arch[:i], gene + (gene >= arch[i]), *arch[i + 1 :])

    @cached_property
    def _steps(self) -> list[tuple[int, int]]:
        """Decision and option of each neighbour, an option counted without the present one."""
        return [(i, gene) for i, n in enumerate(self.choices) for gene in range(n - 1)]


class Listed(Space):
    """Only some combinations are members: a subclass narrows `__contains__`."""

    # Not those of a grid or a cell that is narrowed: what these make need be no member.
    grow, complete, size = Space.grow, Space.complete, Space.size

    @cached_property
    def _members(self) -> tuple[Architecture, ...]:
        return tuple(arch for arch in product(*map(range, self.choices)) if arch in self)

    @cached_property
    def _index(self) -> dict[Architecture, int]:
        return {arch: index for index, arch in enumerate(self._members)}

    def __len__(self) -> int:
        return len(self._members)

    def at(self, index: int) -> Architecture:
        """Look the member up."""
        if not 0 <= index < len(self):
            raise IndexError(f"{self.name} has members 0 to {len(self) - 1}, asked was {index}")
        return self._members[index]

    def index(self, arch: Architecture) -> int:
        """Look its number up."""
        return self._index[arch]
