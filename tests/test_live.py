"""Training for real, on images that are made in no time."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from math import inf, isfinite
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nasbench.__main__ import main
from nasbench.benchmark import trainable
from nasbench.budget import Budget
from nasbench.errors import BadFile, BadValue, NoMemory, NotRecorded
from nasbench.journal import Journal
from nasbench.loop import Method, run_method
from nasbench.pack import pack, pack_searched
from nasbench.recipe import Recipe, Trainable, Trained
from nasbench.search import Query
from nasbench.space import Scale
from nasbench.store import Benchmark
from nasbench.trace import Traces
from nasbench.training import FromTraining
from tests.made_up import BLACK_BOX, history
from tests.shapes import BENCHMARK
from tests.test_pool import ctrl_c

torch = pytest.importorskip("torch")
from nasbench import live  # noqa: E402
from nasbench.nets import count, seen  # noqa: E402

ROOT = Path(__file__).parents[1]
SHAPES = str(ROOT / "tests" / "shapes.py")
assert BENCHMARK.live
TASKS = list(BENCHMARK.live.recipes)
ALL_3X3, DEAD = (3,) * 6, (0,) * 6
LOSSES = {
    "class_object": 1.1265,
    "class_scene": 0.8297,
    "room_layout": 0.5061,
    "jigsaw": 1.8332,
    "segmentsemantic": 1.1372,
    "normal": 0.7067,
    "autoencoder": 0.6162,
}
"""Mean losses of the first epoch, seed 0; another machine may differ in the last digits."""


def shapes(task: str, space: str = "cell", **changes: Any) -> Trainable:
    where, _ = trainable(f"{SHAPES}/{space}/{task}")
    return replace(where, recipe=replace(where.recipe, **changes))


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NASBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("space", ["cell", "macro"])
def test_every_task_trains_and_is_measured(space: str, task: str) -> None:
    where = shapes(task, space)
    arch = where.space.read(where.space.example)
    trained, training = live.train(where, arch)
    metrics = {metric.name for metric in where.task}
    assert trained.test.keys() == metrics
    assert trained.curves.keys() == {"train/loss", *(f"valid/{name}" for name in metrics)}
    assert {len(curve) for curve in trained.curves.values()} == {trained.epochs} == {3}
    assert all(map(isfinite, chain(trained.test.values(), *trained.curves.values())))
    assert trained.seconds == sorted(trained.seconds)
    assert trained.curves["train/loss"][-1] < trained.curves["train/loss"][0]
    assert trained.params == sum(p.numel() for p in training.net.parameters())
    assert trained.macs > 0
    assert not trained.notes


def test_the_same_seed_gives_the_same_curves_in_another_process_too() -> None:
    code = (
        "import json, sys; from nasbench.benchmark import trainable; from nasbench import live;"
        "where, _ = trainable(sys.argv[1]);"
        "print(json.dumps(live.train(where, (3,) * 6, 5)[0].curves))"
    )
    command = [sys.executable, "-c", code, f"{SHAPES}/cell/class_object"]
    env = {**os.environ, "PYTHONHASHSEED": "7", "OMP_NUM_THREADS": "2"}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    here = [live.train(shapes("class_object"), ALL_3X3, seed)[0].curves for seed in (5, 6)]
    assert json.loads(done.stdout) == here[0]
    assert here[0] != here[1]


def test_global_state_is_left_alone() -> None:
    torch.set_num_threads(2)
    torch.manual_seed(3)
    before = torch.get_rng_state()
    live.train(shapes("class_scene"), ALL_3X3, epochs=1)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize("task", ["class_object", "jigsaw", "autoencoder"])
def test_a_shorter_training_is_the_beginning_of_the_longer_one(task: str) -> None:
    where = shapes(task)
    full, _ = live.train(where, ALL_3X3)
    short, _ = live.train(where, ALL_3X3, epochs=2)
    assert short.curves == {name: curve[:2] for name, curve in full.curves.items()}
    assert short.test == {}


@pytest.mark.parametrize("task", TASKS)
def test_a_dead_network_is_trained_and_says_so(task: str) -> None:
    trained, training = live.train(shapes(task), DEAD)
    assert trained.notes == ["no path from the input to the output"]
    assert all(map(isfinite, trained.test.values()))
    _, _, said = training.predict(8)
    assert (said == said[0]).all()


@pytest.mark.parametrize("task", TASKS)
def test_a_loss_that_is_not_finite_ends_the_training(task: str) -> None:
    where = shapes(task, lr=1e30)
    trained, _ = live.train(where, ALL_3X3)
    assert re.fullmatch(r"the loss was not finite in epoch \d, .*", trained.notes[0])
    assert trained.epochs == 3
    assert trained.curves["train/loss"][-1] == inf
    main = where.task.metric
    for value in (trained.test[main.name], *trained.curves[f"valid/{main.name}"]):
        assert main.bounds[0] <= value <= main.bounds[1]
        assert isfinite(value) or task == "room_layout"  # whose loss is infinite by definition


@pytest.mark.skipif(sys.platform != "linux", reason="limits of address space: Linux only")
def test_no_memory_is_one_line() -> None:
    code = (
        "import resource, sys; from dataclasses import replace; from pathlib import Path;"
        "from nasbench.benchmark import trainable; from nasbench.space import Scale;"
        "from nasbench import live;"
        "where, _ = trainable(sys.argv[1]);"
        "recipe = replace(where.recipe, size=128, train=64, batch=64, scale=Scale(64, 1, 1));"
        "where = replace(where, recipe=recipe); live.load(where, 'train');"
        "used = int(Path('/proc/self/statm').read_text().split()[0]) * resource.getpagesize();"
        "resource.setrlimit(resource.RLIMIT_AS, (used + 10**8, used + 10**8));"
        "live.train(where, (3,) * 6)"
    )
    command = [sys.executable, "-c", code, f"{SHAPES}/cell/class_scene"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("nasbench.errors.NoMemory: shapes/cell/class_scene: no memory for")
    assert issubclass(NoMemory, MemoryError)


def test_critic_changes_what_is_learned() -> None:
    plain = shapes("autoencoder", options={})
    with_critic = live.train(shapes("autoencoder"), ALL_3X3)[0]
    assert with_critic.curves != live.train(plain, ALL_3X3)[0].curves
    assert with_critic.params == live.train(plain, ALL_3X3, epochs=1)[0].params


@pytest.mark.parametrize("how", ["flip", "flip_crop"])
def test_an_augmented_image_is_moved_or_mirrored(how: str) -> None:
    rng = torch.Generator().manual_seed(0)
    rgb = torch.randint(1, 256, (64, 16, 16, 3), dtype=torch.uint8)
    out = live._augmented(rgb, how, rng)
    margin = 2 if how == "flip_crop" else 0
    padded = np.pad(rgb.numpy(), [(0, 0), (margin,) * 2, (margin,) * 2, (0, 0)])
    moves = [(y, x) for y in range(2 * margin + 1) for x in range(2 * margin + 1)]
    seen = set()
    for one, source in zip(out.numpy(), padded, strict=True):
        cuts = {(y, x): source[y : y + 16, x : x + 16] for y, x in moves}
        found = [(m, f) for m, cut in cuts.items() for f in (1, -1) if (cut[:, ::f] == one).all()]
        assert len(found) == 1
        seen.add(found[0])
    assert len(seen) == 2 if how == "flip" else len(seen) > 25
    assert {flip for _, flip in seen} == {1, -1}


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [
        ("linear", [1.0, 2.0, 1.5, 1.0, 0.0]),
        ("cosine", [1.0, 2.0, 1 + 0.5**0.5, 1.0, 0.0]),
        ("constant", [1.0, 2.0, 2.0, 2.0, 2.0]),
    ],
)
def test_the_rate_rises_and_falls(schedule: Any, rates: list[float]) -> None:
    recipe = Recipe("x", 8, 1, 2, lr=2.0, schedule=schedule, warmup=0.2)
    got = [recipe.rate(done) for done in (0.1, 0.2, 0.4, 0.6, 1.0)]
    assert got == pytest.approx(rates, abs=1e-12)


@pytest.mark.parametrize(
    "wrong",
    [
        *({"size": 0}, {"epochs": 0}, {"batch": 1}, {"lr": 0.0}, {"warmup": 1.0}),
        *({"nesterov": True, "momentum": 0.0}, {"nesterov": True, "optimizer": "adam"}),
        *({"momentum": 1.0}, {"schedule": "cosin"}, {"optimizer": "adamw"}, {"augment": "crop"}),
    ],
)
def test_a_recipe_that_can_not_be(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadValue, match=next(iter(wrong))[:5]):
        shapes("class_scene", **wrong)


def test_what_the_images_do_not_tell_is_not_trained() -> None:
    where = replace(shapes("class_scene"), address="shapes/cell/cifar10")
    assert live.train(where, ALL_3X3, epochs=1)[0].epochs == 1  # they do tell "class"
    with pytest.raises(BadValue, match="a recipe can't flip a picture"):
        live.train(shapes("normal", augment="flip"), ALL_3X3)
    with pytest.raises(BadValue, match="256 images are less than a batch of 512"):
        live.train(shapes("class_scene", batch=512), ALL_3X3)


def test_another_recipe_is_another_training(monkeypatch: pytest.MonkeyPatch) -> None:
    where = shapes("class_scene")
    assert where.content_sha256 == shapes("class_scene").content_sha256
    assert where.content_sha256 != shapes("class_scene", lr=0.2).content_sha256
    assert where.content_sha256 != shapes("class_scene", train=128).content_sha256
    monkeypatch.setattr("nasbench.recipe.VERSION", -1)
    assert where.content_sha256 != shapes("class_scene").content_sha256


def test_a_training_gives_what_it_gave() -> None:
    """A difference here means that `nasbench.recipe.VERSION` is to be raised."""
    trained = {task: live.train(shapes(task), ALL_3X3, epochs=1)[0] for task in TASKS}
    first = {task: each.curves["train/loss"][0] for task, each in trained.items()}
    assert first == pytest.approx(LOSSES, rel=0.01)


def test_another_space_is_another_training(tmp_path: Path) -> None:
    where, own = shapes("class_scene"), tmp_path / "own.py"
    sums = [where.content_sha256, replace(where, space_name="transnas_macro").content_sha256]
    for line in ("", "# changed"):
        own.write_text(f"from nasbench.spaces.transnas_cell import SPACE\n{line}\n")
        sums.append(replace(where, space_name=str(own)).content_sha256)
    assert len(set(sums)) == 4


def test_options_that_the_task_does_not_have() -> None:
    with pytest.raises(BadValue, match=r"shapes/cell/jigsaw: .* 'permutation'"):
        _ = shapes("jigsaw", options={"permutation": 4}).task


def test_missing_images_are_missed_before_the_training(monkeypatch: pytest.MonkeyPatch) -> None:
    where = shapes("class_scene", train=96)
    load = type(where.images).load

    def lacking(self: Any, wanted: Any, labels: Any) -> Any:
        if wanted.split == "test":
            raise BadFile("no images to test")
        return load(self, wanted, labels)

    monkeypatch.setattr(type(where.images), "load", lacking)
    live._load.cache_clear()
    steps: list[int] = []
    with pytest.raises(BadFile, match="no images to test"):
        live.train(where, ALL_3X3, tick=lambda done, _: steps.append(done))
    assert not steps
    assert live.train(where, ALL_3X3, epochs=1)[0].epochs == 1


@pytest.fixture
def no_training(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("it is trained again")

    with monkeypatch.context() as patch:
        patch.setattr(live, "train", refuse)
        yield


def evaluator(where: Trainable, **settings: Any) -> FromTraining:
    return FromTraining(where, **settings)


def test_an_outcome_is_what_the_training_gave_and_cost() -> None:
    where = shapes("room_layout")
    trained, _ = live.train(where, ALL_3X3)
    with FromTraining(where) as evaluate:
        half, full = evaluate.many([Query(ALL_3X3, 2), Query(ALL_3X3)])
    assert [half.value, full.value] == trained.curves["valid/neg_loss"][1:]
    assert (half.score, half.cost.epochs, full.cost.epochs) == (half.value, 2, 3)
    assert 0 < half.cost.seconds < full.cost.seconds


@pytest.mark.usefixtures("no_training")
def test_what_was_trained_is_not_trained_again(monkeypatch: pytest.MonkeyPatch) -> None:
    where = shapes("class_scene")
    kept = Trained({"valid/top1": [10.0, 20.0, 30.0]}, {"top1": 31.0}, [1.0, 2.0, 3.0], 5, 6)
    journal = Journal("shapes")
    journal.add(where, ALL_3X3, 0, kept)
    assert journal.find(where, ALL_3X3, 0, 3) == kept
    with FromTraining(where) as evaluate:
        assert evaluate(Query(ALL_3X3)).value == 30.0
        assert evaluate(Query(ALL_3X3, 2)).value == 20.0
        for other in (Query(DEAD), Query(ALL_3X3, 0), Query(ALL_3X3, 4)):
            with pytest.raises((AssertionError, NotRecorded)):
                evaluate(other)
    for elsewhere in (shapes("class_scene", lr=0.2), shapes("class_object")):
        assert journal.find(elsewhere, ALL_3X3, 0, 1) is None
    assert journal.find(where, ALL_3X3, 1, 1) is None


def test_a_shorter_training_never_replaces_a_longer_one() -> None:
    where, journal = shapes("class_scene"), Journal("shapes")
    short = Trained({"valid/top1": [1.0]}, {}, [1.0], 5, 6)
    long = Trained({"valid/top1": [1.0, inf]}, {}, [1.0, 2.0], 5, 6)
    for trained in (short, long, short):
        journal.add(where, ALL_3X3, 0, trained)
    assert journal.find(where, ALL_3X3, 0, 1) == long
    assert journal.find(where, ALL_3X3, 0, 3) is None


def test_a_journal_that_can_not_be_used_is_one_line(tmp_path: Path) -> None:
    where, path = shapes("class_scene"), tmp_path / "home" / "trainings" / "shapes.sqlite"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no database at all, but long enough to be taken for one" * 20)
    with pytest.raises(BadFile, match=r"shapes\.sqlite can't be used: file is not a database"):
        FromTraining(where)(Query(ALL_3X3))
    path.unlink()
    journal = Journal("shapes")
    journal.add(where, ALL_3X3, 0, Trained({}, {}, [1.0], 5, 6))
    for damaged in ("{", "[]", '{"curve": 1}'):
        with sqlite3.connect(path) as file:
            file.execute("UPDATE training SET trained = ?", (damaged,))
        with pytest.raises(BadFile, match=r"can't be used: .*; move it away"):
            journal.find(where, ALL_3X3, 0, 1)
    path.unlink()
    path.mkdir()
    with pytest.raises(BadFile, match="can't be used"):
        FromTraining(where)(Query(ALL_3X3))


@pytest.mark.usefixtures("no_training")
def test_what_can_not_be_kept_or_drawn_is_not_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["train", f"{SHAPES}/cell/normal", "3,3,3,3,3,3"]
    for wrong in (line[:2], [*line, "--study", str(tmp_path)]):
        code, _, err = printed(capsys, *wrong)
        assert (code, err.count("\n")) == (2, 1)
        assert "An architecture, or --study" in err
    code, _, err = printed(capsys, *line, "--out", "x.gif")
    assert (code, err.count("\n")) == (2, 1)
    assert "x.gif" in err
    (tmp_path / "file").touch()
    monkeypatch.setenv("NASBENCH_HOME", str(tmp_path / "file"))
    code, _, err = printed(capsys, *line)
    assert (code, err.count("\n")) == (2, 1)
    assert "shapes.sqlite can't be used" in err


def test_what_another_device_trained_is_not_taken_for_ours(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    line = ["train", f"{SHAPES}/cell/class_scene", "3,3,3,3,3,3", "--device"]
    for device, kept in (("cpu:0", 0), ("cpu", 1)):
        assert printed(capsys, *line, device)[0] == 0
        assert len(rows(tmp_path / "home" / "trainings" / "shapes.sqlite")) == kept


@pytest.mark.parametrize("runner", BLACK_BOX)
def test_every_runner_trains(runner: str) -> None:
    scale = Scale(4, 1, 2, modules=3)
    where = shapes("class_scene", epochs=1, train=32, valid=32, test=32, scale=scale)
    method, budget, known = Method(runner), Budget(queries=5), history(runner, where, [0, 1])
    with FromTraining(where) as evaluate:
        traces = run_method(method, evaluate, [0], budget, history=known)
        again = run_method(method, evaluate, [0], budget, history=known)
        other = run_method(method, evaluate, [1], budget, history=known)
    assert traces == again
    assert not np.array_equal(traces.arch, other.arch)
    assert traces.head["schedule"] == "live"
    assert len(traces.value) == 5


def test_workers_change_nothing_but_the_time(tmp_path: Path) -> None:
    where = shapes("class_scene", epochs=1, train=64)
    runs = []
    for workers in (1, 2):
        journal = Journal("shapes", tmp_path / f"{workers}.sqlite")
        with FromTraining(where, workers=workers, journal=journal) as evaluate:
            runs.append(run_method(Method("random_search"), evaluate, [0], Budget(queries=6)))
    assert np.array_equal(runs[0].arch, runs[1].arch)
    assert np.array_equal(runs[0].value, runs[1].value)


def test_ctrl_c_waits_for_no_training() -> None:
    where, start = shapes("class_scene", epochs=10**6), time.monotonic()
    archs = [ALL_3X3, (2,) * 6, (1,) * 6, (3, 2, 1) * 2]
    with ctrl_c(5), pytest.raises(KeyboardInterrupt), FromTraining(where, workers=2) as evaluate:
        evaluate.many([Query(arch) for arch in archs])
    assert time.monotonic() - start < 60


def test_a_problem_counts_without_training() -> None:
    where = shapes("class_scene")
    problem = FromTraining(where).problem(Budget(queries=1))
    trained, _ = live.train(where, ALL_3X3, epochs=1)
    assert problem.measure(ALL_3X3) == {"params": trained.params, "macs": trained.macs}
    assert problem.epochs == 3


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("space", ["cell", "macro", "width", "mbconv"])
def test_what_is_counted_is_what_is_built(space: str, task: str) -> None:
    """Encoder and head are counted apart, and each layer once."""
    where = shapes(task, space)
    arch = where.space.sample(np.random.default_rng(0))
    with torch.device("meta"):
        net = live.build(where, arch)
    assert live.size(where, arch) == count(net, seen(where.task, where.recipe.size))


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(arguments)
    out, err = capsys.readouterr()
    return code, out, err


def test_train_prints_a_row_and_draws_a_picture(capsys: pytest.CaptureFixture[str]) -> None:
    where = f"{SHAPES}/cell/normal"
    code, out, err = printed(capsys, "train", where, "64-41414-3_33_333", "--json")
    assert (code, err) == (0, "")
    told = json.loads(out)
    trained, _ = live.train(shapes("normal"), ALL_3X3)
    assert told["test"] == trained.test
    assert told["curves"] == trained.curves
    assert (told["name"], told["arch"], told["seed"]) == ("64-41414-3_33_333", [3] * 6, 0)
    assert Path(told["picture"]).read_bytes()[:4] == b"\x89PNG"
    code, out, _ = printed(capsys, "train", where, "3,3,3,3,3,3", "--out", "here.png")
    assert f"{trained.params:,} parameters" in out
    assert "predictions: here.png" in out
    assert Path("here.png").is_file()


def test_run_live_from_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    where = f"{SHAPES}/cell/class_scene/random_search/3"
    code, out, err = printed(capsys, "run", where, "--live", "--queries", "3", "--workers", "1")
    assert (code, err) == (0, "")
    assert re.search(r"3 queries, 9 epochs, .* seconds of training", out)
    assert re.search(r"found 64-41414-\S+: valid top1 \S+", out)
    again = printed(capsys, "run", where, "--live", "--queries", "3")
    assert again == (0, out, "")
    code, out, _ = printed(capsys, "run", where, "--live", "--queries", "3", "--json")
    assert json.loads(out)["found"].keys() == {"name", "arch", "value"}


def test_a_study_that_trains(capsys: pytest.CaptureFixture[str]) -> None:
    """Its folder says what it was answered with; more seeds, and later trainings, continue it."""
    shared = "random_weight_sharing:draws=5:glance=2"
    line = ["study", SHAPES, "--live", "--spaces", "cell", "--tasks", "class_scene"]
    line += ["--runners", f"random_search,{shared}", "--epochs", "3", "--out", "out", "--seeds"]
    code, out, err = printed(capsys, *line, "1", "--workers", "2")
    assert (code, err) == (0, "")
    assert "1 table x 2 methods x 1 seed = 2 runs of 3 epochs; 2 to do" in out
    where = shapes("class_scene")
    (value,) = Traces.load(next(Path("out/traces/cell").rglob("random_search/*.npz"))).value
    known = Journal("shapes").full(where)
    assert value in {trained.curves["valid/top1"][-1] for trained in known.values()}
    first = [path.read_bytes() for path in sorted(Path("out/traces").rglob("seeds_000000.npz"))]
    code, out, _ = printed(capsys, "report", "out", "--json")
    assert [row["runs"] for row in json.loads(out)["rows"]] == [1, 1]
    assert "not be the best there is" in Path("out/report/report.md").read_text().replace("\n", " ")
    (chosen,) = Path("out/traces/cell").rglob("random_weight*/*.npz")
    for arch in (ALL_3X3, tuple(Traces.load(chosen).arch[0].tolist())):  # known from now on
        FromTraining(where)(Query(arch))
    code, out, _ = printed(capsys, *line, "2", "--workers", "1")
    assert "4 runs of 3 epochs; 2 to do" in out
    assert first == [path.read_bytes() for path in sorted(Path("out/traces").rglob("*00.npz"))]
    assert printed(capsys, *line, "2")[1].count("0 to do") == 1
    rows = json.loads(printed(capsys, "report", "out", "--json")[1])["rows"]
    assert {row["runs"] for row in rows} == {2}
    assert {row["unknown"] for row in rows} == {0}
    table = Benchmark("out/trained.h5")["cell", "class_scene"]
    assert table.value(ALL_3X3) == pytest.approx(FromTraining(where)(Query(ALL_3X3)).value)
    code, _, err = printed(capsys, "report", "out", "--bench", "rooms")
    assert (code, err.count("the traces are of shapes, the tables at hand of rooms")) == (2, 1)
    pack(SHAPES, Path("packed.h5"), spaces=["cell"], tasks=["class_scene"], partial=True)
    assert "leaves trained.h5" in printed(capsys, "report", "out", "--bench", "packed.h5")[2]


def test_a_live_study_is_of_one_recipe(capsys: pytest.CaptureFixture[str]) -> None:
    """Tables of other trainings don't judge it, and a value that was changed is told."""
    line = ["study", SHAPES, "--live", "--spaces", "mbconv", "--tasks", "class_scene"]
    line += ["--runners", "random_search", "--queries", "1", "--out", "out", "--seeds", "1"]
    assert printed(capsys, *line)[0] == 0
    assert printed(capsys, "report", "out")[0] == 0  # of a space too large to be listed
    other = replace(shapes("class_scene", "mbconv", lr=0.05), address="shapes/mbconv/class_scene")
    FromTraining(other)(Query(other.space.sample(np.random.default_rng(0))))
    pack_searched(SHAPES, Path("other.h5"), [other])
    code, _, err = printed(capsys, "report", "out", "--bench", "other.h5")
    assert code == 2
    assert "run the study again, or give the benchmark it was run on" in err
    (file,) = Path("out/traces").rglob("*.npz")
    traces = Traces.load(file)
    replace(traces, value=traces.value + 1).save(file)
    assert "it was changed" in printed(capsys, "report", "out")[2]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run", "csv/x/random_search", "--live"], "csv does not say how it is trained"),
        (["study", "csv", "--live", "--out", "o"], "csv does not say how it is trained"),
        (["study", "rooms", "--images", "here", "--out", "o"], "it goes with --live"),
        (["study", "SHAPES", "--live", "--schedule", "x", "--out", "o"], "schedule x: what is"),
        (["study", "SHAPES", "--live", "--tasks", "normals", "--out", "o"], "mean 'normal'?"),
        (["train", "SHAPES/cell/normals", "x"], "did you mean 'normal'?"),
        (["train", "SHAPES/cells/normal", "x"], "did you mean 'cell'?"),
        (["train", "SHAPES/cell/normal/more", "x"], "nothing more"),
        (["train", "SHAPES/cell/normal", "64-41414-9_33_333"], "is not in transnas_cell"),
        (["train", "SHAPES/cell/normal", "1,2"], "is not in transnas_cell"),
        (["train", "SHAPES/cell/normal", "3,3,3,3,3,3", "--device", "cuda"], "no device 'cuda'"),
        (["train", "SHAPES/cell/normal", "3,3,3,3,3,3", "--device", "gpu"], "no device 'gpu'"),
        (["train", "SHAPES/cell/normal", "3,3,3,3,3,3", "--seed", "-1"], "a seed of -1"),
        (["train", "SHAPES/cell/normal", "3,3,3,3,3,3", "--out", "no/such/x.gif"], "x.gif"),
        (["run", "SHAPES/cell/normal/random_search", "--live", "--workers", "0"], "0 workers"),
        (["run", "SHAPES/cell/normal/random_search", "--live", "--epochs", "2"], "takes 3 epochs"),
        (["run", "SHAPES/cell/normal", "--live"], "no runner"),
        (["run", "x/y/random_search", "--images", "here"], "it goes with --live"),
        (["run", "SHAPES/cell/normal/random_search"], "no table: train its networks, with --live"),
        (["train", "SHAPES", "x"], "there are: cell, macro"),
        (["run", "rooms/cell/normal/no.py/0", "--live"], "a runner's own file"),
        (["train", "SHAPES/cell/normal", "3,3,3,3,3,3", "--device", "meta"], "no device 'meta'"),
        (["train", "./none.py/cell/normal", "x"], "no file"),
        (["train", "rooms/cell/normal", "nonsense"], "is not in transnas_cell"),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [argument.replace("SHAPES", SHAPES) for argument in arguments]
    code, _, err = printed(capsys, *arguments)
    assert code == 2
    assert says in err
    assert err.count("\n") == 1


def test_without_torch_one_line_says_what_to_install() -> None:
    code = (
        "import json, sys; sys.modules['torch'] = None\n"
        "from nasbench.__main__ import main\n"
        "for line in json.loads(sys.argv[1]): print(main(line))"
    )
    lines = [
        ["train", f"{SHAPES}/cell/normal", "3,3,3,3,3,3"],
        ["run", f"{SHAPES}/cell/normal/random_search", "--live"],
        *(["build", SHAPES], ["pack", SHAPES, "--out", "x.h5"], ["audit", "x.h5"]),
    ]
    command = [sys.executable, "-c", code, json.dumps(lines)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["2"] * len(lines)
    said = done.stderr.splitlines()
    assert len(said) == len(lines)
    assert all(line.endswith("pip install 'nasbench[live]'") for line in said)


def rows(path: Path) -> list[tuple[Any, ...]]:
    with sqlite3.connect(path) as file:
        assert file.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return file.execute("SELECT arch, trained FROM training ORDER BY arch").fetchall()


def trained(path: Path) -> bool:
    if not path.exists():
        return False
    with sqlite3.connect(path) as file:
        # Between the file's first byte and its first transaction there is no table yet.
        made = file.execute("SELECT 1 FROM sqlite_master WHERE name = 'training'").fetchone()
    return made is not None and bool(rows(path))


@pytest.mark.parametrize(
    "how", [signal.SIGINT, pytest.param(signal.SIGKILL, marks=pytest.mark.slow)]
)
def test_a_search_that_is_stopped_keeps_what_was_trained_and_goes_on(
    how: signal.Signals, tmp_path: Path
) -> None:
    line = ["run", f"{SHAPES}/cell/class_scene/random_search/0", "--live", "--queries", "8"]
    command = [sys.executable, "-m", "nasbench", *line, "--workers", "2"]
    journal = tmp_path / "home" / "trainings" / "shapes.sqlite"
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        limit = time.monotonic() + 120
        while not trained(journal):
            assert time.monotonic() < limit
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(how)
        _, err = process.communicate()
    assert process.returncode in (130, -how)
    if how == signal.SIGINT:
        assert err == "nasbench: stopped; what was finished is kept\n"
    kept = rows(journal)
    assert 1 <= len(kept) < 8
    assert main([*line, "--workers", "1"]) == 0
    assert set(kept) < set(rows(journal))
