"""What the page says, in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

from nasbench.report.best import best
from nasbench.report.checklist import checklist
from nasbench.report.choices import choices
from nasbench.report.differences import in_pairs, over
from nasbench.report.gather import Study
from nasbench.report.overview import agreeing, leaders, ranking, without_search
from nasbench.report.page import Block, Heading, Points
from nasbench.report.provenance import provenance
from nasbench.report.runs import found, on_the_way
from nasbench.report.score import BEST, RESAMPLES, SEED, Scored, axis
from nasbench.report.trade_offs import trade_offs
from nasbench.report.words import count, listed, shown

Section: TypeAlias = Callable[[Scored, str], Iterator[Block]]
"""Says something about one space; nothing where it doesn't apply."""

SECTIONS: tuple[Section, ...] = (
    leaders,
    ranking,
    on_the_way,
    found,
    choices,
    in_pairs,
    over,
    best,
    trade_offs,
    without_search,
    agreeing,
)


def title(study: Study) -> str:
    """Name the page: the methods if they are few, and the benchmark."""
    few = len(study.methods) < 4
    who = listed(list(map(shown, study.methods))) if few else count(len(study.methods), "method")
    return f"{who[0].upper()}{who[1:]} on {study.bench.name}"


def contents(scored: Scored) -> Iterator[Block]:
    """Say what was run and where it is from, then each space, then what the words mean."""
    study = scored.study
    yield Heading(title(study), 1)
    yield from provenance(study, scored.numbers)
    for space, tasks in study.spaces.items():
        size = len(study.tables[space, tasks[0]])
        yield Heading(f"Space {space}: {size:,} architectures, {count(len(tasks), 'task')}")
        for section in SECTIONS:
            yield from section(scored, space)
    yield from checklist(scored)
    yield Heading("What the words mean")
    yield Points(list(_definitions(study)))


def _definitions(study: Study) -> Iterator[str]:
    price = axis(study.budget).price
    yield (
        "Found: of the architectures that a run trained for the most epochs, the one with the best "
        "validation value, the earliest if several are equal. Of a one-shot method: its last "
        "choice."
    )
    yield (
        "Validation regret: the best validation value in the table minus that of what was found, "
        "turned so that less is better, in the metric's unit. It is 0 for the best architecture."
    )
    yield (
        f"95 % interval: percentile bootstrap of the mean over runs, {RESAMPLES:,} resamples, "
        f"numpy's default generator with seed {SEED} for each."
    )
    yield (
        f"Anytime regret: the mean of the validation regret over the budget in {price}, from the "
        "point on where every run on the table has finished a training."
    )
    yield (
        "Rank: 1 is the best architecture of the space by validation; equal ones share the mean of "
        "their ranks."
    )
    yield (
        "Normalised regret: 0 is the best architecture, 1 the median one. It has no unit, so that "
        "tasks can be averaged. Its interquartile mean is that of the middle half of all runs on "
        "all tasks, its interval a bootstrap of runs within each task."
    )
    yield (
        f"Percentile: 100 times the rank over the number of architectures. The best {BEST} % of a "
        "space are those whose percentile is at most that."
    )
    yield (
        "Average and median architecture: of the whole table, without any search. The average one "
        "is what a random draw gives in the mean; the median one has the normalised regret 1."
    )
