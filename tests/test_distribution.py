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

from nasbench.errors import NotApplicable
from nasbench.find import find
from nasbench.parts.oneshot.costs import add_linear, mul_log
from nasbench.parts.oneshot.distribution import Distribution
from nasbench.space import Space
from tests.small_spaces import Chain, Table

CELL, MACRO = find("spaces", "transnas_cell"), find("spaces", "transnas_macro")
SPACES = [CELL, MACRO, find("spaces", "nasbench201"), Chain(), Table(3, 2, 2)]


def drawn(space: Space, seed: int = 0, scale: float = 1.5) -> Distribution:
    """A distribution with logits that are not special."""
    distribution = Distribution(space)
    rng = torch.Generator().manual_seed(seed)
    torch.nn.init.normal_(distribution.logits, std=scale, generator=rng)
    return distribution


def by_hand(distribution: Distribution) -> Tensor:
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
    assert Distribution(CELL).entropy().item() == pytest.approx(6 * log(4), abs=1e-12)
    assert Distribution(CELL).entropy().item() == pytest.approx(8.3178, abs=5e-5)
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
    assert len(Distribution(space).logits) == factorised
    assert Distribution(space).joint().sizes == joint


def test_what_can_not_be_joined() -> None:
    with pytest.raises(ValueError, match="over groups already"):
        Distribution(CELL).joint().joint()
    with pytest.raises(ValueError, match=r"factors \(2, 3\) of chain: only a part"):
        Distribution(Chain(), [(0,), (1,), (2, 3), (4,)])


def test_a_joint_distribution_can_say_what_a_factorised_one_can_not() -> None:
    fine = Distribution(Table(2, 2)).joint()
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
    distribution = Distribution(Chain())
    for logits in distribution.split():
        logits.data[0] += 1  # depth 1, and no bits: no member has none
    assert distribution.mode() == (2, 4)


@pytest.mark.parametrize("space", SPACES, ids=named)
def test_of_equals_the_first_is_the_mode(space: Space) -> None:
    distribution = Distribution(space)
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
    distribution, other = drawn(CELL), Distribution(CELL)
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
    with pytest.raises(ValueError, match="reference 1: it must be above 1"):
        mul_log(loss, cost, 1)


def test_a_space_too_large_to_be_listed_has_no_distribution() -> None:
    with pytest.raises(NotApplicable, match="over all members, up to 4,194,304: <mbconv"):
        Distribution(find("spaces", "mbconv"))
