"""Supernets with their heads, what autograd saves, and the equations of the methods on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import spearmanr

from nasbench.benchmark import trainable
from nasbench.budget import Budget
from nasbench.errors import BadFile, RunnerFailed
from nasbench.find import find
from nasbench.loop import run
from nasbench.recipe import Trainable
from nasbench.space import Architecture, Scale
from tests.made_up import look_less
from tests.shapes import BENCHMARK
from tests.test_one_shot import table, trial

torch = pytest.importorskip("torch")
from torch import Tensor  # noqa: E402
from torch.optim import SGD  # noqa: E402

from nasbench.live import Inputs, load  # noqa: E402
from nasbench.nets import Mix  # noqa: E402
from nasbench.parts.oneshot.distribution import over  # noqa: E402
from nasbench.parts.oneshot.importance import importance_weights, surrogate  # noqa: E402
from nasbench.parts.oneshot.relaxation import chosen, straight_through  # noqa: E402
from nasbench.parts.oneshot.sampled import descend, log_likelihoods  # noqa: E402
from nasbench.runners import darts  # noqa: E402
from nasbench.supernet import Batch, OneShot, Saved, Supernet, calibrated  # noqa: E402

ROOT = Path(__file__).parents[1]
SHAPES = str(ROOT / "tests" / "shapes.py")
assert BENCHMARK.live
TASKS = list(BENCHMARK.live.recipes)
CELL = type(find("spaces", "transnas_cell"))


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NASBENCH_HOME", str(tmp_path / "home"))
    look_less(monkeypatch, 4)


def squares(space: str, task: str) -> Trainable:
    """Return what is trained on squares, small."""
    where, _ = trainable(f"{SHAPES}/{space}/{task}")
    scale = Scale(4, 1, 2, modules=2 if space == "cell" else None)
    return replace(where, recipe=replace(where.recipe, train=64, batch=16, scale=scale))


def first(where: Trainable, count: int = 8) -> Batch:
    """Return the first training images."""
    rng = torch.Generator().manual_seed(0)
    return Batch(*Inputs(where)(load(where, "train"), torch.arange(count), rng))


def one_hot(where: Trainable, arch: Architecture) -> list[dict[int, Tensor]]:
    """Say an architecture by weights of all options, absent ones too."""
    space = where.space
    options = [0 if option is None else option for option in space.factor(arch)]
    word = [
        {o: torch.tensor(float(o == option)) for o in range(n)}
        for option, n in zip(options, space.factors, strict=True)
    ]
    return [
        {option: mix[option]} if i in space.apart else mix
        for i, (option, mix) in enumerate(zip(options, word, strict=True))
    ]


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("space", ["cell", "macro"])
def test_a_path_is_the_network_on_its_own(space: str, task: str) -> None:
    """In training and by its own statistics, on every head; weights of 0 and 1 change nothing."""
    where = squares(space, task)
    torch.manual_seed(0)
    net, batch, rng = Supernet(where), first(where), np.random.default_rng(0)
    for arch in [where.space.sample(rng) for _ in range(3)]:
        path, soft = net(batch.x, arch), net(batch.x, one_hot(where, arch))
        alone = net.network(arch)
        torch.testing.assert_close(path, alone(batch.x), atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(soft, path, atol=1e-5, rtol=1e-4)
        with calibrated(net, [batch.x], arch), torch.no_grad():
            path = net(batch.x, arch)
            alone = net.network(arch).eval()
            torch.testing.assert_close(path, alone(batch.x), atol=1e-5, rtol=1e-4)
        again = net(batch.x, arch)
        torch.testing.assert_close(again, net.network(arch).train()(batch.x), atol=1e-5, rtol=1e-4)


def saved(net: Supernet, batch: Batch, word: Any) -> int:
    """Return the bytes that a step saves for its backward pass."""
    counted = Saved()
    with torch.autograd.graph.saved_tensors_hooks(counted.pack, lambda held: held.tensor):
        net.where.task.loss(net(batch.x, word), batch.target).backward()
    assert counted.now == 0  # all of it is freed
    return counted.peak


class Twice(CELL):  # type: ignore[misc, valid-type]
    """The cells with every operation there twice."""

    name = "twice"
    choices = (8,) * 6
    operations = CELL.operations * 2  # type: ignore[attr-defined]
    words = "01234567"
    example = "64-41414-1_02_333"


SPACE = Twice()


def test_what_a_path_saves_does_not_depend_on_the_options() -> None:
    where = squares("cell", "class_object")
    twice = replace(where, space_name=__file__)
    batch, word = first(where), [{3: None}] * 6
    single, double = (saved(Supernet(each), batch, word) for each in (where, twice))
    assert double == pytest.approx(single, rel=0.05)

    def noisy(options: int) -> list[dict[int, Tensor]]:
        logits = torch.zeros(6, options, requires_grad=True)
        towards = torch.nn.functional.one_hot(torch.tensor(3), options)
        return chosen([(row + towards).softmax(-1) for row in logits])

    single, double = (
        saved(Supernet(each), batch, noisy(n)) for each, n in ((where, 4), (twice, 8))
    )
    assert double == pytest.approx(single, rel=0.05)


def test_what_a_mixture_saves_does() -> None:
    where = squares("cell", "class_object")
    batch, net = first(where), Supernet(where)
    all_of_it = [{o: torch.tensor(0.25, requires_grad=True) for o in range(4)}] * 6
    assert saved(net, batch, all_of_it) > 1.5 * saved(net, batch, [{3: None}] * 6)


def test_sixteen_samples_save_no_more_than_two(tmp_path: Path) -> None:
    """The third oracle of PARSEC: gradients are added one network after the other."""
    where = squares("cell", "class_object")
    live = OneShot(where, 0, 1, np.random.default_rng(0), tmp_path / "state")
    net, batch = live.supernet(), first(where)
    archs = [tuple(2 + (i >> bit & 1) for bit in range(6)) for i in range(16)]
    peaks = []
    for k in (2, 16):
        counted = Saved()
        with torch.autograd.graph.saved_tensors_hooks(counted.pack, lambda held: held.tensor):
            om = torch.full((k,), 1 / k)
            descend(live, net, batch, archs[-k:], om, SGD(net.parameters(), 0.0))
        peaks.append(counted.peak)
    assert peaks[1] <= 1.1 * peaks[0]


def test_only_what_runs_learns() -> None:
    where = squares("cell", "class_object")
    net, batch = Supernet(where), first(where)
    net.where.task.loss(net(batch.x, (3, 2, 0, 1, 3, 2)), batch.target).backward()
    got = {name for name, value in net.encoder.named_parameters() if value.grad is not None}
    options = {name.split("options.")[1][:3] for name in got if "options" in name}
    assert options == {"0.3", "1.2", "3.1", "4.3", "5.2"}  # 3.1: a skip that halves has weights


# ------------------------------------------------------------------------------------------- DARTS


def toy(a: Tensor) -> Any:
    """Return L_train = w^2 - 2 a w + a^2 and L_val = a w - 2 a + 1, by which images are asked."""

    def loss(batch: Any, values: Mapping[str, Tensor]) -> Tensor:
        w = values["w"]
        return w**2 - 2 * a * w + a**2 if batch == "train" else a * w - 2 * a + 1

    return loss


def test_one_step_of_second_order() -> None:
    """The bilevel toy at a = 2, w = -2 and xi = .5: w' = 2, the gradient is 0 - .5 x -4 = 2."""
    a = torch.tensor(2.0, requires_grad=True, dtype=torch.float64)
    w = torch.tensor(-2.0, requires_grad=True, dtype=torch.float64)
    loss: Any = toy(a)
    ahead, xi = darts._ahead(loss, "train", {"w": w}, SGD([w], 0.5))  # type: ignore[arg-type]
    assert ahead["w"].item() == pytest.approx(2)
    slope = darts._unrolled(loss, "train", "val", {"w": w}, ahead, xi, a)  # type: ignore[arg-type]
    assert slope.item() == pytest.approx(2, abs=1e-8)
    assert w.item() == -2


def test_momentum_and_decay_move_what_is_ahead() -> None:
    """w' = w - xi (.9 m + grad + .1 w), m the momentum so far."""
    a = torch.tensor(2.0, dtype=torch.float64)
    w = torch.tensor(-2.0, requires_grad=True, dtype=torch.float64)
    sgd = SGD([w], 0.5, momentum=0.9, weight_decay=0.1)
    sgd.state[w]["momentum_buffer"] = torch.tensor(3.0, dtype=torch.float64)
    loss: Any = toy(a)
    ahead, _ = darts._ahead(loss, "train", {"w": w}, sgd)  # type: ignore[arg-type]
    assert ahead["w"].item() == pytest.approx(-2 - 0.5 * (0.9 * 3 - 8 - 0.2))


def test_factors_come_first_in_the_shortest_runs() -> None:
    """Their first epoch is that of a run over factors alone."""
    told: list[dict[str, Any]] = [{}, {"switch": 1.0}, {"switch": 0.0}]
    first, alone, never = (trial("fp_nas", table(), **each).info["entropy"][0] for each in told)
    assert first == alone != never


def test_a_share_that_leaves_no_image() -> None:
    with pytest.raises(RunnerFailed, match=r"a share of 0.999: of 64 images none would be left"):
        trial("dmasking", table(), share=0.999)


def test_darts_without_zeros() -> None:
    """The best of the members that have none, by the same logits: the rest is as it was."""
    some, none = (
        run("darts", table(), [0], Budget(epochs=1), exclude_none=flag, learning_rate=0.1)
        for flag in (False, True)
    )
    assert (none.arch > 0).all()
    assert some.info["entropy"] == none.info["entropy"]
    alike = some.arch == none.arch
    assert alike[some.arch > 0].all()


@pytest.mark.parametrize(("xi", "limit"), [(0.0, 2.0), (0.1, 1.6667), (0.5, 1.0), (0.7, 0.8333)])
def test_where_the_bilevel_toy_converges(xi: float, limit: float) -> None:
    """a = w = 2 / (1 + 2 xi); the true optimum is 1."""
    a = torch.tensor(2.0, requires_grad=True, dtype=torch.float64)
    w = torch.tensor(-2.0, requires_grad=True, dtype=torch.float64)
    loss: Any = toy(a)
    for _ in range(400):
        if xi:
            ahead, _ = darts._ahead(loss, "train", {"w": w}, SGD([w], xi))  # type: ignore[arg-type]
            slope = darts._unrolled(loss, "train", "val", {"w": w}, ahead, xi, a)  # type: ignore[arg-type]
        else:
            (slope,) = torch.autograd.grad(loss("val", {"w": w}), [a])
        (down,) = torch.autograd.grad(loss("train", {"w": w}), [w])
        with torch.no_grad():
            a -= 0.05 * slope
            w -= 0.05 * down
    assert a.item() == pytest.approx(limit, abs=1e-3)
    assert w.item() == pytest.approx(limit, abs=1e-3)


@pytest.mark.parametrize(("order", "passes"), [(False, 2), (True, 5)])
def test_how_often_darts_looks(order: bool, passes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of second order: three losses on training images, one ahead on others, then the weights'."""
    asked: list[int] = []
    loss = OneShot.loss

    def counted(live: OneShot, output: Tensor, target: Tensor) -> Tensor:
        asked.append(1)
        return loss(live, output, target)

    monkeypatch.setattr(OneShot, "loss", counted)
    trial("darts", table(), budget=Budget(epochs=1), second_order=order)
    assert len(asked) == 2 * passes  # of 64 images half train, in batches of 16


# -------------------------------------------------------------------------------------- the others


def test_adaptive_sampling_takes_fewer() -> None:
    where, budget = table(), Budget(epochs=3)
    fast: dict[str, Any] = {"samples": 6, "learning_rate": 0.3}
    adaptive, fixed = (
        run("fp_nas", where, [0], budget, adaptive=each, **fast).info["samples"][-1]
        for each in (True, False)
    )
    assert adaptive < fixed == 3 * 2 * 2 * 6


@pytest.mark.parametrize(
    ("runner", "settings"),
    [
        ("snas", [{"eta": eta} for eta in (0.0, 3.0)]),
        ("proxylessnas", [{"penalty": p, "rate": 30.0} for p in ("", "add#linear")]),
        ("fp_nas", [{"target": target, "scale": "mean"} for target in (None, 15e3)]),
        ("dmasking", [{"penalty": p, "rate": 30.0, "share": 0.5} for p in ("", "add")]),
    ],
)
def test_a_price_makes_cheaper(runner: str, settings: list[dict[str, Any]]) -> None:
    """Expected multiply-adds are fewer under pressure."""
    where, budget = table(), Budget(epochs=3)
    more: dict[str, Any] = {"learning_rate": 0.3}
    if runner in ("proxylessnas", "dmasking"):
        more |= {"warmup": 0.0}
    if runner == "proxylessnas":
        more |= {"every": 1}
    free, priced = (
        run(runner, where, [0], budget, **more, **each).info["macs"][-1] for each in settings
    )
    assert priced < 0.9 * free


@pytest.mark.slow
@pytest.mark.parametrize(
    ("runner", "name", "strengths", "more"),
    [
        ("snas", "eta", (0.0, 0.1, 0.3, 1.0, 3.0), {}),
        ("proxylessnas", "rate", (0.0, 0.3, 1.0, 3.0, 30.0), {"penalty": "add#linear", "every": 1}),
        ("fp_nas", "beta", (0.0, 0.1, 0.3, 1.0, 3.0), {"target": 15e3, "scale": "mean"}),
        ("dmasking", "rate", (0.0, 0.3, 1.0, 3.0, 30.0), {"penalty": "add", "share": 0.5}),
    ],
)
def test_the_higher_the_price_the_cheaper(
    runner: str, name: str, strengths: Sequence[float], more: dict[str, Any]
) -> None:
    """Expected multiply-adds fall with the price: a rank correlation of -.8 or less over five."""
    more = more | {"learning_rate": 0.1}
    if runner in ("proxylessnas", "dmasking"):
        more |= {"warmup": 0.0}
    settings: list[dict[str, Any]] = [{**more, name: each} for each in strengths]
    runs = [run(runner, table(), [0, 1, 2], Budget(epochs=8), **each) for each in settings]
    macs = [traces.info["macs"][traces.start[1:] - 1].mean() for traces in runs]
    assert spearmanr(strengths, macs).statistic <= -0.8


def test_samples_of_logits_teach_no_weight() -> None:
    """Likelihoods of PARSEC's second half have no gradient; the surrogate is of log p alone."""
    where = squares("cell", "class_object")
    net, alpha, batch = Supernet(where), over(where.space), first(where)
    live = OneShot(where, 0, 1, np.random.default_rng(0), Path("state"))
    rows = alpha.sample(3, torch.Generator().manual_seed(0))
    ll = log_likelihoods(live, net, batch, alpha.archs(rows))
    surrogate(importance_weights(ll, len(batch), "sum"), alpha.log_of(rows)).backward()
    assert all(weight.grad is None for weight in net.parameters())
    assert alpha.logits.grad is not None
    assert alpha.logits.grad.abs().sum() > 0


def test_snas_looks_once_for_both_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, loss, slopes = list[int](), OneShot.loss, list[bool]()

    def counted(live: OneShot, output: Tensor, target: Tensor) -> Tensor:
        asked.append(1)
        return loss(live, output, target)

    def clipped(parameters: Any, most: float) -> None:
        slopes.append(any(p.grad is not None and p.grad.abs().sum() > 0 for p in parameters))

    monkeypatch.setattr(OneShot, "loss", counted)
    monkeypatch.setattr("nasbench.runners.snas.clip_grad_norm_", clipped)
    trial("snas", table(), budget=Budget(epochs=1), eta=0.0)
    assert len(asked) == 4  # 64 images in batches of 16
    assert slopes == [True] * 8  # weights, logits


def test_targets_that_nothing_meets() -> None:
    message = "no architecture of transnas_cell costs 0 to 5 multiply-adds: all 4,096 cost"
    with pytest.raises(RunnerFailed, match=message):
        run("fp_nas", table(), [0], Budget(epochs=1), target=5.0)


@pytest.mark.parametrize(
    ("runner", "wrong", "says"),
    [
        ("proxylessnas", {"mode": "some"}, "mode 'some'"),
        ("proxylessnas", {"every": 0}, "at every 0 steps: it must be at least 1"),
        ("proxylessnas", {"reference": 0.5}, "a reference of 0.5: both must be above 1"),
        ("parsec", {"samples": 1}, "samples 1"),
        ("fp_nas", {"samples": 1, "adaptive": False}, "2 to 1 samples: the least is 2"),
        ("dmasking", {"share": 1.0}, "a share of 1.0: weights need images"),
        ("dmasking", {"penalty": "add", "reference": 0.0}, "a reference of 0.0: it must be above"),
    ],
)
def test_settings_that_can_not_be(runner: str, wrong: dict[str, Any], says: str) -> None:
    more: dict[str, Any] = {"warmup": 0.0} if runner in ("proxylessnas", "dmasking") else {}
    with pytest.raises((RunnerFailed, ValueError), match=says):
        run(runner, table(), [0], Budget(epochs=3), **more, **wrong)


def weight_in(mix: Mix, option: int) -> float:
    weight = mix[option]
    return 1.0 if weight is None else float(weight.detach())


@pytest.mark.parametrize("space", ["macro", "width"])
def test_what_runs_of_snas_is_its_largest(space: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where only one option can run: its weight is that of the sample, never a draw's own."""
    where, words = table(space=space), list[Any]()
    forward = Supernet.forward

    def noted(net: Supernet, x: Tensor, word: Any) -> Tensor:
        words.append(word)
        return forward(net, x, word)

    monkeypatch.setattr(Supernet, "forward", noted)
    run("snas", where, [0], Budget(epochs=1), tau_max=0.05, tau_min=0.05)
    relaxed = [word for word in words if not isinstance(word, tuple) and len(word[0]) > 1]
    assert relaxed
    apart = where.space.apart
    for word in relaxed:
        options = [max(mix, key=partial(weight_in, mix)) for mix in word]
        assert over(where.space).holds(options)
        assert all(len(word[i]) == 1 for i in apart)


def test_a_damaged_state_is_said() -> None:
    where, file = squares("cell", "class_object"), ROOT / "README.md"
    with pytest.raises(BadFile, match=r"README.md is damaged, delete it to begin again"):
        OneShot(where, 0, 1, np.random.default_rng(0), file).told()


def test_what_gates_save() -> None:
    """Of two options it is the same for any number; of all of them what each gives, no more."""
    where = squares("cell", "class_object")
    twice, batch = replace(where, space_name=__file__), first(where)

    def two(n: int) -> list[dict[int, Tensor]]:
        logits = torch.zeros(6, n, requires_grad=True)
        words = [straight_through(row[[2, 3]].softmax(-1), 1)[1] for row in logits]
        return [dict(zip((2, 3), gates, strict=True)) for gates in words]

    def full(n: int) -> list[dict[int, Tensor]]:
        logits = torch.zeros(6, n, requires_grad=True)
        return [dict(enumerate(straight_through(row.softmax(-1), 3)[1])) for row in logits]

    def mixture(n: int) -> list[dict[int, Tensor]]:
        logits = torch.zeros(6, n, requires_grad=True)
        return [dict(enumerate(row.softmax(-1))) for row in logits]

    pairs = (where, 4), (twice, 8)
    of_two, of_all, mixed = (
        [saved(Supernet(each), batch, word(n)) for each, n in pairs]
        for word in (two, full, mixture)
    )
    assert of_two[1] == pytest.approx(of_two[0], rel=0.05)
    assert of_two[0] < of_all[0] < of_all[1] < 0.6 * mixed[1]
