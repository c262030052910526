"""Over the tasks of a space: who did best, who was first where, and how far tasks agree."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from nasbench.report import figures
from nasbench.report.compare import leaderboard, no_search, places, whole
from nasbench.report.page import Block, Grid, Heading, Picture, Text
from nasbench.report.provenance import most_runs
from nasbench.report.score import BEST, Scored, agreement, axis, target
from nasbench.report.words import NONE, count, csv, decimals, measured, number, shown


def leaders(scored: Scored, space: str) -> Iterator[Block]:
    """Show the leaderboard, and the average architecture beside it."""
    study, numbers = scored.study, scored.of(space)
    board = leaderboard(study, scored.judged, numbers, space)
    yield Heading("Leaderboard", 3)
    if board.empty:
        yield Text("No averages over tasks: there is no task on which every method has runs.")
        return
    fewer = set(numbers[numbers["runs"] < most_runs(study)]["method"])
    several, price = len(study.methods) > 1, axis(study.budget).price
    rows = [
        [
            shown(told.method) + "*" * (told.method in fewer),
            f"{number(told.normalised, 4)} [{number(told.low, 4)}, {number(told.high, 4)}]",
            number(told.rank, 1),
            number(told.percentile, 2),
            _spent(told.time, price),
            f"{100 * told.reached:.0f} %",
            *([number(told.place, 2)] if several else []),
        ]
        for told in board.itertuples()
    ]
    tasks = whole(study, scored.judged, space)
    normalised, rank, percentile = no_search(study, space, tasks)
    average = [number(normalised, 4), number(rank, 1), number(percentile, 2), NONE, NONE]
    rows.append(["average architecture (no search)", *average, *([NONE] if several else [])])
    yield Grid(
        (
            "method",
            "normalised regret",
            "rank in the space",
            "percentile",
            f"{'hours' if price == 'seconds' else price} to the best {BEST} %",
            "came there",
            *(["rank among methods"] if several else []),
        ),
        rows,
        f"Averages over {count(len(tasks), 'task')}: interquartile mean of the normalised regret "
        "over runs and tasks, with a 95 % interval; mean rank and percentile of what was found; "
        f"what a run in the middle had spent when it found one of the best {BEST} %, and the share "
        "of runs that ever did"
        + f"; mean rank among the {count(len(study.methods), 'method')} (1 = least validation "
        "regret)" * several + ".",
        csv=csv(f"leaderboard_{space}", board),
    )


def _spent(time: float, price: str) -> str:
    if np.isinf(time):
        return "never"
    return number(time / 3600, 1) if price == "seconds" else number(time, 0)


def without_search(scored: Scored, space: str) -> Iterator[Block]:
    """Show what there is to be found, and how much of it is noise."""
    import pandas as pd

    study, found = scored.study, []
    for task in study.spaces[space]:
        table, (noise, source) = study.tables[space, task], study.noise[space, task]
        scores, sign = table.scores(), table.task.metric.sign
        known = table.values()[~np.isnan(scores)]
        best = sign * np.fmax.reduce(scores)
        found.append(
            {
                "task": task,
                "metric": table.task.metric.name,
                "architectures": len(known),
                "mean": known.mean(),
                "std": known.std() if np.isfinite(known).all() else np.nan,
                "median": np.median(known),
                "edge_of_best": best - sign * target(table),
                "best": best,
                "noise": noise.std,
                "noise_from": source,
            }
        )
    frame = pd.DataFrame(found)
    rows = []
    for told in frame.itertuples():
        table = study.tables[space, told.task]
        digits = decimals(table)
        rows.append(
            [
                told.task,
                measured(table),
                f"{number(told.mean, digits)} ± {number(told.std, digits)}",
                *(number(v, digits) for v in (told.median, told.edge_of_best, told.best)),
                number(told.noise, digits + 1),
            ]
        )
    yield Heading("Without a search", 3)
    yield Grid(
        ("task", "metric", "average", "median", f"best {BEST} % from", "best", "noise"),
        rows,
        "All architectures by their validation value: the average one, mean ± standard deviation "
        "over the space, which is what to expect of a random draw; the median one; where the best "
        f"{BEST} % begin; and the best. Noise is the standard deviation of training the same "
        f"network again{_from(set(frame['noise_from']))}.",
        texts=2,
        csv=csv(f"space_{space}", frame),
    )


def _from(sources: set[str]) -> str:
    told = {"seeds": "from seeds", "classes": "from equal networks of several names"}
    known = [told[source] for source in sorted(sources & told.keys())]
    if not known:
        return ": unknown here, no network was trained twice"
    return f", {' and '.join(known)}" + ", unknown elsewhere" * ("" in sources)


def ranking(scored: Scored, space: str) -> Iterator[Block]:
    """Show which method was first where, if there are several of both."""
    import pandas as pd

    study, tasks = scored.study, whole(scored.study, scored.judged, space)
    if len(study.methods) < 2 or len(tasks) < 2:
        return
    place = places(scored.of(space), study.methods, tasks)
    order = np.argsort(place.mean(axis=1), kind="stable")
    methods = [study.methods[i] for i in order]
    frame = pd.DataFrame(place[order], columns=tasks)
    frame.insert(0, "method", methods)
    yield Heading("Who was first where", 3)
    yield Picture(
        f"places_{space}",
        figures.places(list(map(shown, methods)), tasks, place[order]),
        f"Ranks of the methods on the tasks of space {space}",
        "Rank among the methods by mean validation regret: 1 has least, equal ones share the mean "
        "of their ranks. Methods are ordered by their mean over the tasks.",
        csv(f"places_{space}", frame),
    )


def agreeing(scored: Scored, space: str) -> Iterator[Block]:
    """Show how far the tasks agree about architectures."""
    import pandas as pd

    study = scored.study
    tasks, matrix = agreement(study, space)
    yield Heading("Agreement of the tasks", 3)
    if len(tasks) < 2:
        yield Text(f"{study.bench.name} has one task on {space}: there is no agreement to show.")
        return
    frame = pd.DataFrame(matrix, columns=tasks)
    frame.insert(0, "task", tasks)
    yield Picture(
        f"kendall_{space}",
        figures.heatmap(tasks, matrix),
        f"Agreement of the tasks on space {space}",
        "How far two tasks agree about which architectures are good: Kendall's tau-b of their "
        f"validation scores over the whole space {space}. 1 is the same order, 0 unrelated ones, "
        "\N{MINUS SIGN}1 the reverse.",
        csv(f"kendall_{space}", frame),
    )
