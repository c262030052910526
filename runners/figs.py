"""FiGS (Chaudhuri et al., 2020): a stochastic gate on every channel, and a price on open ones.

Gates m = sigmoid((l + L) / tau), with logistic noise L, are drawn once a step for all images; they
multiply channels behind BN and ReLU. Weights and logits learn at once, on the same images:

    L = task loss + lambda sum_conv k (A_in sum r_out + A_out sum r_in)

k is what a pair of channels costs (multiply-adds or parameters), A how many gates are alive, m >=
0.1 (of a group 1 - prod_i (1 - m_i)), r = sigmoid(l), or with `on_mask` the gates themselves.
Channels with l > 0 are kept.

Faithful, to the authors' released layer and penalty: this; l = 2.5 at first, tau = 0.001, the first
channel kept, lambda = 1 / (initial cost) as the middle of the grid that they search, the logits'
rate, which stays. `straight_through` and `annealing` are theirs, too.

Of inverted residuals hidden and leaving channels have gates; those that the widest network adds up
are a group, which is open where any of its layers' gates is, p = 1 - prod_i (1 - p_i).

*Our reconstruction*: all decisions but widths are those of the architecture `like`, by default the
last option of each; the optimizers, of the weights (`OneShot.optimizer`) and of the logits (SGD, no
decay); r by default, for less noise; a part of the epochs in which only weights learn; a `target`,
above which the expected cost has its price and below none (of parameters and latencies that of the
member nearest to the expected channels). The choice has the widths that are
nearest to the numbers of channels kept, the narrower of two, expansions given the channels that
enter; with a target the channels with the lowest logits go until it's within. Architectures are
ranked by the exact log-probability that the numbers of open gates are nearest to their widths. The
widest network's weights have no order, so the shared weights of an architecture are those of its
likeliest channels, times p; it widens everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from math import nan

import numpy as np
import torch
from torch import Tensor
from torch.optim import SGD

from nasbench.parts.oneshot.atoms import targeted
from nasbench.parts.oneshot.channel_gates import (
    Law,
    alive,
    export,
    gate,
    keep_first,
    logistic,
    penalty,
    temperature,
    tied,
    together,
)
from nasbench.parts.oneshot.channels import Channels, Unit, Widths, bilinear
from nasbench.parts.oneshot.priced import priced
from nasbench.search import Choice, Problem, Training
from nasbench.space import Architecture, Space

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
    strength: float = 1.0,
    target: float | None = None,
    cost: str = "macs",
    device: str = "cpu",
    on_mask: bool = False,
    threshold: float = 0.1,
    warmup: float = 0.05,
    learning_rate: float = 0.1,
    momentum: float = 0.9,
    like: str = "",
) -> Training:
    """Train the weights for the part `warmup` of the epochs, then weights and logits at once.

    `strength` is lambda times the initial cost, `annealing` is in steps. `target` is in the unit of
    `cost`: "macs", "params", or a file of latencies of the `device`. Pairs of channels have none of
    their own, so then the penalty counts multiply-adds, until the target is met.
    Raises `BadValue` for a target below the narrowest network, and where no channel is left: the
    `first` is, unless that is switched off; `ValueError` for latencies without a target;
    `OutsideSpace` for a `like` that is no architecture.
    """
    live = problem.live
    assert live is not None
    space = live.only_widths(like)
    price = priced(live, cost, device)
    price.check(target)
    unit: Unit = "params" if cost == "params" else "macs"
    if target is None and price.unit == "ms":
        raise ValueError("latencies without a target: there is nothing that they would change")
    net, widths = live.supernet(), Widths.of(space, live.where.recipe.scale)
    convs, weights = widths.tied(net.convolutions()), live.optimizer(net)
    held = keep_first if first else torch.clone

    def probabilities(value: Tensor) -> Tensor:
        return together(held(value).sigmoid())

    net.encoder = gates = Channels(net.encoder, widths, convs, initial, probabilities, apart=True)
    sgd = SGD(gates.values.parameters(), learning_rate, momentum)
    live.keep(net=net, weights=weights, sgd=sgd)
    rate = strength / float(bilinear(convs, gates.counts, unit))

    def spent(counts: Sequence[float]) -> float:
        return price.of(space.member(widths.nearest(counts)))

    def expected() -> list[float]:
        return [float(probabilities(each.detach()).sum()) for each in gates.values]

    def macs() -> float:
        return float(bilinear(convs, expected()))

    def paid() -> float:
        return macs() if cost == "macs" else spent(expected())

    warm, steps = round(warmup * live.epochs), live.steps()
    for epoch in live.rounds():
        for step, (batch,) in enumerate(live.batches()):
            now = temperature(tau, epoch * steps + step, annealing)
            noise = [logistic(each.numel(), live.rng).view_as(each) for each in gates.values]
            masks = [
                together(gate(held(each), now, drawn, straight_through))
                for each, drawn in zip(gates.values, noise, strict=True)
            ]
            p = [probabilities(each) for each in gates.values]
            loss = live.loss(net(batch.x, masks), batch.target)
            if target is None or paid() > target:
                living = [alive(mask, threshold) for mask in masks]
                loss = loss + rate * penalty(convs, masks if on_mask else p, living, unit)
            weights.zero_grad()
            sgd.zero_grad()
            loss.backward()
            weights.step()
            if epoch >= warm:
                sgd.step()
            live.samples += 1
        logits = [tied(held(value.detach())) for value in gates.values]
        counts, law = export(logits), Law(widths, logits)
        if target is not None:
            counts = targeted([each[each > 0] for each in logits], spent, target, widths.least)
        chosen = space.member(widths.nearest(counts))
        yield Choice(
            chosen,
            rank=partial(_rank, law, space),
            info={"entropy": law.entropy(), "macs": macs(), **price.told(chosen)},
        )


def _rank(law: Law, space: Space, archs: Sequence[Architecture]) -> list[float]:
    """Return the log-probability of architectures, NaN of those that differ in other things."""
    return [
        law.log_p([o or 0 for o in space.factor(arch)]) if arch in space else nan for arch in archs
    ]
