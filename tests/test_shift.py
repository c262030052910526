"""How much paths disagree: what is the same has no shift, and gradients that oppose conflict."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from nasbench.parts.oneshot.shift import disagreement, feature_shift, update_conflict
from nasbench.supernet import OneShot, Supernet
from tests.test_one_shot import table


@pytest.fixture
def net() -> Supernet:
    where = table().trained_by
    assert where
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Supernet(where)


def test_no_shift_of_what_is_the_same(net: Supernet) -> None:
    x = torch.randn(16, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    a, b = (3, 3, 3, 2, 3, 3), (3, 3, 3, 2, 3, 2)  # they part at the last edge of the first cell
    same = feature_shift(net, x, a, a)
    assert same
    assert list(same.values()) == pytest.approx([0] * len(same), abs=1e-6)
    found = feature_shift(net, x, a, b)
    assert not any(".options.5.3" in name or ".options.5.2" in name for name in found)
    cells = sorted({name.split(".")[1] for name in found if ".options." in name}, key=int)
    for name, shift in found.items():
        if int(name.split(".")[1]) <= int(cells[0]):
            assert shift == pytest.approx(0, abs=1e-6), name
    later = [shift for name, shift in found.items() if int(name.split(".")[1]) > int(cells[0])]
    assert max(later) > 0.01
    assert all(-1e-6 <= shift <= 2 for shift in found.values())
    assert feature_shift(net, x, b, a) == pytest.approx(found)


def test_shift_leaves_the_supernet_as_it_was(net: Supernet) -> None:
    x, arch = torch.randn(8, 3, 16, 16), (3, 2, 1, 2, 3, 1)
    before = net(x, arch)
    feature_shift(net, x, arch, (2, 3, 3, 1, 2, 2))
    assert net(x, arch).equal(before)
    assert not any(module._forward_pre_hooks for module in net.modules())


def test_conflict_of_gradients() -> None:
    net = nn.ModuleList(nn.Linear(2, 1, bias=False) for _ in range(3))
    x, y = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 3.0]])
    shared, only, _ = net
    one = shared(x).sum() + only(x).sum()
    found = [
        update_conflict(net, one, loss.sum())
        for loss in (2 * shared(x), shared(y), -shared(x), shared(x) + shared(y) / 3)
    ]
    assert all(each.keys() == {"0.weight"} for each in found)
    values = [each["0.weight"] for each in found]
    assert values == pytest.approx([0, 1, 2, 1 - 0.5**0.5], abs=1e-6)
    assert all(weight.grad is None for weight in net.parameters())


def test_disagreement_leaves_all_as_it_was(tmp_path: Path) -> None:
    """Also of a supernet whose encoder learns no more; the same is told again."""
    where = table().trained_by
    assert where
    live = OneShot(where, 0, 1, np.random.default_rng(0), tmp_path / "state")
    net = live.supernet()
    net.encoder.requires_grad_(False)
    before, state = deepcopy(net.state_dict()), live.rng.get_state()
    told = disagreement(live, net, 3)
    assert told == disagreement(live, net, 3)
    assert 0 < told["feature_shift"] < 2
    assert 0 < told["update_conflict"] < 2
    assert all(value.equal(before[name]) for name, value in net.state_dict().items())
    assert live.rng.get_state().equal(state)
    assert all(weight.grad is None for weight in net.parameters())
    learns = {name for name, weight in net.named_parameters() if weight.requires_grad}
    assert learns == {name for name in before if name.startswith("heads.")}
