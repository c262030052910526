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
EDGE, TITLE = 0.03, 0.16
"""Inches to the left of all images, and above an image for its classes."""
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
    rows, columns = ceil(number / cards), cards * len(shown)
    figure, grid = _grid(path, rows, columns, TITLE * bool(told), shown)
    for axes in grid.flat:
        axes.set_axis_off()
    for i in range(number):
        row, column = divmod(i, cards)
        panels = grid[row, column * len(shown) : (column + 1) * len(shown)]
        for axes, label in zip(panels, shown, strict=True):
            _draw(axes, label, arrays[label.name][i])
        words = [_word(label, arrays[label.name][i]) for label in told]
        panels[0].set_title(", ".join(words), fontsize=7, loc="left", pad=2)
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
    number, image = len(rgb), Label("rgb", "picture", 3)
    classes = label.kind == "class"
    rows = ("input",) if classes else ("input", "truth", "prediction")
    figure, grid = _grid(path, len(rows), number, 2 * TITLE if classes else TITLE, [label])
    for axes in grid.flat:
        axes.set_axis_off()
    for text, axes in zip(rows, grid[:, 0], strict=True):
        axes.set_title(text, fontsize=7, loc="left", pad=2)
    for i in range(number):
        _draw(grid[0, i], image, rgb[i])
        if classes:
            true, said = (_word(label, values[i]) for values in (truth, predicted))
            text = said if said == true else f"{said}?\nno, {true}"
            colour = "tab:green" if said == true else "tab:red"
            grid[0, i].set_title(text, fontsize=7, loc="left", pad=2, color=colour)
        else:
            _draw(grid[1, i], label, truth[i])
            _draw(grid[2, i], label, predicted[i])
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
        axes.set(xlim=(-3, 3), ylim=(label.n - 0.4, -0.6), xticks=[], yticks=[], box_aspect=1)
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


def _grid(path: Path, rows: int, columns: int, title: float, labels: Sequence[Label]) -> Any:
    """Make a figure of rows x columns images, `title` inches above each, and the legend below."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    check(path)
    masks = [label for label in labels if label.kind == "mask" and label.words]
    numbers = [label for label in labels if label.kind == "numbers" and label.words]
    wide, line = columns * INCH + EDGE, 0.17
    across = max(1, int(wide / 0.95))
    foot = line * (sum(1 + ceil(len(each.words) / across) for each in masks) + len(numbers) + 0.5)
    high = rows * (INCH + title) + foot
    figure = Figure(figsize=(wide, high))
    grid = figure.subplots(rows, columns, squeeze=False)
    figure.subplots_adjust(
        EDGE / wide, foot / high, 1 - EDGE / wide, 1 - title / high, 0.03, title / INCH + 0.03
    )
    top = foot / high
    for label in masks:
        colours = palette(label.n) / 255
        figure.legend(
            [Patch(color=colour) for colour in colours[: label.n]],
            label.words,
            title=label.name,
            loc="upper left",
            bbox_to_anchor=(0, top),
            ncols=across,
            alignment="left",
            fontsize=7,
            title_fontsize=7,
            frameon=False,
            handlelength=1,
            borderaxespad=0.2,
        )
        top -= line * (1 + ceil(len(label.words) / across)) / high
    for label in numbers:
        text = f"{label.name}, from the top: {', '.join(label.words)}"
        figure.text(0.05 / wide, top - 0.05 / high, text, fontsize=7, va="top")
        top -= line / high
    return figure, grid


def _write(figure: Any, path: Path) -> None:
    with atomic(path) as file:
        figure.savefig(file, format=path.suffix[1:].lower(), dpi=DPI)
