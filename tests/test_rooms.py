"""Rendered rooms: the same bytes everywhere, and labels that agree with the geometry."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
from numpy.typing import NDArray

from nasbench.errors import BadValue, NotRecorded
from nasbench.find import find
from nasbench.images import Split, Wanted
from nasbench.tasks.images import rooms
from nasbench.tasks.images.rooms import COUNTS, IMAGES, OBJECTS, SIZES, View
from nasbench.tasks.images.scene.furniture import BALL, BOX, KINDS, WHITE
from nasbench.tasks.images.scene.layout import MEAN, STD
from nasbench.tasks.images.scene.plan import WORDS
from nasbench.tasks.images.scene.render import VIEW, WALLS, Batch, Hits, pack, trace
from nasbench.tasks.images.scene.scenes import SCENES, Style

Arrays: TypeAlias = dict[str, NDArray[Any]]
ROOT = Path(__file__).parents[1]
SPLITS: tuple[Split, ...] = ("train", "valid", "test")
PINNED = {16: "f84413983fbd50d6", 32: "4cb9e1d8a7f7d7ef", 48: "167339ca7b791ebb"}
N, SIZE = 48, 40


@pytest.fixture(scope="module")
def many() -> Arrays:
    return IMAGES.render(Wanted("train", 32, 600))


@pytest.fixture(scope="module")
def views() -> list[View]:
    return IMAGES.views("valid", range(N))


@pytest.fixture(scope="module")
def batch(views: list[View]) -> Batch:
    return pack([view.rows for view in views], [view.camera for view in views])


@pytest.fixture(scope="module")
def hits(batch: Batch) -> Hits:
    return trace(batch, slopes(SIZE))


def slopes(size: int) -> NDArray[np.float64]:
    return VIEW * ((2 * np.arange(size) + 1) / size - 1)


def test_found_without_heavy_imports() -> None:
    code = (
        "import sys; from nasbench.find import find; print(find('images', 'rooms').name, "
        "*({'torch', 'h5py', 'matplotlib', 'pandas', 'scipy'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("rooms\n", "")
    assert find("images", "rooms") is IMAGES


@pytest.mark.parametrize("size", PINNED)
def test_the_bytes_are_the_same_everywhere(size: int) -> None:
    total = sha256()
    for split in SPLITS:
        for name, array in sorted(IMAGES.render(Wanted(split, size, 5)).items()):
            little = array.astype(array.dtype.newbyteorder("<"))
            total.update(f"{name} {little.dtype.str} {array.shape}".encode() + little.tobytes())
    assert total.hexdigest()[:16] == PINNED[size]


def test_an_image_depends_on_its_number_alone(
    many: Arrays, monkeypatch: pytest.MonkeyPatch
) -> None:
    for at_once, rays in ((7, 1), (256, 5000), (1, 10**6)):
        monkeypatch.setattr(rooms, "ROOMS", at_once)
        monkeypatch.setattr(rooms, "RAYS", rays)
        for name, array in IMAGES.render(Wanted("train", 32, 40)).items():
            assert np.array_equal(array, many[name][:40]), (name, rays)


def test_arrays_are_what_the_labels_say(many: Arrays) -> None:
    assert many.keys() == IMAGES.labels.keys()
    for name, label in IMAGES.labels.items():
        array = many[name]
        assert len(array) == 600
        assert not label.words or len(set(label.words)) == label.n
        if label.kind == "class":
            assert array.dtype == np.int64
            assert set(array.tolist()) == set(range(label.n))
        elif label.kind == "numbers":
            assert array.dtype == np.float32
            assert array.shape[1:] == (label.n,)
        elif label.kind == "mask":
            assert array.dtype == np.uint8
            assert array.shape[1:] == (32, 32)
            assert set(np.unique(array).tolist()) == set(range(label.n))
        else:
            assert array.dtype == np.uint8
            assert array.shape[1:] == (32, 32, label.n)


def test_as_many_classes_as_promised() -> None:
    assert len(OBJECTS) >= 10
    assert IMAGES.label("segmentsemantic").n == 17
    assert IMAGES.label("class_scene").n == 8
    assert IMAGES.label("room_layout").n == 9
    with pytest.raises(NotRecorded, match="no label 'depth'"):
        IMAGES.label("depth")


def test_no_image_twice() -> None:
    seen = [
        image.tobytes()
        for split in SPLITS
        for image in IMAGES.render(Wanted(split, 16, 300))["rgb"]
    ]
    assert len(set(seen)) == len(seen)


def test_another_seed_gives_other_rooms(many: Arrays) -> None:
    other = replace(IMAGES, seed=1)
    assert not np.array_equal(other.render(Wanted("train", 32, 5))["rgb"], many["rgb"][:5])


def test_classes_are_balanced(many: Arrays) -> None:
    objects = np.bincount(many["class_object"], minlength=len(OBJECTS)) / 600
    scenes = np.bincount(many["class_scene"], minlength=len(SCENES)) / 600
    assert objects.max() < 0.27
    assert objects.min() > 0.01
    assert scenes.max() < 0.18
    assert scenes.min() > 0.08


def test_colours_are_normalized_by_mean_and_std(many: Arrays) -> None:
    pixels = many["rgb"].reshape(-1, 3)
    assert np.abs(pixels.mean(0) - IMAGES.mean).max() < 5
    assert np.abs(pixels.std(0) - IMAGES.std).max() < 5


def test_layouts_have_about_unit_variance(many: Arrays) -> None:
    layout = many["room_layout"]
    assert np.abs(layout.mean(0)).max() < 0.2
    assert np.abs(layout.std(0) - 1).max() < 0.15
    assert np.abs(layout).max() < 6


def test_the_object_is_the_one_with_most_pixels(many: Arrays) -> None:
    first = WORDS.index(OBJECTS[0])
    pixels = np.stack([(many["segmentsemantic"] == first + k).sum((1, 2)) for k in range(12)], 1)
    assert np.array_equal(pixels.argmax(1), many["class_object"])
    assert pixels.max(1).min() > 0.03 * 32 * 32


def test_sizes_show_the_same_room(many: Arrays) -> None:
    large = IMAGES.render(Wanted("train", 64, 20))
    for name in ("room_layout", "class_scene"):
        assert np.array_equal(large[name], many[name][:20])
    small = large["rgb"].reshape(20, 32, 2, 32, 2, 3).mean((2, 4))
    assert np.abs(small - many["rgb"][:20]).mean() < 4


@pytest.mark.parametrize("size", [7, SIZES[0] - 1, SIZES[1] + 1])
def test_a_size_that_is_not_offered(size: int) -> None:
    with pytest.raises(BadValue, match=f"{size} pixels: expected 16 to 256"):
        IMAGES.load(Wanted("train", size, 1), [])


def test_other_wrong_wishes() -> None:
    with pytest.raises(BadValue, match="at least 1"):
        IMAGES.digest(Wanted("train", 32, 0))
    with pytest.raises(BadValue, match="no split 'all'"):
        IMAGES.digest(Wanted("all", 32, 1))  # type: ignore[arg-type]
    with pytest.raises(NotRecorded):
        IMAGES.load(Wanted("train", 32, 1), ["depth"])


def test_digest_changes_with_what_is_loaded() -> None:
    wanted = Wanted("train", 32)
    assert IMAGES.digest(wanted) == IMAGES.digest(Wanted("train", 32, COUNTS["train"]))
    others = [
        IMAGES.digest(wanted),
        IMAGES.digest(Wanted("valid", 32)),
        IMAGES.digest(Wanted("train", 33)),
        IMAGES.digest(Wanted("train", 32, 5)),
        replace(IMAGES, seed=1).digest(wanted),
        replace(IMAGES, style=Style(lean=0.5)).digest(wanted),
    ]
    assert len(set(others)) == len(others)


def test_loaded_is_what_was_rendered(
    many: Arrays, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NASBENCH_HOME", str(tmp_path))
    told: list[tuple[int, int]] = []
    wanted = Wanted("train", 32, 40, tick=lambda done, total: told.append((done, total)))
    for _ in range(2):
        found = IMAGES.load(wanted, ["normal", "class_scene"])
        assert list(found) == ["rgb", "normal", "class_scene"]
        for name, array in found.items():
            assert np.array_equal(array, many[name][:40])
    assert told[-1] == (40, 40)
    assert len(set(told)) == len(told)  # the second time nothing is rendered


def test_the_example_of_the_documentation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NASBENCH_HOME", str(tmp_path))
    text = (ROOT / "docs" / "rooms.md").read_text(encoding="utf-8")
    [code] = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    assert names["arrays"]["rgb"].shape == (64, 32, 32, 3)
    assert all(f"`{name}`" in text for name in IMAGES.labels)


def test_furniture_stands_in_the_room_and_apart(views: list[View]) -> None:
    for room in (view.room for view in views):
        for i, each in enumerate(room.objects):
            x, y, far_x, far_y = each.reach(-1e-9)
            assert x >= 0 <= y
            assert far_x <= room.size[0]
            assert far_y <= room.size[1]
            assert each.foot[2] + each.size[2] < room.size[2]
            for other in room.objects[:i]:
                a, b, far_a, far_b = other.reach()
                beside = far_a <= x or far_x <= a or far_b <= y or far_y <= b
                assert beside or each.foot[2] >= other.foot[2] + other.size[2] - 1e-9


@pytest.mark.parametrize("kind", KINDS)
def test_an_object_stays_within_its_size(kind: str) -> None:
    rng = np.random.default_rng(0)
    told = KINDS[kind]
    for _ in range(20):
        w, d, h = size = [a + (b - a) * rng.random() for a, b in zip(told[1], told[2], strict=True)]
        parts = list(told.build(w, d, h, WHITE, WHITE, rng.random))
        assert len(parts) > 1
        for part in parts:
            for at, half, long, low in zip(
                part.middle, part.half, size, (-0.5, -0.5, 0), strict=True
            ):
                assert at - half > low * long - 0.08
                assert at + half < (1 + low) * long + 0.21


def test_hits_lie_on_surfaces_and_nothing_is_before_them(batch: Batch, hits: Hits) -> None:
    solids = batch.solids
    own = np.abs(solids.own(hits.solid, hits.place))
    shape = solids.shape[hits.solid]
    radius = np.sqrt(own[0] ** 2 + own[1] ** 2)
    tube = np.maximum(radius, own[2])
    ball = np.sqrt(radius**2 + own[2] ** 2)
    on = np.select([shape == BOX, shape == BALL], [own.max(0), ball], tube)
    assert np.abs(on - 1).max() < 1e-9
    eye = batch.eye[:, hits.room]
    pairs = [(r, np.flatnonzero(batch.parts.room == r)) for r in range(0, N, 3)]
    for part in np.linspace(0.02, 0.995, 50):
        place = eye + part * (hits.place - eye)
        for r, mine in pairs:
            rays = np.arange(r * SIZE**2, (r + 1) * SIZE**2, 7)
            for solid in mine:
                x, y, z = batch.parts.own(np.full(len(rays), solid), place[:, rays])
                kind = batch.parts.shape[solid]
                flat = np.maximum(np.abs(x), np.abs(y)) if kind == BOX else np.sqrt(x * x + y * y)
                far = (
                    np.sqrt(x * x + y * y + z * z) if kind == BALL else np.maximum(flat, np.abs(z))
                )
                assert (far > 1 - 1e-6).all()


def test_normals(batch: Batch, hits: Hits) -> None:
    normal = hits.normal.reshape(3, N, SIZE, SIZE)
    place = hits.place.reshape(3, N, SIZE, SIZE)
    solid = hits.solid.reshape(N, SIZE, SIZE)
    assert np.abs((normal**2).sum(0) - 1).max() < 1e-12
    toward = batch.eye[:, hits.room] - hits.place
    assert ((toward * hits.normal).sum(0) > 0).all()
    right, down = (
        place[..., :-1, 1:] - place[..., :-1, :-1],
        place[..., 1:, :-1] - place[..., :-1, :-1],
    )
    measured = np.cross(down, right, axis=0)
    measured /= np.sqrt((measured**2).sum(0))
    same = [
        solid[:, :-1, :-1] == solid[:, a : SIZE - 1 + a, b : SIZE - 1 + b]
        for a, b in ((0, 1), (1, 0))
    ]
    flat = [
        np.abs(normal[..., :-1, :-1] - normal[..., a : SIZE - 1 + a, b : SIZE - 1 + b]).max(0)
        < 1e-9
        for a, b in ((0, 1), (1, 0))
    ]
    plane = same[0] & same[1] & flat[0] & flat[1]
    assert plane.mean() > 0.5
    assert np.abs(measured - normal[..., :-1, :-1])[:, plane].max() < 1e-6
    ball = (batch.solids.shape[hits.solid] == BALL) & (hits.solid >= WALLS * N)
    half = batch.solids.half[:, hits.solid]
    ball &= np.ptp(half, axis=0) < 1e-12
    radial = (hits.place - batch.solids.middle[:, hits.solid]) / half
    assert ball.sum() > 50
    assert np.abs(radial - hits.normal)[:, ball].max() < 1e-9


def test_the_picture_of_normals_is_as_the_camera_sees_them(views: list[View]) -> None:
    told = IMAGES.render(Wanted("valid", SIZE, N))
    seen = told["normal"] / 127.5 - 1
    assert np.abs(np.sqrt((seen**2).sum(-1)) - 1).max() < 0.01
    for i, view in enumerate(views):
        forward = np.array(view.camera.forward)
        axes = np.stack([view.camera.right, view.camera.up, -forward])
        for word, up in (("floor", 1.0), ("ceiling", -1.0)):
            pixels = seen[i][told["segmentsemantic"][i] == WORDS.index(word)]
            expected = up * axes[:, 2]
            other = (np.abs(pixels - expected).max(axis=1) > 0.01).sum()
            assert other <= 0.1 * len(pixels) + 5  # the sides of rugs


def test_layouts_say_where_walls_are(hits: Hits) -> None:
    told = IMAGES.render(Wanted("valid", SIZE, N))
    x, y = np.meshgrid(slopes(SIZE), -slopes(SIZE))
    rays = np.stack([x, y, -np.ones_like(x)])
    depth = hits.depth.reshape(N, SIZE, SIZE)
    for i in range(N):
        numbers = told["room_layout"][i].astype(float) * STD + MEAN
        middle, (w, h, d), turn = numbers[:3], numbers[3:6], numbers[6:]
        camera = axes_of(turn)
        place = np.tensordot(camera.T, rays * depth[i] - middle[:, None, None], 1)
        gap = np.abs(np.abs(place) - np.array([w, h, d])[:, None, None] / 2)
        mask = told["segmentsemantic"][i]
        for word, axes in (("floor", [1]), ("ceiling", [1]), ("wall", [0, 2])):
            surface = mask == WORDS.index(word)
            assert gap[axes].min(0)[surface].max(initial=0) < 0.03


def axes_of(turn: NDArray[np.float64]) -> NDArray[np.float64]:
    """The camera's right, up and back, in the axes of the room's box."""
    slope, cosine, sine = turn
    angle = np.arctan2(sine, cosine) / 4
    level = np.sqrt(1 - slope**2)
    right = np.array([np.cos(angle), 0, np.sin(angle)])
    forward = np.array([np.sin(angle) * level, slope, -np.cos(angle) * level])
    return np.stack([right, np.cross(right, forward), -forward])
