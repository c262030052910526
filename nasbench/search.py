"""What a method is: a generator that asks for trainings and is sent their outcomes.

A runner is one function in one file::

    def search(problem: Problem, rng: np.random.Generator, *, <hyper-parameters>) -> Search:
        while True:
            outcome = yield from ask(Query(problem.space.sample(rng)))

It sees nothing but the `Problem`, its generator and validation outcomes.

A one-shot method, whose file says `needs = {"live"}`, asks nothing: it trains a supernet with what
`problem.live` offers, and yields its choice after each epoch.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from numpy.typing import ArrayLike

from nasbench.budget import Budget, Cost
from nasbench.errors import RunnerFailed
from nasbench.space import Architecture, Space
from nasbench.task import Task

if TYPE_CHECKING:
    from nasbench.networks import Networks
    from nasbench.supernet import OneShot


@dataclass(frozen=True, slots=True)
class Query:
    """Train this architecture for so many epochs (the full length, by default), and validate it."""

    arch: Architecture
    epochs: int | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came back: the validation value, the same as a score (more is better), and its price.

    There is no test value here: a method that could see one would use it.
    """

    query: Query
    value: float
    score: float
    cost: Cost


@dataclass(frozen=True, slots=True)
class Source:
    """A search on another task of the same space: what it asked, in order, and what came back."""

    task: str
    outcomes: Sequence[Outcome]


@dataclass(frozen=True)
class Problem:
    """All that a method may know before its first question.

    `epochs` is the length of a full training; `measure(arch)` gives the facts about an
    architecture that cost nothing to know (parameters, recorded latency), by name. `networks` can
    be scored before they are trained; None where the space builds none. `history` holds searches on
    other tasks, where there were any; a runner that `needs` it has one at least. `live` is what a
    one-shot method trains with, None for all others.
    """

    space: Space
    task: Task
    epochs: int
    budget: Budget
    measure: Callable[[Architecture], Mapping[str, float]]
    networks: Networks | None = None
    history: Sequence[Source] = ()
    live: OneShot | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """A one-shot method's word after an epoch: the architecture it would pick now.

    `rank(archs)` scores others the way it ranks them (more is better), if it does. `info` are
    numbers worth knowing, by name; `entropy` is in nats, `macs` an expectation. What it cost is
    measured, not said.
    """

    arch: Architecture
    rank: Callable[[Sequence[Architecture]], ArrayLike] | None = None
    info: Mapping[str, float] = field(default_factory=dict[str, float])


Asked: TypeAlias = Query | Sequence[Query]
Answered: TypeAlias = Outcome | Sequence[Outcome]
Search: TypeAlias = Generator[Asked, Answered, None]
"""A black-box method at work: yields one query or a batch, is sent one outcome or as many."""

Training: TypeAlias = Generator[Choice, None, None]
"""A one-shot method at work: yields its choice after each epoch of its supernet."""

Runner: TypeAlias = Callable[..., Search]
"""`search(problem, rng, *, ...)`, as in every file of `runners/`."""

OneShotRunner: TypeAlias = Callable[..., Training]
"""The same of a one-shot method."""


def ask(query: Query) -> Generator[Asked, Answered, Outcome]:
    """Ask one question: `outcome = yield from ask(Query(arch))`."""
    answer = yield query
    if isinstance(answer, Outcome):
        return answer
    raise RunnerFailed(f"one query was asked, a batch of {len(answer)} was answered")


def ask_all(queries: Sequence[Query]) -> Generator[Asked, Answered, Sequence[Outcome]]:
    """Ask a batch, answered together and in order: `outcomes = yield from ask_all(queries)`."""
    answer = yield queries
    if isinstance(answer, Outcome):
        raise RunnerFailed(f"a batch of {len(queries)} was asked, one outcome was answered")
    return answer


class Searcher(Protocol):
    """A method in ask/tell form, as optimizers from elsewhere have it."""

    def ask(self) -> Query:
        """Say what to train next."""

    def tell(self, outcome: Outcome) -> Any:
        """Take note of what came of it."""


def drive(searcher: Searcher) -> Search:
    """Make a search of an ask/tell object."""
    while True:
        searcher.tell((yield from ask(searcher.ask())))


class AskTell:
    """Make an ask/tell object of a search. A batch is asked one by one and answered together."""

    def __init__(self, search: Search) -> None:
        self._search = search
        self._asked = next(search)
        self._told: list[Outcome] = []

    def ask(self) -> Query:
        """Return the pending question; asking twice changes nothing."""
        if isinstance(self._asked, Query):
            return self._asked
        return self._asked[len(self._told)]

    def tell(self, outcome: Outcome) -> None:
        """Answer the pending question. Raises `StopIteration` when the search has ended."""
        if isinstance(self._asked, Query):
            self._asked = self._search.send(outcome)
            return
        self._told.append(outcome)
        if len(self._told) == len(self._asked):
            told, self._told = self._told, []
            self._asked = self._search.send(told)
