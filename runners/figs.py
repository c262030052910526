"""FiGS (Chaudhuri et al., 2020): a stochastic gate on every channel, and a price on open ones.

Gates m = sigmoid((l + L) / tau), with logistic noise L, are drawn once a step for all images; they
multiply channels behind BN and ReLU. Weights and logits learn at once, on the same images:

    L = task loss + lambda sum_conv k (A_in sum r_out + A_out sum r_in)

k is what a pair of channels costs (multiply-adds or parameters), A how many gates are alive, m >=
0.1, r = sigmoid(l), or with `on_mask` the gates themselves. Channels with l > 0 are kept.

Faithful, to the authors' released layer and penalty: this; l = 2.5 at first, tau = 0.001, the first
channel kept, lambda = 1 / (initial cost) as the middle of the grid that they search, rates of
structure learning that stay. `straight_through` and `annealing` are theirs, too.

*Our reconstruction*: the optimizers, of the weights (`OneShot.optimizer`) and of the logits (SGD,
no decay); r by default, for less noise; a part of the epochs in which only weights learn; a
`target`, above which the expected cost has its price and below none. The choice has the widths that
are nearest to the numbers of channels kept, the narrower of two; with a target those of the nearest
member within it. Architectures are ranked by the exact log-probability that the numbers of open
gates are nearest to their widths. The widest network's weights have no order, so the shared weights
of an architecture are those of its likeliest channels, times p.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.optim import SGD

from nasbench.parts.oneshot.channel_gates import (
    alive,
    entropy,
    export,
    gate,
    keep_first,
    logistic,
    options,
    penalty,
    temperature,
)
from nasbench.parts.oneshot.channels import Channels, Unit, cost, nearest
from nasbench.parts.within import Within
from nasbench.search import Choice, Problem, Training
from nasbench.space import Architecture

needs = {"live", "widths"}


def search(
    problem: Problem,
    rng: np.random.Generator,
    *,
    tau: float = 0.001,
    initial: float = 2.5,
    straight_through: bool = False,
    annealing: float | None = None,
    first: bool = True,
    unit: Unit = "macs",
    strength: float = 1.0,
    target: float | None = None,
    on_mask: bool = False,
    threshold: float = 0.1,
    warmup: float = 0.05,
    learning_rate: float = 0.1,
    momentum: float = 0.9,
) -> Training:
    """Train the weights for the part `warmup` of the epochs, then weights and logits at once.

    `strength` is lambda times the initial cost, `target` is in multiply-adds, `annealing` in steps.
    Raises `ValueError` for a target below all members, `BadValue` where no channel is left: the
    `first` is, unless that is switched off.
    """
    live, space = problem.live, problem.space
    assert live is not None
    among = None
    if target is not None:
        among = Within(space, live.cost, 0, target, "multiply-adds").archs
    net = live.supernet()
    convs, weights = net.convolutions(), live.optimizer(net)
    widths = list(space.widths(live.where.recipe.scale).values())
    held = keep_first if first else torch.clone
    net.encoder = gates = Channels(
        net.encoder, widths, convs, initial, lambda value: held(value).sigmoid()
    )
    sgd = SGD(gates.values.parameters(), learning_rate, momentum)
    live.keep(net=net, weights=weights, sgd=sgd)
    rate = strength / float(cost(convs, gates.counts, unit))

    def expected(logits: Sequence[Tensor]) -> float:
        return float(cost(convs, [each.detach().sigmoid().sum() for each in logits]))

    warm, steps = round(warmup * live.epochs), live.steps()
    for epoch in live.rounds():
        for step, (batch,) in enumerate(live.batches()):
            now = temperature(tau, epoch * steps + step, annealing)
            logits = [held(value) for value in gates.values]
            noise = [logistic(len(each), live.rng) for each in logits]
            masks = [
                gate(each, now, drawn, straight_through)
                for each, drawn in zip(logits, noise, strict=True)
            ]
            p = [each.sigmoid() for each in logits]
            loss = live.loss(net(batch.x, masks), batch.target)
            if target is None or expected(logits) > target:
                living = [alive(mask, threshold) for mask in masks]
                loss = loss + rate * penalty(convs, masks if on_mask else p, living, unit)
            weights.zero_grad()
            sgd.zero_grad()
            loss.backward()
            weights.step()
            if epoch >= warm:
                sgd.step()
            live.samples += 1
        logits = [held(value.detach()) for value in gates.values]
        log_p = [options(each, width) for each, width in zip(logits, widths, strict=True)]
        yield Choice(
            nearest(widths, export(logits), among),
            rank=partial(_rank, log_p),
            info={
                "entropy": sum(entropy(each, w) for each, w in zip(log_p, widths, strict=True)),
                "macs": expected(logits),
            },
        )


def _rank(log_p: Sequence[Tensor], archs: Sequence[Architecture]) -> list[float]:
    """Return the log-probability of architectures, given that of each layer's options."""
    return [
        sum(float(each[option]) for each, option in zip(log_p, arch, strict=True)) for arch in archs
    ]
