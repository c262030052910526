"""Taskonomy from a folder of the user's: layouts, splits, labels, and what can be wrong with it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from nasbench.benchmarks.transnas101 import EPOCHS
from nasbench.errors import BadFile, BadValue, NotRecorded
from nasbench.find import find
from nasbench.images import Split, Wanted
from nasbench.recipe import Trainable
from nasbench.space import Scale
from tests.taskonomy_folder import BUILDINGS, LAYOUTS, SELECTED, SIZE, file, write

IMAGES = find("images", "taskonomy")
LABELS = tuple(IMAGES.labels)
SPLITS: tuple[Split, ...] = ("train", "valid", "test")


def loaded(root: Path, split: Split = "train", *labels: str, **wanted: Any) -> dict[str, Any]:
    wanted = {"size": 8, "path": root, **wanted}
    found = IMAGES.load(Wanted(split, **wanted), labels or LABELS)
    return {name: array[np.arange(len(array))] for name, array in found.items()}


def seen(root: Path, split: Split) -> set[str]:
    """Return the buildings of a split."""
    array: Any = IMAGES.load(Wanted(split, 8, path=root), [])["rgb"]
    return {path.parent.parent.name for path in array.paths}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_labels(layout: str, tmp_path: Path) -> None:
    found = loaded(write(tmp_path / "x", layout=layout))
    assert {name: (len(a), a.shape[1:], a.dtype) for name, a in found.items()} == {
        "rgb": (12, (8, 8, 3), np.uint8),
        "class_object": (12, (75,), np.float32),
        "class_scene": (12, (47,), np.float32),
        "normal": (12, (8, 8, 3), np.uint8),
        "segmentsemantic": (12, (8, 8), np.uint8),
        "room_layout": (12, (9,), np.float32),
    }
    for name in SELECTED:
        np.testing.assert_allclose(found[name].sum(axis=1), 1, rtol=1e-6)
    assert set(np.unique(found["segmentsemantic"])) == set(range(17))


def test_all_layouts_are_the_same_images(tmp_path: Path) -> None:
    roots = [write(tmp_path / str(i), layout=layout) for i, layout in enumerate(LAYOUTS)]
    roots.append(
        write(tmp_path / "a", segmentsemantic="segment_semantic", class_scene="class_places")
    )
    for split in SPLITS:
        first = loaded(roots[0], split)
        for root in roots[1:]:
            found = loaded(root, split)
            for name, values in first.items():
                np.testing.assert_array_equal(found[name], values)


def test_values(tmp_path: Path) -> None:
    """One image, label by label, against what lies in its files."""
    root = write(tmp_path / "x", points=1)
    array: Any = IMAGES.load(Wanted("test", SIZE, path=root), LABELS)
    (path,) = array["rgb"].paths
    (building,) = seen(root, "test")
    assert path == file(root, building, "rgb")
    found = loaded(root, "test", size=SIZE)
    for name in ("rgb", "normal"):
        told = np.asarray(Image.open(file(root, building, name)))
        np.testing.assert_array_equal(found[name][0], told)
        half = told.reshape(8, 2, 8, 2, 3).mean(axis=(1, 3))
        assert np.abs(loaded(root, "test")[name][0] - half).max() <= 1
    told = np.asarray(Image.open(file(root, building, "segmentsemantic"))).astype(int)
    np.testing.assert_array_equal(found["segmentsemantic"][0], np.where(told == 0, 0, told - 1))
    for name, (_, n) in SELECTED.items():
        told = np.load(file(root, building, name, suffix="npy"))[3 : 3 + 2 * n : 2]
        np.testing.assert_allclose(found[name][0], told / told.sum(), rtol=1e-6)
    told = np.load(file(root, building, "room_layout", suffix="npy"))
    np.testing.assert_allclose(found["room_layout"][0], told, rtol=1e-6)


def test_only_what_is_asked_for_is_read(tmp_path: Path) -> None:
    root = write(tmp_path / "x")
    array = IMAGES.load(Wanted("train", 8, path=root), ["normal"])["normal"]
    whole = array[np.arange(12)]
    np.testing.assert_array_equal(array[np.array([7, 2, 7])], whole[[7, 2, 7]])
    for path in root.glob("*/normal/*.png"):
        path.write_bytes(b"")
    with pytest.raises(BadFile, match="can't be read"):
        array[np.array([0])]


def test_buildings_are_split(tmp_path: Path) -> None:
    root = write(tmp_path / "x", points=1)
    assert [seen(root, split) for split in SPLITS] == [
        set(BUILDINGS[:4]),
        {BUILDINGS[4]},
        {BUILDINGS[5]},
    ]
    many = tuple(f"b{i:02}" for i in range(24))
    root = write(tmp_path / "y", many, points=1)
    splits = [seen(root, split) for split in SPLITS]
    assert [len(split) for split in splits] == [16, 4, 4]
    assert set.union(*splits) == set(many)
    with pytest.raises(BadFile, match="2 buildings; three splits need three"):
        loaded(write(tmp_path / "z", BUILDINGS[:2]))


def split_files(root: Path, **buildings: list[Any]) -> None:
    for split, names in buildings.items():
        told = json.dumps({"filename_list": names})
        (root / f"{split}_filenames_final5k.json").write_text(told)


def test_published_splits(tmp_path: Path) -> None:
    root = write(tmp_path / "x")
    wanted = Wanted("train", 8, path=root)
    before = IMAGES.digest(wanted)
    a, b, c, d, *_ = BUILDINGS
    split_files(root, train=[f"{c}.json", f"{a}.json"], val=[f"{d}.json"])
    with pytest.raises(BadFile, match=r"lacks test_filenames_final5k\.json"):
        loaded(root)
    split_files(root, test=[f"{b}.json"])
    assert [seen(root, split) for split in SPLITS] == [{a, c}, {d}, {b}]
    assert IMAGES.digest(wanted) != before
    templates = [f"{a}/{{domain}}/point_{p}_view_0_domain_{{domain}}.png" for p in (0, 2)]
    (root / f"{a}.json").write_text(json.dumps(templates))
    assert len(loaded(root, "train", "normal")["rgb"]) == 2 + 3
    for wrong in ("[", '["x"]', "1", "{}"):
        (root / f"{a}.json").write_text(wrong)
        with pytest.raises(BadFile, match=rf"{a}\.json"):
            loaded(root)
    for names, words in (
        ([f"{a}.json"], "a building is in two splits"),
        (["elsewhere.json"], "lacks images of elsewhere"),
        ([1], "should hold a 'filename_list'"),
    ):
        split_files(root, test=names)
        with pytest.raises(BadFile, match=words):
            loaded(root)


def test_count_mixes_the_buildings(tmp_path: Path) -> None:
    root = write(tmp_path / "x", points=20)
    whole: Any = IMAGES.load(Wanted("train", 8, path=root), [])["rgb"]
    some: Any = IMAGES.load(Wanted("train", 8, 12, root), [])["rgb"]
    assert some.paths == whole.paths[:12]
    assert {path.parent.parent.name for path in some.paths} == set(BUILDINGS[:4])
    for count in (0, 81):
        with pytest.raises(BadValue, match="has 80 images to train"):
            loaded(root, count=count)


def test_images_without_a_label_are_left_out(tmp_path: Path) -> None:
    root = write(tmp_path / "x")
    file(root, BUILDINGS[0], "normal").unlink()
    file(root, BUILDINGS[1], "room_layout", 2, "npy").unlink()
    file(root, BUILDINGS[1], "rgb", 1).unlink()
    with pytest.warns(UserWarning, match="2 of 11 images to train lack one of rgb, .*left out"):
        found = loaded(root)
    assert {len(values) for values in found.values()} == {9}
    assert len(loaded(root, "train", "class_scene")["rgb"]) == 11
    for path in root.glob("*/normal/*"):
        path.unlink()
    with pytest.raises(BadFile, match="none of its 11 images to train has normal"):
        loaded(root)


def test_tick(tmp_path: Path) -> None:
    ticks: list[tuple[int, int]] = []
    loaded(write(tmp_path / "x"), "train", "rgb", tick=lambda *at: ticks.append(at))
    assert ticks == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_digest(tmp_path: Path) -> None:
    root = write(tmp_path / "x")
    wanted = Wanted("train", 8, path=root)
    others = [
        wanted,
        replace(wanted, split="test"),
        replace(wanted, size=16),
        replace(wanted, count=5),
    ]
    digests = [IMAGES.digest(each) for each in others]
    assert len(set(digests)) == 4
    assert digests == [IMAGES.digest(each) for each in others]
    file(root, BUILDINGS[0], "normal").unlink()
    assert IMAGES.digest(wanted) != digests[0]
    assert IMAGES.digest(others[1]) == digests[1]
    np.save(root / "class_scene_final5k.npy", np.ones(365))
    assert IMAGES.digest(others[1]) != digests[1]


def test_not_the_folder(tmp_path: Path) -> None:
    for path, words in (
        (None, "need the path of a folder"),
        (tmp_path / "absent", "it is no folder"),
        (write(tmp_path / "x") / "class_object_final5k.npy", "it is no folder"),
    ):
        with pytest.raises(BadFile, match=words):
            IMAGES.load(Wanted("train", 8, path=path), [])
        with pytest.raises(BadFile, match=words):
            IMAGES.digest(Wanted("train", 8, path=path))
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadFile, match="0 buildings"):
        loaded(tmp_path / "empty")
    with pytest.raises(NotRecorded, match="no label 'depth'"):
        loaded(tmp_path / "x", "train", "depth")


def test_selected_classes(tmp_path: Path) -> None:
    root = write(tmp_path / "x")
    mask = root / "class_object_final5k.npy"
    np.save(mask, np.ones(1000))
    with pytest.raises(BadFile, match="selects 1000 classes, expected were 75"):
        loaded(root)
    np.save(mask, np.ones(75))
    with pytest.raises(BadFile, match="should hold 1000 finite numbers"):
        loaded(root)
    mask.unlink()
    with pytest.raises(BadFile, match=r"class_object needs .*class_object_final5k\.npy"):
        loaded(root)
    assert loaded(root, "train", "class_scene")


def test_wrong_sizes(tmp_path: Path) -> None:
    root = write(tmp_path / "x", points=1)
    for size in (0, -1, 17):
        with pytest.raises(BadValue, match="has images of 16 pixels, wanted were"):
            loaded(root, size=size)
    (building,) = seen(root, "test")
    for shape, words in (((16, 12), "12x16 pixels"), ((4, 4), "fewer than the 8 wanted")):
        Image.fromarray(np.zeros(shape, np.uint8)).save(file(root, building, "normal"))
        with pytest.raises(BadFile, match=words):
            loaded(root, "test", "normal")
    Image.fromarray(np.zeros((4200, 4200), np.uint8)).save(file(root, building, "normal"))
    with pytest.raises(BadFile, match="4200x4200 pixels"):
        loaded(root, "test", "normal")


@pytest.mark.parametrize("domain", ["rgb", "normal", "segmentsemantic"])
def test_damaged_pictures(domain: str, tmp_path: Path) -> None:
    root = write(tmp_path / "x", points=1)
    (building,) = seen(root, "test")
    path = file(root, building, domain)
    data = path.read_bytes()
    for wrong in (b"", b"text", data[:20], data[: len(data) // 2], data[:60] + data[90:]):
        path.write_bytes(wrong)
        with pytest.raises(BadFile, match=f"{path.name} can't be read"):
            loaded(root, "test", domain)


def test_damaged_masks(tmp_path: Path) -> None:
    root = write(tmp_path / "x", points=1)
    (building,) = seen(root, "test")
    for values in (np.full((16, 16), 18, np.uint8), np.zeros((16, 16, 3), np.uint8)):
        Image.fromarray(values).save(file(root, building, "segmentsemantic"))
        with pytest.raises(BadFile, match="one class a pixel, 0 to 17"):
            loaded(root, "test", "segmentsemantic")


def test_damaged_numbers(tmp_path: Path) -> None:
    root = write(tmp_path / "x", points=1)
    (building,) = seen(root, "test")
    path = file(root, building, "room_layout", suffix="npy")
    data = path.read_bytes()
    header = data.replace(b"(9,)", b"(10000000000,)")[: len(data)]
    for wrong in (b"", b"text", data[:40], data[:-1], header):
        path.write_bytes(wrong)
        with pytest.raises(BadFile, match=f"{path.name} can't be read"):
            loaded(root, "test", "room_layout")
    for values in (np.zeros(8), np.full(9, np.nan), np.array(["x"] * 9)):
        np.save(path, values)
        with pytest.raises(BadFile, match="should hold 9 finite numbers"):
            loaded(root, "test", "room_layout")
    np.save(path, np.array([{}] * 9), allow_pickle=True)
    with pytest.raises(BadFile, match="can't be read"):
        loaded(root, "test", "room_layout")
    path = file(root, building, "class_scene", suffix="npy")
    for values in (np.zeros(365), np.full(365, -1.0)):
        np.save(path, values)
        with pytest.raises(BadFile, match="no probabilities of the selected classes"):
            loaded(root, "test", "class_scene")


# ------------------------------------------------------------------------------- trained by recipe


def test_recipes() -> None:
    """All seven tasks can be trained, in both spaces, for the epochs of the table."""
    declared = find("benchmarks", "transnas101")
    assert declared.live is not None
    assert set(declared.live.spaces) == {"cell", "macro"}
    for task, recipe in declared.live.recipes.items():
        where = Trainable(f"x/cell/{task}", "transnas_cell", recipe)
        assert where.label == IMAGES.labels[find("tasks", task).label]
        assert where.task.name == task
        assert recipe.epochs == EPOCHS[task]
    assert len(declared.live.recipes) == 7


@pytest.mark.parametrize("task", EPOCHS)
def test_a_training_on_the_folder(task: str, tmp_path: Path) -> None:
    from nasbench.live import train

    live = find("benchmarks", "transnas101").live
    assert live is not None
    recipe = replace(
        live.recipes[task], size=SIZE, epochs=1, batch=4, scale=Scale(width=8, depth=1, stride=2)
    )
    root = write(tmp_path / "x")
    where = Trainable(f"x/cell/{task}", "transnas_cell", recipe, root)
    trained, _ = train(where, (3, 1, 2, 3, 1, 2), 1)
    assert where.task.metric.name in trained.test
