"""CafeNet (Su et al., ICLR 2021): a width may choose some of its channels.

Of a width of c bins the first are fixed, and the others are any out of a zone around bin c
(`parts.oneshot.free_channels`). The best such assignment a stands for the width, in training and in
the search:

    min_W E_c [ min_a L(W_a) ],    score(c) = max_a accuracy(W_a)

A step draws a width of every layer, looks at the loss of some assignments on the batch, the fixed
pattern among them, and steps on the best. What leaves a layer by its assignment enters the next.
Bins are so large that those of all layers cost about as much. Then evolution (CafeNet-E) or random
search (CafeNet-R) looks for the best width that costs no more than the `target`.

Baselines: `sharing="fixed"`, where a width is its first channels (r = 0: slimmable networks,
AutoSlim), and `"bilateral"`, where it is trained and scored as its first and as its last ones, of
which the mean counts (BCNet: Su et al., CVPR 2021).

Of inverted residuals hidden and leaving channels are free, within expansions and channels; what a
sum adds up, or an expansion of 1 keeps, are the same channels as enter. All other decisions are as
in the architecture `like`, by default that with the last option of each.

The paper could not be read, only its abstract, and no code was found. *Our reconstruction*: this,
the zone and how many assignments are looked at (5, of all layers together); bins of which the
space's widths are whole numbers, so at most the steps between them; the optimizer
(`OneShot.optimizer`); uniform widths in training, whatever the target; evolution as of SPOS, not
NSGA-II; scores on the first 128 validation images, by the batch's statistics, as in training; the
choice before the last epoch, which is the best of few. A minimum over more assignments is less, and
border widths have fewer: `fixed_loss` and `fixed_score` are those of the fixed pattern.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nasbench.parts.genetic import evolve
from nasbench.parts.oneshot.channels import Packed
from nasbench.parts.oneshot.free_channels import FreeWidths, step
from nasbench.parts.oneshot.priced import priced
from nasbench.search import Choice, Problem, Training
from nasbench.space import Architecture

needs = {"live", "widths"}
SHARING = "free", "fixed", "bilateral"
SEARCHERS = "evolution", "random"


def search(
    problem: Problem,
    rng: np.random.Generator,
    *,
    sharing: Literal["free", "fixed", "bilateral"] = "free",
    searcher: Literal["evolution", "random"] = "evolution",
    target: float | None = None,
    cost: str = "macs",
    device: str = "cpu",
    offset: int = 1,
    inner: int | None = None,
    beta: float = 1.0,
    looks: int = 5,
    images: int = 128,
    population: int = 40,
    generations: int = 50,
    parents: int = 10,
    mutants: int = 20,
    crossings: int = 20,
    mutation: float = 0.1,
    glance: int = 20,
    like: str = "",
) -> Training:
    """Train on the best of `looks` assignments, search at the end by scores on so many `images`.

    `offset` (r) and `inner` are in bins, which have `beta` channels where those cost most. The
    `target` is in the unit of `cost`: "macs", "params" of the encoder, or a file of latencies of
    the `device`. "random" scores as many as evolution has births. Raises `ValueError` for another
    sharing or searcher, and where 10,000 draws cost more than the target, `BadValue` where nothing
    costs so little, `OutsideSpace` for a `like` that is no architecture.
    """
    if sharing not in SHARING or searcher not in SEARCHERS:
        raise ValueError(f"{sharing!r}, {searcher!r}: of {SHARING} and {SEARCHERS}")
    live = problem.live
    assert live is not None
    space, within = live.only_widths(like), None
    price = priced(live, cost, device)
    if target is not None:
        if price.unit != "ms":
            price.check(target)  # the narrowest need not be the fastest
        within = price.within(target)
    net, free = live.supernet(masked=True), FreeWidths.of(live, price, beta, offset, inner)
    net.encoder = Packed(net.encoder, net.convolutions())
    bilateral, many = sharing == "bilateral", looks if sharing == "free" else 1
    if searcher == "random":
        population, generations = population * generations, 1
    weights = live.optimizer(net)
    live.keep(net=net, weights=weights)

    def scores(arch: Architecture) -> NDArray[np.float64]:
        """Score what stands for it, always the same, the fixed pattern first."""
        drawn = np.random.default_rng([live.seed, *arch])
        return live.score(net, free.words(arch, many, drawn, bilateral), images=images)

    def score(arch: Architecture) -> float:
        if arch not in space:
            return np.nan
        return float(scores(arch).mean() if bilateral else scores(arch).max())

    for epoch in live.rounds():
        losses = []
        for (batch,) in live.batches():
            words = free.words(space.sample(rng), many, rng, bilateral)
            losses.append(step(live, net, batch, words, weights, sharing == "free"))
            live.samples += 1
        last = epoch == live.epochs - 1
        best, *_ = evolve(
            space,
            score,
            rng,
            population=population if last else glance,
            generations=generations if last else 1,
            parents=parents,
            mutants=mutants,
            crossings=crossings,
            mutation=mutation,
            within=within,
        )
        told = [*np.mean(losses, 0), score(best), scores(best)[0], live.cost(best)]
        names = "loss", "fixed_loss", "score", "fixed_score", "macs"
        info = dict(zip(names, map(float, told), strict=True))
        info |= price.told(best)
        yield Choice(best, rank=lambda archs: [score(arch) for arch in archs], info=info)
