"""Pi-NAS: which paths meet, what the teacher follows, what learns when, views, and collapse.

Numbers are those of section 6.5 of the specification; `test_contrast` has those of the parts alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from nasbench.budget import Budget
from nasbench.find import find
from nasbench.search import Problem
from nasbench.space import Architecture, Scale, Space
from tests.test_one_shot import table, trial

torch = pytest.importorskip("torch")

from torch import Generator, Tensor, nn  # noqa: E402

from nasbench.parts.oneshot.contrast import (  # noqa: E402
    Embedding,
    Queue,
    apart,
    consistency,
    follow,
    info_nce,
    pair,
    pairs,
    running,
    spread,
)
from nasbench.parts.oneshot.views import crop, recolour, view  # noqa: E402
from nasbench.runners.pinas import embed, search  # noqa: E402
from nasbench.supernet import OneShot, path  # noqa: E402

CELL, MACRO = find("spaces", "transnas_cell"), find("spaces", "transnas_macro")
SPACES = [CELL, MACRO]
SCALE = Scale(4, 1, 2)


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def rng(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


# ------------------------------------------------------------------------------------------- paths


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_paths_differ_in_every_decision(space: Space) -> None:
    members, numpy = np.array(list(space)), np.random.default_rng(0)
    pairs = [pair(members, numpy) for _ in range(200)]
    assert all(a in space and b in space for a, b in pairs)
    assert all(x != y for a, b in pairs for x, y in zip(a, b, strict=True))
    assert len(set(pairs)) > 190


def test_paths_of_a_grid_too_large_to_be_listed() -> None:
    space, numpy = find("spaces", "mbconv"), np.random.default_rng(0)
    pairs = [apart(space, numpy) for _ in range(100)]
    assert all(a in space and b in space for a, b in pairs)
    assert all(x != y for a, b in pairs for x, y in zip(a, b, strict=True))
    expansions = {b[5] - a[5] for a, b in pairs}  # of five options
    assert len(expansions) == 8


def test_partners_of_a_cell_are_3_to_the_6() -> None:
    members, numpy = np.array([(0,) * 6, *((1 + np.indices((3,) * 6)).reshape(6, -1).T)]), Fixed()
    others = {pair(members, numpy)[1] for numpy.n in range(729)}  # type: ignore[arg-type]
    assert len(others) == 3**6


class Fixed:
    """Draws the first member, and then the partner with number `n`."""

    n = 0

    def integers(self, high: int) -> int:
        return 0

    def choice(self, rows: np.ndarray) -> int:
        return int(rows[self.n])


def test_paths_differ_in_as_much_as_they_can() -> None:
    members, numpy = np.array([(0, 0, 0), (0, 0, 1), (0, 1, 1)]), np.random.default_rng(0)
    partners = {(0, 0, 0): {(0, 1, 1)}, (0, 0, 1): {(0, 0, 0), (0, 1, 1)}, (0, 1, 1): {(0, 0, 0)}}
    found: dict[Architecture, set[Architecture]] = {}
    for _ in range(100):
        a, b = pair(members, numpy)
        found.setdefault(a, set()).add(b)
    assert found == partners


# ----------------------------------------------------------------------------------------- teacher


def embedding(space: Space) -> Embedding:
    encoder = space.supernet(SCALE if space in SPACES else None)
    shapes = encoder.features((3, 16, 16))  # type: ignore[operator]
    return Embedding(encoder, shapes, 8, 4, rng())


def runs(space: Space, name: str, arch: Architecture) -> bool:
    """Say whether a parameter of the encoder is a path's, by its name."""
    if space is CELL:
        if ".options." not in name:
            return True
        edge, op = map(int, name.partition(".options.")[2].split(".")[:2])
        return arch[edge] == op
    if not name.startswith("encoder.parts."):
        return True  # the stem
    module = arch[int(name.split(".")[2])]
    return module != 4 and (module != 0 or ".shortcut." not in name)


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_the_teacher_follows_both_paths_alone(space: Space) -> None:
    student = embedding(space)
    teacher = deepcopy(student).requires_grad_(False)
    with torch.no_grad():
        for weight in student.parameters():
            weight.add_(1)
    before, ahead = deepcopy(teacher.state_dict()), student.state_dict()
    archs = pair(
        np.array([each for each in space if space.has_path(each)]), np.random.default_rng(1)
    )
    words = [path(space.factor(each)) for each in archs]
    embed(student, teacher, torch.rand(4, 3, 16, 16), words, 0.999, rng())
    shapes = [tuple(student.encoder(torch.rand(2, 3, 16, 16), w)[0][1].shape[1:]) for w in words]
    seen = set()
    for name, after in teacher.state_dict().items():
        times = sum(runs(space, name, arch) for arch in archs)
        if name.startswith("necks."):
            times = shapes.count(student.shapes[int(name.split(".")[1])])
        seen.add(times)
        if times == 0:
            assert after.equal(before[name]), name
            continue
        left = {1: 0.999, 2: 0.998001}[times]
        expected = left * before[name].double() + (1 - left) * ahead[name].double()
        torch.testing.assert_close(after.double(), expected, rtol=0, atol=2e-7, msg=name)
    assert seen == {0, 1, 2}


@pytest.mark.parametrize("space", [*SPACES, find("spaces", "mbconv")], ids=str)
def test_what_learns_is_followed(space: Space) -> None:
    student = embedding(space)
    teacher = deepcopy(student).requires_grad_(False)
    with torch.no_grad():
        for weight in student.parameters():
            weight.mul_(1.5).add_(0.01)
    before = deepcopy(teacher.state_dict())
    keys, numpy = Queue(8, 4, rng()), np.random.default_rng(0)
    words = [path(space.factor(each)) for each in pairs(space)(numpy)]
    q, k = embed(student, teacher, torch.rand(4, 3, 16, 16), words, 0.9, rng())
    loss = info_nce(q[0], k[1], keys.keys, 0.2) + info_nce(q[1], k[0], keys.keys, 0.2)
    loss.backward()
    learns = [name for name, weight in student.named_parameters() if weight.grad is not None]
    assert learns
    assert not [name for name in learns if teacher.get_parameter(name).equal(before[name])]
    assert not any(each.requires_grad for each in (*k, keys.keys))
    assert all(weight.grad is None for weight in teacher.parameters())
    for each in (*q, *k):
        torch.testing.assert_close(each.norm(dim=1), torch.ones(4))


# ------------------------------------------------------------------------------------------ phases


def live(epochs: int, tmp_path: Path) -> OneShot:
    where = table().trained_by
    assert where
    return OneShot(where, 0, epochs, np.random.default_rng(0), tmp_path / "state.pt")


def test_the_encoder_learns_first_and_heads_after(tmp_path: Path) -> None:
    run = live(2, tmp_path)
    where = run.where
    problem = Problem(where.space, where.task, 1, Budget(epochs=2), lambda arch: {}, live=run)
    training = search(problem, run.numpy, draws=2, glance=2, recalibrate=1)
    run.supernet()
    assert run.net
    states = [deepcopy(run.net.state_dict())]
    for choice in training:
        states.append(deepcopy(run.net.state_dict()))
        assert set(choice.info) == ({"contrast", "spread"} if len(states) == 2 else set())
        if len(states) == 3:
            break
    steps = run.steps()
    assert run.samples == 2 * steps + steps
    for name in states[0]:
        same = [a[name].equal(b[name]) for a, b in pairwise(states)]
        if name.startswith("heads."):
            assert same == [True, False], name
        else:
            assert same[1], name
    assert any(not states[0][name].equal(states[1][name]) for name in states[0])


def test_rates_fall_to_0_when_they_are_told_to(tmp_path: Path) -> None:
    run = live(4, tmp_path)
    half, whole = (run.optimizer(nn.Linear(1, 1), until) for until in (0.5, 1.0))
    later = run.optimizer(nn.Linear(1, 1), since=0.5)
    rates = [
        [made.param_groups[0]["lr"] / run.where.recipe.lr for made in (half, whole, later)]
        for _ in run.rounds()
        for _ in run.batches()
    ]
    steps = run.steps()
    assert rates[0] == [1, 1, 1]
    assert rates[steps] == pytest.approx([0.5, (1 + 0.5**0.5) / 2, 1])
    assert [first for first, *_ in rates[2 * steps :]] == pytest.approx([0] * 2 * steps)
    assert [last for *_, last in rates[2 * steps :]] == [first for first, *_ in rates[: 2 * steps]]
    assert rates[2 * steps][1] == pytest.approx(0.5)


def test_without_negatives() -> None:
    losses = [
        trial("pinas", table(), negatives=negatives, centred=centred).info["contrast"][0]
        for negatives, centred in ((True, True), (False, True), (False, False))
    ]
    assert losses[0] > 8 >= max(losses[1:])  # two squared distances are 8 at most
    assert len(set(losses)) == 3


# ---------------------------------------------------------------------------------------- collapse


def test_centred_necks_have_no_common_direction() -> None:
    x = torch.randn(64, 8, 1, 1) + 3
    for centred in (True, False):
        z = Embedding(Two(), [(16, 1, 1)], 32, 16, rng(), centred)(x, 0)
        assert (z.mean(0).norm() < 0.1) == centred


def test_spread() -> None:
    random = nn.functional.normalize(torch.randn(2000, 128))
    assert spread(random) == pytest.approx(128**-0.5, rel=0.05)
    assert spread(random[:1].expand(50, 128)) == pytest.approx(0, abs=1e-6)


def test_consistency_is_a_squared_distance() -> None:
    axes = torch.eye(4)
    q = axes[:2].clone().requires_grad_()
    k = axes[1:3].clone().requires_grad_()
    loss = consistency(q, k)
    assert loss.item() == pytest.approx(2)
    assert consistency(q, q).item() == 0
    loss.backward()
    assert (q.grad is None, k.grad is None) == (False, True)


class Two(nn.Module):
    """A toy encoder: two paths, each a convolution of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.paths = nn.ModuleList(nn.Conv2d(8, 16, 1) for _ in range(2))

    def forward(self, x: Tensor, word: int) -> list[tuple[None, Tensor]]:
        return [(None, self.paths[word](x))]


@pytest.mark.parametrize("negatives", [True, False])
def test_only_negatives_keep_embeddings_apart(negatives: bool) -> None:
    dimensions = 16
    student = Embedding(Two(), [(16, 1, 1)], 32, dimensions, rng(), centred=False)
    teacher, queue = deepcopy(student), Queue(128, dimensions, rng())
    sgd = torch.optim.SGD(student.parameters(), 0.1, momentum=0.9, weight_decay=1e-3)
    images = torch.randn(512, 8, 1, 1)
    for _ in range(300):
        x = images[torch.randint(512, (64,))]
        z, k = list[Tensor](), list[Tensor]()
        for word in range(2):
            with running(student) as active:
                z.append(student(x + 0.3 * torch.randn(x.shape), word))
            follow(teacher, student, active, 0.9)
        with torch.no_grad():
            k += [teacher(x + 0.3 * torch.randn(x.shape), word) for word in range(2)]
        pairs = [(z[0], k[1]), (z[1], k[0])]
        losses = [info_nce(*each, queue.keys, 0.2) for each in pairs]
        if not negatives:
            losses = [consistency(*each) for each in pairs]
        loss = losses[0] + losses[1]
        sgd.zero_grad()
        loss.backward()
        sgd.step()
        queue.push((k[0] + k[1]) / 2)
    found = spread(student(images, 0)) * dimensions**0.5
    assert found > 0.8 if negatives else found < 0.1


# ------------------------------------------------------------------------------------------- views


def test_views_follow_from_their_generator() -> None:
    x = torch.randn(6, 3, 12, 10)
    one, again, other = (view(x, rng(seed)) for seed in (0, 0, 1))
    assert one.shape == x.shape
    assert one.is_contiguous(memory_format=torch.channels_last)
    assert one.equal(again)
    assert not one.equal(other)
    assert not any(a.equal(b) for a, b in zip(one, x, strict=True))


def test_parts_are_images() -> None:
    parts = torch.randn(4, 9, 3, 8, 8)
    assert view(parts, rng()).equal(view(parts.flatten(0, 1), rng()))


def test_crops() -> None:
    """Of a picture of its own coordinates, where a crop was can be read."""
    n, height, width = 500, 16, 24
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    image = torch.stack([x / width, y / height, x * 0])
    found = crop(image.expand(n, 3, height, width), rng(), least=0.2)
    across = (found[:, 0, 8, 15] - found[:, 0, 8, 8]) * width / 7
    down = (found[:, 1, 11, 12] - found[:, 1, 4, 12]) * height / 7
    assert 0.4 < (across < 0).float().mean() < 0.6
    assert (down > 0).all()
    across, area = across.abs(), across.abs() * down
    assert 0.2 - 1e-4 < area.min() < 0.23
    assert 0.85 < area.max() < 1 + 1e-4
    inside = (across < 0.999) & (down < 0.999)
    ratio = (across / down)[inside]
    assert 0.75 - 1e-3 < ratio.min() < 0.8
    assert 1.25 < ratio.max() < 4 / 3 + 1e-3
    middle = found[:, :2, 7:9, 11:13].mean((2, 3))
    sides = torch.stack([across, down], 1)
    assert (middle - sides / 2 > -0.03).all()
    assert (middle + sides / 2 < 1.03).all()
    assert middle.std(0).min() > 0.05


def test_colours() -> None:
    x = torch.randn(64, 3, 6, 6)
    torch.testing.assert_close(recolour(x, rng(), jittered=0, grey=0), x)
    torch.testing.assert_close(recolour(x, rng(), jitter=0, grey=0), x)
    grey = recolour(x, rng(), jittered=0, grey=1)
    luma = (x * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1, keepdim=True)
    torch.testing.assert_close(grey, luma.expand(-1, 3, -1, -1))
    changed = recolour(x, rng(), grey=0)
    assert 0.05 < ((changed - x).abs().amax((1, 2, 3)) < 1e-5).float().mean() < 0.4  # a fifth
    some = recolour(x, rng(), jittered=0, grey=0.2)
    assert 0.05 < (some.std(1).amax((1, 2)) < 1e-6).float().mean() < 0.4


def test_brightness_leaves_black() -> None:
    x = torch.zeros(50, 3, 4, 4) - 2.0
    x[:, :, :2] = 1.0
    found = recolour(x, rng(), jittered=1, grey=0)
    ratio = (found[:, 0, 0, 0] - found[:, 0, 3, 0]) / 3  # of grey images: brightness x contrast
    assert 0.36 - 1e-4 < ratio.min() < 0.6
    assert 1.4 < ratio.max() < 1.96 + 1e-4
    mean = found.mean((1, 2, 3))  # contrast keeps it: -2 + 1.5 x brightness
    assert -2 + 1.5 * 0.6 - 1e-4 < mean.min() < -2 + 1.5 * 0.65
    assert -2 + 1.5 * 1.35 < mean.max() < -2 + 1.5 * 1.4 + 1e-4
