"""The files around the code: they are there, they agree, and what they say is true."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import pytest

import nasbench
from nasbench.benchmark import import_benchmark
from nasbench.budget import Budget, Cost
from nasbench.errors import BadFile, OutsideSpace
from nasbench.find import find
from nasbench.search import Outcome, Problem, Query
from nasbench.space import Space
from nasbench.task import Task, percent

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
IGNORED = [".git", *(line.strip("/") for line in (ROOT / ".gitignore").read_text().split())]
REQUIRED = [
    ".ci/run",
    ".pre-commit-config.yaml",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "README.md",
    "constraints.txt",
    "docs/decisions.md",
    "docs/guide.md",
    "docs/performance.md",
]
PRIVATE = [  # in pieces, so that this file doesn't hold them
    "/" + "work/",
    "/" + "root/",
    "/tmp" + "/v",
    "pypi.org" + "/simple",
    "files.python" + "hosted",
]


def files(suffix: str = "") -> Iterator[Path]:
    """Every file that git does not ignore; links are not followed."""
    for top, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if not any(fnmatch(name, p) for p in IGNORED)]
        for name in names:
            if name.endswith(suffix) and not any(fnmatch(name, p) for p in IGNORED):
                yield Path(top, name)


def normal(requirement: str) -> str:
    """Return the normalised name of a requirement."""
    return re.sub(r"[-_.]+", "-", re.split(r"[^\w.-]", requirement)[0]).lower()


@pytest.mark.parametrize("name", REQUIRED)
def test_required_file(name: str) -> None:
    assert (ROOT / name).read_text(encoding="utf-8").strip()


def test_ci_runs() -> None:
    assert os.access(ROOT / ".ci/run", os.X_OK)


def test_licence_is_the_standard_text() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert text.split()[:4] == ["Apache", "License", "Version", "2.0,"]
    assert re.findall(r"^ *Copyright .*", text, re.M) == [
        "   Copyright [yyyy] [name of copyright owner]"
    ]


def test_constraints_pin_every_dependency() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.-]+==[\w.+]+", pin) for pin in pins)
    extras = PROJECT["optional-dependencies"]
    wanted = {*PROJECT["dependencies"], *extras["data"], *extras["test"]}
    assert {normal(each) for each in wanted} - {normal(pin) for pin in pins} == {"nasbench"}
    exact = {each for each in wanted if "==" in each}
    assert exact <= set(pins)


def test_one_version() -> None:
    assert nasbench.__version__ == PROJECT["version"]
    assert PROJECT["version"] in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_nothing_of_a_private_machine() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {text}"
        for path in files()
        if path.is_file()
        for text in PRIVATE
        if text.encode() in path.read_bytes()
    ]
    assert found == []


def test_links_between_documents() -> None:
    links = [
        (path, link)
        for path in files(".md")
        for link in re.findall(r"\]\(([^)#\s]+)", path.read_text(encoding="utf-8"))
        if not re.match(r"[a-z]+:", link)
    ]
    assert links
    assert [(path.name, link) for path, link in links if not (path.parent / link).exists()] == []


@pytest.fixture
def examples(tmp_path: Path) -> list[Path]:
    """The Python examples of CONTRIBUTING.md, each as a file."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    written = [tmp_path / f"{name}.py" for name in ("runner", "space", "home_widths")]
    for path, code in zip(written, re.findall(r"```python\n(.*?)```", text, re.S), strict=True):
        path.write_text(code, encoding="utf-8")
    return written


@pytest.fixture
def space(examples: list[Path]) -> Space:
    return find("spaces", str(examples[1]))


def test_example_space(space: Space) -> None:
    assert len(space) == 27
    assert [space.read(space.spell(arch)) for arch in space] == list(space)
    for wrong in ("3x5", "3x5x9", "3x5x7x", ""):
        with pytest.raises(OutsideSpace, match="3x5x7"):
            space.read(wrong)


def test_example_runner(examples: list[Path], space: Space) -> None:
    problem = Problem(
        space=space,
        task=Task("any", percent("top1")),
        epochs=1,
        budget=Budget(queries=50),
        measure=lambda arch: {},
    )
    search = find("runners", str(examples[0]))(problem, np.random.default_rng(0))
    asked = next(search)
    scores = []
    for _ in range(50):
        assert isinstance(asked, Query)
        assert asked.arch in space
        scores.append(float(sum(asked.arch)))
        outcome = Outcome(asked, scores[-1], scores[-1], Cost(queries=1, epochs=1))
        asked = search.send(outcome)
    search.close()
    assert max(scores) == 6  # the top is three steps from anywhere


def test_benchmark_of_the_contributing_guide(
    examples: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NASBENCH_HOME", str(tmp_path / "home"))
    csv = tmp_path / "widths.csv"
    csv.write_text("arch,valid_top1\n8:8:8:8:8,51.5\n64:64:64:64:64,84.25\n")
    bench = import_benchmark(str(examples[2]), csv)
    assert bench["cifar10"].best()[0].name == "64:64:64:64:64"
    csv.write_text("arch,valid_top1\n8:8:8:8:9,51.5\n")
    with pytest.raises(BadFile, match="'8:8:8:8:9' is not in nats_size"):
        import_benchmark(str(examples[2]), csv)
