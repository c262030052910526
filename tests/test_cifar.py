"""CIFAR-10, CIFAR-100 and ImageNet16-120 from files in the published formats."""

from __future__ import annotations

import io
import json
import pickle
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from nasbench.errors import BadFile, BadValue, NotRecorded
from nasbench.find import find
from nasbench.images import Images, Split, Wanted
from nasbench.tasks.images._published import Published
from tests import old_pickle

NAMES = ("cifar10", "cifar100", "imagenet16_120")
SPLITS: tuple[Split, ...] = ("train", "valid", "test")
EACH = 12
"""Images in a file."""


def source(name: str) -> Published:
    """Return the source as for published files of `EACH` images."""
    images = find("images", name)
    assert isinstance(images, Published)
    kept = {part: EACH * len(sets[0]) for part, sets in images.files.items()}
    if name == "imagenet16_120":
        kept = {part: sum(below(i) for i in range(total)) for part, total in kept.items()}
    return replace(images, totals=kept)


def below(place: int) -> bool:
    return place * 37 % 1000 < 120


def made(images: Published, part: str) -> tuple[NDArray[np.uint8], list[int]]:
    """Make all published images of a part, as stored, and their labels."""
    total = EACH * len(images.files[part][0])
    rng = np.random.default_rng(len(part))
    pixels = rng.integers(256, size=(total, 3 * images.native**2), dtype=np.uint8)
    first = images.first
    return pixels, [first + i * 37 % images.published for i in range(total)]


def written(
    images: Published, folder: Path, dumps: Callable[[Any], bytes] = old_pickle.dumps
) -> Path:
    """Write the Python version of a data set."""
    folder.mkdir(exist_ok=True)
    for part, (names, *_) in images.files.items():
        pixels, labels = made(images, part)
        for i, name in enumerate(names):
            these = slice(i * EACH, (i + 1) * EACH)
            told = {"data": pixels[these], images.label_key: labels[these], "x": ["a", "é"]}
            (folder / name).write_bytes(dumps(told))
    return folder


def binary(images: Published, folder: Path) -> Path:
    """Write the binary version of a data set."""
    folder.mkdir(exist_ok=True)
    for part, (_, names) in images.files.items():
        pixels, labels = made(images, part)
        heads = np.array([[99] * (images.head - 1) + [label] for label in labels], np.uint8)
        records = np.concatenate([heads, pixels], axis=1)
        for i, name in enumerate(names):
            (folder / name).write_bytes(records[i * EACH : (i + 1) * EACH].tobytes())
    return folder


def archive(folder: Path) -> Path:
    path = folder.with_suffix(".tar.gz")
    with tarfile.open(path, "w:gz") as file:
        file.add(folder, "any-name")
    return path


def loaded(
    images: Images, path: Path, split: Split, size: int = 0, count: int | None = None
) -> Any:
    size = size or source(images.name).native
    return images.load(Wanted(split, size, count, path), ["class"])


@pytest.mark.parametrize("name", NAMES)
def test_every_image_is_in_one_split(name: str, tmp_path: Path) -> None:
    images = source(name)
    path = written(images, tmp_path / "x")
    seen: dict[str, list[bytes]] = {"train": [], "test": []}
    for split in SPLITS:
        found = loaded(images, path, split)
        assert list(found) == ["rgb", "class"]
        rgb, classes = found["rgb"], found["class"]
        assert rgb.shape == (len(classes), images.native, images.native, 3)
        assert (rgb.dtype, classes.dtype) == (np.uint8, np.int64)
        part, half = images.halves[split]
        assert len(rgb) == images.totals[part] // (1 if half is None else 2)
        seen[part] += [image.tobytes() + bytes([c]) for image, c in zip(rgb, classes, strict=True)]
    for part, images_seen in seen.items():
        pixels, labels = made(images, part)
        rows = pixels.reshape(-1, 3, images.native, images.native).transpose(0, 2, 3, 1)
        classes = [label - images.first for label in labels]
        expected = [
            row.tobytes() + bytes([c])
            for row, c in zip(rows, classes, strict=True)
            if c < images.labels["class"].n
        ]
        assert sorted(images_seen) == sorted(expected)


def numbers(told: dict[str, Any]) -> bytes:
    return pickle.dumps({k: np.array(v) if "labels" in k else v for k, v in told.items()}, 3)


@pytest.mark.parametrize("name", NAMES)
def test_all_forms_are_the_same_images(name: str, tmp_path: Path) -> None:
    images = source(name)
    forms = [
        written(images, tmp_path / "old"),
        written(images, tmp_path / "new", lambda told: pickle.dumps(told, 3)),
        written(images, tmp_path / "new2", lambda told: pickle.dumps(told, 2)),
        written(images, tmp_path / "numbers", numbers),
    ]
    if name != "imagenet16_120":
        forms.append(binary(images, tmp_path / "bin"))
    forms += [archive(folder) for folder in forms]
    for split in SPLITS:
        first = loaded(images, forms[0], split)
        for path in forms[1:]:
            found = loaded(images, path, split)
            for label, values in first.items():
                np.testing.assert_array_equal(found[label], values, err_msg=f"{path} {label}")


def test_half_the_size_is_a_mean(tmp_path: Path) -> None:
    images = source("cifar10")
    path = written(images, tmp_path / "x")
    large, small = (loaded(images, path, "test", size)["rgb"] for size in (32, 16))
    blocks = large.reshape(-1, 16, 2, 16, 2, 3).astype(float).mean(axis=(2, 4))
    np.testing.assert_array_equal(small, np.floor(blocks + 0.5))


def test_count_takes_the_first(tmp_path: Path) -> None:
    images = source("cifar100")
    path = written(images, tmp_path / "x")
    assert len(loaded(images, path, "valid", count=3)["rgb"]) == 3
    whole = loaded(images, path, "valid")["rgb"]
    np.testing.assert_array_equal(loaded(images, path, "valid", count=3)["rgb"], whole[:3])
    assert list(images.load(Wanted("test", 32, 1, path), [])) == ["rgb"]


def test_our_halves_are_fixed(tmp_path: Path) -> None:
    """They must never change: trainings depend on them."""
    images = find("images", "cifar10")
    assert isinstance(images, Published)
    halves = images._split(Wanted("train", 32, path=tmp_path), 50_000)
    assert [len(half) for half in halves] == [25_000, 25_000]
    assert halves[0][:8].tolist() == FIRST
    assert np.array_equal(np.sort(np.concatenate(halves)), np.arange(50_000))


FIRST = [0, 1, 3, 4, 7, 8, 9, 10]


@pytest.mark.parametrize("name", NAMES)
def test_published_halves_where_their_file_is(name: str, tmp_path: Path) -> None:
    images = source(name)
    path = written(images, tmp_path / "x")
    part, _ = images.halves["valid"]
    total = images.totals[part]
    before = images.digest(Wanted("valid", 16, path=path))
    halves = [["int", [str(i) for i in range(k, total, 2)]] for k in (0, 1)]
    file = path / images.split_file
    file.write_text(json.dumps(dict(zip(images.split_keys, halves, strict=True))))
    assert images.digest(Wanted("valid", 16, path=path)) != before
    everything = replace(images, halves=dict.fromkeys(SPLITS, (part, None)))
    whole = loaded(everything, path, "valid")["class"]
    for split in SPLITS:
        if (half := images.halves[split][1]) is not None:
            np.testing.assert_array_equal(loaded(images, path, split)["class"], whole[half::2])
    for wrong in (
        "",
        "{}",
        "[]",
        '{"train": 1, "xvalid": 1}',
        '{"train": [1, ["x"]]}',
        "[" * 10**5,
    ):
        file.write_text(wrong)
        with pytest.raises(BadFile, match="is damaged"):
            loaded(images, path, "valid")
    halves[1][1] = halves[0][1]
    file.write_text(json.dumps(dict(zip(images.split_keys, halves, strict=True))))
    with pytest.raises(BadFile, match=f"doesn't split {total} images"):
        loaded(images, path, "valid")


def test_digest(tmp_path: Path) -> None:
    images = source("cifar10")
    path = written(images, tmp_path / "x")
    wanted = Wanted("train", 32, path=path)
    packed = archive(path)
    others = [
        wanted,
        replace(wanted, split="valid"),
        replace(wanted, split="test"),
        replace(wanted, size=16),
        replace(wanted, count=3),
        replace(wanted, path=packed),
    ]
    digests = [images.digest(each) for each in others]
    assert digests == [images.digest(each) for each in others]
    assert len(set(digests)) == len(others)
    file = path / "data_batch_5"
    data = file.read_bytes()
    file.write_bytes(data[:-2] + bytes([data[-2] ^ 1]) + data[-1:])
    assert images.digest(wanted) != digests[0]
    assert images.digest(others[2]) == digests[2]


def test_tick(tmp_path: Path) -> None:
    images = source("cifar10")
    ticks: list[tuple[int, int]] = []
    path = written(images, tmp_path / "x")
    images.load(Wanted("train", 32, path=path, tick=lambda *at: ticks.append(at)), ["class"])
    assert ticks == [(i, 5) for i in range(1, 6)]


def test_what_is_wanted_must_be_there(tmp_path: Path) -> None:
    images = source("cifar10")
    path = written(images, tmp_path / "x")
    for size in (8, 33, 0):
        with pytest.raises(BadValue, match="of 32 or 16 pixels"):
            loaded(images, path, "train", size or -1)
    for count in (0, -1, 31):
        with pytest.raises(BadValue, match="has 30 images to train"):
            loaded(images, path, "train", count=count)
    with pytest.raises(NotRecorded, match="no label 'normal'; they have rgb, class"):
        images.load(Wanted("train", 32, path=path), ["normal"])
    with pytest.raises(BadFile, match="need the path of the folder"):
        images.load(Wanted("train", 32), ["class"])
    for path in (tmp_path / "absent", tmp_path):
        with pytest.raises(BadFile, match=r"no file or folder|lacks data_batch_1, data_batch_2"):
            loaded(images, path, "train")


def test_nothing_of_a_hostile_file_runs(tmp_path: Path) -> None:
    class Payload:
        def __reduce__(self) -> Any:
            return Path.mkdir, (tmp_path / "target",)

    images = source("cifar10")
    path = written(images, tmp_path / "x")
    (path / "test_batch").write_bytes(pickle.dumps({"data": Payload(), "labels": [1]}))
    with pytest.raises(BadFile, match="test_batch was refused, nothing of it ran"):
        loaded(images, path, "test")
    assert not (tmp_path / "target").exists()


def test_damaged_files(tmp_path: Path) -> None:
    images = source("cifar10")
    path = written(images, tmp_path / "x")
    pixels, labels = made(images, "test")
    deep: list[Any] = []
    for _ in range(60):
        deep = [deep, deep]
    wrong: dict[str, Any] = {
        "no array": {"data": [1], "labels": labels},
        "no array 'data'": [1],
        "no list of classes": {"data": pixels},
        "of classes 'labels'": {"data": pixels, "labels": deep},
        "no images of 32 pixels": {"data": pixels, "labels": labels[1:]},
        "of 32 pixels, one": {"data": pixels[:, 1:], "labels": labels},
        "one for each class": {"data": pixels.astype(float), "labels": labels},
        "not 0 to 9": {"data": pixels, "labels": [10] * EACH},
        "expected 12 images to test, found 11": {"data": pixels[1:], "labels": labels[1:]},
    }
    for words, told in wrong.items():
        (path / "test_batch").write_bytes(pickle.dumps(told, 3))
        with pytest.raises(BadFile, match=words):
            loaded(images, path, "test")
    (path / "test_batch").write_bytes(b"")
    with pytest.raises(BadFile, match="test_batch is damaged"):
        loaded(images, path, "test")
    records = binary(images, tmp_path / "bin")
    file = records / "test_batch.bin"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(BadFile, match="records of 3,073"):
        loaded(images, records, "test")
    packed = archive(path)
    data = packed.read_bytes()
    for cut in (data[: len(data) // 2], b"text", b""):
        packed.write_bytes(cut)
        with pytest.raises(BadFile, match="can't be read; it should be"):
            loaded(images, packed, "train")


def test_an_archive_may_lie_about_sizes(tmp_path: Path) -> None:
    member = tarfile.TarInfo("test_batch")
    member.size = 2**40
    path = tmp_path / "x.tar"
    path.write_bytes(member.tobuf() + io.BytesIO(bytes(1024)).getvalue())
    with pytest.raises(BadFile, match="1,099,511,627,776 bytes"):
        loaded(source("cifar10"), path, "test")


# ------------------------------------------------------------------------------- trained by recipe


@pytest.mark.parametrize(("name", "epochs"), [("nasbench201", 200), ("nats_size", 90)])
def test_recipes(name: str, epochs: int) -> None:
    """They are the published ones, and their images are what their tasks are trained on."""
    live = find("benchmarks", name).live
    assert live is not None
    assert [find("spaces", space).scale is not None for space in live.spaces.values()] == [True]
    images = {task: recipe.images for task, recipe in live.recipes.items()}
    assert images == {"cifar10_valid": "cifar10", **{n: n for n in NAMES[1:]}}
    for task, recipe in live.recipes.items():
        assert (recipe.epochs, recipe.batch, recipe.lr) == (epochs, 256, 0.1)
        assert (recipe.nesterov, recipe.schedule, recipe.warmup) == (True, "cosine", 0)
        assert recipe.size == source(recipe.images).native
        assert find("tasks", task).label in find("images", recipe.images).labels


def test_a_training_on_published_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole way: recipe, files, network, a validation."""
    from nasbench.live import train
    from nasbench.recipe import Recipe, Trainable
    from nasbench.space import Scale

    images = source("cifar10")
    path = written(images, tmp_path / "x")
    monkeypatch.setattr("nasbench.tasks.images.cifar10.IMAGES", images)
    recipe = Recipe("cifar10", 16, 1, 8, 0.1, scale=Scale(8, 1), augment="flip_crop")
    where = Trainable("x/cell/cifar10_valid", "nasbench201", recipe, path)
    trained, _ = train(where, (1, 1, 1, 1, 1, 1), 1)
    assert set(trained.test) == {"top1", "top5", "loss"}
