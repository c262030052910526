"""What comes out on the real table agrees with what is known of it."""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nasbench.__main__ import main
from nasbench.benchmark import import_benchmark
from nasbench.count import count
from nasbench.metrics.ranking import kendall, spearman
from nasbench.reproduce import Repeated, Reproduction, published, sampling
from nasbench.store import Benchmark
from nasbench.study import study

RUNS = 50
"""A fifth of what `nasbench reproduce` does."""
SPACES = ("cell", "macro")


@pytest.fixture(scope="session")
def transnas101(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Benchmark]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NASBENCH_HOME", str(tmp_path_factory.mktemp("home")))
        file = shared / "data" / "transnas101" / "transnas101_best.csv.gz"
        yield import_benchmark("transnas101", file)


@pytest.fixture(scope="session")
def repeated(transnas101: Benchmark, tmp_path_factory: pytest.TempPathFactory) -> list[Repeated]:
    """Repeat what needs no networks."""
    tables = ["tnb101_global_best", "tnb101_sim_micro", "tnb101_sim_macro"]
    tables += ["tnb101_task_corr_micro", "tnb101_task_corr_macro", "nbsz_fig2"]
    folder = tmp_path_factory.mktemp("reproduced")
    built = ("spearman synflow", "spearman zen", "spearman l2_norm")
    cells = [cell for cell in published("transnas101", tables) if cell.repeats not in built]
    work = Reproduction(cells, [transnas101], RUNS, folder)
    assert sum(len(unit.seeds) for unit in work.todo) == 28 * RUNS
    for _ in study(work.todo):
        pass
    assert not Reproduction(cells, [transnas101], RUNS, folder).todo
    return list(work.repeat())


@pytest.mark.parametrize("space", SPACES)
def test_random_search_finds_the_rank_that_theory_says(
    space: str, transnas101: Benchmark, repeated: list[Repeated]
) -> None:
    """The best of n draws without replacement has mean rank (N + 1) / (n + 1).

    Its standard deviation is nearly the mean.
    """
    found = {
        each.cell.task: each.ours
        for each in repeated
        if each.cell.repeats == "rank random_search" and each.cell.space == space
    }
    assert found.keys() >= set(transnas101.spaces[space])
    expected = (len(transnas101[space, "jigsaw"]) + 1) / 51
    means = [ours.value for task, ours in found.items() if ours and task]
    assert {ours.n for ours in found.values() if ours} == {RUNS}
    assert len(means) == 7
    for mean in means:
        assert abs(mean - expected) < 3.5 * expected / math.sqrt(RUNS)
    assert abs(np.mean(means) - expected) < 3.5 * expected / math.sqrt(7 * RUNS)


def test_what_is_told_to_be_reproducible_is_reproduced(repeated: list[Repeated]) -> None:
    told = [each for each in repeated if each.cell.table.startswith("tnb101")]
    assert len(told) == 14 + 60 + 84
    assert all(each.ours for each in told)
    assert [each for each in told if each.verdict == "differs" and not each.why] == []
    assert sum(each.verdict == "agrees" for each in told) > 140


def test_what_can_not_be_repeated_says_why(repeated: list[Repeated]) -> None:
    whys = {each.cell.method: each.why for each in repeated if each.cell.table == "nbsz_fig2"}
    assert "nasbench count transnas101" in whys["params"]
    assert "needs the images" in whys["snip"]
    assert all(each.why for each in repeated if each.verdict == "not repeated")


def test_the_numbers_are_those_of_the_collection(shared: Path) -> None:
    """What we ship says word for word what was collected, and its status."""
    benchmarks = {"transnas101": {"TransNAS-Bench-101"}}
    benchmarks["nasbench201"] = {"NAS-Bench-201", "NATS-Bench TSS"}
    with (shared / "methods" / "published.csv").open(newline="") as file:
        collected = list(csv.DictReader(file))
    for name, wanted in benchmarks.items():
        theirs = Counter(
            (row["table_id"], row["value"], row["std"], row["status"], row["confidence"])
            for row in collected
            if row["benchmark"] in wanted
        )
        cells = published(name)
        ours = Counter((c.table, c.value, c.std, c.status, c.confidence) for c in cells)
        assert ours == theirs
        assert all(cell.repeats or cell.remark for cell in cells)


@pytest.mark.parametrize("kind", ["spearman", "kendall"])
def test_the_error_of_a_correlation_is_that_of_samples(kind: str) -> None:
    """10,000 architectures, of which 200 are drawn."""
    rng = np.random.default_rng(0)
    truth = rng.normal(size=10_000)
    score = truth + rng.normal(size=10_000)
    correlation = {"spearman": spearman, "kendall": kendall}[kind]
    drawn = [rng.choice(10_000, 200, replace=False) for _ in range(400)]
    std = np.std([correlation(score[rows], truth[rows]) for rows in drawn])
    cell = replace(published("transnas101")[0], n="200")
    assert sampling(kind, correlation(score, truth), cell, 10_000) == pytest.approx(std, rel=0.12)
    assert sampling(kind, 0.5, replace(cell, n="10000"), 10_000) == 0
    assert math.isnan(sampling(kind, 0.5, replace(cell, n=""), 10_000))


def test_nobody_is_judged_by_memory(repeated: list[Repeated], transnas101: Benchmark) -> None:
    """An unverified number is shown, however far it is, and so is one whose error isn't known."""
    best = next(each.cell for each in repeated if each.cell.table == "tnb101_global_best")
    cells = [
        replace(best, value="40.00"),
        replace(best, value="40.00", status="unverified"),
        replace(best, repeats="spearman task:jigsaw", n=""),
        replace(best, task="jigsaws"),
        replace(best, repeats="found bohb", budget="50 queries"),
    ]
    told = list(Reproduction(cells, [transnas101], 1, Path("unused")).repeat())
    assert [t.verdict for t in told] == ["differs", "shown", "shown", *["not repeated"] * 2]
    assert "no table at hand has cell/jigsaws" in told[3].why
    assert "needs answers after any number of epochs" in told[4].why


def test_command(
    transnas101: Benchmark, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = str(transnas101.path), str(tmp_path / "out")
    line = ["reproduce", "transnas101", "--tables", path, "--out", out, "--workers", "1"]
    line += ["--only", "tnb101_global_best,lswag_tab1"]
    assert main(line) == 0
    text, err = capsys.readouterr()
    assert not err
    assert "transnas101: 70 printed numbers; 0 runs to do" in text
    rows = list(csv.DictReader((tmp_path / "out" / "reproduced.csv").read_text().splitlines()))
    assert len(rows) == 70
    assert {row["verdict"] for row in rows} == {"agrees", "not repeated"}
    for name in ("index.html", "reproduced.md"):
        page = (tmp_path / "out" / name).read_text("utf-8")
        assert "46.32" in page
        assert "no scorer of ours" in page
    for bad, says in (
        (["transnas"], "did you mean 'transnas101'?"),
        (["transnas101", "--only", "tab5"], "no published table 'tab5'"),
        (["transnas101", "--tables", "none.h5"], "no file"),
    ):
        assert main(["reproduce", *bad]) == 2
        err = capsys.readouterr().err
        assert says in err
        assert err.count("\n") == 1


def test_nasbench201_is_reproduced(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Signal, clock and test are those of the protocol; optima are of the means, too."""
    monkeypatch.setenv("NASBENCH_HOME", str(tmp_path))
    data = shared / "data" / "nasbench201"
    tables = [
        import_benchmark("nasbench201", data / "nasbench201_search_protocol.csv.gz", "protocol"),
        import_benchmark("nasbench201", data, "means"),
    ]
    cells = published("nasbench201", ["nb201_tab5"])
    work = Reproduction(cells, tables, 100, tmp_path / "out")
    for _ in study(work.todo):
        pass
    told = list(work.repeat())
    assert [each for each in told if each.verdict == "differs" and not each.why] == []
    assert sum(each.verdict == "agrees" for each in told) >= 14
    bohb = [each for each in told if each.cell.method == "BOHB"]
    assert {each.verdict for each in bohb} == {"not repeated"}


@pytest.mark.slow
def test_parameters_and_flops_agree_or_the_page_says_why(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All 15,625 networks are counted. ZiCo's FLOPs have poolings in them, its parameters ours."""
    monkeypatch.setenv("NASBENCH_HOME", str(tmp_path))
    data = shared / "data" / "nasbench201"
    import_benchmark("nasbench201", data / "nasbench201_search_protocol.csv.gz", "protocol")
    import_benchmark("nasbench201", data, "means")
    tables = [count(name, 32) for name in ("protocol", "means")]
    facts = [f"{kind} {fact}" for kind in ("spearman", "kendall") for fact in ("params", "flops")]
    cells = [cell for cell in published("nasbench201") if cell.repeats in facts]
    told = list(Reproduction(cells, tables, 1, tmp_path / "out").repeat())
    assert Counter(each.verdict for each in told) == {"agrees": 12, "differs": 6, "shown": 12}
    assert all(each.why for each in told if each.verdict == "differs")
