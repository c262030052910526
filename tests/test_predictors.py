"""Searches that predict, and their parts: ensembles, encodings, parts of architectures."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Any

import numpy as np
import pytest

from nasbench.budget import Budget
from nasbench.cell import Cell
from nasbench.errors import RunnerFailed
from nasbench.evaluate import FromTable
from nasbench.find import find, names
from nasbench.loop import run
from nasbench.metrics.ranking import spearman
from nasbench.parts.policy import Floats
from nasbench.parts.predictors import Ensemble, Perceptrons, bananas, encoded, pnas, tokens
from nasbench.runners.bananas import candidates, thompson
from nasbench.search import Outcome, Query
from nasbench.space import Architecture, Listed, Scale, Space
from tests.made_up import made_up

CELL, MACRO = find("spaces", "transnas_cell"), find("spaces", "transnas_macro")
CELLS = [name for name in names("spaces") if isinstance(find("spaces", name), Cell)]


def batches(runner: str, budget: int, **params: Any) -> list[list[Outcome]]:
    """Run on the made-up cells; return what was answered, batch by batch, as far as it goes."""
    evaluate, told, spent = FromTable(made_up()), list[list[Outcome]](), 0
    limit = Budget(queries=budget)
    search = find("runners", runner)(evaluate.problem(limit), np.random.default_rng(0), **params)
    asked = next(search)
    while True:
        assert not isinstance(asked, Query)
        told.append(evaluate.many(asked))
        spent += len(asked)
        try:
            if spent >= budget:
                return told
            asked = search.send(told[-1])
        except StopIteration:
            return told


def quality(archs: Sequence[Architecture]) -> Floats:
    return np.asarray(np.mean(archs, axis=1), np.float64)


def ensemble(rng: int, **params: Any) -> Ensemble:
    params = {"widths": (8, 8), "epochs": 30, "members": 3, "rate": 0.01, **params}
    return Ensemble(lambda archs: encoded(CELL, archs), np.random.default_rng(rng), **params)


SOME = [CELL.at(i) for i in np.random.default_rng(5).permutation(len(CELL))[:60].tolist()]
LEARNED, OTHERS = SOME[:40], SOME[40:]


def test_slopes_of_perceptrons_are_those_of_finite_differences() -> None:
    rng = np.random.default_rng(0)
    networks = Perceptrons((4, 5, 3), 2, rng)
    inputs, by_output = rng.normal(size=(2, 6, 4)), rng.normal(size=(2, 6))

    def loss() -> float:
        return float((by_output * networks.forward(inputs)[0]).sum())

    slopes = networks.slopes(networks.forward(inputs)[1], by_output).copy()
    free = np.ones(len(slopes), bool)
    free[slopes == 0] = False
    assert free.mean() > 0.5
    for at in np.flatnonzero(free).tolist():
        middle = networks.flat[at]
        networks.flat[at] = middle + 1e-6
        above = loss()
        networks.flat[at] = middle - 1e-6
        below = loss()
        networks.flat[at] = middle
        assert slopes[at] == pytest.approx((above - below) / 2e-6, abs=1e-6)


def test_perceptrons_are_what_their_docstring_says() -> None:
    rng = np.random.default_rng(0)
    networks = Perceptrons((4, 5, 3), 2, rng)
    networks.flat += 0.1 * rng.normal(size=networks.flat.shape)
    for layer in networks.layers[:-1]:
        layer[:, :-1, -1], layer[:, -1, -1] = 0, 1
    inputs = rng.normal(size=(1, 6, 4))
    outputs, _ = networks.forward(inputs)
    for member in range(2):
        values = inputs[0]
        for i, layer in enumerate(networks.layers):
            weights = layer[member] if i == 2 else layer[member, :, :-1]
            values = values @ weights[:-1] + weights[-1]
            values = values if i == 2 else np.maximum(values, 0)
        assert outputs[member] == pytest.approx(values[:, 0])


def test_what_is_always_one_stays_so_while_the_rest_learns() -> None:
    learner = ensemble(0)
    learner.fit(LEARNED, quality(LEARNED))
    assert learner._networks
    for layer in learner._networks.layers[:-1]:
        assert (layer[:, :-1, -1] == 0).all()
        assert (layer[:, -1, -1] == 1).all()
        assert (layer[:, -1, :-1] != 0).any(), "biases move"


@pytest.mark.parametrize("make", [bananas, pnas])
def test_predictors_learn_what_is_good(make: Any) -> None:
    learner = make(CELL, np.random.default_rng(0))
    learner.fit(LEARNED, quality(LEARNED))
    others = [arch for arch in CELL if arch not in LEARNED]
    assert spearman(learner.predict(others), quality(others)) > 0.4
    assert spearman(learner.predict(LEARNED), quality(LEARNED)) > 0.8


def test_members_differ_and_their_mean_is_predicted() -> None:
    learner = ensemble(0)
    with pytest.raises(ValueError, match="fit before you predict"):
        learner.predict(OTHERS)
    learner.fit(LEARNED, quality(LEARNED))
    opinions = learner.opinions(OTHERS)
    assert opinions.shape == (3, 20)
    assert (opinions.std(axis=0) > 0).all()
    assert learner.predict(OTHERS) == pytest.approx(opinions.mean(axis=0))


def test_predictions_do_not_depend_on_the_unit_nor_on_how_many_are_asked() -> None:
    one, other = ensemble(0), ensemble(0)
    one.fit(LEARNED, quality(LEARNED))
    other.fit(LEARNED, 1000 * quality(LEARNED) - 7)
    assert other.predict(OTHERS) == pytest.approx(1000 * one.predict(OTHERS) - 7)
    everything = one.predict(list(CELL))
    assert everything[[CELL.index(arch) for arch in OTHERS]] == pytest.approx(one.predict(OTHERS))


def test_a_training_that_diverged_is_as_bad_as_the_worst() -> None:
    scores = quality(LEARNED)
    scores[3] = scores.min()
    one, other = ensemble(0), ensemble(0)
    one.fit(LEARNED, scores)
    scores[3] = -inf
    other.fit(LEARNED, scores)
    assert other.predict(OTHERS).tolist() == one.predict(OTHERS).tolist()
    none = ensemble(0)
    none.fit(LEARNED, np.full(40, -inf))
    assert np.isfinite(none.predict(OTHERS)).all()


def test_a_second_fit_goes_on_from_the_first() -> None:
    learner, new = ensemble(0, rate=1e-9), ensemble(0, rate=1e-9)
    learner.rate = 0.01
    learner.fit(LEARNED, quality(LEARNED))
    new.fit(LEARNED, quality(LEARNED))
    before = learner.predict(OTHERS)
    learner.rate = 1e-9
    learner.fit(LEARNED, quality(LEARNED))
    assert learner.predict(OTHERS) == pytest.approx(before, abs=1e-4)
    assert new.predict(OTHERS) != pytest.approx(before, abs=1e-2)


@pytest.mark.parametrize("n", [1, 4, 10, 43])
def test_each_member_is_spared_another_fifth(n: int) -> None:
    rows = ensemble(0, members=5, share=0.8)._parts(n)
    assert all(len(set(each)) == len(each) for each in rows.tolist())
    assert rows.shape == (5, max(1, int(0.8 * n)))
    if n % 5 == 0:
        assert np.bincount(rows.ravel()).tolist() == [4] * n, "each row is left out once"
    assert ensemble(0, members=5)._parts(n).shape == (5, n)


@pytest.mark.parametrize("wrong", [{"members": 0}, {"widths": ()}, {"rate": 0}, {"epochs": 0}])
def test_an_ensemble_of_nothing_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="each must be at least 1"):
        ensemble(0, **wrong)


def test_cells_are_encoded_by_paths_and_others_by_options() -> None:
    assert encoded(CELL, LEARNED).shape == (40, 48)
    dead = (2, 0, 1, 3, 0, 0), (2, 0, 3, 3, 0, 0)  # what enters node 2 goes nowhere
    assert encoded(CELL, dead[:1]).tolist() == encoded(CELL, dead[1:]).tolist()
    assert CELL.one_hot(dead[0]).tolist() != CELL.one_hot(dead[1]).tolist()
    assert encoded(MACRO, [MACRO.at(0)]).shape == (1, 30)


def test_tokens_average_over_decisions() -> None:
    one, three = tokens(CELL, [(2,), (2, 2, 3)]).reshape(2, 7, 4)
    assert one[0].tolist() == one[1].tolist() == [0, 0, 1, 0]
    assert three[0] == pytest.approx([0, 0, 2 / 3, 1 / 3])
    assert three[[1, 2, 3], [2, 2, 3]] == pytest.approx(1 / 3)
    assert (one[2:] == 0).all()
    assert (three[4:] == 0).all()


def test_averaging_alone_loses_where_an_option_stands() -> None:
    """The weakness of the authors' average over blocks, and that tokens with places don't share."""
    one, other = tokens(CELL, [(1, 2, 3), (3, 1, 2)])
    assert one[:4].tolist() == other[:4].tolist()
    assert one.tolist() != other.tolist()


@pytest.mark.parametrize("space", [CELL, MACRO, find("spaces", "nats_size")])
def test_candidates_are_new_mutants_of_the_best_themselves(space: Space) -> None:
    rng = np.random.default_rng(0)
    known = {space.sample(rng): float(score) for score in rng.permutation(40)}
    best = sorted(known, key=lambda arch: -known[arch])
    found = candidates(space, known, parents=3, mutants=100, batch=10, rng=rng)
    assert len(set(found)) == len(found) > 20
    assert not known.keys() & set(found)
    assert set(found) <= {near for parent in best[:3] for near in space.neighbours(parent)}
    few = candidates(space, known, parents=3, mutants=5, batch=10, rng=rng)
    assert len(few) >= 10, "the next best are parents too where a batch isn't full"
    assert set(few) <= {near for parent in best for near in space.neighbours(parent)}


def test_no_candidates_where_all_is_known() -> None:
    known = dict.fromkeys(CELL, 0.0)
    assert candidates(CELL, known, 1, 2, 10, np.random.default_rng(0)) == []


def test_sampling_without_variance_is_greedy() -> None:
    means = np.array([0.1, 0.7, 0.3, 0.9, 0.2])
    rng = np.random.default_rng(0)
    assert thompson(np.tile(means, (5, 1)), 3, rng).tolist() == [3, 1, 2]
    opinions = np.stack([means - 0.3, means + 0.3])
    drawn = {tuple(thompson(opinions, 2, rng).tolist()) for _ in range(200)}
    assert (3, 1) in drawn
    assert len(drawn) > 5
    first = np.bincount([thompson(opinions, 1, rng)[0] for _ in range(2000)], minlength=5)
    assert np.argsort(-first).tolist()[:2] == [3, 1], "the likelier, the better the mean"


def test_bananas_asks_batches_of_new_ones() -> None:
    told = batches("bananas", 60, epochs=20)
    assert [len(batch) for batch in told] == [10] * 6
    archs = [outcome.query.arch for batch in told for outcome in batch]
    assert len(set(archs)) == 60
    for i in range(1, 6):
        known = sorted((o for batch in told[:i] for o in batch), key=lambda o: -o.score)
        near = {arch for o in known[:5] for arch in CELL.neighbours(o.query.arch)}
        assert {outcome.query.arch for outcome in told[i]} <= near


def test_bananas_asks_what_its_ensemble_prefers() -> None:
    """With the truth learned from 10 to 50 cells its batches beat mutants that chance takes."""
    picked = np.mean([o.score for batch in batches("bananas", 60)[2:] for o in batch])
    blind = np.mean([o.score for batch in batches("bananas", 60, epochs=1)[2:] for o in batch])
    assert picked > blind


@pytest.mark.parametrize("runner", ["bananas", "pnas"])
def test_predicting_beats_chance(runner: str) -> None:
    table = made_up()

    def found(name: str, **params: Any) -> float:
        traces = run(name, table, range(5), Budget(queries=60), **params)
        return float(np.mean([traces.score[traces.steps(i)].max() for i in range(5)]))

    assert found(runner, epochs=40) > found("random_search")


@pytest.mark.parametrize("name", CELLS)
def test_cells_grow_by_nodes(name: str) -> None:
    space = find("spaces", name)
    n = space.choices[0]
    one = space.grow(())
    two = [part for small in one for part in space.grow(small)]
    assert len(one) == n
    assert len({*two}) == len(two) == n**3
    assert all(part[:1] in one for part in two)
    assert space.grow(two[-1]) == [(*two[-1], *rest) for rest in np.ndindex(n, n, n)]
    assert space.grow(space.at(7)) == []
    assert space.complete(space.at(7)) == space.at(7)


@pytest.mark.parametrize("name", CELLS)
def test_a_small_cell_is_the_whole_cell_that_stands_for_it(name: str) -> None:
    space = find("spaces", name)
    assert isinstance(space, Cell)
    zero, skip = (
        [kind for _, kind in space.operations].index(kind) for kind in ("zero", "identity")
    )
    for op in range(space.choices[0]):
        assert space.complete((op,)) == (op, zero, zero, zero, skip, zero)
        direct = (zero, zero, zero, op, zero, zero)
        for view in space.views:
            assert space.form(space.complete((op,)), view) == space.form(direct, view)
    assert space.complete((3, 0, 2)) == (3, 0, 2, zero, zero, skip)


def test_networks_of_both_compute_the_same() -> None:
    import torch

    scale = Scale(width=4, depth=2, modules=2)
    images = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    for op in (1, 2, 3):
        small = CELL.build((0, 0, 0, op, 0, 0), scale).eval()
        whole = CELL.build(CELL.complete((op,)), scale).eval()
        weights = list(small.state_dict().values())
        names = list(whole.state_dict())
        whole.load_state_dict(dict(zip(names, weights, strict=True)))
        assert torch.equal(whole(images), small(images))
        assert small(images).std() > 0


def test_macro_networks_grow_by_a_module_anywhere() -> None:
    start = MACRO.grow(())
    assert len(set(start)) == len(start) == 210
    sizes = [start]
    for size, count in ((5, 750), (6, 2296)):
        grown = [(small, part) for small in sizes[-1] for part in MACRO.grow(small)]
        assert all(MACRO.complete(part) in MACRO and len(part) == size for _, part in grown)
        for small, part in grown[::97]:
            assert small in {part[:i] + part[i + 1 :] for i in range(size)}
        sizes.append(sorted({part for _, part in grown}))
        assert len(sizes[-1]) == count, "every network of this size grows from a smaller one"
    assert MACRO.grow(sizes[-1][0]) == []
    assert MACRO.complete(start[0]) == (*start[0], 4, 4)


def test_elsewhere_decisions_are_made_one_by_one() -> None:
    sizes = find("spaces", "nats_size")
    assert sizes.grow(()) == [(gene,) for gene in range(8)]
    assert sizes.grow((2, 3, 1, 1))[-1] == (2, 3, 1, 1, 7)
    assert sizes.grow((2, 3, 1, 1, 7)) == []
    assert sizes.complete((2, 3)) == (2, 3, 7, 7, 7)


@pytest.mark.parametrize("name", names("spaces"))
def test_every_space_says_how_its_members_grow(name: str) -> None:
    space, rng = find("spaces", name), np.random.default_rng(0)
    for _ in range(20):
        part: Architecture = ()
        steps = 0
        while grown := space.grow(part):
            assert len(set(grown)) == len(grown)
            assert all(len(other) > len(part) for other in grown)
            part = grown[int(rng.integers(len(grown)))]
            assert space.complete(part) in space
            steps += 1
        assert steps > 1
        assert space.complete(part) == part


class Sum(Listed):
    """Three bits with a sum of one or two."""

    name, choices, example = "sum", (2, 2, 2), "100"

    def __contains__(self, arch: object) -> bool:
        return isinstance(arch, tuple) and super().__contains__(arch) and 0 < sum(arch) < 3

    def spell(self, arch: Architecture) -> str:
        return "".join(map(str, arch))

    def read(self, text: str) -> Architecture:
        return tuple(map(int, text))

    def neighbours(self, arch: Architecture) -> list[Architecture]:
        return [
            other for other in self if sum(a != b for a, b in zip(arch, other, strict=True)) == 1
        ]


def test_parts_lead_to_members_where_not_all_combinations_exist() -> None:
    space = Sum()
    assert space.grow(()) == [(0,), (1,)]
    assert space.grow((1, 1)) == [(1, 1, 0)]
    assert space.grow((1, 1, 0)) == []
    assert (space.complete((0,)), space.complete((1,))) == ((0, 1, 1), (1, 1, 0))


@pytest.mark.parametrize(("beam", "sizes"), [(2, [4, 2, 2]), (16, [4, 16, 16]), (64, [4, 64, 64])])
def test_pnas_trains_all_of_the_first_size_and_a_beam_of_each_other(
    beam: int, sizes: list[int]
) -> None:
    told = batches("pnas", sum(sizes) + 1, beam=beam, epochs=5)
    assert [len(batch) for batch in told[:3]] == sizes
    parts = [
        [o.query.arch[:size] for o in batch] for batch, size in zip(told, (1, 3, 6), strict=False)
    ]
    assert {CELL.complete(part) for part in parts[0]} == {o.query.arch for o in told[0]}
    assert {CELL.complete(part) for part in parts[1]} == {o.query.arch for o in told[1]}
    for small, large in ((0, 1), (1, 2)):
        score = {p: o.score for p, o in zip(parts[small], told[small], strict=True)}
        best = sorted(score, key=lambda part: -score[part])[:beam]
        assert {part[: len(best[0])] for part in parts[large]} <= set(best)


def test_pnas_without_a_beam_is_exhaustive() -> None:
    told = batches("pnas", 10_000, beam=10_000, epochs=1, width=1, members=1)
    archs = [outcome.query.arch for batch in told for outcome in batch]
    assert [len(batch) for batch in told] == [4, 64, 4096 - 68]
    assert len(set(archs)) == 4096


def test_pnas_goes_on_with_the_last_size_and_asks_nothing_twice() -> None:
    told = batches("pnas", 100, beam=8, epochs=5)
    assert [len(batch) for batch in told[:5]] == [4, 8, 8, 8, 8]
    archs = [outcome.query.arch for batch in told for outcome in batch]
    assert len(set(archs)) == len(archs)
    small = {o.query.arch[:3] for o in told[1]}
    assert {arch[:3] for batch in told[2:] for arch in (o.query.arch for o in batch)} <= small


@pytest.mark.parametrize(
    ("runner", "params"),
    [
        ("bananas", {"batch": 0}),
        ("bananas", {"layers": 0}),
        ("bananas", {"learning_rate": 0.0}),
        ("pnas", {"beam": 0}),
        ("pnas", {"members": 0}),
        ("pnas", {"later_rate": 0.0}),
    ],
)
def test_what_cannot_be_is_refused(runner: str, params: dict[str, Any]) -> None:
    with pytest.raises(RunnerFailed, match="at least"):
        run(runner, made_up(), **params)
