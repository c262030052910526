"""The figures, as PNG. None of them changes the settings of matplotlib outside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BytesIO
from typing import Any, NamedTuple

import numpy as np

from nasbench.metrics.statistics import summarise
from nasbench.table import Floats

DPI = 200
LABELS = {
    "queries": "trainings asked for (queries)",
    "epochs": "epochs of training",
    "seconds": "hours of training",
}
DASHES = ("-", (0, (4, 1.5)), (0, (1, 1)), (0, (6, 1.5, 1, 1.5)))


class Panel(NamedTuple):
    """Anytime curves (R, G) by method, and what they are of."""

    title: str
    label: str
    curves: Mapping[str, Floats]


def anytime(panels: Sequence[Panel], methods: Sequence[str], price: str, grid: Floats) -> bytes:
    """Draw one panel a task: the median over runs, in a band from quartile to quartile."""
    import seaborn as sns

    colours = sns.color_palette("colorblind")
    look = {m: (colours[i % 10], DASHES[i // 10 % len(DASHES)]) for i, m in enumerate(methods)}
    wide = 4 if len(panels) > 6 else min(len(panels), 3)
    high = -(-len(panels) // wide)
    width, height = (2.6 * wide, 2.1 * high) if wide > 3 else (max(3.4 * wide, 5), 2.5 * high)
    shown = [method for method in methods if any(method in panel.curves for panel in panels)]
    columns = max(1, int(width / (0.6 + 0.075 * max(map(len, shown)))))
    legend = 0.2 * -(-len(shown) // columns)
    spent = grid / 3600 if price == "seconds" else grid
    drawn: dict[str, Any] = {}
    with _figure("ticks", width, height + legend + 0.4) as figure:
        for place, (title, label, curves) in enumerate(panels, 1):
            axes = figure.add_subplot(high, wide, place)
            axes.set_title(title, fontweight="bold")
            axes.set_ylabel(label)
            axes.set_xlim(0, spent[-1])
            axes.grid(color="0.92")
            quartiles = np.array([summarise(runs)[2:] for runs in curves.values()])
            floor = _scale(axes, quartiles[np.isfinite(quartiles)], quartiles[:, 1])
            for method, (low, middle, top) in zip(
                curves, np.maximum(quartiles, floor), strict=True
            ):
                colour, dash = look[method]
                band = {"color": colour, "alpha": 0.18, "linewidth": 0, "step": "post"}
                axes.fill_between(spent, low, top, **band)
                line = {"color": colour, "linestyle": dash, "linewidth": 1.5}
                (drawn[method],) = axes.plot(spent, middle, drawstyle="steps-post", **line)
            sns.despine(ax=axes)
        figure.supxlabel(LABELS[price], fontsize="medium")
        handles = [drawn[method] for method in shown]
        names = [method.replace("$", r"\$") for method in shown]  # a formula otherwise
        figure.legend(handles, names, loc="outside upper center", ncols=columns, frameon=False)
        return _png(figure)


def _scale(axes: Any, values: Floats, medians: Floats) -> float:
    """Choose a logarithmic axis where there is anything above zero; return its lower end.

    Its upper end is above all medians, not above all bands: those of the first few trainings would
    take most of the room.
    """
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    above = values[values > 0]
    highest = np.max(medians, initial=0, where=np.isfinite(medians))
    if not highest > 0:
        return 0.0
    floor = 0.8 * float(above.min())
    axes.set_yscale("log")
    axes.set_ylim(floor, 1.5 * highest)
    decades = np.log10(highest / floor)
    subs = (1, 2, 3, 4, 6) if decades < 0.7 else (1, 2, 5) if decades < 2.5 else (1,)
    axes.yaxis.set_major_locator(LogLocator(subs=subs))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    return floor


class Heat(NamedTuple):
    """A matrix of correlations (R, C), what its rows and columns are, and whose."""

    title: str
    rows: Sequence[str]
    columns: Sequence[str]
    matrix: Floats
    x_label: str = ""
    y_label: str = ""


def heatmap(names: Sequence[str], matrix: Floats) -> bytes:
    """Draw a matrix of correlations."""
    return heatmaps([Heat("", names, names, matrix)])


def heatmaps(panels: Sequence[Heat]) -> bytes:
    """Draw matrices of correlations side by side; what is NaN stays empty."""
    import seaborn as sns

    width = sum(2.4 + 0.5 * len(panel.columns) for panel in panels)
    high = 1.4 + 0.5 * max(len(panel.rows) for panel in panels)
    with _figure("white", width, high) as figure:
        shares = [len(panel.columns) for panel in panels]
        every = figure.subplots(1, len(panels), squeeze=False, width_ratios=shares)[0]
        for axes, panel in zip(every, panels, strict=True):
            sns.heatmap(
                panel.matrix,
                ax=axes,
                vmin=-1,
                vmax=1,
                cmap="vlag",
                annot=True,
                fmt=".2f",
                square=True,
                linewidths=1,
                xticklabels=panel.columns,
                yticklabels=panel.rows,
                cbar=axes is every[-1],
                cbar_kws={"label": "Kendall's tau-b", "shrink": 0.8},
            )
            axes.set_xlabel(panel.x_label)
            axes.set_ylabel(panel.y_label)
            if panel.title:
                axes.set_title(panel.title, fontweight="bold")
            axes.set_xticklabels(panel.columns, rotation=40, ha="right", rotation_mode="anchor")
        return _png(figure)


class Cloud(NamedTuple):
    """Points by what they are, each (N,) along x and along y, and what they are of."""

    title: str
    x_label: str
    y_label: str
    points: Mapping[str, tuple[Floats, Floats]]


def scatter(panels: Sequence[Cloud], kinds: Sequence[str]) -> bytes:
    """Draw one panel a cloud; of the kinds of points, every second one is hollow."""
    import seaborn as sns

    colours = sns.color_palette("colorblind")
    wide = min(len(panels), 4)
    high = -(-len(panels) // wide)
    with _figure("ticks", max(2.6 * wide, 5), 2.5 * high + 0.4) as figure:
        drawn: dict[str, Any] = {}
        for place, panel in enumerate(panels, 1):
            axes = figure.add_subplot(high, wide, place)
            axes.set_title(panel.title, fontweight="bold")
            axes.set_xlabel(panel.x_label)
            axes.set_ylabel(panel.y_label)
            axes.grid(color="0.92")
            axes.set_axisbelow(True)
            for kind, (x, y) in panel.points.items():
                number = kinds.index(kind)
                colour = colours[number // 2 % 10]
                look = {"facecolors": "none"} if number % 2 else {"color": colour}
                drawn[kind] = axes.scatter(
                    x, y, s=9, alpha=0.8, linewidths=0.8, edgecolors=[colour], **look
                )
            sns.despine(ax=axes)
        shown = [kind for kind in kinds if kind in drawn]
        handles = [drawn[kind] for kind in shown]
        figure.legend(handles, shown, loc="outside upper center", ncols=4, frameon=False)
        return _png(figure)


@contextmanager
def _figure(style: str, width: float, height: float) -> Iterator[Any]:
    import seaborn as sns
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    with sns.axes_style(style), sns.plotting_context("paper"):
        engine = ConstrainedLayoutEngine(hspace=0.08, wspace=0.05)
        yield Figure(figsize=(width, height), layout=engine)


def _png(figure: Any) -> bytes:
    file = BytesIO()
    figure.savefig(file, format="png", dpi=DPI, bbox_inches="tight", pad_inches=0.05)
    return file.getvalue()
