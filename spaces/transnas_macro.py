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
DEPTHS = (4, 5, 6)
DOUBLINGS = range(1, 4)
HALVINGS = range(1, 5)
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
            depth in DEPTHS
            and ABSENT not in arch[:depth]
            and sum(module in DOUBLING for module in arch) in DOUBLINGS
            and sum(module in HALVING for module in arch) in HALVINGS
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

    def supernet(self, scale: Scale | None = None) -> nn.Module:
        """Build the encoder with every module in each place; weights are drawn in the same way."""
        from nasbench.spaces.blocks.convolution import kaiming
        from nasbench.spaces.blocks.supermacro import SuperModules

        scale = scaled(self, scale, STEM_STRIDES)
        return kaiming(SuperModules(scale, DEPTHS, DOUBLINGS, HALVINGS))

    @property
    def factors(self) -> tuple[int, ...]:
        """The depth, of `DEPTHS`; and for each module "doubles the channels?" and "halves?"."""
        return (len(DEPTHS), *(2,) * (2 * len(self.choices)))

    @property
    def groups(self) -> tuple[tuple[int, ...], ...]:
        """The depth is alone; what a module changes belongs together."""
        return ((0,), *((i, i + 1) for i in range(1, len(self.factors), 2)))

    @property
    def apart(self) -> tuple[int, ...]:
        """What halves the resolution can't be mixed with what doesn't."""
        return tuple(range(2, len(self.factors), 2))

    def factor(self, arch: Architecture) -> tuple[int | None, ...]:
        """Say what each module changes; what an absent one would doesn't matter."""
        arch = self.check(arch)
        bits = [
            None if module == ABSENT else int(module in changing)
            for module in arch
            for changing in (DOUBLING, HALVING)
        ]
        return (DEPTHS.index(len(arch) - arch.count(ABSENT)), *bits)

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
