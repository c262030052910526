"""Latencies: of layers from those of networks, and networks that are really measured."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nasbench
from nasbench.__main__ import main
from nasbench.errors import BadFile, BadValue, NotApplicable
from nasbench.find import find
from nasbench.latency import Latencies, measure, record
from nasbench.parts.chain import cost
from nasbench.parts.latency import (
    LatencyModel,
    Variable,
    covering,
    errors,
    smaller,
    variable,
    variables,
)
from nasbench.parts.policy import Floats
from nasbench.spaces.blocks.layerwise import Inverted
from nasbench.store import write
from tests.made_up import made_up
from tests.shapes import __file__ as SHAPES
from tests.small_spaces import Table

pytest.importorskip("torch")
from nasbench.nets import layers
from nasbench.parts.oneshot.prices import Layers, pair_costs
from nasbench.supernet import OneShot
from tests.test_one_shot import LIKE, unlisted

WIDTH = find("spaces", "width")


def known(archs: Any) -> list[Counter[Variable]]:
    return [variables(layers(WIDTH, tuple(arch), 16)) for arch in archs]


def truth(networks: list[Counter[Variable]]) -> Floats:
    """A layer takes a fixed time and some for each multiply-add."""
    return np.array(
        [
            sum(k * (1 + 1e-4 * v.amounts[0] * v.amounts[1] * v.amounts[2]) for v, k in n.items())
            for n in networks
        ]
    )


def test_variables_are_shared_by_equal_layers() -> None:
    (network,) = known([(0, 4, 4, 4, 4)])
    assert sum(network.values()) == 5
    kinds = {v.kind for v in network}
    assert {dict(kind[1:])["stride"] for kind in kinds} == {1, 2}  # type: ignore[index]
    assert all(v.amounts[0] in (3, 8, 40) for v in network)
    space = find("spaces", "transnas_macro")
    twice = variables(layers(space, space.read("64-111144-basic"), 32))
    assert max(twice.values()) > 4
    with pytest.raises(NotApplicable, match="does not say its layers"):
        next(layers(Table(2, 2), (0, 0), 32))


def test_neighbours_in_one_amount() -> None:
    some = [Variable("a", each) for each in [(1, 1), (3, 1), (2, 1), (3, 5)]]
    some.append(Variable("b", (2, 5)))
    assert sorted(smaller(some)) == [(0, 2), (1, 3), (2, 1)]


def test_a_layer_that_does_not_widen_is_of_another_kind() -> None:
    """It has a convolution less than one that fewer channels enter."""
    some = [Inverted(3, "relu", c, 16, 0, 16) for c in (8, 12, 16)]
    known, macs = [variable(each, 81) for each in some], [each.macs(81, 81) for each in some]
    assert macs[2] < macs[0] < macs[1]
    assert smaller(known) == [(0, 1)]


def test_an_identifiable_design_gives_the_layers_back() -> None:
    rng = np.random.default_rng(0)
    v = [Variable("a", (n,)) for n in (1, 2, 3, 4)]
    theta = np.array([1.0, 1.5, 4.0, 4.0])
    networks = [
        Counter(dict(zip(v, row, strict=True))) for row in rng.integers(3, size=(9, 4)).tolist()
    ]
    told = np.array([sum(theta[i] * n[each] for i, each in enumerate(v)) for n in networks])
    for strength in (0, 100):
        found = LatencyModel.fit(networks, told, strength).theta
        assert [found[each] for each in v] == pytest.approx(theta)


def test_predictions_where_layers_are_not_identifiable() -> None:
    """Every network has one layer of each place: a constant may move from one to another."""
    fit, check = covering(WIDTH.choices, 150, np.random.default_rng(0)), list(WIDTH)[::29]
    networks = known(fit)
    columns = sorted({v for n in networks for v in n}, key=repr)
    design = np.array([[n[v] for v in columns] for n in networks])
    assert len(columns) == 105
    assert np.linalg.matrix_rank(design) < len(columns)
    model = LatencyModel.fit(networks, truth(networks))
    others = known(check)
    np.testing.assert_allclose(model.predict(others), truth(others), rtol=1e-6)


def test_order_helps_where_little_was_measured() -> None:
    rng = np.random.default_rng(1)
    networks, others = known(covering(WIDTH.choices, 30, rng)), known(list(WIDTH)[::29])
    noisy = truth(networks) * rng.normal(1, 0.05, 30)
    found = {
        strength: errors(LatencyModel.fit(networks, noisy, strength).predict(others), truth(others))
        for strength in (0, 100)
    }
    assert found[100][1] < found[0][1] < 1
    assert found[100][0] == pytest.approx(found[100][1] * truth(others).mean())


def violation(model: LatencyModel, order: list[tuple[Variable, Variable]]) -> float:
    return max(model.theta[a] - model.theta[b] for a, b in order)


def test_a_strong_order_is_kept() -> None:
    rng = np.random.default_rng(2)
    networks = known(covering(WIDTH.choices, 60, rng))
    told = truth(networks) + rng.normal(0, 3, 60)
    columns = sorted({v for n in networks for v in n}, key=repr)
    order = [(columns[a], columns[b]) for a, b in smaller(columns)]
    far = [violation(LatencyModel.fit(networks, told, k), order) for k in (0, 1e-2, 1e2, 1e6)]
    assert far[0] > 0.5
    assert far[0] > far[1] > far[2] > far[3]
    assert far[3] < 1e-4
    assert min(LatencyModel.fit(networks, told).theta.values()) >= 0


def test_what_was_not_measured_is_not_free() -> None:
    networks = known([(0, 0, 0, 0, 0), (1, 1, 1, 1, 1)])
    model = LatencyModel.fit(networks, truth(networks))
    with pytest.raises(BadValue, match=r"1 of 5 layers were not measured, .*measure more"):
        model.predict(known([(0, 0, 0, 0, 1)]))
    with pytest.raises(BadValue, match="0 latencies, 0 in the mean: there is nothing to learn"):
        LatencyModel.fit([], np.array([]))


def test_draws_cover_all_pairs_evenly() -> None:
    sizes, rng = (3, 5, 2, 5), np.random.default_rng(0)
    drawn = covering(sizes, 100, rng)
    seen = Counter((i, *path[i : i + 2]) for path in drawn for i in range(3))
    pairs = [(i, a, b) for i in range(3) for a, b in product(range(sizes[i]), range(sizes[i + 1]))]
    uniform = np.random.default_rng(0).integers(sizes, size=(100, 4)).tolist()
    by_chance = Counter((i, *path[i : i + 2]) for path in uniform for i in range(3))
    assert min(seen[pair] for pair in pairs) >= 5 > min(by_chance[pair] for pair in pairs)
    early = Counter((i, *path[i : i + 2]) for path in drawn[:20] for i in range(3))
    assert early.keys() == set(pairs)
    assert covering(sizes, 9, np.random.default_rng(1)) != drawn[:9]


# ------------------------------------------------------------------------------------ measurements

FEW = ["--check", "2", "--batch", "2", "--warmup", "0", "--runs", "1", "--out", "ms.json"]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NASBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


def test_networks_are_measured_and_recorded(capsys: pytest.CaptureFixture[str]) -> None:
    header = {"benchmark": "chains", "answers": "best", "title": "", "citation": "", "source": ""}
    header |= {"source_sha256": "", "licence": ""}
    write(Path("chains.h5"), {**header, "notes": [], "left_out": []}, [("w", made_up("width"))])
    line = ["measure-latency", f"{SHAPES}/width/jigsaw", "--sample", "30", *FEW]
    assert main([*line, "--into", "chains.h5", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["size"], told["scale"]["width"]) == (5, 4)  # tiles of images of 16, of the recipe
    assert (told["device"], told["threads"], told["batch"]) == ("cpu", 1, 2)
    assert told["nrmse"] >= 0
    found = Latencies.read("ms.json")
    assert (len(found.fit), len(found.check)) == (len(told["fit"]), len(told["check"]))
    assert 25 <= len(found.fit) <= 30
    assert found.fit == told["fit"]
    bench = nasbench.open("chains.h5")
    info = bench["class_scene"].rows.info["encoder_latency"]
    assert (info.source, info.unit) == ("measured", found.unit)
    assert "on cpu, threads 1, batch 2, median of 1 after 0" in info.unit
    measured = {**found.check, **found.fit}
    rows = bench["class_scene"].rows.names
    known = {name: ms for name, ms in zip(rows, info.values, strict=True) if not np.isnan(ms)}
    assert known == measured
    assert "params" in bench["class_scene"].rows.info
    record("chains.h5", replace(found, fit={rows[0]: 5.0}, check={}))
    values = nasbench.open("chains.h5")["class_scene"].rows.info["encoder_latency"].values
    assert values[0] == 5
    assert np.isnan(values[1:]).all()
    with pytest.raises(BadValue, match="has no networks of nats_size"):
        record("chains.h5", replace(found, space="nats_size"))


def test_few_measurements_explain_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["measure-latency", "width", "--size", "8", "--sample", "1", *FEW]) == 0
    said = capsys.readouterr().out
    assert "width on " in said
    assert "nothing learned: " in said
    found = Latencies.read("ms.json")
    assert found.scale == WIDTH.scale
    with pytest.raises(BadValue, match="no network was measured to check with"):
        replace(found, check={}).errors()


def test_a_network_of_which_widths_are_searched(tmp_path: Path) -> None:
    """What is measured of it is enough to price every choice."""
    where = unlisted()
    live = OneShot(where, 0, 1, np.random.default_rng(0), tmp_path / "state")
    told: dict[str, Any] = {"sample": 60, "check": 2, "batch": 2, "warmup": 0, "runs": 1}
    found = measure("mbconv", live.side, where.recipe.scale, like=LIKE, **told)
    found.write(Path("ms.json"))
    only = live.only_widths(LIKE)
    assert all(only.read(name) in only for name in (*found.fit, *found.check))
    assert len(found.fit) == 60
    costs = pair_costs(live, "ms.json")
    model, archs = found.model(), [only.at(7), only.at(1000)]
    paths = [Layers(only).path(arch) for arch in archs]
    assert cost(costs, paths) == pytest.approx(model.predict(found.networks(archs)))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--like", "8_8_8_8_7"], "'8_8_8_8_7' is not in width"),
        (["--batch", "0"], "0 images a batch: it must be at least 1"),
        (["--sample", "0"], "0 networks to learn from, 20 to check: 1 and 0 at least"),
        (["--device", "nothing"], "no device 'nothing' here, use cpu"),
    ],
)
def test_what_can_not_be_measured(
    more: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["measure-latency", "width", *more]) == 2
    assert message in capsys.readouterr().err
    assert not list(Path().iterdir())


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"nasbench_latency": 2}', '{"nasbench_latency": 1}']
)
def test_files_of_something_else(text: str) -> None:
    Path("ms.json").write_text(text)
    with pytest.raises(BadFile, match=r"ms.json is no file of nasbench measure-latency: "):
        Latencies.read("ms.json")
    with pytest.raises(BadFile, match=r"none.json is no file"):
        Latencies.read("none.json")
