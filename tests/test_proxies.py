"""Zero-cost proxies: by hand on networks of a few weights, and that nothing is left behind."""

from __future__ import annotations

import copy
from dataclasses import replace
from math import inf, log, log1p
from typing import Any

import numpy as np
import pytest

from nasbench.errors import BadValue, NotApplicable, UnknownName
from nasbench.find import find, names
from nasbench.networks import DATA_FREE, Networks
from nasbench.space import Scale

torch = pytest.importorskip("torch")
from torch import Tensor, nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from nasbench import proxies  # noqa: E402
from nasbench.nets import Network  # noqa: E402
from nasbench.proxies import PROXIES, Batch  # noqa: E402

CELL = find("spaces", "transnas_cell")
DEAD, SKIPS, ALL_3X3 = (0,) * 6, (1,) * 6, (3,) * 6


def batch_of(x: Tensor, target: Tensor | None = None, loss: Any = F.cross_entropy) -> Batch:
    classes = torch.arange(len(x)) % 2 if target is None else target
    whole = not classes.is_floating_point()
    rng = torch.Generator().manual_seed(5)
    return Batch(x, classes, loss, rng, classes if whole else None)


def total(output: Tensor, target: Tensor) -> Tensor:
    """A loss whose slope by every output is 1 / B."""
    return output.sum() / len(output)


def linear(*weights: list[list[float]]) -> nn.Sequential:
    layers = [nn.Linear(len(w[0]), len(w), bias=False) for w in weights]
    for layer, w in zip(layers, weights, strict=True):
        layer.weight.data = torch.tensor(w)
    return nn.Sequential(*layers)


@pytest.fixture
def small() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        *(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU()),
        *(nn.Conv2d(4, 5, 3, 2), nn.BatchNorm2d(5), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(5 * 2 * 2, 3)),
    )


@pytest.fixture
def batch() -> Batch:
    rng = torch.Generator().manual_seed(1)
    return batch_of(torch.randn(6, 3, 7, 7, generator=rng), torch.tensor([0, 1, 2, 0, 1, 2]))


# ---------------------------------------------------------------------------- one by one, by hand

X = [[1.0, 2.0], [3.0, -1.0]]
W, V = [[1.0, -2.0], [0.5, 3.0]], [[2.0, -1.0]]


def test_first_order_by_hand() -> None:
    """f = V W x; by W the mean slope is V' m', by V it is W m, m the mean input (2, 0.5)."""
    net, batch = linear(W, V), batch_of(torch.tensor(X), loss=total)
    by_w, by_v = np.outer(V[0], [2.0, 0.5]), np.array(W) @ [2.0, 0.5]
    norms = np.linalg.norm(by_w) + np.linalg.norm(by_v)
    assert proxies.grad_norm(net, batch) == pytest.approx(norms)
    parts = np.concatenate([(by_w * W).ravel(), by_v * V[0]])
    assert proxies.snip(net, batch) == pytest.approx(np.abs(parts).sum())
    assert proxies.plain(net, batch) == pytest.approx(parts.sum())
    assert proxies.l2_norm(net, batch) == pytest.approx(np.linalg.norm(W) + np.linalg.norm(V))


def test_grasp_is_minus_the_weights_times_the_hessian_times_the_gradient(
    small: Any, batch: Batch
) -> None:
    layers = [small[0], small[3], small[7]]
    weights = [layer.weight for layer in layers]
    sizes = [w.numel() for w in weights]

    def loss(flat: Tensor) -> Tensor:
        net = copy.deepcopy(small)
        parts = [p.reshape(w.shape) for p, w in zip(torch.split(flat, sizes), weights, strict=True)]
        state = dict(zip(("0.weight", "3.weight", "7.weight"), parts, strict=True))
        return F.cross_entropy(torch.func.functional_call(net, state, (batch.x,)), batch.target)

    flat = torch.cat([w.detach().flatten() for w in weights])
    gradient = torch.func.grad(loss)(flat)
    hessian = torch.autograd.functional.hessian(loss, flat, vectorize=True)
    assert proxies.grasp(small, batch) == pytest.approx(
        -float(flat @ hessian @ gradient), rel=1e-3, abs=1e-6
    )


def test_grasp_of_a_bowl_is_negative() -> None:
    """Of L = (w x)^2 / 2 with w = 3, x = 2: g = 12, H = 4, so that -w H g = -144."""
    net = linear([[3.0]])
    batch = batch_of(torch.full((2, 1), 2.0), loss=lambda y, _: (y**2).mean() / 2)
    assert proxies.grasp(net, batch) == pytest.approx(-144)


def test_fisher_by_hand() -> None:
    """Channels weigh by their fan-in: 2 for W, 2 for V; slopes are V / B by W x, and 1 / B."""
    net, batch = linear(W, V), batch_of(torch.tensor(X), loss=total)
    hidden = np.array(X) @ np.array(W).T
    first = 0.5 * ((hidden * V[0] / 2) ** 2).mean(0).sum()
    second = 0.5 * ((hidden @ np.array(V).T / 2) ** 2).mean(0).sum()
    assert proxies.fisher(net, batch) == pytest.approx(2 * first + 2 * second)


def test_fisher_sums_a_channels_pixels_before_it_squares() -> None:
    conv = nn.Conv2d(1, 1, 1, bias=False)
    conv.weight.data[:] = 1.0
    x = torch.tensor([[[[1.0, -1.0]]], [[[2.0, 1.0]]]])
    assert proxies.fisher(conv, batch_of(x, loss=total)) == pytest.approx(0.5 * (3 / 2) ** 2 / 2)


def test_synflow_of_a_linear_chain_is_the_sum_over_paths_for_each_layer() -> None:
    """Every layer carries the whole flow R, so that the score is log(layers x R)."""
    weights = [[[1.0, -2.0], [0.5, 3.0]], [[2.0, -1.0], [0.0, 4.0]], [[1.0, -1.0]]]
    for layers, flow in ((1, 6.5), (2, 23.5), (3, 23.5)):
        found = proxies.synflow(linear(*weights[:layers]), batch_of(torch.randn(2, 2)))
        assert found == pytest.approx(log(layers * flow))


def test_synflow_looks_at_no_data_and_leaves_out_normalization(small: Any, batch: Batch) -> None:
    before = proxies.synflow(small, batch)
    assert proxies.synflow(small, replace(batch, x=2 * batch.x)) == before
    without = nn.Sequential(*(m for m in small if not isinstance(m, nn.BatchNorm2d)))
    small[1].weight.data[:] = 7.0
    assert proxies.synflow(small, batch) == proxies.synflow(without, batch) == before
    for conv in (small[0], small[3]):
        conv.weight.data.neg_()
    assert proxies.synflow(small, batch) == before


def test_synflow_does_not_overflow_where_32_bits_do() -> None:
    deep = linear(*[np.full((64, 64), 10.0).tolist()] * 30)
    ones = torch.ones(1, 64)
    assert not deep(ones).isfinite().all()
    expected = log(30) + 30 * log(640) + log(64)
    assert proxies.synflow(deep, batch_of(torch.ones(2, 64))) == pytest.approx(expected)


def test_synflow_is_not_flattened_by_a_tangent() -> None:
    """At such numbers its slope is 0, and so would be every score."""
    net = linear([[30.0, 40.0]])
    batch = batch_of(torch.ones(2, 2))
    assert proxies.synflow(nn.Sequential(*net, nn.Tanh()), batch) == proxies.synflow(net, batch)


def test_jacob_cov_by_hand() -> None:
    """Images in two halves of a plane: slopes (1, 0, 0) and (0, 1, 0) correlate by -1/2."""
    weight = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])

    class Halves(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            mine = weight[(x[:, 0] < 0).long()]
            y: Tensor = (x * mine).sum(1, keepdim=True)
            return y

    found = proxies.jacob_cov(Halves(), batch_of(torch.tensor([[1.0, 0, 0], [-1.0, 0, 0]])))
    v = np.array([0.5, 1.5]) + 1e-5
    assert found == pytest.approx(-(np.log(v) + 1 / v).sum())


def test_jacob_cov_is_worst_where_all_slopes_are_the_same(small: Any, batch: Batch) -> None:
    same = proxies.jacob_cov(linear([[1.0, 2.0, -1.0]]), batch_of(torch.randn(4, 3)))
    assert same == pytest.approx(-(3 * (log(1e-5) + 1e5) + log(4 + 1e-5) + 1 / 4), rel=1e-4)
    assert same < proxies.jacob_cov(small, batch) < 0


def test_nwot_by_hand() -> None:
    """Codes 110, 100, 001 of three ReLUs: K counts the signs in common."""
    x = torch.tensor([[1.0, 2.0, -1.0], [1.0, -2.0, 0.0], [-1.0, -2.0, 3.0]])
    kernel = np.array([[3.0, 2, 0], [2, 3, 1], [0, 1, 3]])
    expected = log(np.linalg.det(kernel))
    assert proxies.nwot(nn.ReLU(), batch_of(x)) == pytest.approx(expected)
    assert proxies.nwot(nn.ReLU(inplace=True), batch_of(x.clone())) == pytest.approx(expected)

    class Functional(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = F.relu(torch.relu(x) - 0.5)  # the same signs twice
            return y

    assert proxies.nwot(Functional(), batch_of(x)) == pytest.approx(log(np.linalg.det(2 * kernel)))


def test_nwot_of_equal_images_is_the_worst(small: Any, batch: Batch) -> None:
    equal = replace(batch, x=batch.x[:1].repeat(6, 1, 1, 1))
    assert proxies.score("nwot", small, equal) == -inf
    assert proxies.score("nwot", small, batch) > 0


def test_zen_by_hand() -> None:
    """Of one convolution the difference is its own, of b / 100; weights are drawn first."""
    conv, shape = nn.Conv2d(2, 3, 1), (4, 2, 3, 3)
    rng = torch.Generator().manual_seed(5)
    weight = torch.randn(3, 2, 1, 1, generator=rng)
    _, b = torch.randn(shape, generator=rng), torch.randn(shape, generator=rng)
    expected = log(float((F.conv2d(b, weight) / 100).abs().sum((1, 2, 3)).mean()))
    found = proxies.zen(conv, batch_of(torch.zeros(shape)))
    assert found == pytest.approx(expected, abs=1e-4)


def test_zen_adds_the_deviation_before_each_normalization() -> None:
    """Of normalization alone: log sqrt of the mean running variance after two batches."""
    shape = (64, 2, 8, 8)
    rng = torch.Generator().manual_seed(5)
    a, b = torch.randn(shape, generator=rng), torch.randn(shape, generator=rng)
    norm: Any = nn.BatchNorm2d(2)
    apart = (norm(a) - norm(a + b / 100)).abs().sum((1, 2, 3)).mean()
    expected = float((apart.log() + norm.running_var.mean().log() / 2).detach())
    assert proxies.zen(nn.BatchNorm2d(2), batch_of(torch.zeros(shape))) == pytest.approx(expected)


def test_zen_draws_weights_anew_so_that_their_scale_is_nothing(small: Any, batch: Batch) -> None:
    def found() -> float:
        return proxies.zen(small, replace(batch, rng=torch.Generator().manual_seed(3)))

    before = found()
    small[0].weight.data *= 100
    small[1].running_var[:] = 9.0
    small[1].weight.data[:] = 0.1
    assert found() == before
    assert proxies.zen(small, batch) != before


def test_zen_is_of_the_encoder(small: Any, batch: Batch) -> None:
    def found(net: nn.Module) -> float:
        return proxies.zen(net, replace(batch, rng=torch.Generator().manual_seed(3)))

    assert found(Network(small[:6], small[6:])) == found(small[:6]) != found(small)


class Sloped(nn.Module):
    """Outputs (B, n) whose sum has, by image i, the slopes given."""

    def __init__(self, slopes: list[list[float]], outputs: int = 2) -> None:
        super().__init__()
        self.slopes, self.outputs = torch.tensor(slopes), outputs

    def forward(self, x: Tensor) -> Tensor:
        one: Tensor = (x * self.slopes).sum(1, keepdim=True)
        return one.repeat(1, self.outputs) / self.outputs


SLOPES = [[1.0, 0, 0], [0, 1.0, 0], [1.0, 2, 3], [2.0, 4, 6], [5.0, 1, 0]]


def test_epe_nas_by_hand() -> None:
    """Two images that correlate by -1/2, two by 1, and one alone."""
    batch = batch_of(torch.zeros(5, 3), torch.tensor([0, 0, 1, 1, 2]))
    one = log1p(1e-5)
    first, second = 2 * one + 2 * log(0.5 + 1e-5), 4 * one
    expected = abs(first) + second + one
    assert proxies.epe_nas(Sloped(SLOPES), batch) == pytest.approx(expected)
    many = abs(first - second) / 2 * 2 / 2  # both orders of the pair, over two classes
    assert proxies.epe_nas(Sloped(SLOPES, 101), batch) == pytest.approx(many)


def test_epe_nas_is_for_classes(small: Any, batch: Batch) -> None:
    with pytest.raises(NotApplicable, match="epe_nas compares classes, and this task has none"):
        proxies.epe_nas(small, replace(batch, classes=None))


def test_size(small: Any, batch: Batch) -> None:
    weights = 3 * 4 * 9 + 2 * 4 + 4 * 5 * 9 + 5 + 2 * 5 + 20 * 3 + 3
    assert proxies.params(small, batch) == pytest.approx(weights / 1e6)
    macs = 3 * 4 * 9 * 25 + 4 * 5 * 9 * 4 + 60
    assert proxies.flops(small, batch) == pytest.approx(macs / 1e6)


# ------------------------------------------------------------------------------------ all of them


def state_of(net: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in net.state_dict().items()}


@pytest.mark.parametrize("proxy", PROXIES)
def test_a_network_stays_as_it_was(proxy: str, small: Any, batch: Batch) -> None:
    small.eval()
    small[1].running_mean[:] = 0.25
    before, modules, drawn = state_of(small), list(small), torch.get_rng_state()
    proxies.score(proxy, small, batch)
    after = state_of(small)
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert list(small) == modules
    assert not any(module.training for module in small.modules())
    assert all(p.grad is None and p.requires_grad for p in small.parameters())
    assert not any(module._forward_hooks for module in small.modules())
    assert torch.equal(drawn, torch.get_rng_state())


@pytest.mark.parametrize("proxy", sorted(set(PROXIES) - DATA_FREE))
def test_batches_are_normalized_as_in_training(proxy: str, small: Any, batch: Batch) -> None:
    """What a network ran on before, and the mode it is in, change nothing."""
    before = proxies.score(proxy, small, batch)
    small[1].running_mean[:], small[4].running_var[:] = 3.0, 50.0
    assert proxies.score(proxy, small.eval(), batch) == before


@pytest.mark.parametrize("proxy", sorted(DATA_FREE))
def test_what_is_free_of_data_looks_at_none(proxy: str, small: Any, batch: Batch) -> None:
    def found(each: Batch) -> float:
        own = replace(each, rng=torch.Generator().manual_seed(3))
        return proxies.score(proxy, small, own)

    other = replace(batch, x=torch.full_like(batch.x, torch.nan), target=5 - batch.target)
    assert found(other) == found(batch)


def test_snip_is_never_less_than_plain(small: Any, batch: Batch) -> None:
    assert proxies.snip(small, batch) >= abs(proxies.plain(small, batch)) > 0


def test_what_is_not_finite_is_the_worst(small: Any, batch: Batch) -> None:
    broken = replace(batch, x=torch.full_like(batch.x, torch.inf))
    for proxy in ("grad_norm", "snip", "plain", "grasp", "fisher", "jacob_cov", "epe_nas"):
        assert proxies.score(proxy, small, broken) == -inf


def test_an_unknown_proxy(small: Any, batch: Batch) -> None:
    with pytest.raises(UnknownName, match="no proxy 'synflo'; did you mean 'synflow'"):
        proxies.score("synflo", small, batch)


@pytest.mark.parametrize("proxy", PROXIES)
def test_the_sign_says_more_is_better(proxy: str) -> None:
    """Convolutions everywhere are better than skips, and these than nothing: so say proxies."""
    networks = Networks(CELL, batch=8, size=16)
    dead, good = (networks.score(proxy, arch) for arch in (DEAD, ALL_3X3))
    if proxy in ("plain", "grasp"):  # their signs are told by hand above
        assert dead == 0 != good
    else:
        assert good > dead


def test_every_proxy_is_a_scorer() -> None:
    assert set(PROXIES) <= set(names("scorers"))
    assert set(PROXIES) >= DATA_FREE


# -------------------------------------------------------------------------------- of whole spaces


@pytest.mark.parametrize("space", names("spaces"))
@pytest.mark.parametrize("proxy", ["synflow", "nwot"])
def test_networks_of_every_space(space: str, proxy: str) -> None:
    each = find("spaces", space)
    networks = Networks(each, batch=4)
    archs = [each.sample(np.random.default_rng(seed)) for seed in range(3)]
    found = [networks.score(proxy, arch) for arch in archs]
    assert len(set(found)) == len({each.canonical(arch) for arch in archs})


def test_scores_follow_from_the_seed_and_leave_the_global_state_alone() -> None:
    networks, threads = Networks(CELL, batch=4, size=16), torch.get_num_threads()
    state = torch.get_rng_state()
    found = {seed: networks.score("nwot", ALL_3X3, seed) for seed in (0, 1)}
    assert torch.equal(state, torch.get_rng_state())
    assert torch.get_num_threads() == threads
    torch.manual_seed(123)
    assert found[0] != found[1]
    from nasbench.networks import _score

    _score.cache_clear()
    assert {seed: networks.score("nwot", ALL_3X3, seed) for seed in (1, 0)} == found


def test_isomorphic_architectures_have_one_score() -> None:
    networks = Networks(CELL, batch=4, size=16)
    ids = CELL.class_ids()
    twins = [
        CELL.at(row) for row in np.flatnonzero(ids == ids[CELL.index((1, 1, 0, 3, 2, 0))]).tolist()
    ]
    assert len(twins) > 1
    assert len({networks.score("synflow", arch) for arch in twins}) == 1


def test_settings() -> None:
    networks = Networks(CELL)
    assert networks.scale == Scale(8, 1, 2)
    assert networks.told() == (
        "networks of width 8 and depth 1 on 32x32 pixels, a batch of 32 of noise"
    )
    assert networks.told("synflow") == "networks of width 8 and depth 1 on 32x32 pixels"
    assert (
        replace(networks, width=16, depth=2, size=64)
        .told("zen")
        .endswith("networks of width 16 and depth 2 on 64x64 pixels")
    )
    assert networks.score("params", ALL_3X3) < replace(networks, width=9).score("params", ALL_3X3)
    for wrong in ({"batch": 1}, {"width": 0}, {"size": -3}, {"depth": 0}):
        with pytest.raises(BadValue, match=f"networks with {next(iter(wrong))}"):
            Networks(CELL, **wrong)  # type: ignore[arg-type]
