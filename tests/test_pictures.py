"""Pictures for people: they are drawn, they show something, and bad input is one clear line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from nasbench.__main__ import main
from nasbench.errors import BadFile, BadValue
from nasbench.images import IGNORED, Label
from nasbench.pictures import MOST, palette, predictions, sheet

rng = np.random.default_rng(0)
N, SIZE = 5, 12
LABELS = (
    Label("rgb", "picture", 3),
    Label("depth", "picture", 1),
    Label("mask", "mask", 3, ("wall", "floor", "chair")),
    Label("layout", "numbers", 4, ("x", "y", "z", "turn")),
    Label("scene", "class", 2, ("kitchen", "hall")),
    Label("permutation", "class", 1000),
    Label("likely", "class", 2, ("day", "night")),
)
ARRAYS: dict[str, NDArray[Any]] = {
    "rgb": rng.integers(0, 256, (N, SIZE, SIZE, 3), dtype=np.uint8),
    "depth": rng.integers(0, 256, (N, SIZE, SIZE, 1), dtype=np.uint8),
    "mask": rng.choice(np.array([0, 1, 2, IGNORED], np.uint8), (N, SIZE, SIZE)),
    "layout": rng.normal(size=(N, 4)).astype(np.float32),
    "scene": np.array([0, 1, 0, 1, 0]),
    "permutation": np.array([0, 10, 100, 500, 999]),
    "likely": rng.random((N, 2)).astype(np.float32),
}


def shown(path: Path) -> NDArray[np.float32]:
    from matplotlib.image import imread

    image: NDArray[np.float32] = imread(path)
    assert len(np.unique(image.reshape(-1, image.shape[-1]), axis=0)) > 50
    return image


def test_sheet(tmp_path: Path) -> None:
    sheet(ARRAYS, LABELS, tmp_path / "sheet.png")
    image = shown(tmp_path / "sheet.png")
    assert min(image.shape[:2]) > 200
    sheet(ARRAYS, LABELS[:1], tmp_path / "rgb.PNG")
    shown(tmp_path / "rgb.PNG")


def test_sheet_as_svg_names_what_it_shows(tmp_path: Path) -> None:
    import matplotlib

    with matplotlib.rc_context({"svg.fonttype": "none"}):
        sheet(ARRAYS, LABELS, tmp_path / "sheet.svg")
    text = (tmp_path / "sheet.svg").read_text()
    for word in ("kitchen, 0, ", "hall, 10, ", "chair", "x, y, z, turn"):
        assert word in text


@pytest.mark.parametrize("label", LABELS, ids=lambda label: label.name)
def test_predictions(label: Label, tmp_path: Path) -> None:
    truth = ARRAYS[label.name]
    predictions(ARRAYS["rgb"], truth, truth[::-1], label, tmp_path / "it.png")
    shown(tmp_path / "it.png")


def test_predictions_say_what_is_wrong(tmp_path: Path) -> None:
    import matplotlib

    truth = ARRAYS["scene"]
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        predictions(ARRAYS["rgb"], truth, truth * 0, LABELS[4], tmp_path / "it.svg")
    text = (tmp_path / "it.svg").read_text()
    assert "kitchen?" in text
    assert "no, hall" in text


def test_images_in_parts(tmp_path: Path) -> None:
    tiles = rng.integers(0, 256, (2, 9, 4, 4, 3), dtype=np.uint8)
    number = np.array([1, 2])
    predictions(tiles, number, number, LABELS[5], tmp_path / "it.png")
    shown(tmp_path / "it.png")


@pytest.mark.parametrize("n", [1, 10, 17, 75, 255])
def test_palette(n: int) -> None:
    colours = palette(n)
    assert len(np.unique(colours[:n], axis=0)) == n
    assert (colours[IGNORED] == 255).all()


def test_no_other_formats_and_no_other_folders(tmp_path: Path) -> None:
    with pytest.raises(BadValue, match=r"\.png or \.svg"):
        sheet(ARRAYS, LABELS, tmp_path / "sheet.jpg")
    (tmp_path / "file").touch()
    with pytest.raises(BadFile, match="can't be written"):
        sheet(ARRAYS, LABELS, tmp_path / "file" / "sheet.png")


@pytest.fixture
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NASBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("_elsewhere")
def test_command(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["images", "rooms", "--out", "sheet.png", "--split", "valid"]
    assert main([*command, "--size", "16", "--count", "5"]) == 0
    assert capsys.readouterr() == ("written to sheet.png: 5 images of rooms, valid\n", "")
    shown(Path("sheet.png"))


@pytest.mark.usefixtures("_elsewhere")
@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["room"], "did you mean 'rooms'"),
        (["rooms", "--size", "7"], "7 pixels: expected 16 to 256"),
        (["rooms", "--size", "1000"], "expected 16 to 256"),
        (["rooms", "--count", "0"], f"1 to {MOST}"),
        (["rooms", "--count", "100000"], f"1 to {MOST}"),
        (["rooms", "--split", "all"], "train, valid, test"),
        (["rooms", "--out", "sheet.jpg"], ".png or .svg"),
        (["rooms", "--count", "1", "--out", "file/sheet.png"], "can't be written"),
    ],
)
def test_command_with_bad_input(
    arguments: list[str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("file").touch()
    assert main(["images", "--out", "sheet.png", *arguments]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert why in err
    assert not Path("sheet.png").exists()
