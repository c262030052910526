"""DARTS (Liu, Simonyan and Yang, ICLR 2019), of first and second order.

Every option runs, weighed by a softmax over the logits of its decision, and the logits go down the
gradient of the loss on held-out images:

    min_alpha L_val(w*(alpha), alpha)  with  w*(alpha) = argmin_w L_train(w, alpha)
    first order:   grad_alpha L_val(w, alpha)
    second order:  w' = w - xi (momentum + grad_w L_train(w, alpha)),  v = grad_w' L_val(w', alpha)
                   grad_alpha L_val(w', alpha)
                     - xi (grad_alpha L_train(w + eps v) - grad_alpha L_train(w - eps v)) / (2 eps)

Faithful: these equations, eps = 0.01 / |v|, xi the rate of the weights, the logits' step before
that of the weights, Adam for them, and half of the images for each; gradients of weights are
clipped. As in NAS-Bench-201, the choice is the likeliest option of every edge, zeros included;
`exclude_none` leaves them out, as the paper does.

*Our reconstruction*: the optimizer of the weights (`OneShot.optimizer`), whose momentum counts as 0
where it is Adam; the macro space, where widths are masked, depths mixed, and resolutions drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.utils import clip_grad_norm_
from torch.optim import Adam, Optimizer

from nasbench.parts.oneshot.distribution import choice, over
from nasbench.parts.oneshot.relaxation import soft
from nasbench.search import Problem, Training
from nasbench.space import LISTED, Architecture, Space
from nasbench.supernet import Batch

needs = {"live"}

Weights = Mapping[str, Tensor]


def search(
    problem: Problem,
    rng: np.random.Generator,
    *,
    second_order: bool = False,
    learning_rate: float = 3e-4,
    weight_decay: float = 1e-3,
    spread: float = 1e-3,
    clip: float = 5.0,
    exclude_none: bool = False,
) -> Training:
    """Alternate steps of logits, at `learning_rate`, and of weights.

    Logits begin as normal noise of this `spread`, and decay; gradients of weights are clipped.
    """
    live = problem.live
    assert live is not None
    net, alpha = live.supernet(), over(problem.space)
    nn.init.normal_(alpha.logits, std=spread, generator=live.rng)
    weights = live.optimizer(net)
    adam = Adam([alpha.logits], learning_rate, (0.5, 0.999), weight_decay=weight_decay)
    live.keep(net=net, alpha=alpha, weights=weights, adam=adam)
    whole = _whole(problem.space) if exclude_none else []
    for _ in live.rounds():
        for train, valid in live.batches(0.5):
            apart = alpha.apart(live.rng)

            def loss(batch: Batch, w: Weights, apart: dict[int, int] = apart) -> Tensor:
                word = soft([logits.softmax(0) for logits in alpha.split()], apart)
                return live.loss(functional_call(net, dict(w), (batch.x, word)), batch.target)

            w = dict(net.named_parameters())
            if second_order:
                ahead = _ahead(loss, train, w, weights)
                alpha.logits.grad = _unrolled(loss, train, valid, w, *ahead, alpha.logits)
            else:
                (alpha.logits.grad,) = torch.autograd.grad(loss(valid, w), [alpha.logits])
            adam.step()
            weights.zero_grad()
            loss(train, w).backward(inputs=list(w.values()))
            clip_grad_norm_(net.parameters(), clip)
            weights.step()
        chosen = choice(alpha, live.macs)
        if whole:
            chosen = replace(chosen, arch=whole[int(alpha.rank(whole).argmax())])
        yield chosen


def _whole(space: Space) -> list[Architecture]:
    """List the members without zeros; none where all are, as in a space too large to be listed."""
    listed = space if space.size <= LISTED else ()
    return [arch for arch in listed if all(name for *_, name in space.edges(arch))]


def _ahead(
    loss: Callable[[Batch, Weights], Tensor], train: Batch, w: Weights, optimizer: Optimizer
) -> tuple[Weights, float]:
    """Return w' = w - xi (momentum + grad L_train), and xi."""
    (group,) = optimizer.param_groups
    slopes = torch.autograd.grad(loss(train, w), list(w.values()), materialize_grads=True)
    moved = {}
    for (name, value), slope in zip(w.items(), slopes, strict=True):
        momentum = optimizer.state.get(value, {}).get("momentum_buffer")
        slope = slope + group["weight_decay"] * value
        if momentum is not None:
            slope = slope + group["momentum"] * momentum
        moved[name] = (value - group["lr"] * slope).detach().requires_grad_()
    return moved, group["lr"]


def _unrolled(
    loss: Callable[[Batch, Weights], Tensor],
    train: Batch,
    valid: Batch,
    w: Weights,
    ahead: Weights,
    xi: float,
    logits: Tensor,
) -> Tensor:
    """Return the gradient of second order, its last term by finite differences."""
    direct, *v = torch.autograd.grad(
        loss(valid, ahead), [logits, *ahead.values()], materialize_grads=True
    )
    eps = 0.01 / float(torch.cat([each.flatten() for each in v]).norm())
    sides: list[Tensor] = []
    for sign in (eps, -eps):
        beside = {
            name: (value + sign * each).detach()
            for (name, value), each in zip(w.items(), v, strict=True)
        }
        sides += torch.autograd.grad(loss(train, beside), [logits])
    slope: Tensor = direct - xi * (sides[0] - sides[1]) / (2 * eps)
    return slope
