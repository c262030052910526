"""Permutations of nine tiles that differ from each other in as many places as possible."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

MOST = 1000
GENERATORS = (
    (1, 0, 3, 2, 5, 4, 7, 6, 8),  # x + 1
    (0, 2, 4, 6, 3, 1, 7, 5, 8),  # 2 x
    (8, 1, 5, 6, 7, 2, 3, 4, 0),  # 1 / x
    (0, 1, 4, 5, 6, 7, 2, 3, 8),  # x squared
)
"""Of x in the field of eight elements, as bits of polynomials modulo z^3 + z + 1, and infinity, 8.
"""


@cache
def permutations() -> NDArray[np.int64]:
    """Return (1000, 9) permutations of 0 to 8, of which the first k are the set of k.

    Noroozi & Favaro (2016) add, one after the other, a permutation that is far from those before in
    Hamming distance. So is it here: the first of those whose smallest distance is the largest. But
    the choice is among the 1,512 of a group, the semilinear maps of the projective line over the
    field of eight elements (*our reconstruction*): no two of them agree on more than three places.
    Among all 362,880 the same greedy choice ends at a smallest distance of 5.
    """
    group = _group()
    chosen = [0]
    nearest = np.full(len(group), 9)
    while len(chosen) < MOST:
        nearest = np.minimum(nearest, (group != group[chosen[-1]]).sum(1))
        chosen.append(int(nearest.argmax()))
    return group[chosen]


def _group() -> NDArray[np.int64]:
    """List what the generators generate, in lexicographic order: the identity is the first."""
    found = new = {tuple(range(9))}
    while new:
        new = {tuple(p[i] for i in g) for p in new for g in GENERATORS} - found
        found = found | new
    return np.array(sorted(found))
