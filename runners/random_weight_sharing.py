"""Random search with weight sharing (Li and Talwalkar, UAI 2019).

Each step trains one architecture, drawn uniformly, and at the end many that are drawn at random are
scored under the shared weights: the best are scored again on more images, and the best of those is
the choice. Faithful: uniform draws, one path a step, two rounds of scoring.

*Our reconstruction*: the optimizer (`OneShot.optimizer`); scores are on the first validation
images, always the same, not on another batch for each; the choices before the last epoch are the
best of few.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nasbench.search import Choice, Problem, Training
from nasbench.supernet import OneShot, Supernet

if TYPE_CHECKING:
    from nasbench.space import Architecture

needs = {"live"}


def search(
    problem: Problem,
    rng: np.random.Generator,
    *,
    draws: int = 1000,
    finalists: int = 10,
    glance: int = 20,
    images: int = 64,
) -> Training:
    """Train by chance, then look at `draws` architectures on `images`, at `finalists` on all.

    `images` are of validation. `glance` is how many are drawn for a choice before the last epoch,
    the best of which is chosen by the first look.
    """
    live, space = problem.live, problem.space
    assert live is not None
    net = live.supernet()
    weights = live.optimizer(net)
    live.keep(net=net, weights=weights)
    for epoch in live.rounds():
        for (batch,) in live.batches():
            loss = live.loss(net(batch.x, space.sample(rng)), batch.target)
            weights.zero_grad()
            loss.backward()
            weights.step()
            live.samples += 1
        last = epoch == live.epochs - 1
        archs = [space.sample(rng) for _ in range(draws if last else glance)]
        yield Choice(
            best(live, net, archs, finalists if last else 1, images),
            rank=lambda archs: live.score(net, archs),
        )


def best(
    live: OneShot, net: Supernet, archs: list[Architecture], finalists: int, images: int
) -> Architecture:
    """Return the best of the best few."""
    scores = live.score(net, archs, images=images)
    few = [archs[i] for i in np.argsort(-scores, kind="stable")[:finalists]]
    first = int(np.argmax(live.score(net, few, images=None))) if len(few) > 1 else 0
    found: Architecture = few[first]
    return found
