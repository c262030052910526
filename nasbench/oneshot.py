"""Runs of one-shot methods: what they choose after each epoch, and how good that is.

The method is told no truth: what its choices are worth, and how well it ranks, is looked up here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from hashlib import sha256
from time import process_time
from typing import Any, NamedTuple

import numpy as np

from nasbench.benchmark import home
from nasbench.budget import Budget, Cost
from nasbench.errors import BadValue, NasbenchError, NotRecorded, RunnerFailed
from nasbench.evaluate import Evaluator
from nasbench.loop import Method, check_seed
from nasbench.metrics.ranking import kendall
from nasbench.recipe import Trainable
from nasbench.search import Choice, Outcome, Query
from nasbench.space import Architecture
from nasbench.table import Floats
from nasbench.trace import Traces
from nasbench.watch import Watch

RANKED = 100
"""Architectures with a known truth, at most, on which rankings are compared with it."""

PAIRS = 8
"""Pairs of architectures of which the disagreement about shared weights is measured."""


class Chosen(NamedTuple):
    """A choice, the seconds of the processor since the one before, and what is told about it."""

    arch: list[int]
    seconds: float
    info: dict[str, float]


class Sample(NamedTuple):
    """Architectures with a known truth, of equal ones one, and their scores."""

    archs: list[Architecture]
    scores: Floats

    @classmethod
    def of(cls, evaluate: Evaluator) -> Sample:
        """Draw the sample, always the same of the same."""
        return cls(*evaluate.ranked(RANKED))

    def tau(self, rank: Callable[[Sequence[Architecture]], Any]) -> float:
        """Return Kendall's tau-b with the truth; NaN where there is none, or no ranking."""
        if len(self.archs) < 2:
            return np.nan
        return float(kendall(np.asarray(rank(self.archs), np.float64), self.scores))


def run_one_shot(
    method: Method,
    evaluate: Evaluator,
    seeds: Iterable[int],
    budget: Budget,
    told: Mapping[str, Any],
    done: Traces | None = None,
) -> Traces:
    """Run a one-shot method once a seed, on what trains the networks of the evaluator.

    A run that was cut off goes on from its last choice; finished ones of `done`, if they are of
    this very length, are taken over. Seconds are measured, so they differ from run to run.
    """
    from nasbench.training import require_torch

    require_torch()
    where = evaluate.where.trained_by
    assert where is not None  # because the method needs it
    sample = Sample.of(evaluate)
    before = {int(seed): row for row, seed in enumerate(done.seed)} if done else {}
    runs, info = {}, []
    for seed in map(check_seed, seeds):
        if done and seed in before and done.head == told:
            runs[seed] = done.outcomes(before[seed])
            steps = done.steps(before[seed])
            info += [
                {name: float(column[step]) for name, column in done.info.items()}
                for step in range(steps.start, steps.stop)
            ]
            continue
        chosen = _run(method, evaluate, where, sample, seed, budget, told)
        runs[seed] = _judged(evaluate, chosen)
        info += [each.info for each in chosen]
    return Traces.record(told, runs, info)


def _run(
    method: Method,
    evaluate: Evaluator,
    where: Trainable,
    sample: Sample,
    seed: int,
    budget: Budget,
    told: Mapping[str, Any],
) -> list[Chosen]:
    from nasbench.live import alone
    from nasbench.parts.oneshot.shift import disagreement
    from nasbench.supernet import OneShot

    label, rng = f"{method}, seed {seed}", np.random.default_rng(seed)
    epochs = budget.supernet_epochs
    key = sha256(json.dumps([told, seed], sort_keys=True, default=repr).encode()).hexdigest()
    state = home().parent / "unfinished" / f"{key}.pt"
    with alone(), Watch() as watch:
        live = OneShot(where, seed, epochs, rng, state)
        chosen = [Chosen(*each) for each in live.told() or ()]
        untrained: dict[str, float] = {}

        def before() -> None:
            if live.net is not None and not live.done:
                untrained["untrained_tau"] = sample.tau(partial(live.score, live.net))

        live.begun = before
        training: Any = method.begin(replace(evaluate.problem(budget), live=live), rng, label)
        try:
            while len(chosen) < epochs:
                watch.step, watch.thinking = len(chosen), True
                start = process_time()
                choice = next(training, None)
                seconds = process_time() - start - live.aside
                watch.thinking = False
                if choice is None:
                    raise RunnerFailed(f"it ended after {len(chosen)} of {epochs} epochs")
                if not isinstance(choice, Choice):
                    raise RunnerFailed(f"it yielded {choice!r}: a one-shot method yields a Choice")
                if sum(each.seconds for each in chosen) + seconds > budget.seconds:
                    break
                arch = where.space.check(choice.arch)
                info = {name: float(value) for name, value in choice.info.items()}
                info |= {"samples": float(live.samples), "saved_bytes": float(live.saved_bytes)}
                if not chosen:
                    info |= untrained
                if choice.rank is not None:
                    info["tau"] = sample.tau(choice.rank)
                if len(chosen) + 1 == epochs and live.net is not None:
                    info["supernet_tau"] = sample.tau(partial(live.score, live.net))
                    info |= {} if live.net.masked else disagreement(live, live.net, PAIRS)
                chosen.append(Chosen(list(arch), seconds, info))
                live.save([list(each) for each in chosen])
        except (Exception, SystemExit) as error:
            what = (
                str(error)
                if isinstance(error, NasbenchError)
                else f"{type(error).__name__}: {error}"
            )
            raise RunnerFailed(f"{label}, epoch {len(chosen) + 1}: {what}") from error
        training.close()
    if not chosen:
        raise BadValue(f"{label}: no epoch of its supernet fits into {budget}")
    state.unlink(missing_ok=True)
    return chosen


def _judged(evaluate: Evaluator, chosen: Sequence[Chosen]) -> list[Outcome]:
    """Say what a full training of each choice gives, where it's known; the last one is trained."""
    last = tuple(chosen[-1].arch)
    if np.isnan(evaluate.truth(last)):
        with suppress(NotRecorded):
            evaluate(Query(last))
    sign = evaluate.where.task.metric.sign
    outcomes = []
    for each in chosen:
        arch = tuple(each.arch)
        value = evaluate.truth(arch)
        outcomes.append(Outcome(Query(arch, 1), value, sign * value, Cost(1, 1, each.seconds)))
    return outcomes
