"""Contrast against a queue, and a teacher that follows what ran.

Numbers are those of section 6.5 of the specification of sampling and weight sharing.
"""

from __future__ import annotations

from copy import deepcopy
from math import exp, log

import pytest
import torch
from torch import nn

from nasbench.find import find
from nasbench.parts.oneshot.contrast import Queue, follow, info_nce, running
from nasbench.space import Scale


def test_loss_of_a_query_that_is_its_key() -> None:
    axes, t, n = torch.eye(8), 0.2, 5
    loss = info_nce(axes[:2], axes[:2], axes[3 : 3 + n], t)
    assert loss.item() == pytest.approx(-log(exp(1 / t) / (exp(1 / t) + n)))


def test_loss_by_hand() -> None:
    rng = torch.Generator().manual_seed(0)
    q, k, queue = (nn.functional.normalize(torch.randn(n, 4, generator=rng)) for n in (3, 3, 6))
    losses = []
    for a, b in zip(q, k, strict=True):
        positive = (a @ b / 0.5).exp().item()
        losses.append(-log(positive / (positive + (queue @ a / 0.5).exp().sum().item())))
    assert info_nce(q, k, queue, 0.5).item() == pytest.approx(sum(losses) / 3, rel=1e-5)


def test_only_queries_learn() -> None:
    q, k, queue = (torch.rand(n, 4, requires_grad=True) for n in (2, 2, 3))
    info_nce(q, k, queue, 0.2).backward()
    assert (q.grad is None, k.grad is None, queue.grad is None) == (False, True, True)


def test_a_queue_begins_with_keys_of_norm_one_from_its_generator() -> None:
    queue, again, other = (Queue(50, 8, torch.Generator().manual_seed(s)) for s in (0, 0, 1))
    torch.testing.assert_close(queue.keys.norm(dim=1), torch.ones(50))
    assert queue.keys.equal(again.keys)
    assert not queue.keys.equal(other.keys)


def test_a_queue_is_a_ring() -> None:
    queue = Queue(5, 1, torch.Generator())
    queue.push(torch.tensor([[1.0], [2.0], [3.0]], requires_grad=True))
    queue.push(torch.tensor([[4.0], [5.0], [6.0]]))
    assert queue.keys[:, 0].tolist() == [6, 2, 3, 4, 5]
    assert int(queue.place) == 1
    assert not queue.keys.requires_grad
    queue.push(torch.tensor([[7.0], [8.0]]))
    assert queue.keys[:, 0].tolist() == [6, 7, 8, 4, 5]
    queue.push(torch.tensor([[0.3]] * 5))  # neither renormalised nor too many
    assert queue.keys.flatten().tolist() == pytest.approx([0.3] * 5)
    with pytest.raises(ValueError, match="6 keys for a queue of 5"):
        queue.push(torch.zeros(6, 1))


def test_a_queue_goes_on_where_it_was() -> None:
    queue, other = (Queue(4, 2, torch.Generator().manual_seed(s)) for s in (0, 1))
    queue.push(torch.ones(3, 2))
    other.load_state_dict(queue.state_dict())
    for each in (queue, other):
        each.push(torch.zeros(2, 2))
    assert queue.keys.equal(other.keys)


def test_the_teacher_follows_what_ran_and_nothing_else() -> None:
    torch.manual_seed(0)
    student = find("spaces", "transnas_cell").supernet(Scale(4, 1, 4, 1)).double()
    teacher = deepcopy(student)
    with torch.no_grad():
        for weight in student.parameters():
            weight.add_(torch.randn_like(weight))
    before = deepcopy(teacher.state_dict())
    x = torch.rand(2, 3, 16, 16).double()
    paths = [[{op: None} for op in ops] for ops in ((3, 2, 1, 2, 3, 3), (2, 3, 2, 3, 0, 2))]
    for path in paths:
        with running(student) as names:
            student(x, path)
        assert "" in names
        follow(teacher, student, names, 0.999)
    after, ahead = teacher.state_dict(), student.state_dict()
    times = dict.fromkeys(before, 0)
    for name in before:
        times[name] = 2  # the stem: in both paths
        if ".options." in name:
            edge, op = map(int, name.partition(".options.")[2].split(".")[:2])
            times[name] = sum(op in path[edge] for path in paths)
    assert set(times.values()) == {0, 1, 2}
    for name, n in times.items():
        if n == 0:
            assert after[name].equal(before[name])
        elif n == 1:
            expected = 0.999 * before[name] + 0.001 * ahead[name]
            torch.testing.assert_close(after[name], expected, rtol=0, atol=1e-14)
        else:
            expected = 0.998001 * before[name] + 0.001999 * ahead[name]
            torch.testing.assert_close(after[name], expected, rtol=0, atol=1e-14)
    assert not any(
        weight.requires_grad and weight.grad is not None for weight in teacher.parameters()
    )


def test_modules_are_only_watched_while_they_are() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    with pytest.raises(RuntimeError), running(net) as names:
        net(torch.rand(1, 3))
    assert names == {"", "0"}
    net(torch.rand(1, 2))
    assert names == {"", "0"}


def test_a_piece_is_moved_by_itself() -> None:
    net = nn.Sequential(nn.Linear(1, 1), nn.Sequential(nn.Linear(1, 1)))
    teacher = deepcopy(net)
    with torch.no_grad():
        for weight in net.parameters():
            weight.add_(1)
    follow(teacher, net, ["", "1"], 0.5)  # these have no parameters of their own
    moved = [
        (a - b).detach().item() for a, b in zip(net.parameters(), teacher.parameters(), strict=True)
    ]
    assert moved == pytest.approx([1] * 4)
    follow(teacher, net, ["1.0"], 0.5)
    moved = [
        (a - b).detach().item() for a, b in zip(net.parameters(), teacher.parameters(), strict=True)
    ]
    assert moved == pytest.approx([1, 1, 0.5, 0.5])
