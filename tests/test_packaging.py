"""The wheel, the editable install and the bare checkout hold the same packages.

Everything is tried on copies of the tree in throw-away environments, whatever is installed here.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
TABLE = PROJECT["tool"]["setuptools"]
FOLDERS = sorted(TABLE["package-dir"].values())
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
OFFLINE = ["--no-deps", "--no-index", "--no-build-isolation"]


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command, without the variables that change where Python looks; return its output."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(command, cwd=cwd, env=clean, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def environment(at: Path) -> Path:
    """Make an environment and return its Python.

    It has what is installed here, except for editable installs: a folder that a `.pth` file names
    is searched, but its own `.pth` files aren't read.
    """
    venv.create(at, symlinks=os.name != "nt")
    paths = {
        key: Path(sysconfig.get_path(key, "venv", {"base": str(at), "platbase": str(at)}))
        for key in ("purelib", "scripts")
    }
    here = [path for path in sys.path if path.endswith("-packages")]
    (paths["purelib"] / "here.pth").write_text("\n".join(here))
    return paths["scripts"] / "python"


def whereabouts(python: Path, cwd: Path) -> set[Path]:
    """Import all packages, look for a space, and return the folders they come from."""
    code = f"""
import json
from importlib import import_module
from nasbench.find import names
packages = map(import_module, {["nasbench", *TABLE["package-dir"]]})
print(json.dumps([names("spaces"), *(package.__file__ for package in packages)]))
"""
    spaces, *files = json.loads(run(python, "-c", code, cwd=cwd))
    assert spaces
    return {Path(file).parent.resolve() for file in files}


@pytest.fixture(scope="module", params=["links", "no_links"])
def tree(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the tree, as it is or as a clone without symlinks has it."""
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").split()
    copy = tmp_path_factory.mktemp("copy") / "tree"
    patterns = shutil.ignore_patterns(".*", *(line.strip("/") for line in ignored))
    shutil.copytree(ROOT, copy, symlinks=True, ignore=patterns)
    if request.param == "no_links":
        for folder in FOLDERS:
            link = copy / "nasbench" / folder
            target = os.readlink(link)
            link.unlink()
            link.write_text(target)
    return copy


@pytest.fixture(scope="module")
def wheel(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    run(*PIP, "wheel", *OFFLINE, "--wheel-dir", out, tree, cwd=out)
    (built,) = out.iterdir()
    return built


def test_table_and_links_agree() -> None:
    inside = (ROOT / "nasbench").iterdir()
    links = {f"nasbench.{path.name}": os.readlink(path) for path in inside if path.is_symlink()}
    assert links == {name: f"../{folder}" for name, folder in TABLE["package-dir"].items()}


def test_table_lists_every_package() -> None:
    folders = [
        file.parent.relative_to(ROOT).parts
        for folder in ("nasbench", *FOLDERS)
        for file in (ROOT / folder).rglob("__init__.py")
        if not any(parent.is_symlink() for parent in file.parents)
    ]
    packages = [".".join(f if f[0] == "nasbench" else ("nasbench", *f)) for f in folders]
    assert sorted(TABLE["packages"]) == sorted(packages)


def test_wheel_holds_all_that_is_in_the_folders(tree: Path, wheel: Path) -> None:
    core = [path.relative_to(tree) for path in (tree / "nasbench").rglob("*") if path.is_file()]
    beside = [
        "nasbench" / path.relative_to(tree)
        for folder in FOLDERS
        for path in (tree / folder).rglob("*")
        if path.is_file()
    ]
    beside = [path for path in beside if "trainings" not in path.parts]  # see CONTRIBUTING.md
    links = {f"nasbench/{folder}" for folder in FOLDERS}
    there = {p.as_posix() for p in core + beside if "__pycache__" not in p.parts} - links
    about = f"nasbench-{PROJECT['project']['version']}.dist-info/"
    with ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert {name for name in names if not name.startswith(about)} == there
    assert {"METADATA", "entry_points.txt", "licenses/LICENSE"} <= {
        name.removeprefix(about) for name in names
    }


def test_wheel_installs(wheel: Path, tmp_path: Path) -> None:
    python = environment(tmp_path / "env")
    # --ignore-installed: the environment sees the metadata of what is installed here
    run(*PIP, "--python", python, "install", *OFFLINE, "--ignore-installed", wheel, cwd=tmp_path)
    for folder in whereabouts(python, cwd=tmp_path):
        assert folder.is_relative_to((tmp_path / "env").resolve())


def test_tree_installs_editable(tree: Path, tmp_path: Path) -> None:
    python = environment(tmp_path / "env")
    install = ["install", *OFFLINE, "--ignore-installed", "--editable"]
    run(*PIP, "--python", python, *install, tree, cwd=tmp_path)
    home = tree.resolve()
    expected = {home / folder for folder in ("nasbench", *FOLDERS)}
    assert whereabouts(python, cwd=tmp_path) == expected


@pytest.mark.parametrize("tree", ["links"], indirect=True)
def test_tree_works_without_an_install(tree: Path, tmp_path: Path) -> None:
    home = tree.resolve()
    expected = {home / folder for folder in ("nasbench", *FOLDERS)}
    assert whereabouts(environment(tmp_path / "env"), cwd=tree) == expected


@pytest.mark.parametrize("folder", FOLDERS)
def test_bare_import_at_the_root_names_the_package(folder: str) -> None:
    command = [sys.executable, "-c", f"import {folder}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    last = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 1
    assert last.startswith("ImportError")
    assert f"nasbench.{folder}" in last
