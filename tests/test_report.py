"""A report says what happened: its numbers, by plain loops; its labels; the same every time."""

from __future__ import annotations

import html
import re
import shutil
import subprocess
import sys
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nasbench.budget import Budget
from nasbench.errors import BadFile, BadValue, UnknownName
from nasbench.find import find
from nasbench.loop import Method, run
from nasbench.metrics.statistics import bootstrap_interval
from nasbench.report import report, summary, write_report
from nasbench.report.gather import gather
from nasbench.report.page import Block, Grid, Heading, Picture, Points, Text, markdown
from nasbench.report.page import html as html_page
from nasbench.report.score import agreement, axis
from nasbench.report.words import decimals
from nasbench.search import Problem, Query, Search, ask, ask_all
from nasbench.store import Benchmark, write
from nasbench.study import study, units
from nasbench.table import OWN_MAXIMUM, Column, Point, Rows, Table
from nasbench.task import Metric, Task
from nasbench.trace import Traces
from tests.made_up import write_made_up

NAMES = ["random_search", "regularized_evolution:population=5"]
METHODS = [Method.parse(name) for name in NAMES]
BUDGET, SEEDS = Budget(queries=12), 6
NAME = "coarse & <b>"
TITLE = '<script>alert("1 & 2")</script> *made* [up](x) | `a_b`'
TABLES = {  # what the test column says about its epoch; None: no test column
    ("cell", "class_object"): "valid top1",
    ("cell", "class_scene"): None,
    ("cell", "jigsaw"): OWN_MAXIMUM,
    ("macro", "room_layout"): "valid neg_loss",
}


def write_bench(path: Path, seed: int = 0, answers: str = "best", diverged: float = 0) -> Benchmark:
    """Write tables of coarse made-up values, so that many are equal; losses can be infinite."""
    rng = np.random.default_rng(seed)
    rows: dict[str, Rows] = {}
    tables = []
    for (short, task_name), chosen_by in TABLES.items():
        space, task = find("spaces", f"transnas_{short}"), find("tasks", task_name)
        rows[short] = rows.get(short) or Rows.of(space, [space.spell(arch) for arch in space])
        low = -60 if task_name == "room_layout" else 0

        def column(chosen_by: str, n: int = len(space), low: int = low) -> Column:
            values = low + rng.integers(240, size=(n, 1)) / 4
            values[rng.random((n, 1)) < diverged * (low < 0)] = -np.inf
            return Column(values.astype(np.float32), chosen_by)

        main = task.metric.name
        columns = {Point(answers, "valid", main): column(f"valid {main}")}
        if chosen_by is not None:
            columns[Point(answers, "test", main)] = column(chosen_by)
        one = np.array([25], np.int32), np.array([-1])
        where = f"{NAME}/{short}/{task_name}"
        tables.append((short, Table(where, rows[short], task, answers, *one, columns)))
    header = {"benchmark": NAME, "title": TITLE, "source": "made up", "answers": answers}
    write(path, {**header, "notes": ["nothing is <real>"], "left_out": ["the truth"]}, tables)
    return Benchmark(path)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    return write_bench(tmp_path_factory.mktemp("bench") / "coarse.h5")


def do(bench: Benchmark, out: Path, methods: Any = METHODS, **options: Any) -> Path:
    options = {"seeds": SEEDS, "budget": BUDGET, **options}
    for unit in study(units(bench, out, methods, **options)):
        assert unit.file.is_file()
    return out


@pytest.fixture(scope="module")
def folder(bench: Benchmark, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study in blocks of four seeds, reported."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nasbench.study.BLOCK", 4)
        out = do(bench, tmp_path_factory.mktemp("study"))
    assert len(list((out / "traces").rglob("*.npz"))) == 4 * 2 * 2
    assert report(out, bench) == out / "report" / "index.html"
    return out


def page(folder: Path) -> str:
    return (folder / "report/index.html").read_text(encoding="utf-8")


def rows(folder: Path) -> list[list[str]]:
    """The cells of every table of the Markdown report."""
    lines = (folder / "report/report.md").read_text(encoding="utf-8").splitlines()
    cells = [line[2:-2].split(" | ") for line in lines if line.startswith("|")]
    return [[re.sub(r"\\(.)", r"\1", cell) for cell in row] for row in cells]


def shows(text: str, *values: float) -> bool:
    """Say whether a cell holds these numbers, rounded to the digits that it shows."""
    there = re.findall(r"-?\d+\.?\d*", text.replace("\N{MINUS SIGN}", "-"))
    return len(there) == len(values) and all(
        abs(float(number) - value) <= 0.5001 * 10 ** -len(number.partition(".")[2])
        for number, value in zip(there, values, strict=True)
    )


def judge(table: Table, label: str, method: str) -> dict[str, Any]:
    """Score a method on a table with loops over plain numbers; nothing of the report is used."""
    chosen, sign, every = Method.parse(method), table.task.metric.sign, table.scores().tolist()
    traces = run(chosen.runner, table, range(SEEDS), BUDGET, **chosen.params)
    best, median = max(every), float(np.median(every))
    found, on_the_way = [], []
    for number in range(len(traces)):
        so_far, row = -np.inf, -1
        for outcome in traces.outcomes(number):
            if outcome.score > so_far:
                so_far, row = outcome.score, table.row(outcome.query.arch)
            on_the_way.append(best - so_far)
        found.append(row)
    regrets, values = [best - every[row] for row in found], [sign * every[row] for row in found]
    ranks = [
        sum(score > every[row] for score in every) + (every.count(every[row]) + 1) / 2
        for row in found
    ]
    value, n = sum(values) / SEEDS, SEEDS
    low, high = bootstrap_interval(np.array(regrets), np.random.default_rng(0))
    test = table.scores("test").tolist() if label else [np.nan] * len(every)
    return {
        "metric": table.task.metric.name,
        "runs": n,
        "value": value,
        "std": (sum((each - value) ** 2 for each in values) / (n - 1)) ** 0.5,
        "rank": sum(ranks) / n,
        "regret": sum(regrets) / n,
        "low": low,
        "high": high,
        "normalised": sum(regret / (best - median) for regret in regrets) / n,
        "area": sum(on_the_way) / len(on_the_way),
        "test_regret": sum(max(test) - test[row] for row in found) / n,
        "test": label,
    }


def label(where: tuple[str, str]) -> str:
    return {None: "", OWN_MAXIMUM: "optimistic test regret"}.get(TABLES[where], "test regret")


def test_summary_is_what_loops_find(bench: Benchmark, folder: Path) -> None:
    told = summary(folder, bench)
    assert list(zip(told["space"], told["task"], told["method"], strict=True)) == [
        (*table, method) for table in TABLES for method in NAMES
    ]
    for row in told.to_dict("records"):
        where = row.pop("space"), row.pop("task")
        expected = judge(bench[where], label(where), row.pop("method"))
        assert row.keys() == expected.keys()
        for key, value in expected.items():
            same = value if isinstance(value, str) else pytest.approx(value, nan_ok=True)
            assert row[key] == same, (where, key)


def test_summary_where_less_is_better(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nasbench.tasks.jigsaw.TASK", Task("jigsaw", Metric("top1", "min", "%")))
    table = (bench := write_bench(tmp_path / "coarse.h5"))["cell", "jigsaw"]
    traces = run("random_search", table, range(SEEDS), BUDGET)
    (row,) = summary([traces], bench).to_dict("records")
    expected = judge(table, "optimistic test regret", "random_search")
    assert row["value"] < 20
    assert {key: row[key] for key in expected} == pytest.approx(expected)


def test_summary_of_traces(bench: Benchmark, folder: Path) -> None:
    table = bench["cell", "jigsaw"]
    traces = [run("random_search", table, range(SEEDS), BUDGET)]
    (row,) = summary(traces, bench).to_dict("records")
    told = summary(folder, bench)
    same = told[(told["task"] == "jigsaw") & (told["method"] == "random_search")]
    assert [row] == same.to_dict("records")


def test_page_shows_the_summary(bench: Benchmark, folder: Path) -> None:
    told = summary(folder, bench)
    found = [row for row in rows(folder) if len(row) > 7 and "±" in row[3]]
    tests = {"cell": ["optimistic test regret", "test regret"], "macro": ["test regret"]}
    assert len(found) == len(told)
    for row, want in zip(found, told.itertuples(), strict=True):
        assert row[1] in ("random search", "regularized evolution (population=5)")
        assert row[2] == "6"
        assert shows(row[3], want.value, want.std)
        assert "-" not in row[3]  # a minus sign, not a hyphen
        assert shows(row[4], want.rank)
        assert shows(row[5], want.regret, want.low, want.high)
        assert shows(row[6], want.area)
        for cell, test in zip(row[7:], tests[want.space], strict=True):
            assert shows(cell, want.test_regret) if test == want.test else cell == "-"
    assert [row[0] for row in found if row[0]] == [
        "class_object<br>top1 [%]",
        "class_scene<br>top1 [%]",
        "jigsaw<br>top1 [%]",
        "room_layout<br>neg_loss",
    ]


def test_averages_over_tasks(bench: Benchmark, folder: Path) -> None:
    cell = [row for row in summary(folder, bench).to_dict("records") if row["space"] == "cell"]
    (head,) = (i for i, row in enumerate(rows(folder)) if row[-1] == "rank among methods")
    for shown, method in zip(rows(folder)[head + 2 :], NAMES, strict=False):
        mine = [row for row in cell if row["method"] == method]
        others = [row for row in cell if row["method"] != method]
        places = [
            1 + (other["regret"] < row["regret"]) + (other["regret"] == row["regret"]) / 2
            for row, other in zip(mine, others, strict=True)
        ]
        assert shows(shown[1], sum(row["rank"] for row in mine) / 3)
        assert shows(shown[2], sum(row["normalised"] for row in mine) / 3)
        assert shows(shown[3], sum(places) / 3)
    assert sum(row[-1] == "rank among methods" for row in rows(folder)) == 1  # macro has one task


# ------------------------------------------------------------------------------------ what it says


def test_html_and_markdown_say_the_same(folder: Path) -> None:
    body = page(folder).partition("<body>")[2].replace("<br>", " ")
    from_html = html.unescape(re.sub(r"<[^>]+>", " ", body)).split()
    text = (folder / "report/report.md").read_text(encoding="utf-8").replace("<br>", " ")
    text = re.sub(r"!\[.*?\]\(\w+\.png\)|^(#+|-|\|[ :|-]*\|$|>)|(?<!\\)\|", " ", text, flags=re.M)
    assert re.sub(r"\\(.)", r"\1", text).split() == from_html


def test_labels_are_honest(folder: Path) -> None:
    cell, macro = page(folder).split("<h2>")[1:3]
    assert ">optimistic test regret</th>" in cell
    assert "Optimistic test regret: of each test metric" in cell
    assert "No test regret for class_scene: there this source has validation results only" in cell
    assert ">test regret</th>" in macro
    assert "optimistic" not in macro.lower()
    assert "validation results only" not in macro
    assert "one task on macro" in macro


def test_final_test_values_are_plain(tmp_path: Path) -> None:
    bench = write_bench(tmp_path / "coarse.h5", answers="final")
    told = summary([run("random_search", bench["cell", "jigsaw"])], bench)
    assert told["test"].tolist() == ["test regret"]


def test_what_was_run_is_told(bench: Benchmark, folder: Path) -> None:
    facts = {row[0]: row[1] for row in rows(folder) if len(row) == 2}
    assert facts["title"] == TITLE
    assert facts["tables sha256"] == bench.header["content_sha256"]
    assert facts["budget of a run"] == "12 queries"
    assert facts["methods"].split("<br>") == [
        "random_search (no parameters): 6 seeds a table",
        "regularized_evolution (population 5, tournament 3): 6 seeds a table",
    ]
    assert facts["licence"] == "not told"
    assert facts["left out"].endswith("the truth")
    assert "48 runs with a budget of 12 queries each, 576 trainings" in page(folder)
    assert "seed 0" in page(folder)
    assert "10,000 resamples" in page(folder)


def test_page_is_escaped_and_self_contained(folder: Path) -> None:
    text = page(folder)
    assert html.escape(TITLE) in text
    assert f"(population=5) on {html.escape(NAME)}</title>" in text
    assert "<b>" not in text
    assert "nothing is &lt;real&gt;" in text
    assert "<script" not in text
    assert "<real>" not in (folder / "report/report.md").read_text(encoding="utf-8")
    pictures = sorted((folder / "report").glob("*.png"))
    assert [path.name for path in pictures] == [
        "anytime_cell.png",
        "anytime_macro.png",
        "kendall_cell.png",
    ]
    inside = re.findall(r'src="data:image/png;base64,([^"]+)"', text)
    assert sorted(inside) == sorted(b64encode(p.read_bytes()).decode() for p in pictures)
    assert text.count("src=") == len(pictures)
    assert not re.search(r"https?://|href=|url\(|@import", text)


def test_every_block_is_escaped() -> None:
    evil, png = '<b a="1">&', bytes(24)
    blocks: list[Block] = [
        Heading(evil),
        Text(evil),
        Text(evil, warning=True),
        Points([evil]),
        Grid((evil, evil), [(evil, evil), ("", evil)], evil),
        Picture("a.png", png, evil, evil),
    ]
    assert not re.search(r'<b |"1"|&(?!lt;|gt;|amp;|quot;)', html_page(blocks, evil))
    assert not re.search(r"(?<!\\)[<>&](?! )", markdown(blocks))


def test_same_study_same_bytes(bench: Benchmark, folder: Path, tmp_path: Path) -> None:
    report(do(bench, tmp_path), bench)  # in one block of seeds, not in two

    def digests(out: Path) -> dict[str, str]:
        files = sorted((out / "report").iterdir())
        return {path.name: sha256(path.read_bytes()).hexdigest() for path in files}

    assert digests(tmp_path) == digests(folder)
    assert len(digests(folder)) == 5


def test_incomplete_cells_are_named(bench: Benchmark, folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "traces", tmp_path / "traces")
    evolution = "regularized_evolution,population=5"
    shutil.rmtree(tmp_path / "traces/cell/jigsaw" / evolution)
    (tmp_path / "traces/macro/room_layout" / evolution / "seeds_000004.npz").unlink()
    text = report(tmp_path, bench).read_text(encoding="utf-8")
    assert "not every method has 6 runs on every table" in text
    name = "regularized evolution (population=5)"
    assert f"<li>{name} on cell/jigsaw: 0 of 6 runs</li>" in text
    assert f"<li>{name} on macro/room_layout: 4 of 6 runs</li>" in text
    assert text.count("of 6 runs</li>") == 2
    shown = [[row[1], row[2]] for row in rows(tmp_path) if len(row) > 7]
    assert [runs for method, runs in shown if method == "random search"] == ["6", "6", "6", "6"]
    assert [runs for method, runs in shown if method == name] == ["6", "6", "0*", "4*"]
    assert "Averages over 2 tasks:" in text
    assert [name + "*"] in [row[:1] for row in rows(tmp_path)]
    assert "Incomplete" not in page(folder)
    told = summary(tmp_path, bench)
    assert told["runs"].tolist() == [6, 6, 6, 6, 6, 0, 6, 4]
    assert np.flatnonzero(told["regret"].isna()).tolist() == [5]


# --------------------------------------------------------------------------------- other situations


@pytest.fixture(scope="module")
def curves(tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    """A benchmark with learning curves and seconds."""
    return Benchmark(write_made_up(tmp_path_factory.mktemp("curves") / "made_up.h5"))


def halving(problem: Problem, rng: np.random.Generator) -> Search:
    """Train four for three epochs, the best one of them to the end."""
    while True:
        few = [Query(problem.space.sample(rng), 3) for _ in range(4)]
        best = max((yield from ask_all(few)), key=lambda outcome: outcome.score)
        yield from ask(Query(best.query.arch))


def test_short_trainings_are_no_bargain(curves: Benchmark, tmp_path: Path) -> None:
    table, warning = curves["cell", "jigsaw"], "Some trainings were shorter than a full one"
    methods = [Method(halving), Method("random_search")]
    by_query = do(curves, tmp_path / "a", methods, budget=Budget(queries=10))
    assert warning in report(by_query, curves).read_text(encoding="utf-8")
    by_epoch = do(curves, tmp_path / "b", methods, budget=Budget(queries=99, epochs=45))
    assert warning not in report(by_epoch, curves).read_text(encoding="utf-8")
    traces = run(halving, table, range(4), Budget(queries=9))
    (told,) = summary([traces], curves).to_dict("records")
    judged = [traces.arch[start + 4] for start in traces.start[:-1]]  # the only one in full
    assert told["value"] == pytest.approx(np.mean([table.value(tuple(a.tolist())) for a in judged]))


def test_seconds(curves: Benchmark, tmp_path: Path) -> None:
    out = do(curves, tmp_path, METHODS[:1], budget=Budget(seconds=1000))
    assert "1,000 seconds" in report(out, curves).read_text(encoding="utf-8")
    for row in summary(out, curves).itertuples():
        traces = run(
            "random_search", curves[row.space, row.task], range(SEEDS), Budget(seconds=1000)
        )
        best = curves[row.space, row.task].scores().max()
        began = max(traces.seconds[traces.start[:-1]])
        grid = [1000 * (i + 1) / 200 for i in range(200)]
        regrets = []
        for number in range(SEEDS):
            part = traces.steps(number)
            spent, scores = np.cumsum(traces.seconds[part]), traces.score[part]
            regrets += [best - max(scores[spent <= at]) for at in grid if at >= began]
        assert row.area == pytest.approx(np.mean(regrets))


def test_runs_without_a_training(curves: Benchmark, tmp_path: Path) -> None:
    out = do(curves, tmp_path, METHODS, budget=Budget(epochs=8))
    text = report(out, curves).read_text(encoding="utf-8")
    assert "No run finished a training within its budget." in text
    assert "random search on cell/jigsaw: 0 of 6 runs" in text
    assert "there is no task on which every method has runs" in text


def test_runs_that_find_nothing_finite(tmp_path: Path) -> None:
    bench = write_bench(tmp_path / "coarse.h5", diverged=0.8)
    out = do(bench, tmp_path, budget=Budget(queries=1))
    assert "inf" in report(out, bench).read_text(encoding="utf-8")
    told = summary(out, bench)
    assert np.isinf(told["regret"]).tolist() == [False] * 6 + [True] * 2


@pytest.mark.parametrize(("factor", "digits"), [(1, 1), (1e-3, 4), (1e6, 0), (0, 4)])
def test_decimals_follow_the_spread(bench: Benchmark, factor: float, digits: int) -> None:
    table = bench["cell", "jigsaw"]  # from the median to the best it is about 30 %
    point = Point("best", "valid", "top1")
    column = Column((table.trials() * factor).astype(np.float32))
    assert decimals(replace(table, columns={point: column})) == digits


def test_axis() -> None:
    assert axis(Budget(queries=4)).grid.tolist() == [1, 2, 3, 4]
    price, grid = axis(Budget(queries=50, epochs=1000))
    assert (price, len(grid), grid[-1]) == ("epochs", 200, 1000)
    assert axis(Budget(queries=50, seconds=0.5)).price == "seconds"
    assert len(axis(Budget(queries=12345)).grid) == 1000


def test_benchmark_is_found_by_name(
    bench: Benchmark, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NASBENCH_HOME", str(tmp_path))
    with pytest.raises(UnknownName, match=NAME):
        summary(folder)
    (tmp_path / "tables").mkdir()
    shutil.copy(bench.path, tmp_path / "tables" / f"{NAME}.h5")
    assert summary(folder).equals(summary(folder, bench))


def test_a_study_is_read_and_scored_once(
    bench: Benchmark, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown, numbers = page(folder), summary(folder, bench)
    loaded: list[Path] = []
    load = Traces.load

    def counting(path: Path) -> Traces:
        loaded.append(path)
        return load(path)

    monkeypatch.setattr(Traces, "load", counting)
    written, rows = write_report(folder, bench)
    assert sorted(loaded) == sorted((folder / "traces").rglob("*.npz"))
    assert page(folder) == shown
    assert written == folder / "report" / "index.html"
    assert rows.equals(numbers)


def test_tasks_of_different_schedules_are_told_apart(bench: Benchmark) -> None:
    study = gather([run("random_search", bench["cell", "jigsaw"], budget=BUDGET)], bench)
    names, matrix = agreement(study, "cell")
    assert names == list(bench.spaces["cell"])
    own = replace(study.tables["cell", "jigsaw"], schedule="other")
    other = replace(study, tables={("cell", "jigsaw"): own})
    named, same = agreement(other, "cell")
    assert named == [f"{task}@{'other' if task == 'jigsaw' else 'full'}" for task in names]
    np.testing.assert_array_equal(same, matrix)


# ------------------------------------------------------------------------------------------ errors


def test_no_traces(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match=r"no traces in .*: a study leaves them in traces/"):
        report(tmp_path)
    with pytest.raises(BadValue, match="traces of one benchmark, here are none"):
        summary([])
    assert list(tmp_path.iterdir()) == []


def test_another_version_of_the_tables(folder: Path, tmp_path: Path) -> None:
    other = write_bench(tmp_path / "coarse.h5", seed=1)
    version = other.header["content_sha256"][:12]
    with pytest.raises(BadValue, match=f"tables at hand of {NAME} {version}: run the study again"):
        summary(folder, other)


def test_another_answer_or_metric(bench: Benchmark) -> None:
    traces = run("random_search", bench["cell", "jigsaw"], budget=BUDGET)
    answered = replace(traces, head={**traces.head, "answers": "final"})
    with pytest.raises(BadValue, match=f"answered with the final epoch, {NAME} now answers with"):
        summary([answered], bench)
    turned = replace(traces, head={**traces.head, "sign": -1})
    with pytest.raises(BadValue, match=r"/cell/jigsaw are not of top1 \(max\)"):
        summary([turned], bench)


def test_mixed_budgets(bench: Benchmark, folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "traces", tmp_path / "traces")
    units(bench, tmp_path, METHODS, 4, Budget(queries=20))[0].run()
    with pytest.raises(BadValue, match=r"(12 queries and of 20|20 queries and of 12) queries"):
        report(tmp_path, bench)


def test_a_seed_twice(bench: Benchmark) -> None:
    traces = run("random_search", bench["cell", "jigsaw"], range(3), BUDGET)
    with pytest.raises(BadValue, match="random_search: a seed occurs twice"):
        summary([traces, traces], bench)


def test_a_damaged_file(bench: Benchmark, folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "traces", tmp_path / "traces")
    broken = next((tmp_path / "traces").rglob("*.npz"))
    broken.write_bytes(broken.read_bytes()[:300])
    with pytest.raises(BadFile, match=broken.name):
        report(tmp_path, bench)


# ------------------------------------------------------------------------------------ side effects


def test_import_is_light() -> None:
    heavy = {"h5py", "matplotlib", "pandas", "scipy", "seaborn"}
    code = f"import sys, nasbench.report; print(*(set({heavy}) & sys.modules.keys()))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parents[1], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "", "")


def test_matplotlib_is_left_as_it_was(bench: Benchmark, folder: Path) -> None:
    import matplotlib as mpl
    import matplotlib.pyplot as plt

    before = dict(mpl.rcParams)
    report(folder, bench)
    assert dict(mpl.rcParams) == before
    assert plt.get_fignums() == []
