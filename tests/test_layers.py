"""Who may import whom."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.made_up import write_made_up

ROOT = Path(__file__).parents[1]
FOLDERS = ("spaces", "tasks", "runners", "results")
THINGS = ("nasbench.space", "nasbench.cell", "nasbench.task", "nasbench.images", "nasbench.errors")
MAY_IMPORT = {  # of nasbench, modules and all below them
    "spaces": (*THINGS, "nasbench.nets", "nasbench.spaces.blocks"),
    "tasks": (
        *THINGS,
        "nasbench.cache",
        "nasbench.unpickle",
        "nasbench.tasks.kinds",
        "nasbench.tasks.heads",
        "nasbench.tasks.images",
    ),
    "runners": (
        "nasbench.search",
        "nasbench.budget",
        "nasbench.space",
        "nasbench.supernet",
        "nasbench.parts",
        "nasbench.scorers",
    ),
    "results": (),
}
CONCRETE = ("nasbench.spaces.", "nasbench.tasks.", "nasbench.runners.")
MAY_LOAD_TORCH = (
    "nasbench.live",
    "nasbench.supernet",
    "nasbench.nets",
    "nasbench.proxies",
    "nasbench.parts.oneshot",
    "nasbench.spaces.blocks",
    "nasbench.tasks.heads",
    "nasbench.runners",
)
LOAD_TORCH = ("torch", "nasbench.nets", "nasbench.parts.oneshot")
HEAVY = "cloudpickle h5py matplotlib pandas platformdirs rich scipy seaborn torch typer"


def sources() -> dict[str, Path]:
    """Every module of the project: its dotted name and its file."""
    files = [
        file
        for folder in ("nasbench", *FOLDERS)
        for file in (ROOT / folder).rglob("*.py")
        if not any(parent.is_symlink() for parent in file.parents)
    ]
    parts = [file.relative_to(ROOT).with_suffix("").parts for file in files]
    names = [".".join(p if p[0] == "nasbench" else ("nasbench", *p)) for p in parts]
    return {name.removesuffix(".__init__"): file for name, file in zip(names, files, strict=True)}


def imports(node: ast.AST, *, loads: bool = True) -> Iterator[tuple[int, str, bool]]:
    """Yield each import: its line, the full name, and whether loading the module runs it."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield node.lineno, alias.name, loads
            if not alias.asname:  # `import nasbench.space` binds `nasbench`, which has everything
                yield node.lineno, alias.name.partition(".")[0], loads
    elif isinstance(node, ast.ImportFrom):
        for alias in node.names:
            yield node.lineno, f"{'.' * node.level}{node.module or ''}.{alias.name}", loads
    elif isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
        for statement in node.body:
            yield from imports(statement, loads=False)
        for statement in node.orelse:
            yield from imports(statement, loads=loads)
    else:
        loads = loads and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for child in ast.iter_child_nodes(node):
            yield from imports(child, loads=loads)


def within(name: str, modules: tuple[str, ...]) -> bool:
    return any(name == module or name.startswith(f"{module}.") for module in modules)


def broken(module: str, source: str) -> list[str]:
    """Name the rules that a module's source breaks, with the line."""
    found = set()
    folder = module.split(".")[1] if "." in module else ""
    for line, name, loads in imports(ast.parse(source)):
        ours = name.partition(".")[0] == "nasbench"
        if name.startswith("."):
            rule = "no relative imports"
        elif name.endswith(".*"):
            rule = "no star imports"
        elif folder in FOLDERS and ours and not within(name, MAY_IMPORT[folder]):
            rule = f"not for {folder}/"
        elif folder not in FOLDERS and name.startswith(CONCRETE):
            rule = "the core reaches spaces, tasks and runners by nasbench.find alone"
        elif loads and name.startswith(LOAD_TORCH) and not within(module, MAY_LOAD_TORCH):
            rule = "torch is imported inside functions here"
        else:
            continue
        found.add(f"{module}, line {line}: {name}: {rule}")
    return sorted(found)


def test_every_folder_is_looked_at() -> None:
    names = set(sources())
    assert {"nasbench", "nasbench.space", *(f"nasbench.{folder}" for folder in FOLDERS)} <= names
    assert sources()["nasbench.tasks"] == ROOT / "tasks/__init__.py"


@pytest.mark.parametrize("module", sorted(sources()))
def test_imports(module: str) -> None:
    assert broken(module, sources()[module].read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("module", "source", "rule"),
    [
        ("runners.mine", "from nasbench.table import Table", "not for runners/"),
        ("runners.mine", "from nasbench.benchmarks import nasbench201", "not for runners/"),
        ("runners.mine", "from nasbench import find", "not for runners/"),
        ("runners.mine", "from nasbench import run", "not for runners/"),
        ("runners.mine", "import nasbench", "not for runners/"),
        ("runners.mine", "import nasbench.space", "not for runners/"),
        ("runners.mine", "import nasbench.store as s", "not for runners/"),
        ("runners.mine", "def search():\n    from nasbench.evaluate import x", "not for runners/"),
        ("runners.mine", "from nasbench.searching import x", "not for runners/"),
        ("spaces.mine", "from nasbench.search import Query", "not for spaces/"),
        ("spaces.mine", "from nasbench.tasks import jigsaw", "not for spaces/"),
        ("tasks.images.mine", "from nasbench.spaces.blocks import x", "not for tasks/"),
        ("tasks.kinds.mine", "import torch", "inside functions"),
        ("tasks.mine", "import nasbench.tasks.jigsaw as other", "not for tasks/"),
        ("results", "from nasbench.space import Grid", "not for results/"),
        ("study", "from nasbench.spaces import nasbench201", "nasbench.find alone"),
        ("study", "import nasbench.spaces.nasbench201", "nasbench.find alone"),
        ("report.html", "def f():\n    import nasbench.runners.darts as d", "nasbench.find alone"),
        ("table", "import torch", "inside functions"),
        ("scorers.proxies", "try:\n    from torch import nn\nfinally: pass", "inside functions"),
        ("tasks.mine", "class A:\n    import torch.nn as nn", "inside functions"),
        ("spaces.mine", "if x:\n    import torchvision", "inside functions"),
        ("parts.mine", "import torch", "inside functions"),
        ("parts.mine", "from nasbench.parts.oneshot import costs", "inside functions"),
        ("space", "from .errors import BadValue", "no relative imports"),
        ("space", "from . import errors", "no relative imports"),
        ("space", "def f():\n    from ..tasks import x", "no relative imports"),
        ("space", "from math import *", "no star imports"),
    ],
)
def test_what_breaks_a_rule_is_reported(module: str, source: str, rule: str) -> None:
    found = broken(f"nasbench.{module}", source)
    assert found
    assert all(rule in line for line in found)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("runners.mine", "from nasbench import search, space"),
        ("runners.mine", "import nasbench.budget as budget"),
        ("runners.mine", "from nasbench.parts.samplers import x"),
        ("runners.mine", "import torch"),
        ("runners.mine", "import scipy"),
        ("spaces.mine", "from nasbench.spaces.blocks.cells import x"),
        ("spaces.blocks.cells", "from torch import nn"),
        ("tasks.heads.decoder", "from torch import nn"),
        ("tasks.mine", "from nasbench.tasks.kinds.dense import Dense"),
        ("tasks.mine", "def head():\n    import torch"),
        ("nets", "import torch"),
        ("parts.oneshot.mine", "import torch"),
        ("runners.mine", "from nasbench.parts.oneshot.costs import x"),
        ("table", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import torch"),
        ("find", "import nasbench.spaces\nimport nasbench.results as results"),
    ],
)
def test_what_keeps_the_rules_is_not_reported(module: str, source: str) -> None:
    assert broken(f"nasbench.{module}", source) == []


def test_import_nasbench_costs_numpy_alone() -> None:
    code = f"import sys, nasbench; print(*(set({HEAVY.split()}) & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "", "")


def test_looking_up_and_searching_load_no_torch(tmp_path: Path) -> None:
    code = (
        "import sys; from nasbench.__main__ import main;"
        "codes = [main(command.split()) for command in sys.argv[1:]];"
        "print(codes, *({'torch', 'sqlite3'} & sys.modules.keys()))"
    )
    table = f"{write_made_up(tmp_path / 'made_up.h5')}/cell/jigsaw"
    commands = ["list", f"best {table}", f"query {table} 3", f"run {table}/random_search/0"]
    run = [sys.executable, "-c", code, *commands]
    done = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[0, 0, 0, 0]"
