"""Finished trainings, kept the moment they end: an SQLite file, one transaction a training."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path

from nasbench.benchmark import home
from nasbench.errors import BadFile
from nasbench.recipe import Trainable, Trained
from nasbench.space import Architecture

_SCHEMA = """
CREATE TABLE IF NOT EXISTS training (
    address TEXT, content_sha256 TEXT, arch TEXT, seed INTEGER, epochs INTEGER, trained TEXT,
    PRIMARY KEY (address, content_sha256, arch, seed)
) WITHOUT ROWID
"""


class Journal:
    """The trainings of one benchmark, in the user's data folder unless a path is given.

    Any number of processes may read and add. Raises `BadFile` where it can't be read or written.
    """

    def __init__(self, benchmark: str, path: Path | None = None) -> None:
        self.path = path or home().parent / "trainings" / f"{benchmark}.sqlite"
        with self._open() as file:  # before hours are spent on what can't be kept
            file.execute("BEGIN IMMEDIATE")

    def find(self, where: Trainable, arch: Architecture, seed: int, epochs: int) -> Trained | None:
        """Return a training of at least so many epochs, if there is one."""
        select = (
            "SELECT trained FROM training WHERE address = ? AND content_sha256 = ? AND arch = ? "
            "AND seed = ? AND epochs >= ?"
        )
        key = _key(where, arch, seed)
        with self._open() as file:
            found = file.execute(select, (*key, epochs)).fetchone()
            return found and Trained(**json.loads(found[0]))

    def add(self, where: Trainable, arch: Architecture, seed: int, trained: Trained) -> None:
        """Keep a training; one that went further is never replaced by a shorter one."""
        upsert = (
            "INSERT INTO training VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
            "epochs = excluded.epochs, trained = excluded.trained "
            "WHERE excluded.epochs > training.epochs"
        )
        row = (*_key(where, arch, seed), trained.epochs, json.dumps(asdict(trained)))
        with self._open() as file, file:
            file.execute(upsert, row)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self.path, timeout=60)) as file:
                file.execute(_SCHEMA)
                yield file
        except (OSError, sqlite3.Error, TypeError, ValueError) as error:
            raise BadFile(
                f"{self.path} can't be used: {error}; move it away, or set NASBENCH_HOME"
            ) from error


def _key(where: Trainable, arch: Architecture, seed: int) -> tuple[str, str, str, int]:
    return where.address, where.content_sha256, where.space.spell(arch), seed
