"""Train for real."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from nasbench.benchmark import trainable
from nasbench.commands.options import AsJson, ImagesAt, genes_of
from nasbench.commands.progress import bars, load_images, ticker
from nasbench.errors import BadValue
from nasbench.show.plain import print_json
from nasbench.show.runs import print_trained

EXAMPLES = 12
"""Images whose predictions are drawn."""


def train(
    where: Annotated[str, typer.Argument(metavar="BENCH/SPACE/TASK")],
    arch: Annotated[str, typer.Argument(help="As published, or as 1,0,2,3,3,3.")] = "",
    study: Annotated[
        Path | None,
        typer.Option(help="Take the best architecture that a study's searches found there."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the training.")] = 0,
    images: ImagesAt = None,
    device: Annotated[str, typer.Option(help="cpu, or cuda.")] = "cpu",
    out: Annotated[
        Path | None, typer.Option(help="Draw predictions here; a .png named after what is trained.")
    ] = None,
    json: AsJson = False,
) -> None:
    """Train one architecture, and show its results and what it predicts."""
    source, rest = trainable(where, images)
    if rest:
        raise BadValue(f"{where!r}: expected BENCH/SPACE/TASK and nothing more")
    if bool(arch) == (study is not None):
        raise BadValue("what is trained? An architecture, or --study with what its searches found")
    from nasbench.report.gather import found

    genes = found(study, *source.address.split("/")[1:]) if study else genes_of(arch)
    genes = source.space.read(arch) if genes is None else source.space.check(genes)
    name = source.space.spell(genes)
    picture = out or Path(
        f"{source.address.replace('/', '_')}_{re.sub('[^0-9A-Za-z-]+', '_', name)}.png"
    )
    from nasbench.pictures import check, predictions
    from nasbench.training import require_torch

    require_torch(device)
    check(picture)
    from nasbench.journal import Journal
    from nasbench.live import train as train_network

    journal = Journal(source.address.partition("/")[0])
    with bars() as progress:
        load_images(progress, source)
        tick = ticker(progress, f"training {name}")
        trained, training = train_network(source, genes, seed, device=device, tick=tick)
    if device == "cpu":  # as searches train: elsewhere the same seed comes to other numbers
        journal.add(source, genes, seed, trained)
    if json:
        told = {"address": source.address, "name": name, "arch": genes, "seed": seed}
        print_json({**told, **asdict(trained), "picture": str(picture)})
    else:
        print_trained(source, name, seed, trained)
    predictions(*training.predict(EXAMPLES), source.label, picture)
    if not json:
        print(f"predictions: {picture}")
