"""Expected costs of open chains: the documents' numbers, and the mean over all members."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import Tensor, tensor

from nasbench.find import find
from nasbench.nets import count, count_encoders
from nasbench.parts.oneshot.shapes import (
    convolution,
    doublings,
    effective,
    exact,
    free,
    inverted,
    marginals,
    mixed,
)
from nasbench.spaces.blocks.layerwise import Inverted

HALF = tensor(0.5, dtype=torch.float64)


def chances(n: int, seed: int) -> Tensor:
    return torch.rand(n, generator=torch.Generator().manual_seed(seed)).double().softmax(0)


def test_three_doublings() -> None:
    start, steps = torch.eye(4, dtype=torch.float64)[0], [doublings(HALF, 3)] * 3
    behind = marginals(start, steps)
    assert behind[3].tolist() == [1 / 8, 3 / 8, 3 / 8, 1 / 8]
    assert behind[3] @ tensor([1.0, 2, 4, 8]).double() == 3.375
    again = marginals(start, [doublings(HALF, 3)] * 5)[5]
    assert again.tolist() == [1 / 32, 5 / 32, 10 / 32, 16 / 32]  # what would be more stays


def test_what_enters_and_what_leaves_are_correlated() -> None:
    """E[C_in C_out] of the third module is 9.375; of the means it would be 7.594."""
    start, steps = torch.eye(4, dtype=torch.float64)[0], [doublings(HALF, 3)] * 3
    channels = 2.0 ** torch.arange(4, dtype=torch.float64)
    nothing = torch.zeros(4, 4, dtype=torch.float64)
    costs = [nothing, nothing, channels[:, None] * channels]
    assert exact(start, steps, costs) == 9.375
    zero, product = lambda a, b: a * 0, lambda a, b: a * b
    mean = effective(start, steps, [channels] * 4, [zero, zero, product])
    assert mean == 2.25 * 3.375 == 7.59375


def test_channels_and_resolution_together() -> None:
    p, r = tensor(0.3, dtype=torch.float64), tensor(0.6, dtype=torch.float64)
    start = torch.eye(12, dtype=torch.float64)[0]
    both = torch.kron(doublings(p, 2), doublings(r, 3))
    behind = marginals(start, [both] * 4)[4].reshape(3, 4)
    alone = marginals(torch.eye(3, dtype=torch.float64)[0], [doublings(p, 2)] * 4)[4]
    assert torch.allclose(behind.sum(1), alone)
    assert torch.allclose(both.sum(1), torch.ones(12, dtype=torch.float64))


def test_effective_shape_of_a_convolution() -> None:
    logits = tensor([0.2, 0.3, 0.5], dtype=torch.float64).log().requires_grad_()
    c_out = logits.softmax(0) @ tensor([8.0, 16, 24]).double()
    assert c_out.item() == pytest.approx(18.4)
    macs = convolution(tensor(16.0), c_out, 14 * 14, 3)
    assert macs.item() == pytest.approx(519_321.6)
    macs.backward()
    assert logits.grad is not None
    assert logits.grad[2] > 0 > logits.grad[0]
    true = count(Inverted(5, "relu", 8, 24, 8, 12, 2).build(), (8, 9, 9)).macs
    found = inverted(tensor(8.0), tensor(24.0), tensor(12.0), 81, 25, 5, tensor(8.0))
    assert found == true
    depthwise = convolution(tensor(24.0), tensor(24.0), 25, 5, tensor(24.0))
    assert depthwise == 25 * 24 * 25


def test_options_that_change_no_shape_are_averaged() -> None:
    table = torch.rand(2, 3, 4, 5, dtype=torch.float64)
    p, q = chances(4, 0), chances(5, 1)
    assert torch.allclose(mixed(table, [p, q]), torch.einsum("abij,i,j->ab", table, p, q))


def test_expectation_over_all_members_of_the_width_space() -> None:
    """Both are exact where widths are independent and costs bilinear; one-hot it is a network."""
    space = find("spaces", "width")
    known = tensor([counts.macs for counts, _ in count_encoders(space, space, 24)]).double()
    widths, sides = tensor([8, 16, 24, 32, 40]).double(), [12, 12, 6, 6, 3]
    channels = [tensor([3]).double(), *[widths] * 5]
    costs = [partial(convolution, pixels=side**2, kernel=3) for side in sides]

    def expected(p: list[Tensor]) -> tuple[Tensor, Tensor]:
        start = torch.ones(1, dtype=torch.float64)
        steps = [free(each, len(c)) for each, c in zip(p, channels, strict=False)]
        pairs = [cost(c[:, None], widths) for cost, c in zip(costs, channels, strict=False)]
        return exact(start, steps, pairs), effective(start, steps, channels, costs)

    alphas = [chances(5, i).mul(5).requires_grad_() for i in range(5)]
    p = [alpha.softmax(0) for alpha in alphas]
    weights = torch.ones(1, dtype=torch.float64)
    for each in p:
        weights = (weights[:, None] * each).flatten()
    found, mean = expected(p)
    assert torch.allclose(found, weights @ known)
    assert torch.allclose(mean, found)
    slopes = torch.autograd.grad(weights @ known, alphas, retain_graph=True)
    for ours, theirs in zip(torch.autograd.grad(found, alphas), slopes, strict=True):
        assert torch.allclose(ours, theirs)
    arch = (4, 0, 2, 1, 3)
    one_hot = [torch.eye(5, dtype=torch.float64)[gene] for gene in arch]
    assert expected(one_hot) == (known[space.index(arch)],) * 2
