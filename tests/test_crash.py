"""Killed, full, read-only, two at once: nothing half-written is seen, and the next run goes on.

A command runs in a process group of its own, forked from a server that has imported everything, so
that kills fall on its work.
"""

from __future__ import annotations

import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context, set_start_method
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from random import Random

import pytest

from nasbench.__main__ import main
from nasbench.errors import BadFile, NasbenchError
from nasbench.store import VERSION, Benchmark, atomic
from nasbench.trace import Traces
from tests.made_up import without_seal, write_made_up
from tests.test_importers import made_up_lines

if sys.platform != "linux":
    pytest.skip("kills process groups and limits files the Linux way", allow_module_level=True)

KILLS = pytest.mark.parametrize("kills", [1, pytest.param(12, marks=pytest.mark.slow)])
ROOT = Path(__file__).parents[1]

Check = Callable[[Path], None]

server = get_context("forkserver")
server.set_forkserver_preload(
    [
        *("h5py", "matplotlib.backends.backend_agg", "pandas", "scipy.stats", "seaborn"),
        *("nasbench.report.figures", "nasbench.study", "tests.test_crash"),
    ]
)


@dataclass(frozen=True)
class Command:
    """A command line, and the folder that it writes to, which is also its NASBENCH_HOME."""

    folder: Path
    arguments: tuple[str, ...]

    def start(self, prepare: Callable[[], None] | None = None) -> ForkServerProcess:
        process = server.Process(target=self._run, args=(prepare,))
        process.start()
        return process

    def run(self, prepare: Callable[[], None] | None = None) -> int:
        process = self.start(prepare)
        process.join()
        assert process.exitcode is not None
        return process.exitcode

    def _run(self, prepare: Callable[[], None] | None) -> None:
        os.setsid()
        set_start_method(None, force=True)  # the platform's own for our workers, not the server's
        os.environ["NASBENCH_HOME"] = str(self.folder)
        said = os.open(self.said, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
        os.dup2(said, 1)
        os.dup2(said, 2)
        if prepare:
            prepare()
        sys.exit(main(self.arguments))

    @property
    def said(self) -> Path:
        """What it printed, beside the folder."""
        return self.folder.with_name(f"{self.folder.name}.txt")

    def error(self) -> str:
        """Return the one line that it ended with, after what it had said on stdout."""
        *_, line = self.said.read_text().splitlines()
        assert "Traceback" not in self.said.read_text()
        assert line.startswith("nasbench: ")
        assert line.isprintable()
        return line


def die_at(size: int) -> None:
    """Let the kernel kill the process where a file would become larger than this."""
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def fill_at(size: int) -> None:
    """Let every write that makes a file larger than this fail, as on a full disk."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def files(folder: Path) -> dict[str, bytes]:
    """Read all that is there, temporary files too."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def temporaries(folder: Path) -> list[Path]:
    return [path for path in folder.rglob(".*") if path.is_file()]


def whole(folder: Path) -> None:
    """Check that whatever has its final name is complete."""
    for path in folder.rglob("[!.]*"):
        data = path.read_bytes() if path.is_file() else b""
        if path.suffix == ".h5":
            bench = Benchmark(path)
            assert all(bench[pair].values().size for pair in bench)
        elif path.suffix == ".npz":
            assert len(Traces.load(path))
        elif path.suffix == ".html":
            assert data.rstrip().endswith(b"</html>")
        elif path.suffix == ".png":
            assert b"IEND" in data[-12:]
        elif path.suffix == ".svg":
            assert data.rstrip().endswith(b"</svg>")
        elif path.is_file():
            assert path.suffix in (".md", ".csv")
            assert data.endswith(b"\n")


def content(folder: Path) -> str:
    """Return the checksum of the table that was imported, or nothing."""
    path = folder / "tables" / "transnas101.h5"
    return str(Benchmark(path).header["content_sha256"]) if path.exists() else ""


# ---------------------------------------------------------------------------------------- the work


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_made_up(tmp_path_factory.mktemp("bench") / "made_up.h5")


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two complete exports of TransNAS-Bench-101 with different made-up values."""
    folder = tmp_path_factory.mktemp("export")
    text = "\n".join(made_up_lines())
    (folder / "old.csv").write_text(text.replace("0.5", "0.25"))
    (folder / "new.csv").write_text(text)
    return folder / "old.csv", folder / "new.csv"


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory, exports: tuple[Path, Path]) -> Path:
    """A folder into which the old export was imported."""
    folder = tmp_path_factory.mktemp("imported") / "home"
    assert importing(folder, exports[0]).run() == 0
    return folder


def importing(folder: Path, export: Path) -> Command:
    return Command(folder, ("import", "transnas101", str(export)))


def studying(folder: Path, bench: Path, workers: int = 2) -> Command:
    options = ["--spaces", "cell", "--tasks", "jigsaw", "--seeds", "120", "--queries", "30"]
    options += ["--runners", "random_search,regularized_evolution"]
    where = ["--out", str(folder / "study"), "--workers", str(workers)]
    return Command(folder, ("study", str(bench), *options, *where))


def reporting(folder: Path, bench: Path) -> Command:
    return Command(folder, ("report", str(folder / "study"), "--bench", str(bench)))


@pytest.fixture(scope="module")
def studied(tmp_path_factory: pytest.TempPathFactory, bench: Path) -> Path:
    """A folder with a study, done without interruption on one process."""
    folder = tmp_path_factory.mktemp("studied") / "home"
    assert studying(folder, bench, 1).run() == 0
    return folder


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory, studied: Path, bench: Path) -> Path:
    """The same with its report."""
    folder = tmp_path_factory.mktemp("reported") / "home"
    shutil.copytree(studied, folder)
    assert reporting(folder, bench).run() == 0
    return folder


def kill(command: Command, check: Check, start_over: Callable[[], None], kills: int) -> None:
    """Kill a command at random moments; each time, look, and let it run to its end.

    Every other time it is killed again when it goes on from where the first kill left it.
    """
    rng = Random(command.arguments[0])
    start_over()
    begun = time.monotonic()
    assert command.run() == 0
    duration = time.monotonic() - begun
    done = 0
    while done < kills:
        start_over()
        for _ in range(1 + done % 2):
            process = command.start()
            process.join(duration * rng.uniform(0.02, 1))
            if process.is_alive():
                with suppress(ProcessLookupError):
                    os.killpg(group(process), signal.SIGKILL)
                process.join()
                done += process.exitcode == -signal.SIGKILL
            check(command.folder)
        assert command.run() == 0, command.said.read_text()
        assert not temporaries(command.folder)
        check(command.folder)


def group(process: ForkServerProcess) -> int:
    """Return the number of a process, once it leads its own group."""
    pid = process.pid
    assert pid is not None
    wait_until(lambda: os.getpgid(pid) == pid)
    return pid


def wait_until(happens: Callable[[], object]) -> None:
    latest = time.monotonic() + 60
    while not happens():
        assert time.monotonic() < latest
        time.sleep(0.002)


# ------------------------------------------------------------------------------------------ killed


@KILLS
def test_an_import_is_killed(
    kills: int, tmp_path: Path, exports: tuple[Path, Path], imported: Path
) -> None:
    folder = tmp_path / "home"
    command = importing(folder, exports[1])
    assert command.run() == 0
    before, after = content(imported), content(folder)
    assert before != after

    def check(folder: Path) -> None:
        whole(folder)
        assert content(folder) in (before, after)

    def start_over() -> None:
        shutil.copytree(imported, folder, dirs_exist_ok=True)

    kill(command, check, start_over, kills)
    assert content(folder) == after


@KILLS
def test_a_study_is_killed(kills: int, tmp_path: Path, bench: Path, studied: Path) -> None:
    folder = tmp_path / "home"
    expected = files(studied)

    def check(folder: Path) -> None:
        whole(folder)
        there = files(folder)
        assert {name: expected[name] for name in there if name in expected}.items() <= there.items()

    command = studying(folder, bench)
    kill(command, check, lambda: shutil.rmtree(folder, ignore_errors=True), kills)
    assert files(folder) == expected


@KILLS
def test_a_report_is_killed(
    kills: int, tmp_path: Path, bench: Path, studied: Path, reported: Path
) -> None:
    folder = tmp_path / "home"
    expected = files(reported)

    def start_over() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(studied, folder)

    kill(reporting(folder, bench), whole, start_over, kills)
    assert files(folder) == expected


@pytest.mark.parametrize("size", [0, 3000, 1_000_000])
def test_an_import_dies_in_the_middle_of_its_file(
    size: int, tmp_path: Path, exports: tuple[Path, Path], imported: Path
) -> None:
    folder = tmp_path / "home"
    shutil.copytree(imported, folder)
    command = importing(folder, exports[1])
    for _ in range(2):
        assert command.run(partial(die_at, size)) == -signal.SIGXFSZ
        whole(folder)
        assert content(folder) == content(imported)
        assert len(temporaries(folder)) == 1, "what the first left went with the second"
    assert command.run() == 0
    assert not temporaries(folder)
    assert content(folder) != content(imported)


@pytest.mark.parametrize("size", [1, 20_000])
def test_a_report_dies_in_the_middle_of_a_file(
    size: int, tmp_path: Path, bench: Path, reported: Path
) -> None:
    folder = tmp_path / "home"
    shutil.copytree(reported, folder)
    command = reporting(folder, bench)
    assert command.run(partial(die_at, size)) == -signal.SIGXFSZ
    assert len(temporaries(folder)) == 1
    for left in temporaries(folder):
        left.unlink()
    assert files(folder) == files(reported)


@pytest.mark.slow
def test_many_kills(tmp_path: Path, bench: Path, studied: Path, exports: tuple[Path, Path]) -> None:
    """The same with whole processes, from the interpreter's start on."""
    rng, folder = Random(0), tmp_path / "home"
    command = studying(folder, bench)
    environment = {**os.environ, "NASBENCH_HOME": str(folder)}
    for arguments in (importing(folder, exports[1]).arguments, command.arguments):
        line = [sys.executable, "-m", "nasbench", *arguments]
        for _ in range(40):
            process = subprocess.Popen(
                line, cwd=ROOT, env=environment, start_new_session=True, stdout=subprocess.DEVNULL
            )
            time.sleep(rng.uniform(0, 1.5))
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            whole(folder)
        subprocess.run(line, cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)
    assert not temporaries(folder)
    assert files(folder / "study") == files(studied / "study")


# ----------------------------------------------------------------------- what the dead leave behind


def half_written(path: Path, sign: Path) -> None:
    with atomic(path) as file:
        file.write(b"half")
        file.flush()
        sign.touch()
        time.sleep(600)


def test_what_the_dead_left_goes_and_what_the_living_write_stays(tmp_path: Path) -> None:
    path, sign = tmp_path / "file[1]*", tmp_path / "sign"
    process = server.Process(target=half_written, args=(path, sign))
    process.start()
    wait_until(sign.exists)
    (writing,) = temporaries(tmp_path)
    for others in (".file[1]*.0123456", ".file1.01234567", ".file[1]*.01234567.png", "01234567"):
        (tmp_path / others).touch()
    before = set(tmp_path.iterdir())
    with atomic(path) as file:
        file.write(b"whole")
    assert set(tmp_path.iterdir()) == {*before, path}
    process.kill()
    process.join()
    assert set(tmp_path.iterdir()) == {*before, path}
    with atomic(path) as file:
        file.write(b"whole again")
    assert set(tmp_path.iterdir()) == {*before - {writing}, path}
    assert path.read_bytes() == b"whole again"


def test_workers_do_not_outlive_a_killed_parent(tmp_path: Path, bench: Path) -> None:
    command = studying(tmp_path / "home", bench)
    process = command.start(keep_at_it)
    wait_until(lambda: list(command.folder.rglob("*.npz")))
    leader = group(process)
    assert len(members(leader)) >= 3
    process.kill()
    process.join()
    wait_until(lambda: not members(leader))
    whole(command.folder)


def keep_at_it() -> None:
    """Let a study be one of very many units."""
    from nasbench import study

    study.BLOCK = 2


def members(leader: int) -> list[str]:
    """List the processes of a group."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, group = path.read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if group == str(leader) and state != "Z":
            found.append(path.parent.name)
    return found


# ----------------------------------------------------------------------------------------- stopped


@pytest.mark.parametrize("delay", [0, 0.2])
def test_a_study_is_stopped(delay: float, tmp_path: Path, bench: Path, studied: Path) -> None:
    folder = tmp_path / "home"
    arguments = list(studying(folder, bench).arguments)
    arguments[arguments.index("--queries") + 1] = "200"
    line = [sys.executable, "-m", "nasbench", *arguments]
    process = subprocess.Popen(
        line,
        cwd=ROOT,
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout
    process.stdout.readline()  # it says what it will do, then begins
    time.sleep(delay)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate()
    assert err == "nasbench: stopped; what was finished is kept\n"
    assert process.returncode in (130, -signal.SIGINT)  # a shell calls both 130
    wait_until(lambda: not members(process.pid))
    assert not temporaries(folder)
    whole(folder)
    assert subprocess.run(line, cwd=ROOT, check=False, capture_output=True).returncode == 0
    assert len(files(folder)) == len(files(studied))


# -------------------------------------------------------------------------------- full or read-only


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 3 MiB."""
    path = tmp_path / "disk"
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(path)]
    if os.geteuid() or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("a small disk is mounted by root, where it may")
    yield path
    subprocess.run(["umount", "--lazy", str(path)], check=True)


def fails(command: Command, prepare: Callable[[], None] | None, why: str) -> None:
    """Check that it says why in one line, and leaves everything as it was."""
    before = files(command.folder)
    assert command.run(prepare) == 2
    assert re.fullmatch(rf"nasbench: {re.escape(str(command.folder))}/.* {why}", command.error())
    assert files(command.folder) == before


@pytest.mark.parametrize("size", [500, 1400, 30_000])
def test_no_room(
    size: int,
    tmp_path: Path,
    bench: Path,
    exports: tuple[Path, Path],
    imported: Path,
    reported: Path,
) -> None:
    folder = tmp_path / "home"
    for done in (imported, reported):
        shutil.copytree(done, folder, dirs_exist_ok=True)
    prepare, why = partial(fill_at, size), "can't be written: File too large"
    fails(importing(folder, exports[1]), prepare, why)
    fails(reporting(folder, bench), prepare, why)
    if size < 1000:
        command = studying(folder, bench)
        longer = (*command.arguments[:-1], "1", "--queries", "60")
        fails(Command(folder, longer), prepare, why)
        assert studying(folder, bench).run() == 0


def test_a_full_disk(
    small_disk: Path, bench: Path, exports: tuple[Path, Path], imported: Path, studied: Path
) -> None:
    for done in (imported, studied):
        shutil.copytree(done, small_disk, dirs_exist_ok=True)
    filler = small_disk / "filler"
    filler.write_bytes(bytes(room(small_disk)))
    for command in (
        importing(small_disk, exports[1]),
        reporting(small_disk, bench),
        Command(
            small_disk,
            (*studying(small_disk, bench).arguments, *("--seeds", "130")),
        ),
    ):
        fails(command, None, "can't be written: No space left on device")
    filler.unlink()
    assert reporting(small_disk, bench).run() == 0


def room(disk: Path) -> int:
    told = os.statvfs(disk)
    return told.f_bavail * told.f_bsize


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Callable[[Path], None]]:
    """Make a folder read-only: by its permissions or, since root minds none, as a mount."""
    made: list[Path] = []

    def make(folder: Path) -> None:
        made.append(folder)
        if os.geteuid():
            folder.chmod(0o555)
            return
        where = ["--bind", str(folder), str(folder)]
        for line in (["mount", *where], ["mount", "-o", "remount,bind,ro", str(folder)]):
            if subprocess.run(line, check=False, capture_output=True).returncode:
                pytest.skip("root minds no permissions, and may not mount here")

    yield make
    for folder in made:
        if os.geteuid():
            folder.chmod(0o755)
        else:
            subprocess.run(["umount", "--lazy", str(folder)], check=False, capture_output=True)


def test_a_read_only_folder(
    read_only: Callable[[Path], None],
    tmp_path: Path,
    bench: Path,
    exports: tuple[Path, Path],
    imported: Path,
    reported: Path,
) -> None:
    folder = tmp_path / "home"
    for done in (imported, reported):
        shutil.copytree(done, folder, dirs_exist_ok=True)
    (method,) = folder.glob("study/traces/cell/jigsaw/random_search")
    for closed in (folder / "tables", method, folder / "study" / "report"):
        read_only(closed)
    why = "can't be written: (Permission denied|Read-only file system)"
    longer = Command(folder, (*studying(folder, bench, 1).arguments, *("--queries", "60")))
    for command in (importing(folder, exports[1]), longer, reporting(folder, bench)):
        fails(command, None, why)


@pytest.mark.parametrize("kind", ["a file", "below a file", "no path"])
def test_a_home_that_is_no_folder(kind: str, tmp_path: Path, exports: tuple[Path, Path]) -> None:
    (tmp_path / "file").write_text("mine")
    home = {"a file": tmp_path / "file", "below a file": tmp_path / "file" / "home"}
    at = partial(live_at, home.get(kind, tmp_path / ("x" * 300)))
    command = importing(tmp_path / "said", exports[0])
    assert command.run(at) == 2
    assert "can't be written: " in command.error()
    listed = Command(tmp_path / "said", ("list",))
    assert listed.run(at) == 0 or "File name too long" in listed.error()
    assert (tmp_path / "file").read_text() == "mine"


def test_a_home_that_is_missing_is_made(tmp_path: Path, exports: tuple[Path, Path]) -> None:
    folder = tmp_path / "not" / "yet"
    assert importing(tmp_path / "said", exports[0]).run(partial(live_at, folder)) == 0
    assert content(folder)


def live_at(home: Path) -> None:
    os.environ["NASBENCH_HOME"] = str(home)


# -------------------------------------------------------------------------------------- two at once


def test_two_imports_at_once(tmp_path: Path, exports: tuple[Path, Path]) -> None:
    folder = tmp_path / "home"
    one, two = importing(folder, exports[0]), importing(folder, exports[1])
    for _ in range(3):
        processes = [command.start() for command in (one, two, one)]
        for process in processes:
            process.join()
        assert [process.exitcode for process in processes] == [0, 0, 0]
        whole(folder)
        assert content(folder)
        assert not temporaries(folder)


def test_two_studies_at_once(tmp_path: Path, bench: Path, studied: Path) -> None:
    folder = tmp_path / "home"
    processes = [studying(folder, bench).start() for _ in range(2)]
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    assert files(folder) == files(studied)


def test_a_table_is_replaced_while_it_is_read(
    tmp_path: Path, exports: tuple[Path, Path], imported: Path
) -> None:
    folder = tmp_path / "home"
    shutil.copytree(imported, folder)
    opened = Benchmark(folder / "tables" / "transnas101.h5")
    touched = opened["cell", "jigsaw"].values()
    assert importing(folder, exports[1]).run() == 0
    assert (opened["cell", "jigsaw"].values() == touched).all()
    assert opened["cell", "normal"].value(0) == 0.25
    assert Benchmark(opened.path)["cell", "normal"].value(0) == 0.5


# ---------------------------------------------------------------------------------------- damaged


def opens(path: Path) -> None:
    """Read something of every table."""
    bench = Benchmark(path)
    for pair in bench:
        table = bench[pair]
        assert table.query(0)


def test_a_table_cut_short_anywhere(tmp_path: Path, imported: Path) -> None:
    data = (imported / "tables" / "transnas101.h5").read_bytes()
    cut = tmp_path / "cut.h5"
    for size in [*range(0, 4000, 97), *range(4000, len(data), 31_013), len(data) - 1]:
        cut.write_bytes(data[:size])
        with pytest.raises(BadFile, match=r"cut\.h5 can't be read as HDF5: ") as error:
            opens(cut)
        assert str(error.value).isprintable()


def test_a_trace_cut_short_anywhere(tmp_path: Path, studied: Path) -> None:
    data = next(studied.rglob("*.npz")).read_bytes()
    cut = tmp_path / "cut.npz"
    for size in range(0, len(data), 41):
        cut.write_bytes(data[:size])
        with pytest.raises(BadFile, match=r"cut\.npz is no file of traces: ") as error:
            Traces.load(cut)
        assert str(error.value).isprintable()


def test_flipped_bits_of_a_trace(tmp_path: Path, studied: Path) -> None:
    path, rng = next(studied.rglob("*.npz")), Random(0)
    data, flipped, refused = path.read_bytes(), tmp_path / "flipped.npz", 0
    for _ in range(400):
        damaged = bytearray(data)
        damaged[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        flipped.write_bytes(damaged)
        try:
            assert Traces.load(flipped) == Traces.load(path)
        except BadFile:
            refused += 1
    assert refused > 300


def test_flipped_bits_of_a_table(tmp_path: Path, bench: Path) -> None:
    """In a child, since HDF5 itself may die of a wrong length; none of ours may."""
    process = server.Process(target=flip, args=(bench, tmp_path))
    process.start()
    process.join()
    assert process.exitcode == 0


def flip(bench: Path, folder: Path) -> None:
    data, rng = bench.read_bytes(), Random(1)
    for _ in range(60):
        damaged = bytearray(data)
        damaged[rng.randrange(3000)] ^= 1 << rng.randrange(8)
        path = folder / "flipped.h5"
        path.write_bytes(damaged)
        try:
            opens(path)
        except NasbenchError:
            continue


def test_a_newer_format_is_told_apart(tmp_path: Path, bench: Path) -> None:
    import h5py

    newer = tmp_path / "tables" / "newer.h5"
    newer.parent.mkdir()
    without_seal(bench).rename(newer)
    with h5py.File(newer, "r+") as file:
        file.attrs["version"] = VERSION + 1
    command = Command(tmp_path, ("info", "newer"))
    before = files(tmp_path)
    assert command.run() == 2
    assert f"format version {VERSION + 1}, this nasbench reads up to {VERSION}" in command.error()
    assert files(tmp_path) == before
