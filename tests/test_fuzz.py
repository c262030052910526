"""Whatever is typed: no traceback, one clear line where it fails, and nothing written elsewhere."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nasbench.__main__ import main
from nasbench.find import names
from tests.made_up import write_made_up

RIGHT = """
list --json
info made_up
info home/tables/made_up.h5 --json
check made_up --json
convert made_up --to npz --out x.npz
import transnas101 made_up.h5 --as mine
import csv mine.py
best made_up/cell/jigsaw -k 3 --at 4 --split test --metric top1
best home/tables/made_up.h5/macro/class_scene --json
query made_up/cell/jigsaw 64-41414-1_02_333 --at final
query made_up/cell/jigsaw 1,0,2,3,3,3 --json
best made_up/cell/jigsaw@full -k 1
query made_up/macro/class_scene 17
run made_up/cell/jigsaw@full/random_search --queries 3
run made_up/cell/jigsaw/random_search/3 --queries 3
run made_up/cell/jigsaw --runner regularized_evolution:population=5:tournament=2 --epochs 30 --json
run made_up/macro/class_scene --runner ./mine.py --seed 1 --seconds 500.5 --queries 3
study made_up --out study --spaces cell --tasks jigsaw --runners random_search --queries 3 --seeds 2
study made_up --out study --runners local_search:starts=2,random_search --epochs 30 --workers 1
study made_up --out study --schedule full --runners random_search --queries 3 --workers 1
transfer made_up --out moved --spaces cell --sources jigsaw --runners direct_transfer --queries 3
report study --bench made_up --json
"""
WORDS = sorted({*RIGHT.split(), *names("benchmarks"), *names("runners"), *names("tasks")})
NUMBERS = [
    *("0", "1", "2", "-1", "-5", "3.5", "nan", "inf", "-inf", "1e999", "1e-320", "0x10", "1_000"),
    *("99999999999999999999", "-99999999999999999999", "9" * 5000, "9223372036854775808", "٣", "²"),
]
ODD = [
    *("", " ", "\n", "\t", "\0", "a\0b", "\x1b[31mred\x1b[0m", "\x07", "\x7f", "\u202e", "\udcff"),
    *(".", "..", "../..", "...", "./", "a//b", "a/b", "../x.h5", ".h5", ".h5/", "a/.h5/", "home/"),
    *("/dev/null", "/dev/full", "/proc/self/mem", "/etc/passwd/x.h5", "~", "~nobody", "x" * 300),
    *("-", "--", "-k", "--at", "--json", "--help", "--out=", "-k=3", "--no-json", "--=", "---"),
    *("%s", "{}", "{0.__class__}", "$(touch x)", "`x`", ";", "|", "*", "?", "[", "[red]", "é" * 50),
    *("random_search:", "random_search:x", "random_search:=", "random_search:a=(((", "a:b=c"),
    *("local_search:starts=0", "local_search:starts=-1", "local_search:starts=nan"),
    *("regularized_evolution:population=0", "regularized_evolution:tournament=" + "[" * 3000),
    *("made_up/cell/jigsaw/random_search/" + "9" * 5000, "made_up//cell//jigsaw", "x" * 5_000),
    *(
        "@",
        "@full",
        "made_up/cell/jigsaw@",
        "made_up/cell/jigsaw@@full",
        "made_up/cell@full/jigsaw",
    ),
]
SMALL = {
    "--queries": ["0", "1", "3", "-1", "nan", "3.5", "many", ""],
    "--epochs": ["0", "9", "30", "-1", "1e3", ""],
    "--seconds": ["0", "1e-320", "500.5", "nan", "inf", "1e999", "-inf", ""],
    "--seeds": ["0", "1", "2", "-1", "99999999999999999999", "9" * 5000, "many"],
    "--workers": ["0", "1", "-1", "99999999999999999999", "many"],
}
"""What may follow where a large number would be granted: a search of that length."""


@pytest.fixture(scope="module")
def cwd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = tmp_path_factory.mktemp("fuzz")
    cwd = root / "here" / "cwd"
    cwd.mkdir(parents=True)
    (root / "user").mkdir()
    write_made_up(cwd / "home" / "tables" / "made_up.h5")
    (cwd / "made_up.h5").write_bytes(b"not HDF5")
    (cwd / "mine.py").write_text("def search(problem, rng):\n    yield 'nothing'\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(cwd)
        patch.setenv("NASBENCH_HOME", "home")
        for name in ("HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
            patch.setenv(name, str(root / "user"))
        patch.setenv("MPLCONFIGDIR", str(tmp_path_factory.mktemp("fonts")))
        yield cwd
        assert sorted(os.listdir(root)) == ["here", "user"]
        assert not os.listdir(root / "user")


def near_miss(draw: st.DrawFn, word: str) -> str:
    place = draw(st.integers(0, len(word)))
    character = draw(st.one_of(st.sampled_from("/.-:=,~0 "), st.characters()))
    return word[:place] + character + word[place + draw(st.integers(0, 2)) :]


@st.composite
def argument(draw: st.DrawFn) -> str:
    """Make a word; none but the odd ones is an absolute path, for some words name an output."""
    return draw(anything()).lstrip("/") if draw(st.integers(0, 3)) else draw(st.sampled_from(ODD))


@st.composite
def anything(draw: st.DrawFn) -> str:
    kind = draw(st.integers(0, 7))
    if kind < 4:
        return draw(st.sampled_from(WORDS))
    if kind == 4:
        return near_miss(draw, draw(st.sampled_from(WORDS)))
    if kind == 5:
        return draw(st.sampled_from(NUMBERS))
    return draw(st.text(max_size=30))


@st.composite
def lines(draw: st.DrawFn) -> list[str]:
    """Take a right command line, and change up to two of its words, rarely the first."""
    line = draw(st.sampled_from(RIGHT.strip().splitlines())).split()
    for _ in range(draw(st.integers(0, 2))):
        place = draw(st.integers(0 if draw(st.integers(0, 19)) == 7 else 1, len(line)))
        before = line[place - 1] if place else ""
        change = draw(st.sampled_from(["another", "another", "near", "near", "more", "less"]))
        if before in SMALL:
            line[place : place + 1] = [draw(st.sampled_from(SMALL[before]))]
        elif change == "less":
            del line[place : place + 1]
        elif change == "near" and place < len(line):
            line[place] = near_miss(draw, line[place]).lstrip("/")
        else:
            line[place : place + (change == "another")] = [draw(argument())]
    return line or [""]


def bounded(line: list[str]) -> list[str]:
    """Keep what is long by right out of it: real imports, long searches, and processes."""
    if line[0] == "import":
        return [word for word in line if word != "nasbench201"]
    if line[0] in ("study", "transfer"):
        limits = {"--seeds": "2", "--workers": "1", "--queries": "3"}
        return line + [word for pair in limits.items() if pair[0] not in line for word in pair]
    return line


@settings(derandomize=True, deadline=None, max_examples=100, database=None)
@example(["best", "made_up/cell/jigsaw", "-k", "99999999999999999999"])
@example(["run", "made_up/cell/jigsaw/random_search", "--epochs", "9" * 30, "--queries", "3"])
@example(["best", "made_up/cell/jigsaw", "--at", "9" * 5000])
@example(["best", "made_up/cell/jigsaw", "--at", "99999999999999999999"])
@example(["query", "made_up/cell/jigsaw", "9" * 5000])
@example(["query", "made_up/cell/jigsaw", "\udcff"])
@example(["run", "made_up/cell/jigsaw/random_search/" + "9" * 5000])
@example(["run", "made_up/cell/jigsaw/random_search", "--seed", "99999999999999999999"])
@example(["run", "made_up/cell/jigsaw", "--runner", "local_search:starts=0", "--queries", "3"])
@example(["run", "made_up/cell/jigsaw/random_search:x=" + "[" * 3000])
@example(["run", "made_up/cell/jigsaw", "--runner", "\0.py"])
@example(["study", "made_up", "--out", "o", "--seeds", "99999999999999999999"])
@example(["study", "made_up", "--out", "o\0", "--seeds", "1", "--queries", "1"])
@example(["study", "made_up", "--out", "made_up.h5", "--seeds", "1", "--queries", "1"])
@example(["report", "\0"])
@example(["report", "made_up.h5"])
@example(["info", "\0.h5"])
@example(["info", "\x1b[31m.h5"])
@example(["import", "transnas101", "\0"])
@example(["import", "transnas101", "home"])
@example(["import", "transnas101", "made_up.h5", "--as", "../x"])
@example(["convert", "made_up", "--to", "csv", "--out", "home"])
@example(["convert", "made_up", "--to", "npz", "--out", ""])
@example(["convert", "made_up", "--to", "csv", "--out", "\0"])
@example(["check", "made_up.h5"])
@given(lines())
def test_no_argument_makes_a_traceback(cwd: Path, line: list[str]) -> None:
    fails_well(cwd, line)


@pytest.mark.slow
@settings(derandomize=True, deadline=None, max_examples=5_000, database=None)
@given(lines())
def test_no_argument_of_very_many_does(cwd: Path, line: list[str]) -> None:
    fails_well(cwd, line)


def fails_well(cwd: Path, line: list[str]) -> None:
    before = os.listdir(cwd.parent)
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main(bounded(line))
    told = err.getvalue()
    assert code in (0, 2), (line, told)
    if code:
        assert told.startswith("nasbench: "), told
        assert told.endswith("\n")
        assert told[:-1].isprintable(), told
        assert len(told) < 200_000
    if not any(word.startswith("--out") for word in line):
        assert os.listdir(cwd.parent) == before
