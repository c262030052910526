"""Look results up: nothing is charged."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from nasbench.benchmark import open_table
from nasbench.commands.options import AsJson, TableAt, genes_of, point_at
from nasbench.show.plain import print_json, when
from nasbench.show.tables import epoch_chosen_by, print_records


def best(
    where: TableAt,
    k: Annotated[int, typer.Option("-k", help="How many.")] = 5,
    metric: Annotated[str | None, typer.Option(help="Rank by this one; the main one.")] = None,
    split: Annotated[str, typer.Option(help="train, valid or test.")] = "valid",
    at: Annotated[str | None, typer.Option(help="best, final or an epoch.")] = None,
    json: AsJson = False,
) -> None:
    """Show the best architectures of a table."""
    table, point = open_table(where), point_at(at)
    records = table.best(k, split, metric, point)
    ranked = table.metric(metric)
    by: dict[str, Any] = {"split": split, "metric": ranked.name, "goal": ranked.goal}
    by |= {"at": table.answers if point is None else point}
    if json:
        chosen = epoch_chosen_by(table, records[0]) if records else {}
        found = [asdict(record) for record in records]
        told = {"address": table.address, "schedule": table.schedule, "ranked_by": by}
        told |= {"epoch_chosen_by": chosen}
        return print_json({**told, "architectures": found})
    print(f"{table.address}@{table.schedule}: {by['goal']} {split} {ranked.name}, {when(by['at'])}")
    print_records(table, records)


def query(
    where: TableAt,
    arch: Annotated[str, typer.Argument(help="As published, as 1,0,2,3,3,3, or its row number.")],
    at: Annotated[str | None, typer.Option(help="best, final or an epoch.")] = None,
    json: AsJson = False,
) -> None:
    """Show everything recorded about one architecture."""
    table = open_table(where)
    key: Any = arch
    if arch not in table.rows.by_key and (genes := genes_of(arch)):
        key = genes if len(genes) > 1 else genes[0]
    record = table.query(key, point_at(at))
    if json:
        chosen = epoch_chosen_by(table, record)
        told = {"address": table.address, "schedule": table.schedule, **asdict(record)}
        return print_json({**told, "epoch_chosen_by": chosen})
    print(f"{table.address}@{table.schedule}, {when(record.at)}")
    print_records(table, [record])
