"""A study on a Dask cluster: the same bytes as here, and one line where something is wrong."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from nasbench.__main__ import main
from tests.made_up import write_made_up
from tests.test_study import digests

distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    made = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1"
    )
    with made:
        yield made


@pytest.fixture
def line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.chdir(tmp_path)
    path = write_made_up(tmp_path / "made_up.h5")
    runners = "random_search,regularized_evolution,local_search"
    return ["study", str(path), "--runners", runners, "--seeds", "60", "--queries", "20"]


def test_bytes_are_those_of_one_process(cluster: Any, line: list[str], tmp_path: Path) -> None:
    address = cluster.scheduler_address
    assert main([*line, "--workers", "1", "--out", "here"]) == 0
    assert main([*line, "--dask", address, "--out", "there"]) == 0
    assert digests(tmp_path / "here") == digests(tmp_path / "there")
    assert main(["report", "there", "--bench", line[1]]) == 0


def test_a_killed_worker_loses_nothing(cluster: Any, line: list[str], tmp_path: Path) -> None:
    """It dies while it works: what it did is done by the others."""
    assert main([*line, "--workers", "1", "--out", "here"]) == 0
    with distributed.Client(cluster) as client:
        pid = next(iter(client.run(os.getpid).values()))

    def kill() -> None:
        while not [*Path("there").rglob("*.npz")]:
            time.sleep(0.01)
        os.kill(pid, signal.SIGKILL)

    killer = Thread(target=kill)
    killer.start()
    assert main([*line, "--dask", cluster.scheduler_address, "--out", "there"]) == 0
    killer.join()
    assert digests(tmp_path / "here") == digests(tmp_path / "there")


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("tcp://127.0.0.1:1", "no Dask scheduler at tcp://127.0.0.1:1"),
        ("nowhere", "no Dask scheduler at nowhere"),
    ],
)
def test_no_cluster_is_one_line(
    address: str,
    says: str,
    line: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("nasbench.pool.PATIENCE", 1)
    assert main([*line, "--dask", address, "--out", "out"]) == 2
    err = capsys.readouterr().err
    assert says in err
    assert err.count("\n") == 1
