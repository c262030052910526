"""What networks take on this machine."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from nasbench.benchmark import trainable
from nasbench.commands.options import AsJson
from nasbench.commands.progress import bars, ticker
from nasbench.errors import BadValue, NasbenchError
from nasbench.find import find
from nasbench.networks import SIZE
from nasbench.show.plain import print_json
from nasbench.show.tables import print_latencies


def measure_latency(
    where: Annotated[
        str,
        typer.Argument(
            metavar="SPACE",
            help="A space, in its published size; or BENCH/SPACE/TASK, in that of the recipe.",
        ),
    ],
    like: Annotated[str, typer.Option(help="A network, of which others are the widths.")] = "",
    device: Annotated[str, typer.Option(help="cpu, or cuda.")] = "cpu",
    sample: Annotated[int, typer.Option(help="Networks to learn from, which cover layers.")] = 100,
    check: Annotated[int, typer.Option(help="Uniform draws to check with what was learned.")] = 20,
    seed: Annotated[int, typer.Option(help="Of the draws.")] = 0,
    size: Annotated[
        int | None, typer.Option(help=f"Pixels a side; the recipe's, or {SIZE}.")
    ] = None,
    threads: Annotated[int, typer.Option(help="Threads of the processor.")] = 1,
    batch: Annotated[int, typer.Option(help="Images at a time.")] = 64,
    warmup: Annotated[int, typer.Option(help="Batches before any that counts.")] = 10,
    runs: Annotated[int, typer.Option(help="Batches, whose median counts.")] = 60,
    out: Annotated[Path | None, typer.Option(help="The file; latency_SPACE_DEVICE.json.")] = None,
    into: Annotated[
        str | None, typer.Option(help="Also a benchmark's file, as facts about architectures.")
    ] = None,
    json: AsJson = False,
) -> None:
    """Measure how long networks of a space take, without the head, and keep that in a file.

    Methods with a price take the file as cost=FILE. Other work on the machine spoils the numbers.
    """
    from nasbench.training import require_torch

    require_torch(device)
    from nasbench import latency
    from nasbench.nets import seen

    name, scale, side = where, None, SIZE
    if "/" in where and not Path(where).is_file():
        source, rest = trainable(where)
        if rest:
            raise BadValue(f"{where!r}: expected BENCH/SPACE/TASK and nothing more")
        name, scale = source.space_name, source.recipe.scale
        side = seen(source.task, source.recipe.size)[-1]
    path = out or Path(f"latency_{find('spaces', name).name}_{device}.json")
    with bars() as progress:
        found = latency.measure(
            name,
            side if size is None else size,
            scale,
            like=like,
            sample=sample,
            check=check,
            seed=seed,
            device=device,
            threads=threads,
            batch=batch,
            warmup=warmup,
            runs=runs,
            tick=ticker(progress, "measuring"),
        )
    found.write(path)
    if into is not None:
        latency.record(into, found)
    told: dict[str, Any] = {"rmse": None, "nrmse": None, "note": ""}
    try:
        told["rmse"], told["nrmse"] = found.errors()
    except NasbenchError as error:  # the measurements are good, whatever can be learned from them
        told["note"] = str(error)
    if json:
        return print_json({**asdict(found), **told, "path": str(path)})
    print_latencies(found, told)
    print(f"written to {path}" + (f" and {into}" if into else ""))
