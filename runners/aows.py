"""AOWS, adaptive optimal width search (Berman et al., CVPR 2020): OWS, trained where it matters.

`runners/ows.py` has the equations. After a warm-up, random widths are drawn from the marginals of

    p(x) ~ exp((sum_i U_i(x_i) - gamma sum_i T_i(x_i, x_i+1)) / temperature)

by sum-product, each layer by itself, and the temperature falls: so the network is trained, and
widths are judged, among those that are likely to be chosen. Faithful: this, at every step, and the
temperatures, log-linear between (epoch of 20, temperature): (0, 1), (5, 1), (6, 0.01), (10, 0.001),
(20, 0.0005); uniform draws up to epoch 5.

*Our reconstruction*: that of OWS; these epochs as parts of the run; gamma is searched for at every
step, too. Temperatures are in the unit of the task's loss.
"""

from __future__ import annotations

import numpy as np
import torch

from nasbench.parts.chain import marginals
from nasbench.parts.oneshot.channels import Packed
from nasbench.parts.oneshot.prices import Decoder, Decoding, Layers
from nasbench.parts.oneshot.sandwich import Windows, draw, sandwich
from nasbench.parts.oneshot.schedules import log_linear
from nasbench.search import Problem, Training

needs = {"live", "widths"}
TEMPERATURES = ((0, 1.0), (0.25, 1.0), (0.3, 0.01), (0.5, 0.001), (1, 0.0005))
"""By the part of the run that is done."""


def search(
    problem: Problem,
    rng: np.random.Generator,
    *,
    target: float | None = None,
    cost: str = "macs",
    device: str = "cpu",
    warmup: float = 0.25,
    window: float = 1.0,
    decoding: Decoding = "lagrange",
    steps: int = 24,
    like: str = "",
) -> Training:
    """Warm up on uniform widths for a part of the run, then draw likely ones.

    The other parameters are those of OWS.
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
    for epoch in live.rounds():
        for step, (batch,) in enumerate(live.batches()):
            done, p = (epoch + step / live.steps()) / live.epochs, uniform
            if done >= warmup:
                unaries = windows.means()
                gamma = decoder.gamma(unaries)
                p = marginals(unaries, decoder.parts, gamma, log_linear(TEMPERATURES, done))
            states = draw(p, len(batch), live.rng)
            options = torch.from_numpy(layers.options(states))
            windows.add(states, sandwich(live, net, batch, options, weights))
            live.samples += len(batch)
        entropy = float(-sum((q * np.log(np.maximum(q, 1e-300))).sum() for q in p))
        yield decoder.choice(windows.means(), live, entropy=entropy)
