"""OWS, optimal width search (Berman, Pishchulin, Xu, Blaschko and Medioni, CVPR 2020).

A slimmable network is trained by the sandwich rule: the widest by the labels, the narrowest and one
of uniform random widths for each image by the widest's output. What an image's loss says of the
random widths is shared by its layers, and a layer's width is worth the mean of what was said:

    U_i(c) = mean of -(loss_random - loss_widest) / L over images whose layer i was c wide
    max over x of sum_i U_i(x_i) - gamma sum_i T_i(x_i, x_i+1)                        (Viterbi)

Gamma is searched for, so that the best widths are within the target. Faithful: this; masks behind
BN and ReLU, one an image; gamma doubled from 10 and then bisected; T in multiply-adds, which are
exact here, or in latencies of layers, learned from those of networks with a monotone order.

*Our reconstruction*: a layer of inverted residuals has a state for each pair of expansion and
channels, and is otherwise as in the architecture `like`, by default that with the last option of
every decision; the optimizer (`OneShot.optimizer`); means go back by as many draws as an
epoch has of each width, where the authors' 100,000 are about one of ImageNet; on tasks without
classes all three networks are trained by the labels; gamma is for costs as parts of the target, and
bisected 24 times in place of 12, because what widths differ by is less than the last of 12 steps. A
width that was never drawn counts as the worst of its layer. `decoding="exact"` also finds what no
gamma does.
"""

from __future__ import annotations

import numpy as np
import torch

from nasbench.parts.oneshot.channels import Packed
from nasbench.parts.oneshot.prices import Decoder, Decoding, Layers
from nasbench.parts.oneshot.sandwich import Windows, draw, sandwich
from nasbench.search import Problem, Training

needs = {"live", "widths"}


def search(
    problem: Problem,
    rng: np.random.Generator,
    *,
    target: float | None = None,
    cost: str = "macs",
    device: str = "cpu",
    window: float = 1.0,
    decoding: Decoding = "lagrange",
    steps: int = 24,
    like: str = "",
) -> Training:
    """Train by the sandwich rule; choose by what the last images said.

    `target` is in the unit of `cost`, by default the median of the space: "macs", "params", or a
    file of `nasbench measure-latency`, then in ms an image on `device`. `window` is in epochs of
    uniform draws; `like` is an architecture with the decisions that are not about widths. Raises
    `BadValue` for a target that nothing meets, `OutsideSpace` for what is no architecture.
    """
    live = problem.live
    assert live is not None
    layers = Layers(live.only_widths(like))
    net = live.supernet(masked=True)
    net.encoder = Packed(net.encoder, net.convolutions())  # of the narrowest
    decoder = Decoder.of(live, target, cost, device, decoding, steps)
    weights = live.optimizer(net)
    windows = Windows.of(live, layers.sizes, window)
    live.keep(net=net, weights=weights, windows=windows)
    uniform = [np.full(n, 1 / n) for n in layers.sizes]
    for _ in live.rounds():
        for (batch,) in live.batches():
            states = draw(uniform, len(batch), live.rng)
            options = torch.from_numpy(layers.options(states))
            windows.add(states, sandwich(live, net, batch, options, weights))
            live.samples += len(batch)
        yield decoder.choice(windows.means(), live)
