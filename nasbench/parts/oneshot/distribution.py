"""A distribution over the architectures of a space, exact over all members."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor, nn

from nasbench.search import Choice
from nasbench.space import Architecture, Space


class Distribution(nn.Module):
    """p(A) = exp(s(A)) / sum over members, s(A) = sum of the log-probabilities of A's options.

    These are log_softmax(logits) of each group of factors, by default of each factor alone (FD of
    FP-NAS: Yan et al., 2021); a factor that doesn't matter to A adds nothing. Combinations that are
    no members have no mass. On a grid this is the product over groups, and the normaliser is 1.

    `logits` (K,) are the only parameter and the only state, 64-bit, 0 at first; `sizes` says how
    many options each group has, combinations of its factors in order, the last one turning fastest.
    Raises `ValueError` for a group of which only a part matters to some member.
    """

    columns: Tensor

    def __init__(self, space: Space, groups: Sequence[Sequence[int]] | None = None) -> None:
        super().__init__()
        self.space = space
        self.groups = tuple(map(tuple, _alone(space) if groups is None else groups))
        self.sizes = [prod(space.factors[i] for i in group) for group in self.groups]
        self.logits = nn.Parameter(torch.zeros(sum(self.sizes), dtype=torch.float64))
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

    def split(self) -> list[Tensor]:
        """Return each group's logits (options,), as views of the parameter."""
        return list(torch.split_with_sizes(self.logits, self.sizes))

    def log_p(self) -> Tensor:
        """Return log p(A) of every member (N,), in order of iteration."""
        logs = [each.log_softmax(-1) for each in self.split()]
        padded = torch.cat([*logs, self.logits.new_zeros(1)])
        # Gathered, not multiplied by indicators: equal terms give equal sums, so ties are exact.
        score = padded.index_select(0, self.columns.flatten()).view(self.columns.shape).sum(0)
        return score.log_softmax(0)

    def entropy(self) -> Tensor:
        """Return H = -sum p log p, in nats."""
        log_p = self.log_p()
        return -(log_p.exp() * log_p).sum()

    def expected(self, costs: Tensor) -> Tensor:
        """Return E[C] = sum p(A) C(A) for the costs (N,) of all members."""
        return self.log_p().exp() @ costs.to(self.logits)

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

    def joint(self) -> Distribution:
        """Return the same distribution over `space.groups` (JD of FP-NAS), with a new parameter.

        logit(a_1 ... a_M) = sum_m log p_m(a_m): no probability changes. Raises `ValueError` for a
        distribution that has groups already.
        """
        if self.groups != _alone(self.space):
            raise ValueError("this distribution is over groups already; only factors can be joined")
        joint = Distribution(self.space, self.space.groups)
        logs = [each.detach().log_softmax(-1) for each in self.split()]
        for logits, group in zip(joint.split(), joint.groups, strict=True):
            log_p = logits.new_zeros(1)
            for factor in group:
                log_p = (log_p[:, None] + logs[factor]).flatten()
            logits.data.copy_(log_p)
        return joint


def decisions(space: Space) -> Distribution:
    """Return a distribution with a categorical for each decision as the space writes it.

    Those of grids are the factors; elsewhere a decision is what `Space.groups` takes together.
    """
    return Distribution(space, None if space.factors == space.choices else space.groups)


def choice(alpha: Distribution, macs: Tensor, **info: float) -> Choice:
    """Choose the mode, rank by p, and tell entropy and expected multiply-adds beside `info`."""
    told = {"entropy": alpha.entropy(), "macs": alpha.expected(macs)}
    numbers = {name: float(value.detach()) for name, value in told.items()}
    return Choice(alpha.mode(), alpha.rank, {**numbers, **info})


def _alone(space: Space) -> tuple[tuple[int, ...], ...]:
    return tuple((i,) for i in range(len(space.factors)))
