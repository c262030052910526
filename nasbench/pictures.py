"""Pictures of images, of what is told about them, and of what networks say about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil, sqrt
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nasbench.errors import BadValue
from nasbench.images import IGNORED, Label
from nasbench.store import atomic

FORMATS = (".png", ".svg")
INCH = 1.05
"""How wide an image is shown; a PNG has `DPI` pixels an inch."""
DPI = 100
MOST = 240
"""More images are too many for one sheet."""
ACROSS = 12
"""About so many images and masks stand side by side."""


def check(path: Path) -> None:
    """Raise `BadValue` for a file that is neither PNG nor SVG."""
    if path.suffix.lower() not in FORMATS:
        raise BadValue(f"{path}: pictures are written to files that end in .png or .svg")


def sheet(arrays: Mapping[str, NDArray[Any]], labels: Sequence[Label], path: Path) -> None:
    """Draw N images, each beside everything that is told about it: arrays by the labels' names.

    Raises `BadFile` where the file can't be written, and `BadValue` if it's neither PNG nor SVG.
    """
    shown = [label for label in labels if label.kind != "class"]
    told = [label for label in labels if label.kind == "class"]
    number = len(arrays[labels[0].name])
    cards = max(1, min(number, ACROSS // len(shown)))
    figure, grid = _grid(path, ceil(number / cards), cards * len(shown), bool(told))
    for axes in grid.flat:
        axes.set_axis_off()
    for i in range(number):
        row, column = divmod(i, cards)
        panels = grid[row, column * len(shown) : (column + 1) * len(shown)]
        for axes, label in zip(panels, shown, strict=True):
            _draw(axes, label, arrays[label.name][i])
        words = [_word(label, arrays[label.name][i]) for label in told]
        panels[0].set_title(", ".join(words), fontsize=7, loc="left", pad=2)
    _legend(figure, shown)
    _write(figure, path)


def predictions(
    rgb: NDArray[np.uint8],
    truth: NDArray[Any],
    predicted: NDArray[Any],
    label: Label,
    path: Path,
) -> None:
    """Draw N images, what is true of each, and what a network says; N columns.

    `rgb` is (N, H, W, 3), or (N, parts, h, w, 3) for images that are seen in parts; `truth` and
    `predicted` are in the form of the label. Raises as `sheet` does.
    """
    number, words = len(rgb), label.kind == "class"
    figure, grid = _grid(path, 1 if words else 3, number, words)
    image = Label("rgb", "picture", 3)
    for axes in grid.flat:
        axes.set_axis_off()
    for i in range(number):
        _draw(grid[0, i], image, rgb[i])
        if words:
            true, said = (_word(label, values[i]) for values in (truth, predicted))
            right = true == said
            text = f"= {true}" if right else f"{said}\nnot {true}"
            colour = "tab:green" if right else "tab:red"
            grid[0, i].set_title(text, fontsize=7, color=colour, y=-0.02, va="top")
        else:
            _draw(grid[1, i], label, truth[i])
            _draw(grid[2, i], label, predicted[i])
    for axes, text in zip(grid[:, 0], ("input", "truth", "prediction"), strict=False):
        axes.text(-0.08, 0.5, text, rotation=90, transform=axes.transAxes, ha="right", va="center")
    _legend(figure, [label])
    _write(figure, path)


def palette(n: int) -> NDArray[np.uint8]:
    """Return colours (256, 3) of n classes: hues that the colour-blind tell apart, then darker.

    `IGNORED` is white.
    """
    import seaborn as sns

    hues = np.array(sns.color_palette("colorblind"))
    rounds = ceil(n / len(hues))
    shades = np.concatenate([hues * (1 - i / (rounds + 0.5)) for i in range(rounds)])
    colours = np.full((256, 3), 255, np.uint8)
    colours[:n] = np.round(255 * shades[:n])
    colours[IGNORED] = 255
    return colours


def _draw(axes: Any, label: Label, value: NDArray[Any]) -> None:
    if label.kind == "numbers":
        axes.set_axis_on()
        axes.barh(range(label.n), value, color=["C0", "C1", "C2"] * ceil(label.n / 3))
        axes.set(xlim=(-3, 3), ylim=(label.n - 0.4, -0.6), xticks=[], yticks=[])
        axes.axvline(0, color="0.6", linewidth=0.5)
        return
    image = palette(label.n)[value] if label.kind == "mask" else _whole(value)
    axes.imshow(image, interpolation="nearest")


def _whole(image: NDArray[Any]) -> NDArray[np.uint8]:
    """Put an image's parts side by side, with lines between; a grey one gets three channels."""
    if image.ndim == 4:
        side = ceil(sqrt(len(image)))
        parts = np.full((side * side, *image.shape[1:]), 255, np.uint8)
        parts[: len(image)] = image
        parts = np.pad(parts, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=255)
        rows = parts.reshape(side, side, *parts.shape[1:]).transpose(0, 2, 1, 3, 4)
        image = rows.reshape(side * parts.shape[1], side * parts.shape[2], -1)
    if image.shape[-1] == 1:
        image = np.repeat(image, 3, axis=-1)
    return np.clip(np.round(image), 0, 255).astype(np.uint8)


def _word(label: Label, value: Any) -> str:
    """Name a class, which may be told as probabilities."""
    number = int(np.argmax(value)) if np.ndim(value) else int(value)
    return label.words[number] if label.words else str(number)


def _grid(path: Path, rows: int, columns: int, titles: bool) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    check(path)
    high = INCH * (1.16 if titles else 1.03)
    figure = Figure(figsize=(columns * INCH, rows * high + 0.9), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    figure.get_layout_engine().set(w_pad=0.01, h_pad=0.01, wspace=0.0, hspace=0.01)
    return figure, grid


def _legend(figure: Any, labels: Sequence[Label]) -> None:
    """Name the classes of masks, and the numbers from top to bottom."""
    from matplotlib.patches import Patch

    for label in labels:
        if label.kind == "mask":
            colours = palette(label.n) / 255
            patches = [Patch(color=c, label=w) for w, c in zip(label.words, colours, strict=False)]
            figure.legend(
                handles=patches,
                loc="outside lower left",
                ncols=9,
                fontsize=7,
                frameon=False,
                handlelength=1,
                title=label.name,
                title_fontsize=7,
                alignment="left",
            )
    bars = [
        f"{label.name}: {', '.join(label.words)}" for label in labels if label.kind == "numbers"
    ]
    if bars:
        figure.supxlabel("\n".join(bars), fontsize=7, x=0.01, ha="left")


def _write(figure: Any, path: Path) -> None:
    with atomic(path) as file:
        figure.savefig(file, format=path.suffix[1:].lower(), dpi=DPI)
