"""A report says what happened: its numbers, by plain loops; its labels; the same every time."""

from __future__ import annotations

import html
import json
import math
import re
import shutil
import subprocess
import sys
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from scipy.stats import friedmanchisquare, rankdata, trim_mean, wilcoxon

from nasbench.__main__ import main
from nasbench.budget import Budget
from nasbench.check import seed_noise
from nasbench.errors import BadFile, BadValue, UnknownName
from nasbench.find import find
from nasbench.loop import Method, run
from nasbench.metrics.statistics import bootstrap_interval, interquartile_interval
from nasbench.report import report, summary, write_report
from nasbench.report.figures import Drawn
from nasbench.report.gather import found, gather
from nasbench.report.page import Block, File, Grid, Heading, Picture, Points, Text, markdown
from nasbench.report.page import html as html_page
from nasbench.report.score import agreement, axis
from nasbench.report.words import decimals
from nasbench.search import Problem, Query, Search, ask, ask_all
from nasbench.store import Benchmark, write
from nasbench.study import study, units
from nasbench.table import OWN_MAXIMUM, Column, Floats, Point, Rows, Table
from nasbench.task import Metric, Task
from nasbench.trace import Traces
from tests.made_up import write_made_up

NAMES = ["random_search", "regularized_evolution:population=5"]
LONG = ["random search", "regularized evolution (population=5)"]
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


def test_what_a_study_found(folder: Path, bench: Benchmark, tmp_path: Path) -> None:
    """The best of what runs are judged by: the longest trained, not the best of all they asked."""
    study = gather([Traces.load(path) for path in (folder / "traces").rglob("*.npz")], bench)
    for (space, task), runs in study.runs.items():
        table = study.tables[space, task]
        best = max(t.score[t.judged[t.start[1:] - 1]].max() for t in runs.values())
        assert table.task.metric.sign * table.value(found(folder, space, task)) == best
    with pytest.raises(BadValue, match="has no runs on cell/normal"):
        found(folder, "cell", "normal")
    file = next((folder / "traces" / "cell" / "jigsaw").rglob("*.npz"))
    (tmp_path / "traces").mkdir()
    Traces.record(Traces.load(file).head, {0: []}).save(tmp_path / "traces" / "none.npz")
    with pytest.raises(BadValue, match="has no runs on cell/jigsaw that found anything"):
        found(tmp_path, "cell", "jigsaw")


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
    edge = sorted(every)[-math.ceil(len(every) / 100)]
    times = sorted(
        next((i for i, o in enumerate(traces.outcomes(r), 1) if o.score >= edge), np.inf)
        for r in range(n)
    )
    test = table.scores("test").tolist() if label else [np.nan] * len(every)
    return {
        "metric": table.task.metric.name,
        "runs": n,
        "value": value,
        "std": (sum((each - value) ** 2 for each in values) / (n - 1)) ** 0.5,
        "gain": 100 * (sign * value - sum(every) / len(every)) / abs(sum(every) / len(every)),
        "rank": sum(ranks) / n,
        "percentile": 100 * sum(ranks) / n / len(every),
        "regret": sum(regrets) / n,
        "low": low,
        "high": high,
        "normalised": sum(regret / (best - median) for regret in regrets) / n,
        "area": sum(on_the_way) / len(on_the_way),
        "time": times[n // 2],
        "reached": sum(time < np.inf for time in times) / n,
        "test_regret": sum(max(test) - test[row] for row in found) / n,
        "test": label,
        "unknown": 0,
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
    found = [row for row in rows(folder) if len(row) > 8 and "±" in row[3]]
    tests = {"cell": ["optimistic test regret", "test regret"], "macro": ["test regret"]}
    assert len(found) == len(told)
    for row, want in zip(found, told.itertuples(), strict=True):
        assert row[1] in ("random search", "regularized evolution (population=5)")
        assert row[2] == "6"
        assert shows(row[3], want.value, want.std)
        assert "-" not in row[3]  # a minus sign, not a hyphen
        assert shows(row[4], want.gain)
        assert shows(row[5], want.rank)
        assert shows(row[6], want.regret, want.low, want.high)
        assert shows(row[7], want.area)
        for cell, test in zip(row[8:], tests[want.space], strict=True):
            assert shows(cell, want.test_regret) if test == want.test else cell == "-"
    assert [row[0] for row in found if row[0]] == [
        "class_object<br>top1 [%]",
        "class_scene<br>top1 [%]",
        "jigsaw<br>top1 [%]",
        "room_layout<br>neg_loss",
    ]


def repeated(bench: Benchmark, where: tuple[str, str], method: str, seeds: int = SEEDS) -> Traces:
    """Run a method of the study once more."""
    chosen = Method.parse(method)
    return run(chosen.runner, bench[where], range(seeds), BUDGET, **chosen.params)


def grid(folder: Path, *head: str) -> list[list[str]]:
    """The rows of the first table that begins with these words."""
    every = rows(folder)
    (first, *_) = (i for i, row in enumerate(every) if tuple(row[: len(head)]) == head)
    found = []
    for row in every[first + 2 :]:
        if len(row) != len(every[first]):
            break
        found.append(row)
    return found


def test_leaderboard(bench: Benchmark, folder: Path) -> None:
    cell = [row for row in summary(folder, bench).to_dict("records") if row["space"] == "cell"]
    shown = {row[0]: row for row in grid(folder, "method", "normalised regret")[:3]}
    for method, name in zip(NAMES, LONG, strict=True):
        mine = [row for row in cell if row["method"] == method]
        others = [row for row in cell if row["method"] != method]
        places = [
            1 + (other["regret"] < row["regret"]) + (other["regret"] == row["regret"]) / 2
            for row, other in zip(mine, others, strict=True)
        ]
        regrets, times = [], []
        for task in bench.spaces["cell"]:
            scores = bench["cell", task].scores()
            traces = repeated(bench, ("cell", task), method)
            best = [max(o.score for o in traces.outcomes(r)) for r in range(SEEDS)]
            spread = scores.max() - np.median(scores)
            regrets.append((scores.max() - np.array(best)) / spread)
            edge = np.sort(scores)[-41]
            for r in range(SEEDS):
                hit = (i for i, o in enumerate(traces.outcomes(r), 1) if o.score >= edge)
                times.append(next(hit, np.inf))
        values = np.array(regrets).T
        iqm = trim_mean(values, 0.25, axis=None)
        low, high = interquartile_interval(values, np.random.default_rng(0))[1:]
        row = shown[name]
        assert shows(row[1], iqm, low, high)
        assert shows(row[2], sum(row["rank"] for row in mine) / 3)
        assert shows(row[3], sum(row["percentile"] for row in mine) / 3)
        middle = sorted(times)[len(times) // 2]
        assert row[4] == ("never" if middle == np.inf else f"{middle}")
        assert shows(row[5], 100 * np.isfinite(times).mean())
        assert shows(row[6], sum(places) / 3)
    every = np.concatenate(
        [
            (scores.max() - scores) / (scores.max() - np.median(scores))
            for scores in (bench["cell", task].scores() for task in bench.spaces["cell"])
        ]
    )
    average = shown["average architecture (no search)"]
    assert shows(average[1], trim_mean(every, 0.25))
    assert average[2] == "2,048.5"
    assert (tmp := read_csv(folder, "leaderboard_cell"))["normalised"].is_monotonic_increasing
    assert set(tmp["method"]) == set(NAMES)


def read_csv(folder: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(folder / "report" / f"{name}.csv")


@pytest.fixture(scope="module")
def three(curves: Benchmark, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of three methods on two tasks of one space, and one task of another, reported."""
    methods = [*METHODS, Method("local_search")]
    out = do(curves, tmp_path_factory.mktemp("three"), methods, seeds=8)
    report(out, curves)
    return out


def final_regrets(bench: Benchmark, where: tuple[str, str], method: str) -> Floats:
    traces = repeated(bench, where, method, 8)
    best = [max(o.score for o in traces.outcomes(r)) for r in range(8)]
    found: Floats = bench[where].scores().max() - np.array(best)
    return found


def test_pairs_are_wilcoxon_and_holm(curves: Benchmark, three: Path) -> None:
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    told = read_csv(three, "pairs_cell")
    assert len(told) == 2 * 3
    for task, rows_of in told.groupby("task"):
        noise = seed_noise(curves, "cell", curves["cell", task])[0].std
        p = []
        for row in rows_of.itertuples():
            one, other = (final_regrets(curves, ("cell", task), m) for m in (row.first, row.second))
            assert row.difference == pytest.approx((one - other).mean())
            assert row.within_noise == (abs((one - other).mean()) <= 1.96 * 2**0.5 * noise)
            p.append(wilcoxon(one, other).pvalue)
        expected = multitest.multipletests(p, method="holm")[1]
        assert rows_of["p"].tolist() == pytest.approx(expected)
    cells = [cell for row in grid(three, "method", "against")[:3] for cell in row[2:]]
    by_pair = [group for _, group in told.groupby(["first", "second"], sort=False)]
    assert len(cells) == len(told)
    for cell, row in zip(cells, pd.concat(by_pair).itertuples(), strict=True):
        difference, p_shown = cell.split("<br>p ")
        assert shows(difference.removesuffix(" ≈").lstrip("+"), row.difference)
        assert difference.endswith("≈") == row.within_noise
        assert p_shown == "<0.001" if row.p < 0.001 else shows(p_shown, row.p)


def test_over_tasks_is_friedman_and_nemenyi(curves: Benchmark, three: Path) -> None:
    posthocs = pytest.importorskip("scikit_posthocs")
    told = read_csv(three, "nemenyi_cell")
    tasks = curves.spaces["cell"]
    means = np.array(
        [[final_regrets(curves, ("cell", t), m).mean() for t in tasks] for m in told["method"]]
    )
    ranked = np.array([rankdata(column) for column in means.T])
    assert told["rank"].tolist() == pytest.approx(ranked.mean(axis=0))
    oracle = posthocs.posthoc_nemenyi_friedman(means.T).to_numpy()
    apart = ~np.eye(3, dtype=bool)
    assert told[told["method"]].to_numpy()[apart] == pytest.approx(oracle[apart], abs=1e-6)
    expected = friedmanchisquare(*means)
    assert f"chi-squared {expected.statistic:.2f}, p {expected.pvalue:.3f}" in page(three)
    assert "they are not 2 independent data sets" in page(three)
    places = read_csv(three, "places_cell").set_index("method")
    assert (places.loc[told["method"], list(tasks)].to_numpy() == ranked.T).all()
    assert not (three / "report/nemenyi_macro.csv").exists()  # one task


def test_best_architectures(bench: Benchmark, folder: Path) -> None:
    for told in read_csv(folder, "best_cell").to_dict("records"):
        table, hits = bench["cell", told["task"]], {}
        every = []
        for name in NAMES:
            traces = repeated(bench, ("cell", told["task"]), name)
            hits[name] = [
                table.row(max(traces.outcomes(r), key=lambda o: o.score).query.arch)
                for r in range(SEEDS)
            ]
            every += hits[name]
        best = max(table.scores()[row] for row in every)
        assert table.task.metric.sign * told["value"] == best
        row = table.row(told["architecture"])
        for name in NAMES:
            assert told[f"found_by {name}"] == hits[name].count(row)


def test_what_is_there_without_a_search(curves: Benchmark, three: Path) -> None:
    for told in read_csv(three, "space_cell").to_dict("records"):
        table = curves["cell", told["task"]]
        values = table.values()
        assert told["mean"] == pytest.approx(values.mean())
        assert told["std"] == pytest.approx(values.std())
        assert told["median"] == pytest.approx(np.median(values))
        assert told["best"] == pytest.approx(values.max())
        assert told["edge_of_best"] == pytest.approx(np.sort(values)[-41])
        assert told["noise"] == pytest.approx(seed_noise(curves, "cell", table)[0].std)
        assert told["noise_from"] == "seeds"


def test_anytime_file(bench: Benchmark, folder: Path) -> None:
    told = read_csv(folder, "anytime_cell")
    assert len(told) == 3 * 2 * 12
    table = bench["cell", "jigsaw"]
    traces = run("random_search", table, range(SEEDS), BUDGET)
    scores = np.array([[o.score for o in traces.outcomes(r)] for r in range(SEEDS)])
    curve = table.scores().max() - np.maximum.accumulate(scores, axis=1)
    mine = told[(told["task"] == "jigsaw") & (told["method"] == "random_search")]
    assert mine["queries"].tolist() == list(range(1, 13))
    assert mine["median"].tolist() == pytest.approx(np.median(curve, axis=0))
    assert mine["low_quartile"].tolist() == pytest.approx(np.percentile(curve, 25, axis=0))


def test_checklist(bench: Benchmark, folder: Path) -> None:
    told = {row[1]: row[2] for row in grid(folder, "", "practice")}
    assert len(told) == 14
    assert told["several runs with seeds"].startswith("6 seeds: 0 to 5, the same for all")
    assert "random search: included" in told["random search and random sampling"]
    assert told["tuning of hyper-parameters is reported"] == "queries spent on tuning: not told"
    assert "hardware and library versions: not told" in told["confounders are controlled"]
    total = distinct = 0
    for where in TABLES:
        for name in NAMES:
            traces = repeated(bench, where, name)
            total += len(traces.value)
            for r in range(SEEDS):
                distinct += len({o.query.arch for o in traces.outcomes(r)})
    assert f"{distinct} of {total} were new to their run" in told["tabular benchmarks"]
    assert f"{total} trainings" in told["end-to-end cost"]


def test_one_method_on_one_task(bench: Benchmark, tmp_path: Path) -> None:
    out = do(bench, tmp_path, [Method("local_search")], tables=[("cell", "jigsaw")])
    report(out, bench)
    headings = re.findall("<h3>(.*?)</h3>", page(out))
    assert headings == [
        "Leaderboard",
        "On the way",
        "What was found",
        "The best architectures that were found",
        "Without a search",
        "Agreement of the tasks",
    ]
    assert "rank among" not in page(out)
    assert "random search: NOT included" in page(out)


# ------------------------------------------------------------------------------------ what it says


def test_html_and_markdown_say_the_same(folder: Path) -> None:
    body = page(folder).partition("<body>")[2].replace("<br>", " ")
    from_html = html.unescape(re.sub(r"<[^>]+>", " ", body)).split()
    text = (folder / "report/report.md").read_text(encoding="utf-8").replace("<br>", " ")
    text = re.sub(r"\[(\S+)\]\(\w+\.csv\)", r"\1", text)
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
        "random_search (against macs, target None, tolerance 0.05): 6 seeds a table",
        "regularized_evolution (population 5, tournament 3): 6 seeds a table",
    ]
    assert facts["licence"] == "not told"
    assert facts["left out"].endswith("the truth")
    runs = "In 48 runs with a budget of 12 queries each there were 576 trainings, all looked up."
    assert runs in page(folder)
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
    assert {path.stem for path in pictures} == {
        *("anytime_cell", "anytime_macro", "best_cell", "best_macro"),
        *("kendall_cell", "places_cell"),
    }
    inside = re.findall(r'src="data:image/png;base64,([^"]+)"', text)
    assert sorted(inside) == sorted(b64encode(p.read_bytes()).decode() for p in pictures)
    assert text.count("src=") == len(pictures)
    tables = {path.name: path.read_bytes() for path in (folder / "report").glob("*.csv")}
    links = re.findall(r'<a download="([^"]+)" href="data:text/csv;base64,([^"]*)">', text)
    assert {name: b64decode(content) for name, content in links} == tables
    assert text.count("href=") == len(links) == len(tables)
    assert not re.search(r"https?://|url\(|@import", text)


def test_links_of_the_markdown_exist(folder: Path) -> None:
    text = (folder / "report/report.md").read_text(encoding="utf-8")
    links = re.findall(r"(?<!\\)\]\(([^)]+)\)", text)
    assert len(links) > 15
    assert [link for link in links if not (folder / "report" / link).is_file()] == []
    for path in (folder / "report").glob("*.svg"):
        assert path.with_suffix(".png").name in links
        ElementTree.parse(path)


def test_every_block_is_escaped() -> None:
    evil, drawn = '<b a="1">&', Drawn(bytes(24), b"")
    blocks: list[Block] = [
        Heading(evil),
        Text(evil),
        Text(evil, warning=True),
        Points([evil]),
        Grid((evil, evil), [(evil, evil), ("", evil)], evil, csv=File(evil, b"")),
        Picture("a", drawn, evil, evil, File(evil, b"")),
    ]
    assert not re.search(r'<b |"1"|&(?!lt;|gt;|amp;|quot;)', html_page(blocks, evil))
    assert not re.search(r"(?<!\\)[<>&](?! )", markdown(blocks))


def test_same_study_same_bytes(bench: Benchmark, folder: Path, tmp_path: Path) -> None:
    report(do(bench, tmp_path), bench)  # in one block of seeds, not in two

    def digests(out: Path) -> dict[str, str]:
        files = sorted((out / "report").iterdir())
        return {path.name: sha256(path.read_bytes()).hexdigest() for path in files}

    assert digests(tmp_path) == digests(folder)
    assert len(digests(folder)) == 2 + 6 * 2 + 15


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
    shown = [[row[1], row[2]] for row in rows(tmp_path) if len(row) > 8]
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
    with pytest.raises(BadValue, match=r"the table at hand is [0-9a-f]{12}: run the study again"):
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


def other_value(traces: Traces) -> Traces:
    value = traces.value.copy()
    value[traces.start[2] + 3] = 99.9
    return replace(traces, value=value)


def other_architecture(traces: Traces) -> Traces:
    arch = traces.arch.copy()
    arch[0, 0] = 7
    return replace(traces, arch=arch)


@pytest.mark.parametrize(
    ("edit", "why"),
    [
        (other_value, "seed 2, step 4: the trace says 99.9, the table "),
        (other_architecture, "is not in transnas_cell"),
        (lambda t: replace(t, seed=0 * t.seed), "random_search: a seed occurs twice"),
        (lambda t: replace(t, start=t.start[::-1]), "its columns don't fit together"),
        (lambda t: replace(t, arch=t.arch[:, 0]), "arch has another type or other axes"),
        (lambda t: replace(t, head={**t.head, "sign": "1"}), r"what it says of \['sign'\]"),
        (lambda t: replace(t, head={**t.head, "budget": {"days": 3}}), "{'days': 3} is no budget"),
        (lambda t: replace(t, head={**t.head, "task": "none"}), "are of no table"),
    ],
)
def test_a_trace_edited_by_hand_is_one_line(
    edit: Callable[[Traces], Traces],
    why: str,
    bench: Benchmark,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = do(bench, tmp_path, METHODS[:1], tables=[("cell", "jigsaw")])
    (file,) = tmp_path.rglob("*.npz")
    edit(Traces.load(file)).save(file)
    assert main(["report", str(out), "--bench", str(bench.path)]) == 2
    error = capsys.readouterr().err
    assert re.fullmatch(f"nasbench: .*{why}.*\n", error), error
    assert not (out / "report").exists()


# ------------------------------------------------------------------------------------- in a browser

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), "")
FRAME = """<script>addEventListener("load", () => setTimeout(() => {
  document.body.innerText = document.querySelector("iframe").contentDocument.body.innerText;
}, 1000))</script>"""
LOOK = """<script>addEventListener("load", () => {
  const wide = [...document.querySelectorAll("body > *")].filter(
    element => element.getBoundingClientRect().right > innerWidth + 1);
  document.body.innerHTML = JSON.stringify({
    page: document.documentElement.scrollWidth, window: innerWidth, wide: wide.length,
    images: [...document.images].map(image => image.naturalWidth > 0),
    colour: getComputedStyle(document.body).backgroundColor,
    links: document.querySelectorAll("a[download]").length});
})</script></body>"""


@pytest.mark.skipif(not CHROMIUM, reason="no Chromium on the path: apt install chromium")
@pytest.mark.parametrize("width", [390, 1200])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_in_a_browser(scheme: str, width: int, folder: Path, tmp_path: Path) -> None:
    """The page fits, its figures are drawn, and it is dark where that is preferred."""
    text = page(folder).replace("</body>", LOOK)
    text = re.sub(r"<meta http-equiv[^>]+>", "", text)  # which forbids the script
    if width < 500:  # the least width of a window
        text = f'<iframe width="{width}" height="900" srcdoc="{html.escape(text)}"></iframe>'
        text = f"<body>{text}{FRAME}</body>"
    (tmp_path / "page.html").write_text(text, encoding="utf-8")
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}/user"]
    options += [f"--window-size={max(width, 600)},1000", "--virtual-time-budget=20000"]
    options += ["--force-dark-mode"] * (scheme == "dark")
    dumped = subprocess.run(
        [CHROMIUM, *options, "--dump-dom", f"file://{tmp_path}/page.html"],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    ).stdout
    found = re.search(r'\{"page".*\}', html.unescape(dumped))
    assert found, dumped[:1000]
    seen = json.loads(found[0])
    assert seen["window"] == width
    assert seen["page"] <= width
    assert seen["wide"] == 0
    assert seen["images"] == [True] * 6
    assert seen["links"] == 15
    assert seen["colour"] == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 24, 29)"}[scheme]


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
