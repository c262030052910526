"""AtomNAS (Mei et al., ICLR 2020): channels are atoms that L1 shrinks, and what vanished is cut.

Every channel of a layer has a scale gamma, 1 at first:

    loss = task loss + rho(t) sum_b c_b |gamma_b|_1,    c_b = f_b / mean f

f_b is the cost of one channel, what it enters included, the mean is over all channels,
and rho(t) rises linearly. After each epoch, if the channels with |gamma| <= 0.001 by the moving
average are worth it, those that are small by the scales themselves, too, are cut out of weights,
scales, averages and what optimizers remember; after the last epoch the average alone decides. So
the supernet gets smaller while it trains, and a run that goes on begins with the smaller one.

Faithful: this, costs counted anew after each cut, rho's rise over the first 25 of 350 epochs, the
mask by a `target` (the smallest scales go until the choice costs as much). With `equal` all prices
are 1, with `proximal` scales reach exact zeros.

*Our reconstruction*: batch normalization has no weights here, so gamma multiplies channels behind
BN and ReLU: the scale of a BN whose shift is 0, as long as it isn't negative. Latencies are known
of whole networks, so a channel's is what the choice saves by its narrowest option. The optimizer
(`OneShot.optimizer`), and with it `rho`: the published 1.8e-4 is for 220,000 steps of an RMSProp
that takes small slopes 30 times, and cuts nothing in 2,000 steps. The average is of scales alone,
over a thirtieth of the run: over the paper's tenth a zero is seen two thirds of the run late. A cut
is worth it from one percent of the widest network on. A layer keeps as many channels as its
narrowest option, because every member has them. The choice has the widths nearest to the numbers of
living channels, the narrower of two, expansions given the channels that enter; with a target the
smallest scales go until it's within. An architecture's score under shared weights, which ranks it,
is that of its channels with the largest scales, by statistics of batches. No smoothed labels.

Of inverted residuals not only hidden channels are atoms, as in the paper, but leaving ones, too;
those that the widest network adds up have one scale, and are cut together. All decisions but widths
are those of the architecture `like`, by default the last option of each, a kernel a layer.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from nasbench.parts.oneshot.atoms import (
    Average,
    costs,
    l1,
    living,
    prices,
    rate,
    slopes,
    soft_threshold,
    targeted,
)
from nasbench.parts.oneshot.channels import Channels, Widths, bilinear
from nasbench.parts.oneshot.priced import priced
from nasbench.search import Choice, Problem, Training
from nasbench.space import Architecture

needs = {"live", "widths"}


def search(
    problem: Problem,
    rng: np.random.Generator,
    *,
    rho: float = 0.01,
    free: float = 0.0,
    full: float = 25 / 350,
    equal: bool = False,
    proximal: bool = False,
    threshold: float = 1e-3,
    worth: float = 0.01,
    average: float = 1 / 30,
    target: float | None = None,
    cost: str = "macs",
    device: str = "cpu",
    like: str = "",
) -> Training:
    """Train the supernet under a price that rises between the parts `free` and `full` of the run.

    `threshold` is in |gamma|, `worth` a share of the widest network's multiply-adds, `average` a
    part of the run. Prices and the `target` are in the unit of `cost`: "macs", "params", or a file
    of latencies of the `device`. Raises `BadValue` for a target below the narrowest member,
    `OutsideSpace` for a `like` that is no architecture.
    """
    live = problem.live
    assert live is not None
    space = live.only_widths(like)
    price = priced(live, cost, device)
    price.check(target)
    net, widths = live.supernet(), Widths.of(space, live.where.recipe.scale)
    convs, least = widths.tied(net.convolutions()), widths.least

    def member(counts: Sequence[int]) -> Architecture:
        return space.member(widths.nearest(counts))

    def each(counts: Sequence[int]) -> list[float]:
        if price.unit == "ms":
            return slopes(lambda o: price.of(space.member(o)), widths.nearest(counts), widths)
        return costs(convs, counts, "params" if cost == "params" else "macs")

    net.encoder = atoms = Channels(net.encoder, widths, convs, 1.0)
    weights = live.optimizer(net)
    atoms.optimizers.append(weights)
    steps = live.steps()
    mean = Average(atoms.values, 1 - 1 / max(average * live.epochs * steps, 1))
    live.keep(net=net, weights=weights, mean=mean)
    widest = float(bilinear(convs, atoms.counts))
    for epoch in live.rounds():
        c = prices(each(atoms.counts), atoms.counts, equal)
        for step, (batch,) in enumerate(live.batches()):
            now = rate(rho, (epoch + step / steps) / live.epochs, free, full)
            loss = live.loss(net(batch.x, list(atoms.values)), batch.target)
            if not proximal:
                loss = loss + now * l1(atoms.values, c)
            weights.zero_grad()
            loss.backward()
            weights.step()
            if proximal:
                lr = weights.param_groups[0]["lr"]
                for gamma, own in zip(atoms.values, c, strict=True):
                    gamma.data = soft_threshold(gamma.data, lr * now * own)
            mean.update(atoms.values)
            live.samples += 1
        sizes = [each.abs() for each in mean.values]
        alive = [int(kept.sum()) for kept in living(sizes, threshold, least)]
        if float(bilinear(convs, atoms.counts) - bilinear(convs, alive)) >= worth * widest:
            if epoch < live.epochs - 1:
                now_too = zip(sizes, atoms.values, strict=True)
                sizes = [torch.maximum(size, gamma.detach().abs()) for size, gamma in now_too]
            keep = living(sizes, threshold, least)
            atoms.cut(keep)
            mean.cut(keep)
        sizes = [each.abs() for each in mean.values]
        keep = living(sizes, threshold, least)
        alive = [int(kept.sum()) for kept in keep]
        if target is not None:
            left = [size[kept] for size, kept in zip(sizes, keep, strict=True)]
            alive = targeted(left, lambda counts: price.of(member(counts)), target, least)
        chosen = member(alive)
        yield Choice(
            chosen,
            rank=lambda archs: live.score(net, archs),
            info={
                "macs": float(live.cost(chosen)),
                "channels": float(sum(atoms.counts)),
                **price.told(chosen),
            },
        )
