"""What is printed of rankings, pilots and papers' numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nasbench.show.plain import print_table, significant, two, when

if TYPE_CHECKING:
    from nasbench.correlate import Correlation
    from nasbench.metrics.statistics import Interval
    from nasbench.pilot import Judged, Matrix, Part, Pilot, Verdict
    from nasbench.reproduce import Repeated


def print_correlation(told: Correlation) -> None:
    """Print a scorer a line: taus and the ceiling first, then what becomes of its first."""
    table, metric = told.target, told.target.task.metric
    where = f"{table.address}@{table.schedule}: {told.split} {metric.name}, {when(table.answers)}"
    chosen = table.column(told.split).epoch_chosen_by
    print(f"{where}, chosen by {chosen}" if chosen else where)
    k = told.scorers[0].agreement.k
    rows: list[list[str]] = []
    for each in told.scorers:
        found = each.agreement
        row = [each.scorer, f"{found.n:,}", *_interval(found.kendall), two(each.ceiling)]
        for measure in (
            found.spearman,
            found.weighted_tau,
            found.precision,
            found.overlap,
            found.selected,
            found.regret,
        ):
            row += _interval(measure)
        rows.append(row)
    head = ["scorer", "n", "tau", "95 %", "ceiling"]
    for name in ("rho", "weighted tau", f"best tenth@{k}", f"overlap@{k}", "rank", f"regret@{k}"):
        head += [name, "95 %"]
    print_table(head, rows)
    for each in told.scorers:
        if each.of:
            print(f"{each.scorer} is {each.of}")
    if told.noise_from:
        print(
            f"noise, from {told.noise_from}: two trainings agree by tau {two(told.noise.tau)}, "
            f"two tables like this one by {two(told.tau)}"
        )
    else:
        print("noise: unknown, no network was trained twice")


def print_reproduced(found: Sequence[Repeated]) -> None:
    """Print every number that was repeated beside ours, and how many were not, and why."""
    from nasbench.report.reproduced import HEAD, VERDICTS, by_table, row

    repeated = [(told.cell.table, *row(told)) for told in found if told.ours]
    print_table(("table", *HEAD), repeated)
    print()
    print_table(
        ("table", *VERDICTS),
        [
            (table, *(sum(told.verdict == verdict for told in own) for verdict in VERDICTS))
            for table, own in by_table(found).items()
        ],
    )


def print_pilot(pilot: Pilot) -> None:
    """Print a pilot: its tables, the part to report first, correlations, cost, and the verdicts."""
    from nasbench.pilot import GROUPS, PARTS, between

    for space in pilot.core_hours:
        own = [part for part in pilot.parts if part.space == space][::-1]
        for part in own:
            _print_part(part, pilot.real)
        print(
            f"{space}, {own[0].part}: tau between our tasks, of means over seeds; in the mean "
            f"{two(between(own[0].between_tasks))}"
            + f", in {pilot.real} {two(between(own[0].real_between_tasks))}"
            * bool(own[0].real_values)
        )
        print_matrix(own[0].between_tasks)
        if own[0].real_values:
            print(f"{space}, {own[0].part}: tau of our tasks with those of {pilot.real}")
            print_matrix(own[0].with_real)
    print("core-hours of a full build with one seed")
    print_matrix(
        {space: {**own, "all": sum(own.values())} for space, own in pilot.core_hours.items()}
    )
    told: dict[tuple[str, str, str], dict[str, list[Verdict]]] = {}
    for verdict in pilot.verdicts:
        tasks = verdict.task if verdict.task in GROUPS else _tuned(verdict.tuned)
        key = (verdict.target, verdict.space, tasks)
        told.setdefault(key, {}).setdefault(verdict.part, []).append(verdict)
    print_table(
        ("target", "space", "tasks", *map("met, {}".format, PARTS), f"of {PARTS[-1]}"),
        [
            (*key, *_summed([by_part.get(name, by_part.get("all", [])) for name in PARTS]))
            for key, by_part in told.items()
        ],
    )


def _print_part(part: Part, real: str) -> None:
    tables = part.tables.values()
    most, seeds = (max(getattr(t, name) for t in tables) for name in ("architectures", "seeds"))
    print(f"{part.space}, {part.part}: {most} architectures, {seeds} seeds")
    trivial = list(dict.fromkeys(name for table in tables for name in table.trivial))
    head = ["task", "recipe", "metric", *trivial, "median", "best", "std", "separation"]
    head += ["held out", "seed tau", "95 %", "seconds"]
    against = [f"{real} tau", "95 %", "of means", "95 %", "its seed tau", "ceiling", "goal"]

    def row(task: str, told: Judged) -> list[str]:
        values = [*(told.trivial.get(name, np.nan) for name in trivial), told.median, told.best]
        cells = [
            task,
            _tuned(told.tuned),
            told.metric,
            *(significant(value, 4) for value in values),
        ]
        cells += [significant(told.std, 3), two(told.separation), two(told.separation_held_out)]
        cells += [*_interval(told.seed_tau), significant(told.seconds, 3)]
        if part.real_values:
            cells += [*_interval(told.real_tau), *_interval(told.real_tau_of_means)]
            cells += map(two, (told.real_seed_tau, told.ceiling, told.goal))
        return cells

    rows = [row(task, told) for task, told in part.tables.items()]
    print_table(head + against * bool(part.real_values), rows)
    print()


def print_matrix(matrix: Matrix) -> None:
    """Print names against names."""
    columns = list(dict.fromkeys(column for row in matrix.values() for column in row))
    print_table(
        ["", *columns],
        [[name, *(two(row.get(c, np.nan)) for c in columns)] for name, row in matrix.items()],
    )
    print()


def _summed(by_part: Sequence[Sequence[Verdict]]) -> list[str]:
    """Count what is met in each part, and say of the last one its only value, or what is missed."""
    last = by_part[-1]
    met = [f"{sum(bool(v.met) for v in told)} of {len(told)}" if told else "-" for told in by_part]
    told = [
        f"{v.task} {significant(v.value, 3)} ({v.goal})"
        for v in last
        if not v.met or len(last) == 1
    ]
    return [*met, ", ".join(told)]


def _tuned(tuned: bool) -> str:
    return "tuned" if tuned else "left out"


def _interval(told: Interval) -> tuple[str, str]:
    return two(told.value), f"[{two(told.low)}, {two(told.high)}]"
