"""From logits to what a supernet is told: softmax, Gumbel noise, gates.

A mix `dict[int, Tensor]` has the weights of the options of one factor, each a tensor of no axes; an
option that is not in it does not run. A list of these, one a factor, is a word.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf
from types import MappingProxyType

import torch
from torch import Generator, Tensor

NONE: Mapping[int, int] = MappingProxyType({})


def gumbel(n: int, rng: Generator) -> Tensor:
    """Draw standard Gumbel noise (n,), G = -log(-log U); anew while it is not finite."""
    while not (noise := -(-torch.rand(n, generator=rng).log()).log()).isfinite().all():
        pass
    return noise


def gumbel_softmax(logits: Tensor, tau: float, noise: Tensor) -> Tensor:
    """Relax a draw: softmax((log p + G) / tau), with p = softmax(logits) over the last axis.

    The concrete distribution (Maddison et al., 2017; Jang et al., 2017), by which SNAS (Xie et al.,
    2019) and GDAS (Dong & Yang, 2019) sample. Its largest entry is a draw from p at any `tau`.
    """
    return ((logits.log_softmax(-1) + noise) / tau).softmax(-1)


def straight_through(soft: Tensor, option: int | None = None) -> tuple[int, Tensor]:
    """Return an option, by default the largest, and h = onehot(option) - stop(p) + p.

    `soft` is p (options,). Forwards h is one-hot, exactly; backwards it is p.
    """
    if option is None:
        option = int(soft.argmax())
    one_hot = torch.zeros_like(soft)
    one_hot[option] = 1
    return option, one_hot - soft.detach() + soft


def soft(weights: Sequence[Tensor], apart: Mapping[int, int] = NONE) -> list[dict[int, Tensor]]:
    """Let every option run, with the weights (options,) of each factor: DARTS, SNAS.

    `apart` names factors of which one option alone runs, with weight h = 1 (`straight_through`).
    """
    mixes = [dict(enumerate(each)) for each in weights]
    for factor, option in apart.items():
        mixes[factor] = {option: straight_through(weights[factor], option)[1][option]}
    return mixes


def chosen(samples: Sequence[Tensor]) -> list[dict[int, Tensor]]:
    """Let the largest of each factor's samples (options,) run alone, with weight h = 1 (GDAS).

    With the slope dL/dp = <dL/dout, o(x)> of that option alone: the authors' later variant. Their
    first one adds the h of the others, which are 0, to the output: <dL/dout, o(x) - 1>, as if the
    others were constants.
    """
    return [{option: h[option]} for option, h in map(straight_through, samples)]


def gates(logits: Tensor, rng: Generator) -> dict[int, Tensor]:
    """Draw binary gates of ProxylessNAS (Cai et al., 2019): one is 1, by softmax(logits), others 0.

    The slope dL/dalpha_i = sum_j dL/dg_j p_j (delta_ij - p_i) needs every option to run (the mode
    "full").
    """
    p = logits.softmax(-1)
    option = int(torch.multinomial(p.detach(), 1, generator=rng))
    return dict(enumerate(straight_through(p, option)[1]))


def two_gates(logits: Tensor, rng: Generator) -> dict[int, Tensor]:
    """Draw two options without replacement, and one of them that is active: their gates.

    Probabilities are those of the pair alone, softmax(alpha_a, alpha_b) (the mode "two" of
    ProxylessNAS). After the optimizer's step comes `rescale`.
    """
    noisy = logits.detach() + gumbel(len(logits), rng)
    pair = noisy.topk(min(2, len(logits))).indices  # Gumbel top-k trick
    return dict(zip(pair.tolist(), gates(logits[pair], rng).values(), strict=True))


def active(word: Sequence[Mapping[int, Tensor]]) -> list[int]:
    """Return the option of each factor whose gate is 1."""
    return [max(mix, key=lambda option: float(mix[option].detach())) for mix in word]


def of_those(logits: Sequence[Tensor], word: Sequence[Mapping[int, Tensor]]) -> Tensor:
    """Return logits (K,) by which the options that run, of each factor, are all that there are.

    Others are at -inf, and have no slope.
    """
    ran = [[option in mix for option in range(len(a))] for a, mix in zip(logits, word, strict=True)]
    return torch.cat([a.where(torch.tensor(b), -inf) for a, b in zip(logits, ran, strict=True)])


@torch.no_grad()
def rescale(logits: Tensor, before: Tensor, options: Sequence[int]) -> None:
    """Shift the logits of two options, in place, so that a step changed no other's probability.

    `before` are all of the factor's logits before the step: off = log(sum exp after) - log(sum exp
    before), over the two, is taken from both.
    """
    pair = list(options)
    logits[pair] -= logits[pair].logsumexp(0) - before[pair].logsumexp(0)
