"""Build, merge, pack, audit: tables of our own."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from nasbench import build as building
from nasbench.__main__ import main
from nasbench.audit import Audited
from nasbench.benchmark import locate, open_benchmark, trainable, trainables
from nasbench.build import Build, plan, representatives
from nasbench.check import check
from nasbench.errors import BadFile
from nasbench.find import find
from nasbench.journal import Journal, Merged, contents
from nasbench.pilot import parts
from nasbench.recipe import Trainable, Trained
from nasbench.shard import Shard, shuffled
from nasbench.space import Architecture
from nasbench.store import RECIPES, Benchmark
from nasbench.table import Point
from tests.few import HERE, SPACE, offered, pretended

pytest.importorskip("torch")
from nasbench import live

ROOT = Path(__file__).parents[1]
CLASSES = len(set(SPACE.trained_as().tolist()))
TASKS = ("class_scene", "jigsaw", "normal")

Log = list[tuple[str, Architecture, int]]


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NASBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(sys.modules["nasbench.find"], "_installed", offered)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Log:
    """Trainings take no time; this is the list of them."""
    done: Log = []
    monkeypatch.setattr(live, "train", pretended(done))
    monkeypatch.setattr(live, "load", lambda *_: None)
    return done


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert main([*arguments, "--json"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return json.loads(out)


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(arguments) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    return err


def built(*options: str) -> None:
    assert main(["build", HERE, "--workers", "1", *options]) == 0


# ------------------------------------------------------------------------------------------ a plan


@pytest.mark.parametrize(
    ("name", "classes"), [("transnas_cell", 1376), ("transnas_macro", 3256), ("few", CLASSES)]
)
def test_the_first_member_stands_for_its_class(name: str, classes: int) -> None:
    space = find("spaces", name)
    stands = space.trained_as()
    assert stands.dtype == np.int32
    assert len(set(stands.tolist())) == len(representatives(space)) == classes
    assert (stands <= np.arange(len(space))).all()
    for row in range(0, len(space), 97):
        assert space.at(int(stands[row])) == space.canonical(space.at(row))
    assert [space.canonical(arch) for arch in representatives(space)] == representatives(space)


def test_a_plan_goes_table_by_table_then_seed_by_seed() -> None:
    parts = plan(trainables(HERE, tasks=["normal", "jigsaw"]), 2)
    assert [(part.where.task.name, part.seed) for part in parts] == [
        ("normal", 0),
        ("normal", 1),
        ("jigsaw", 0),
        ("jigsaw", 1),
    ]
    assert all(part.archs == parts[0].archs for part in parts)
    shapes = str(ROOT / "tests" / "shapes.py")
    listed = trainables(shapes, ["macro", "cell"], ["normal", "jigsaw"])
    assert [where.address for where in listed] == [
        *("shapes/macro/normal", "shapes/macro/jigsaw"),
        *("shapes/cell/normal", "shapes/cell/jigsaw"),
    ]


def test_samples_lie_in_one_another_and_shards_share_the_rest() -> None:
    tables = trainables(HERE)
    small, large = (plan(tables, sample=n)[0].archs for n in (3, 7))
    assert list(small) == list(large)[:3]
    assert set(small) != set(plan(tables, sample=3, sample_seed=1)[0].archs)
    whole = plan(tables)[0].archs
    shards = [plan(tables, shard=Shard(k, 3))[0].archs for k in (1, 2, 3)]
    assert Counter(arch for shard in shards for arch in shard) == Counter(whole)
    assert max(map(len, shards)) - min(map(len, shards)) <= 1
    assert shuffled(["a", "b", "c", "d"], 0) == ["b", "a", "c", "d"]  # as on any machine


def test_an_estimate_adds_what_is_left(log: Log) -> None:
    work = Build(plan(trainables(HERE), 2), Journal("trifles"))
    assert (work.total, work.there) == (6 * CLASSES, 0)
    assert work.remaining() == building.Left(6 * CLASSES, None, True)
    few = work.few()
    assert Counter(job.where.task.name for job in few) == dict.fromkeys(TASKS, building.FEW)
    first, other = ({j.arch for j in few if j.where.task.name == t} for t in TASKS[:2])
    assert first != other
    for _ in work.run(few[:3]):
        pass
    kept = work.journal.full(few[0].where).values()
    rest, seconds = work.remaining(), [trained.seconds[-1] for trained in kept]
    assert (rest.trainings, rest.about) == (6 * CLASSES - 3, True)
    assert rest.seconds == pytest.approx(rest.trainings * np.mean(seconds))
    table = work.estimates()[0]
    assert (table.trainings, table.there, table.measured) == (2 * CLASSES, 3, 3)
    assert table.hours == pytest.approx(2 * CLASSES * np.mean(seconds) / 3600)
    error = np.std(seconds, ddof=1) * (2 * CLASSES) * np.sqrt((1 - 3 / (2 * CLASSES)) / 3) / 3600
    assert table.error == pytest.approx(error)
    assert np.isnan(work.estimates()[1].hours)


# ------------------------------------------------------------------------------------ from a shell


def test_what_is_built_is_not_built_again(capsys: pytest.CaptureFixture[str], log: Log) -> None:
    told(capsys, "build", HERE, "--workers", "1", "--tasks", "jigsaw", "--sample", "4")
    first = told(capsys, "build", HERE, "--workers", "1", "--tasks", "jigsaw,normal")
    assert (first["trainings"], first["there"]) == (2 * CLASSES, 4)
    built("--seeds", "2")
    out = capsys.readouterr().out
    assert f"3 tables x 2 seeds: {6 * CLASSES} trainings, {2 * CLASSES} of them there" in out
    assert f"trifles/cell/jigsaw, seed 1: {CLASSES} of {CLASSES}" in out
    assert len(log) == len(set(log)) == 6 * CLASSES
    built("--seeds", "2")
    assert "0 to do\n" in capsys.readouterr().out
    assert len(log) == 6 * CLASSES
    where, _ = trainable(f"{HERE}/jigsaw")
    kept = Journal("trifles").full(where)
    assert len(kept) == 2 * CLASSES
    assert Journal("trifles").made_with(where)


def test_a_search_recalls_what_was_built(capsys: pytest.CaptureFixture[str], log: Log) -> None:
    built("--tasks", "jigsaw")
    before = len(log)
    line = ["run", f"{HERE}/jigsaw/random_search/0", "--live", "--workers", "1"]
    assert main([*line, "--queries", "9"]) == 0
    again = {(address, arch) for address, arch, _ in log[before:]}
    assert all(SPACE.canonical(arch) != arch for _, arch in again)
    assert len(again) < 9


def test_a_dry_run_measures_a_few(capsys: pytest.CaptureFixture[str], log: Log) -> None:
    built("--dry-run", "--tasks", "jigsaw,normal")
    out = capsys.readouterr().out
    assert out.count("trained for the estimate") == 2
    assert len(log) == 2 * building.FEW
    assert "core-hours" in out
    again = told(capsys, "build", HERE, "--workers", "1", "--dry-run", "--tasks", "jigsaw,normal")
    assert len(log) == len(set(log)) == 4 * building.FEW
    assert (again["trained"], again["there"]) == (2 * building.FEW, 2 * building.FEW)
    assert [each["measured"] for each in again["estimates"]] == [building.FEW] * 2


def test_seconds_of_another_machine_count_until_there_are_own(log: Log) -> None:
    where, _ = trainable(f"{HERE}/jigsaw")
    journal = Journal("trifles")
    slow = Trained({"valid/top1": [1.0, 2.0]}, {"top1": 3.0}, [500.0, 1000.0], 5, 6)
    for arch in representatives(SPACE)[:7]:
        journal.add(where, arch, 0, slow)
    work = Build(plan([where]), journal)
    assert work.remaining().seconds == 1000 * (CLASSES - 7)
    for _ in work.run(work.few()):
        pass
    own = [found.seconds[-1] for found in journal.full(where).values() if found != slow]
    assert len(own) == building.FEW
    rest = work.remaining()
    assert rest.seconds == pytest.approx((CLASSES - 7 - building.FEW) * np.mean(own))


def test_a_training_that_raises_is_told_at_the_end(
    log: Log, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    train, bad = live.train, representatives(SPACE)[1:3]

    def fails(where: Trainable, arch: Architecture, *rest: Any) -> Any:
        if arch in bad:
            raise RuntimeError("singular")
        return train(where, arch, *rest)

    monkeypatch.setattr(live, "train", fails)
    line = ["build", HERE, "--workers", "1", "--tasks", "jigsaw"]
    assert main(line) == 2
    out, err = capsys.readouterr()
    assert f"{CLASSES - 2} trained, {CLASSES - 2} of {CLASSES} are there" in out
    for arch in bad:
        name = SPACE.spell(arch)
        assert (
            f"failed: the training of {name} on trifles/cell/jigsaw: RuntimeError: singular" in out
        )
    assert err == "nasbench: 2 trainings failed; the same command tries them again\n"
    assert main([*line, "--json"]) == 2
    out, err = capsys.readouterr()
    assert len(json.loads(out)["failed"]) == 2
    monkeypatch.setattr(live, "train", train)
    assert told(capsys, *line)["trained"] == 2


def test_a_fault_of_all_ends_a_build(
    log: Log, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*_: object) -> Any:
        raise RuntimeError("no such layer")

    monkeypatch.setattr(building, "IN_A_ROW", 3)
    monkeypatch.setattr(live, "train", fails)
    says = refused(capsys, "build", HERE, "--workers", "1", "--tasks", "jigsaw")
    assert says.startswith("nasbench: 3 trainings in a row failed, the last one, the training of ")
    assert says.endswith("RuntimeError: no such layer\n")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["build", HERE, "--tasks", "normals"], "did you mean 'normal'?"),
        (["build", HERE, "--spaces", "cells"], "did you mean 'cell'?"),
        (["build", "csv"], "csv does not say how it is trained"),
        (["build", "roms"], "did you mean 'rooms'?"),
        (["build", "none.py"], "no file"),
        (["build", HERE, "--seeds", "0"], "0 seeds"),
        (["build", HERE, "--workers", "0"], "0 workers"),
        (["build", HERE, "--sample", "0"], "a sample of 0: few has 1 to"),
        (["build", HERE, "--sample", "9999"], "a sample of 9999: few has 1 to"),
        (["build", "rooms", "--pilot", "tune", "--sample-seed", "1"], "an order of its own"),
        (["build", HERE, "--shard", "3/2"], "shard 3/2"),
        (["build", HERE, "--shard", "0/2"], "shard 0/2"),
        (["build", HERE, "--shard", "half"], "expected I/N"),
        (["build", HERE, "--journal", HERE], "can't be used"),
        (["merge", "none.sqlite", "--into", "all.sqlite"], "no file"),
        (["merge", HERE, "--into", "all.sqlite"], "is no journal of trainings"),
        (["pack", HERE, "--out", "x.hdf"], "ends in .h5"),
        (["pack", HERE, "--out", "x.h5"], "nothing to pack"),
        (["pack", HERE, "--out", "x.h5", "--partial"], "nothing to pack"),
        (["pack", HERE, "--out", "x.h5", "--tasks", "normals"], "did you mean 'normal'?"),
        (["audit", "none.h5"], "no file"),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str], log: Log
) -> None:
    assert says in refused(capsys, *arguments)
    assert not log
    assert not Path("all.sqlite").exists()


# ---------------------------------------------------------------------------------------- journals


def test_a_part_of_the_pilot_is_built(log: Log, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["build", "rooms", "--spaces", "cell", "--tasks", "normal,jigsaw", "--pilot"]
    assert main([*command, "report", "--seeds", "2", "--sample", "3", "--workers", "1"]) == 0
    (where, *_) = trainables("rooms", ["cell"], ["normal"])
    _, reported = parts(where.space)
    assert [arch for _, arch, _ in log] == [*reported[:3]] * 4
    assert {arch for _, arch, _ in log} < {*representatives(where.space)}
    capsys.readouterr()
    assert main([*command, "reports"]) == 2
    assert "the pilot has no part 'reports': there are tune and report" in capsys.readouterr().err


def test_a_pilot_is_packed_without_the_rest(log: Log, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["build", "rooms", "--spaces", "cell", "--tasks", "normal", "--workers", "1"]
    assert main([*command, "--sample", "40"]) == 0
    assert main([*command, "--pilot", "report", "--sample", "3"]) == 0
    line = ["pack", "rooms", "--pilot", "--spaces", "cell", "--tasks", "normal"]
    capsys.readouterr()
    told(capsys, *line, "--out", "pilot.h5", "--name", "rooms_pilot")
    space = find("spaces", "transnas_cell")
    pilots = {arch for part in parts(space) for arch in part}
    expected = pilots & {arch for _, arch, _ in log}
    assert set(Benchmark("pilot.h5")["cell", "normal"].rows.archs) == expected
    assert {*parts(space)[1][:3]} <= expected < {arch for _, arch, _ in log}


def test_shards_that_are_merged_are_the_whole(
    capsys: pytest.CaptureFixture[str], log: Log, tmp_path: Path
) -> None:
    for k in (1, 2):
        built("--shard", f"{k}/2", "--journal", f"{k}.sqlite", "--tasks", "jigsaw")
    assert len(log) == len(set(log)) == CLASSES
    capsys.readouterr()
    merged = told(capsys, "merge", "1.sqlite", "2.sqlite", "1.sqlite", "--into", "all.sqlite")
    counts = [(each["new"], each["known"], each["differ"]) for each in merged]
    half = (CLASSES + 1) // 2
    assert counts == [(half, 0, 0), (CLASSES - half, 0, 0), (0, half, 0)]
    built("--journal", "whole.sqlite", "--tasks", "jigsaw")
    where, _ = trainable(f"{HERE}/jigsaw")
    journals = [Journal("", tmp_path / name) for name in ("all.sqlite", "whole.sqlite")]
    assert journals[0].full(where) == journals[1].full(where)


def test_of_the_same_training_ours_stays(tmp_path: Path) -> None:
    where, _ = trainable(f"{HERE}/jigsaw")
    ours, theirs = (Journal("", tmp_path / f"{name}.sqlite") for name in ("ours", "theirs"))
    a, b, c, d = SPACE.at(0), SPACE.at(1), SPACE.at(2), SPACE.at(3)
    long = Trained({"valid/top1": [1.0, 2.0]}, {"top1": 3.0}, [1.0, 2.0], 5, 6)
    short = replace(long, curves={"valid/top1": [1.0]}, test={}, seconds=[1.0])
    other = replace(long, curves={"valid/top1": [1.5, 2.0]})
    for arch, mine, yours in (
        (a, long, replace(long, seconds=[3.0, 4.0])),
        (b, long, other),
        (c, short, long),
        (d, None, long),
    ):
        if mine:
            ours.add(where, arch, 0, mine)
        theirs.add(where, arch, 0, yours)
    assert ours.merge(contents(theirs.path)) == Merged(new=1, longer=1, known=2, differ=1)
    assert list(ours.full(where).values()) == [long] * 4
    assert ours.merge(contents(theirs.path)) == Merged(0, 0, 4, 1)
    assert theirs.full(where)[SPACE.spell(b), 0] == other  # which is left as it is


def test_a_journal_from_before_versions_were_noted(tmp_path: Path) -> None:
    where, _ = trainable(f"{HERE}/jigsaw")
    new, old = (Journal("", tmp_path / f"{name}.sqlite") for name in ("new", "old"))
    old.add(where, SPACE.at(0), 0, Trained({}, {}, [1.0, 2.0], 5, 6))
    with sqlite3.connect(old.path) as file:
        file.execute("DROP TABLE made_with")
    assert new.merge(contents(old.path)).new == 1
    assert new.made_with(where) == []
    for damaged in ("{", '{"curve": 1}', "[]"):
        with sqlite3.connect(old.path) as file:
            file.execute("UPDATE training SET trained = ?", (damaged,))
        with pytest.raises(BadFile, match="is no journal of trainings, or is damaged"):
            new.merge(contents(old.path))
    assert len(new.full(where)) == 1


# ------------------------------------------------------------------------------------------ a file


def test_a_packed_file_holds_what_the_journal_has(
    capsys: pytest.CaptureFixture[str], log: Log
) -> None:
    built("--seeds", "2", "--tasks", "jigsaw,normal")
    built("--sample", "3")
    capsys.readouterr()
    packed = told(capsys, "pack", HERE, "--out", "trifles.h5")
    there = [{"address": "trifles/cell/class_scene", "there": 3, "classes": CLASSES}]
    assert packed["missing"] == there
    bench = Benchmark("trifles.h5")
    assert bench.header["content_sha256"] == packed["content_sha256"]
    assert (bench.name, bench.header["licence"], list(bench)) == (
        "trifles",
        "CC0-1.0",
        [("cell", "jigsaw"), ("cell", "normal")],
    )
    assert check("trifles.h5").problems == []
    for task in ("jigsaw", "normal"):
        where, _ = trainable(f"{HERE}/{task}")
        kept, table = Journal("trifles").full(where), bench["cell", task]
        assert (len(table), table.seed.tolist(), table.epochs) == (len(SPACE), [0, 1], 2)
        for row, arch in enumerate(SPACE):
            stands = SPACE.spell(SPACE.canonical(arch))
            for seed in (0, 1):
                trained, metric = kept[stands, seed], table.task.metric.name
                curve = np.array(trained.curves[f"valid/{metric}"], np.float32)
                assert table.value(arch, seed=seed) == curve[-1]
                assert table.value(arch, at=1, seed=seed) == curve[0]
                assert table.value(arch, at="best", seed=seed) == curve.max()
                assert table.value(arch, "test", seed=seed) == np.float32(trained.test[metric])
                assert table.seconds is not None
                seconds = np.array(trained.seconds, np.float32)
                assert np.array_equal(table.seconds[row, seed], seconds)
        size = live.size(where, SPACE.at(7))
        assert table.query(7).info == {"params": size.params, "macs": size.macs}
        counts = [live.size(where, arch) for arch in list(SPACE)[::9]]
        assert table.info["macs"][::9] == [each.macs for each in counts]
        assert table.info["params"][::9] == [each.params for each in counts]
    recipes = json.loads(bench.header[RECIPES])
    assert recipes["cell/jigsaw"]["content_sha256"] == trainable(f"{HERE}/jigsaw")[0].content_sha256
    assert recipes["cell/jigsaw"]["recipe"]["options"] == {"permutations": 4}
    assert recipes["cell/jigsaw"]["torch"]
    for command in ("info trifles.h5", "best trifles.h5/jigsaw", "query trifles.h5/normal 3"):
        assert main(command.split()) == 0
    assert main(["run", "trifles.h5/jigsaw/local_search/0", "--queries", "9"]) == 0
    line = ["study", "trifles.h5", "--seeds", "2", "--queries", "5", "--workers", "1"]
    assert main([*line, "--out", "out"]) == 0
    assert main(["report", "out", "--bench", "trifles.h5"]) == 0


def test_how_it_was_trained_survives_a_detour(
    capsys: pytest.CaptureFixture[str], log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    built("--tasks", "jigsaw")
    assert main(["pack", HERE, "--out", "trifles.h5"]) == 0
    assert main(["convert", "trifles.h5", "--to", "csv", "--out", "detour.csv"]) == 0
    assert main(["import", "csv", "detour.csv"]) == 0
    there, back = Benchmark("trifles.h5").header, open_benchmark("detour").header
    assert json.loads(there[RECIPES])["cell/jigsaw"]["recipe"]["epochs"] == 2
    assert back[RECIPES] == there[RECIPES]


def test_packing_again_gives_the_same_content(capsys: pytest.CaptureFixture[str], log: Log) -> None:
    built("--tasks", "jigsaw")
    capsys.readouterr()
    one, other = (told(capsys, "pack", HERE, "--out", f"{n}.h5") for n in (1, 2))
    assert one["content_sha256"] == other["content_sha256"]


def test_a_partial_file_holds_what_there_is(capsys: pytest.CaptureFixture[str], log: Log) -> None:
    built("--tasks", "jigsaw", "--sample", "3", "--seeds", "2")
    built("--tasks", "normal", "--sample", "2")
    where, _ = trainable(f"{HERE}/jigsaw")
    twin = next(arch for arch in SPACE if SPACE.canonical(arch) != arch)
    Journal("trifles").add(where, twin, 0, pretended([])(where, twin)[0])
    capsys.readouterr()
    options = ["--out", "pilot.h5", "--partial", "--name", "pilot"]
    packed = told(capsys, "pack", HERE, *options)
    assert [each["there"] for each in packed["missing"]] == [0, 3, 2]
    bench = Benchmark("pilot.h5")
    jigsaw, normal = bench["jigsaw"], bench["normal"]
    assert (bench.name, len(jigsaw), jigsaw.seed.tolist()) == ("pilot", 3, [0, 1])
    assert normal.seed.tolist() == [0]
    assert np.isnan(normal.values()).sum() == 1
    assert not np.isnan(jigsaw.trials()).any()
    assert jigsaw.rows.trained_as.tolist() == [0, 1, 2]
    assert check("pilot.h5").problems == []
    assert main(["info", "pilot.h5"]) == main(["best", "pilot.h5/normal"]) == 0


def test_only_the_present_recipe_counts(
    capsys: pytest.CaptureFixture[str], log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    built("--tasks", "jigsaw")
    monkeypatch.setattr("nasbench.recipe.VERSION", -1)
    says = refused(capsys, "pack", HERE, "--out", "x.h5", "--tasks", "jigsaw")
    assert f"trifles/cell/jigsaw 0 of {CLASSES}" in says


def test_a_benchmark_may_have_a_table_and_be_trained(
    log: Log, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(BadFile, match="nasbench build and nasbench pack"):
        open_benchmark(HERE)
    line = ["build", "rooms", "--spaces", "cell", "--tasks", "normal", "--workers", "1"]
    assert main([*line, "--sample", "3"]) == 0
    out = str(tmp_path / "home" / "tables" / "rooms.h5")
    assert main(["pack", "rooms", "--out", out, "--partial"]) == 0
    assert open_benchmark("rooms")["cell", "normal"].address == "rooms/cell/normal"
    assert len(locate("rooms/normal")[0]) == 3
    assert trainable("rooms/cell/normal")[0].address == "rooms/cell/normal"
    before = len(log)
    line = ["run", "rooms/cell/jigsaw/random_search/0", "--live", "--workers", "1"]
    assert main([*line, "--queries", "2"]) == 0
    assert len(log) == before + 2


# ---------------------------------------------------------------------------------------- an audit


def test_the_same_machine_trains_the_same_again(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    built("--tasks", "class_scene,normal", "--sample", "3", "--seeds", "2")
    assert main(["pack", HERE, "--out", "x.h5", "--partial"]) == 0
    capsys.readouterr()
    found = told(capsys, "audit", "x.h5", "--rows", "2", "--workers", "1")
    assert [(each["rows"], each["equal"], each["largest"]) for each in found] == [(2, 2, 0.0)] * 2
    monkeypatch.setattr("nasbench.recipe.VERSION", -1)
    line = ["audit", "x.h5", "--rows", "1", "--tasks", "normal", "--workers", "1"]
    assert "trifles/cell/normal: the trainer changed since" in refused(capsys, *line)
    (again,) = told(capsys, *line, "--anyway")
    assert (again["parts"], again["equal"]) == (["the trainer"], 1)


def test_values_far_beyond_noise_are_a_failure(
    capsys: pytest.CaptureFixture[str], log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    built("--tasks", "jigsaw", "--seeds", "2")
    assert main(["pack", HERE, "--out", "x.h5"]) == 0
    capsys.readouterr()
    honest = live.train

    def other(far: float) -> Any:
        def train(*asked: Any) -> tuple[Trained, None]:
            trained, _ = honest(*asked)
            curves = {n: [v + far for v in curve] for n, curve in trained.curves.items()}
            return replace(trained, curves=curves), None

        return train

    line = ["audit", "x.h5", "--rows", "5", "--workers", "1"]
    monkeypatch.setattr(live, "train", other(0.1))
    (near,) = told(capsys, *line)
    assert (near["equal"], near["far"], near["tau"]) == (0, False, pytest.approx(1.0))
    assert near["largest"] == pytest.approx(0.1, rel=1e-4)
    monkeypatch.setattr(live, "train", other(30.0))
    assert main(line) == 2
    assert "far beyond noise" in capsys.readouterr().err
    assert "is trained by nasbench" not in refused(capsys, "audit", str(ROOT / "none.h5"))


def test_without_noise_the_spread_of_networks_is_the_limit() -> None:
    audited = Audited("a", 9, 0, "top1", 3.0, 2.0, np.nan, 2.5, 0.3, [])
    assert not audited.far
    assert replace(audited, typical=2.6).far
    assert not replace(audited, typical=2.6, equal=9).far
    assert replace(audited, noise=0.1).far


def test_a_file_that_does_not_say_how_it_was_trained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from tests.made_up import write_made_up

    path = write_made_up(tmp_path / "made_up.h5")
    assert "does not say how it was trained" in refused(capsys, "audit", str(path))


# ------------------------------------------------------------------------------------------- kills

LOGGED = """
CREATE TABLE log (address TEXT, arch TEXT, seed INTEGER);
CREATE TRIGGER logged BEFORE INSERT ON training
BEGIN INSERT INTO log VALUES (NEW.address, NEW.arch, NEW.seed); END;
"""


def rows(path: Path, table: str = "training") -> list[tuple[Any, ...]]:
    with sqlite3.connect(path, timeout=60) as file:
        return file.execute(f"SELECT * FROM {table}").fetchall()


@pytest.mark.skipif(sys.platform == "win32", reason="kills process groups the POSIX way")
@pytest.mark.parametrize("kills", [1, pytest.param(20, marks=pytest.mark.slow)])
def test_a_killed_build_loses_nothing_and_trains_nothing_twice(kills: int, tmp_path: Path) -> None:
    own = tmp_path / "tiny.py"
    own.write_text(
        "from dataclasses import replace\n"
        "from nasbench.recipe import Live\n"
        "from tests.shapes import BENCHMARK as SHAPES, CLASSES\n"
        "short = replace(CLASSES, epochs=1, train=64)\n"
        "live = Live({'cell': 'transnas_cell'}, {'class_scene': short})\n"
        "BENCHMARK = replace(SHAPES, name='tiny', live=live)\n"
    )
    journal, whole = tmp_path / "killed.sqlite", tmp_path / "whole.sqlite"
    Journal("", journal)
    with sqlite3.connect(journal) as file:
        file.executescript(LOGGED)
    line = [sys.executable, "-m", "nasbench", "build", str(own), "--sample", str(4 * kills)]
    quiet = {"stdout": subprocess.DEVNULL, "cwd": ROOT}
    chance = Random(0)
    for kill in range(kills):
        before = rows(journal)
        command = [*line, "--workers", "2", "--journal", str(journal)]
        with subprocess.Popen(command, **quiet, start_new_session=True) as process:  # type: ignore[call-overload]
            while len(rows(journal)) <= len(before) and process.poll() is None:
                time.sleep(0.02)
            time.sleep(chance.random() * 0.2)
            if kill % 2:  # its workers have to find out by themselves
                process.kill()
            else:
                os.killpg(process.pid, signal.SIGKILL)
        assert set(before) < set(rows(journal))
    kept = rows(journal)
    for path in (journal, whole):
        assert main([*line[3:], "--workers", "1", "--journal", str(path)]) == 0
    assert set(kept) <= set(rows(journal))
    added = rows(journal, "log")
    assert len(added) == len(set(added)) == 4 * kills
    benches = []
    for path in (journal, whole):
        out = path.with_suffix(".h5")
        assert main(["pack", str(own), "--journal", str(path), "--out", str(out), "--partial"]) == 0
        benches.append(Benchmark(out)["class_scene"])
    one, other = benches
    assert one.rows.names == other.rows.names
    for point in one.columns:
        assert np.array_equal(one.columns[point].values, other.columns[point].values)
    assert Point("final", "test", "top1") in one.columns
