"""NAS-Bench-Macro: every number is the published one, and no search sees a test result."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nasbench
from nasbench.__main__ import main
from nasbench.benchmark import import_benchmark
from nasbench.errors import BadFile, NotApplicable, NotRecorded
from nasbench.store import Benchmark
from nasbench.table import OWN_MAXIMUM


@pytest.fixture(scope="session")
def published(shared: Path) -> Path:
    return shared / "data/nas_bench_macro/nas-bench-macro_cifar10.json"


@pytest.fixture(scope="session")
def home(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("macro")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NASBENCH_HOME", str(folder))
        import_benchmark("nasbench_macro", published)
    return folder


@pytest.fixture
def bench(home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Benchmark:
    monkeypatch.setenv("NASBENCH_HOME", str(home))
    monkeypatch.chdir(tmp_path)
    return nasbench.open("nasbench_macro")


def test_every_number_is_the_published_one(bench: Benchmark, published: Path) -> None:
    told = json.loads(published.read_text())
    table = bench["cifar10"]
    assert len(told) == len(table) == len(table.space) == 6561
    assert table.rows.names == tuple(told)
    trials = table.trials("test")
    assert trials.tolist() == [row["test_acc"] for row in told.values()]
    assert np.allclose(table.values("test"), [row["mean_acc"] for row in told.values()], atol=1e-9)
    std = trials.astype("f8").std(axis=1)
    assert np.allclose(std, [row["std"] for row in told.values()], atol=1e-9)
    for name in ("params", "flops"):
        assert table.rows.info[name].values.tolist() == [row[name] for row in told.values()]


def test_what_it_says_of_itself(bench: Benchmark) -> None:
    table = bench["cifar10"]
    assert table.seed.tolist() == [-1, -1, -1]
    assert table.epochs == 50
    assert table.column("test").epoch_chosen_by == OWN_MAXIMUM
    assert np.isnan(table.cost_seconds()).all()
    best = table.best(split="test")[0]
    assert (best.name, round(best.values["test"]["top1"], 2)) == ("22212220", 93.13)
    assert np.isnan(best.value)
    assert bench.header["source"] == "nas-bench-macro_cifar10.json (xiusu/NAS-Bench-Macro)"
    assert any("optimistic" in note for note in bench.header["notes"])


def test_equal_networks_were_trained_once(bench: Benchmark) -> None:
    rows, trials = bench["cifar10"].rows, bench["cifar10"].trials("test")
    assert len(set(rows.trained_as.tolist())) == len(set(rows.space.class_ids().tolist())) == 3969
    assert (trials[rows.trained_as] == trials).all()
    assert rows.names[rows.trained_as[rows.by_key["00101002"]]] == "00110020"
    forms = [rows.space.form(arch) for arch in rows.archs]
    assert all(form == forms[row] for form, row in zip(forms, rows.trained_as, strict=True))


def test_no_search_can_run_on_it(bench: Benchmark, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(NotRecorded, match="has no best/valid/top1; recorded: best/test/top1"):
        bench["cifar10"].value("02012100")
    with pytest.raises(NotApplicable, match="not applicable: a search sees validation results"):
        nasbench.run("random_search", "nasbench_macro/cifar10")
    for line in (
        "run nasbench_macro/cifar10/random_search/0",
        "study nasbench_macro --seeds 2 --out study --workers 1",
    ):
        assert main(line.split()) == 2
        out, err = capsys.readouterr()
        assert not out
        assert err.count("\n") == 1
        assert "not applicable: a search sees validation results only" in err
    assert not Path("study").exists()


def changed(change: Callable[[dict[str, Any]], object]) -> Callable[[bytes], bytes]:
    def rewrite(raw: bytes) -> bytes:
        told = json.loads(raw)
        change(told)
        return json.dumps(told).encode()

    return rewrite


DAMAGED: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "cut short": (lambda raw: raw[:9000], "is not nas-bench-macro_cifar10.json: "),
    "binary": (lambda raw: b"\x80" + raw, "is not nas-bench-macro_cifar10.json: "),
    "deep": (lambda raw: b"[" * 100_000, "is not nas-bench-macro_cifar10.json: "),
    "a list": (lambda raw: b"[1, 2]", "expected a dictionary of architectures"),
    "twice": (lambda raw: raw.replace(b"11111221", b"02012100"), "a key occurs twice"),
    "fewer": (changed(lambda told: told.pop("02012100")), "found 6,560"),
    "another name": (lambda raw: raw.replace(b"11111221", b"11111223"), "'11111223'"),
    "a field": (changed(lambda told: told["02012100"].pop("std")), "02012100: expected flops, "),
    "two runs": (changed(lambda told: told["02012100"]["test_acc"].pop()), "3 numbers of test_acc"),
    "a word": (changed(lambda told: told["02012100"].update(test_acc=["a", 1.0, 2.0])), "['a', "),
    "mean": (changed(lambda told: told["02012100"].update(mean_acc=89.2)), "mean_acc is 89.2, "),
    "std": (changed(lambda told: told["02012100"].update(std=0.5)), "std is 0.5, "),
    "a trial": (changed(lambda told: told["02012100"]["test_acc"].reverse() or told["02012100"]
                ["test_acc"].__setitem__(0, 12.5)), "mean_acc is 89."),
    "NaN": (changed(lambda told: told["02012100"].update(test_acc=[float("nan")] * 3)), "mean_acc"),
    "params": (changed(lambda told: told["02012100"].update(params=-3)), "params is -3, expected"),
    "flops": (changed(lambda told: told["02012100"].update(flops=10**30)), "expected a count"),
}  # fmt: skip


@pytest.mark.parametrize("what", DAMAGED)
def test_a_damaged_file_is_refused(what: str, published: Path, bench: Benchmark) -> None:
    damage, says = DAMAGED[what]
    path = Path("nas-bench-macro_cifar10.json")
    path.write_bytes(damage(published.read_bytes()))
    before = bench.path.read_bytes()
    with pytest.raises(BadFile) as error:
        import_benchmark("nasbench_macro", path)
    assert says in str(error.value)
    assert str(error.value).isprintable()
    assert bench.path.read_bytes() == before


def test_another_file_is_said_to_be_one(published: Path, bench: Benchmark) -> None:
    path = Path("nas-bench-macro_cifar10.json")
    path.write_bytes(published.read_bytes() + b"\n")
    again = import_benchmark("nasbench_macro", path, "mine")
    assert again.header["source"].endswith("; NOT the file of 2021")
    assert again.header["content_sha256"] == bench.header["content_sha256"]
    again.path.unlink()


def test_without_a_path(bench: Benchmark) -> None:
    with pytest.raises(BadFile, match="nasbench_macro needs the path of nas-bench"):
        import_benchmark("nasbench_macro")
