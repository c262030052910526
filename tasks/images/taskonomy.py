"""Taskonomy (Zamir et al., 2018): photographs of the insides of buildings, with many labels.

Read from a folder that the user has. Files are called `point_3_view_1_domain_rgb.png` (`.npy` for
classes and room layout), and the files of one domain and building lie together, in
`BUILDING/DOMAIN/` (as TransNAS-Bench-101's code has them), `DOMAIN/taskonomy/BUILDING/` (as the
download tool of Omnidata makes them) or `BUILDING_DOMAIN/`. This, and the meaning of the values,
is from the code and the documentation of these projects; no copy of the data was at hand. Folder
and files of `segmentsemantic` may also be called `segment_semantic`, those of `class_scene`
`class_places`; the published `room_layout` is only part of a point's JSON, so its nine numbers have
to be there as TransNAS-Bench-101 reads them, standardized.

What TransNAS-Bench-101 does is done here: classes are the selected ones, their probabilities
divided by their sum, so `class_object_final5k.npy` and `class_scene_final5k.npy` of its code must
lie in the folder; pixels of uncertain class (0) count as background (1). Pictures are made smaller
by area, which is *ours*.

Splits share no building. They are those of `train_filenames_final5k.json`, `val_...` and `test_...`
if these lie in the folder, with the points in `BUILDING.json` if that does, too. Otherwise they are
*ours*: by name the first buildings train, one in six validates, as many test (16, 4 and 4 of 24, as
published; which buildings those were is not).
"""

from __future__ import annotations

import json
import os
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nasbench.errors import BadFile, BadValue
from nasbench.images import Array, Images, Label, Split, Wanted

Point: TypeAlias = tuple[str, int, int]
"""Building, point, view."""

LAYOUT = ("center", "angle", "extent")
LABELS = (
    Label("rgb", "picture", 3),
    Label("class_object", "class", 75),
    Label("class_scene", "class", 47),
    Label("normal", "picture", 3),
    Label("segmentsemantic", "mask", 17),
    Label("room_layout", "numbers", 9, tuple(f"{w}_{axis}" for w in LAYOUT for axis in "xyz")),
)
ALSO_CALLED = {"segmentsemantic": "segment_semantic", "class_scene": "class_places"}
PUBLISHED_CLASSES = {"class_object": 1000, "class_scene": 365}
SPLIT_FILES: dict[Split, str] = {
    "train": "train_filenames_final5k.json",
    "valid": "val_filenames_final5k.json",
    "test": "test_filenames_final5k.json",
}
FILE = re.compile(r"point_(\d{1,9})_view_(\d{1,9})_domain_(\w+)\.(png|npy)")
TEMPLATE = "BUILDING/{domain}/point_0_view_0_domain_{domain}"
LARGEST = 4096
NEAREST, BOX = 0, 4
"""Of PIL.Image.Resampling, which is imported late."""
WANTS = "a folder with BUILDING/rgb/point_0_view_0_domain_rgb.png and so on"


class Taskonomy(Images):
    """Mean and standard deviation are those of the published classification tasks."""

    name = "taskonomy"
    labels = {label.name: label for label in LABELS}  # noqa: RUF012
    mean = (133.212, 133.161, 133.136)
    std = (56.967, 56.993, 57.018)

    def load(self, wanted: Wanted, labels: Sequence[str]) -> Mapping[str, Array]:
        """List the images that have these labels; files are read when they are asked for.

        The order mixes the buildings, so that the first `count` are a sample. Warns of images that
        lack a label, which are left out.
        """
        kinds = [self.label(name) for name in dict.fromkeys(("rgb", *labels))]
        root = _root(wanted)
        buildings = _split(root)[wanted.split]
        decoders = [_decoder(root, label, wanted.size) for label in kinds]
        files: list[dict[Point, Path]] = [{} for _ in kinds]
        for done, building in enumerate(buildings):
            for label, found in zip(kinds, files, strict=True):
                found.update(_files(root, building, label.name))
            wanted.tick(done + 1, len(buildings))
        points = set(files[0]).intersection(*files)
        for label, found in zip(kinds, files, strict=True):
            if not found:
                there = f"its {len(files[0]):,} images to {wanted.split}"
                raise BadFile(f"{root} is not {WANTS}: none of {there} has {label.name}")
        if left_out := len(files[0]) - len(points):
            warnings.warn(
                f"{root}: {left_out:,} of {len(files[0]):,} images to {wanted.split} lack one of "
                f"{', '.join(label.name for label in kinds)} and are left out",
                stacklevel=2,
            )
        chosen = _first(points, wanted)
        _check_size(files[0][chosen[0]], wanted.size)
        return {
            label.name: Files([found[point] for point in chosen], decode)
            for label, found, decode in zip(kinds, files, decoders, strict=True)
        }

    def digest(self, wanted: Wanted) -> str:
        """Sum what is wanted, the names of all files, and which classes are selected.

        A name is what a file of Taskonomy is known by; to look into all would take hours.
        """
        root = _root(wanted)
        total = sha256(repr((self.name, wanted.split, wanted.size, wanted.count)).encode())
        for building in _split(root)[wanted.split]:
            for name in self.labels:
                listed = sorted(_files(root, building, name))
                total.update(repr((name, listed)).encode())
        for name in PUBLISHED_CLASSES:
            if (mask := root / f"{name}_final5k.npy").is_file():
                total.update(mask.read_bytes())
        return total.hexdigest()


IMAGES = Taskonomy()


@dataclass(frozen=True)
class Files:
    """An array that is read from a file for each image."""

    paths: Sequence[Path]
    decode: Callable[[Path], NDArray[Any]]

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: NDArray[np.int64], /) -> NDArray[Any]:
        return np.stack([self.decode(self.paths[i]) for i in index])


# ------------------------------------------------------------------------------------ which files


def _root(wanted: Wanted) -> Path:
    if wanted.path is None:
        raise BadFile(f"the images 'taskonomy' need the path of {WANTS}")
    if not wanted.path.is_dir():
        raise BadFile(f"{wanted.path} is not {WANTS}: it is no folder")
    return wanted.path


def _split(root: Path) -> Mapping[Split, Sequence[str]]:
    """Return the buildings of each split, sorted by name."""
    there = {
        *(path.parent.name for path in root.glob("*/rgb")),
        *(path.name.removesuffix("_rgb") for path in root.glob("*_rgb")),
        *(path.name for path in root.glob("rgb/taskonomy/*")),
    }
    told = [name for name in SPLIT_FILES.values() if (root / name).is_file()]
    if told:
        if lacking := {*SPLIT_FILES.values()} - {*told}:
            raise BadFile(f"{root} has {told[0]}, but lacks {', '.join(sorted(lacking))}")
        splits = {split: _listed(root / name) for split, name in SPLIT_FILES.items()}
        names = [name for buildings in splits.values() for name in buildings]
        if len(names) != len(set(names)):
            raise BadFile(f"{root}: a building is in two splits of {', '.join(told)}")
        if lacking := {*names} - there:
            raise BadFile(f"{root} lacks images of {', '.join(sorted(lacking)[:5])}")
        return splits
    if len(there) < 3:
        raise BadFile(f"{root} is not {WANTS}: {len(there)} buildings; three splits need three")
    names, part = sorted(there), max(1, len(there) // 6)
    return {
        "train": names[: -2 * part],
        "valid": names[-2 * part : -part],
        "test": names[-part:],
    }


def _listed(file: Path) -> list[str]:
    """Return the buildings of a split: names of the JSON files that list their points."""
    told = _json(file)
    listed = told.get("filename_list") if isinstance(told, dict) else None
    if not isinstance(listed, list) or not all(isinstance(each, str) for each in listed):
        raise BadFile(f"{file} should hold a 'filename_list' of BUILDING.json")
    return sorted(Path(each).stem for each in listed)


def _json(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise BadFile(f"{file} can't be read: {type(error).__name__}: {error}") from error


def _files(root: Path, building: str, name: str) -> dict[Point, Path]:
    """Find the files of a building and domain, of the points that count."""
    called = {name, ALSO_CALLED.get(name, name)}
    found = {}
    for folder in _folders(root, building, called):
        for name in os.listdir(folder):
            match = FILE.fullmatch(name)
            if match and match[3] in called:
                found[building, int(match[1]), int(match[2])] = folder / name
    if not (file := root / f"{building}.json").is_file():
        return found
    if not isinstance(templates := _json(file), list):
        raise BadFile(f"{file} should be a list of {TEMPLATE}")
    counted = set()
    for template in templates:
        match = re.search(r"point_(\d{1,9})_view_(\d{1,9})_domain_", str(template))
        if match is None:
            raise BadFile(f"{file} should be a list of {TEMPLATE}")
        counted.add((building, int(match[1]), int(match[2])))
    return {point: path for point, path in found.items() if point in counted}


def _folders(root: Path, building: str, called: set[str]) -> Iterator[Path]:
    for name in sorted(called):
        for folder in (f"{building}/{name}", f"{name}/taskonomy/{building}", f"{building}_{name}"):
            if (root / folder).is_dir():
                yield root / folder


def _first(points: set[Point], wanted: Wanted) -> list[Point]:
    """Put the points in an order that mixes the buildings and depends on nothing else."""
    count = len(points) if wanted.count is None else wanted.count
    if not 0 < count <= len(points):
        there = f"taskonomy has {len(points):,} images to {wanted.split} that have all labels"
        raise BadValue(f"{there}, wanted were {count:,}")
    return sorted(points, key=lambda point: sha256(repr(point).encode()).digest())[:count]


# ------------------------------------------------------------------------------- what is in a file


def _check_size(path: Path, size: int) -> None:
    with _opened(path) as image:
        if not 0 < size <= image.width:
            raise BadValue(f"taskonomy has images of {image.width} pixels, wanted were {size}")


def _decoder(root: Path, label: Label, size: int) -> Callable[[Path], NDArray[Any]]:
    if label.kind == "picture":
        return lambda path: _picture(path, size)
    if label.kind == "mask":
        return lambda path: _mask(path, size, label.n)
    if label.kind == "numbers":
        return lambda path: _numbers(path, label.n)
    mask = root / f"{label.name}_final5k.npy"
    if not mask.is_file():
        raise BadFile(f"{label.name} needs {mask}, of TransNAS-Bench-101's code (lib/data)")
    selected = _numbers(mask, PUBLISHED_CLASSES[label.name]) == 1
    if selected.sum() != label.n:
        raise BadFile(f"{mask} selects {selected.sum()} classes, expected were {label.n}")
    return lambda path: _classes(path, selected)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a picture; what goes wrong with it inside is an error of the file."""
    from PIL import Image

    try:
        with Image.open(path, formats=["PNG"]) as image:
            if image.width != image.height or image.width > LARGEST:
                raise BadFile(f"{path} has {image.width}x{image.height} pixels, not a square")
            yield image
    except (BadFile, BadValue):
        raise
    except Exception as error:  # a decoder may raise anything
        raise BadFile(f"{path} can't be read: {type(error).__name__}: {error}") from error


def _resized(path: Path, size: int, mode: str, way: int) -> NDArray[Any]:
    with _opened(path) as image:
        if image.width < size:
            raise BadFile(f"{path} has {image.width} pixels, fewer than the {size} wanted")
        return np.array((image.convert(mode) if mode else image).resize((size, size), way))


def _picture(path: Path, size: int) -> NDArray[Any]:
    return _resized(path, size, "RGB", BOX)


def _mask(path: Path, size: int, classes: int) -> NDArray[Any]:
    values = _resized(path, size, "", NEAREST)
    if values.ndim != 2 or values.max() > classes:
        raise BadFile(f"{path} should have one class a pixel, 0 to {classes}")
    return np.asarray(np.maximum(values, 1) - 1, np.uint8)


def _classes(path: Path, selected: NDArray[Any]) -> NDArray[Any]:
    values = _numbers(path, len(selected))[selected]
    if (values < 0).any() or not values.sum() > 0:
        raise BadFile(f"{path} holds no probabilities of the selected classes")
    return np.asarray(values / values.sum())


def _numbers(path: Path, n: int) -> NDArray[Any]:
    try:
        values = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise BadFile(f"{path} can't be read: {type(error).__name__}: {error}") from error
    if values.size != n or values.dtype.kind not in "biuf" or not np.isfinite(values).all():
        raise BadFile(f"{path} should hold {n} finite numbers")
    return np.array(values.reshape(n), np.float32)
