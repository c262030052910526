"""Costs of members: multiply-adds, parameters, latencies; and that methods search by them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nasbench.benchmark import trainable
from nasbench.budget import Budget
from nasbench.errors import BadFile, BadValue, RunnerFailed
from nasbench.find import find
from nasbench.loop import run
from nasbench.parts.latency import LatencyModel, Variable, variable, variables
from nasbench.space import Scale

torch = pytest.importorskip("torch")
from nasbench.nets import count_encoders, layers  # noqa: E402
from nasbench.parts.oneshot.atoms import slopes  # noqa: E402
from nasbench.parts.oneshot.channels import Widths  # noqa: E402
from nasbench.parts.oneshot.distribution import over  # noqa: E402
from nasbench.parts.oneshot.free_channels import FreeWidths  # noqa: E402
from nasbench.parts.oneshot.priced import priced  # noqa: E402
from nasbench.supernet import OneShot  # noqa: E402
from tests.made_up import look_less  # noqa: E402
from tests.test_one_shot import SHAPES, table, trial  # noqa: E402
from tests.test_sandwich import WIDTH, file, live  # noqa: E402


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NASBENCH_HOME", str(tmp_path / "home"))


def test_parameters_and_multiply_adds_are_counted() -> None:
    some = live()
    counts = [c for c, _ in count_encoders(WIDTH, WIDTH, some.side, some.where.recipe.scale)]
    for name in "macs", "params":
        price = priced(some, name)
        assert price.members.tolist() == [getattr(each, name) for each in counts]  # type: ignore[union-attr]
        assert price.of(WIDTH.at(77)) == getattr(counts[77], name)
        assert price.typical == np.median([getattr(each, name) for each in counts])


def test_latencies_of_all_members(tmp_path: Path) -> None:
    price = priced(live(), file(tmp_path))
    assert (price.unit, price.name) == ("ms", str(tmp_path / "latency.json"))
    for arch in (0,) * 5, (4,) * 5, (1, 3, 1, 3, 1):
        number = float(price.members[WIDTH.index(arch)])  # type: ignore[arg-type]
        assert number == price.of(arch) == pytest.approx(1 + 0.1 * sum(arch), rel=0.02)
    with pytest.raises(BadFile, match="macc is no file of nasbench measure-latency"):
        priced(live(), "macc")
    with pytest.raises(ValueError, match=r"no architecture of width costs 0 to 0\.1 ms"):
        price.within(0.1)


def test_terms_of_any_price_are_sums_over_layers() -> None:
    """Of a space too large to be listed: any number a layer, coarser grids included."""
    space, scale, theta = find("spaces", "mbconv"), Scale(8, 2, 2), dict[Variable, float]()

    def price(layer: Any, before: int, after: int) -> float:
        return theta.setdefault(variable(layer, before**2), 1 / (1 + len(theta)))

    terms = [(f, torch.from_numpy(t)) for f, t in space.terms(24, scale, price)]
    uniform = over(space)
    rows = uniform.sample(20, torch.Generator().manual_seed(0))
    whole = [variables(layers(space, arch, 24, scale)) for arch in uniform.archs(rows)]
    np.testing.assert_allclose(
        uniform.costs_of(terms, rows), LatencyModel(theta).predict(whole), rtol=1e-12
    )


def test_layers_that_nobody_measured(tmp_path: Path) -> None:
    where, _ = trainable(f"{SHAPES}/mbconv/class_scene")
    some = OneShot(where, 0, 1, np.random.default_rng(0), tmp_path / "none")
    name = "24_c8_1:k3c8x1-k3c8x1_1:k3c16x1-k3c16x1_1:k3c32x1-k3c32x1_c96"
    scale = some.where.recipe.scale
    told = {"space": "mbconv", "scale": scale, "size": some.side, "fit": {name: 1.0}}
    price = priced(some, file(tmp_path, **told))
    assert price.of(find("spaces", "mbconv").read(name)) == pytest.approx(1, rel=1e-3)
    with pytest.raises(BadValue, match=r"of .* layers were not measured, .*measure more"):
        _ = price.members


@pytest.mark.parametrize("runner", ["snas", "proxylessnas", "dmasking", "fp_nas"])
def test_methods_search_by_what_they_are_told(runner: str, tmp_path: Path) -> None:
    """Where the price is all that counts, less is expected than the 2 ms of all in the mean."""
    strong: dict[str, dict[str, Any]] = {
        "snas": {"eta": 1e6, "learning_rate": 0.5},
        "proxylessnas": {"a": 1e6, "b": 9.0, "learning_rate": 0.5, "warmup": 0.0, "every": 1},
        "dmasking": {"penalty": "add", "rate": 1e6, "learning_rate": 0.5, "warmup": 0.0},
        "fp_nas": {"target": 1.01, "beta": 1e3, "learning_rate": 0.5, "switch": 0.0},
    }
    traces = trial(runner, table(space="width"), cost=file(tmp_path), **strong[runner])
    assert traces.info["cost"][-1] < 1.8
    by_params = trial(runner, table(space="width"), cost="params")
    assert (by_params.info["cost"] < 0.5 * by_params.info["macs"]).all()


@pytest.mark.parametrize("runner", ["figs", "atomnas", "cafenet"])
def test_methods_of_widths_keep_any_target(runner: str, tmp_path: Path) -> None:
    """It is in the unit of what is paid; the widest network takes 3 ms."""
    latency, params = file(tmp_path), priced(live(), "params")
    for price, target in (priced(live(), latency), 1.55), (params, 0.5 * params.typical):
        traces = trial(runner, table(space="width"), cost=price.name, target=target)
        costs = [price.of(tuple(arch)) for arch in traces.arch.tolist()]
        assert traces.info["cost"].tolist() == costs
        assert max(costs) <= target
    few = {
        "cafenet": r"no architecture of width costs 0 to 0\.5 ms: all 3,125 cost 1 to 3",
        "figs": r"a target of 0\.5 ms .*: .* in width the narrowest network costs 1, the widest 3",
    }
    with pytest.raises(RunnerFailed, match=few.get(runner, few["figs"])):
        trial(runner, table(space="width"), cost=latency, target=0.5)


def test_the_narrowest_need_not_be_the_fastest(tmp_path: Path) -> None:
    """Not by latencies: what is cheaper is found, and the search is told of it."""
    archs = [(a, *[b, a] * 2) for a in range(5) for b in range(5)]
    odd = {WIDTH.spell(arch): 1 + 0.1 * sum(arch) for arch in archs}
    price = priced(live(), file(tmp_path, fit=odd))
    other = replace(price, of=lambda arch: 3 - 0.1 * sum(arch))
    with pytest.raises(BadValue, match="the narrowest network costs 3, the widest 1"):
        other.check(2.5)
    assert other.of(other.within(2.5).sample(np.random.default_rng(0))) <= 2.5


def test_prices_of_channels_are_in_the_unit_that_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here each step takes as long in any layer; in multiply-adds early ones cost more."""
    some, latency = live(), file(tmp_path)
    widths, options = Widths.of(WIDTH), [2, 0, 4, 1, 3]
    paid = replace(priced(some, latency), of=lambda arch: 1 + 0.1 * sum(arch))
    found = slopes(lambda o: paid.of(WIDTH.member(o)), options, widths)
    assert found == pytest.approx([0.1 / 8] * 5)
    by_name = {name: priced(some, name) for name in ("macs", "params")} | {latency: paid}
    sizes = [tuple(FreeWidths.of(some, price).sizes.values()) for price in by_name.values()]
    assert sizes[2] == (1,) * 5
    assert len(set(sizes)) == 3
    where, hard = table(space="width"), {"tau": 0.5, "learning_rate": 3.0, "warmup": 0.0}
    look_less(monkeypatch)

    def end(runner: str, **told: Any) -> float:
        traces = run(runner, where, [0], Budget(epochs=2), **told)
        return float(traces.info["channels" if runner == "atomnas" else "macs"][-1])

    cut = {"rho": 0.3, "threshold": 0.8, "average": 0.01, "worth": 0.0}
    assert len({end("atomnas", cost=name, **cut) for name in by_name}) == 3
    free, hard["strength"] = end("figs", **hard, strength=0.0), 3.0
    assert free > end("figs", **hard) != end("figs", **hard, cost="params")
    tight, loose = (end("figs", **hard, cost=latency, target=ms) for ms in (1.05, 3.1))
    assert tight < loose == free
    with pytest.raises(RunnerFailed, match="latencies without a target"):
        end("figs", cost=latency)


@pytest.mark.parametrize("runner", ["proxylessnas", "dmasking"])
def test_networks_that_take_less_than_a_millisecond(runner: str, tmp_path: Path) -> None:
    """Their logarithm in ms is below 0, and no power of it; in microseconds it has a slope."""
    archs = [(a, *[b, a] * 2) for a in range(5) for b in range(5)]
    fast = {WIDTH.spell(arch): 0.1 + 0.01 * sum(arch) for arch in archs}
    told: dict[str, Any] = {"a": 1e6, "b": 9.0, "learning_rate": 0.5, "warmup": 0.0}
    told |= {"every": 1} if runner == "proxylessnas" else {"share": 0.5}
    traces = trial(runner, table(space="width"), cost=file(tmp_path, fit=fast), **told)
    assert 0.1 <= traces.info["cost"][-1] < 0.18  # 0.2 in the mean
