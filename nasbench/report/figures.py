"""The figures, as PNG and as SVG. None of them changes the settings of matplotlib outside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BytesIO
from typing import Any, NamedTuple

import numpy as np

from nasbench.metrics.statistics import cliques, summarise
from nasbench.table import Floats

DPI = 200
LABELS = {
    "queries": "trainings asked for (queries)",
    "epochs": "epochs of training",
    "seconds": "hours of training",
    "supernet": "epochs of the supernet",
}
DASHES = ("-", (0, (4, 1.5)), (0, (1, 1)), (0, (6, 1.5, 1, 1.5)))


class Drawn(NamedTuple):
    """One figure, as two files."""

    png: bytes
    svg: bytes


class Panel(NamedTuple):
    """Anytime curves (R, G) by method, and what they are of."""

    title: str
    label: str
    curves: Mapping[str, Floats]


def anytime(
    panels: Sequence[Panel],
    methods: Sequence[str],
    price: str,
    grid: Floats,
    logarithmic: bool = True,
) -> Drawn:
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
            floor = -np.inf
            if logarithmic:
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
        names = list(map(_no_formula, shown))
        figure.legend(handles, names, loc="outside upper center", ncols=columns, frameon=False)
        return _drawn(figure)


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


def heatmap(names: Sequence[str], matrix: Floats) -> Drawn:
    """Draw a matrix of correlations."""
    return heatmaps([Heat("", names, names, matrix)])


def heatmaps(panels: Sequence[Heat]) -> Drawn:
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
        return _drawn(figure)


class Cloud(NamedTuple):
    """Points by what they are, each (N,) along x and along y, and what they are of."""

    title: str
    x_label: str
    y_label: str
    points: Mapping[str, tuple[Floats, Floats]]


def scatter(panels: Sequence[Cloud], kinds: Sequence[str]) -> Drawn:
    """Draw one panel a cloud; of the kinds of points, every second one is hollow."""
    import seaborn as sns

    colours, drawn = sns.color_palette("colorblind"), dict[str, Any]()
    with _panels(len(panels)) as (figure, panes):
        for axes, panel in zip(panes, panels, strict=True):
            axes.set_title(panel.title, fontweight="bold")
            axes.set_xlabel(panel.x_label)
            axes.set_ylabel(panel.y_label)
            for kind, (x, y) in panel.points.items():
                number = kinds.index(kind)
                colour = colours[number // 2 % 10]
                look = {"facecolors": "none"} if number % 2 else {"color": colour}
                drawn[kind] = axes.scatter(
                    x, y, s=9, alpha=0.8, linewidths=0.8, edgecolors=[colour], **look
                )
        _legend(figure, drawn, kinds)
        return _drawn(figure)


class Front(NamedTuple):
    """Costs and values (N,) of all architectures, of the best trade-offs, and found by methods."""

    title: str
    label: str
    every: tuple[Floats, Floats]
    front: tuple[Floats, Floats]
    found: Mapping[str, tuple[Floats, Floats]]


def fronts(panels: Sequence[Front], methods: Sequence[str]) -> Drawn:
    """Draw one panel a task: what was found, before all there is and the best trade-offs."""
    drawn: dict[str, Any] = {}
    with _panels(len(panels)) as (figure, axes):
        for ax, panel in zip(axes, panels, strict=True):
            ax.set_title(panel.title, fontweight="bold")
            ax.set_xlabel("millions of multiply-adds")
            ax.set_ylabel(panel.label)
            ax.scatter(*panel.every, s=3, color="0.85", linewidths=0, rasterized=True)
            ax.plot(*panel.front, color="0.3", linewidth=1, drawstyle="steps-post")
            for method, (x, y) in panel.found.items():
                colour, marker = _look(methods, method)
                drawn[method] = ax.scatter(
                    x, y, s=16, color=colour, marker=marker, alpha=0.7, linewidths=0, zorder=3
                )
        _legend(figure, drawn, methods)
        return _drawn(figure)


class Profiles(NamedTuple):
    """Channels of each layer, for each run of each method."""

    title: str
    found: Mapping[str, Sequence[Sequence[int]]]


def profiles(panels: Sequence[Profiles], methods: Sequence[str]) -> Drawn:
    """Draw one panel a task: the mean width of each layer, and each run as a thin line."""
    drawn: dict[str, Any] = {}
    with _panels(len(panels)) as (figure, axes):
        for ax, panel in zip(axes, panels, strict=True):
            ax.set_title(panel.title, fontweight="bold")
            ax.set_xlabel("layer")
            ax.xaxis.get_major_locator().set_params(integer=True)
            ax.set_ylabel("channels")
            for method, runs in panel.found.items():
                colour, marker = _look(methods, method)
                longest = max(map(len, runs))
                wide = np.array([[*run, *[np.nan] * (longest - len(run))] for run in runs])
                layers = np.arange(1, longest + 1)
                ax.plot(layers, wide.T, color=colour, alpha=0.15, linewidth=0.7)
                look = {"color": colour, "marker": marker, "markersize": 4, "linewidth": 1.5}
                (drawn[method],) = ax.plot(layers, np.nanmean(wide, 0), **look)
            ax.set_ylim(bottom=0)
        _legend(figure, drawn, methods)
        return _drawn(figure)


def _look(methods: Sequence[str], method: str) -> tuple[Any, str]:
    """Return a method's colour and marker."""
    import seaborn as sns

    number = methods.index(method)
    return sns.color_palette("colorblind")[number % 10], "os^Dvx"[number // 10 % 6]


@contextmanager
def _panels(n: int) -> Iterator[tuple[Any, list[Any]]]:
    """Make a figure of n panels."""
    import seaborn as sns

    wide = min(n, 4)
    high = -(-n // wide)
    with _figure("ticks", max(2.9 * wide, 5), 2.5 * high + 0.5) as figure:
        axes = [figure.add_subplot(high, wide, place) for place in range(1, n + 1)]
        for ax in axes:
            ax.grid(color="0.92")
            ax.set_axisbelow(True)
        sns.despine(fig=figure)
        yield figure, axes


def _legend(figure: Any, drawn: Mapping[str, Any], methods: Sequence[str]) -> None:
    """Name what was drawn, in the order of the methods, above panels that keep their height."""
    shown = [method for method in methods if method in drawn]
    handles = [drawn[method] for method in shown]
    width, height = figure.get_size_inches()
    longest = max(map(len, shown), default=0)
    columns = min(max(int(width / (0.6 + 0.075 * longest)), 1), 4)
    figure.set_figheight(height + 0.19 * (max(len(shown) - 1, 0) // columns))
    figure.legend(handles, shown, loc="outside upper center", ncols=columns, frameon=False)


def places(methods: Sequence[str], tasks: Sequence[str], matrix: Floats) -> Drawn:
    """Draw places (M, T) of methods among each other on tasks, 1 = best, the best ones light."""
    import seaborn as sns

    longest = max(map(len, methods))
    width, height = 1.2 + 0.075 * longest + 0.55 * len(tasks), 1.3 + 0.32 * len(methods)
    with _figure("white", width, height) as figure:
        axes = figure.add_subplot()
        whole = (matrix == matrix.round()).all()
        sns.heatmap(
            matrix,
            ax=axes,
            vmin=1,
            vmax=len(methods),
            cmap="crest",
            annot=True,
            fmt=".0f" if whole else ".1f",
            linewidths=1,
            xticklabels=tasks,
            yticklabels=list(map(_no_formula, methods)),
            cbar=False,
        )
        axes.set_yticklabels(axes.get_yticklabels(), rotation=0)
        axes.set_xticklabels(tasks, rotation=40, ha="right", rotation_mode="anchor")
        return _drawn(figure)


def critical_difference(methods: Sequence[str], rank: Floats, critical: float) -> Drawn:
    """Draw mean ranks (M,) on an axis; bars join methods that are not told apart (Demsar, 2006)."""
    order, groups = np.argsort(rank, kind="stable"), cliques(rank, critical)
    rows = -(-len(order) // 2)
    deep = 0.5 + 0.22 * len(groups)
    longest = 0.075 * max(map(len, methods)) + 0.3
    with _figure("white", 3.6 + 2 * longest, 0.9 + 0.22 * len(groups) + 0.26 * rows) as figure:
        axes = figure.add_subplot()
        last = max(len(order), 1 + critical)
        axes.set_xlim(1, last)
        axes.set_ylim(deep + 0.26 * rows + 0.1, -0.75)
        axes.set_axis_off()
        ink = {"color": "black", "linewidth": 1, "clip_on": False}
        axes.plot([1, last], [0, 0], **ink)
        for tick in range(1, int(last) + 1):
            axes.plot([tick, tick], [0, -0.08], **ink)
            axes.text(tick, -0.12, str(tick), ha="center", va="bottom")
        axes.plot([1, 1 + critical], [-0.5, -0.5], **{**ink, "linewidth": 2})
        axes.text(1, -0.56, f"critical difference {critical:.2f}", ha="left", va="bottom")
        side, far = ("right", "left"), (1.0, float(last))
        for place, method in enumerate(order):
            right = place >= rows
            level = deep + 0.26 * (len(order) - 1 - place if right else place)
            end, x = far[right], float(rank[method])
            axes.plot([x, x, end], [0, level, level], **ink)
            label = f"{methods[method]}  {x:.2f}" if not right else f"{x:.2f}  {methods[method]}"
            axes.annotate(
                _no_formula(label),
                (end, level),
                (6 if right else -6, 0),
                textcoords="offset points",
                ha=side[right],
                va="center",
                annotation_clip=False,
            )
        for level, group in enumerate(groups):
            y, ends = 0.2 + 0.22 * level, rank[[group[0], group[-1]]]
            axes.plot(ends, [y, y], color="black", linewidth=3.5, solid_capstyle="round")
        return _drawn(figure)


class Drawing(NamedTuple):
    """An architecture: what is written above it, and its edges with what stands on each."""

    title: str
    edges: Sequence[tuple[int, int, str]]


def architectures(drawings: Sequence[Drawing]) -> Drawn:
    """Draw architectures: nodes in a row, edges between them, what stands there on these."""
    edges = [edge for drawing in drawings for edge in drawing.edges]
    step = max(0.8, 0.3 + 0.075 * max(len(word) for *_, word in edges))
    heights = [_height(source, target) for source, target, _ in edges]
    low, top = min(heights) - 0.15, max(heights) + 0.15
    wide = step * max(target for _, target, _ in edges) + 0.3
    columns = max(1, min(len(drawings), int(9 / wide)))
    rows = -(-len(drawings) // columns)
    with _figure("white", columns * (wide + 0.2), rows * (top - low + 0.35)) as figure:
        for place, drawing in enumerate(drawings, 1):
            axes = figure.add_subplot(rows, columns, place)
            axes.set_axis_off()
            axes.set_title(_no_formula(drawing.title), loc="left", pad=2)
            axes.set_xlim(-0.15, wide - 0.15)
            axes.set_ylim(low, top)
            nodes = range(max(target for _, target, _ in drawing.edges) + 1)
            axes.plot([step * node for node in nodes], [0] * len(nodes), "ko", markersize=4.5)
            for source, target, word in drawing.edges:
                if word:
                    _edge(axes, step, source, target, word)
        return _drawn(figure)


def _height(source: int, target: int) -> float:
    """Say how far from the row of nodes an edge has its word; every second node's are below."""
    apart = target - source - 1
    return 0.0 if not apart else 0.35 * apart * (-1 if source % 2 else 1)


def _edge(axes: Any, step: float, source: int, target: int, word: str) -> None:
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path

    start, end, high = step * source, step * target, _height(source, target)
    middle, bow = (start + end) / 2, high * 4 / 3
    path = Path([(start, 0), (start, bow), (end, bow), (end, 0)], [1, 4, 4, 4])
    if not high:
        path = Path([(start, 0), (end - 0.06, 0)])
    axes.add_patch(
        FancyArrowPatch(path=path, arrowstyle="-|>", mutation_scale=7, color="0.35", zorder=1)
    )
    box = {"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none"}
    axes.text(middle, high, _no_formula(word), ha="center", va="center", fontsize=8, bbox=box)


def _no_formula(text: str) -> str:
    return text.replace("$", r"\$")


@contextmanager
def _figure(style: str, width: float, height: float) -> Iterator[Any]:
    import seaborn as sns
    from matplotlib import rc_context
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    same: Any = {
        "svg.hashsalt": "nasbench",
        "svg.fonttype": "none",
    }  # ids that are no chance; no paths
    with sns.axes_style(style), sns.plotting_context("paper"), rc_context(same):
        engine = ConstrainedLayoutEngine(hspace=0.08, wspace=0.05)
        yield Figure(figsize=(width, height), layout=engine)


def _drawn(figure: Any) -> Drawn:
    png, svg = BytesIO(), BytesIO()
    tight = {"bbox_inches": "tight", "pad_inches": 0.05}
    figure.savefig(png, format="png", dpi=DPI, **tight)
    figure.set_layout_engine("none")  # it is laid out
    figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None}, **tight)
    return Drawn(png.getvalue(), svg.getvalue())
