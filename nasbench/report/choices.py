"""One-shot methods: what they chose epoch by epoch, how they ranked, and what that took."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from nasbench.cell import Cell
from nasbench.report import figures
from nasbench.report.page import Block, Grid, Heading, Picture, Text
from nasbench.report.score import Scored, pick, regrets, rows
from nasbench.report.words import NONE, count, csv, decimals, measured, number, shown
from nasbench.table import Floats, Table
from nasbench.trace import Traces

CURVES = {
    "regret": "validation regret of the choice",
    "tau": "Kendall's tau-b with the table",
    "entropy": "entropy, nats",
    "skips": "identities in the cell",
    "macs": "expected multiply-adds, millions",
    "samples": "architectures sampled, thousands",
}
"""What is drawn epoch by epoch, in words. Skips show the collapse of DARTS (Liu et al., 2019)."""

UNITS = {"macs": 1e6, "samples": 1e3}


def choices(scored: Scored, space: str) -> Iterator[Block]:
    """Show the runs of one-shot methods, if there are any."""
    import pandas as pd

    study, told, frames, panels = scored.study, [], [], []
    for task in study.spaces[space]:
        table = study.tables[space, task]
        runs = {m: t for m, t in study.runs[space, task].items() if t.one_shot and len(t.value)}
        curves = {method: _curves(traces, table) for method, traces in runs.items()}
        for name, words in CURVES.items():
            drawn = {shown(m): own[name] for m, own in curves.items() if name in own}
            panels += [figures.Panel(f"{task}: {name}", words, drawn)] if drawn else []
        for method, traces in runs.items():
            told.append([task, measured(table), shown(method), *_row(traces, table)])
            frame = traces.frame().drop(columns="arch")
            frame.insert(0, "regret", regrets(table, traces.arch))
            frames.append(frame.assign(task=task, method=method))
    if not told:
        return
    epochs = min(len(values[0]) for panel in panels for values in panel.curves.values())
    panels = [
        panel._replace(curves={m: v[:, :epochs] for m, v in panel.curves.items()})
        for panel in panels
    ]
    yield Heading("One-shot methods", 3)
    yield Grid(
        (
            "task",
            "metric",
            "method",
            "runs",
            "validation regret",
            "tau",
            "tau, supernet",
            "tau, untrained",
            "seconds",
            "saved, MB",
            "expected MACs, millions",
            "MACs of the choice, millions",
            "samples",
        ),
        told,
        "Means over runs after the last epoch: validation regret of the choice; Kendall's tau-b "
        "with the table of the method's own ranking, of the supernet's scores, and of those before "
        "any training, which is the control; seconds of the processor; what autograd saved for a "
        "step at most; expected multiply-adds of the encoder, and those of the chosen network with "
        "its head; and how many architectures were sampled.",
        texts=3,
        csv=csv(f"one_shot_{space}", pd.concat(frames)),
    )
    yield Picture(
        f"choices_{space}",
        figures.anytime(
            panels,
            list(map(shown, study.methods)),
            "supernet",
            np.arange(1.0, epochs + 1),
            logarithmic=False,
        ),
        f"One-shot methods on space {space}, epoch by epoch",
        "Epoch by epoch: median over runs, in a band from quartile to quartile.",
        None,
    )
    yield Text(
        "No method is told what is in the table: choices and rankings are compared with it "
        "afterwards. The seconds of a comparison are not the method's."
    )
    if unknown := int(scored.of(space)["unknown"].sum()):
        yield Text(
            f"{count(unknown, 'run')} ended with a network that the table holds no training of, as "
            "it is not complete: no regret is known there, and the means are of the other runs. "
            "Rankings are compared on what it holds.",
            warning=True,
        )


def _by_run(traces: Traces, values: Floats) -> Floats:
    """Turn a column (T,) into (R, E), E being the epochs of the shortest run."""
    lengths = np.diff(traces.start)
    begun = [traces.steps(run) for run in np.flatnonzero(lengths).tolist()]
    epochs = min(step.stop - step.start for step in begun)
    return np.array([values[step][:epochs] for step in begun])


def _curves(traces: Traces, table: Table) -> dict[str, Floats]:
    found = {"regret": regrets(table, traces.arch), **traces.info}
    if isinstance(table.space, Cell):
        identity = [kind == "identity" for _, kind in table.space.operations]
        found["skips"] = np.array(identity)[traces.arch].sum(axis=1).astype(np.float64)
    return {
        name: _by_run(traces, found[name]) / UNITS.get(name, 1) for name in CURVES if name in found
    }


def _row(traces: Traces, table: Table) -> list[str]:
    last = traces.start[1:][np.diff(traces.start) > 0] - 1
    info, digits = traces.info, decimals(table)

    def mean(name: str, places: int, unit: float = 1.0, of: Any = None) -> str:
        values = info[name][last if of is None else of] if name in info else np.array([])
        known = values[~np.isnan(values)]
        return number(known.mean() / unit, places) if len(known) else NONE

    found = regrets(table, traces.arch[last])
    known = found[~np.isnan(found)]
    judged = "" if len(known) == len(found) else f" ({len(known)} of {len(found)})"
    millions = np.full(len(last), np.nan)
    if "macs" in table.info:
        chosen = rows(table, traces.arch[last], strict=False)
        millions = pick(chosen, np.array(table.info["macs"], np.float64)) / 1e6
    millions = millions[~np.isnan(millions)]
    seconds = [traces.seconds[traces.steps(run)].sum() for run in range(len(traces))]
    return [
        str(len(last)),
        f"{number(known.mean(), digits)} ± {number(known.std(), digits)}{judged}"
        if len(known)
        else NONE,
        mean("tau", 2),
        mean("supernet_tau", 2),
        mean("untrained_tau", 2, of=slice(None)),
        number(float(np.mean(seconds)), 0),
        mean("saved_bytes", 1, 1e6),
        mean("macs", 2, 1e6),
        number(millions.mean(), 2) if len(millions) else NONE,
        mean("samples", 0),
    ]
