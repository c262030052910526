"""The distribution over architectures: exact, normalised over members, joint as it was factorised.

Numbers are those of sections 1, 3.8, 4.6, 4.7, 7.7 and 8.7 of the specification.
"""

from __future__ import annotations

from itertools import product
from math import log

import numpy as np
import pytest
import torch
from torch import Tensor

from nasbench.find import find
from nasbench.nets import count_encoders
from nasbench.parts.oneshot.costs import add_linear, mul_log
from nasbench.parts.oneshot.distribution import Enumerated, Product, over
from nasbench.space import Architecture, Scale, Space, params
from tests.small_spaces import Chain, Layers, Table

CELL, MACRO = find("spaces", "transnas_cell"), find("spaces", "transnas_macro")
SPACES = [CELL, MACRO, find("spaces", "nasbench201"), Chain(), Table(3, 2, 2)]


def drawn(space: Space, seed: int = 0, scale: float = 1.5) -> Enumerated:
    """A distribution with logits that are not special."""
    distribution = Enumerated(space)
    rng = torch.Generator().manual_seed(seed)
    torch.nn.init.normal_(distribution.logits, std=scale, generator=rng)
    return distribution


def by_hand(distribution: Enumerated) -> Tensor:
    """p of every member, one after the other."""
    space = distribution.space
    logs = [
        np.log(np.exp(each) / np.exp(each).sum())
        for each in np.split(
            distribution.logits.detach().numpy(), np.cumsum(space.factors)[:-1].tolist()
        )
    ]
    odds = []
    for arch in space:
        options = zip(logs, space.factor(arch), strict=True)
        odds.append(np.exp(sum(each[option] for each, option in options if option is not None)))
    return torch.tensor(np.array(odds) / np.sum(odds))


def named(space: Space) -> str:
    return space.name


@pytest.mark.parametrize("space", SPACES, ids=named)
def test_probabilities_are_those_of_members_and_sum_to_one(space: Space) -> None:
    distribution = drawn(space)
    p = distribution.log_p().exp().detach()
    assert p.shape == (len(space),)
    assert p.sum().item() == pytest.approx(1, abs=1e-12)
    torch.testing.assert_close(p, by_hand(distribution), rtol=1e-10, atol=1e-15)


@pytest.mark.parametrize("space", [CELL, Table(3, 2, 2)], ids=named)
def test_on_a_grid_the_normaliser_is_one(space: Space) -> None:
    distribution = drawn(space)
    logs = [each.log_softmax(-1) for each in distribution.split()]
    arch = space.at(len(space) // 3)
    expected = sum(each[option].detach().item() for each, option in zip(logs, arch, strict=True))
    assert distribution.log_p()[space.index(arch)].item() == pytest.approx(expected, abs=1e-12)


def test_a_shift_of_a_factor_changes_nothing_even_where_it_may_not_matter() -> None:
    distribution = drawn(Chain())
    before = distribution.log_p().detach()
    distribution.split()[3].data += 7  # a bit of the module that may be absent
    torch.testing.assert_close(distribution.log_p().detach(), before, rtol=0, atol=1e-12)


def test_entropy_of_the_uniform() -> None:
    assert Enumerated(CELL).entropy().item() == pytest.approx(6 * log(4), abs=1e-12)
    assert Enumerated(CELL).entropy().item() == pytest.approx(8.3178, abs=5e-5)
    assert drawn(MACRO, scale=0.01).entropy().item() < log(3256) < 8.0884


@pytest.mark.parametrize("space", SPACES, ids=named)
def test_entropy_is_the_sum_over_members(space: Space) -> None:
    distribution = drawn(space)
    p = by_hand(distribution)
    assert distribution.entropy().item() == pytest.approx(-(p * p.log()).sum().item(), abs=1e-10)


def test_a_distribution_of_one_architecture() -> None:
    distribution = drawn(CELL, scale=0)
    for logits in distribution.split():
        logits.data[2] += 5000  # exp underflows for all others
    assert distribution.entropy().item() == 0
    assert distribution.mode() == (2,) * 6
    distribution.entropy().backward()
    assert distribution.logits.grad is not None
    assert distribution.logits.grad.isfinite().all()


@pytest.mark.parametrize("space", SPACES, ids=named)
def test_joint_is_the_same_distribution(space: Space) -> None:
    coarse = drawn(space)
    fine = coarse.joint()
    log_p, log_q = coarse.log_p().detach(), fine.log_p().detach()
    assert (log_p.exp() * (log_p - log_q)).sum().item() == pytest.approx(0, abs=1e-12)
    torch.testing.assert_close(log_p, log_q, rtol=0, atol=1e-11)
    assert fine.entropy().item() == pytest.approx(coarse.entropy().item(), abs=1e-12)
    assert fine.mode() == coarse.mode()
    assert fine.groups == space.groups


def test_joint_probabilities_are_products_of_the_factors() -> None:
    coarse = drawn(CELL)
    p, joint = coarse.marginals(), coarse.joint().marginals()
    for ops in product(range(4), repeat=2):
        both = p[1][ops[0]] * p[2][ops[1]]
        assert joint[1][4 * ops[0] + ops[1]].item() == pytest.approx(both.item(), abs=1e-12)


@pytest.mark.parametrize(
    ("space", "factorised", "joint"),
    [(CELL, 24, [4, 16, 64]), (Table(3, 2, 2, 6, 10), 23, [720]), (Chain(), 10, [2, 4, 4])],
    ids=["cell", "FP-NAS", "chain"],
)
def test_numbers_of_logits(space: Space, factorised: int, joint: list[int]) -> None:
    assert len(Enumerated(space).logits) == factorised
    assert Enumerated(space).joint().sizes == joint


def test_what_can_not_be_joined() -> None:
    with pytest.raises(ValueError, match="over groups already"):
        Enumerated(CELL).joint().joint()
    with pytest.raises(ValueError, match=r"factors \(2, 3\) of chain: only a part"):
        Enumerated(Chain(), [(0,), (1,), (2, 3), (4,)])


def test_a_joint_distribution_can_say_what_a_factorised_one_can_not() -> None:
    fine = Enumerated(Table(2, 2)).joint()
    fine.logits.data = torch.tensor([9.0, 0.0, 0.0, 9.0], dtype=torch.float64)
    p = fine.log_p().exp().tolist()
    assert p[0] == p[3] == pytest.approx(0.5, abs=1e-3)


@pytest.mark.parametrize("space", SPACES, ids=named)
def test_marginals(space: Space) -> None:
    distribution = drawn(space)
    p, taken = by_hand(distribution), [space.factor(arch) for arch in space]
    for i, marginal in enumerate(distribution.marginals()):
        for option, given in enumerate(marginal.tolist()):
            uses = torch.tensor([each[i] == option for each in taken])
            assert given == pytest.approx(p[uses].sum().item(), abs=1e-12)


def test_samples_come_as_often_as_they_should() -> None:
    distribution = drawn(Chain())
    rows = distribution.sample(40_000, torch.Generator().manual_seed(1))
    p = by_hand(distribution)
    seen = torch.bincount(rows, minlength=len(p)) / len(rows)
    assert bool(((seen - p).abs() < 4 * (p * (1 - p) / len(rows)).sqrt()).all())


def test_samples_follow_from_the_generator() -> None:
    first, again, other = (
        drawn(MACRO).sample(20, torch.Generator().manual_seed(seed)).tolist() for seed in (3, 3, 4)
    )
    assert first == again != other
    rows = torch.tensor(first)
    assert drawn(MACRO).archs(rows) == [MACRO.at(row) for row in first]


def test_gradient_of_log_p_is_the_indicator_less_p() -> None:
    distribution = drawn(CELL)
    p = torch.cat([each.softmax(-1) for each in distribution.split()]).detach()
    arch = (3, 0, 2, 1, 1, 0)
    distribution.log_p()[CELL.index(arch)].backward()
    indicator = torch.from_numpy(CELL.one_hot(arch)).double()
    torch.testing.assert_close(distribution.logits.grad, indicator - p, rtol=0, atol=1e-12)


def test_the_mode_is_the_best_member() -> None:
    for space in SPACES:
        for seed in range(2):
            distribution = drawn(space, seed)
            assert distribution.mode() == space.at(int(by_hand(distribution).argmax()))


def test_the_best_option_of_each_factor_need_not_be_a_member() -> None:
    distribution = Enumerated(Chain())
    for logits in distribution.split():
        logits.data[0] += 1  # depth 1, and no bits: no member has none
    assert distribution.mode() == (2, 4)


@pytest.mark.parametrize("space", SPACES, ids=named)
def test_of_equals_the_first_is_the_mode(space: Space) -> None:
    distribution = Enumerated(space)
    matter = [sum(option is not None for option in space.factor(arch)) for arch in space]
    assert distribution.mode() == space.at(matter.index(min(matter)))  # less to say is likelier
    if space is CELL:
        for logits in distribution.split():
            logits.data += torch.tensor([0.1, 0.7, 0.3, 0.7])
        assert distribution.mode() == (1,) * 6


def test_expected_cost_is_that_of_the_enumeration() -> None:
    distribution = drawn(CELL)
    per_edge = torch.arange(24, dtype=torch.float64).view(6, 4) ** 2
    costs = torch.tensor([sum(per_edge[i, op].item() for i, op in enumerate(a)) for a in CELL])
    p = torch.stack(distribution.marginals())
    assert distribution.expected(costs).item() == pytest.approx((p * per_edge).sum().item())
    macs = torch.arange(len(CELL))  # whole numbers, as they are counted
    given = (by_hand(distribution) @ macs.double()).item()
    assert distribution.expected(macs).item() == pytest.approx(given)


def test_slope_of_the_expected_cost() -> None:
    distribution, costs = drawn(Table(4)), torch.tensor([3.0, 1.0, 7.5, 2.0]).double()
    expected = distribution.expected(costs)
    expected.backward()
    p = by_hand(distribution)
    slope = p * (costs - expected.detach())
    torch.testing.assert_close(distribution.logits.grad, slope, rtol=0, atol=1e-12)


def test_a_loss_of_the_cost_alone_drives_it_down() -> None:
    distribution, costs = drawn(CELL), torch.tensor([float(sum(arch)) for arch in CELL])
    optimizer = torch.optim.SGD([distribution.logits], 0.5)
    spent = []
    for _ in range(30):
        optimizer.zero_grad()
        loss = distribution.expected(costs)
        loss.backward()
        spent.append(loss.item())
        optimizer.step()
    assert spent == sorted(spent, reverse=True)
    assert spent[-1] < spent[0] / 4


def test_only_logits_are_kept() -> None:
    distribution, other = drawn(CELL), Enumerated(CELL)
    assert list(distribution.state_dict()) == ["logits"]
    other.load_state_dict(distribution.state_dict())
    assert other.mode() == distribution.mode()


def test_losses_with_costs() -> None:
    loss, cost = torch.tensor(2.0), torch.tensor(400.0)
    assert mul_log(loss, cost, 400).item() == pytest.approx(0.4)  # a = .2 of it at the reference
    assert mul_log(loss, cost, 20).item() == pytest.approx(0.4 * 2**0.3)  # log 400 = 2 log 20
    assert mul_log(loss, cost, 20, a=1, b=1).item() == pytest.approx(4)
    assert add_linear(loss, cost, 400).item() == 2
    assert add_linear(loss, cost, 200).item() == pytest.approx(2.1)
    assert add_linear(loss, cost, 800, rate=1).item() == pytest.approx(1.5)
    with pytest.raises(ValueError, match="a reference of 1: both must be above 1"):
        mul_log(loss, cost, 1)


# ------------------------------------------------------------------------- grids beyond listing


def grid(joint: bool = False) -> Product:
    """The product over a space small enough to go through its networks."""
    space = Layers()
    return Product(space, space.groups if joint else None)


def networks(space: Space) -> list[Architecture]:
    """Members, of those that differ in nothing that matters one."""
    return [arch for arch in space if tuple(o or 0 for o in space.factor(arch)) == arch]


@pytest.fixture(params=[False, True], ids=["FD", "JD"])
def some(request: pytest.FixtureRequest) -> Product:
    distribution = grid(request.param)
    rng = torch.Generator().manual_seed(0)
    torch.nn.init.normal_(distribution.logits, std=1.5, generator=rng)
    return distribution


def costs_of(space: Space) -> list[tuple[tuple[int, ...], Tensor]]:
    return [(factors, torch.from_numpy(table)) for factors, table in space.terms(17)]


def test_a_product_is_exact_over_networks(some: Product) -> None:
    archs = networks(some.space)
    p = torch.from_numpy(np.exp(some.rank(archs)))
    assert p.sum().item() == pytest.approx(1, abs=1e-12)
    torch.testing.assert_close(some.entropy(), -(p * p.log()).sum(), rtol=1e-10, atol=0)
    macs = [counts.macs for counts, _ in count_encoders(some.space, archs, 17)]
    want = p @ torch.tensor(macs, dtype=torch.float64)
    torch.testing.assert_close(some.expected(costs_of(some.space)), want, rtol=1e-10, atol=0)
    some.expected(costs_of(some.space)).backward()
    assert some.logits.grad is not None


def test_draws_of_a_product(some: Product) -> None:
    rows = some.sample(4000, torch.Generator().manual_seed(1))
    archs = some.archs(rows)
    np.testing.assert_allclose(some.log_of(rows).detach(), some.rank(archs), rtol=1e-12)
    counts = [c.macs for c, _ in count_encoders(some.space, archs[:200], 17)]
    assert some.costs_of(costs_of(some.space), rows[:200]).tolist() == counts
    likely = max(networks(some.space), key=lambda arch: some.rank([arch])[0])
    assert archs.count(likely) / 4000 == pytest.approx(np.exp(some.rank([likely])[0]), abs=0.02)
    assert some.mode() in some.space


def test_a_joint_product_is_what_it_was() -> None:
    fine = grid()
    torch.nn.init.normal_(fine.logits, generator=torch.Generator().manual_seed(2))
    joint, archs = fine.joint(), networks(fine.space)
    np.testing.assert_allclose(joint.rank(archs), fine.rank(archs), rtol=1e-12)
    assert joint.sizes == [2, 2, 6, 6, 3, 4]
    torch.testing.assert_close(joint.entropy(), fine.entropy(), rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", ["mbconv", "attentive_nas"])
def test_terms_are_what_is_counted(name: str) -> None:
    """To the last unit, of large spaces, published ones too."""
    space = find("spaces", name)
    uniform, scale = over(space), Scale(8, 2, 2) if name == "mbconv" else Scale(16, 1, 1)
    rows = uniform.sample(5, torch.Generator().manual_seed(3))
    terms = [(factors, torch.from_numpy(table)) for factors, table in space.terms(50, scale)]
    counts = [counts for counts, _ in count_encoders(space, uniform.archs(rows), 50, scale)]
    assert uniform.costs_of(terms, rows).tolist() == [each.macs for each in counts]
    terms = [(factors, torch.from_numpy(t)) for factors, t in space.terms(50, scale, params)]
    assert uniform.costs_of(terms, rows).tolist() == [each.params for each in counts]
    assert isinstance(uniform, Product)


def test_logits_of_a_layer_fine_and_joint() -> None:
    """Variables of 3, 2, 2, 6 and 10 options: 23 logits, 720 when joined (FP-NAS)."""
    fine = Product(Table(3, 2, 2, 6, 10))
    assert (len(fine.logits), len(fine.joint().logits)) == (23, 720)
