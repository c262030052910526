"""What every one-shot method must do: drop a file in runners/ and it is tested.

The truth is made up; what is trained are the squares of `tests.shapes`, for a few steps.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nasbench.__main__ import main
from nasbench.benchmark import home, trainable
from nasbench.budget import Budget
from nasbench.errors import BadValue, NotApplicable, RunnerFailed
from nasbench.loop import Method, run, run_method
from nasbench.recipe import Trainable
from nasbench.report import summary
from nasbench.search import Choice, Problem, Training
from nasbench.space import Scale
from nasbench.store import RECIPES, Benchmark, write
from nasbench.table import Rows, Table
from nasbench.trace import Traces
from nasbench.training import FromTraining
from tests.made_up import CHEAP, ONE_SHOT, look_less, made_up
from tests.shapes import BENCHMARK

torch = pytest.importorskip("torch")
from nasbench.nets import count_encoders  # noqa: E402

ROOT = Path(__file__).parents[1]
SHAPES = str(ROOT / "tests" / "shapes.py")
assert BENCHMARK.live
TASKS = list(BENCHMARK.live.recipes)
TWO = Budget(epochs=2)


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NASBENCH_HOME", str(tmp_path / "home"))


LIKE = "18_c8_2:k3c8x1-k5sc8x1_1:k5shc24x4-k5sc16x3_2:k3hc48x6-k3sc32x2_c96"
"""A member of `mbconv`."""

WIDTHS = [runner for runner in ONE_SHOT if "widths" in Method(runner).needs]


def table(task: str = "class_scene", space: str = "", runner: Any = "") -> Table:
    """Return a table of made-up values, and say that squares were trained for it.

    A runner that needs widths has them, where no space is named.
    """
    space = space or ("width" if runner in WIDTHS else "cell")
    where, _ = trainable(f"{SHAPES}/{space}/{task}")
    scale = Scale(10 if space == "width" else 4, 1, 2, modules=2 if space == "cell" else None)
    where = replace(where, recipe=replace(where.recipe, train=64, batch=16, scale=scale))
    return replace(made_up(where.space, where.task), trained_by=where)


def trial(
    runner: Any, where: Table, seeds: Any = (0,), budget: Budget = TWO, **more: Any
) -> Traces:
    """Run a method with few last looks, and compare few ranks."""
    params = CHEAP.get(runner, {}) if isinstance(runner, str) else {}
    with pytest.MonkeyPatch.context() as patch:
        look_less(patch)
        return run(runner, where, seeds, budget, **params, **more)


def without_seconds(traces: Traces) -> Traces:
    """Return what must be equal when a run is done again."""
    return replace(traces, seconds=np.zeros_like(traces.seconds))


@pytest.mark.parametrize("space", ["cell", "macro", "width"])
@pytest.mark.parametrize("runner", ONE_SHOT)
def test_runs_on_every_space(runner: str, space: str) -> None:
    if runner in WIDTHS and space != "width":
        where = table(space=space)
        with pytest.raises(NotApplicable, match=f"{runner} needs widths of single layers"):
            trial(runner, where)
        return
    where = table(space=space)
    traces = trial(runner, where)
    assert all(tuple(arch) in where.space for arch in traces.arch.tolist())
    assert traces.epochs.tolist() == [1, 1]
    assert (traces.seconds > 0).all()
    assert traces.value.tolist() == [where.value(tuple(arch)) for arch in traces.arch.tolist()]
    assert traces.judged.tolist() == [0, 1]
    assert {"saved_bytes", "tau", "untrained_tau", "supernet_tau"} <= traces.info.keys()
    for name in ("tau", "untrained_tau", "supernet_tau"):
        told = traces.info[name][~np.isnan(traces.info[name])]
        # One head for all widths says one class of all images before it has learned.
        assert len(told) or (name == "untrained_tau" and runner in WIDTHS)
        assert (abs(told) <= 1).all()


EVERY_TASK = [
    pytest.param(runner, task, marks=[pytest.mark.slow] * ((i + j) % len(TASKS) > 0))
    for i, runner in enumerate(ONE_SHOT)
    for j, task in enumerate(TASKS)
]
"""One task of each method in turn, and the others where tests may take minutes."""


@pytest.mark.parametrize(("runner", "task"), EVERY_TASK)
def test_every_task(runner: str, task: str) -> None:
    assert len(trial(runner, table(task, runner=runner), budget=Budget(epochs=1)).value) == 1


@cache
def alone(runner: str) -> Traces:
    """Run seed 4: what it gives is the same with other seeds, and in another process."""
    return without_seconds(trial(runner, table(runner=runner), [4]))


@pytest.mark.parametrize("runner", ONE_SHOT)
def test_seeds(runner: str) -> None:
    first, both = alone(runner), without_seconds(trial(runner, table(runner=runner), [3, 4]))
    assert first.arch.tolist() == both.arch[2:].tolist()
    assert first.info.keys() == both.info.keys()
    for name, values in both.info.items():
        np.testing.assert_array_equal(values[2:], first.info[name])
    told = {name: values[:2].tolist() for name, values in both.info.items()}
    assert told != {name: values[2:].tolist() for name, values in both.info.items()}


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run every method in another process, all in one, because torch takes its time to load."""
    code = (
        "import sys; from pathlib import Path\n"
        "from tests.test_one_shot import ONE_SHOT, alone\n"
        "for runner in ONE_SHOT:\n"
        "    alone(runner).save(Path(sys.argv[1], runner))"
    )
    folder = tmp_path_factory.mktemp("elsewhere")
    env = {**os.environ, "PYTHONHASHSEED": "7", "OMP_NUM_THREADS": "2"}
    env["NASBENCH_HOME"] = str(folder / "home")
    subprocess.run([sys.executable, "-c", code, folder], cwd=ROOT, env=env, check=True)
    return folder


@pytest.mark.parametrize("runner", ONE_SHOT)
def test_same_seed_in_another_process(runner: str, elsewhere: Path) -> None:
    assert Traces.load(elsewhere / runner) == alone(runner)


@pytest.mark.parametrize("runner", ONE_SHOT)
def test_global_state_is_left_alone(runner: str) -> None:
    torch.manual_seed(3)
    before, numpy = torch.get_rng_state(), str(np.random.get_state())  # noqa: NPY002
    trial(runner, table(runner=runner), budget=Budget(epochs=1))
    assert torch.equal(torch.get_rng_state(), before)
    assert str(np.random.get_state()) == numpy  # noqa: NPY002


KILLS = [
    *((runner, 1) for runner in ONE_SHOT),
    *(
        pytest.param(runner, 2, marks=[pytest.mark.slow] * (runner not in ("spos", "atomnas")))
        for runner in ONE_SHOT
    ),
]
"""Each run is killed once; twice one that draws paths, and the one whose supernet shrinks."""


@pytest.mark.parametrize(("runner", "kills"), KILLS)
def test_a_killed_run_goes_on_from_its_last_choice(
    runner: str, kills: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    where, budget = table(runner=runner), Budget(epochs=1 + kills)
    whole = alone(runner) if budget == TWO else without_seconds(trial(runner, where, [4], budget))
    from nasbench.supernet import OneShot

    saved, trained = OneShot.save, []

    def die(live: OneShot, told: Any) -> None:
        saved(live, told)
        trained.append(len(told))
        if len(trained) <= kills:
            raise KeyboardInterrupt

    monkeypatch.setattr(OneShot, "save", die)
    for _ in range(kills):
        with pytest.raises(KeyboardInterrupt):
            trial(runner, where, [4], budget)
    again = trial(runner, where, [4], budget)
    assert trained == list(range(1, kills + 2))  # no epoch twice
    assert without_seconds(again) == whole
    assert not list((home().parent / "unfinished").iterdir())


@pytest.mark.parametrize("runner", ONE_SHOT)
def test_a_loss_that_is_no_number(runner: str, monkeypatch: pytest.MonkeyPatch) -> None:
    where = table(runner=runner)
    monkeypatch.setattr(
        type(where.task), "loss", lambda task, output, target: output.sum() * np.nan
    )
    first = 2 if runner == "pinas" else 1  # its first epoch knows no labels
    message = rf"{runner}.*, seed 0, epoch {first}: the loss was (nan|inf)"
    with pytest.raises(RunnerFailed, match=message):
        trial(runner, where)


@pytest.mark.parametrize("runner", ONE_SHOT)
def test_live_answers_train_the_last_choice_alone(runner: str) -> None:
    where = table(runner=runner).trained_by
    assert where
    with FromTraining(where) as evaluate:
        method = Method(runner, CHEAP.get(runner, {}))
        traces = run_method(method, evaluate, [0], TWO)
        last = tuple(traces.arch[-1].tolist())
        assert traces.value[-1] == evaluate.truth(last)
        assert [arch for arch, _ in zip(*evaluate.ranked(9), strict=True)] == [last]


def unlisted() -> Trainable:
    where, _ = trainable(f"{SHAPES}/mbconv/class_scene")
    recipe = replace(where.recipe, train=64, batch=16, epochs=1, scale=Scale(8, 1, 2))
    return replace(where, recipe=recipe)


@pytest.mark.parametrize("runner", ONE_SHOT)
def test_runs_where_members_cannot_be_listed(runner: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a width method the choice is within its target, and all but widths is as was told."""
    look_less(monkeypatch)
    where = unlisted()
    told = {"like": LIKE, "target": 150_000} if runner in WIDTHS else {}
    with FromTraining(where) as evaluate:
        method = Method(runner, {**CHEAP.get(runner, {}), **told})
        traces = run_method(method, evaluate, [0], Budget(epochs=1))
    arch = tuple(traces.arch[0].tolist())
    assert arch in where.space
    assert np.isfinite(traces.value).all()
    if runner in WIDTHS:
        assert arch in where.space.only_widths(where.space.read(LIKE))
        ((counts, _),) = count_encoders(where.space, [arch], 16, where.recipe.scale)
        assert counts.macs <= 150_000


@pytest.mark.slow
@pytest.mark.parametrize("runner", WIDTHS)
def test_a_killed_search_of_widths_goes_on(runner: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where layers are of several widths, and atoms were cut."""
    from nasbench.supernet import OneShot

    method, save = Method(runner, {**CHEAP.get(runner, {}), "like": LIKE}), OneShot.save

    def searched() -> Traces:
        with FromTraining(unlisted()) as evaluate:
            return without_seconds(run_method(method, evaluate, [0], Budget(epochs=2)))

    def die(live: OneShot, told: Any) -> None:
        save(live, told)
        raise KeyboardInterrupt

    whole = searched()
    with monkeypatch.context() as patch:
        patch.setattr(OneShot, "save", die)
        with pytest.raises(KeyboardInterrupt):
            searched()
    assert searched() == whole


@pytest.mark.parametrize("runner", WIDTHS)
def test_what_can_be_told_of_widths(runner: str) -> None:
    where = unlisted()
    with FromTraining(where) as evaluate:
        wrong: list[tuple[dict[str, Any], str]] = [
            ({"like": "24_c8"}, f"{runner}:like=24_c8, seed 0, epoch 1: '24_c8' is not in mbconv"),
            ({"like": LIKE, "target": 9}, "(costs|is) 45,928, the (widest|most) 795,648"),
        ]
        for told, message in wrong:
            with pytest.raises(RunnerFailed, match=message):
                run_method(Method(runner, told), evaluate, [0], Budget(epochs=1))


@pytest.mark.parametrize("runner", WIDTHS)
def test_architectures_that_differ_in_more_than_widths_have_no_rank(
    runner: str, tmp_path: Path
) -> None:
    from nasbench.supernet import OneShot

    where, rng = unlisted(), np.random.default_rng(0)
    with FromTraining(where) as evaluate:
        live = OneShot(where, 0, 1, rng, tmp_path / "state")
        problem = replace(evaluate.problem(Budget(epochs=1)), live=live)
        method = Method(runner, {**CHEAP.get(runner, {}), "like": LIKE})
        choice = next(method.begin(problem, rng, runner))
    assert isinstance(choice, Choice)
    assert choice.rank is not None
    other = where.space.read(LIKE.replace("1:k5sh", "2:k5sh"))
    found = choice.rank([choice.arch, other])
    assert np.isnan(found).tolist() == [False, True]
    assert live.net is not None
    assert np.isnan(live.score(live.net, [choice.arch, other])).tolist() == [False, True]


# ------------------------------------------------------------------------------------- the harness


def constant(problem: Problem, rng: np.random.Generator, *, left: bool = False) -> Training:
    """Train nothing, and choose by chance: the control."""
    assert problem.live
    for _ in problem.live.rounds():
        yield Choice(problem.space.sample(rng), rank=lambda archs: [sum(arch) for arch in archs])
        if left:
            return


needs = {"live"}


def test_info_becomes_columns(tmp_path: Path) -> None:
    traces = trial(constant, table(), [0, 1])
    assert traces.info["tau"].shape == (4,)
    assert traces.info["tau"][0] > 0.9  # the made-up values rise with the sum
    assert {"seed", "step", "tau", "saved_bytes"} <= set(traces.frame().columns)
    traces.save(tmp_path / "a.npz")
    assert Traces.load(tmp_path / "a.npz") == traces
    joined = Traces.join([trial(constant, table(), [seed]) for seed in (0, 1)])
    assert without_seconds(joined) == without_seconds(traces)


def test_finished_runs_are_taken_over() -> None:
    done = trial(constant, table(), [0])
    more = trial(constant, table(), [0, 1], done=done)
    assert more.seconds[:2].tolist() == done.seconds.tolist()
    longer = trial(constant, table(), [0], Budget(epochs=3), done=done)
    assert len(longer.value) == 3


@pytest.mark.parametrize(
    ("budget", "message"),
    [
        (Budget(epochs=0.5), "a supernet is trained for one epoch at least"),
        (Budget(seconds=1e-9), "no epoch of its supernet fits into"),
    ],
)
def test_budgets_below_one_epoch(budget: Budget, message: str) -> None:
    with pytest.raises(BadValue, match=message):
        trial("random_weight_sharing", table(), budget=budget)


def test_seconds_end_a_run() -> None:
    whole = trial("random_weight_sharing", table())
    some = Budget(seconds=whole.seconds[0] * 3.5)
    assert 1 <= len(trial("random_weight_sharing", table(), budget=some).value) < 30


@pytest.mark.parametrize("yields", [[1], [Choice((9,) * 6)], []])
def test_what_is_no_choice(yields: list[Any]) -> None:
    def wrong(problem: Problem, rng: np.random.Generator) -> Training:
        yield from yields

    with pytest.raises(RunnerFailed, match=r"wrong, seed 0, epoch 1: .*(Choice|not in|it ended)"):
        run(wrong, table(), budget=TWO)
    with pytest.raises(RunnerFailed, match="it ended after 1 of 2 epochs"):
        run(constant, table(), budget=TWO, left=True)


def test_where_nothing_can_be_trained() -> None:
    with pytest.raises(NotApplicable, match="random_weight_sharing needs a supernet"):
        trial("random_weight_sharing", made_up())


def test_space_without_a_supernet() -> None:
    by = table().trained_by
    assert by
    other = replace(by, space_name="nasbench_macro")
    with pytest.raises(NotApplicable, match="random_weight_sharing needs a supernet"):
        trial("random_weight_sharing", replace(made_up("nasbench_macro"), trained_by=other))


def test_no_truth_reaches_the_method() -> None:
    """The same is chosen whatever the table says."""
    where = table()
    other = replace(where, columns=dict(made_up(where.space, "jigsaw").columns), answers="final")
    first, second = (trial("random_weight_sharing", each) for each in (where, other))
    assert first.arch.tolist() == second.arch.tolist()
    assert first.value.tolist() != second.value.tolist()


def first_rows(whole: Table, n: int) -> Table:
    """Return the table that holds only these."""
    rows, columns = whole.rows, whole.columns.items()
    return replace(
        whole,
        rows=Rows.of(rows.space, rows.names[:n]),
        columns={at: replace(each, values=each.values[:n]) for at, each in columns},
        seconds=None,
    )


def written(path: Path, tables: Sequence[Table]) -> Path:
    """Write a benchmark of tables that say how they were trained."""
    told = {f"cell/{t.task.name}": t.trained_by.content for t in tables if t.trained_by}
    header: dict[str, Any] = {
        "benchmark": "squares",
        "title": "Squares",
        "citation": "none",
        "answers": "best",
    }
    header |= {"source": "made up", "source_sha256": "", "licence": "none", "notes": []}
    write(
        path,
        {**header, "left_out": [], RECIPES: json.dumps(told, default=repr)},
        [("cell", t) for t in tables],
    )
    return path


def test_a_table_that_is_not_complete(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Rankings are compared on what it holds; a choice that it doesn't hold has no regret."""

    def chooses(problem: Problem, rng: np.random.Generator) -> Training:
        assert problem.live
        for _ in problem.live.rounds():
            yield Choice((0, 0, 0, 0, 0, 3 * problem.live.seed), rank=lambda a: list(map(sum, a)))

    chooses.needs = {"live"}  # type: ignore[attr-defined]
    path, out = written(tmp_path / "squares.h5", [first_rows(table("jigsaw"), 3)]), tmp_path / "out"
    bench = Benchmark(path)
    traces = run(chooses, bench["cell", "jigsaw"], [0, 1], TWO)
    assert np.isnan(traces.value).tolist() == [False, False, True, True]
    assert not np.isnan(traces.info["tau"]).any()
    traces.save(out / "traces" / "cell" / "jigsaw" / "chooses" / "seeds_000000.npz")
    assert main(["report", str(out), "--bench", str(path)]) == 0
    assert "1 more ended with" in capsys.readouterr().out
    (row,) = summary(out, bench).to_dict("records")
    assert (row["runs"], row["unknown"]) == (1, 1)
    scores = bench["cell", "jigsaw"].scores()
    assert row["regret"] == pytest.approx(scores.max() - scores[0])
    page = (out / "report" / "report.md").read_text()
    assert "(1 of 2)" in page
    assert "1 run ended with a network that the table holds no training of" in page
    assert (
        main(["run", f"{path}/cell/jigsaw/random_weight_sharing:draws=20/1", "--epochs", "1"]) == 0
    )
    assert "holds no training" in capsys.readouterr().out


def test_studies_and_reports(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Begun by other processes, which compare as many ranks as users do; ended here, with few."""
    tables = [table("class_scene"), table("jigsaw")]
    bench, out = str(written(tmp_path / "squares.h5", tables)), str(tmp_path / "study")
    runner = "random_weight_sharing:draws=20:glance=3"
    line = ["study", bench, "--out", out, "--epochs", "2", "--runners"]
    line += [f"{runner},random_search", "--seeds"]
    assert main([*line, "1", "--tasks", "jigsaw", "--workers", "2"]) == 0
    assert len(list(Path(out).rglob("seeds_*.npz"))) == 2
    look_less(monkeypatch)
    line += ["2", "--workers", "1"]
    assert main(line) == 0
    files = sorted(Path(out).rglob("seeds_*.npz"))
    assert len(files) == 2 * (2 + 1)  # one file a seed, and one for all of random search
    before = [file.read_bytes() for file in files]
    assert main(line) == 0
    assert "0 to do" in capsys.readouterr().out
    assert [file.read_bytes() for file in files] == before
    assert main(["report", out, "--bench", bench]) == 0
    page = (Path(out) / "report" / "report.md").read_text()
    assert "One-shot methods" in page
    assert "tau, untrained" in page
    assert list((Path(out) / "report").glob("choices_cell.*"))


def test_one_run_on_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    look_less(monkeypatch)
    bench = written(tmp_path / "squares.h5", [table("class_scene"), table("jigsaw")])
    line = ["run", f"{bench}/jigsaw/random_weight_sharing:draws=20/1", "--epochs", "2"]
    assert main(line) == 0
    said = capsys.readouterr().out
    assert "2 epochs of the supernet" in said
    assert "untrained_tau" in said
    assert main([*line, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["one_shot"]["epochs"] == 2
    assert len(told["steps"]) == 2
    assert {"tau", "saved_bytes", "seconds"} <= told["steps"][1].keys()
