"""The command line: each command in both forms, and one clear line for whatever is wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import nasbench
from nasbench.__main__ import main
from nasbench.find import find
from nasbench.store import Benchmark, write
from nasbench.table import Column
from tests.made_up import made_up, write_made_up

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    write_made_up(folder / "tables" / "made_up.h5")
    return folder


@pytest.fixture(autouse=True)
def _elsewhere(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The data folder is ours, and the working directory is nobody's."""
    monkeypatch.setenv("NASBENCH_HOME", str(home))
    monkeypatch.chdir(tmp_path)


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(arguments) == 0
    out, err = capsys.readouterr()
    assert not err
    return out


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    return json.loads(said(capsys, *arguments, "--json"))


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    listed = told(capsys, "list")
    there = {row["name"]: bool(row["path"]) for row in listed["benchmarks"]}
    assert there["made_up"]
    assert there.keys() > {"csv", "nasbench201", "nasbench_macro", "transnas101"}
    imported = {name for name, path in there.items() if path}
    assert imported == {"made_up", "rooms", "rooms_pilot"}
    assert "transnas_macro" in listed["spaces"]
    assert "local_search" in listed["runners"]
    assert "rooms" in listed["images"]
    assert "made_up" in said(capsys, "list")


def test_info(capsys: pytest.CaptureFixture[str]) -> None:
    info = told(capsys, "info", "made_up")
    assert (info["answers"], info["notes"], info["left_out"]) == (
        "best",
        ["made up"],
        ["the truth"],
    )
    table = info["spaces"]["cell"]["jigsaw"]
    assert (table["space"], table["architectures"]) == ("transnas_cell", 4096)
    assert (table["metric"], table["goal"], table["epochs"]) == ("top1", "max", 9)
    assert table["seeds"] == [777, 888, 999]
    assert "curve/valid/top1" in table["recorded"]
    text = said(capsys, "info", "made_up")
    assert "left out: the truth" in text


@pytest.fixture
def schedules() -> str:
    """A file of one table with two schedules; the shorter one is not the default."""
    whole, columns = made_up("nasbench_macro", "cifar10"), {}
    for point, column in whole.columns.items():
        if point.at == "curve":
            columns[point] = Column(column.values[..., :4])
            columns[point._replace(at="final")] = Column(column.values[..., 3])
    seconds = whole.seconds[..., :4]  # type: ignore[index]
    short = replace(whole, epoch=whole.epoch[:4], seconds=seconds, columns=columns)
    header = dict.fromkeys(("title", "citation", "source", "source_sha256", "licence"), "none")
    header |= {"benchmark": "two", "answers": "final"}
    tables = [replace(whole, schedule="9_epochs"), replace(short, schedule="4_epochs")]
    every = [("macro", table) for table in tables]
    write(Path("two.h5"), {**header, "notes": [], "left_out": []}, every)
    return "two.h5"


def test_info_lists_every_schedule(schedules: str, capsys: pytest.CaptureFixture[str]) -> None:
    table = told(capsys, "info", schedules)["spaces"]["macro"]["cifar10"]
    assert table["schedules"] == list(table["by_schedule"]) == ["9_epochs", "4_epochs"]
    assert {name: each["epochs"] for name, each in table["by_schedule"].items()} == {
        "9_epochs": 9,
        "4_epochs": 4,
    }
    long, short = table["by_schedule"].values()
    assert long.items() <= table.items()
    assert {*long["recorded"]} - {*short["recorded"]} == {"best/valid/top1", "best/test/top1"}
    rows = [line.split() for line in said(capsys, "info", schedules).splitlines()]
    listed = [row[4:9] for row in rows if row[:2] == ["macro", "="]]
    assert listed == [
        ["cifar10", name, "top1", "(max)", epochs]
        for name, epochs in (("9_epochs", "9"), ("4_epochs", "4"))
    ]


@pytest.mark.parametrize("space", ["/macro", ""])
def test_a_schedule_is_part_of_the_address(
    space: str, schedules: str, capsys: pytest.CaptureFixture[str]
) -> None:
    default, short = f"{schedules}{space}/cifar10", f"{schedules}{space}/cifar10@4_epochs"
    bench = Benchmark(schedules)
    assert bench["cifar10@4_epochs"] is bench["macro", "cifar10", "4_epochs"]
    for where, schedule in (
        (default, "9_epochs"),
        (f"{default}@9_epochs", "9_epochs"),
        (short, "4_epochs"),
    ):
        table = bench["cifar10", schedule]
        record = told(capsys, "query", where, "17")
        assert (record["schedule"], record["epochs"]) == (schedule, table.epochs)
        assert record["value"] == table.value(17)
        best = told(capsys, "best", where, "-k", "1")
        assert best["schedule"] == schedule
        assert best["architectures"][0]["value"] == table.best()[0].value
        run = told(capsys, "run", f"{where}/random_search/3", "--queries", "2")
        assert (run["schedule"], run["steps"][0]["epochs"]) == (schedule, table.epochs)
        assert nasbench.run("random_search", where, [3]).head["schedule"] == schedule
        for command in (
            ["query", where, "17"],
            ["best", where],
            ["run", where, "--runner", "local_search"],
        ):
            assert said(capsys, *command).startswith(f"two/macro/cifar10@{schedule}")


def test_a_study_of_a_schedule(schedules: str, capsys: pytest.CaptureFixture[str]) -> None:
    study = ["study", schedules, "--seeds", "2", "--runners", "random_search", "--workers", "1"]
    assert "= 2 runs" in said(capsys, *study, "--schedule", "4_epochs", "--out", "mine")
    assert "; 0 to do" in said(capsys, *study, "--schedule", "4_epochs", "--out", "mine")
    report = told(capsys, "report", "mine", "--bench", schedules)
    assert [row["runs"] for row in report["rows"]] == [2]
    assert "4_epochs (4 epochs)" in Path("mine/report/report.md").read_text().replace("\\", "")
    assert main([*study, "--out", "mine"]) == 2
    assert "runs with schedule 4_epochs, asked was 9_epochs; use another --out" in (
        capsys.readouterr().err
    )


@pytest.mark.parametrize("at", ["best", "final", "4"])
@pytest.mark.parametrize("split", ["valid", "test"])
def test_best(at: str, split: str, capsys: pytest.CaptureFixture[str]) -> None:
    where = "made_up/cell/jigsaw"
    answer = told(capsys, "best", where, "-k", "3", "--at", at, "--split", split)
    values = [row["values"][split]["top1"] for row in answer["architectures"]]
    assert values == sorted(values, reverse=True)
    assert len(values) == 3
    assert answer["ranked_by"]["split"] == split
    assert str(answer["ranked_by"]["at"]) == at
    first = answer["architectures"][0]["name"]
    assert first in said(capsys, "best", where, "-k", "3", "--at", at, "--split", split)


def test_query(capsys: pytest.CaptureFixture[str]) -> None:
    where, arch = "made_up/cell/jigsaw", "64-41414-1_02_333"
    record = told(capsys, "query", where, arch)
    assert (record["name"], record["arch"]) == (arch, [1, 0, 2, 3, 3, 3])
    assert record["values"]["valid"]["top1"] == record["value"]
    for key in (str(record["row"]), "1,0,2,3,3,3", "(1, 0, 2, 3, 3, 3)"):
        assert told(capsys, "query", where, key) == record
    assert told(capsys, "query", where, arch, "--at", "9")["epochs"] == 9
    assert f"{record['value']:.4f}".rstrip("0") in said(capsys, "query", where, arch)


def test_run(capsys: pytest.CaptureFixture[str]) -> None:
    run = told(capsys, "run", "made_up/cell/jigsaw/local_search/3", "--queries", "30")
    assert len(run["steps"]) == 30
    assert (run["method"], run["seed"], run["budget"]) == ("local_search", 3, {"queries": 30})
    best = max(run["steps"], key=lambda step: step["value"])
    assert run["found"]["arch"] == best["arch"]
    assert run["steps"][-1]["judged_by"] == run["steps"].index(best) + 1
    options = ["--runner", "local_search", "--seed", "3", "--queries", "30"]
    assert told(capsys, "run", "made_up/cell/jigsaw", *options) == run
    assert "rank" in said(capsys, "run", "made_up/cell/jigsaw/local_search/3", "--epochs", "99")


def test_a_users_runner(capsys: pytest.CaptureFixture[str]) -> None:
    Path("mine.py").write_text((ROOT / "runners" / "random_search.py").read_text())
    run = told(capsys, "run", "made_up/macro/class_scene", "--runner", "./mine.py")
    assert run["method"] == "mine.py"
    assert len(run["steps"]) == 50


def test_study_and_report(capsys: pytest.CaptureFixture[str]) -> None:
    study = ["study", "made_up", "--seeds", "6", "--queries", "15", "--out", "mine"]
    assert main([*study, "--runners", "random_search,local_search:starts=3"]) == 0
    out = capsys.readouterr().out
    assert "3 tables x 2 methods x 6 seeds = 36 runs of 15 queries; 36 to do" in out
    assert main([*study, "--runners", "random_search,local_search:starts=3"]) == 0
    assert "; 0 to do" in capsys.readouterr().out
    report = told(capsys, "report", "mine")
    assert Path(report["page"]).is_file()
    assert len(report["rows"]) == 3 * 2
    assert "local_search:starts=3" in said(capsys, "report", "mine")


@pytest.mark.parametrize("more", [[], ["--no-baselines"]])
def test_random_search_is_in_every_study(
    more: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    study = ["study", "made_up", "--tasks", "jigsaw", "--seeds", "2", "--queries", "5"]
    out = said(capsys, *study, "--runners", "local_search", "--out", "mine", *more)
    assert ("random_search is run as well" in out) == (not more)
    methods = {path.name for path in Path("mine/traces/cell/jigsaw").iterdir()}
    assert methods == {"local_search"} | ({"random_search"} if not more else set())
    out = said(capsys, *study, "--runners", "random_search", "--out", "other", *more)
    assert "run as well" not in out


def test_a_study_skips_what_is_not_applicable(capsys: pytest.CaptureFixture[str]) -> None:
    whole = made_up("nasbench_macro", "cifar10")
    columns = {point: column for point, column in whole.columns.items() if point.split == "test"}
    tables = [
        ("macro", whole),
        ("macro", replace(whole, task=find("tasks", "cifar100"), columns=columns)),
    ]
    header = dict.fromkeys(("title", "citation", "source", "source_sha256", "licence"), "none")
    header |= {"benchmark": "mixed", "answers": "best"}
    write(Path("mixed.h5"), {**header, "notes": [], "left_out": []}, tables)
    study = ["study", "mixed.h5", "--seeds", "2", "--runners", "random_search", "--workers", "1"]
    out = said(capsys, *study, "--out", "mine")
    assert out.startswith(
        "mixed/macro/cifar100 is not applicable: a search sees validation results only, and "
        "mixed/macro/cifar100 has no best/valid/top1; recorded: "
    )
    assert "x 2 seeds = 2 runs of 50 queries" in out
    assert [path.name for path in Path("mine/traces/macro").iterdir()] == ["cifar10"]
    assert main([*study, "--out", "other", "--tasks", "cifar100"]) == 2
    assert "not applicable: a search sees" in capsys.readouterr().err
    assert not Path("other").exists()


def test_a_study_leaves_out_methods_without_what_they_need(
    capsys: pytest.CaptureFixture[str],
) -> None:
    whole = made_up("nasbench_macro", "cifar10")
    columns = {point: column for point, column in whole.columns.items() if point.at != "curve"}
    header = dict.fromkeys(("title", "citation", "source", "source_sha256", "licence"), "none")
    header |= {"benchmark": "bare", "answers": "best"}
    tables = [("macro", replace(whole, columns=columns))]
    write(Path("bare.h5"), {**header, "notes": [], "left_out": []}, tables)
    study = ["study", "bare.h5", "--seeds", "2", "--workers", "1", "--out", "mine"]
    out = said(capsys, *study, "--runners", "random_search,hyperband")
    assert "not applicable on 1 table, the first bare/macro/cifar10: hyperband needs answers" in out
    assert "x 2 seeds less 2 that are not applicable = 2 runs" in out
    assert main([*study, "--runners", "hyperband"]) == 2
    assert "no method has what it needs" in capsys.readouterr().err


def test_transfer(capsys: pytest.CaptureFixture[str]) -> None:
    line = ["transfer", "made_up", "--spaces", "cell", "--sources", "jigsaw", "--out", "moved"]
    line += ["--seeds", "3", "--queries", "12", "--source-queries", "24", "--workers", "2"]
    out = said(capsys, *line, "--runners", "direct_transfer,transfer_evolution")
    assert out.startswith(
        "2 methods, 1 target, 3 seeds: 6 transfers of 12 queries after 24 queries on each source, "
        "and 9 runs on sources and from scratch; 15 to do\n"
    )
    assert "cell, transfer_evolution: gain at equal budget in all, from row to column" in out
    assert "with fewer than 10 runs the intervals are too narrow" in out
    found = told(capsys, *line, "--runners", "direct_transfer,transfer_evolution")
    assert [each["sources"] for each in found["transfers"]] == [["jigsaw"]] * 2
    assert len(found["transfers"][0]["gain"]) == 3
    assert [each["pairs"] for each in found["gains"]] == [1, 1]
    assert said(capsys, "report", "moved"), "the traces on the targets are a study"
    assert said(capsys, "report", "moved/sources")
    assert said(capsys, "report", "moved/total/36_queries")


def test_check(capsys: pytest.CaptureFixture[str]) -> None:
    found = told(capsys, "check", "made_up")
    assert (found["name"], found["problems"]) == ("made_up", [])
    assert [table["noise_from"] for table in found["tables"]] == ["seeds"] * 3
    assert "seeds of 3,927 networks" in said(capsys, "check", "made_up")


def test_convert_and_import(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = told(capsys, "info", "made_up")
    out = said(capsys, "convert", "made_up", "--to", "csv", "--out", "sub/made_up.csv")
    assert out.startswith("written to sub/made_up.csv, 69.")
    monkeypatch.setenv("NASBENCH_HOME", str(tmp_path))
    said(capsys, "import", "csv", "sub/made_up.csv")
    after = told(capsys, "info", "made_up")
    assert after["content_sha256"] == before["content_sha256"]
    assert after["spaces"] == before["spaces"]
    row = "transnas_cell,jigsaw,64-41414-1_02_333,valid,top1,60"
    Path("few.csv").write_text(f"space,task,architecture,split,metric,value\n{row}\n")
    said(capsys, "import", "csv", "few.csv", "--as", "mine")
    assert not (tmp_path / "tables" / "few.h5").exists()
    assert (tmp_path / "tables" / "mine.h5").is_file()


def test_count(capsys: pytest.CaptureFixture[str]) -> None:
    path = str(write_made_up(Path("counted.h5")))
    out = said(capsys, "count", path, "--size", "32")
    for line in ("cell: encoder_macs, encoder_params of 4,096", "macro: encoder_macs, encoder_p"):
        assert line in out
    architecture = told(capsys, "query", f"{path}/cell/jigsaw", "0")
    assert architecture["info"].keys() == {"params", "encoder_params", "encoder_macs"}


def test_a_benchmark_by_its_path(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = str(home / "tables" / "made_up.h5")
    assert (
        told(capsys, "best", f"{file}/macro/class_scene")["address"] == "made_up/macro/class_scene"
    )
    assert told(capsys, "info", file)["benchmark"] == "made_up"


def test_help_without_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys) == said(capsys, "--help")


WRONG = {
    "bes made_up": "No such command 'bes'. Did you mean 'best'?",
    "best": "Missing argument 'BENCH/SPACE/TASK'",
    "best made_up/cell/jigsaw --kk 3": "No such option: --kk",
    "info mad_up": "no benchmark 'mad_up'; did you mean 'made_up'? there are: csv, made_up, nas",
    "info transnas101": "transnas101 is not imported yet: nasbench import transnas101 PATH",
    "info ./none.h5": "no file",
    "best made_up/cel/jigsaw": "no space of made_up 'cel'; did you mean 'cell'?",
    "best made_up/cell/jigsaws": "no task of made_up/cell 'jigsaws'; did you mean 'jigsaw'?",
    "best made_up/cell": "no task of made_up/cell ''; there are: class_scene, jigsaw",
    "best made_up": "no space of made_up ''; there are: cell, macro",
    "best made_up/cell/jigsaw@ful": "no schedule of made_up/cell/jigsaw 'ful'; did you mean 'full'",
    "best made_up/cell/jigsaw@": "no schedule of made_up/cell/jigsaw ''; there are: full",
    "query made_up/cell@full/jigsaw 0": "no space of made_up 'cell@full'; did you mean 'cell'?",
    "run made_up/cell/jigsaw@fulll/local_search/0": "jigsaw 'fulll'; did you mean 'full'?",
    "study made_up --out o --schedule ful": "no schedule of made_up/cell/class_scene 'ful'; did",
    "best made_up/cell/jigsaw/x": "expected BENCH/SPACE/TASK and nothing more",
    "best made_up/cell/jigsaw -k 0": "the 0 best: it must be at least 1",
    "best made_up/cell/jigsaw -k many": "Invalid value for '-k'",
    "best made_up/cell/jigsaw --metric mIoU": "jigsaw has no metric 'mIoU'; it has top1, top5",
    "best made_up/cell/jigsaw --metric loss": "made_up/cell/jigsaw has no best/valid/loss; ",
    "best made_up/cell/jigsaw --split val": "'val' is no split; there are train, valid, test",
    "best made_up/cell/jigsaw --split train": "has no best/train/top1; recorded: ",
    "best made_up/cell/jigsaw --at 10": "has no epoch 10; its epochs are 1 to 9",
    "best made_up/cell/jigsaw --at last": "'last' is no point of training: best, final",
    "query made_up/cell/jigsaw 64-41414-1_02_334": "is not in transnas_cell: its 4,096 archi",
    "query made_up/cell/jigsaw 4096": "no row 4096 in made_up/cell/jigsaw: rows are 0 to 4095",
    "run made_up/cell/jigsaw": "made_up/cell/jigsaw/RUNNER/SEED, RUNNER one of ",
    "run made_up/cell/jigsaw/local_serch/0": "'local_serch'; did you mean 'local_search'?",
    "run made_up/cell/jigsaw/local_search/-1": "seed '-1': expected a whole number from 0",
    "run made_up/cell/jigsaw/local_search/0/9": "expected BENCH/SPACE/TASK/RUNNER/SEED, each said",
    "run made_up/cell/jigsaw/local_search/0 --seed 1": "each said once",
    "run made_up/cell/jigsaw/local_search/0 --epochs 5": "no training fits into 5 epochs: a full",
    "run made_up/cell/jigsaw/local_search/99999999999999999999": "expected a whole number from 0",
    "run made_up/cell/jigsaw --runner local_search:starts=0": "starts is 0: it must be at least 1",
    "run made_up/cell/jigsaw/local_search/0 --queries 0": "a budget of 0 queries: it must be more",
    "run made_up/cell/jigsaw/local_search/0 --seconds nan": "a budget of nan seconds: it must be",
    "run made_up/cell/jigsaw --runner ./none.py": "none.py; a runner's own file is given by",
    "run made_up/cell/jigsaw --runner local_search:starts=x": "search:starts=x, seed 0, step 1",
    "run made_up/cell/jigsaw --seed -3 --runner local_search": "a seed of -3: it must be at",
    "study made_up --out o --tasks jigsaw,norml": "no task of made_up 'norml'",
    "study made_up --out o --spaces micro": "no space of made_up 'micro'",
    "study made_up --out o --seeds 0": "a study of 0 seeds: it must be at least 1",
    "study made_up --out o --queries 0": "a budget of 0 queries",
    "study made_up --out o --workers 0": "0 workers: it must be at least 1",
    "study made_up": "Missing option '--out'",
    "run made_up/cell/jigsaw/transfer_ppo/0": "transfer_ppo needs searches on other tasks: ",
    "transfer made_up --out o --spaces cell --sources jigsav": "no source task of made_up/cell/",
    "transfer made_up --out o --spaces cell --tasks jigsaw --sources jigsaw": "target and source",
    "transfer made_up --out o --spaces macro": "there is no other task to learn from",
    "transfer made_up --out o --runners ppo": "ppo learns from no other task: nasbench study runs",
    "transfer made_up --out o --epochs 9 --source-queries 5": "don't add up: limit both",
    "transfer made_up --out o --queries 0": "a budget of 0 queries: it must be more than 0",
    "transfer made_up --out o --seeds 0": "a study of 0 seeds: it must be at least 1",
    "transfer made_up --out o --source-runner regularised": "no runner 'regularised'; did you mean",
    "transfer made_up": "Missing option '--out'",
    "report none": "none",
    "count none": "no benchmark 'none'",
    "count made_up --size 0": "images of 0 pixels a side: it must be at least 1",
    "check none": "no benchmark 'none'",
    "convert made_up --to xls --out x": "no format 'xls'; there are: csv, parquet, npz",
    "convert made_up --to csv --out .": "'.' names no file to write",
    "convert made_up --to csv": "Missing option '--out'",
    "import csv": "csv needs the path of a CSV file with the columns space, task, architecture",
    "import csv none.csv": "no file or folder none.csv; csv is imported from a CSV file with",
    "import nasbench_macro": "needs the path of nas-bench-macro_cifar10.json",
    "import transnas101": "transnas101 needs the path of the ",
    "import transnas101 none.csv": "no file or folder none.csv; transnas101 is imported",
    "import transnas": "no benchmark 'transnas'; did you mean 'transnas101'?",
}


@pytest.mark.parametrize("line", WRONG)
def test_what_is_wrong_is_said_in_one_line(
    line: str, capsys: pytest.CaptureFixture[str], home: Path
) -> None:
    before = sorted(home.rglob("*"))
    assert main(line.split()) == 2
    out, err = capsys.readouterr()
    assert err.count("\n") == 1
    assert err.startswith("nasbench: ")
    assert WRONG[line] in err
    assert not out
    assert sorted(home.rglob("*")) == before
    assert not list(Path().iterdir()), "nothing is left behind"


def test_a_runner_that_raises(capsys: pytest.CaptureFixture[str]) -> None:
    Path("mine.py").write_text("def search(problem, rng):\n    yield\n")
    line = ["study", "made_up", "--runners", "./mine.py", "--no-baselines", "--out", "o"]
    assert main([*line, "--workers", "1"]) == 2
    assert "mine.py, seed 0, step 1: it yielded None: a search yields a Query" in (
        capsys.readouterr().err
    )
    assert not [path for path in Path("o").rglob("*") if path.is_file()]
    Path("mine.py").write_text("def serch(problem, rng):\n    yield\n")
    assert main(["run", "made_up/cell/jigsaw", "--runner", "./mine.py"]) == 2
    assert "mine.py holds no 'search', which a file of runners/ must" in capsys.readouterr().err


def test_a_closed_pipe_is_no_error(home: Path) -> None:
    nasbench = f"{sys.executable} -m nasbench best made_up/cell/jigsaw -k 4096"
    for reader in ("head -1", "true"):
        code = f"{nasbench} | {reader}; echo ${{PIPESTATUS[0]}}"
        done = subprocess.run(
            ["bash", "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.stdout.splitlines()[-1] == "0"
        assert not done.stderr


def test_a_full_disk_is_said(home: Path) -> None:
    code = f"{sys.executable} -m nasbench info made_up > /dev/full"
    done = subprocess.run(
        ["bash", "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (2, "nasbench: No space left on device\n")
