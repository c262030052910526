"""NAS-Bench-Macro (Su et al., CVPR 2021): one of three blocks in each of 8 layers, 6,561 networks.

Digit 0 is the identity, 1 an inverted residual block with expansion 3 and kernel 3, 2 the same with
expansion 6 and kernel 5. Layers 1, 3 and 6 halve the resolution and double the width; a digit 0
there is a 1x1 convolution.
"""

from __future__ import annotations

import re
from collections.abc import Hashable

from nasbench.space import Architecture, Grid

RUNS = (slice(1, 2), slice(3, 5), slice(6, 8))
"""The layers (from 0) between the strided ones. They are alike, so an identity may be anywhere."""


class NASBenchMacro(Grid):
    """Equal networks have the same strided layers, and between them the same blocks in a row."""

    name = "nasbench_macro"
    example = "02012100"
    choices = (3,) * 8

    def spell(self, arch: Architecture) -> str:
        """Write a digit for each layer."""
        return "".join(map(str, arch))

    def read(self, text: str) -> Architecture:
        """Invert `spell`; raises `OutsideSpace`."""
        if re.fullmatch("[012]{8}", text):
            return tuple(map(int, text))
        raise self.outside(text)

    def form(self, arch: Architecture, view: str = "as_built") -> Hashable:
        """Drop the true identities."""
        arch, _ = self.check(arch), self.check_view(view)
        kept = (tuple(block for block in arch[run] if block) for run in RUNS)
        return (arch[0], arch[2], arch[5], *kept)


SPACE = NASBenchMacro()
