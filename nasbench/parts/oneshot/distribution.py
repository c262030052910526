"""Distributions over the architectures of a space: exact over all members, or over a grid."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from math import prod
from typing import Self, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor, nn

from nasbench.search import Choice
from nasbench.space import LISTED, Architecture, Space

Costs: TypeAlias = Tensor | Sequence[tuple[tuple[int, ...], Tensor]]
"""What members cost: (N,) in order of iteration, or `Space.terms`, where they can't be listed."""


class Distribution(nn.Module):
    """Categoricals over groups of factors, by default each factor alone (FD of FP-NAS: Yan et al.,
    2021).

    `logits` (K,) are the only parameter and the only state, 64-bit, 0 at first; `sizes` says how
    many options each group has, combinations of its factors in order, the last one turning fastest.
    Members drawn are `rows`, whose form is the distribution's own.
    """

    def __init__(self, space: Space, groups: Sequence[Sequence[int]] | None = None) -> None:
        super().__init__()
        self.space = space
        self.groups = tuple(map(tuple, _alone(space) if groups is None else groups))
        self.sizes = [prod(space.factors[i] for i in group) for group in self.groups]
        self.logits = nn.Parameter(torch.zeros(sum(self.sizes), dtype=torch.float64))

    def split(self, logits: Tensor | None = None) -> list[Tensor]:
        """Return each group's logits (options,), as views of the parameter, or of others (K,)."""
        return list(torch.split_with_sizes(self.logits if logits is None else logits, self.sizes))

    @abstractmethod
    def entropy(self) -> Tensor:
        """Return H = -sum p log p, in nats."""

    @abstractmethod
    def expected(self, costs: Costs, logits: Tensor | None = None) -> Tensor:
        """Return E[C] = sum p(A) C(A), by other `logits` (K,) if they are given."""

    @abstractmethod
    def sample(self, k: int, rng: Generator) -> Tensor:
        """Draw k members, with replacement."""

    @abstractmethod
    def archs(self, rows: Tensor) -> list[Architecture]:
        """Return what was drawn as architectures."""

    @abstractmethod
    def log_of(self, rows: Tensor) -> Tensor:
        """Return log p(A) of what was drawn (k,)."""

    @abstractmethod
    def costs_of(self, costs: Costs, rows: Tensor) -> Tensor:
        """Return what each that was drawn costs (k,)."""

    @abstractmethod
    def mode(self) -> Architecture:
        """Return the architecture to choose, the first of equals."""

    @abstractmethod
    def rank(self, archs: Sequence[Architecture]) -> NDArray[np.float64]:
        """Return log p(A) of some members (A,): more is better."""

    @abstractmethod
    def apart(self, rng: Generator) -> dict[int, int]:
        """Draw an option of each factor whose options can't be mixed, `Space.apart`; often none."""

    @abstractmethod
    def holds(self, options: Sequence[int]) -> bool:
        """Say whether some member takes one option of each group, as far as they matter to it."""

    def joint(self) -> Self:
        """Return the same distribution over `space.groups` (JD of FP-NAS), with a new parameter.

        logit(a_1 ... a_M) = sum_m log p_m(a_m): no probability changes. Raises `ValueError` for a
        distribution that has groups already.
        """
        if self.groups != _alone(self.space):
            raise ValueError("this distribution is over groups already; only factors can be joined")
        joint = type(self)(self.space, self.space.groups)
        logs = [each.detach().log_softmax(-1) for each in self.split()]
        for logits, group in zip(joint.split(), joint.groups, strict=True):
            log_p = logits.new_zeros(1)
            for factor in group:
                log_p = (log_p[:, None] + logs[factor]).flatten()
            logits.data.copy_(log_p)
        return joint


class Enumerated(Distribution):
    """p(A) = exp(s(A)) / sum over members, s(A) = sum of the log-probabilities of A's options.

    These are log_softmax(logits) of each group; one that doesn't matter to A adds nothing.
    Combinations that are no members have no mass. On a grid this is the product over groups, and
    the normaliser is 1. Raises `ValueError` for a group of which a part matters to some member.
    """

    columns: Tensor

    def __init__(self, space: Space, groups: Sequence[Sequence[int]] | None = None) -> None:
        super().__init__(space, groups)
        columns = torch.from_numpy(self._columns())
        self.register_buffer("columns", columns, persistent=False)

    def _columns(self) -> NDArray[np.int64]:
        """Return the logit of each group that each member takes (groups, N); K where none."""
        none = sum(self.sizes)
        taken = np.array(
            [[-1 if o is None else o for o in self.space.factor(arch)] for arch in self.space]
        ).T
        rows, offset = [], 0
        for group, size in zip(self.groups, self.sizes, strict=True):
            factors = taken[list(group)]
            open_ = factors < 0
            if (open_.any(axis=0) != open_.all(axis=0)).any():
                raise ValueError(
                    f"factors {group} of {self.space.name}: only a part of them matters to some "
                    f"architectures; groups must be like {self.space.groups}"
                )
            shape = [self.space.factors[i] for i in group]
            option = np.ravel_multi_index(list(np.maximum(factors, 0)), shape)
            rows.append(np.where(open_[0], none, offset + option))
            offset += size
        return np.stack(rows)

    def log_p(self, logits: Tensor | None = None) -> Tensor:
        """Return log p(A) of every member (N,), in order of iteration."""
        logs = [each.log_softmax(-1) for each in self.split(logits)]
        padded = torch.cat([*logs, self.logits.new_zeros(1)])
        # Gathered, not multiplied by indicators: equal terms give equal sums, so ties are exact.
        score = padded.index_select(0, self.columns.flatten()).view(self.columns.shape).sum(0)
        return score.log_softmax(0)

    def entropy(self) -> Tensor:
        """Return H = -sum p log p, in nats."""
        log_p = self.log_p()
        return -(log_p.exp() * log_p).sum()

    def expected(self, costs: Costs, logits: Tensor | None = None) -> Tensor:
        """Return E[C] = sum p(A) C(A) for the costs (N,) of all members."""
        assert isinstance(costs, Tensor)
        return self.log_p(logits).exp() @ costs.to(self.logits)

    def log_of(self, rows: Tensor) -> Tensor:
        """Return log p(A) of the members with these numbers (k,)."""
        return self.log_p()[rows]

    def costs_of(self, costs: Costs, rows: Tensor) -> Tensor:
        """Return the costs of the members with these numbers (k,)."""
        assert isinstance(costs, Tensor)
        return costs[rows]

    def marginals(self) -> list[Tensor]:
        """Return the probability of each option (options,), for each group.

        They sum to the probability that the group matters.
        """
        p = self.log_p().exp().repeat(len(self.groups))
        summed = self.logits.new_zeros(len(self.logits) + 1).index_add(0, self.columns.flatten(), p)
        return list(torch.split_with_sizes(summed[:-1], self.sizes))

    @torch.no_grad()
    def sample(self, k: int, rng: Generator) -> Tensor:
        """Draw the numbers (k,) of k members, with replacement."""
        return torch.multinomial(self.log_p().exp(), k, replacement=True, generator=rng)

    def archs(self, rows: Tensor) -> list[Architecture]:
        """Return the members with these numbers (k,)."""
        return [self.space.at(row) for row in rows.tolist()]

    @torch.no_grad()
    def mode(self) -> Architecture:
        """Return the likeliest member, the first of equals.

        So architectures are derived: the best of all by the sum of log-probabilities, where the
        best option of each factor by itself need not be a member.
        """
        return self.space.at(int(self.log_p().argmax()))

    def rank(self, archs: Sequence[Architecture]) -> NDArray[np.float64]:
        """Return log p(A) of some members (A,): more is better."""
        log_p = self.log_p().detach().numpy()
        ranked: NDArray[np.float64] = log_p[[self.space.index(arch) for arch in archs]]
        return ranked

    def apart(self, rng: Generator) -> dict[int, int]:
        """Draw an option of each factor whose options can't be mixed, `Space.apart`; often none.

        They are those of a member to which all factors matter, drawn by p.
        """
        if not self.space.apart:
            return {}
        whole = (self.columns < len(self.logits)).all(0)
        p = self.log_p().detach().exp() * whole
        arch = self.space.at(int(torch.multinomial(p, 1, generator=rng)))
        options = self.space.factor(arch)
        return {i: option for i in self.space.apart if (option := options[i]) is not None}

    def holds(self, options: Sequence[int]) -> bool:
        """Say whether some member takes one option of each group, as far as they matter to it."""
        if not self.space.apart:
            return True  # a grid: every combination is a member
        starts = np.cumsum([0, *self.sizes[:-1]])
        taken = torch.from_numpy(starts + np.array(options))[:, None]
        fits = (self.columns == taken) | (self.columns == len(self.logits))
        return bool(fits.all(0).any())


class Product(Distribution):
    """p(A) = the product over those groups that matter to A: a grid too large to be listed.

    Members that differ only in what doesn't matter are one, written with 0 there.
    """

    def _matters(self) -> list[Tensor]:
        """Return the probability that each group matters."""
        p = [each.softmax(0) for each in self.split()]
        owners = [self.space.within[group[0]] for group in self.groups]
        one = self.logits.new_ones(())
        return [one if own is None else p[self._group[own[0]]][own[1] :].sum() for own in owners]

    @property
    def _group(self) -> dict[int, int]:
        return {factor: i for i, group in enumerate(self.groups) for factor in group}

    def entropy(self) -> Tensor:
        """Return H in nats: that of each group by the probability that it matters."""
        each = [-(log_p.exp() * log_p).sum() for log_p in self._logs()]
        return torch.stack([p * h for p, h in zip(self._matters(), each, strict=True)]).sum()

    def _logs(self) -> list[Tensor]:
        return [each.log_softmax(0) for each in self.split()]

    def expected(self, costs: Costs, logits: Tensor | None = None) -> Tensor:
        """Return E[C], exactly: each term's table averaged over its factors."""
        return self.averaged(costs, [each.softmax(0) for each in self.split(logits)])

    def averaged(self, costs: Costs, weights: Sequence[Tensor]) -> Tensor:
        """Return the sum of all terms, each weighed by these of every group's options."""
        p = [
            each.view([self.space.factors[i] for i in group])
            for each, group in zip(weights, self.groups, strict=True)
        ]
        return torch.stack([self._mean(p, factors, table) for factors, table in costs]).sum()

    def _mean(self, p: Sequence[Tensor], factors: tuple[int, ...], table: Tensor) -> Tensor:
        if not factors:
            return table.to(self.logits)
        operands: list[Tensor | list[int]] = [table.to(self.logits), list(factors)]
        for i in dict.fromkeys(self._group[factor] for factor in factors):
            operands += [p[i], list(self.groups[i])]
        names = {factor: i for i, factor in enumerate(dict.fromkeys(_flat(operands[1::2])))}
        operands[1::2] = [[names[factor] for factor in each] for each in operands[1::2]]
        mean: Tensor = torch.einsum(*operands, [])
        return mean

    @torch.no_grad()
    def sample(self, k: int, rng: Generator) -> Tensor:
        """Draw the options (k, groups) of k members, with replacement."""
        drawn = [
            torch.multinomial(each.softmax(0), k, replacement=True, generator=rng)
            for each in self.split()
        ]
        return torch.stack(drawn, 1)

    def _options(self, rows: Tensor) -> NDArray[np.int64]:
        """Return the options (k, factors)."""
        options = np.zeros((len(rows), len(self.space.factors)), np.int64)
        for taken, group in zip(rows.T.numpy(), self.groups, strict=True):
            shape = [self.space.factors[i] for i in group]
            options[:, list(group)] = np.stack(np.unravel_index(taken, shape), 1)
        return options

    def archs(self, rows: Tensor) -> list[Architecture]:
        """Return the members with these options (k, groups)."""
        genes = [tuple(options) for options in self._options(rows).tolist()]
        return [tuple(gene or 0 for gene in self.space.factor(arch)) for arch in genes]

    def log_of(self, rows: Tensor) -> Tensor:
        """Return log p(A) of the members with these options (k, groups)."""
        options = self._options(rows)
        total = self.logits.new_zeros(len(rows))
        for taken, group, logs in zip(rows.T, self.groups, self._logs(), strict=True):
            owner = self.space.within[group[0]]
            matters = 1 if owner is None else torch.from_numpy(options[:, owner[0]] >= owner[1])
            total = total + logs[taken] * matters
        return total

    def costs_of(self, costs: Costs, rows: Tensor) -> Tensor:
        """Return the costs (k,): of each term the entry of its options."""
        options = torch.from_numpy(self._options(rows))
        each = [table[tuple(options[:, list(factors)].T)] for factors, table in costs]
        return torch.stack([term.expand(len(rows)) for term in each]).sum(0)

    @torch.no_grad()
    def mode(self) -> Architecture:
        """Return the likeliest option of each group, decided about or not (*our reconstruction*).

        The likeliest network would be a shallow one, for there are fewest of these.
        """
        (arch,) = self.archs(torch.stack([each.argmax() for each in self.split()])[None])
        return arch

    @torch.no_grad()
    def rank(self, archs: Sequence[Architecture]) -> NDArray[np.float64]:
        """Return log p(A) of some members (A,): more is better."""
        ranked: NDArray[np.float64] = self.log_of(self.rows(archs)).numpy()
        return ranked

    def rows(self, archs: Sequence[Architecture]) -> Tensor:
        """Return the options (k, groups) of members, 0 where they don't matter."""
        options = np.array([[o or 0 for o in self.space.factor(arch)] for arch in archs])
        rows = [
            np.ravel_multi_index(list(options[:, list(g)].T), [self.space.factors[i] for i in g])
            for g in self.groups
        ]
        return torch.from_numpy(np.stack(rows, 1))

    def apart(self, rng: Generator) -> dict[int, int]:
        """Draw an option of each of `Space.apart`, which are alone in their groups."""
        logits = self.split()
        return {
            factor: int(torch.multinomial(logits[i].detach().softmax(0), 1, generator=rng))
            for factor in self.space.apart
            if (i := self._group[factor]) is not None
        }

    def holds(self, options: Sequence[int]) -> bool:
        """Say yes: every combination is a member."""
        return True


def _flat(lists: Sequence[Tensor | list[int]]) -> list[int]:
    return [factor for each in lists for factor in each]


def over(space: Space, groups: Sequence[Sequence[int]] | None = None) -> Distribution:
    """Return the distribution that fits the space: over all members, where they can be listed."""
    return Product(space, groups) if space.size > LISTED else Enumerated(space, groups)


def decisions(space: Space) -> Distribution:
    """Return a distribution of methods that don't part a decision into factors.

    A layer has one categorical over all that is decided about it, `Space.groups`, an edge its own.
    """
    edges = space.size <= LISTED and space.factors == space.choices
    return over(space, None if edges else space.groups)


def choice(alpha: Distribution, macs: Costs, **info: float) -> Choice:
    """Choose the mode, rank by p, and tell entropy and expected multiply-adds beside `info`."""
    told = {"entropy": alpha.entropy(), "macs": alpha.expected(macs)}
    numbers = {name: float(value.detach()) for name, value in told.items()}
    return Choice(alpha.mode(), alpha.rank, {**numbers, **info})


def _alone(space: Space) -> tuple[tuple[int, ...], ...]:
    return tuple((i,) for i in range(len(space.factors)))
