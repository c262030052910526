"""Importance weights of sampled architectures: PARSEC and FP-NAS.

PARSEC (Casale, Gordon & Fusi, 2019) maximises log E_A p(y | A), whose gradient is the mean of those
of K sampled architectures, each weighed by its share of the likelihood. FP-NAS (Yan et al., 2021)
adds the cost of what is sampled, and samples as many as the entropy asks for.
"""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

from torch import Tensor

LikelihoodScale: TypeAlias = Literal["sum", "mean", "sqrt"]


def importance_weights(ll: Tensor, images: int, scale: LikelihoodScale = "sum") -> Tensor:
    """Return om = softmax(ll / s) over the last axis, for log-likelihoods (..., K) of a batch.

    These are sums over `images`. s = 1 ("sum") is the paper's, and makes om nearly one-hot for
    large batches; "mean" divides by the number of images, "sqrt" by its square root (*ours*).
    Raises `ValueError` for another scale.
    """
    powers = {"sum": 0.0, "mean": 1.0, "sqrt": 0.5}
    if scale not in powers:
        raise ValueError(f"scale {scale!r}: there are {', '.join(get_args(LikelihoodScale))}")
    s: float = images ** powers[scale]
    return (ll / s).softmax(-1)


def effective_samples(weights: Tensor) -> float:
    """Return 1 / sum om^2, from 1 (one sample has all the weight) to K (all have the same)."""
    return 1 / weights.square().sum().item()


def cost_aware(weights: Tensor, flops: Tensor, target: float, beta: float) -> Tensor:
    """Return m_k = om_k - beta C_k / sum_j C_j (K,), with the hinge C = max(0, flops / target - 1).

    m = om where no sample is above the target. Minus the sum of m_k grad log p(A_k) is the gradient
    of -log p(y) + beta log E[C].
    """
    excess = (flops.to(weights) / target - 1).clamp(min=0)
    total = excess.sum()
    return weights - beta * excess / total if total > 0 else weights


def sample_size(entropy: float, rate: float, least: int, most: int) -> int:
    """Return K = rate * H, rounded, from `least` to `most` (FP-NAS: adaptive sampling).

    Raises `ValueError` for `least` below 2: a single sample has weight 1 and says nothing.
    """
    if not 2 <= least <= most:
        raise ValueError(f"samples from {least} to {most}: it must be from at least 2 upwards")
    return min(max(round(rate * entropy), least), most)


def surrogate(weights: Tensor, log_p: Tensor) -> Tensor:
    """Return -sum_k m_k log p(A_k), the loss of the logits; no gradient passes the weights.

    Weights less 1 / K (a control variate) have the same expectation and vary less.
    """
    return -(weights.detach() * log_p).sum()
