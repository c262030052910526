"""What is printed of benchmarks: which there are, what they hold, whether they are whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nasbench.show.plain import print_table
from nasbench.store import Benchmark
from nasbench.table import Record, Table

if TYPE_CHECKING:
    from nasbench.check import Checked
    from nasbench.latency import Latencies


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
