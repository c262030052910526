"""What every space must do, run over the folder; then the numbers that ours must have."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import pickle
import re
from collections import defaultdict
from collections.abc import Callable, Hashable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from scipy.stats import chisquare

from nasbench.errors import BadValue, NotApplicable, OutsideSpace
from nasbench.find import find, names
from nasbench.space import Architecture, Space
from tests.made_up import LARGE, SMALL

MBCONV = "24_c8_1:k3c8x1-k3c8x1_1:k5sc16x3-k3c16x1_1:k3c32x1-k3c32x1_c96"


@pytest.fixture(scope="module", params=names("spaces"))
def space(request: pytest.FixtureRequest) -> Space:
    return find("spaces", request.param)


@pytest.fixture(scope="module", params=SMALL)
def small(request: pytest.FixtureRequest) -> Space:
    return find("spaces", request.param)


@pytest.fixture(scope="module", params=LARGE)
def large(request: pytest.FixtureRequest) -> Space:
    return find("spaces", request.param)


@pytest.fixture(scope="module")
def graph(small: Space) -> Any:
    """Who neighbours whom, as a sparse matrix that counts how often."""
    return graph_of(small, small.neighbours)


def graph_of(space: Space, neighbours: Callable[[Architecture], list[Architecture]]) -> Any:
    number = {arch: k for k, arch in enumerate(space)}
    near = [[number[other] for other in neighbours(arch)] for arch in space]
    rows = np.repeat(np.arange(len(space)), [len(others) for others in near])
    ones = np.ones(len(rows), np.int64)
    return csr_array((ones, (rows, np.concatenate(near))), shape=(len(space), len(space)))


def some(space: Space, n: int) -> list[Architecture]:
    rng = np.random.default_rng(0)
    return [space.sample(rng) for _ in range(n)]


def every(space: Space) -> list[Architecture]:
    """All members; of a space too large to be listed a sample, and the ends."""
    if space.name in SMALL:
        return list(space)
    return list(dict.fromkeys([space.at(0), *some(space, 2000), space.at(space.size - 1)]))


# ------------------------------------------------------------------------------ members, spelling


def test_members_are_distinct_plain_values(space: Space) -> None:
    members = every(space)
    assert len(set(members)) == len(members)
    assert len(members) == space.size or space.name in LARGE
    assert all(arch in space for arch in members)
    assert list(islice(space, 50)) == [space.at(index) for index in range(50)]
    assert all(type(gene) is int for arch in members for gene in arch)


def test_edges_are_a_drawing(space: Space) -> None:
    """Nodes are numbered in topological order, and no two different architectures look alike."""
    every = some(space, 200)
    drawn = {arch: tuple(space.edges(arch)) for arch in every}
    assert len(set(drawn.values())) == len(drawn)
    for edges in drawn.values():
        assert all(0 <= source < target for source, target, _ in edges)
        assert {target for _, target, _ in edges} == set(range(1, edges[-1][1] + 1))
    with pytest.raises(OutsideSpace):
        space.edges((99,))


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("transnas_cell", "64-41414-1_02_333", ["0-1 skip", "0-2 ", "1-2 conv1x1", "0-3 conv3x3"]),
        ("transnas_macro", "64-1234-basic", ["0-1 same shape", "1-2 2x channels"]),
        ("nats_size", "8:16:32:64:64", ["0-1 8 channels", "1-2 16 channels"]),
        ("nasbench_macro", "02012100", ["0-1 shortcut", "1-2 mb6_k5"]),
        ("width", "8x16x24x32x40", ["0-1 8 channels", "1-2 16 channels"]),
        ("mbconv", MBCONV, ["0-1 24 pixels, 8 channels", "1-2 k3c8x1", "2-3 k5sc16x3"]),
    ],
)
def test_edges_of_ours(name: str, text: str, expected: list[str]) -> None:
    space = find("spaces", name)
    edges = [f"{source}-{target} {word}" for source, target, word in space.edges(space.read(text))]
    assert edges[: len(expected)] == expected


def test_at_and_index_invert_each_other(space: Space) -> None:
    for arch in every(space):
        assert 0 <= (index := space.index(arch)) < space.size
        assert space.at(index) == arch
    with pytest.raises(IndexError, match=space.name):
        space.at(space.size)


def test_numbers_follow_the_order_of_iteration(small: Space) -> None:
    assert [small.index(arch) for arch in small] == list(range(len(small)))


def test_spelling_round_trips_and_is_injective(space: Space) -> None:
    spelled = {arch: space.spell(arch) for arch in every(space)}
    assert all(space.read(text) == arch for arch, text in spelled.items())
    assert len(set(spelled.values())) == len(spelled)


def test_the_example_is_a_member(space: Space) -> None:
    assert space.spell(space.read(space.example)) == space.example


def test_the_name_is_the_file_s_name(space: Space) -> None:
    assert find("spaces", space.name) is space
    assert space.name in repr(space)


def test_other_spellings_are_refused(space: Space) -> None:
    example = space.example
    others = [find("spaces", name).example for name in names("spaces") if name != space.name]
    near = [f" {example}", f"{example}\n", example[:-1], example[1:], example * 2, f"{example}0"]
    near.append(example.translate({ord(digit): 0x660 + int(digit) for digit in "0123456789"}))
    for text in ["", "0", space.name, *others, *near]:
        with pytest.raises(OutsideSpace, match=re.escape(example)):
            space.read(text)


@settings(deadline=None)
@given(data=st.data())
def test_only_what_spell_writes_is_read(space: Space, data: st.DataObject) -> None:
    example = space.example
    cut = st.integers(0, len(example))
    new = st.text(st.sampled_from([*sorted(set(example)), "9", " ", "\n", "²"]), max_size=3)
    edited = st.builds(lambda i, new, j: example[:i] + new + example[j:], cut, new, cut)
    text = data.draw(st.text() | edited)
    try:
        arch = space.read(text)
    except OutsideSpace:
        return
    assert space.spell(arch) == text


def test_check_takes_any_integers_and_returns_plain_ones(space: Space) -> None:
    for arch in some(space, 20):
        asked: list[Any] = [arch, list(arch), np.array(arch), tuple(map(np.int8, arch))]
        for checked in map(space.check, asked):
            assert checked == arch
            assert all(type(gene) is int for gene in checked)


def test_check_refuses_what_is_not_a_member(space: Space) -> None:
    arch = space.read(space.example)
    wrong: list[Any] = [
        tuple(map(float, arch)),
        np.array(arch, float),
        tuple(map(str, arch)),
        arch[:-1],
        (*arch, 0),
        (),
        (-1, *arch[1:]),
        (space.choices[0], *arch[1:]),
    ]
    for asked in wrong:
        with pytest.raises(OutsideSpace, match=re.escape(space.example)):
            space.check(asked)


def test_pickles_are_small_and_round_trip(space: Space) -> None:
    space.canonical(space.at(0))
    pickled = pickle.dumps(space)
    again = pickle.loads(pickled)
    assert len(pickled) < 200
    assert type(again) is type(space)
    assert every(again) == every(space)


# ---------------------------------------------------------------------------- chance, neighbours


def test_sample_is_uniform(small: Space) -> None:
    bins = min(len(small), 2000)
    bin_of = np.random.default_rng(1).permutation(len(small)) % bins
    drawn = np.bincount(bin_of[[small.index(arch) for arch in some(small, 40_000)]], minlength=bins)
    assert chisquare(drawn, np.bincount(bin_of) / len(small) * 40_000).pvalue > 1e-4


def test_sample_of_a_large_space_is_uniform(large: Space) -> None:
    """By the number's first digits, and by its last ones."""
    index = [large.index(arch) for arch in some(large, 10_000)]
    for bins in ([i * 500 // large.size for i in index], [i % 7 for i in index]):
        assert chisquare(np.bincount(bins)).pvalue > 1e-4
        assert set(bins) == set(range(500 if max(bins) > 6 else 7))


def test_the_generator_is_the_only_chance(space: Space) -> None:
    def draw(seed: int) -> list[Architecture]:
        rng = np.random.default_rng(seed)
        archs = [space.sample(rng) for _ in range(10)]
        return archs + [space.mutate(arch, rng) for arch in archs]

    assert draw(0) == draw(0)
    assert draw(0) != draw(1)


def test_neighbours_are_distinct_mutual_and_never_oneself(graph: Any) -> None:
    assert graph.max() == 1
    assert graph.diagonal().sum() == 0
    assert (graph != graph.T).nnz == 0


def test_neighbours_connect_the_whole_space(graph: Any) -> None:
    assert connected_components(graph, return_labels=False) == 1


def test_neighbours_of_a_large_space(large: Space) -> None:
    """Distinct, mutual, never oneself; from anywhere they lead to anywhere else."""
    here, there = some(large, 2)
    while here != there:
        near = large.neighbours(here)
        assert len(set(near)) == len(near)
        assert here not in near
        assert all(here in large.neighbours(other) for other in near[:: len(near) // 9])
        closer = [other for other in near if distance(other, there) < distance(here, there)]
        here = closer[0]


def distance(a: Architecture, b: Architecture) -> int:
    return sum(x != y for x, y in zip(a, b, strict=True))


def test_neighbours_come_in_a_fixed_order(space: Space) -> None:
    fresh = type(space)()
    for arch in some(space, 20):
        near = space.neighbours(arch)
        assert near == fresh.neighbours(arch)
        near.clear()
        assert space.neighbours(arch) == fresh.neighbours(arch)


def test_mutate_draws_each_neighbour_equally_often(space: Space) -> None:
    rng = np.random.default_rng(0)
    arch = space.read(space.example)
    near = space.neighbours(arch)
    drawn = [near.index(space.mutate(arch, rng)) for _ in range(200 * len(near))]
    assert chisquare(np.bincount(drawn, minlength=len(near))).pvalue > 1e-4


# ------------------------------------------------------------------------------------- encodings


def test_one_hot_is_injective(space: Space) -> None:
    members = every(space)
    bits = space.one_hot(members)
    assert bits.shape == (len(members), sum(space.choices))
    assert (bits.sum(axis=-1) == len(space.choices)).all()
    assert len(np.unique(bits, axis=0)) == len(members)


@pytest.mark.parametrize("encoding", ["one_hot", "paths"])
def test_encodings_take_any_batch(space: Space, encoding: str) -> None:
    encode = getattr(space, encoding)
    archs = some(space, 6)
    single = np.stack([encode(arch) for arch in archs])
    assert single.dtype == np.uint8
    assert set(np.unique(single)) <= {0, 1}
    assert np.array_equal(encode(archs), single)
    assert np.array_equal(encode(np.reshape(archs, (2, 3, -1))), single.reshape(2, 3, -1))
    assert encode(np.empty((0, len(space.choices)), int)).shape == (0, single.shape[-1])


# --------------------------------------------------------------------------------------- classes


def test_a_class_is_named_by_its_first_member(small: Space) -> None:
    members = list(small)
    for view in small.views:
        ids = small.class_ids(view)
        numbers, first = np.unique(ids, return_index=True)
        assert ids.shape == (len(small),)
        assert np.array_equal(numbers, np.arange(len(numbers)))
        assert (np.diff(first) > 0).all()
        canonical = [small.canonical(arch, view) for arch in members]
        assert canonical == [members[first[k]] for k in ids]


def test_classes_of_a_large_space_are_found_one_by_one(large: Space) -> None:
    """Who stands for a class is its own first member, and of one form with all of them."""
    pool = [near for arch in some(large, 5) for near in [arch, *large.neighbours(arch)]]
    for view in large.views:
        first = [large.canonical(arch, view) for arch in pool]
        assert [large.canonical(arch, view) for arch in first] == first
        assert all(large.index(a) <= large.index(b) for a, b in zip(first, pool, strict=True))
        forms = [large.form(arch, view) for arch in pool]
        assert len(set(forms)) == len(set(first)) == len(set(zip(forms, first, strict=True)))
        for ask in (large.class_ids, large.trained_as):
            with pytest.raises(NotApplicable, match=f"{large.name} has .* ask for single ones"):
                ask(view)


def test_a_form_is_a_class(small: Space) -> None:
    for view in small.views:
        of: dict[Hashable, set[int]] = defaultdict(set)
        for arch, k in zip(small, small.class_ids(view).tolist(), strict=True):
            of[small.form(arch, view)].add(k)
        assert sorted(of.values(), key=min) == [{k} for k in range(len(of))]


def test_equal_networks_agree_on_having_a_path(small: Space) -> None:
    has = np.array([small.has_path(arch) for arch in small])
    for view in small.views:
        ids = small.class_ids(view)
        assert np.array_equal(has, has[np.unique(ids, return_index=True)[1]][ids])


def test_an_unknown_view_is_refused(space: Space) -> None:
    arch = space.read(space.example)
    for ask in (space.class_ids, lambda v: space.form(arch, v), lambda v: space.canonical(arch, v)):
        with pytest.raises(BadValue, match="as_built"):
            ask("sideways")


# ----------------------------------------------------------------------------- our five, by number


@pytest.mark.parametrize(
    ("name", "size", "degree"),
    [
        ("transnas_cell", 4096, 18),
        ("nasbench201", 15625, 24),
        ("nats_size", 32768, 35),
        ("nasbench_macro", 6561, 16),
        ("width", 3125, 20),
        ("mbconv", 3 * 2**3 * 120**6, 2 + 3 + 6 * 9),
        ("attentive_nas", 4 * 1536 * 6912 * 128 * 81, 50),
    ],
)
def test_sizes_of_grids(name: str, size: int, degree: int) -> None:
    space = find("spaces", name)
    assert len(space) == size
    assert {len(space.neighbours(arch)) for arch in every(space)} == {degree}


@pytest.mark.parametrize(
    ("name", "view", "classes", "pathless"),
    [
        ("nasbench201", "as_built", 5260, 341),
        ("transnas_cell", "as_built", 1376, 169),
        ("transnas_cell", "stride_1", 1011, 169),
        ("nasbench_macro", "as_built", 3969, 0),
        ("transnas_macro", "as_built", 3256, 0),
        ("nats_size", "as_built", 32768, 0),
        ("width", "as_built", 3125, 0),
    ],
)
def test_numbers_of_classes(name: str, view: str, classes: int, pathless: int) -> None:
    space = find("spaces", name)
    assert len(set(space.class_ids(view).tolist())) == classes
    assert sum(not space.has_path(arch) for arch in space) == pathless


def test_macro_has_three_depths() -> None:
    space = find("spaces", "transnas_macro")
    depths = np.array([6 - arch.count(4) for arch in space])
    assert np.bincount(depths).tolist() == [0, 0, 0, 0, 210, 750, 2296]


@pytest.mark.parametrize("digits", ["1111", "1123", "3331", "222211", "224114", "333331", "444411"])
def test_macro_counts_doublings_and_halvings(digits: str) -> None:
    doublings, halvings = (sum(map(digits.count, pair)) for pair in ("24", "34"))
    space = find("spaces", "transnas_macro")
    if 1 <= doublings <= 3 and 1 <= halvings <= 4:
        assert space.spell(space.read(f"64-{digits}-basic")) == f"64-{digits}-basic"
    else:
        with pytest.raises(OutsideSpace):
            space.read(f"64-{digits}-basic")


def test_macro_refuses_a_gap() -> None:
    with pytest.raises(OutsideSpace):
        find("spaces", "transnas_macro").check((1, 2, 4, 0, 0, 0))


def test_macro_neighbours() -> None:
    space = find("spaces", "transnas_macro")
    degrees = np.array([len(space.neighbours(arch)) for arch in space])
    assert (degrees.min(), round(degrees.mean(), 2), degrees.max()) == (11, 21.51, 39)


def test_macro_by_substitution_alone_falls_apart() -> None:
    space = find("spaces", "transnas_macro")

    def substitutions(arch: Architecture) -> list[Architecture]:
        return [near for near in space.neighbours(arch) if near.count(4) == arch.count(4)]

    graph = graph_of(space, substitutions)
    degrees = graph.sum(axis=1)
    assert (degrees.min(), round(degrees.mean(), 2), degrees.max()) == (8, 13.16, 18)
    assert connected_components(graph, return_labels=False) == 3


@pytest.mark.parametrize(("name", "bits"), [("transnas_cell", 48), ("nasbench201", 100)])
def test_paths_do_not_see_dead_edges(name: str, bits: int) -> None:
    space = find("spaces", name)
    cells = np.array(list(space))
    ways = [(3,), (0, 4), (1, 5), (0, 2, 5)]
    live = np.zeros(cells.shape, bool)
    for way in ways:
        live[:, way] |= (cells[:, way] > 0).all(axis=1, keepdims=True)
    paths = space.paths(cells)
    assert paths.shape == (len(space), bits)
    assert np.array_equal(paths, space.paths(cells * live))
    assert len(np.unique(paths, axis=0)) == len(np.unique(cells * live, axis=0))
    assert np.array_equal(paths.any(axis=1), [space.has_path(arch) for arch in space])
    if name == "transnas_cell":
        assert len(np.unique(paths, axis=0)) == 2128


def test_paths_of_one_cell() -> None:
    paths = find("spaces", "transnas_cell").paths((1, 0, 2, 3, 0, 1))  # 0-3 and 0-1-2-3
    assert np.flatnonzero(paths).tolist() == [2, 3 + 9 + 9 + 3]


def same(name: str, a: str, b: str, view: str = "as_built") -> bool:
    space = find("spaces", name)
    return space.form(space.read(a), view) == space.form(space.read(b), view)


def test_two_convolutions_are_not_one_counted_twice() -> None:
    two = "|none~0|+|nor_conv_1x1~0|none~1|+|nor_conv_1x1~0|none~1|skip_connect~2|"
    twice = "|nor_conv_1x1~0|+|none~0|skip_connect~1|+|none~0|skip_connect~1|skip_connect~2|"
    assert not same("nasbench201", two, twice)


def test_two_pools_of_the_same_sum_are_one_counted_twice() -> None:
    two = "|none~0|+|avg_pool_3x3~0|none~1|+|avg_pool_3x3~0|none~1|skip_connect~2|"
    twice = "|avg_pool_3x3~0|+|none~0|skip_connect~1|+|none~0|skip_connect~1|skip_connect~2|"
    assert same("nasbench201", two, twice)


def test_a_skip_that_halves_is_no_identity() -> None:
    skip_first, conv_first, conv = "64-41414-1_03_001", "64-41414-3_01_001", "64-41414-0_30_001"
    assert same("transnas_cell", conv_first, conv)
    assert same("transnas_cell", skip_first, conv, "stride_1")
    assert not same("transnas_cell", skip_first, conv)


def test_identities_drop_out_between_strided_layers_only() -> None:
    assert same("nasbench_macro", "11101111", "11110111")
    assert not same("nasbench_macro", "11101111", "11111101")
    assert not same("nasbench_macro", "01111111", "10111111")


BEST = {
    "transnas_cell": (
        "3_03_122 3_32_132 3_11_131 3_30_132 3_33_213 3_13_022 3_31_332 1_20_310 1_21_310 1_30_103"
    ),
    "transnas_macro": "21231 224131 22333 2243 211314 222133 224111 221113 223211",
}


def test_the_best_of_transnas_are_read() -> None:
    cell, macro = find("spaces", "transnas_cell"), find("spaces", "transnas_macro")
    assert cell.read("64-41414-3_03_122") == (3, 0, 3, 1, 2, 2)
    assert macro.read("64-2243-basic") == (1, 1, 3, 2, 4, 4)
    for digits in BEST["transnas_cell"].split():
        assert cell.spell(cell.read(f"64-41414-{digits}")) == f"64-41414-{digits}"
    for digits in BEST["transnas_macro"].split():
        assert macro.spell(macro.read(f"64-{digits}-basic")) == f"64-{digits}-basic"


# ------------------------------------------------------------------------------- published data


def column(path: Path, name: str) -> list[str]:
    with gzip.open(path, "rt", newline="") as file:
        return [row[name] for row in csv.DictReader(file)]


def spelled(name: str) -> list[str]:
    space = find("spaces", name)
    return sorted(map(space.spell, space))


def test_transnas101_is_recorded_whole(shared: Path) -> None:
    recorded = column(shared / "data/transnas101/transnas101_best.csv.gz", "arch")
    assert sorted(recorded) == sorted(spelled("transnas_cell") + spelled("transnas_macro"))


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("nasbench201_cifar10", "arch str"),
        ("nasbench201_cifar100", "arch str"),
        ("nasbench201_ImageNet16-120", "arch str"),
        ("nasbench201_search_protocol", "arch"),
    ],
)
def test_nasbench201_is_recorded_whole(shared: Path, file: str, name: str) -> None:
    recorded = column(shared / f"data/nasbench201/{file}.csv.gz", name)
    assert sorted(recorded) == spelled("nasbench201")


class NoGlobals(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"{module}.{name}")


@pytest.mark.parametrize(
    ("folder", "name"),
    [("NATS-tss-v1_0-3ffb9-simple", "nasbench201"), ("NATS-sss-v1_0-50262-simple", "nats_size")],
)
def test_nats_bench_is_recorded_whole(shared: Path, folder: str, name: str) -> None:
    packed = (shared / "data/nats_records" / folder / "meta.pickle.pbz2").read_bytes()
    meta = NoGlobals(io.BytesIO(bz2.decompress(packed))).load()
    assert sorted(meta["meta_archs"]) == spelled(name)


def test_the_thousand_named_cells_of_nats_bench_are_members(shared: Path) -> None:
    path = shared / "data/nats_records/topology_ss_architectures.json"
    assert set(json.loads(path.read_text())) <= set(spelled("nasbench201"))


def test_equal_networks_of_nasbench_macro_have_equal_costs(shared: Path) -> None:
    path = shared / "data/nas_bench_macro/nas-bench-macro_cifar10.json"
    recorded = json.loads(path.read_text())
    assert sorted(recorded) == spelled("nasbench_macro")
    space = find("spaces", "nasbench_macro")
    rows = [recorded[space.spell(arch)] for arch in space]
    costs = np.array([(row["params"], row["flops"]) for row in rows])
    ids = space.class_ids()
    assert np.array_equal(costs, costs[np.unique(ids, return_index=True)[1]][ids])
