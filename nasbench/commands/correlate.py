"""How well does anything rank architectures?"""

from __future__ import annotations

from typing import Annotated

import typer

from nasbench.benchmark import open_within
from nasbench.commands.options import AsJson, TableAt, listed
from nasbench.commands.progress import bars, ticker
from nasbench.show.plain import print_json
from nasbench.show.scores import print_correlation


def correlate(
    where: TableAt,
    scorers: Annotated[
        str,
        typer.Option(
            help="Comma-separated: params, flops, macs, task:NAME (another task's table), "
            "fidelity:EPOCH, benchmark:NAME (the same task elsewhere), predictor:NAME:ROWS "
            "(bananas, pnas), a zero-cost proxy such as synflow or nwot:sample=300 "
            "(docs/scoring.md), or your own ./mine.py."
        ),
    ] = "params,flops",
    split: Annotated[
        str, typer.Option(help="Of the table judged on; what scorers take is validation.")
    ] = "valid",
    k: Annotated[int, typer.Option("-k", help="How many of the first are looked at.")] = 10,
    draws: Annotated[int, typer.Option(help="Resamples behind an interval.")] = 1000,
    json: AsJson = False,
) -> None:
    """Say how well scorers rank the architectures of a table, beside what noise allows."""
    from nasbench.correlate import as_json
    from nasbench.correlate import correlate as judge

    with bars() as progress:
        tick = ticker(progress, "scoring")
        told = judge(*open_within(where), listed(scorers), k, draws, tick, split)
    if json:
        return print_json(as_json(told))
    print_correlation(told)
