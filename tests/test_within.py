"""Members at equal cost, drawn uniformly: the control of searches that have a target."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nasbench.budget import Budget, Cost
from nasbench.errors import BadValue, RunnerFailed
from nasbench.find import find
from nasbench.latency import Latencies
from nasbench.loop import Method, run
from nasbench.parts import within
from nasbench.parts.genetic import evolve
from nasbench.parts.within import Within
from nasbench.search import AskTell, Outcome, Problem
from nasbench.space import Architecture
from nasbench.table import Info, Table
from tests.made_up import made_up

WIDTH = find("spaces", "width")


def macs(arch: Architecture) -> float:
    """Return something that is bilinear, like multiply-adds."""
    return float(sum((a + 1) * (b + 1) for a, b in zip((1, *arch), arch, strict=False)))


def members(least: float, most: float) -> set[Architecture]:
    return {arch for arch in WIDTH if least <= macs(arch) <= most}


def counted() -> Table:
    """Return a table that knows the multiply-adds."""
    table = made_up("width")
    info = {**table.rows.info, "macs": Info(np.array([macs(a) for a in table.rows.archs]))}
    return replace(table, rows=replace(table.rows, info=info))


@pytest.mark.parametrize("listed", [0, 3125])
def test_draws_are_uniform_over_what_is_within(
    listed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(within, "LISTED", listed)
    these, rng = Within(WIDTH, macs, 90, 94, "macs"), np.random.default_rng(0)
    want = members(90, 94)
    assert 5 < len(want) < 40
    drawn = Counter(these.sample(rng) for _ in range(40 * len(want)))
    assert set(drawn) == want
    assert max(drawn.values()) < 80
    assert all((arch in these) == (arch in want) for arch in WIDTH)
    assert (9,) * 5 not in these


@pytest.mark.parametrize("listed", [0, 3125])
def test_limits_that_nothing_is_within(listed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(within, "LISTED", listed)
    whose = "all 3,125" if listed else "10,000 that were drawn"
    message = (
        f"no architecture of width costs 200 to 300 macs: {whose} cost 6 to 110, of which 110 is"
    )
    with pytest.raises(ValueError, match=message):
        Within(WIDTH, macs, 200, 300, "macs")


@pytest.mark.parametrize("tolerance", [0.05, 0.0])
def test_random_search_at_equal_cost_in_a_table(tolerance: float) -> None:
    budget = Budget(queries=40)
    traces = run("random_search", counted(), range(3), budget, target=60, tolerance=tolerance)
    asked = set(map(tuple, traces.arch.tolist()))
    assert asked <= members(60 * (1 - tolerance), 60 * (1 + tolerance))
    assert len(asked) > 20


def test_at_equal_cost_by_another_fact() -> None:
    table = made_up("width")
    traces = run("random_search", table, [0], target=9007, tolerance=0, against="params")
    assert set(traces.arch.sum(1)) == {9}


def test_at_equal_latency(tmp_path: Path) -> None:
    """By a file, of networks that are looked up or trained."""
    pytest.importorskip("torch")
    from nasbench.training import FromTraining
    from tests.test_live import shapes
    from tests.test_sandwich import file

    where, budget = shapes("jigsaw", "width"), Budget(queries=20)
    like_it = file(tmp_path, scale=where.recipe.scale, size=5)
    told: dict[str, Any] = {"target": 1.5, "tolerance": 0.04, "against": like_it}
    looked_up = run("random_search", made_up("width"), [0], budget, **told).arch
    trained = asked_for(FromTraining(where).problem(budget), **told)
    expected = Latencies.read(like_it).learned()
    assert all(1.44 <= expected(tuple(arch)) <= 1.56 for arch in (*looked_up.tolist(), *trained))
    assert len(set(trained)) > 10
    with pytest.raises(RunnerFailed, match=r"width costs 4\.8 to 5\.2 ms: all 3,125 cost"):
        run("random_search", made_up("width"), [0], **told | {"target": 5})
    with pytest.raises(RunnerFailed, match="latencies are of space width, asked was transnas_cell"):
        run("random_search", made_up("transnas_cell"), [0], **told)
    other = FromTraining(shapes("class_scene", "width")).problem(budget)
    with pytest.raises(BadValue, match="these latencies are of pixels a side 5, asked was 16"):
        asked_for(other, **told)
    slower = {each: 10 * ms for each, ms in Latencies.read(like_it).fit.items()}
    file(tmp_path, scale=where.recipe.scale, size=5, fit=slower)  # the same file, written again
    again = run("random_search", made_up("width"), [0], budget, **told | {"target": 15}).arch
    expected = Latencies.read(like_it).learned()
    assert all(14.4 <= expected(tuple(arch)) <= 15.6 for arch in again.tolist())
    with pytest.raises(RunnerFailed, match=r"none\.json is no file of nasbench measure-latency"):
        run("random_search", made_up("width"), [0], **told | {"against": "none.json"})


@pytest.mark.parametrize(
    ("params", "why"),
    [
        (
            {"target": 500},
            "step 1: ValueError: no architecture of width costs 475 to 525 macs",
        ),
        ({"target": 60, "against": "flops"}, "no 'flops' is known .* known: params, macs"),
    ],
)
def test_a_target_that_can_not_be_met(params: dict[str, Any], why: str) -> None:
    with pytest.raises(RunnerFailed, match=why):
        run("random_search", counted(), [0], **params)


def test_random_search_at_equal_cost_where_networks_are_trained() -> None:
    pytest.importorskip("torch")
    from nasbench.training import FromTraining
    from tests.test_live import shapes

    where = shapes("jigsaw", "width")
    problem = FromTraining(where).problem(Budget(queries=20))
    middle = float(np.median([problem.measure(arch)["macs"] for arch in where.space]))
    asked = asked_for(problem, target=middle, tolerance=0.01)
    cost = [problem.measure(arch)["macs"] for arch in asked]
    assert max(abs(c / middle - 1) for c in cost) <= 0.01
    assert len(set(asked)) > 10


def asked_for(problem: Problem, **params: object) -> list[Architecture]:
    """Return twenty architectures that random search asks for."""
    search = Method("random_search").search(problem, np.random.default_rng(0), **params)
    told, asked = AskTell(search), []
    for _ in range(20):
        query = told.ask()
        asked.append(query.arch)
        told.tell(Outcome(query, 0.0, 0.0, Cost(1, 3, 1.0)))
    return asked


@pytest.mark.parametrize("name", ["width", "transnas_macro"])
def test_evolution_stays_within_and_scores_once(name: str) -> None:
    space, seen = find("spaces", name), list[Architecture]()

    def score(arch: Architecture) -> float:
        seen.append(arch)
        return float(sum(arch))

    some = [space.sample(np.random.default_rng(1)) for _ in range(99)]
    most = float(np.median([sum(arch) for arch in some]))
    limits = Within(space, lambda arch: float(sum(arch)), 0, most, "points")
    numbers: dict[str, Any] = {
        "population": 12,
        "generations": 9,
        "parents": 4,
        "mutants": 5,
        "crossings": 5,
    }
    rng = np.random.default_rng(0)
    found = evolve(space, score, rng, mutation=0.3, within=limits, **numbers)
    assert len(seen) == len(set(seen)) == len(found)
    assert all(arch in space and sum(arch) <= most for arch in found)
    assert [sum(arch) for arch in found] == sorted(map(sum, found), reverse=True)
    assert sum(found[0]) == most
    only = evolve(space, score, rng, mutation=0.3, **{**numbers, "generations": 1})
    assert 1 < len(only) <= 12


def test_limits_in_ms() -> None:
    with pytest.raises(ValueError, match=r"0 to 0\.1 ms: all 3,125 cost 0\.2 to 0\.4, of"):
        Within(WIDTH, lambda arch: 0.2 + 0.01 * sum(arch), 0, 0.1, "ms")


def test_mutants_of_widths_alone() -> None:
    """Nothing else is drawn: of a space where it can't differ a draw would hardly be a member."""
    space = find("spaces", "mbconv")
    only = space.only_widths(tuple(n - 1 for n in space.choices))
    numbers: dict[str, Any] = {"population": 8, "generations": 3, "parents": 3, "mutants": 4}
    rng = np.random.default_rng(0)
    lived = evolve(only, lambda arch: -float(sum(arch)), rng, mutation=1.0, crossings=2, **numbers)
    assert all(arch in only for arch in lived)
    assert len({only.factor(arch) for arch in lived}) == len(lived) > 16
