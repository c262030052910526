"""A step of the sandwich rule, what is noted of single widths, and what is chosen by it."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nasbench.benchmark import trainable
from nasbench.errors import BadValue, NotApplicable, RunnerFailed
from nasbench.find import find
from nasbench.latency import Latencies
from nasbench.parts.chain import cost, viterbi
from nasbench.space import Scale

torch = pytest.importorskip("torch")
from nasbench.nets import count_encoders  # noqa: E402
from nasbench.parts.oneshot.priced import priced  # noqa: E402
from nasbench.parts.oneshot.prices import Decoder, Layers, pair_costs  # noqa: E402
from nasbench.parts.oneshot.sandwich import Windows, draw, sandwich  # noqa: E402
from nasbench.parts.oneshot.schedules import log_linear  # noqa: E402
from nasbench.supernet import OneShot, Supernet, path  # noqa: E402
from tests.made_up import look_less  # noqa: E402
from tests.test_one_shot import SHAPES, table, trial  # noqa: E402

WIDTH = find("spaces", "width")
WIDEST, NARROWEST = (4,) * 5, (0,) * 5


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NASBENCH_HOME", str(tmp_path / "home"))
    look_less(monkeypatch)


def live(task: str = "class_scene") -> OneShot:
    where = table(task, "width").trained_by
    assert where
    return OneShot(where, 0, 1, np.random.default_rng(0), Path("none"))


def test_masked_architectures_have_the_widest_head() -> None:
    some = live("jigsaw")
    net = some.supernet(masked=True)
    (batch,) = next(some.batches())
    arch = (0, 4, 1, 3, 2)
    masks = net.masks(torch.tensor(arch))
    kept = [4 * (option + 1) // 2 for option in arch]  # of 2 to 10
    assert [int(mask.sum()) for mask in masks] == kept
    assert torch.equal(net(batch.x, arch), net(batch.x, masks))
    each = net.masks(torch.tensor([arch] * len(batch)))
    assert torch.equal(net(batch.x, each), net(batch.x, masks))  # an image's nine parts, too
    plain = Supernet(some.where)
    plain.load_state_dict(net.state_dict())
    assert torch.equal(net(batch.x, WIDEST), plain(batch.x, WIDEST))
    assert not torch.equal(net(batch.x, arch), plain(batch.x, arch))
    cell = table(space="cell").trained_by
    assert cell
    with pytest.raises(NotApplicable, match="transnas_cell decides about more than the widths"):
        Supernet(cell, masked=True)


@pytest.mark.parametrize("task", ["class_scene", "room_layout"])
def test_a_step_descends_on_three_networks(task: str) -> None:
    some = live(task)
    net = some.supernet(masked=True)
    (batch,) = next(some.batches())
    options = torch.randint(5, (len(batch), 5), generator=torch.Generator().manual_seed(0))
    widest = net(batch.x, path(WIDEST))
    outputs = [net(batch.x, NARROWEST), net(batch.x, net.masks(options))]
    soft = widest.detach().softmax(1)
    if task == "class_scene":
        losses = [-(soft * output.log_softmax(1)).sum(1).mean() for output in outputs]
    else:
        losses = [some.loss(output, batch.target) for output in outputs]
    total = sum(losses, some.loss(widest, batch.target))
    wanted = torch.autograd.grad(total, list(net.parameters()), allow_unused=True)
    with torch.no_grad():
        alone = [
            [some.loss(output[i : i + 1], batch.target[i : i + 1]) for i in range(len(batch))]
            for output in (widest, outputs[1])
        ]
    better = (torch.tensor(alone[0]) - torch.tensor(alone[1])) / 5

    sgd = torch.optim.SGD(net.parameters(), 0.0)
    found = sandwich(some, net, batch, options, sgd)
    torch.testing.assert_close(found, better)
    for parameter, slope in zip(net.parameters(), wanted, strict=True):
        assert (parameter.grad is None) == (slope is None)  # other heads are never used
        if slope is not None:
            torch.testing.assert_close(parameter.grad, slope, rtol=1e-4, atol=1e-6)


def test_windows_forget_the_oldest() -> None:
    rng = torch.Generator().manual_seed(0)
    windows, known = Windows((3, 2), 7), dict[tuple[int, int], deque[float]]()
    for _ in range(9):
        options = torch.stack([torch.randint(n, (5,), generator=rng) for n in (3, 2)], 1)
        numbers = torch.randn(5, generator=rng)
        windows.add(options, numbers)
        for row, number in zip(options.tolist(), numbers.tolist(), strict=True):
            for key in enumerate(row):
                known.setdefault(key, deque(maxlen=7)).append(number)
    for i, means in enumerate(windows.means()):
        expected = [np.mean(known[i, option]) for option in range(len(means))]
        assert means.tolist() == pytest.approx(expected, abs=1e-6)
    again = Windows((3, 2), 7)
    again.load_state_dict(windows.state_dict())
    assert [each.tolist() for each in again.means()] == [m.tolist() for m in windows.means()]


def test_what_was_never_drawn_does_not_look_good() -> None:
    """The mean of nothing would be 0, and others are below."""
    windows = Windows((3, 2), 9)
    assert [each.tolist() for each in windows.means()] == [[0, 0, 0], [0, 0]]
    windows.add(torch.tensor([[0, 0], [2, 0]]), torch.tensor([-3.0, -1.0]))
    assert [each.tolist() for each in windows.means()] == [[-3, -3, -1], [-2, -2]]


def test_draws_follow_the_probabilities() -> None:
    p = [np.array([0.1, 0.9, 0.0]), np.array([0.5, 0.5])]
    drawn = draw(p, 4000, torch.Generator().manual_seed(0))
    for i, q in enumerate(p):
        found = torch.bincount(drawn[:, i], minlength=len(q)) / 4000
        assert found.tolist() == pytest.approx(q.tolist(), abs=0.03)


def test_temperatures() -> None:
    points = [(5, 1.0), (6, 0.01), (10, 0.001)]
    assert [log_linear(points, at) for at in (0, 5, 5.5, 6, 8, 10, 99)] == pytest.approx(
        [1, 1, 0.1, 0.01, 0.01 / 10**0.5, 0.001, 0.001]
    )


def test_multiply_adds_are_exact() -> None:
    some = live()
    pairs = pair_costs(some)
    assert cost(pairs, list(WIDTH)).tolist() == [some.cost(arch) for arch in WIDTH]
    decoder = Decoder.of(some, None, "macs", "cpu", "exact", 12)
    assert decoder.target == priced(some).typical
    good = [np.arange(5.0)] * 5
    found = decoder.choice(good, some)
    assert found.info["macs"] == found.info["cost"] <= decoder.target
    assert found.info["utility"] == max(
        sum(arch)
        for arch, macs in zip(WIDTH, [some.cost(arch) for arch in WIDTH], strict=True)
        if macs <= decoder.target
    )
    assert found.rank is not None
    assert found.rank([WIDEST, NARROWEST]) == [20, 0]
    by_price = Decoder.of(some, None, "macs", "cpu", "lagrange", 12)
    gamma = by_price.gamma(good)
    assert by_price.choice(good, some).arch == viterbi(good, by_price.parts, gamma)


def test_layers_of_inverted_residuals_are_a_chain() -> None:
    """A state is an expansion and channels: costs are exact, and so is the best path."""
    mbconv, like = (
        find("spaces", "mbconv"),
        "12_c8_1:k3c8x1-k3c8x1_1:k5shc16x1-k3c16x1_1:k3sc32x1-k3c32x1_c96",
    )
    where, _ = trainable(f"{SHAPES}/mbconv/class_scene")
    where = replace(where, recipe=replace(where.recipe, scale=Scale(8, 1, 2)))
    some = OneShot(where, 0, 1, np.random.default_rng(0), Path("none"))
    space = some.only_widths(like)
    layers, rng = Layers(space), np.random.default_rng(0)
    assert layers.sizes == [15, 15, 15]
    paths = [tuple(rng.integers(15, size=3).tolist()) for _ in range(20)]
    archs = layers.archs(paths)
    assert [layers.path(arch) for arch in archs] == paths
    assert layers.options([[7, 0, 14]]).tolist() == [[2, 1, 0, 0, 4, 2]]
    pairs = pair_costs(some)
    assert cost(pairs, paths).tolist() == [some.cost(arch) for arch in archs]
    counted = [c.macs for c, _ in count_encoders(mbconv, archs[:3], 16, where.recipe.scale)]
    assert cost(pairs, paths[:3]).tolist() == counted
    good = [rng.normal(size=15) for _ in range(3)]
    decoder = Decoder.of(some, None, "macs", "cpu", "exact", 12)
    found = decoder.choice(good, some)
    every = np.array(list(np.ndindex(15, 15, 15)))
    within = cost(pairs, every) <= decoder.target
    assert found.arch in space
    assert found.info["macs"] == found.info["cost"] <= decoder.target
    best = sum(u[every[:, i]] for i, u in enumerate(good))[within].max()
    assert found.info["utility"] == pytest.approx(best)
    assert found.rank is not None
    other = mbconv.read(like.replace("12_", "24_"))
    ranked = np.array(found.rank([found.arch, other]))
    assert ranked[0] == found.info["utility"]
    assert np.isnan(ranked[1])


def file(where: Path, **other: Any) -> str:
    """Write latencies: 1 ms, and 0.1 for each step of width."""
    archs = [(a, *[b, a] * 2) for a in range(5) for b in range(5)]
    ms = {WIDTH.spell(arch): 1 + 0.1 * sum(arch) for arch in archs}
    told: dict[str, Any] = {"space": "width", "scale": Scale(10, 1, 2), "size": 16}
    told |= {"device": "cpu", "processor": "", "threads": 1, "batch": 1, "warmup": 0, "runs": 1}
    Latencies(**told | {"torch": "", "fit": ms, "check": {}} | other).write(where / "latency.json")
    return str(where / "latency.json")


def test_latencies_take_the_place_of_multiply_adds(tmp_path: Path) -> None:
    pairs = pair_costs(live(), file(tmp_path))
    assert cost(pairs, [WIDEST, NARROWEST]).tolist() == pytest.approx([3, 1], rel=1e-3)
    traces = trial("aows", table(space="width"), cost=file(tmp_path), target=1.5)
    assert (traces.info["cost"] <= 1.5).all()


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"device": "cuda"}, "these latencies are of device cuda, asked was cpu"),
        ({"size": 24}, "these latencies are of pixels a side 24, asked was 16"),
        ({"scale": Scale(20, 1, 2)}, "these latencies are of scale .*20.* asked was .*10"),
        ({"space": "nats_size"}, "these latencies are of space nats_size, asked was width"),
    ],
)
def test_latencies_of_something_else(tmp_path: Path, other: dict[str, Any], message: str) -> None:
    with pytest.raises(BadValue, match=message):
        pair_costs(live(), file(tmp_path, **other))


def test_targets_that_nothing_meets() -> None:
    least, most = (live().cost(WIDTH.at(i)) for i in (0, len(WIDTH) - 1))
    message = f"ows.*: a target of 9 can't be met: the least is {least:,}, the most {most:,}"
    with pytest.raises(RunnerFailed, match=message):
        trial("ows", table(space="width"), target=9)
    with pytest.raises(RunnerFailed, match="decoding 'best': of lagrange and exact"):
        trial("aows", table(space="width"), decoding="best")
