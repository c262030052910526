"""What the command line prints: plain tables for people, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from nasbench.budget import Budget
from nasbench.errors import BadValue
from nasbench.metrics.ranking import ranks
from nasbench.metrics.statistics import FEWEST
from nasbench.recipe import Trainable, Trained
from nasbench.store import Benchmark
from nasbench.table import Record, Table
from nasbench.trace import Traces

if TYPE_CHECKING:
    import pandas as pd

    from nasbench.audit import Audited
    from nasbench.build import Build, Estimate, Left
    from nasbench.check import Checked
    from nasbench.correlate import Correlation
    from nasbench.journal import Merged
    from nasbench.latency import Latencies
    from nasbench.metrics.statistics import Interval
    from nasbench.pack import Missing
    from nasbench.pilot import Judged, Matrix, Part, Pilot, Verdict
    from nasbench.reproduce import Repeated
    from nasbench.transfer import Transfer


def print_json(value: Any) -> None:
    """Print one JSON value on one line; numbers that are not finite become null."""
    print(json.dumps(_plain(value), allow_nan=False))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    return None if isinstance(value, float) and not isfinite(value) else value


def print_table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print aligned columns, numbers to the right; lines are never wrapped."""
    lines = [[str(head_cell) for head_cell in head]]
    lines += [[_text(cell) for cell in row] for row in rows]
    right = [all(_is_number(line[i]) for line in lines[1:]) for i in range(len(head))]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = zip(line, widths, right, strict=True)
        print("  ".join(c.rjust(w) if r else c.ljust(w) for c, w, r in cells).rstrip())


def _text(cell: Any) -> str:
    if isinstance(cell, float | np.floating):
        return "-" if np.isnan(cell) else f"{cell:,.4f}".rstrip("0").rstrip(".")
    return str(cell)


def _is_number(text: str) -> bool:
    return text.lstrip("-").replace(",", "").replace(".", "").isdigit() or text == "-"


def print_notes(bench: Benchmark) -> None:
    """Print what a user of the numbers must know, and what was left out of them."""
    for label, key in (("note", "notes"), ("left out", "left_out")):
        for text in bench.header[key]:
            print(f"{label}: {text}")


def print_list(benchmarks: Iterable[Mapping[str, Any]], rest: Mapping[str, Sequence[str]]) -> None:
    """Print benchmarks (name, title, path), and names of other kinds."""
    print_table(
        ("benchmark", "", "imported"),
        [(row["name"], row["title"], "yes" if row["path"] else "no") for row in benchmarks],
    )
    for kind, found in rest.items():
        print(f"\n{kind}: {', '.join(found)}")


def print_imported(bench: Benchmark) -> None:
    """Print what an import brought, and where it went."""
    for space, tasks in bench.spaces.items():
        rows = len(bench[space, tasks[0]])
        print(f"{space}: {rows:,} architectures, {len(tasks)} tasks: {', '.join(tasks)}")
    print_notes(bench)
    print(f"written to {bench.path}")


def print_counted(bench: Benchmark) -> None:
    """Print which facts about architectures were counted, of which space."""
    for space, tasks in bench.spaces.items():
        rows = bench[space, tasks[0]].rows
        names = [name for name, info in rows.info.items() if info.source == "derived"]
        print(f"{space}: {', '.join(names)} of {len(rows):,} architectures")
    print(f"written to {bench.path}")


def print_latencies(found: Latencies, told: Mapping[str, Any]) -> None:
    """Print what was measured, and how well the latencies of layers explain it."""
    numbers = [*found.fit.values(), *found.check.values()]
    print(f"{found.space} on {found.processor}: {len(numbers):,} networks")
    print(f"{min(numbers):.4g} to {max(numbers):.4g} {found.unit}")
    if told["note"]:
        print(f"nothing learned: {told['note']}")
    else:
        print(
            f"of {len(found.check):,} that were not learned from: error {told['rmse']:.3g} ms, "
            f"{100 * told['nrmse']:.1f} % of their mean"
        )


def print_info(bench: Benchmark, spaces: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> None:
    """Print where a benchmark comes from, and a line for each table, as `described`."""
    for key in ("title", "citation", "source", "source_sha256", "licence", "content_sha256"):
        print(f"{key + ':':16}{bench.header[key]}")
    print(f"{'a lookup gives:':16}{bench.header['answers']} epoch, mean over recorded seeds")
    print(f"{'file:':16}{bench.path}\n")
    print_table(
        ("space", "architectures", "task", "schedule", "metric", "epochs", "trainings", "recorded"),
        [
            (
                f"{space} = {told['space']}",
                told["architectures"],
                task,
                schedule,
                f"{told['metric']} ({told['goal']})",
                each["epochs"],
                len(each["seeds"]),
                " ".join(each["recorded"]),
            )
            for space, tasks in spaces.items()
            for task, told in tasks.items()
            for schedule, each in told["by_schedule"].items()
        ],
    )
    print("\na task's first schedule is its default; TASK@SCHEDULE asks for another")
    print_notes(bench)


def print_check(checked: Checked) -> None:
    """Print what `nasbench.check` found: problems, equal networks, noise, and what is missing."""
    print(f"{checked.path}: its numbers are those that were written")
    for problem in checked.problems:
        print(f"problem: {problem}")
    for space, told in checked.spaces.items():
        print(
            f"{space}: {told.classes:,} different networks, {told.several:,} of them under several "
            f"names, {told.agree:,} of these with the same numbers under each; "
            f"{told.runs:,} distinct runs"
        )
    words = {"seeds": "seeds of {:,} networks", "classes": "{:,} networks of several names"}
    print()
    print_table(
        ("table", "schedule", "trainings", "seed noise of", "std", "tau", "disagree", "from"),
        [
            (
                table.address,
                table.schedule,
                table.trainings,
                table.noise_of,
                table.noise.std,
                table.noise.tau,
                table.disagree,
                words.get(table.noise_from, "-").format(table.noise.networks),
            )
            for table in checked.tables
        ],
    )
    for table in checked.tables:
        for each in filter(lambda counted: counted.missing, table.columns):
            print(
                f"missing in {table.address}, {table.schedule}: {each.missing:,} of "
                f"{each.values:,} values of {each.column}"
            )


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
        row = [each.scorer, f"{found.n:,}", *_interval(found.kendall), _two(each.ceiling)]
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
            f"noise, from {told.noise_from}: two trainings agree by tau {_two(told.noise.tau)}, "
            f"two tables like this one by {_two(told.tau)}"
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
            f"{_two(between(own[0].between_tasks))}"
            + f", in {pilot.real} {_two(between(own[0].real_between_tasks))}"
            * bool(own[0].real_values)
        )
        _print_matrix(own[0].between_tasks)
        if own[0].real_values:
            print(f"{space}, {own[0].part}: tau of our tasks with those of {pilot.real}")
            _print_matrix(own[0].with_real)
    print("core-hours of a full build with one seed")
    _print_matrix(
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
        cells = [task, _tuned(told.tuned), told.metric, *(_digits(value, 4) for value in values)]
        cells += [_digits(told.std, 3), _two(told.separation), _two(told.separation_held_out)]
        cells += [*_interval(told.seed_tau), _digits(told.seconds, 3)]
        if part.real_values:
            cells += [*_interval(told.real_tau), *_interval(told.real_tau_of_means)]
            cells += map(_two, (told.real_seed_tau, told.ceiling, told.goal))
        return cells

    rows = [row(task, told) for task, told in part.tables.items()]
    print_table(head + against * bool(part.real_values), rows)
    print()


def _print_matrix(matrix: Matrix) -> None:
    columns = list(dict.fromkeys(column for row in matrix.values() for column in row))
    print_table(
        ["", *columns],
        [[name, *(_two(row.get(c, np.nan)) for c in columns)] for name, row in matrix.items()],
    )
    print()


def _summed(by_part: Sequence[Sequence[Verdict]]) -> list[str]:
    """Count what is met in each part, and say of the last one its only value, or what is missed."""
    last = by_part[-1]
    met = [f"{sum(bool(v.met) for v in told)} of {len(told)}" if told else "-" for told in by_part]
    told = [
        f"{v.task} {_digits(v.value, 3)} ({v.goal})" for v in last if not v.met or len(last) == 1
    ]
    return [*met, ", ".join(told)]


def _tuned(tuned: bool) -> str:
    return "tuned" if tuned else "left out"


def _interval(told: Interval) -> tuple[str, str]:
    return _two(told.value), f"[{_two(told.low)}, {_two(told.high)}]"


def _two(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:,.2f}"


def _digits(value: float, digits: int) -> str:
    return "-" if np.isnan(value) else f"{value:.{digits}g}"


def when(at: str | int) -> str:
    """Say at which point of the training a number was taken."""
    return f"{at} epoch" if isinstance(at, str) else f"epoch {at}"


def described(bench: Benchmark, space: str, task: str) -> dict[str, Any]:
    """Describe a task: its metric, and for each schedule its epochs, seeds and recorded columns."""
    tables = [bench[space, task, schedule] for schedule in bench.schedules(space, task)]
    table, by_schedule = tables[0], {each.schedule: _recorded(each) for each in tables}
    return {
        "space": table.space.name,
        "architectures": len(table),
        "metric": table.task.metric.name,
        "goal": table.task.metric.goal,
        "unit": table.task.metric.unit,
        "schedules": list(by_schedule),
        **by_schedule[table.schedule],
        "by_schedule": by_schedule,
        "info": sorted(table.rows.info),
    }


def _recorded(table: Table) -> dict[str, Any]:
    columns, main = table.columns, ("valid", table.task.metric.name)
    measured = next((column.data_set for point, column in columns.items() if point[1:] == main), "")
    return {
        "epochs": table.epochs,
        "seeds": [None if seed < 0 else seed for seed in table.seed.tolist()],
        "recorded": list(map(str, columns)),
        "data_set": measured or table.task.name,
    }


def epoch_chosen_by(table: Table, record: Record) -> dict[str, dict[str, str]]:
    """Say for each split and metric of a record which epoch it is from."""
    return {
        split: {name: table.column(split, name, record.at).epoch_chosen_by for name in metrics}
        for split, metrics in record.values.items()
    }


def print_records(table: Table, records: Sequence[Record]) -> None:
    """Print one architecture a line, with every recorded split and metric."""
    if not records:
        return print("nothing was measured")
    first = records[0]
    columns = [(split, metric) for split, values in first.values.items() for metric in values]
    head = ["architecture", *(f"{split} {metric}" for split, metric in columns), "seconds"]
    print_table(
        ["row", *head, *first.info],
        [
            [r.row, r.name, *(r.values[s][m] for s, m in columns), r.seconds, *r.info.values()]
            for r in records
        ],
    )
    chosen = epoch_chosen_by(table, first)
    by: dict[str, list[str]] = {}
    for split, metric in columns:
        by.setdefault(chosen[split][metric], []).append(f"{split} {metric}")
    for rule in filter(None, by):
        print(f"epoch chosen by {rule}: {', '.join(by[rule])}")


def _picks(traces: Traces, where: Table | Trainable) -> tuple[Any, dict[str, Any]]:
    """Return the step each step would be judged by, and what the last of them found.

    Where a table has the truth, also how good that is.
    """
    if not len(traces.value):
        budget = Budget(**traces.head["budget"])
        raise BadValue(f"no training fits into {budget}: a full one takes {where.epochs} epochs")
    pick = traces.judged
    last = int(pick[-1])
    arch = tuple(traces.arch[last].tolist())
    found = {"name": where.space.spell(arch), "arch": arch, "value": float(traces.value[last])}
    if isinstance(where, Table):
        score, row = where.scores(), where.row(arch)
        found |= {"rank": float(ranks(score)[row]), "of": len(where)}
        found["validation_regret"] = float(np.nanmax(score) - score[row])
    return pick, found


def run_as_json(where: Table | Trainable, traces: Traces) -> dict[str, Any]:
    """Turn one run into what `--json` prints: its head, what it found, and every step."""
    pick, found = _picks(traces, where)
    columns = (traces.arch, traces.epochs, traces.value, traces.seconds, pick + 1)
    steps = [
        {"arch": arch, "epochs": epochs, "value": value, "seconds": seconds, "judged_by": step}
        for arch, epochs, value, seconds, step in zip(*(c.tolist() for c in columns), strict=True)
    ]
    for i, step in enumerate(steps):
        step |= {name: float(values[i]) for name, values in traces.info.items()}
    return {**traces.head, "seed": int(traces.seed[0]), "found": found, "steps": steps}


def print_run(where: Table | Trainable, traces: Traces) -> None:
    """Print the steps at which one run found something better, and how good the last one is."""
    pick, found = _picks(traces, where)
    spell = [where.space.spell(tuple(arch)) for arch in traces.arch.tolist()]
    better = np.unique(pick)
    spent = np.cumsum(traces.seconds)
    print(f"{where.address}@{where.schedule} {traces.head['method']}, seed {int(traces.seed[0])}")
    what = "epoch" if traces.one_shot else "query"
    print_table(
        (what, "architecture", f"valid {where.task.metric.name}", *traces.info, "seconds so far"),
        [
            (i + 1, spell[i], traces.value[i], *(v[i] for v in traces.info.values()), spent[i])
            for i in better
        ],
    )
    epochs = int(traces.epochs.sum())
    done = (
        f"{epochs:,} epochs of the supernet"
        if traces.one_shot
        else f"{len(pick)} queries, {epochs:,} epochs"
    )
    print(f"\n{done}, {spent[-1]:,.0f} seconds of training")
    if told := traces.head.get("networks"):
        print(f"scored before any training: {told}, unless its parameters say otherwise")
    if isinstance(where, Table):
        print(
            f"found {found['name']}: rank {found['rank']:g} of {found['of']:,}, "
            f"validation regret {found['validation_regret']:.4f}"
        )
    else:
        print(f"found {found['name']}: valid {where.task.metric.name} {_text(found['value'])}")


def print_trained(where: Trainable, name: str, seed: int, trained: Trained) -> None:
    """Print the epochs of a training, and what it came to on the test images."""
    print(f"{where.address} {name}, seed {seed}")
    curves = trained.curves
    rows = zip(trained.seconds, *curves.values(), strict=True)
    head = ["epoch", *(name.replace("/", " ") for name in curves), "seconds"]
    print_table(head, [(i, *values, spent) for i, (spent, *values) in enumerate(rows, 1)])
    print(f"\n{trained.params:,} parameters, {trained.macs:,} multiply-adds an image")
    print(", ".join(f"test {metric} {_text(value)}" for metric, value in trained.test.items()))
    for note in trained.notes:
        print(f"note: {note}")


def duration(seconds: float) -> str:
    """Write a time for people: "3 h 20 min", "45 min", "30 s"."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes // 60:,} h {minutes % 60} min" if minutes >= 90 else f"{minutes} min"


def time_left(left: Left, workers: int) -> str:
    """Say how long the rest of a build takes on so many processes."""
    if left.seconds is None:
        return "how long is not known yet"
    at_once = max(1, min(workers, left.trainings))
    return f"{'about ' * left.about}{duration(left.seconds / at_once)}"


def print_plan(name: str, build: Build, workers: int) -> None:
    """Print what a build is going to do."""
    from nasbench.report.words import count

    tables, left = len({part.where.address for part in build.parts}), build.remaining()
    how_long = f", {time_left(left, workers)} on {count(workers, 'worker')}" * (left.trainings > 0)
    print(
        f"{name}: {count(tables, 'table')} x {count(len(build.parts) // tables, 'seed')}: "
        f"{count(build.total, 'training')}, {build.there:,} of them there already; "
        f"{left.trainings:,} to do{how_long}"
    )
    print(f"kept in {build.journal.path}", flush=True)


def print_estimates(found: Sequence[Estimate]) -> None:
    """Print what each table of a build costs, and all of them."""
    head = ("table", "trainings", "there", "measured", "seconds each", "std", "core-hours", "+-")
    rows = [tuple(vars(each).values()) for each in found]
    hours = sum(each.hours for each in found)
    error = sum(each.error**2 for each in found) ** 0.5
    counts = [sum(each) for each in zip(*(row[1:4] for row in rows), strict=True)]
    print_table(head, [*rows, ("all", *counts, float("nan"), float("nan"), hours, error)])
    print("\nseconds of one process and a training, with building, testing and keeping it;")
    print("+- is the standard error of the core-hours, by those that were measured")


def print_merged(merged: Sequence[tuple[str, Merged]], into: str) -> None:
    """Print what came out of each journal, a line each."""
    head = ("journal", "new", "longer than ours", "known", "differ: ours stay")
    print_table(head, [(path, *vars(each).values()) for path, each in merged])
    print(f"merged into {into}")


def print_packed(bench: Benchmark, missing: Sequence[Missing]) -> None:
    """Print what was packed, and what is not complete."""
    for space, task in bench:
        table = bench[space, task]
        seeds = ", ".join(map(str, table.seed.tolist()))
        print(f"{table.address}: {len(table):,} architectures, seeds {seeds}")
    for each in missing:
        print(f"not complete: {each.address}: {each.there:,} of {each.classes:,} networks")
    print(f"written to {bench.path}, {bench.path.stat().st_size / 1e6:,.1f} MB")


def print_audited(found: Sequence[Audited]) -> None:
    """Print how the trainings of an audit compare, a line a table."""
    head = ("table", "rows", "equal", "metric", "largest difference", "in seed std", "tau")
    print_table(
        head,
        [
            (
                each.address,
                each.rows,
                each.equal,
                each.metric,
                each.largest,
                each.largest / each.noise if each.noise else float("nan"),
                each.tau,
            )
            for each in found
        ],
    )
    print("\nequal: every number, bit for bit; differences are of the last validation value")
    if unknown := [each.address for each in found if each.noise != each.noise]:
        print(f"seed noise is not known where there is one seed: {', '.join(unknown)}")
    for each in filter(lambda audited: audited.parts, found):
        print(f"not what it was when {each.address} was trained: {', '.join(each.parts)}")


def print_study(rows: pd.DataFrame) -> None:
    """Print the final table of a report: a row of `nasbench.report.summary` a line."""
    words = {"value": "found", "std": "+-", "rank": "mean rank", "regret": "validation regret"}
    keys = ["space", "task", "metric", "method", "runs", *words]
    tests = [label for label in rows["test"].unique() if label]
    told = [
        [row[key] for key in keys]
        + [f"{_text(row['low'])}..{_text(row['high'])}"]
        + [row["test_regret"] if row["test"] == label else float("nan") for label in tests]
        for row in rows.to_dict("records")
    ]
    print_table([words.get(key, key) for key in keys] + ["95 % interval", *tests], told)
    if not tests:
        print("\nvalidation regret only: this source has no test results")
    if rows["runs"].max() < FEWEST:
        print(f"with fewer than {FEWEST} runs the intervals are too narrow: run more seeds")


def print_transfers(found: Sequence[Transfer]) -> None:
    """Print what transfers gain: sources x targets for each method, then all pairs together."""
    from nasbench.transfer import gains

    columns: dict[str, Callable[[Transfer], float]] = {
        "gain at equal budget on the target": lambda each: each.gain.value,
        "gain at equal budget in all": lambda each: each.gain_total.value,
        "speed-up": lambda each: each.speed_up,
    }
    for space, method in dict.fromkeys((each.space, each.method) for each in found):
        own = [each for each in found if (each.space, each.method) == (space, method)]
        targets = dict.fromkeys((each.target for each in own), float("nan"))
        for what, value in columns.items():
            matrix = {each.origin: dict(targets) for each in own}
            for each in own:
                matrix[each.origin][each.target] = value(each)
            print(f"{space}, {method}: {what}, from row to column")
            _print_matrix(matrix)
    head = ["space", "method", "sources", "pairs", "regret", "scratch", "scratch in all", "gain"]
    head += ["gain in all", "speed-up", "negative", "negative in all", "surely"]
    print_table(head, gains(found))
    print("\nin all: beside a search from scratch that may spend what the sources did, too")
    print("regret: of validation, as a share of the median architecture's; its mean over pairs")
    print("gain: the share of the regret from scratch that is saved; 1 is perfect, below 0 is harm")
    print("negative: share of pairs with a gain below 0; surely: with all of its 95 % interval")
    if min(each.runs for each in found) < FEWEST:
        print(f"with fewer than {FEWEST} runs the intervals are too narrow: run more seeds")
