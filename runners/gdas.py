"""GDAS (Dong and Yang, CVPR 2019): one path a step, which teaches all logits.

A path is drawn by Gumbel-max, so that only its operations run, forwards and backwards:

    p = softmax((log softmax(alpha) + G) / tau),  o = argmax p,  h = onehot(o) + p - stop(p)

and what the path's operation gives is multiplied by h_o, which is 1 and has the gradient of p_o.
Faithful: these equations, a draw for the weights and another for the logits, tau falling linearly
from 10 to 0.1 by epochs, Adam for the logits, half of the images for each; all cells share a draw.
As in NAS-Bench-201, the choice is the likeliest option of every edge, zeros included.

*Our reconstruction*: the optimizer of the weights (`OneShot.optimizer`); on the macro space a draw
that is no member is drawn again. The authors' first code adds the h of what was not drawn, which is
0, to every output: a bias that is left out, as it is in their later code.
"""

from __future__ import annotations

import numpy as np
from torch import nn
from torch.nn.utils import clip_grad_norm_
from torch.optim import Adam

from nasbench.parts.oneshot.distribution import choice, over
from nasbench.parts.oneshot.relaxation import chosen, gumbel, gumbel_softmax
from nasbench.parts.oneshot.schedules import linear
from nasbench.search import Problem, Training
from nasbench.supernet import Word

needs = {"live"}


def search(
    problem: Problem,
    rng: np.random.Generator,
    *,
    tau_max: float = 10.0,
    tau_min: float = 0.1,
    learning_rate: float = 3e-4,
    weight_decay: float = 1e-3,
    spread: float = 1e-3,
    clip: float = 5.0,
) -> Training:
    """Alternate steps of weights and of logits, at `learning_rate`, each on a path of its own.

    Logits begin as normal noise of this `spread`, and decay; gradients of weights are clipped.
    """
    live = problem.live
    assert live is not None
    net, alpha = live.supernet(), over(problem.space)
    nn.init.normal_(alpha.logits, std=spread, generator=live.rng)
    weights = live.optimizer(net)
    adam = Adam([alpha.logits], learning_rate, (0.5, 0.999), weight_decay=weight_decay)
    live.keep(net=net, alpha=alpha, weights=weights, adam=adam)

    def drawn(tau: float) -> Word:
        while True:
            noisy = [gumbel_softmax(a, tau, gumbel(len(a), live.rng)) for a in alpha.split()]
            word = chosen(noisy)
            if alpha.holds([option for mix in word for option in mix]):
                live.samples += 1
                return word

    for epoch in live.rounds():
        tau = linear(tau_max, tau_min, epoch, live.epochs - 1)
        for train, valid in live.batches(0.5):
            weights.zero_grad()
            live.loss(net(train.x, drawn(tau)), train.target).backward()
            clip_grad_norm_(net.parameters(), clip)
            weights.step()
            adam.zero_grad()
            loss = live.loss(net(valid.x, drawn(tau)), valid.target)
            loss.backward(inputs=[alpha.logits])
            adam.step()
        yield choice(alpha, live.macs)
