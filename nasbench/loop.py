"""The one loop: a method asks, a table (or a training) answers, a trace remembers."""

from __future__ import annotations

import inspect
import re
from ast import literal_eval
from bisect import bisect_right
from collections.abc import Generator, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from hashlib import sha256
from importlib.util import find_spec
from itertools import accumulate, product
from math import inf
from pathlib import Path
from typing import Any, cast

import numpy as np

from nasbench.benchmark import open_table
from nasbench.budget import Budget
from nasbench.errors import (
    BadValue,
    Diverged,
    NasbenchError,
    NotApplicable,
    NotRecorded,
    RunnerFailed,
)
from nasbench.evaluate import Evaluator, FromTable, Replay, Where
from nasbench.find import find
from nasbench.networks import Networks
from nasbench.search import OneShotRunner, Outcome, Problem, Query, Runner, Search, Source
from nasbench.table import Table
from nasbench.trace import Traces
from nasbench.watch import Watch

NEEDS = {
    "curves": "answers after any number of epochs, and there are none",
    "history": "searches on other tasks: nasbench transfer, or run(..., history=...)",
    "live": "a supernet: a space that builds one, and a benchmark that says how it is trained",
    "networks": "networks, and the space does not say how to build them",
    "widths": "widths of single layers to decide about: the spaces width and mbconv have them",
}
"""What a runner's file may say that it `needs` beside answers, in words."""

EXTRAS = {"optuna": "optimizers", "torch": "live"}
"""The libraries that it may need, and the extra of ours that installs each."""

SOURCE_SEEDS = 1_000_000
"""What is added to a run's seed to get that of the searches on other tasks that it learns from."""


def parameters(method: str) -> list[str]:
    """Take a method apart: its runner, then `name=value` pairs, whose values may have colons."""
    runner, *rest = method.split(":", 1)
    return [runner, *(pair for each in rest for pair in re.split(r":(?=\w+=)", each))]


@dataclass(frozen=True)
class Method:
    """A runner and the hyper-parameters it is run with, checked against its signature.

    Raises `UnknownName` for a runner that isn't there, `BadValue` for a parameter it doesn't take.
    """

    runner: str | Runner | OneShotRunner
    params: Mapping[str, Any] = field(default_factory=dict[str, Any])
    source_sha256: str = field(init=False)
    """The checksum of its source file, taken here: a process it is sent to may not see the file."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "source_sha256", _source_sha256(self.search))
        if not callable(self.search):
            raise BadValue(f"{self.name}: its search is {self.search!r}, not a function")
        taken = list(inspect.signature(self.search).parameters.values())
        known = [p.name for p in taken if p.kind is p.KEYWORD_ONLY]
        needed = [p.name for p in taken[2:] if p.default is p.empty and p.name not in self.params]
        if len(taken) < 2 or needed:
            raise BadValue(
                f"{self.name} must be search(problem, rng, *, ...) with a default for every "
                f"parameter; its signature is {inspect.signature(self.search)}"
            )
        for name in self.params:
            if name not in known:
                raise BadValue(
                    f"{self.name} takes no {name!r}; it takes {', '.join(known) or 'nothing'}"
                )

    @classmethod
    def parse(cls, text: str) -> Method:
        """Read a runner's name or file, and parameters: `regularized_evolution:tournament=5`.

        A value may have colons in it, as the name of an architecture has.
        """
        runner, *pairs = parameters(text)
        params = {}
        for pair in pairs:
            name, equals, value = pair.partition("=")
            if not equals:
                raise BadValue(f"{pair!r} in {text!r}: parameters are written name=value")
            try:
                params[name] = literal_eval(value)
            except (ValueError, SyntaxError):
                params[name] = value
        return cls(runner, params)

    @property
    def search(self) -> Runner:
        """The function itself."""
        if isinstance(self.runner, str):
            return find("runners", self.runner)
        return cast("Runner", self.runner)

    def begin(self, problem: Problem, rng: np.random.Generator, label: str) -> Search:
        """Call the function; raises `RunnerFailed`, with the label, where that goes wrong."""
        try:
            search = self.search(problem, rng, **self.params)
        except (Exception, SystemExit) as error:
            raise RunnerFailed(f"{label}: {type(error).__name__}: {error}") from error
        if isinstance(search, Generator):
            return search
        raise RunnerFailed(f"{self} returned {search!r}: a runner is a generator function")

    @property
    def needs(self) -> frozenset[str]:
        """What its file says that it needs."""
        return frozenset(getattr(inspect.getmodule(self.search), "needs", ()))

    @property
    def twin(self) -> Method | None:
        """The method that its file names as the same from scratch, with the parameters of both."""
        name = getattr(inspect.getmodule(self.search), "twin", None)
        if name is None:
            return None
        taken = Method(name).resolved
        return Method(name, {key: self.params[key] for key in self.params if key in taken})

    def lacks(self, has: Set[str]) -> str:
        """Say what its file `needs` that is not there, given what the evaluator `has`; or ""."""
        for need in sorted(self.needs):
            if need in NEEDS and need not in has:
                return f"{self.name} needs {NEEDS[need]}"
            if need in EXTRAS and find_spec(need) is None:
                return f"{self.name} needs {need}: pip install 'nasbench[{EXTRAS[need]}]'"
            if need not in NEEDS and need not in EXTRAS:
                known = ", ".join([*NEEDS, *EXTRAS])
                raise BadValue(f"{self.name} needs {need!r}; what can be needed is {known}")
        return ""

    @property
    def resolved(self) -> dict[str, Any]:
        """All its hyper-parameters, defaults included; of what JSON can't hold the type."""
        taken = inspect.signature(self.search).parameters.values()
        values = {p.name: p.default for p in taken if p.kind is p.KEYWORD_ONLY} | {**self.params}
        plain = (bool, int, float, str, type(None))
        return {
            name: value if isinstance(value, plain) else type(value).__name__
            for name, value in values.items()
        }

    @property
    def name(self) -> str:
        """The runner's name: its file's, or the function's."""
        if isinstance(self.runner, str):
            return Path(self.runner).name
        return getattr(self.runner, "__name__", type(self.runner).__name__)

    def __str__(self) -> str:
        pairs = (f"{name}={value}" for name, value in sorted(self.params.items()))
        return ":".join([self.name, *pairs])


def _source_sha256(search: Any) -> str:
    try:
        source = inspect.getsource(inspect.getmodule(search) or search)
    except (OSError, TypeError):
        return ""
    return sha256(source.encode()).hexdigest()


def play(search: Search, evaluate: Evaluator, budget: Budget, label: str = "") -> list[Outcome]:
    """Answer a search until it ends or its budget is spent.

    The training that would cross the budget is not part of the result, nor what was asked after it
    in the same batch. Raises `RunnerFailed` where the search raises, breaks its contract, or asks
    nothing for `nasbench.watch.PATIENCE` seconds.
    """
    outcomes: list[Outcome] = []
    most, longest, latest = budget.queries, budget.epochs, budget.seconds
    epochs, seconds, full = 0, 0.0, evaluate.epochs
    try:
        with Watch() as watch:
            watch.thinking = True
            asked = next(search)
            while True:
                watch.thinking = False
                if isinstance(asked, Query):
                    planned = epochs + (full if asked.epochs is None else asked.epochs)
                    within = len(outcomes) + 1 <= most and planned <= longest
                    answers = [evaluate(asked)] if within else []
                else:
                    batch = _batch(asked)
                    answers = evaluate.many(
                        _affordable(batch, most - len(outcomes), longest - epochs, full)
                    )
                    within = len(answers) == len(batch)
                for outcome in answers:
                    epochs += outcome.cost.epochs
                    seconds += outcome.cost.seconds
                    if seconds != seconds and latest < inf:
                        raise NotRecorded("its seconds are not known: budget in queries or epochs")
                    if seconds > latest:
                        within = False
                        break
                    outcomes.append(outcome)
                if not within or len(outcomes) >= most or epochs >= longest:
                    search.close()
                    return outcomes
                watch.step, watch.thinking = len(outcomes), True
                asked = search.send(answers[0] if isinstance(asked, Query) else answers)
    except StopIteration:
        return outcomes
    except Diverged as error:
        raise Diverged(f"{label}, {error}") from None
    except (Exception, SystemExit) as error:
        what = (
            str(error) if isinstance(error, NasbenchError) else f"{type(error).__name__}: {error}"
        )
        raise RunnerFailed(f"{label}, step {len(outcomes) + 1}: {what}") from error


def _batch(asked: Any) -> Sequence[Query]:
    if isinstance(asked, Sequence) and asked and all(isinstance(query, Query) for query in asked):
        return asked
    raise RunnerFailed(f"it yielded {asked!r}: a search yields a Query, or a sequence of them")


def _affordable(
    batch: Sequence[Query], queries: float, epochs: float, full: int
) -> Sequence[Query]:
    """Return the first ones, as many as a budget of so much allows: no other is trained."""
    spent = list(accumulate(full if query.epochs is None else query.epochs for query in batch))
    return batch[: int(min(queries, bisect_right(spent, epochs)))]


def run(
    runner: str | Runner | OneShotRunner,
    where: str | Table,
    seeds: Iterable[int] = (0,),
    budget: Budget | None = None,
    *,
    done: Traces | None = None,
    history: Sequence[Traces] = (),
    **params: Any,
) -> Traces:
    """Run a method on BENCH/SPACE/TASK[@SCHEDULE] (or a table), once a seed; 50 queries by default.

    `runner` is a name, the path of a file, or a function `search(problem, rng, *, ...)`; `params`
    are its hyper-parameters. With `done`, the traces of an earlier call on the same table with a
    budget that was not larger, their steps are replayed and checked, not trained again, and the
    runs go on from there. `history` holds runs on other tasks of the space, one of each, for a
    method that transfers: the run of seed k sees their runs of seed k + `SOURCE_SEEDS`. Raises
    `RunnerFailed` and `Diverged`, naming seed and step.
    """
    method, budget = Method(runner, params), budget or Budget(queries=50)
    evaluate = FromTable(where if isinstance(where, Table) else open_table(where))
    return run_method(method, evaluate, seeds, budget, done, history)


def run_method(
    method: Method,
    evaluate: Evaluator,
    seeds: Iterable[int],
    budget: Budget,
    done: Traces | None = None,
    history: Sequence[Traces] = (),
) -> Traces:
    """Do what `run` does, with any source of answers."""
    if why := method.lacks(evaluate.has | ({"history"} if history else set())):
        raise NotApplicable(f"not applicable: {why}")
    told = head(method, evaluate.where, budget, [other.head for other in history])
    if "live" in method.needs:
        from nasbench.oneshot import run_one_shot

        return run_one_shot(method, evaluate, seeds, budget, told, done)
    problem = evaluate.problem(budget)
    past = {int(seed): row for row, seed in enumerate(done.seed)} if done else {}
    if done:
        continues(done.head, told)
    runs = {}
    for seed in map(check_seed, seeds):
        label = f"{method}, seed {seed}"
        known = replace(problem, history=tuple(_source(other, seed) for other in history))
        search = method.begin(known, np.random.default_rng(seed), label)
        answers: Evaluator = evaluate
        if done and seed in past:
            answers = Replay(done.outcomes(past[seed]), evaluate)
        runs[seed] = play(search, answers, budget, label)
        if isinstance(answers, Replay) and answers.left:
            raise Diverged(f"{label}: it ended {answers.left} steps earlier than before")
    return Traces.record(told, runs)


def check_seed(seed: int) -> int:
    """Return a seed that can be one; raises `BadValue`."""
    if 0 <= seed < 2**63:
        return seed
    raise BadValue(f"a seed of {seed}: it must be at least 0, and less than 2**63")


def _source(past: Traces, seed: int) -> Source:
    """Return what the run of this seed may see of the runs on another task."""
    task, wanted = past.head["task"], seed + SOURCE_SEEDS
    runs = np.flatnonzero(past.seed == wanted)
    if not len(runs):
        raise BadValue(
            f"no run with seed {wanted} on {task}: the run with seed {seed} learns from that one"
        )
    return Source(task, past.outcomes(int(runs[0])))


def continues(done: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Check that runs of one head can go on as runs of another; raises `BadValue`.

    Only the budget may differ, by being larger, and the source of methods: then replay will tell.
    """
    before, now = _fixed(done), _fixed(wanted)
    for key in sorted(before.keys() | now.keys(), key=lambda key: (key == "content_sha256", key)):
        if before.get(key) != now.get(key):
            raise BadValue(f"these are runs with {key} {before.get(key)}, asked was {now.get(key)}")
    had, asked = done["budget"], wanted["budget"]
    if had.keys() != asked.keys() or any(had[name] > asked[name] for name in had):
        raise BadValue(
            f"these are runs of {Budget(**had)}, asked were {Budget(**asked)}: a budget can only "
            "grow"
        )


def _fixed(told: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of a head can't change from one run to those that continue it."""
    fixed = {
        key: told[key] for key in told.keys() - {"budget", "one_shot", "source_sha256", "history"}
    }
    if "history" in told:
        fixed["history"] = ", ".join(
            f"{past['method']} {sorted(past['params'].items())} on "
            f"{past['task']}@{past['schedule']} with {Budget(**past['budget'])}"
            for past in told["history"]
        )
    return fixed


def origin(tasks: Sequence[str]) -> str:
    """Say what is added to the name of a method that learns from these tasks."""
    if len(tasks) < 2:
        return "".join(f" from {task}" for task in tasks)
    return f" from {len(tasks)} tasks"


def head(
    method: Method, where: Where, budget: Budget, history: Sequence[Mapping[str, Any]] = ()
) -> dict[str, Any]:
    """Say what a block of runs is: names and numbers, enough to repeat it.

    `history` are the heads of the runs on other tasks that it learns from, which become part of
    it; `twin` then names the method from scratch that it is to be compared with. Raises `BadValue`
    for runs that a search here must not or can't learn from.
    """
    benchmark, space, task = where.address.split("/")
    tasks = [past["task"] for past in history]
    seen: dict[str, Any] = {}
    if "networks" in method.needs:
        seen["networks"] = Networks.of(where).told()
    if "live" in method.needs and (by := where.trained_by):
        seen["one_shot"] = {"epochs": budget.supernet_epochs, "trained_by": by.content_sha256}
    told = {
        "benchmark": benchmark,
        "content_sha256": where.content_sha256,
        "space": space,
        "task": task,
        "schedule": where.schedule,
        "answers": where.answers,
        "metric": where.task.metric.name,
        "sign": where.task.metric.sign,
        "method": f"{method}{origin(tasks)}",
        "params": method.resolved,
        "source_sha256": method.source_sha256,
        "budget": budget.limits,
        **seen,
    }
    if not history:
        return told
    if task in tasks:
        raise BadValue(f"{where.address}: {task} is target and source: a transfer is from others")
    if len(set(tasks)) < len(tasks):
        raise BadValue(f"{where.address}: a source task occurs twice: {', '.join(tasks)}")
    for past, key in product(history, ("benchmark", "space")):
        if past[key] != told[key]:
            raise BadValue(
                f"{where.address} with {key} {told[key]} can't learn from runs with {past[key]}"
            )
    return {
        **told,
        "history": [dict(past) for past in history],
        "twin": str(method.twin or history[0]["method"]),
    }
