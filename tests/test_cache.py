"""Kept arrays: made once, checked whenever they are read, and never in the way."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from nasbench.cache import cached

ROOT = Path(__file__).parents[1]
ARRAYS: dict[str, NDArray[Any]] = {
    "rgb": np.arange(300, dtype=np.uint8).reshape(25, 2, 2, 3),
    "class": np.arange(25),
    "numbers": np.linspace(0, 1, 50, dtype=np.float32).reshape(25, 2),
}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NASBENCH_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def made() -> list[int]:
    """How often the arrays were made."""
    return []


@pytest.fixture
def read(made: list[int]) -> Callable[[], dict[str, NDArray[Any]]]:
    def make() -> dict[str, NDArray[Any]]:
        made.append(1)
        return ARRAYS

    return lambda: cached("mine", "0123456789abcdef0000", list(ARRAYS), make)


def same(found: dict[str, NDArray[Any]]) -> bool:
    return found.keys() == ARRAYS.keys() and all(
        found[name].dtype == array.dtype and np.array_equal(found[name], array)
        for name, array in ARRAYS.items()
    )


def test_made_once(
    read: Callable[[], dict[str, NDArray[Any]]],
    made: list[int],
    home: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert same(read())
    assert same(read())
    assert len(made) == 1
    assert [path.name for path in (home / "images").iterdir()] == ["mine-0123456789abcdef.npz"]
    assert capsys.readouterr() == ("", "")


def test_only_what_is_asked_for() -> None:
    def never() -> dict[str, NDArray[Any]]:
        raise AssertionError

    cached("mine", "0", ["rgb"], lambda: ARRAYS)
    found = cached("mine", "0", ["class"], never)
    assert list(found) == ["class"]
    assert np.array_equal(found["class"], ARRAYS["class"])


def test_another_digest_is_another_file(made: list[int]) -> None:
    cached("mine", "0", ["rgb"], lambda: ARRAYS)
    other = {"rgb": ARRAYS["rgb"] + 1}
    assert np.array_equal(cached("mine", "1", ["rgb"], lambda: other)["rgb"], other["rgb"])


@pytest.mark.parametrize("size", [0, 1, 200, 1000, -1])
def test_truncated(
    size: int,
    read: Callable[[], dict[str, NDArray[Any]]],
    made: list[int],
    home: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    read()
    [path] = (home / "images").iterdir()
    whole = path.read_bytes()
    path.write_bytes(whole[:size])
    assert same(read())
    assert len(made) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert str(path) in line
    assert "damaged and is made again" in line
    assert same(read())
    assert len(made) == 2


def test_every_damaged_byte_is_noticed_or_harmless(
    read: Callable[[], dict[str, NDArray[Any]]], home: Path
) -> None:
    read()
    [path] = (home / "images").iterdir()
    whole = bytearray(path.read_bytes())
    for at in range(0, len(whole), 3):
        whole[at] ^= 0x55
        path.write_bytes(whole)
        whole[at] ^= 0x55
        assert same(read()), at


def test_a_file_without_the_array(capsys: pytest.CaptureFixture[str]) -> None:
    cached("mine", "0", ["rgb"], lambda: {"rgb": ARRAYS["rgb"]})
    assert same(cached("mine", "0", list(ARRAYS), lambda: ARRAYS))
    assert "made again" in capsys.readouterr().err


def test_what_fails_leaves_nothing(home: Path) -> None:
    def fail() -> dict[str, NDArray[Any]]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cached("mine", "0", ["rgb"], fail)
    assert not list(home.rglob("*.npz"))


def test_a_folder_that_cannot_be_written(
    read: Callable[[], dict[str, NDArray[Any]]], home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "images").write_text("in the way")
    assert same(read())
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("nasbench: not kept: ")


SLOW = """
import sys, time, numpy as np
from nasbench.cache import cached
def make():
    print("making", flush=True)
    time.sleep(float(sys.argv[1]))
    return {"rgb": np.arange(300000)}
assert cached("mine", "0", ["rgb"], make)["rgb"].sum() == 44999850000
"""


def slow(seconds: float) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", SLOW, str(seconds)]
    return subprocess.Popen(command, cwd=ROOT, env=dict(os.environ), stdout=-1, text=True)


def test_processes_that_make_the_same(home: Path) -> None:
    started = [slow(0.5) for _ in range(3)]
    for each in started:
        each.communicate(timeout=60)
    assert [each.returncode for each in started] == [0, 0, 0]
    assert [path.name for path in (home / "images").iterdir()] == ["mine-0.npz"]


def test_killed_while_making(home: Path) -> None:
    started = slow(60)
    assert started.stdout is not None
    assert started.stdout.readline() == "making\n"
    started.kill()
    started.communicate()
    again = slow(0)
    again.communicate(timeout=60)
    assert again.returncode == 0
    assert [path.name for path in (home / "images").iterdir()] == ["mine-0.npz"]
