"""FP-NAS (Yan et al., CVPR 2021): PARSEC, made fast for large spaces.

What is added to PARSEC (`runners/parsec.py`, which has the equations):

    K = lambda H(p(A | alpha)): as many samples as the entropy asks for
    FD, then JD: categoricals of single factors, from the epoch theta on of groups of them; at the
        switch every probability stays, logit(a_1 .. a_M) = sum_m log p_m(a_m)
    L = -log p(y) + beta log E[C], with the hinge C(A) = max(0, MACs(A) / target - 1), so that
        m_k = om_k - beta C_k / sum_j C_j takes the place of om_k for the logits

Faithful: these equations; the samples' number follows H at each step. lambda is set so that the
first step has K = 14, as the paper's 1/4 did in its space. On cells JD joins the edges that enter a
node, on the macro space what a module doubles and halves.

*Our reconstruction*: the optimizer of the weights (`OneShot.optimizer`); beta = 0.3, the switch
after a quarter of the epochs, and Adam's rate, which the paper keeps in a supplement; a new Adam at
the switch. Without a `target` there is no price.
"""

from __future__ import annotations

import numpy as np
from torch.optim import Adam

from nasbench.parts.oneshot.distribution import choice, over
from nasbench.parts.oneshot.importance import (
    LikelihoodScale,
    cost_aware,
    effective_samples,
    importance_weights,
    sample_size,
    surrogate,
)
from nasbench.parts.oneshot.priced import priced
from nasbench.parts.oneshot.sampled import descend, log_likelihoods
from nasbench.search import Problem, Training

needs = {"live"}


def search(
    problem: Problem,
    rng: np.random.Generator,
    *,
    samples: int = 14,
    least: int = 2,
    adaptive: bool = True,
    switch: float = 0.25,
    target: float | None = None,
    beta: float = 0.3,
    cost: str = "macs",
    device: str = "cpu",
    scale: LikelihoodScale = "sum",
    learning_rate: float = 0.016,
) -> Training:
    """Alternate steps of weights and logits, of `samples` at first and `least` at the end.

    Not `adaptive`: always so many. `switch` is the part of the epochs before JD, 1 for FD alone;
    `target` is in the unit of `cost`: "macs", "params", or a file of latencies of the `device`.
    Raises `ValueError` for fewer than two samples, and for a target that nothing meets.
    """
    live = problem.live
    assert live is not None
    if not 2 <= least <= samples:
        raise ValueError(f"{least} to {samples} samples: the least is 2, for one has no gradient")
    price = priced(live, cost, device)
    if target is not None:
        price.within(target)  # raises where nothing is
    net = live.supernet()
    factorised = over(problem.space)
    joint = factorised.joint()
    rate = samples / float(factorised.entropy().detach())
    weights = live.optimizer(net)
    adams = {p: Adam([p.logits], learning_rate) for p in (factorised, joint)}
    live.keep(net=net, factorised=factorised, joint=joint, weights=weights)
    live.keep(adam=adams[factorised], adam_joint=adams[joint])
    first_joint = max(round(switch * live.epochs), int(switch > 0))
    for epoch in live.rounds():
        if epoch == first_joint:
            joint.logits.data.copy_(factorised.joint().logits.data)
        alpha = joint if epoch >= first_joint else factorised
        effective, drawn = [], []
        for train, valid in live.batches(0.5):
            k = samples
            if adaptive:
                k = sample_size(float(alpha.entropy().detach()), rate, least, samples)
            archs = alpha.archs(alpha.sample(k, live.rng))
            ll = log_likelihoods(live, net, train, archs)
            descend(live, net, train, archs, importance_weights(ll, len(train), scale), weights)
            rows = alpha.sample(k, live.rng)
            ll = log_likelihoods(live, net, valid, alpha.archs(rows))
            om = importance_weights(ll, len(valid), scale)
            m = (
                om
                if target is None
                else cost_aware(om, alpha.costs_of(price.members, rows), target, beta)
            )
            adams[alpha].zero_grad()
            surrogate(m, alpha.log_of(rows)).backward()
            adams[alpha].step()
            live.samples += 2 * k
            effective.append(effective_samples(om))
            drawn.append(k)
        told = {
            "effective_samples": float(np.mean(effective)),
            "samples_a_step": float(np.mean(drawn)),
        }
        yield choice(alpha, live.macs, **told, **price.told(alpha))
