"""Scorers, and how they are judged: on made-up tables with a known truth, and what goes wrong."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nasbench.__main__ import main
from nasbench.check import check
from nasbench.correlate import Target, correlate
from nasbench.errors import BadValue, NasbenchError
from nasbench.find import find, names
from nasbench.metrics.noise import averaged, ceiling
from nasbench.metrics.ranking import kendall, top
from nasbench.store import Benchmark, write
from nasbench.table import Column, Floats, Info, Point, Rows, Table

N, SEEDS = 300, 3
SPACE = find("spaces", "transnas_cell")
ARCHS = [SPACE.at(row) for row in np.random.default_rng(0).permutation(len(SPACE))[:N].tolist()]


def table(task: str, truth: Floats, seed: int, curves: bool = True, rows: int = N) -> Table:
    """Make curves of three epochs and three seeds, which rise to truth (N,) + noise."""
    rng = np.random.default_rng(seed)
    ends = truth[:rows, None] + rng.normal(scale=0.3, size=(rows, SEEDS))
    start = rng.normal(size=(rows, SEEDS))
    sign = find("tasks", task).metric.sign
    curve = (0.05 * sign * np.stack([start, (start + ends) / 2, ends], axis=2)).astype(np.float32)
    metric, spelt = find("tasks", task).metric.name, [SPACE.spell(arch) for arch in ARCHS[:rows]]
    curve = 50 + curve if metric == "top1" else curve - 10 if task == "room_layout" else curve
    columns = {Point("final", "valid", metric): Column(curve[:, :, -1])}
    if curves:
        columns[Point("curve", "valid", metric)] = Column(curve)
    facts = {
        "params": Info(np.arange(rows)),
        "macs": Info(np.stack([np.arange(rows) % 7, np.zeros(rows)], axis=1), tasks=(task, "no")),
    }
    return Table(
        f"_/_/{task}",
        Rows.of(SPACE, spelt, **(facts if task == "jigsaw" else {})),
        find("tasks", task),
        "final",
        np.array([1, 2, 3], np.int32),
        np.arange(SEEDS),
        columns,
    )


def written(path: Path, tables: list[Table], space: str = "cell") -> Benchmark:
    header: dict[str, Any] = dict.fromkeys(("title", "citation", "source", "licence"), "none")
    header |= {"benchmark": path.stem, "answers": "final", "source_sha256": ""}
    write(path, header | {"notes": [], "left_out": []}, [(space, each) for each in tables])
    return Benchmark(path)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One has three tasks, of which two share a truth; other has some rows of one of them."""
    home = tmp_path_factory.mktemp("home")
    truth, unlike = np.random.default_rng(1).normal(size=(2, N))
    one = [table("jigsaw", truth, 2), table("room_layout", truth, 3)]
    written(home / "tables" / "one.h5", [*one, table("normal", unlike, 4, curves=False)])
    written(home / "tables" / "other.h5", [table("jigsaw", truth, 5, rows=200)], space="small")
    return home


@pytest.fixture(autouse=True)
def _home(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NASBENCH_HOME", str(home))
    monkeypatch.chdir(tmp_path)


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert main(["correlate", *arguments, "--draws", "30", "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_every_scorer(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scorers = "params,flops,macs,task:room_layout,task:normal,fidelity:2,benchmark:other"
    found = told(capsys, "one/cell/jigsaw", "--scorers", scorers)
    assert [each["scorer"] for each in found["scorers"]] == scorers.split(",")
    by = {each["scorer"]: each for each in found["scorers"]}
    one, other = (Benchmark(home / "tables" / name) for name in ("one.h5", "other.h5"))
    truth = one["jigsaw"].scores()
    aligned = np.append(other["jigsaw"].scores(), np.full(100, np.nan))
    for name, scores in {
        "params": np.arange(N),
        "flops": np.arange(N) % 7,
        "macs": np.arange(N) % 7,
        "task:room_layout": one["room_layout"].scores(),
        "task:normal": one["normal"].scores(),
        "fidelity:2": one["jigsaw"].scores(at=2),
        "benchmark:other": aligned,
    }.items():
        value, low, high = by[name]["kendall"]
        assert value == pytest.approx(kendall(scores.astype(float), truth), abs=2e-7)
        assert low < value < high
        expected = top(scores.astype(float), truth, 10)
        assert by[name]["selected"][0] == pytest.approx(expected.selected)
        assert by[name]["n"] == (200 if name == "benchmark:other" else N)
    assert by["task:room_layout"]["kendall"][0] > 0.7 > 0.1 > abs(by["task:normal"]["kendall"][0])
    assert (by["flops"]["of"], by["benchmark:other"]["of"]) == ("macs", "other/small/jigsaw@full")


@pytest.mark.parametrize("name", ["bananas", "pnas"])
def test_predictors_are_judged_on_networks_that_they_have_not_learned(
    name: str, home: Path
) -> None:
    """The rows learned are NaN, and so is every row that is the same network as built."""
    one = Benchmark(home / "tables" / "one.h5")
    target = Target(one["jigsaw"], one)
    scores = find("scorers", "predictor")(target, f"{name}:60")
    unknown = np.isnan(scores.values)
    forms = [SPACE.form(arch) for arch in target.table.rows.archs]
    of = {form: {row for row in range(N) if forms[row] == form} for form in set(forms)}
    assert all(unknown[[*rows]].all() or not unknown[[*rows]].any() for rows in of.values())
    assert max(len(rows) for rows in of.values()) > 5, "some classes have several members here"
    assert 60 < unknown.sum() < 200
    assert sum(unknown[[*rows]].all() for rows in of.values()) <= 60
    assert np.isnan(scores.tau)
    again = find("scorers", "predictor")(target, f"{name}:60")
    assert np.array_equal(again.values, scores.values, equal_nan=True)
    assert (
        correlate(one, one["jigsaw"], [f"predictor:{name}:60"], draws=9).scorers[0].agreement.n
        == (~unknown).sum()
    )


def test_a_predictor_learns_from_its_rows_alone(tmp_path: Path) -> None:
    """What is judged changes nothing about what is expected of it."""
    quality = np.array([sum(arch) for arch in ARCHS], float)
    bench = written(tmp_path / "plain.h5", [table("jigsaw", quality, 2)])
    target = Target(bench["jigsaw"], bench)
    predictor = find("scorers", "predictor")
    scores = predictor(target, "bananas").values
    left = ~np.isnan(scores)
    assert kendall(scores[left], quality[left]) > 0.2
    values = bench["jigsaw"].trials().copy()
    values[left] = 50 - values[left] / 7
    point = Point("final", "valid", "top1")
    other = replace(bench["jigsaw"], columns={point: Column(values)})
    assert np.array_equal(predictor(Target(other, bench), "bananas").values, scores, equal_nan=True)


def test_ceilings(capsys: pytest.CaptureFixture[str]) -> None:
    """Tau between two noisy measurements of one truth is what the ceiling says."""
    found = told(
        capsys, "one/jigsaw", "--scorers", "params,task:room_layout,fidelity:1,benchmark:other"
    )
    noise = {each.address: each.noise.tau for each in check("one").tables}
    assert (found["noise_from"], found["seeds"]) == ("seeds", 3)
    assert found["noise"]["tau"] == noise["one/cell/jigsaw"]
    tau = averaged(noise["one/cell/jigsaw"], 3)
    assert found["tau"] == tau > noise["one/cell/jigsaw"]
    fact, task, early, elsewhere = (each["ceiling"] for each in found["scorers"])
    assert fact == pytest.approx(np.sqrt(tau))
    assert task == pytest.approx(ceiling(tau, averaged(noise["one/cell/room_layout"], 3)))
    assert early is None
    for place in (1, 3):
        value = found["scorers"][place]["kendall"][0]
        assert value == pytest.approx(found["scorers"][place]["ceiling"], abs=0.05)
    assert elsewhere == pytest.approx(task, abs=0.05)


def test_tau_of_means_is_that_of_simulated_ones() -> None:
    rng = np.random.default_rng(0)
    for scale in (0.3, 1.0):
        truth, noise = rng.normal(size=1500), rng.normal(scale=scale, size=(2, 4, 1500))
        single = kendall(*(truth + noise[:, 0]))
        assert averaged(single, 4) == pytest.approx(
            kendall(*(truth + noise.mean(axis=1))), abs=0.03
        )
    assert averaged(0.6, 1) == pytest.approx(0.6)
    assert averaged(-0.1, 3) == 0
    assert averaged(1.0, 2) == pytest.approx(1)
    assert np.isnan(averaged(np.nan, 3))


def test_text(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--scorers", "params,task:normal,params", "--draws", "9", "-k", "5"]
    assert main(["correlate", "one/jigsaw", *arguments]) == 0
    out = capsys.readouterr().out
    assert out.startswith("one/cell/jigsaw@full: valid top1, final epoch\nscorer ")
    assert "overlap@5" in out
    assert "task:normal is one/cell/normal@full" in out
    assert "noise, from seeds: two trainings agree by tau 0." in out
    assert [line.split()[0] for line in out.splitlines()[2:4]] == ["params", "task:normal"]


def test_a_users_scorer(capsys: pytest.CaptureFixture[str]) -> None:
    code = "from nasbench.scorers import Scores\n"
    code += "def score(target, argument):\n"
    code += "    return Scores(target.table.rows.arch[:, int(argument)].astype(float), 1.0)\n"
    Path("mine.py").write_text(code)
    found = told(capsys, "one/jigsaw", "--scorers", "./mine.py:3,params")
    assert found["scorers"][0]["scorer"] == "./mine.py:3"
    assert found["scorers"][0]["ceiling"] == found["scorers"][1]["ceiling"]
    Path("mine.py").write_text(code.replace("[:, int(argument)]", "[:7, 0]"))
    assert main(["correlate", "one/jigsaw", "--scorers", "./mine.py:3"]) == 2
    assert "gave numbers of shape (7,), expected (300,)" in capsys.readouterr().err
    Path("mine.py").write_text(code)
    assert main(["correlate", "one/jigsaw", "--scorers", "./mine.py:x"]) == 2
    assert "./mine.py:x raised ValueError: invalid literal" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("scorer", "said"),
    [
        ("parms", "no scorer 'parms'; did you mean 'params'?"),
        ("params:3", "params takes nothing behind its name, here is '3'"),
        ("task", "task: which one? Write task:NAME"),
        ("task:jigsaw", "task:jigsaw is the target itself"),
        ("task:jigsaw@full", "task:jigsaw@full is the target itself"),
        ("task:norml", "no task of one/cell 'norml'; did you mean 'normal'?"),
        ("fidelity", "fidelity:: expected an epoch"),
        ("fidelity:soon", "fidelity:soon: expected an epoch"),
        ("fidelity:3", "fidelity:3: one/cell/jigsaw answers with that epoch itself"),
        ("fidelity:9", "one/cell/jigsaw has no epoch 9; its epochs are 1 to 3"),
        ("benchmark:", "benchmark: which one?"),
        ("benchmark:one", "benchmark:one is the target itself"),
        ("benchmark:nats", "no benchmark 'nats'"),
        ("benchmark:nasbench201", "nasbench201 is not imported yet"),
        ("predictor", "predictor:: write predictor:bananas or predictor:pnas"),
        ("predictor:gcn:9", "predictor:gcn:9: write predictor:bananas or predictor:pnas"),
        ("predictor:pnas:few", "how many of the 300 rows with a score to learn, less than all"),
        ("predictor:pnas:0", "predictor:pnas:0: expected how many of the 300 rows"),
        ("predictor:pnas:300", "less than all, as in predictor:pnas:50"),
        ("", "no scorer to judge"),
    ],
)
def test_what_goes_wrong_is_one_line(
    scorer: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["correlate", "one/jigsaw", "--scorers", scorer]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert said in err


@pytest.mark.parametrize(
    ("where", "options", "said"),
    [
        ("one/normal", ["--scorers", "fidelity:2"], "one/cell/normal has no valid ssim at epoch 2"),
        ("other/jigsaw", ["--scorers", "flops", "-k", "0"], "the 0 first"),
        ("one/jigsaw", ["--draws", "0"], "0 resamples"),
        ("one/jigsaw/3", [], "names no table"),
        ("one/jigsaw", ["--split", "test"], "one/cell/jigsaw has no final/test/top1; recorded: "),
        ("one/jigsaw", ["--split", "tset"], "'tset' is no split; there are train, valid, test"),
    ],
)
def test_what_a_table_lacks_is_one_line(
    where: str, options: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["correlate", where, *options]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert said in err


def test_the_truth_may_be_that_of_another_split(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The truth, its noise and its seeds are those of the split; scorers still see validation."""
    truth, unlike = np.random.default_rng(1).normal(size=(2, N))
    held_out = table("jigsaw", unlike, 6).columns[Point("final", "valid", "top1")].values.copy()
    held_out[:, 2] = np.nan
    test = Column(held_out, epoch_chosen_by="valid top1")
    both = table("jigsaw", truth, 2)
    both = replace(both, columns={**both.columns, Point("final", "test", "top1"): test})
    bench = written(tmp_path / "tables" / "both.h5", [both, table("room_layout", unlike, 3)])
    monkeypatch.setenv("NASBENCH_HOME", str(tmp_path))
    found = told(
        capsys, "both/jigsaw", "--split", "test", "--scorers", "fidelity:3,task:room_layout,params"
    )
    own = bench["jigsaw"]
    value = [each["kendall"][0] for each in found["scorers"]]
    expected = [own.scores(), bench["room_layout"].scores(), np.arange(N, dtype=float)]
    assert value == pytest.approx([kendall(s, own.scores("test")) for s in expected], abs=2e-7)
    assert value[1] > 0.7 > 0.1 > abs(value[0])
    assert (found["split"], found["epoch_chosen_by"], found["seeds"]) == ("test", "valid top1", 2)
    valid = told(capsys, "both/jigsaw", "--scorers", "task:room_layout")
    assert (valid["split"], valid["seeds"]) == ("valid", 3)
    assert found["noise"] != valid["noise"]
    assert found["tau"] == averaged(found["noise"]["tau"], 2)
    assert main(["correlate", "both/jigsaw", "--split", "test", "--draws", "9"]) == 0
    assert "jigsaw@full: test top1, final epoch, chosen by valid top1\n" in capsys.readouterr().out


def test_a_fact_that_was_not_counted(tmp_path: Path) -> None:
    bench = written(tmp_path / "bare.h5", [table("normal", np.zeros(N), 0)])
    with pytest.raises(NasbenchError, match="none of params, encoder_params: nasbench count bare"):
        correlate(bench, bench["normal"], ["params"])
    with pytest.raises(BadValue, match="no scorer to judge"):
        correlate(bench, bench["normal"], [])


def test_scorers_are_files() -> None:
    assert {"params", "flops", "macs", "task", "fidelity", "benchmark", "predictor"} <= {
        *names("scorers")
    }
