"""What predicts scores of architectures from the scores of others: ensembles of perceptrons."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nasbench.cell import Cell
from nasbench.parts.policy import Adam, Floats
from nasbench.space import Architecture, Bits, Space

CHUNK = 1024
"""Architectures that are predicted at once: the layers' values of a whole space are large."""


class Perceptrons:
    """Multilayer perceptrons of one shape side by side: ReLU between layers, one linear output.

    `layers` are weights (members, inputs + 1, outputs + 1), views of `flat`: the last unit is
    always 1, so that the last row is the bias; the output layer has none. They begin as Glorot &
    Bengio (2010) have it, biases at 0.
    """

    def __init__(self, sizes: Sequence[int], members: int, rng: np.random.Generator) -> None:
        shapes = [(members, n + 1, m + 1) for n, m in pairwise(sizes)]
        self._shapes = [*shapes, (members, sizes[-1] + 1, 1)]
        self.flat = np.zeros(sum(int(np.prod(shape)) for shape in self._shapes))
        self._flat_slopes = np.empty_like(self.flat)
        self.layers, self._slopes = self._views(self.flat), self._views(self._flat_slopes)
        for layer, outputs in zip(self.layers, (*sizes[1:], 1), strict=True):
            inputs = layer.shape[1] - 1
            limit = (6 / (inputs + outputs)) ** 0.5
            layer[:, :-1, :outputs] = rng.uniform(-limit, limit, (members, inputs, outputs))
            layer[:, -1, outputs:] = 1

    def forward(self, inputs: Floats) -> tuple[Floats, list[Floats]]:
        """Return outputs (members, B) of inputs (members or 1, B, inputs), and what layers saw."""
        seen = [np.concatenate([inputs, np.ones((*inputs.shape[:2], 1))], axis=2)]
        for layer in self.layers[:-1]:
            values = seen[-1] @ layer
            seen.append(np.maximum(values, 0, out=values))
        return (seen[-1] @ self.layers[-1])[..., 0], seen

    def slopes(self, seen: Sequence[Floats], by_output: Floats) -> Floats:
        """Return the slope of a loss by `flat`, given its slope by the outputs (members, B).

        The next call writes into the same array.
        """
        down = by_output[..., None]
        for i in reversed(range(len(self.layers))):
            np.matmul(seen[i].swapaxes(1, 2), down, out=self._slopes[i])
            if i < len(self.layers) - 1:
                self._slopes[i][..., -1] = 0  # what is always 1 stays so
            if i:
                down = down @ self.layers[i].swapaxes(1, 2)
                down *= seen[i] > 0
        return self._flat_slopes

    def _views(self, flat: Floats) -> list[Floats]:
        stops = np.cumsum([np.prod(shape) for shape in self._shapes])
        parts = np.split(flat, stops[:-1])
        return [part.reshape(shape) for part, shape in zip(parts, self._shapes, strict=True)]


class Ensemble:
    """Perceptrons that learn the same scores: `fit` some architectures, `predict` any others.

    `encode` turns n architectures into inputs (n, d). The loss is the absolute error, the optimizer
    Adam. With a `share` below 1 each member learns from such a part of the data, each another one.

    *Our reconstruction*: scores are standardised, because tasks have other units; one that is not
    finite (a training that diverged) counts as the worst that is.
    """

    def __init__(
        self,
        encode: Callable[[Sequence[Architecture]], ArrayLike],
        rng: np.random.Generator,
        *,
        members: int,
        widths: Sequence[int],
        epochs: int,
        rate: float,
        betas: tuple[float, float] = (0.9, 0.999),
        batch: int = 32,
        share: float = 1.0,
    ) -> None:
        if min(members, epochs, batch, *widths, len(widths)) < 1 or not rate > 0:
            raise ValueError(
                f"members {members}, widths {list(widths)}, epochs {epochs}, batch {batch}, rate "
                f"{rate}: each must be at least 1, and the rate more than 0"
            )
        self._encode, self._rng = encode, rng
        self._members, self._widths, self._share = members, tuple(widths), share
        self._epochs, self._batch, self.rate = epochs, batch, rate
        self._betas = betas
        self._networks: Perceptrons | None = None
        self._mean, self._scale = 0.0, 1.0

    def fit(self, archs: Sequence[Architecture], scores: ArrayLike) -> None:
        """Learn the scores (n,), more is better, of n architectures; a second call goes on."""
        inputs, wanted = self._inputs(archs), self._standardised(scores)
        if self._networks is None:
            sizes = (inputs.shape[1], *self._widths)
            self._networks = Perceptrons(sizes, self._members, self._rng)
        networks, rows = self._networks, self._parts(len(inputs))
        optimizer = Adam([networks.flat], self.rate, self._betas)
        for _ in range(self._epochs):
            rows = self._rng.permuted(rows, axis=1)
            for start in range(0, rows.shape[1], self._batch):
                some = rows[:, start : start + self._batch]
                outputs, seen = networks.forward(inputs[some])
                slope = np.sign(outputs - wanted[some]) / some.shape[1]
                optimizer.step([networks.slopes(seen, slope)])

    def predict(self, archs: Sequence[Architecture]) -> Floats:
        """Return the scores (n,) that are expected of n architectures, the mean over members."""
        return np.asarray(self.opinions(archs).mean(axis=0))

    def opinions(self, archs: Sequence[Architecture]) -> Floats:
        """Return what each member expects (members, n). Raises `ValueError` before `fit`."""
        if self._networks is None:
            raise ValueError("nothing was learned yet: fit before you predict")
        inputs = self._inputs(archs)[None]
        cuts = range(CHUNK, inputs.shape[1], CHUNK)
        outputs = [self._networks.forward(some)[0] for some in np.split(inputs, cuts, axis=1)]
        return self._mean + self._scale * np.concatenate(outputs, axis=1)

    def _inputs(self, archs: Sequence[Architecture]) -> Floats:
        return np.asarray(self._encode(archs), np.float64)

    def _standardised(self, scores: ArrayLike) -> Floats:
        told = np.asarray(scores, np.float64)
        finite = np.isfinite(told)
        told = np.where(finite, told, told[finite].min() if finite.any() else 0.0)
        self._mean, self._scale = float(told.mean()), float(told.std()) or 1.0
        return (told - self._mean) / self._scale

    def _parts(self, n: int) -> NDArray[np.int64]:
        """Return rows (members, kept) that each member learns from."""
        order, kept = self._rng.permutation(n), max(1, int(self._share * n))
        turned = [np.roll(order, member * n // self._members) for member in range(self._members)]
        return np.array(turned)[:, :kept]


def encoded(space: Space, archs: Sequence[Architecture]) -> Bits:
    """Encode architectures as BANANAS does: cells by their paths.

    *Our reconstruction*: others, which have but one path, by an indicator for each option.
    """
    return space.paths(archs) if isinstance(space, Cell) else space.one_hot(archs)


def tokens(space: Space, parts: Sequence[Architecture]) -> Floats:
    """Encode parts of architectures, of any length, as PNAS does: the mean over their decisions.

    A token says which option was taken, whatever the decision, so that what is known of small parts
    holds for larger ones. *Our reconstruction*: another one says where, too. The authors' tokens
    don't, and so they can't tell parts apart that have the same options in other places.
    """
    most, places = max(space.choices), len(space.choices)
    encoded = np.zeros((len(parts), 1 + places, most))
    for row, part in enumerate(parts):
        for place, option in enumerate(part):
            encoded[row, [0, 1 + place], option] += 1 / len(part)
    return encoded.reshape(len(parts), -1)


def bananas(
    space: Space,
    rng: np.random.Generator,
    members: int = 5,
    layers: int = 10,
    width: int = 20,
    epochs: int = 150,
    rate: float = 0.01,
) -> Ensemble:
    """Make the ensemble of BANANAS (White et al., 2021), with the defaults of the authors' code."""
    return Ensemble(
        lambda archs: encoded(space, archs),
        rng,
        members=members,
        widths=(width,) * layers,
        epochs=epochs,
        rate=rate,
        betas=(0.9, 0.99),
    )


def pnas(
    space: Space,
    rng: np.random.Generator,
    members: int = 5,
    width: int = 100,
    epochs: int = 100,
    rate: float = 0.01,
) -> Ensemble:
    """Make the surrogate of PNAS (Liu et al., 2018): each member is spared a fifth of the data."""
    return Ensemble(
        lambda parts: tokens(space, parts),
        rng,
        members=members,
        widths=(width, width),
        epochs=epochs,
        rate=rate,
        share=0.8,
    )
