"""PARSEC (Casale, Gordon and Fusi, 2019): a distribution over architectures by empirical Bayes.

K sampled architectures are weighed by how likely they make a batch, and the weights teach both:

    om_k = p(y | A_k) / sum_j p(y | A_j) = softmax_k(ll_k)
    grad_w log p ~ sum_k om_k grad_w ll_k             (on the training images)
    grad_alpha log p ~ sum_k om_k grad_alpha log p(A_k | alpha)    (on the others)

Every sample is a plain network, and gradients are added one sample at a time, so the memory is that
of one. Faithful: these equations, K = 16, logits that begin at 0, Adam for them, half of the images
for each, other samples for each; the choice is the mode. On cells every edge is a categorical, on
the macro space the depth and the type of every module, normalised over its members.

*Our reconstruction*: the optimizer of the weights (`OneShot.optimizer`); the rate of Adam, which we
take from FP-NAS's; `scale`, what the log-likelihoods are divided by ("sum": nothing, as published).
"""

from __future__ import annotations

import numpy as np
from torch.optim import Adam

from nasbench.parts.oneshot.distribution import choice, decisions
from nasbench.parts.oneshot.importance import (
    LikelihoodScale,
    effective_samples,
    importance_weights,
    surrogate,
)
from nasbench.parts.oneshot.sampled import descend, log_likelihoods
from nasbench.search import Problem, Training

needs = {"live"}


def search(
    problem: Problem,
    rng: np.random.Generator,
    *,
    samples: int = 16,
    scale: LikelihoodScale = "sum",
    control_variate: bool = False,
    learning_rate: float = 0.016,
) -> Training:
    """Alternate steps of weights and logits, `samples` architectures each.

    With the `control_variate` 1 / K is taken from each weight. Raises `ValueError` for fewer than
    two samples: the weight of a single one is always 1.
    """
    if samples < 2:
        raise ValueError(f"samples {samples}: it must be at least 2")
    live = problem.live
    assert live is not None
    net, alpha = live.supernet(), decisions(problem.space)
    weights = live.optimizer(net)
    adam = Adam([alpha.logits], learning_rate)
    live.keep(net=net, alpha=alpha, weights=weights, adam=adam)
    for _ in live.rounds():
        effective = []
        for train, valid in live.batches(0.5):
            archs = alpha.archs(alpha.sample(samples, live.rng))
            ll = log_likelihoods(live, net, train, archs)
            descend(live, net, train, archs, importance_weights(ll, len(train), scale), weights)
            rows = alpha.sample(samples, live.rng)
            ll = log_likelihoods(live, net, valid, alpha.archs(rows))
            om = importance_weights(ll, len(valid), scale)
            adam.zero_grad()
            surrogate(om - control_variate / samples, alpha.log_of(rows)).backward()
            adam.step()
            live.samples += 2 * samples
            effective.append(effective_samples(om))
        yield choice(alpha, live.macs, effective_samples=float(np.mean(effective)))
