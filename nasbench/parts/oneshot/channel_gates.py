"""Stochastic gates on channels, as FiGS has them (Chaudhuri et al., 2020).

A gate has a logit l, and is open with probability p = sigmoid(l). One draw of the logistic L makes

    m = sigmoid((l + L) / tau),   P(m > t) = sigmoid(l - tau log(t / (1 - t)))

so at every temperature it is more than half open with probability p. This is no hard concrete gate:
m is never exactly 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import inf

import torch
from torch import Generator, Tensor

from nasbench.errors import BadValue
from nasbench.nets import Convolution
from nasbench.parts.oneshot.channels import Unit, Widths, coefficient, entering, leaving


def logistic(n: int, rng: Generator) -> Tensor:
    """Draw logistic noise (n,), L = log U - log(1 - U); anew while it is not finite."""
    while not (noise := torch.rand(n, generator=rng).logit()).isfinite().all():
        pass
    return noise


def gate(logits: Tensor, tau: float, noise: Tensor, straight_through: bool = False) -> Tensor:
    """Return gates m (C,). A `tau` of 0 is the limit, m = 1 where l + L > 0, without slope.

    With `straight_through` this is what they are forwards; backwards they have the slope of m.
    """
    hard = (logits + noise > 0).to(logits)
    if tau <= 0:
        return hard
    soft = ((logits + noise) / tau).sigmoid()
    return hard - soft.detach() + soft if straight_through else soft


def keep_first(logits: Tensor) -> Tensor:
    """Return logits (C,) of which the first is infinite: its gate is always open."""
    return torch.cat([torch.full_like(logits[:1], torch.inf), logits[1:]])


def temperature(tau: float, step: int, annealing: float | None) -> float:
    """Return tau 0.1^(step / annealing): a tenth after so many steps. None: it stays."""
    return tau if annealing is None else tau * 0.1 ** (step / annealing)


def together(p: Tensor) -> Tensor:
    """Return 1 - prod(1 - p) over the last axis: some gate of a group is open.

    Channels that are added or meet in a depthwise convolution stand or fall together.
    """
    return 1 - (1 - p).prod(-1)


def tied(logits: Tensor) -> Tensor:
    """Return the logits (...,) of `together`, given those of a group's gates, the last axis."""
    shut = torch.nn.functional.softplus(logits.double()).sum(-1)  # -log prod(1 - p)
    return shut + torch.log(-torch.expm1(-shut))


def alive(gates: Tensor, threshold: float = 0.1) -> Tensor:
    """Say which gates (C,) let something through."""
    return gates >= threshold


def penalty(
    convs: Iterable[Convolution],
    r: Sequence[Tensor],
    living: Sequence[Tensor],
    unit: Unit = "macs",
) -> Tensor:
    """Return the sum of k (A_in sum r_out + A_out sum r_in), depthwise k (sum r_in + sum r_out).

    `r` are probabilities or gates (C,) of each group, A the number of `living` ones, without a
    slope. If all are 1 it is twice the cost.
    """
    a = [each.detach().sum().double() for each in living]
    sums = [each.sum().double() for each in r]
    terms = []
    for conv in convs:
        k, r_out, a_out = coefficient(conv, unit), leaving(conv, sums), leaving(conv, a)
        if conv.depthwise:
            terms.append(k * 2 * r_out)
            continue
        terms.append(k * (entering(conv, a) * r_out + a_out * entering(conv, sums)))
    return torch.stack(terms).sum()


def export(logits: Sequence[Tensor]) -> list[int]:
    """Return how many gates of each group are likelier open than not, l > 0.

    Raises `BadValue` for a group without one; `keep_first` makes sure that there is.
    """
    found = [int((each > 0).sum()) for each in logits]
    if 0 in found:
        raise BadValue(
            f"no channel of width {found.index(0) + 1} is left: lower the price, or keep the first"
        )
    return found


@torch.no_grad()
def numbers(logits: Tensor) -> Tensor:
    """Return log P(N = n) (C + 1,) of the number of open gates, exactly (Poisson binomial)."""
    log_p = torch.full((len(logits) + 1,), -torch.inf, dtype=torch.float64)
    log_p[0] = 0.0
    for logit in logits.double():
        more = torch.cat([log_p.new_full((1,), -torch.inf), log_p[:-1]])
        open_, shut = torch.nn.functional.logsigmoid(torch.stack([logit, -logit]))
        log_p = torch.logaddexp(log_p + shut, more + open_)
    return log_p


def options(logits: Tensor, widths: Sequence[int]) -> Tensor:
    """Return the log-probability (options,) that the number of open gates is nearest to a width.

    Of two that are equally near it is the narrower. Equal widths have the same one.
    """
    log_p, known = numbers(logits), torch.tensor(widths)
    near = known[(torch.arange(len(log_p))[:, None] - known).abs().argmin(1)]
    return torch.stack([log_p[near == width].logsumexp(0) for width in widths])


def entropy(log_p: Tensor, widths: Sequence[int]) -> float:
    """Return the entropy of `options`, in nats; equal widths are one option."""
    alone = [widths.index(width) for width in dict.fromkeys(widths)]
    return float(torch.special.entr(log_p[alone].exp()).sum())


@dataclass(frozen=True)
class Law:
    """How likely each member of a space is the one whose channels are nearest to the open gates.

    Exactly: numbers of open gates are independent, and hidden ones are compared with what the
    channels that enter allow. `logits` (C,) are those of each group.
    """

    widths: Widths
    logits: Sequence[Tensor]

    @cached_property
    def _tables(self) -> list[Tensor]:
        """The log-probability of options, as `Space.widths` has their channels."""
        found = []
        for logits, group in zip(self.logits, self.widths.groups, strict=True):
            _, table = self.widths.terms[group[0]]
            rows = table.reshape(-1, table.shape[-1]).tolist()
            found.append(torch.stack([options(logits, row) for row in rows]).reshape(table.shape))
        return found

    def log_p(self, chosen: Sequence[int]) -> float:
        """Return the log-probability of a member; - infinity where a group's widths differ."""
        total = 0.0
        for log_p, group in zip(self._tables, self.widths.groups, strict=True):
            factors, _ = self.widths.terms[group[0]]
            if len({chosen[f] for f in group}) > 1:
                return -inf
            total += float(log_p[tuple(chosen[f] for f in factors)])
        return total

    def entropy(self) -> float:
        """Return the entropy in nats."""
        total = 0.0
        for log_p, group in zip(self._tables, self.widths.groups, strict=True):
            factors, table = self.widths.terms[group[0]]
            if len(factors) == 1:
                total += entropy(log_p, table.tolist())
                continue
            before = self.widths.owner[factors[0]]
            channels = self.widths.terms[factors[0]][1].tolist()
            for c in dict.fromkeys(channels):
                row = channels.index(c)
                p = float(self._tables[before][row].exp())
                total += p * entropy(log_p[row], table[row].tolist())
        return total
