"""The size space of NATS-Bench (Dong et al., TPAMI 2021): the widths of one fixed network.

Five places, each 8, 16, ... 64 channels wide: 32,768 architectures. The cell inside is always the
same one.
"""

from __future__ import annotations

from nasbench.space import Architecture, Grid

WIDTHS = ("8", "16", "24", "32", "40", "48", "56", "64")


class NATSSize(Grid):
    """Decision i is the width of place i, from the image to the classifier."""

    name = "nats_size"
    example = "8:16:32:64:64"
    choices = (len(WIDTHS),) * 5

    def spell(self, arch: Architecture) -> str:
        """Write the widths between colons."""
        return ":".join(WIDTHS[width] for width in arch)

    def read(self, text: str) -> Architecture:
        """Invert `spell`; raises `OutsideSpace`."""
        words = text.split(":")
        if len(words) == len(self.choices) and set(words) <= set(WIDTHS):
            return tuple(map(WIDTHS.index, words))
        raise self.outside(text)


SPACE = NATSSize()
