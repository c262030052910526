"""Pi-NAS (Peng et al., ICCV 2021): contrast across the paths of a supernet.

First the encoder learns that views of an image agree, whatever path sees them. A step draws two
paths a and b that differ in every decision, four views of each image, and with z of norm 1

    loss = InfoNCE(z_qa, z_kb, queue) + InfoNCE(z_qb, z_ka, queue)

where queries q are the student's, and keys k those of a teacher that follows: what path a has
active (stem, chosen options, neck), then what path b has, theta_k <- .999 theta_k + .001 theta_q,
so stem and neck move twice. Then the encoder is frozen and heads learn the task, one random path a
step. Then architectures are scored. Faithful: the above, a temperature of 0.2, the mean of the two
keys, not normalized, as the next negatives, batch norm by the batch's statistics in the linear
phase, and recalibrated for scores. With `negatives=False, centred=False` it collapses.

*Our reconstruction*:

- Both optimizers (`OneShot.optimizer`), the encoder's rate falling to 0 at the end of its phase.
  Half of the epochs for each phase; the last one is always linear.
- A queue of 1,024 keys for 49,152, because there are thousands of images and not a million; necks
  of 64 and 32 units for 2,048 and 128, one for each shape of features. They end with batch norm
  (`centred`): without it all embeddings of `rooms` soon had one direction in common. Views are
  those of `parts.oneshot.views`; a part of an image is an image. Keys aren't shuffled among GPUs.
- Paths are drawn among members that lead from the input to the output: others say the same of every
  image. b is uniform among those that share the fewest decisions with a; on our spaces none. Of the
  macro space a decision is a module's type, or that it is absent. Types share one bank of weights
  there, which the teacher follows twice where both paths have the module.
- The choice is the best of `draws`; the paper's partition tree of latent actions is left out.
  Before the linear phase choices and ranks are by heads that are untrained.
"""

from __future__ import annotations

from copy import deepcopy
from math import ceil

import numpy as np
import torch
from torch import Generator, Tensor
from torch.optim import Optimizer

from nasbench.parts.oneshot.contrast import (
    Embedding,
    Queue,
    consistency,
    follow,
    info_nce,
    pairs,
    running,
    spread,
)
from nasbench.parts.oneshot.views import view
from nasbench.search import Choice, Problem, Training
from nasbench.supernet import Word, path

needs = {"live"}


def search(
    problem: Problem,
    rng: np.random.Generator,
    *,
    contrast: float = 0.5,
    momentum: float = 0.999,
    temperature: float = 0.2,
    negatives: bool = True,
    centred: bool = True,
    queue: int = 1024,
    hidden: int = 64,
    width: int = 32,
    draws: int = 1000,
    recalibrate: int = 4,
    glance: int = 20,
) -> Training:
    """Learn by `contrast` for this share of the epochs, then train heads, then look at `draws`.

    `glance` are drawn for the choices before the last. While it contrasts, `info` has the loss and
    the `spread` of queries, which is near `width` ** -0.5 as long as they don't collapse.
    """
    live, space = problem.live, problem.space
    assert live is not None
    net = live.supernet()
    student = Embedding(net.encoder, net.shapes, hidden, width, live.rng, centred)
    teacher, keys = deepcopy(student).requires_grad_(False), Queue(queue, width, live.rng)
    first = min(ceil(contrast * live.epochs), live.epochs - 1)
    weights = live.optimizer(student, until=max(first, 1) / live.epochs)
    linear = live.optimizer(net.heads, since=first / live.epochs)
    live.keep(net=net, necks=student.necks, teacher=teacher, queue=keys)
    live.keep(weights=weights, linear=linear)
    draw = pairs(space)
    for epoch in live.rounds():
        contrasts, told = epoch < first, []
        net.encoder.requires_grad_(contrasts)
        for (batch,) in live.batches():
            a, b = draw(rng)
            if not contrasts:
                _step(linear, live.loss(net(batch.x, a), batch.target))
                live.samples += 1
                continue
            words = [path(space.factor(each)) for each in (a, b)]
            q, k = embed(student, teacher, batch.x, words, momentum, live.rng)
            if negatives:
                losses = [info_nce(q[i], k[1 - i], keys.keys, temperature) for i in (0, 1)]
            else:
                losses = [consistency(q[i], k[1 - i]) for i in (0, 1)]
            loss = losses[0] + losses[1]
            _step(weights, loss)
            keys.push((k[0] + k[1]) / 2)
            live.samples += 2
            told.append([float(loss.detach()), spread(q[0])])
        many = range(draws if epoch == live.epochs - 1 else glance)
        archs = list({space.sample(rng): None for _ in many})
        scores = live.score(net, archs, recalibrate=recalibrate)
        yield Choice(
            archs[int(np.argmax(scores))],
            rank=lambda archs: live.score(net, archs, recalibrate=recalibrate),
            info=dict(zip(("contrast", "spread"), np.mean(told, 0), strict=True)) if told else {},
        )


def embed(
    student: Embedding,
    teacher: Embedding,
    x: Tensor,
    words: list[Word],
    momentum: float,
    rng: Generator,
) -> tuple[list[Tensor], list[Tensor]]:
    """Return queries and keys (B, D) of each path, of views of their own; the teacher follows."""
    queries = []
    for word in words:
        with running(student) as active:
            queries.append(student(view(x, rng), word))
        follow(teacher, student, active, momentum)
    with torch.no_grad():
        return queries, [teacher(view(x, rng), word) for word in words]


def _step(optimizer: Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
