"""DMaskingNAS (Wan et al., FBNetV2, CVPR 2020): widths and resolutions as masks, one pass for all.

All options of a width are one convolution, whose channels are multiplied by the probability that
they are there, behind BN and activation; Gumbel noise makes the probabilities:

    g = softmax((log softmax(alpha) + G) / tau),   y = b(x) * M,   M = sum_i g_i 1[channel < c_i]

and the price is what the network costs by the same g:

    "mul": L a log(E_g[C])^b;   "add": L + lambda (E_g[C] - ref) / ref

Faithful: this, for widths, expansions and resolutions (the network runs on some of the pixels); tau
falls from 5 by 0.956 at each of 90 epochs, here by as much over the run; no step of the logits in
the first ninth; Adam for them; 80 % of the images are the weights'; the choice is the likeliest
option of every decision.

*Our reconstruction*: the optimizer of the weights (`OneShot.optimizer`); steps of the logits are
spread over an epoch; E_g[C] is exact, where the paper takes the cost of mean shapes
(`expectation="effective"`; on a plain chain of widths the two are equal); one resolution a step,
the noise's largest ("sampled"; the price is by the probabilities of all), or each in a pass of its
own ("all"), whose outputs are summed; kernel, squeeze-and-excitation, activation and depth have
noise of their own and are mixed in place, where the paper has parallel blocks with one choice of a
type; latencies are in microseconds, for networks may take less than 1 ms. On cells it is a
Gumbel-softmax over operations; on the macro space a draw that is no member is drawn again.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import e
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.optim import Adam

from nasbench.parts.oneshot.costs import add_linear, mul_log
from nasbench.parts.oneshot.distribution import Costs, Product, choice, over
from nasbench.parts.oneshot.priced import priced
from nasbench.parts.oneshot.relaxation import gumbel, soft
from nasbench.parts.oneshot.schedules import exponential
from nasbench.parts.oneshot.shapes import effective
from nasbench.search import Problem, Training
from nasbench.supernet import Word

needs = {"live"}


def search(
    problem: Problem,
    rng: np.random.Generator,
    *,
    resolutions: Literal["sampled", "all"] = "sampled",
    penalty: Literal["mul", "add", ""] = "mul",
    reference: float | None = None,
    expectation: Literal["exact", "effective"] = "exact",
    cost: str = "macs",
    device: str = "cpu",
    a: float = 0.2,
    b: float = 0.6,
    rate: float = 0.1,
    tau_max: float = 5.0,
    tau_min: float = 5.0 * 0.956**89,
    warmup: float = 1 / 9,
    share: float = 0.8,
    learning_rate: float = 0.01,
    weight_decay: float = 5e-4,
) -> Training:
    """Train weights on a `share` of the images, and logits on the others.

    `cost` is "macs", "params", or a file of latencies of the `device`; `a` and `b` belong to "mul",
    `rate` (lambda) and `reference`, in that unit, by default the median, to "add". Raises
    `ValueError` for other modes and penalties, and for effective shapes in a space that is listed.
    """
    live, space = problem.live, problem.space
    assert live is not None
    price = priced(live, cost, device)
    prices: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
        "mul": partial(mul_log, reference=e, a=a, b=b),
        "add": partial(
            add_linear,
            reference=price.fine * (price.typical if reference is None else reference),
            rate=rate,
        ),
        "": lambda loss, cost: loss,
    }
    if not 0 < share < 1:
        raise ValueError(f"a share of {share}: weights need images, and so do logits")
    if resolutions not in ("sampled", "all") or penalty not in prices:
        raise ValueError(
            f"resolutions {resolutions!r}, penalty {penalty!r}: of sampled, all and {[*prices]}"
        )
    net, alpha = live.supernet(), over(space)
    means: dict[str, Callable[[Costs, Tensor], Tensor]] = {"exact": alpha.expected}
    if isinstance(alpha, Product):
        means["effective"] = partial(effective, alpha)
    if expectation not in means:
        known = ", ".join(means)
        raise ValueError(f"expectation {expectation!r}: of {space.name} there is {known}")
    weights = live.optimizer(net)
    adam = Adam([alpha.logits], learning_rate, weight_decay=weight_decay)
    live.keep(net=net, alpha=alpha, weights=weights, adam=adam)

    def drawn(tau: float) -> tuple[Word, Tensor]:
        """Draw a word; logits / tau with their noise say its probabilities."""
        while True:
            noisy = [(p.log_softmax(-1) + gumbel(len(p), live.rng)) / tau for p in alpha.split()]
            options = [int(each.argmax()) for each in noisy]
            if alpha.holds(options):
                break
        apart = {i: options[i] for i in space.apart} if resolutions == "sampled" else {}
        live.samples += 1
        return soft([each.softmax(-1) for each in noisy], apart), torch.cat(noisy)

    warm, every = round(warmup * live.epochs), max(round(share / (1 - share)), 1)
    for epoch in live.rounds():
        tau = exponential(tau_max, tau_min, epoch, live.epochs - 1)
        for step, (train, valid) in enumerate(live.batches(share)):
            word, _ = drawn(tau)
            weights.zero_grad()
            live.loss(net(train.x, word), train.target).backward()
            weights.step()
            if epoch < warm or (epoch * live.steps(share) + step + 1) % every:
                continue
            word, noisy = drawn(tau)
            loss = live.loss(net(valid.x, word), valid.target)
            adam.zero_grad()
            expected = price.fine * means[expectation](price.members, noisy)
            prices[penalty](loss, expected).backward(inputs=[alpha.logits])
            adam.step()
        yield choice(alpha, live.macs, tau_softmax=tau, **price.told(alpha))
