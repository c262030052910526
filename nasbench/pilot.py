"""The pilot of `rooms`: is a benchmark of ours worth building, judged on a few of its networks?

Recipes are tuned on one part of them and reported on another, of which no network was seen before.
Nothing is trained here: what was trained is in the pilot's file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any, TypeAlias

import numpy as np

from nasbench.benchmark import open_benchmark, tables, trainables
from nasbench.check import check
from nasbench.errors import BadFile, BadValue, NotApplicable
from nasbench.find import names
from nasbench.metrics.noise import between_seeds, ceiling, separation
from nasbench.metrics.ranking import kendall
from nasbench.metrics.resampling import kendall_resampled, resamples
from nasbench.metrics.statistics import Interval, interval
from nasbench.pack import recipes
from nasbench.space import Architecture, Space
from nasbench.store import Benchmark
from nasbench.table import Floats, Table, mean
from nasbench.task import Metric

LIVE = "rooms"
"""The benchmark whose pilot this is."""
TUNED_SPACES = ("cell",)
TUNED_TASKS = ("class_object", "class_scene", "segmentsemantic", "normal")
"""What recipes were tuned on. Every other space and task is left out, to be looked at once."""

PARTS = ("tune", "report")
GROUPS = ("all", "tuned", "left out")
"""Of tasks that are judged together."""
SIZES = {"transnas_cell": 60, "transnas_macro": 30}
"""Architectures in each part, by space."""
SEED = 101
"""Of two generators: the one that deals the parts out, and the one of each table's bootstrap."""

SEPARATION, SEED_TAU = 3.0, 0.5
BETWEEN_TASKS, ANY_TWO_TASKS = (0.2, 0.8), 0.9
REAL_TAU, REAL_TAU_MEAN, OF_CEILING = 0.5, 0.6, 0.7
HOURS = 24.0
"""The targets; `verdicts` says of what."""

ENOUGH = 0.5
"""Of the trainings of the fullest seed; a seed that has fewer is still being trained."""

FACTS = ("params", "macs", "encoder_params", "encoder_macs")
"""Facts about networks, of which a ranking costs nothing."""

Matrix: TypeAlias = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Judged:
    """What one part of one table came to, values in the source's unit.

    `architectures` were trained, with `seeds` at most. `median` and `best` are over architectures,
    of means over seeds; `std` is that of one training; `separation` and `separation_held_out` are
    those of `nasbench.metrics.noise.separation`. `seed_tau` is between two seeds, `real_tau` with
    the real table: of one seed (the mean over them), and of the mean over seeds. `real_seed_tau` is
    the real table's own, on the macro space that of its cells; from the two seed taus follows the
    `ceiling`, from that the `goal`. `seconds` are those of one training, the mean. `trivial` is
    what predictors without a network reach.
    """

    tuned: bool
    metric: str
    sign: int
    architectures: int
    seeds: int
    median: float
    best: float
    std: float
    separation: float
    separation_held_out: float
    seed_tau: Interval
    real_tau: Interval
    real_tau_of_means: Interval
    real_seed_tau: float
    ceiling: float
    goal: float
    seconds: float
    trivial: Mapping[str, float]


@dataclass(frozen=True, eq=False)
class Part:
    """One part of one space, by task.

    Taus of means over seeds are between our tasks (`between_tasks`), between those of the real
    benchmark (`real_between_tasks`), and of each of our tasks, and each fact about networks, with
    each real task (`with_real`). All rests on `values` (N, S) and `real_values` (N,).
    """

    space: str
    part: str
    tables: Mapping[str, Judged]
    between_tasks: Matrix
    real_between_tasks: Matrix
    with_real: Matrix
    values: Mapping[str, Floats]
    real_values: Mapping[str, Floats]


@dataclass(frozen=True)
class Verdict:
    """One target on one part. `task` is empty where several are judged together.

    `tuned` says that recipes were tuned on just this space and task. `met` is None where the value
    isn't known.
    """

    target: str
    space: str
    part: str
    task: str
    tuned: bool
    value: float
    goal: str
    met: bool | None


@dataclass(frozen=True, eq=False)
class Pilot:
    """All that a pilot says; `real` is the real benchmark's name, empty where there is none.

    `core_hours` are those of a full build with one seed, by space and task: the mean seconds of a
    training times the number of different networks.
    """

    name: str
    real: str
    parts: Sequence[Part]
    core_hours: Matrix
    verdicts: Sequence[Verdict]


def parts(space: Space) -> tuple[tuple[Architecture, ...], tuple[Architecture, ...]]:
    """Return the architectures to tune on, and those to report on: at random, the same each time.

    Connected ones are drawn, each as likely, and stand for their isomorphism class as built: of the
    class the first member in the order of the space is returned, and another one that is drawn
    later is passed over. They are dealt out in turns, so that both parts are alike, and the first k
    of a part are a smaller sample. Raises `NotApplicable` for a space without a pilot.
    """
    if space.name not in SIZES:
        raise NotApplicable(f"not applicable: {space.name} has no pilot, {', '.join(SIZES)} have")
    order = np.random.default_rng(SEED).permutation(len(space)).tolist()
    drawn = (space.canonical(arch) for arch in map(space.at, order) if space.has_path(arch))
    dealt = tuple(dict.fromkeys(drawn))[: 2 * SIZES[space.name]]
    return dealt[0::2], dealt[1::2]


def members(space: Space, part: str) -> tuple[Architecture, ...]:
    """Return the architectures of one part, by its name. Raises `BadValue`, `NotApplicable`."""
    if part not in PARTS:
        raise BadValue(f"the pilot has no part {part!r}: there are {' and '.join(PARTS)}")
    return parts(space)[PARTS.index(part)]


def every_member(space: Space) -> tuple[Architecture, ...]:
    """Return the architectures of both parts. Raises `NotApplicable`."""
    one, other = parts(space)
    return one + other


def pilot(
    bench: Benchmark,
    real: Benchmark | None = None,
    trivial: Mapping[str, Mapping[str, float]] | None = None,
) -> Pilot:
    """Judge the pilot in a benchmark's file, against a real benchmark where there is one.

    Of each table counts what a lookup answers, in its default schedule; rows outside of the pilot
    are left alone. NaN was not measured: it is left out of a tau, an architecture that lacks a seed
    out of the separation, and a seed that most architectures of a part lack out of everything. A
    training that diverged to an infinite loss ranks last, and is no part of the seed noise.
    `trivial` has values of predictors without a network, by task.
    Raises `BadValue` where no architecture of a pilot was trained.
    """
    own_taus = {} if real is None else _seed_taus(real)
    found: list[Part] = []
    hours: dict[str, dict[str, float]] = {}
    for space in bench.spaces:
        ours = _tables(bench, space)
        theirs = _tables(real, space) if real and space in real.spaces else {}
        rows = next(iter(ours.values())).rows
        if rows.space.name in SIZES:
            there = [[a for a in part if a in rows.by_key] for part in parts(rows.space)]
            own = [
                _part(space, name, archs, ours, theirs, own_taus, trivial or {})
                for name, archs in zip(PARTS, there, strict=True)
            ]
            if any(part.tables for part in own):
                found += [part for part in own if part.tables]
                every = [arch for archs in there for arch in archs]
                hours[space] = {task: _core_hours(table, every) for task, table in ours.items()}
    if not found:
        raise BadValue(f"{bench.name} holds no training of a pilot's architectures")
    told = list(verdicts(found, hours))
    return Pilot(bench.name, real.name if real else "", found, hours, told)


def open_real(name: str) -> tuple[Benchmark | None, str]:
    """Open the benchmark to agree with; None, and why, where it's known but not imported yet."""
    try:
        return open_benchmark(name), ""
    except BadFile as error:
        if name in names("benchmarks") and name not in tables():
            return None, str(error)
        raise


def trivial_values(
    bench: Benchmark, tick: Callable[[int, int], None] = lambda done, total: None
) -> dict[str, dict[str, float]]:
    """Fit predictors without a network to the images that a pilot was trained on, by task.

    Needs torch. Raises `BadFile` where the file doesn't tell its recipes.
    """
    from nasbench.training import require_torch
    from nasbench.trivial import trivial

    require_torch("cpu")
    by_task = {task: where for (_, task), where in recipes(bench).items()}
    values = {}
    for done, (task, where) in enumerate(by_task.items()):
        tick(done, len(by_task))
        values[task] = trivial(where)
    return values


def as_json(judged: Pilot) -> dict[str, Any]:
    """Turn a pilot into what `--json` prints: all but the values that it rests on."""
    told = asdict(judged)
    for part in told["parts"]:
        del part["values"], part["real_values"]
    return told


def verdicts(found: Sequence[Part], hours: Matrix) -> Iterator[Verdict]:
    """Say which targets are met.

    On each task the median network is better than every predictor without a network ("learned");
    the best is `SEPARATION` deviations above the median ("separates"); tau between two
    seeds is `SEED_TAU` ("repeats"); that of one seed with the real table reaches the task's goal
    ("real"): `REAL_TAU`, or the part `OF_CEILING` of the ceiling where that is lower. In the mean
    over tasks it is `REAL_TAU_MEAN`, or that part of the mean ceiling. Between two tasks tau is
    within `BETWEEN_TASKS` in the mean, and at most `ANY_TWO_TASKS`. All that takes `HOURS`.
    """
    for part in found:
        for task, told in part.tables.items():
            yield from _of_task(part, task, told)
        every = list(part.tables.values())
        tuned = [told for told in every if told.tuned]
        left_out = [told for told in every if not told.tuned]
        for name, group in zip(GROUPS, (every, tuned, left_out), strict=True):
            if group and (name == "all" or len(group) < len(every)):
                least = np.fmin(REAL_TAU_MEAN, OF_CEILING * _mean(told.ceiling for told in group))
                value = _mean(told.real_tau.value for told in group)
                yield _at_least("real, mean", part, name, name == "tuned", value, float(least))
        value, (low, high) = between(part.between_tasks), BETWEEN_TASKS
        yield _verdict("tasks differ", part, "all", False, value, f"{low} to {high}", low, high)
        value = between(part.between_tasks, np.max)
        goal = f"<= {ANY_TWO_TASKS}"
        yield _verdict("no two alike", part, "all", False, value, goal, high=ANY_TWO_TASKS)
    every_table = (where.address.split("/")[1:] for where in trainables(LIVE))
    total = sum(hours.get(space, {}).get(task, np.nan) for space, task in every_table)
    met = total <= HOURS if _known(total) else None
    yield Verdict("core-hours", "all", "all", "all", False, total, f"<= {HOURS:g}", met)


def between(matrix: Matrix, average: Callable[[list[float]], Any] = np.mean) -> float:
    """Average what is known of every two different tasks; NaN where nothing is."""
    known = [tau for a, b in combinations(matrix, 2) if _known(tau := matrix[a][b])]
    return float(average(known)) if known else np.nan


def _of_task(part: Part, task: str, told: Judged) -> Iterator[Verdict]:
    if told.trivial:
        rival = told.sign * max(told.sign * value for value in told.trivial.values())
        met = told.sign * told.median > told.sign * rival if _known(told.median) else None
        goal = f"better than {rival:.4g}"
        yield Verdict("learned", part.space, part.part, task, told.tuned, told.median, goal, met)
    for target, value, least in (
        ("separates", told.separation, SEPARATION),
        ("repeats", told.seed_tau.value, SEED_TAU),
        ("real", told.real_tau.value, told.goal),
    ):
        yield _at_least(target, part, task, told.tuned, value, least)


def _at_least(
    target: str, part: Part, task: str, tuned: bool, value: float, goal: float
) -> Verdict:
    return _verdict(target, part, task, tuned, value, f">= {goal:.2f}", low=goal)


def _verdict(
    target: str,
    part: Part,
    task: str,
    tuned: bool,
    value: float,
    goal: str,
    low: float = -np.inf,
    high: float = np.inf,
) -> Verdict:
    met = low <= value <= high if _known(value) else None
    return Verdict(target, part.space, part.part, task, tuned, value, goal, met)


def _tables(bench: Benchmark, space: str) -> dict[str, Table]:
    return {task: bench[space, task] for task in bench.spaces[space]}


def _seed_taus(real: Benchmark) -> dict[tuple[str, str], float]:
    """Return tau between two trainings of the same networks, by space and task; NaN if unknown."""
    return {
        (space, task): table.noise.tau
        for table in check(real.path).tables
        for space, task in [table.address.split("/")[-2:]]
    }


def _part(
    space: str,
    name: str,
    archs: Sequence[Architecture],
    ours: Mapping[str, Table],
    theirs: Mapping[str, Table],
    own_taus: Mapping[tuple[str, str], float],
    trivial: Mapping[str, Mapping[str, float]],
) -> Part:
    values = {task: _trials(table, archs) for task, table in ours.items()}
    values = {task: trials for task, trials in values.items() if trials.size}
    real_values = {task: _answers(table, archs) for task, table in theirs.items()}
    scores = {task: ours[task].task.metric.sign * mean(values[task]) for task in values}
    real = {task: theirs[task].task.metric.sign * real_values[task] for task in theirs}
    shared = {task: real[task] for task in scores if task in real}
    judged = {}
    for task, trials in values.items():
        own = own_taus.get((space, task), np.nan)
        judged[task] = _judged(
            ours[task].task.metric,
            trials,
            real.get(task, np.full(len(archs), np.nan)),
            own if _known(own) else own_taus.get(("cell", task), np.nan),
            _mean(ours[task].cost_seconds()[_rows(ours[task], archs)]),
            trivial.get(task, {}),
            space in TUNED_SPACES and task in TUNED_TASKS,
        )
    with_real = _matrix(scores, real)
    for fact in FACTS:
        told = {
            task: _fact(ours.get(task, next(iter(ours.values()))), fact, archs) for task in real
        }
        if not all(np.isnan(fact).all() for fact in told.values()):
            with_real[fact] = {task: kendall(told[task], real[task]) for task in real}
    return Part(
        space,
        name,
        judged,
        _matrix(scores, scores),
        _matrix(shared, shared),
        with_real,
        values,
        real_values,
    )


def _judged(
    metric: Metric,
    values: Floats,
    real: Floats,
    real_seed_tau: float,
    seconds: float,
    trivial: Mapping[str, float],
    tuned: bool,
) -> Judged:
    """Judge values (N, S) beside real scores (N,)."""
    scores, means = metric.sign * values, mean(metric.sign * values)
    drawn = resamples(len(scores), np.random.default_rng(SEED))
    times = np.concatenate([np.ones((1, len(scores))), drawn])
    one, other = np.triu_indices(scores.shape[1], 1)
    seed_tau = _interval(kendall_resampled(scores.T[one], scores.T[other], times))
    top = ceiling(seed_tau.value, real_seed_tau)
    optimistic, held_out = separation(scores)
    there = means[~np.isnan(means)]
    return Judged(
        tuned,
        metric.name,
        metric.sign,
        len(there),
        scores.shape[1],
        metric.sign * float(np.median(there)),
        metric.sign * float(there.max()),
        between_seeds(scores).std,
        optimistic,
        held_out,
        seed_tau,
        _interval(kendall_resampled(scores.T, np.tile(real, (scores.shape[1], 1)), times)),
        _interval(kendall_resampled(means[None], real[None], times)),
        real_seed_tau,
        top,
        float(np.fmin(REAL_TAU, OF_CEILING * top)),
        seconds,
        trivial,
    )


def _interval(taus: Floats) -> Interval:
    """Average over taus (1 + R, K): the first row is the value, the others are of resamples."""
    averages = mean(taus)
    return interval(float(averages[0]), averages[1:])


def _rows(table: Table, archs: Sequence[Architecture]) -> list[int]:
    return [table.rows.by_key[arch] for arch in archs]


def _trials(table: Table, archs: Sequence[Architecture]) -> Floats:
    """Return the values (N, S) of the seeds with which enough of these were trained."""
    trials = table.trials()[_rows(table, archs)].astype(np.float64)
    trained = (~np.isnan(trials)).sum(axis=0)
    return trials[:, (trained > 0) & (trained >= ENOUGH * trained.max())]


def _answers(table: Table, archs: Sequence[Architecture]) -> Floats:
    """Return what a table answers (N,), NaN for an architecture that it lacks."""
    rows = [table.rows.by_key.get(arch) for arch in archs]
    answers = table.answer()
    return np.array([np.nan if row is None else answers[row] for row in rows])


def _fact(table: Table, fact: str, archs: Sequence[Architecture]) -> Floats:
    facts = np.array(table.info.get(fact, np.full(len(table), np.nan)), np.float64)
    return facts[_rows(table, archs)]


def _matrix(one: Mapping[str, Floats], other: Mapping[str, Floats]) -> dict[str, dict[str, float]]:
    return {a: {b: kendall(one[a], other[b]) for b in other} for a in one}


def _core_hours(table: Table, archs: Sequence[Architecture]) -> float:
    networks = 1 + int(table.space.class_ids().max())
    return _mean(table.cost_seconds()[_rows(table, archs)]) * networks / 3600


def _known(value: float) -> bool:
    return value == value


def _mean(values: Iterable[float]) -> float:
    """Average what is known; NaN where nothing is."""
    known = list(filter(_known, values))
    return float(np.mean(known)) if known else np.nan
