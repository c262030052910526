"""BOHB (Falkner et al., ICML 2018): Hyperband whose architectures are drawn by a density ratio.

Faithful: the best 15 % and the rest, each a kernel density, of the longest training with more than
`decisions` of both; a third is drawn at random; 64 candidates from the good density, of which the
one with the largest ratio is asked. NAS-Bench-201 has samples=4, random_fraction=0, and both it and
NAS-Bench-101 a least bandwidth of 0.3 (the paper's is 0.001), which is the default here.

Decisions are categories (the kernel of Aitchison & Aitken, 1976), whose bandwidth is not widened:
the authors' factor of 3 is for continuous ones, and would make all options alike here.
*Our reconstruction*: a bandwidth is at most that of a uniform draw; a candidate outside the space
is drawn again.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

import numpy as np

from nasbench.parts.policy import Floats
from nasbench.parts.rungs import bracket, brackets, race
from nasbench.search import Outcome, Problem, Search
from nasbench.space import Architecture, Space

needs = {"curves"}
GOOD = 0.15
TRIES = 1000
"""Draws for one architecture, so that a space of few members can't hold the search up."""


@dataclass(frozen=True)
class Density:
    """Kernels on observed genes (n, D), with a bandwidth (D,) for each decision."""

    genes: Floats
    bandwidth: Floats
    choices: tuple[int, ...]

    @classmethod
    def of(cls, archs: list[Architecture], choices: tuple[int, ...], least: float) -> Density:
        """Take bandwidths by the normal reference rule, from `least` to that of a uniform draw."""
        genes = np.array(archs, float)
        width = 1.06 * genes.std(axis=0) * len(genes) ** (-1 / (4 + len(choices)))
        uniform = 1 - 1 / np.array(choices)
        return cls(genes, np.minimum(np.maximum(width, least), uniform), choices)

    def __call__(self, archs: list[Architecture]) -> Floats:
        """Return the density (m,) at m architectures."""
        same = np.array(archs)[:, None, :] == self.genes
        others = np.maximum(np.array(self.choices) - 1, 1)
        kernels = np.where(same, 1 - self.bandwidth, self.bandwidth / others)
        return np.asarray(kernels.prod(axis=2).mean(axis=1))

    def draw(self, rng: np.random.Generator) -> Architecture:
        """Draw from one of the kernels."""
        genes = self.genes[rng.integers(len(self.genes))].astype(int).tolist()
        for i, (n, width) in enumerate(zip(self.choices, self.bandwidth, strict=True)):
            if n > 1 and rng.random() < width:
                genes[i] = int((genes[i] + 1 + rng.integers(n - 1)) % n)
        return tuple(genes)


def split(outcomes: list[Outcome], fewest: int) -> tuple[list[Architecture], list[Architecture]]:
    """Return the good and the bad; the good are 15 %, and at least so many."""
    archs = [o.query.arch for o in sorted(outcomes, key=lambda o: -o.score)]
    good = max(fewest, int(GOOD * len(archs)))
    return archs[:good], archs[good:]


def propose(
    space: Space, good: Density, bad: Density, samples: int, rng: np.random.Generator
) -> Architecture:
    """Return the candidate of the good density that is the least likely of the bad one."""
    drawn = (good.draw(rng) for _ in range(TRIES))
    members = list(islice((arch for arch in drawn if arch in space), samples))
    if not members:
        return space.sample(rng)
    return members[int(np.argmax(good(members) / np.maximum(bad(members), 1e-32)))]


def search(
    problem: Problem,
    rng: np.random.Generator,
    *,
    eta: int = 3,
    least: int = 1,
    samples: int = 64,
    random_fraction: float = 1 / 3,
    min_bandwidth: float = 0.3,
) -> Search:
    """Run Hyperband's brackets, on architectures that look like the good ones."""
    space, fewest = problem.space, len(problem.space.choices) + 1
    if samples < 1:
        raise ValueError(f"samples is {samples}: it must be at least 1")
    known: dict[int, list[Outcome]] = {}
    while True:
        for s in reversed(range(brackets(problem.epochs, least, eta) + 1)):
            rungs = bracket(s, problem.epochs, least, eta)
            enough = [epochs for epochs in known if len(known[epochs]) >= 2 * fewest]
            archs: list[Architecture] = []
            if enough:
                good, bad = (
                    Density.of(half, space.choices, min_bandwidth)
                    for half in split(known[max(enough)], fewest)
                )
            for _ in range(rungs[0][0]):
                if not enough or rng.random() < random_fraction:
                    archs.append(space.sample(rng))
                else:
                    archs.append(propose(space, good, bad, samples, rng))
            for outcome in (yield from race(archs, rungs)):
                known.setdefault(outcome.query.epochs or problem.epochs, []).append(outcome)
