"""What every task that can be trained must do, run over the folder; metrics against oracles."""

from __future__ import annotations

import pickle
from dataclasses import fields, replace
from math import inf, isnan, log, nan
from typing import Any

import numpy as np
import pytest
import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import one_hot
from torchmetrics import JaccardIndex, MeanSquaredError, MetricCollection
from torchmetrics.classification import MulticlassAccuracy
from torchmetrics.functional.image import structural_similarity_index_measure

from nasbench.errors import BadValue, NotApplicable
from nasbench.find import find, names
from nasbench.images import IGNORED, Kind, Label
from nasbench.nets import Network
from nasbench.task import Task, percent
from nasbench.tasks import jigsaw, normal
from nasbench.tasks.heads.decoder import decoder
from nasbench.tasks.heads.losses import signal
from nasbench.tasks.heads.ssim import ssim
from nasbench.tasks.kinds.classification import Classification
from nasbench.tasks.kinds.permutations import permutations
from nasbench.tasks.kinds.picture import Picture
from nasbench.tasks.kinds.segmentation import Segmentation
from nasbench.tasks.kinds.trainable import Trainable

N: dict[Kind, int] = {"class": 7, "numbers": 9, "mask": 17, "picture": 3}
TRAINABLE = [name for name in names("tasks") if find("tasks", name).label]
KINDS = ["class_object", "room_layout", "segmentsemantic", "normal"]


def trainable(name: str) -> Trainable:
    task = find("tasks", name)
    assert isinstance(task, Trainable)
    return task


OTHERWISE: dict[str, dict[str, Any]] = {
    "segmentsemantic": {"decoder": "subpixel", "every": 2, "balance": 0.5},
    "normal": {"decoder": "subpixel", "coarse": 2, "dissimilarity": 1.0},
}
"""Options under which the contract holds too."""


@pytest.fixture(params=[*TRAINABLE, *(f"{name} otherwise" for name in OTHERWISE)])
def task(request: pytest.FixtureRequest) -> Trainable:
    name, _, otherwise = request.param.partition(" ")
    return replace(trainable(name), **OTHERWISE[name] if otherwise else {})


def chance(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def label_of(task: Trainable) -> Label:
    return Label(task.label, task.kind, N[task.kind])


def batch(task: Trainable, count: int, size: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """What a network sees of random images, in which half of the pixels of masks are ignored."""
    rng = chance(seed)
    rgb = torch.randint(0, 256, (count, size, size, 3), generator=rng).byte()
    mask = torch.randint(0, N["mask"], (count, size, size), generator=rng).byte()
    told: dict[Kind, Tensor] = {
        "class": torch.randint(0, N["class"], (count,), generator=rng),
        "numbers": torch.randn(count, N["numbers"], generator=rng),
        "mask": mask.where(rgb[..., 0] < 128, IGNORED),
        "picture": rgb if task.label == "rgb" else rgb.flip(1),
    }
    return task.inputs(rgb, told[task.kind], rng)


def outputs(task: Trainable, target: Tensor, seed: int = 0) -> Tensor:
    """What an untrained network might say, in the shape that the target needs."""
    rng = chance(seed)
    if task.kind == "numbers":
        return torch.randn(target.shape, generator=rng)
    if isinstance(task, Picture):
        return torch.rand(signal(target).shape, generator=rng) * 2 - 1
    n = task.outputs(label_of(task))
    return torch.randn((len(target), n, *target.shape[1:]), generator=rng)


def perfect(task: Trainable, target: Tensor) -> Tensor:
    """What a network that knows the target would say."""
    if task.kind == "numbers":
        return target
    if isinstance(task, Picture):
        return signal(target)
    n = task.outputs(label_of(task))
    known = one_hot(target.long().where(target != IGNORED, 0), n)
    return 1000 * known.movedim(-1, 1).float()


def measured(task: Trainable, output: Tensor, target: Tensor, batches: int = 1) -> dict[str, float]:
    meter = task.meter(label_of(task))
    for some, true in zip(output.chunk(batches), target.chunk(batches), strict=True):
        meter.add(some, true)
    return meter.values()


def loss_of(task: Task, values: dict[str, float]) -> float:
    return next(value for name, value in values.items() if task[name].goal == "min")


# ------------------------------------------------------------------------------------- contract


def test_pickles_and_hashes(task: Trainable) -> None:
    assert pickle.loads(pickle.dumps(task)) == task
    assert task in {task}


@pytest.mark.parametrize(
    ("features", "size"),
    [((5, 1, 1), 16), ((8, 1, 1), 32), ((64, 4, 4), 33), ((40, 7, 7), 64), ((8, 16, 16), 16)],
)
def test_head_from_any_features(task: Trainable, features: tuple[int, int, int], size: int) -> None:
    seen, target = batch(task, 4, size)
    images = len(seen.flatten(0, -4))
    assert seen.dtype == torch.uint8
    x = torch.randn(images, *features, generator=chance(), requires_grad=True)
    output = task.head(features, label_of(task), size)(x)
    assert output.shape == outputs(task, target).shape
    assert task.predict(output).shape == target.shape
    assert task.predict(output).dtype == target.dtype
    loss = task.loss(output, target)
    loss.backward()
    assert loss.shape == ()
    assert x.grad is not None
    assert x.grad.abs().sum(0).bool().all()  # every feature in every place matters


def test_training_lowers_the_loss(task: Trainable) -> None:
    torch.manual_seed(0)
    seen, target = batch(task, 8, 24)
    x = seen.movedim(-1, -3) / 127.5 - 1
    encoder = nn.Sequential(nn.Conv2d(3, 16, 4, 4), nn.ReLU())
    height = seen.shape[-2] // 4
    network = Network(encoder, task.head((16, height, height), label_of(task), 24))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    before = task.loss(network(x), target).item()
    for _ in range(60):
        optimizer.zero_grad()
        task.loss(network(x), target).backward()
        optimizer.step()
    assert task.loss(network(x), target).item() < 0.95 * before


def test_inputs_follow_the_generator(task: Trainable) -> None:
    first, same, other = (batch(task, 8, 16, seed) for seed in (0, 0, 1))
    assert all(a.equal(b) for a, b in zip(first, same, strict=True))
    assert not first[0].equal(other[0])


def test_perfect_outputs_give_the_best_values(task: Trainable) -> None:
    _, target = batch(task, 6, 24)
    output = perfect(task, target)
    best = {m.name: m.bounds[1] if m.goal == "max" else m.bounds[0] for m in task}
    assert measured(task, output, target) == best
    told = target != IGNORED if task.kind == "mask" else torch.ones_like(target, dtype=torch.bool)
    assert task.predict(output)[told].equal(target[told])


def test_meter_measures_what_the_loss_says(task: Trainable) -> None:
    _, target = batch(task, 12, 16)
    output = outputs(task, target)
    values = measured(task, output, target)
    assert list(values) == [metric.name for metric in task]
    added = {f.name for f in fields(task)} & {"balance", "dissimilarity"}
    assert (task.trained_on in values) is not bool([a for a in added if getattr(task, a)])
    plain: Any = replace(task, **dict[str, Any](dict.fromkeys(added, 0.0)))
    assert loss_of(task, values) == pytest.approx(plain.loss(output, target).item(), rel=1e-5)
    for metric in task:
        assert metric.bounds[0] <= values[metric.name] <= metric.bounds[1]


def test_meter_does_not_depend_on_batches(task: Trainable) -> None:
    _, target = batch(task, 12, 16)
    output = outputs(task, target)
    assert measured(task, output, target, 5) == pytest.approx(
        measured(task, output, target), rel=1e-6
    )


@pytest.mark.parametrize("bad", [nan, inf, -inf])
def test_outputs_that_are_not_finite(task: Trainable, bad: float) -> None:
    _, target = batch(task, 12, 16)
    output = outputs(task, target)
    zeroed, spoilt = output.clone(), output.clone()
    zeroed[3], spoilt[3] = 0, bad
    expected, values = measured(task, zeroed, target), measured(task, spoilt, target, 3)
    assert loss_of(task, values) == inf
    rest = {name for name in values if not name.endswith("loss")}
    assert {name: values[name] for name in rest} == pytest.approx(
        {name: expected[name] for name in rest}, rel=1e-6
    )
    assert task.predict(spoilt).equal(task.predict(zeroed))


def test_nothing_measured_is_nan(task: Trainable) -> None:
    assert all(isnan(value) for value in task.meter(label_of(task)).values().values())


def test_a_label_of_another_kind_is_refused(task: Trainable) -> None:
    other: Kind = "numbers" if task.kind != "numbers" else "class"
    with pytest.raises(BadValue, match=f"{task.name} learns from .*'{task.kind}'.*'{other}'$"):
        task.head((8, 4, 4), Label("mine", other, 3), 16)


@pytest.mark.parametrize("features", [(8, 3, 3), (4, 6, 6)])
def test_subpixels_are_a_linear_map_of_the_place_they_lie_in(
    features: tuple[int, int, int],
) -> None:
    x, size = torch.randn(1, *features, generator=chance(), requires_grad=True), 12
    output = decoder("subpixel", features, 2, size)(x)
    output[0, 1, 7, 2].backward()
    assert x.grad is not None
    side = -(-size // features[1])
    assert x.grad[0].any(0).nonzero().tolist() == [[7 // side, 2 // side]]


def test_a_coarse_picture_is_interpolated() -> None:
    coarse = decoder("subpixel", (8, 3, 3), 3, 24, coarse=4)
    few = coarse[0](x := torch.randn(2, 8, 3, 3, generator=chance()))  # type: ignore[index]
    assert few.shape == (2, 3, 6, 6)
    assert coarse(x).equal(nn.functional.interpolate(few, 24, mode="bilinear"))


def test_dissimilarity_is_added_to_the_loss() -> None:
    _, target = batch(normal.TASK, 3, 24)
    output = outputs(normal.TASK, target)
    both = replace(normal.TASK, dissimilarity=0.5).loss(output, target)
    alike = measured(normal.TASK, output, target)["ssim"]
    assert (both - normal.TASK.loss(output, target)).item() == pytest.approx(0.5 * (1 - alike))


def test_what_was_measured_first_can_be_trained() -> None:
    x = torch.rand(2, 3, 13, 14)
    with torch.inference_mode():
        ssim(x, x)
    ssim(x.requires_grad_(), x).sum().backward()


def test_every_second_pixel_of_a_mask() -> None:
    task = Segmentation("mine", label="mask", every=2)
    told = torch.arange(2 * 5 * 5).reshape(2, 5, 5).byte()
    _, target = task.inputs(told, told, chance())
    assert target.equal(told[:, ::2, ::2])
    assert task.head((4, 2, 2), label_of(task), 5)(torch.zeros(2, 4, 2, 2)).shape[2:] == (3, 3)


@pytest.mark.parametrize("balance", [0.0, 0.5, 1.0])
def test_rare_classes_weigh_more(balance: float) -> None:
    """The weighted cross entropy of torch, with the weights of the batch's own frequencies."""
    task = Segmentation("mine", label="mask", balance=balance)
    _, target = batch(task, 4, 8)
    target[:2] = 3
    output = outputs(task, target)
    counts = target[target != IGNORED].long().bincount(minlength=N["mask"])
    weight = counts.clamp(min=1).float() ** -balance
    expected = nn.functional.cross_entropy(output, target.long(), weight, ignore_index=IGNORED)
    assert task.loss(output, target).item() == pytest.approx(expected.item(), rel=1e-5)
    nothing = torch.full_like(target, IGNORED)
    assert task.loss(output, nothing).item() == 0


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("normal", {"decoder": "conv"}, "a decoder 'conv': there are deconvolution and subpixel"),
        (
            "segmentsemantic",
            {"every": 0},
            "decodes at one in 0 of the resolution: it can be 1 to 8",
        ),
        ("segmentsemantic", {"balance": 1.5}, "with balance 1.5: it is from 0 to 1"),
        (
            "autoencoder",
            {"coarse": 2.0},
            "decodes at one in 2.0 of the resolution: it can be 1 to 8",
        ),
        ("normal", {"dissimilarity": -1.0}, "with dissimilarity -1.0: it is 0 or above"),
    ],
)
def test_options_of_decoding_that_cannot_be(name: str, options: Any, words: str) -> None:
    with pytest.raises(BadValue, match=f"^{name} .*{words}$"):
        replace(trainable(name), **options)


def test_no_critic_unless_asked_for(task: Trainable) -> None:
    assert task.critic(label_of(task), 16) is None


def test_a_task_that_only_names_metrics_cannot_be_trained() -> None:
    task, label, x = Task("mine", percent("top1")), Label("a", "class", 2), torch.zeros(1)
    for call in (
        lambda: task.inputs(x, x, chance()),
        lambda: task.head((1, 1, 1), label, 8),
        lambda: task.loss(x, x),
        lambda: task.adversarial_losses(nn.Identity(), x, x),
        lambda: task.meter(label),
        lambda: task.predict(x),
    ):
        with pytest.raises(NotApplicable, match=r"^not applicable: the task mine can't be trained"):
            call()


# --------------------------------------------------------------------------------------- jigsaw


@pytest.mark.parametrize("size", [3, 5, 32, 33])
def test_tiles_go_back_to_their_places(size: int) -> None:
    rgb = torch.randint(0, 256, (20, size, size, 3), generator=chance()).byte()
    seen, target = jigsaw.TASK.inputs(rgb, rgb, chance())
    tile, start = size // 3, size % 3 // 2
    assert seen.shape == (20, 9, tile, tile, 3)
    for image, tiles, which in zip(rgb, seen, target, strict=True):
        for place, one in zip(permutations()[which], tiles, strict=True):
            top, left = start + tile * (place // 3), start + tile * (place % 3)
            assert one.equal(image[top : top + tile, left : left + tile])


def test_all_permutations_are_drawn() -> None:
    few = replace(jigsaw.TASK, permutations=64)
    rgb = torch.zeros(3000, 3, 3, 3, dtype=torch.uint8)
    _, target = few.inputs(rgb, rgb, chance())
    assert target.bincount().bool().tolist() == [True] * 64
    assert few.head((8, 1, 1), Label("rgb", "picture", 3), 3)(torch.zeros(18, 8, 1, 1)).shape == (
        2,
        64,
    )


@pytest.mark.parametrize(("count", "distance"), [(2, 9), (9, 9), (16, 8), (64, 7), (1000, 6)])
def test_permutations_are_far_apart(count: int, distance: int) -> None:
    chosen = permutations()[:count]
    assert (np.sort(chosen) == np.arange(9)).all()
    assert nearest(chosen) == distance


def test_random_permutations_are_not() -> None:
    shuffled = np.random.default_rng(0).permuted(np.tile(np.arange(9), (1000, 1)), axis=1)
    assert nearest(shuffled[:64]) < 5
    assert nearest(shuffled) < 3


def nearest(chosen: Any) -> int:
    """The smallest Hamming distance of two different rows; 0 if some are equal."""
    distances = (chosen[:, None] != chosen).sum(-1)
    return int(distances[np.triu_indices(len(chosen), 1)].min())


def test_options_that_cannot_be() -> None:
    for count in (1, 1001):
        with pytest.raises(BadValue, match=f"^jigsaw with {count} permutations: 2 to 1000 exist$"):
            replace(jigsaw.TASK, permutations=count)
    for weight in (-0.1, inf, nan):
        with pytest.raises(BadValue, match=f"^normal with adversarial {weight}: it is 0 or above$"):
            replace(normal.TASK, adversarial=weight)
    with pytest.raises(
        BadValue, match=r"^jigsaw cuts images into 3x3 tiles: 2 pixels are too few$"
    ):
        batch(jigsaw.TASK, 1, 2)


# ------------------------------------------------------------------------------------- adversary


@pytest.mark.parametrize("size", [1, 16, 33])
def test_critic_and_network_train_against_each_other(size: int) -> None:
    torch.manual_seed(0)
    task, label = Picture("mine", label="rgb", adversarial=0.5), Label("rgb", "picture", 3)
    critic = task.critic(label, size)
    assert critic is not None
    _, target = batch(task, 8, size)
    output = torch.zeros_like(signal(target), requires_grad=True)
    optimizer = torch.optim.Adam(critic.parameters(), lr=1e-3)
    own, part = task.adversarial_losses(critic, output, target)
    own.backward()
    assert output.grad is None
    part.backward()
    assert output.grad is not None
    for _ in range(60):
        optimizer.zero_grad()
        task.adversarial_losses(critic, output, target)[0].backward()
        optimizer.step()
    after = task.adversarial_losses(critic, output, target)
    assert after[0] < own
    assert after[1] > part


def test_a_critic_that_knows_nothing_costs_the_logarithm_of_two() -> None:
    task, target = Picture("mine", adversarial=0.5), torch.zeros(2, 8, 8, 3, dtype=torch.uint8)
    own, part = task.adversarial_losses(nn.Flatten(), signal(target) * 0, target + 255)
    assert part.item() == pytest.approx(0.5 * log(2))
    assert own.item() == pytest.approx((log(2) + log(1 + np.exp(-1))) / 2)


# --------------------------------------------------------------------------------------- metrics


def test_accuracies_against_torchmetrics() -> None:
    task, n, rng = Classification("mine"), 30, chance()
    meter = task.meter(Label("a", "class", n))
    oracle = MetricCollection(
        {f"top{k}": MulticlassAccuracy(n, k, average="micro") for k in (1, 5)}
    )
    for count in (40, 1, 13):
        target = torch.randint(0, n, (count,), generator=rng)
        output = torch.randn(count, n, generator=rng) + one_hot(target, n)
        meter.add(output, target)
        oracle.update(output, target)
    values = meter.values()
    for name, value in oracle.compute().items():
        assert values[name] == pytest.approx(100 * value.item())


def test_soft_labels() -> None:
    task, rng = Classification("mine"), chance()
    soft = torch.rand(50, 8, generator=rng).softmax(1)
    output = torch.randn(50, 8, generator=rng)
    expected = -(soft * output.log_softmax(1)).sum(1).mean().item()
    assert task.loss(output, soft).item() == pytest.approx(expected, rel=1e-6)
    values = measured(task, output, soft, 3)
    hard = measured(task, output, soft.argmax(1))
    assert values["loss"] == pytest.approx(expected, rel=1e-6)
    assert (values["top1"], values["top5"]) == (hard["top1"], hard["top5"])


def test_ties_are_not_in_favour_of_the_truth() -> None:
    target = torch.arange(14) % 7
    values = measured(Classification("mine"), torch.zeros(14, 7), target)
    assert values["top1"] == pytest.approx(100 / 7)
    assert values["top5"] == pytest.approx(500 / 7)
    pixels = target.byte().repeat(4, 1).reshape(1, 7, 8)
    values = measured(Segmentation("mine"), torch.zeros(1, 17, 7, 8), pixels)
    assert values["acc"] == pytest.approx(100 / 7)
    assert values["mIoU"] == pytest.approx(100 / 7 / 7)


@pytest.mark.parametrize("classes", [3, 17])
def test_masks_against_torchmetrics(classes: int) -> None:
    """With few classes told, the others occur in neither, or in the prediction alone."""
    task, n, rng = Segmentation("mine"), 17, chance()
    meter = task.meter(Label("a", "mask", n))
    oracle = MetricCollection(
        {
            "mIoU": JaccardIndex("multiclass", num_classes=n, ignore_index=IGNORED),
            "acc": MulticlassAccuracy(n, average="micro", ignore_index=IGNORED),
        }
    )
    for count in (5, 1, 3):
        target = torch.randint(0, classes, (count, 9, 9), generator=rng)
        output = torch.randn(count, n, 9, 9, generator=rng)
        output[:, classes + 1 :] -= 100
        output += 2 * one_hot(target, n).movedim(-1, 1)
        target[torch.rand(target.shape, generator=rng) < 0.3] = IGNORED
        meter.add(output, target.byte())
        oracle.update(output, target)
    values = meter.values()
    for name, value in oracle.compute().items():
        assert values[name] == pytest.approx(100 * value.item(), rel=1e-5)


def test_pixels_that_are_all_ignored() -> None:
    task = Segmentation("mine")
    output = torch.randn(2, 17, 4, 4, requires_grad=True)
    target = torch.full((2, 4, 4), IGNORED, dtype=torch.uint8)
    loss = task.loss(output, target)
    loss.backward()
    assert loss.item() == 0
    meter = task.meter(Label("a", "mask", 17))
    meter.add(output.detach(), target)
    assert all(isnan(value) for value in meter.values().values())


@pytest.mark.parametrize("size", [11, 12, 32, 45])
def test_ssim_against_torchmetrics(size: int) -> None:
    """Its map has places where the window is beyond the picture, over a mirror image; ours not."""
    rng, task = chance(), Picture("mine", label="rgb")
    true = torch.randint(0, 256, (6, size, size, 3), generator=rng).byte()
    true[0] = 77  # without any structure
    noise = torch.randn(6, 3, size, size, generator=rng)
    output = (signal(true) + 0.3 * noise).clamp(-1, 1)
    _, places = structural_similarity_index_measure(
        (output + 1) / 2, (signal(true) + 1) / 2, data_range=1.0, return_full_image=True
    )
    within = places[..., 5:-5, 5:-5].mean().item()
    assert measured(task, output, true, 4)["ssim"] == pytest.approx(within, abs=1e-6)


@pytest.mark.parametrize(("size", "side"), [(1, 1), (2, 1), (7, 7), (8, 7), (10, 9), (13, 11)])
def test_ssim_written_out(size: int, side: int) -> None:
    """Smaller pictures have a smaller window."""
    x, y = torch.rand(2, 3, size, size, generator=chance()).double().numpy()
    row = np.exp(-((np.arange(side) - side // 2) ** 2) / (2 * 1.5**2))
    window = np.outer(row, row) / row.sum() ** 2
    similar = []
    for channel, top, left in np.ndindex(3, size - side + 1, size - side + 1):
        place = channel, slice(top, top + side), slice(left, left + side)
        (a, b), ((aa, ab), (_, bb)) = _moments(x[place], y[place], window)
        similar.append(
            (2 * a * b + 1e-4) * (2 * ab + 9e-4) / (a * a + b * b + 1e-4) / (aa + bb + 9e-4)
        )
    ours = ssim(torch.tensor(x)[None].float(), torch.tensor(y)[None].float())
    assert ours.item() == pytest.approx(np.mean(similar), abs=1e-5)


def _moments(x: Any, y: Any, window: Any) -> tuple[Any, Any]:
    """Weighted means, and covariances."""
    means = np.array([(window * x).sum(), (window * y).sum()])
    apart = np.stack([x - means[0], y - means[1]])
    return means, np.einsum("kij,lij,ij->kl", apart, apart, window)


def test_squared_errors_against_torchmetrics() -> None:
    rng, task = chance(), trainable("room_layout")
    output, target = torch.randn(2, 40, 9, generator=rng)
    oracle = MeanSquaredError()
    oracle.update(output, target)
    values = measured(task, output, target, 3)
    assert values["loss"] == pytest.approx(oracle.compute().item(), rel=1e-6)
    assert values["neg_loss"] == -values["loss"]
    assert values["neg_loss"] <= 0


def test_l1_is_measured_from_minus_one_to_one() -> None:
    white = torch.full((1, 16, 16, 3), 255, dtype=torch.uint8)
    values = measured(Picture("mine", label="rgb"), -torch.ones(1, 3, 16, 16), white)
    assert values["l1_loss"] == 2
    assert values["ssim"] == pytest.approx(1e-4, rel=1e-2)


# -------------------------------------------------------------------------------- our own tasks


@pytest.mark.parametrize(
    ("name", "label", "metrics"),
    [
        ("class_object", "class_object", "top1 top5 loss"),
        ("class_scene", "class_scene", "top1 top5 loss"),
        ("jigsaw", "rgb", "top1 top5 loss"),
        ("room_layout", "room_layout", "neg_loss loss"),
        ("segmentsemantic", "segmentsemantic", "mIoU acc loss"),
        ("normal", "normal", "ssim l1_loss"),
        ("autoencoder", "rgb", "ssim l1_loss"),
        ("cifar10", "class", "top1 top5 loss"),
        ("cifar10_valid", "class", "top1 top5 loss"),
        ("cifar100", "class", "top1 top5 loss"),
        ("imagenet16_120", "class", "top1 top5 loss"),
    ],
)
def test_our_tasks(name: str, label: str, metrics: str) -> None:
    task = find("tasks", name)
    assert (task.name, task.label) == (name, label)
    assert [metric.name for metric in task] == metrics.split()
