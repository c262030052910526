"""What the README and the guide say is so: their examples run on the real table, where it is."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from nasbench.__main__ import main
from nasbench.benchmark import import_benchmark
from nasbench.find import find
from nasbench.recipe import Recipe, Trainable
from nasbench.store import Benchmark
from tests.made_up import look_less

ROOT = Path(__file__).parents[1]
GUIDE = (ROOT / "docs" / "guide.md").read_text(encoding="utf-8")
ONE_SHOT = (ROOT / "docs" / "one-shot.md").read_text(encoding="utf-8")
WIDTH = (ROOT / "docs" / "width.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
JSON = dict(re.findall(r"`nasbench ([^`]*--json)`\n\n```json\n(.*?)```", GUIDE, re.DOTALL))


SOME_KEYS = (".values", ".epoch_chosen_by", ".spaces", ".tables", ".core_hours")
"""What has spaces or tasks as keys, of which the guide shows one."""
TAUS = re.compile(r"\.(real_between_tasks|between_tasks|with_real)\b")


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def few(recipe: Recipe) -> Recipe:
    """Take a hundredth of the images: seconds, not minutes."""
    return replace(recipe, train=64, valid=32, test=32, epochs=2, batch=16)


@pytest.fixture(autouse=True)
def _real(
    shared: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    home = tmp_path_factory.getbasetemp() / "docs"
    monkeypatch.setenv("NASBENCH_HOME", str(home))
    monkeypatch.chdir(tmp_path)
    look_less(monkeypatch)
    live, trained = find("benchmarks", "rooms").live, vars(Benchmark)["trained_by"].func
    assert live
    for task, recipe in live.recipes.items():
        monkeypatch.setitem(cast("dict[str, Recipe]", live.recipes), task, few(recipe))

    def trained_by_few(bench: Benchmark) -> dict[tuple[str, str], Trainable]:
        known = trained(bench).items()
        return {key: replace(where, recipe=few(where.recipe)) for key, where in known}

    monkeypatch.setattr(Benchmark, "trained_by", property(trained_by_few))
    if not home.exists():
        import_benchmark("transnas101", shared / "data/transnas101/transnas101_best.csv.gz")


@pytest.mark.parametrize("code", blocks(GUIDE, "python"))
def test_python_in_the_guide(code: str) -> None:
    exec(code, {})


def test_python_in_the_readme() -> None:
    look, method = blocks(README, "python")
    exec(look, {})
    Path("mine.py").write_text(method)
    assert main(["run", "transnas101/cell/jigsaw", "--runner", "./mine.py"]) == 0


def test_shell_in_the_guide_and_the_readme(shared: Path) -> None:
    mine = blocks(README, "python")[1]
    Path("mine.py").write_text(mine)
    for code in blocks(GUIDE, "python"):
        if name := re.match(r"# (\w+\.py)\n", code):
            Path(name[1]).write_text(code)
    csv = shared / "data/transnas101/transnas101_best.csv.gz"
    Path(csv.name).symlink_to(csv)
    lines = [line for text in (README, GUIDE) for line in "".join(blocks(text, "sh")).splitlines()]
    commands = [line.split("#")[0].split()[1:] for line in lines if line.startswith("nasbench ")]
    assert len(commands) > 10
    for i, command in enumerate(commands):
        if command[0] != "report" or command not in commands[i + 1 :]:  # one that says it all
            assert main(small(command)) == 0, command


def small(command: list[str]) -> list[str]:
    """Let a command do less: few seeds, and no process but its own unless it says how many."""
    work, live = ("study", "transfer", "build", "audit"), "--live" in command
    more = ["--workers", "1"] if command[0] in work or live else []
    more = [] if "--workers" in command else more
    more += ["--seeds", "1" if live else "3"] if command[0] in ("study", "transfer") else []
    return [*command, *more, *(["--queries", "1"] if live else [])]


def test_the_page_of_one_shot_methods() -> None:
    (code,) = blocks(ONE_SHOT, "python")
    Path("uniform.py").write_text(code)
    lines = "".join(blocks(ONE_SHOT, "sh")).splitlines()
    lines += re.findall(r"`(nasbench run [^`]*uniform.py [^`]*)`", ONE_SHOT)
    commands = [line.split("#")[0].split()[1:] for line in lines]
    assert len(commands) == 3
    for command in commands:
        assert main(command) == 0, command


def test_the_page_of_widths(capsys: pytest.CaptureFixture[str]) -> None:
    for line in "".join(blocks(WIDTH, "sh")).splitlines():
        assert main(line.split()[1:]) == 0, line
    capsys.readouterr()
    told = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", WIDTH, re.DOTALL)
    assert len(told) == len(blocks(WIDTH, "python"))
    for code, printed in told:
        exec(code, {})
        assert capsys.readouterr().out == printed


@pytest.mark.parametrize("command", JSON)
def test_json_has_the_documented_keys(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    if "DIR" in command:
        line = ["study", "transnas101", "--runners", "local_search", "--tasks", "jigsaw,normal"]
        assert main([*line, "--seeds", "3", "--queries", "9", "--out", "DIR"]) == 0
        capsys.readouterr()
    assert main(command.split()) == 0
    _alike(json.loads(JSON[command]), json.loads(capsys.readouterr().out), command)


def _alike(documented: Any, printed: Any, where: str) -> None:
    if isinstance(documented, dict) and (where.endswith(SOME_KEYS) or TAUS.search(where)):
        assert documented.keys() <= printed.keys(), where
    elif isinstance(documented, dict) and not where.endswith((".cell", ".valid", ".test")):
        assert documented.keys() == printed.keys(), where
    if isinstance(documented, dict):
        for key in documented:
            _alike(documented[key], printed[key], f"{where}.{key}")
    elif isinstance(documented, list):
        for item in printed if documented else []:
            _alike(documented[0], item, where)
    elif documented is not None and printed is not None:
        assert type(documented) is type(printed), where
