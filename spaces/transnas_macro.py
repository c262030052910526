"""The macro networks of TransNAS-Bench-101 (Duan et al., CVPR 2021): 4 to 6 modules, 3,256 in all.

In `64-224131-basic` each digit is a module of two residual blocks: 1 keeps the shape, 2 doubles the
channels, 3 halves the resolution, 4 does both. A network doubles one to three times and halves one
to four times. The six decisions are the modules' types, the digits counted from 0, and then
`ABSENT` to the end.

The network as published: the stem of `blocks.layout.stem`, then the modules. A block is two 3x3
convolutions, ReLU in front and BN behind each; in the first of a module the first convolution
changes the shape, and so does the shortcut, a 1x1 convolution with BN and without ReLU.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING

from nasbench.space import Architecture, Listed, Scale, in_a_row
from nasbench.spaces.blocks.layout import STEM_STRIDES, Graph, residual, scaled, stem

if TYPE_CHECKING:
    from torch import nn

ABSENT = 4
DOUBLING = (1, 3)
HALVING = (2, 3)
MODULES = ("same shape", "2x channels", "1/2 size", "2x channels, 1/2 size")


class TransnasMacro(Listed):
    """Neighbours differ by one module: another one in its place, one more, or one less.

    Without the last two (they are *our reconstruction*) no search could ever change the depth.
    """

    name = "transnas_macro"
    example = "64-224131-basic"
    choices = (5,) * 6
    scale = Scale(width=64, depth=2, stride=4)

    def __contains__(self, arch: object) -> bool:
        if not (isinstance(arch, tuple) and super().__contains__(arch)):
            return False
        depth = len(arch) - arch.count(ABSENT)
        return (
            depth >= 4
            and ABSENT not in arch[:depth]
            and 1 <= sum(module in DOUBLING for module in arch) <= 3
            and 1 <= sum(module in HALVING for module in arch) <= 4
        )

    def spell(self, arch: Architecture) -> str:
        """Write a digit for each module there is."""
        return f"64-{''.join(str(module + 1) for module in arch if module != ABSENT)}-basic"

    def read(self, text: str) -> Architecture:
        """Invert `spell`; raises `OutsideSpace`."""
        if match := re.fullmatch("64-([1-4]{4,6})-basic", text):
            arch = _padded(tuple(int(digit) - 1 for digit in match[1]))
            if arch in self:
                return arch
        raise self.outside(text)

    def neighbours(self, arch: Architecture) -> list[Architecture]:
        """List, in order, the members that one substitution, insertion or deletion away are."""
        if arch not in self._near:
            changed = {_padded(modules) for modules in _changes(arch)}
            self._near[arch] = sorted((changed - {arch}) & self._index.keys())
        return self._near[arch].copy()

    def edges(self, arch: Architecture) -> list[tuple[int, int, str]]:
        """Return the chain of modules, by what they change."""
        return in_a_row(MODULES[module] for module in self.check(arch) if module != ABSENT)

    def grow(self, part: Architecture) -> list[Architecture]:
        """Begin with all of four modules; one more goes before, between or behind those there are.

        *Our reconstruction*, and so are the parts: the modules, without `ABSENT`.
        """
        if not part:
            return [arch[:4] for arch in self if arch[4] == ABSENT]
        cuts = [(part[:i], part[i:]) for i in range(len(part) + 1)] if len(part) < 6 else []
        grown = {(*before, new, *after) for before, after in cuts for new in range(ABSENT)}
        return sorted(each for each in grown if _padded(each) in self)

    def complete(self, part: Architecture) -> Architecture:
        """Build no module more."""
        return _padded(part)

    def layout(self, arch: Architecture, scale: Scale | None = None) -> list[Graph]:
        """Lay the encoder out; the stem has stride 1, 2 or 4."""
        arch, scale = self.check(arch), scaled(self, scale, STEM_STRIDES)
        graphs, width = stem(scale), scale.width
        for module in arch:
            if module != ABSENT:
                wider, stride = width * (1 + (module in DOUBLING)), 1 + (module in HALVING)
                graphs.append(residual(width, wider, stride, "shortcut"))
                graphs += [residual(wider, wider, 1, "shortcut")] * (scale.depth - 1)
                width = wider
        return graphs

    def build(self, arch: Architecture, scale: Scale | None = None) -> nn.Module:
        """Build the encoder; convolutions are drawn as published (`blocks.convolution.kaiming`)."""
        from nasbench.spaces.blocks.convolution import kaiming
        from nasbench.spaces.blocks.graph import chain

        return kaiming(chain(self.layout(arch, scale)))

    @cached_property
    def _near(self) -> dict[Architecture, list[Architecture]]:
        return {}


def _padded(modules: tuple[int, ...]) -> Architecture:
    return modules + (ABSENT,) * (6 - len(modules))


def _changes(arch: Architecture) -> Iterator[tuple[int, ...]]:
    modules = tuple(module for module in arch if module != ABSENT)
    for i in range(len(modules) + 1):
        before, after = modules[:i], modules[i:]
        yield before + after[1:]
        for module in range(ABSENT):
            yield (*before, module, *after[1:])
            yield (*before, module, *after)


SPACE = TransnasMacro()
