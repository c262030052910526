"""Numbers that change over a run: temperatures, rates, strengths.

From `first` at step 0 to `last` at step `steps`. With E epochs, E - 1 steps reach the end in the
last epoch (GDAS), E just after it (SNAS). A run of no steps stays at the first.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import cos, exp, log, pi

import numpy as np


def linear(first: float, last: float, step: int, steps: int) -> float:
    """Return first - (first - last) step / steps."""
    return first - (first - last) * step / max(steps, 1)


def exponential(first: float, last: float, step: int, steps: int) -> float:
    """Return first (last / first)^(step / steps): by equal factors."""
    return float(first * (last / first) ** (step / max(steps, 1)))


def cosine(first: float, last: float, step: int, steps: int) -> float:
    """Return last + (first - last) (1 + cos(pi step / steps)) / 2 (Loshchilov & Hutter, 2017)."""
    return last + (first - last) * (1 + cos(pi * step / max(steps, 1))) / 2


def log_linear(points: Sequence[tuple[float, float]], at: float) -> float:
    """Interpolate the logarithm of values between (place, value), increasing; constant beyond."""
    places, values = zip(*points, strict=True)
    return exp(float(np.interp(at, places, [log(value) for value in values])))
