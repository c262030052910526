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
    spent = grid / 3600 if price == "seconds" else grid
    drawn: dict[str, Any] = {}
    with _figure("ticks", 2.6 * wide, 2.1 * high + 0.6) as figure:
        for place, panel in enumerate(panels, 1):
            axes = figure.add_subplot(high, wide, place)
            axes.set_title(panel.title, fontweight="bold")
            axes.set_ylabel(panel.label)
            axes.set_xlim(spent[0], spent[-1])
            axes.grid(color="0.92")
            over_runs = {method: summarise(curves) for method, curves in panel.curves.items()}
            floor = _scale(axes, np.array([(s.low_quartile, s.median) for s in over_runs.values()]))
            for method, summary in over_runs.items():
                colour, dash = look[method]
                low, middle, top = np.maximum(summary[2:], floor)
                band = {"color": colour, "alpha": 0.18, "linewidth": 0, "step": "post"}
                axes.fill_between(spent, low, top, **band)
                line = {"color": colour, "linestyle": dash, "linewidth": 1.5}
                (drawn[method],) = axes.plot(spent, middle, drawstyle="steps-post", **line)
            sns.despine(ax=axes)
        figure.supxlabel(LABELS[price], fontsize="medium")
        shown = [method for method in methods if method in drawn]
        handles = [drawn[method] for method in shown]
        figure.legend(handles, shown, loc="outside upper center", ncols=4, frameon=False)
        return _png(figure)


def _scale(axes: Any, values: Floats) -> float:
    """Choose a logarithmic axis where there is anything above zero; return its lower end."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    above = values[values > 0]
    if not len(above):
        return 0.0
    floor = 0.8 * float(above.min())
    axes.set_yscale("log")
    axes.set_ylim(bottom=floor)
    subs = (1, 2, 5) if above.max() < 100 * above.min() else (1,)
    axes.yaxis.set_major_locator(LogLocator(subs=subs))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    return floor


def heatmap(names: Sequence[str], matrix: Floats) -> bytes:
    """Draw a matrix of correlations."""
    import seaborn as sns

    side = 1.6 + 0.55 * len(names)
    with _figure("white", side + 0.9, side) as figure:
        axes = figure.add_subplot()
        sns.heatmap(
            matrix,
            ax=axes,
            vmin=-1,
            vmax=1,
            cmap="vlag",
            annot=True,
            fmt=".2f",
            square=True,
            linewidths=1,
            xticklabels=names,
            yticklabels=names,
            cbar_kws={"label": "Kendall's tau-b", "shrink": 0.8},
        )
        axes.tick_params(axis="x", rotation=45)
        axes.tick_params(axis="y", rotation=0)
        return _png(figure)


@contextmanager
def _figure(style: str, width: float, height: float) -> Iterator[Any]:
    import seaborn as sns
    from matplotlib.figure import Figure

    with sns.axes_style(style), sns.plotting_context("paper"):
        yield Figure(figsize=(width, height), layout="constrained")


def _png(figure: Any) -> bytes:
    file = BytesIO()
    figure.savefig(file, format="png", dpi=DPI)
    return file.getvalue()
