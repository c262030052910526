"""SNAS (Xie, Zheng, Liu and Lin, ICLR 2019): weights and logits in one backward pass.

Every option runs, weighed by a sample of the concrete distribution, and one loss on the training
images has the gradients of both:

    Z = softmax((alpha + G) / tau);  E_Z[L(w, Z)] + eta log E[C]

Faithful: these equations, a single level (all images train both), tau falling linearly from 1 to
0.03 by epochs, logits that begin at 1 with a spread of 0.01, Adam for them, and the gradients of
weights and logits clipped at 5 and 10. E[C] are the expected multiply-adds, exactly; that the
penalty is their logarithm, and eta = 1.5e-3, is from the authors' code. The choice is the likeliest
option of every edge, zeros included.

*Our reconstruction*: the optimizer of the weights (`OneShot.optimizer`); the macro space, where
widths are masked, depths mixed, of resolutions the one with the largest Z runs, and a sample whose
largest are no member is drawn again.
"""

from __future__ import annotations

import numpy as np
from torch import nn
from torch.nn.utils import clip_grad_norm_
from torch.optim import Adam

from nasbench.parts.oneshot.distribution import choice, over
from nasbench.parts.oneshot.priced import priced
from nasbench.parts.oneshot.relaxation import gumbel, gumbel_softmax, soft
from nasbench.parts.oneshot.schedules import linear
from nasbench.search import Problem, Training

needs = {"live"}


def search(
    problem: Problem,
    rng: np.random.Generator,
    *,
    tau_max: float = 1.0,
    tau_min: float = 0.03,
    eta: float = 1.5e-3,
    cost: str = "macs",
    device: str = "cpu",
    learning_rate: float = 3e-4,
    weight_decay: float = 1e-3,
    mean: float = 1.0,
    spread: float = 0.01,
    clip: float = 5.0,
    clip_logits: float = 10.0,
) -> Training:
    """Train weights and logits together; `eta` is the price of `cost`, 0 for none.

    That is "macs", "params", or a file of latencies of the `device`. Logits begin as normal
    noise of this `mean` and `spread`, and decay.
    """
    live = problem.live
    assert live is not None
    net, alpha = live.supernet(), over(problem.space)
    price = priced(live, cost, device)
    nn.init.normal_(alpha.logits, mean, spread, generator=live.rng)
    weights = live.optimizer(net)
    adam = Adam([alpha.logits], learning_rate, (0.5, 0.999), weight_decay=weight_decay)
    live.keep(net=net, alpha=alpha, weights=weights, adam=adam)
    for epoch in live.rounds():
        tau = linear(tau_max, tau_min, epoch, live.epochs)
        for (batch,) in live.batches():
            while True:
                z = [gumbel_softmax(a, tau, gumbel(len(a), live.rng)) for a in alpha.split()]
                options = [int(each.argmax()) for each in z]
                if alpha.holds(options):
                    break
            live.samples += 1
            word = soft(z, {i: options[i] for i in problem.space.apart})
            loss = live.loss(net(batch.x, word), batch.target)
            if eta:
                loss = loss + eta * alpha.expected(price.members).log()
            weights.zero_grad()
            adam.zero_grad()
            loss.backward()
            clip_grad_norm_(net.parameters(), clip)
            clip_grad_norm_([alpha.logits], clip_logits)
            weights.step()
            adam.step()
        yield choice(alpha, live.macs, **price.told(alpha))
