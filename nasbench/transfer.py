"""Searches that learn from other tasks, beside the same from scratch, and what that gains.

A folder holds three kinds of traces, each laid out as a study's: `traces/` the transfers, and
searches from scratch with the same budget on the target; `total/BUDGET/traces/` searches from
scratch with all that a transfer and its sources may spend; `sources/traces/` those on other tasks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, product
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nasbench.budget import Budget
from nasbench.errors import BadFile, BadValue, NotApplicable
from nasbench.evaluate import has, missing
from nasbench.find import unknown
from nasbench.loop import SOURCE_SEEDS, Method, origin
from nasbench.metrics.regret import anytime, regret
from nasbench.metrics.statistics import Interval, interval
from nasbench.metrics.transfer import gain, negative_rate, speed_up
from nasbench.report.score import rows
from nasbench.store import Benchmark
from nasbench.study import Unit, blocks, choose, left
from nasbench.table import Floats, Table
from nasbench.trace import Traces

SOURCE = "regularized_evolution"
"""What searches the sources of a method whose file names no twin."""

RESAMPLES, SEED = 1000, 0
"""Of the bootstrap over runs; every interval starts a generator of its own."""

POINTS = 1000
"""At which regret over epochs or seconds is read off; over queries it is at each."""


@dataclass(frozen=True)
class Plan:
    """What a transfer study runs: `first` all that is no transfer, then the `transfers`."""

    first: Sequence[Unit]
    transfers: Sequence[Unit]

    def left(self, bench: Benchmark) -> Plan:
        """Return what is not finished; raises `BadValue` as `nasbench.study.units` does."""
        by_folder: dict[Path, list[Unit]] = {}
        for unit in (*self.first, *self.transfers):
            by_folder.setdefault(unit.out, []).append(unit)
        todo = [unit for out, units in by_folder.items() for unit in left(bench, out, units)]
        return Plan(
            [unit for unit in todo if not unit.sources], [unit for unit in todo if unit.sources]
        )


def together(budget: Budget, source_budget: Budget, sources: int) -> Budget:
    """Add what a transfer may spend to what so many sources may, each; raises `BadValue`."""
    own, each = budget.limits, source_budget.limits
    if own.keys() != each.keys():
        raise BadValue(
            f"{budget} and, for a source, {source_budget} don't add up: limit both in the same"
        )
    return Budget(**{name: limit + sources * each[name] for name, limit in own.items()})


def plan(
    bench: Benchmark,
    out: Path,
    methods: Sequence[Method],
    sources: Sequence[str],
    seeds: int,
    budget: Budget,
    source_budget: Budget,
    source_method: Method | None = None,
    spaces: Sequence[str] = (),
    tasks: Sequence[str] = (),
    schedule: str | None = None,
) -> Plan:
    """List the runs with seeds 0 to `seeds` - 1 of methods that transfer, and all they need.

    `sources` are "all" (each other task of the space by itself), "others" (all of them together), a
    task, or several joined by "+". The targets are `tasks`, by default all that are not named as
    sources. A source is searched with `source_budget` and the run's seed + `SOURCE_SEEDS`, by the
    method's twin unless `source_method` is another. From scratch the twin is run, or that method
    where the file names none. Tables without validation results are left out.

    Raises `UnknownName`, `NotApplicable`, and `BadValue` for a task that is source and target, or a
    method that learns from no other task.
    """
    for method in methods:
        if "history" not in method.needs:
            raise BadValue(f"{method} learns from no other task: nasbench study runs it")
    every = choose(bench, spaces, (), schedule)
    if not (searchable := [key for key in every if not missing(bench[key])]):
        raise NotApplicable(f"not applicable: {missing(bench[every[0]])}")
    units: dict[Path, Unit] = {}

    def add(
        method: Method,
        key: tuple[str, ...],
        seeds: range,
        spend: Budget,
        to: Path,
        learned: tuple[Unit, ...] = (),
    ) -> Unit:
        why = method.lacks(has(bench[key]) | ({"history"} if learned else set()))
        if why:
            raise NotApplicable(f"not applicable: {why}")
        schedule = bench[key].schedule
        unit = Unit(bench.path, key[0], key[1], schedule, method, seeds, spend, to, learned)
        if units.setdefault(unit.file, unit) != unit:
            raise BadValue(f"two methods go by the same name: {unit}; rename one")
        return unit

    for key in choose(bench, spaces, tasks, schedule):
        if key not in searchable:
            continue
        others = {other[1]: other for other in searchable if other[0] == key[0] and other != key}
        for chosen in _chosen(sources, bench[key], [*others], bool(tasks)):
            for method, block in product(methods, blocks(seeds)):
                scratch = method.twin or source_method or Method(SOURCE)
                searched = source_method or scratch
                shifted = range(block.start + SOURCE_SEEDS, block.stop + SOURCE_SEEDS)
                learned = tuple(
                    add(searched, others[task], shifted, source_budget, out / "sources")
                    for task in chosen
                )
                total = together(budget, source_budget, len(chosen))
                folder = "_and_".join(f"{n:.10g}_{name}" for name, n in total.limits.items())
                add(method, key, block, budget, out, learned)
                add(scratch, key, block, budget, out)
                add(scratch, key, block, total, out / "total" / folder)
    planned = Plan(
        [unit for unit in units.values() if not unit.sources],
        [unit for unit in units.values() if unit.sources],
    )
    if not planned.transfers:
        raise NotApplicable("not applicable: there is no other task to learn from")
    return planned


def _chosen(
    sources: Sequence[str], target: Table, others: Sequence[str], asked: bool
) -> Iterator[tuple[str, ...]]:
    """Yield the sets of sources for a target; it is an error that it is one, if it was `asked`."""
    for text in sources:
        named = {"all": [], "others": others}.get(text, text.split("+"))
        for task in named:
            if task not in (*others, target.task.name):
                raise unknown(f"source task of {target.address}", task, [*others])
        if target.task.name not in named:
            yield from [tuple(named)] if named else [(task,) for task in others]
        elif asked:
            raise BadValue(
                f"{target.address}: {target.task.name} is target and source: name another"
            )


class Transfer(NamedTuple):
    """What a method gained on one task from one set of sources, over paired `runs`.

    Mean regrets on the target in its unit: `regret` of the transfers, `scratch` of their twins with
    the same budget there, `total` of twins that may spend what the sources did, too. Gains, with a
    95 % interval, and `speed_up` are those of `nasbench.metrics.transfer`. NaN where there are no
    such twins. `median` is the regret of the target's median architecture.
    """

    space: str
    target: str
    method: str
    sources: tuple[str, ...]
    runs: int
    regret: float
    scratch: float
    total: float
    gain: Interval
    gain_total: Interval
    speed_up: float
    median: float

    @property
    def origin(self) -> str:
        """The source, or how many there are."""
        return origin(self.sources).removeprefix(" from ")


def transfer_results(
    traces: Iterable[Traces],
    bench: Benchmark,
    scores: Callable[[Table], Floats] = Table.scores,
) -> list[Transfer]:
    """Compare transfers with their twins from scratch: a row for each method, target and sources.

    `traces` are blocks in any order: transfers, and their twins with the same budget and with the
    total one (as `read` finds them); others are passed over. Regret is of the architecture that
    validation chose, by validation scores unless `scores(table)` (N,) gives other ones, such as
    those on test images. Raises `BadValue` for traces that are not of this benchmark, or don't
    belong together.
    """
    grouped: dict[tuple[str, str, str, Budget], list[Traces]] = {}
    for block in traces:
        told = block.head
        if told["content_sha256"] != bench[told["space"], told["task"]].content_sha256:
            raise BadValue(f"{block!r} are not of the tables at hand: run the study again")
        key = (told["space"], told["task"], told["method"], Budget(**told["budget"]))
        grouped.setdefault(key, []).append(block)
    runs = {key: Traces.join(every) for key, every in grouped.items()}
    found = []
    for (space, task, _, budget), moved in runs.items():
        if history := moved.head.get("history"):
            total = budget
            for past in history:
                total = together(total, Budget(**past["budget"]), 1)
            scratch, whole = (
                runs.get((space, task, moved.head["twin"], each)) for each in (budget, total)
            )
            table = bench[space, task, moved.head["schedule"]]
            found.append(_transfer(moved, scratch, whole, table, scores(table)))
    tasks = list(bench)
    found.sort(key=lambda each: (tasks.index((each.space, each.target)), each.method))
    return found


def _transfer(
    moved: Traces, scratch: Traces | None, total: Traces | None, table: Table, truth: Floats
) -> Transfer:
    def ends(traces: Traces | None) -> dict[int, float]:
        return {} if traces is None else _last(traces, _regrets(traces, table, truth))

    sources = tuple(past["task"] for past in moved.head["history"])
    reached, same, more = ends(moved), ends(scratch), ends(total)
    return Transfer(
        moved.head["space"],
        moved.head["task"],
        moved.head["method"].removesuffix(origin(sources)),
        sources,
        len(reached),
        _mean(reached),
        _mean(same),
        _mean(more),
        _gain(same, reached),
        _gain(more, reached),
        np.nan if total is None else _faster(moved, _mean(reached), total, table, truth),
        float(np.nanmax(truth) - np.nanmedian(truth)),
    )


def _faster(moved: Traces, reached: float, total: Traces, table: Table, truth: Floats) -> float:
    """Return the speed-up over a search from scratch with a larger budget."""
    own, most = Budget(**moved.head["budget"]), Budget(**total.head["budget"])
    price = next(name for name in ("epochs", "seconds", "queries") if name in most.limits)
    limit = most.limits[price]
    points = max(1, int(limit)) if price == "queries" else POINTS
    grid = np.linspace(limit / points, limit, points)
    each = np.ones(len(total.value)) if price == "queries" else getattr(total, price)
    curve = anytime(each, _regrets(total, table, truth), total.start, grid).mean(axis=0)
    return np.nan if np.isnan(reached) else speed_up(curve, grid, reached, own.limits[price])


def _regrets(traces: Traces, table: Table, truth: Floats) -> Floats:
    """Return for every step (T,) the regret of what its run would be judged by."""
    judged = traces.judged
    return regret(truth, rows(table, traces.arch)[judged])


def _last(traces: Traces, value: Floats) -> dict[int, float]:
    """Return the last value of each run that has one, by seed."""
    begun = np.diff(traces.start) > 0
    last = value[traces.start[1:][begun] - 1]
    return dict(zip(traces.seed[begun].tolist(), last.tolist(), strict=True))


def _mean(ends: Mapping[int, float]) -> float:
    return float(np.mean([*ends.values()])) if ends else np.nan


def _gain(scratch: Mapping[int, float], moved: Mapping[int, float]) -> Interval:
    """Return the gain of mean regrets over common seeds; these are drawn again for the interval."""
    seeds = sorted(scratch.keys() & moved.keys())
    if not seeds:
        return Interval(np.nan, np.nan, np.nan)
    pairs = np.array([(scratch[seed], moved[seed]) for seed in seeds])
    value = float(gain(*pairs.mean(axis=0)))
    if len(seeds) == 1:
        return Interval(value, np.nan, np.nan)
    rng = np.random.default_rng(SEED)
    drawn = (pairs[rng.integers(len(seeds), size=len(seeds))] for _ in range(RESAMPLES))
    return interval(value, gain(*np.array([some.mean(axis=0) for some in drawn]).T))


class Gains(NamedTuple):
    """What a method gained over all `pairs` of a target and its sources in a space.

    Mean regrets, as shares of the median architecture's, of the transfers and of both twins; mean
    gains over both; the median speed-up; the shares of pairs with a gain below 0, over both; and of
    those where that is sure, because its interval on the target lies below 0.
    """

    space: str
    method: str
    sources: int
    pairs: int
    regret: float
    scratch: float
    total: float
    gain: float
    gain_total: float
    speed_up: float
    negative: float
    negative_total: float
    surely: float


def gains(found: Iterable[Transfer]) -> list[Gains]:
    """Bring transfers together by space, method and number of sources."""
    grouped: dict[tuple[str, str, int], list[Transfer]] = {}
    for each in found:
        grouped.setdefault((each.space, each.method, len(each.sources)), []).append(each)
    return [_gains(*key, group) for key, group in grouped.items()]


def _gains(space: str, method: str, sources: int, group: Sequence[Transfer]) -> Gains:
    regrets = np.array([(t.regret, t.scratch, t.total) for t in group])
    shares = regrets / np.array([[each.median or np.nan] for each in group])
    moved, scratch, total = shares.mean(axis=0).tolist()
    own, whole = np.array([(each.gain.value, each.gain_total.value) for each in group]).T
    return Gains(
        space,
        method,
        sources,
        len(group),
        moved,
        scratch,
        total,
        float(own.mean()),
        float(whole.mean()),
        float(np.median([each.speed_up for each in group])),
        negative_rate(own),
        negative_rate(whole),
        float(np.mean([each.gain.high < 0 for each in group])),
    )


def read(out: Path) -> list[Traces]:
    """Read the transfers in a folder and their twins; raises `BadFile` where there are none."""
    folders = [out / "traces", out / "total"]
    files = sorted(chain.from_iterable(folder.rglob("[!.]*.npz") for folder in folders))
    if not files:
        raise BadFile(f"no traces in {out}: nasbench transfer leaves them there")
    return [Traces.load(file) for file in files]
