"""The practices of Lindauer and Hutter (JMLR 2020), answered from what the study itself says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

import nasbench
from nasbench.report.gather import Study
from nasbench.report.page import Block, Grid, Heading
from nasbench.report.provenance import ANSWERS, most_runs
from nasbench.report.score import Scored, axis, held_out
from nasbench.report.words import count, csv, listed, number, shown
from nasbench.study import BASELINE

UNKNOWN = "not told"


def checklist(scored: Scored) -> Iterator[Block]:
    """Show the fourteen practices, and what of each is known here."""
    import pandas as pd

    rows = [[str(place), *row] for place, row in enumerate(_answers(scored), 1)]
    yield Heading("Checklist")
    yield Grid(
        ("", "practice", "in this study"),
        rows,
        "The best practices for research on architecture search of Lindauer and Hutter (2020), "
        f'from what the traces and the tables say of themselves. "{UNKNOWN}" is what they don\'t '
        "know: add it where you publish these numbers.",
        texts=3,
        csv=csv("checklist", pd.DataFrame(rows, columns=["number", "practice", "answer"])),
    )


def _answers(scored: Scored) -> Iterator[tuple[str, str]]:
    study = scored.study
    header, tables = study.bench.header, list(study.tables.values())
    every = [result for results in scored.judged.values() for result in results.values()]
    trainings, distinct, full = (
        sum(getattr(result, name) for result in every) for name in ("trainings", "distinct", "full")
    )
    price = axis(study.budget).price
    schedules = listed(sorted({f"{table.schedule} ({table.epochs} epochs)" for table in tables}))
    yield (
        "the training pipeline is released",
        f"nasbench {nasbench.__version__}, {study.bench.name}, schedule {schedules}"
        if study.live
        else f"looked up in {study.bench.name}, schedule {schedules}; training code: {UNKNOWN}",
    )
    yield (
        "the method's code is released",
        f"nasbench {nasbench.__version__}; checksums of the sources: {_sources(study)}",
    )
    yield "code is not held back until it is clean", "traces, tables and figures are in the folder"
    yield (
        "the same benchmark, not just the same data set",
        f"{study.bench.name}, content sha256 {header['content_sha256'][:12]}, spaces "
        f"{listed(list(study.spaces))}: one table for all methods",
    )
    yield "ablations", _ablations(study.methods)
    yield (
        "the same evaluation protocol",
        "chosen by validation: longest trained, then best; tested afterwards; a lookup answers "
        f"{ANSWERS[header['answers']]}. Splits: selected on valid, reported on valid"
        f"{_tests(study)}. Trained in full: {full:,} of {trainings:,}",
    )
    yield (
        "performance as a function of compute",
        f"anytime regret over {price}, its mean, and {price} to a target",
    )
    yield (
        "random search and random sampling",
        f"random search: {_included(study)}; average and median architecture: included",
    )
    yield "several runs with seeds", _seeds(study)
    yield (
        "tabular benchmarks",
        f"{'no: trained, each network once' if study.live else 'all answers are looked up'}; each "
        f"query is charged, repeated ones too: {distinct:,} of {trainings:,} were new to their run",
    )
    yield (
        "confounders are controlled",
        f"same table, schedule and budget for all; hardware and library versions: {UNKNOWN} (no "
        "looked-up value depends on them; what a library's method asks for may)",
    )
    yield "tuning of hyper-parameters is reported", f"queries spent on tuning: {UNKNOWN}"
    yield "end-to-end cost", _cost(study, trainings)
    yield (
        "all details of the set-up",
        f"budget {study.budget}; parameters, data and checksums: at the top of this page",
    )


def _sources(study: Study) -> str:
    heads = {m: traces.head for runs in study.runs.values() for m, traces in runs.items()}
    told = {m.partition(":")[0]: head["source_sha256"][:12] for m, head in sorted(heads.items())}
    return ", ".join(f"{name} {source or UNKNOWN}" for name, source in told.items())


def _ablations(methods: Sequence[str]) -> str:
    by_name: dict[str, list[str]] = {}
    for method in methods:
        by_name.setdefault(method.partition(":")[0], []).append(shown(method))
    several = [listed(own) for own in by_name.values() if len(own) > 1]
    return f"on equal seeds: {'; '.join(several)}" if several else "none: each method in one form"


def _tests(study: Study) -> str:
    labels = {held_out(table)[0] for table in study.tables.values()} - {""}
    return f" and as {listed(sorted(labels))}" if labels else "; no test results in this source"


def _included(study: Study) -> str:
    names = {method.partition(":")[0] for method in study.methods}
    return "included" if BASELINE in names else "NOT included"


def _seeds(study: Study) -> str:
    seeds = {
        tuple(traces.seed.tolist()) for runs in study.runs.values() for traces in runs.values()
    }
    most = max(seeds, key=len)
    listing = f"{most[0]} to {most[-1]}" if _in_a_row(most) else ", ".join(map(str, most))
    rest = "the same for all" if len(seeds) == 1 else "of some methods or tables fewer"
    return f"{count(most_runs(study), 'seed')}: {listing}, {rest}; intervals and paired tests"


def _in_a_row(seeds: Sequence[int]) -> bool:
    return list(seeds) == list(range(seeds[0], seeds[0] + len(seeds)))


def _cost(study: Study, trainings: int) -> str:
    every = [traces for runs in study.runs.values() for traces in runs.values()]
    epochs = sum(int(traces.epochs.sum()) for traces in every)
    hours = float(np.sum([traces.seconds.sum() for traces in every])) / 3600
    told = f"{number(hours, 0)} hours" if np.isfinite(hours) else f"hours: {UNKNOWN}"
    return (
        f"{count(trainings, 'training')}, {count(epochs, 'epoch')}, {told} of recorded training in "
        "all; the methods' own time is not counted"
    )
