"""Is a benchmark of ours worth building?"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from nasbench.benchmark import open_benchmark
from nasbench.commands.options import AsJson
from nasbench.commands.progress import bars, ticker
from nasbench.show.plain import print_json
from nasbench.show.scores import print_pilot


def pilot(
    bench: Annotated[
        str, typer.Argument(metavar="BENCH", help="What was trained: a name, or an .h5 file.")
    ] = "rooms_pilot",
    real: Annotated[str, typer.Option(help="The benchmark to agree with.")] = "transnas101",
    trivial: Annotated[
        bool, typer.Option("--trivial", help="Fit predictors without a network to the images, too.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="Draw figures into this folder.")] = None,
    json: AsJson = False,
) -> None:
    """Say what the pilot of rooms came to: noise, agreement with the real benchmark, cost."""
    from nasbench.pilot import as_json, open_real, trivial_values
    from nasbench.pilot import pilot as judge

    opened, (against, why) = open_benchmark(bench), open_real(real)
    if why:
        print(f"{why}; what compares with it is left out", file=sys.stderr)
    with bars() as progress:
        values = trivial_values(opened, ticker(progress, "fitting")) if trivial else None
        judged = judge(opened, against, values)
    if out:
        from nasbench.report.pilot import figures
        from nasbench.store import atomic

        for name, png in figures(judged):
            with atomic(out / name) as file:
                file.write(png)
    if json:
        return print_json(as_json(judged))
    print_pilot(judged)
    if out:
        print(f"figures: {out}")
