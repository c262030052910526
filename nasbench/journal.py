"""Finished trainings, kept the moment they end: an SQLite file, one transaction a training."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from nasbench.benchmark import home
from nasbench.errors import BadFile
from nasbench.recipe import Trainable, Trained
from nasbench.space import Architecture

_COLUMNS = "address, content_sha256, arch, seed, epochs, trained"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS training (
    address TEXT, content_sha256 TEXT, arch TEXT, seed INTEGER, epochs INTEGER, trained TEXT,
    PRIMARY KEY (address, content_sha256, arch, seed)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS made_with (
    address TEXT, content_sha256 TEXT, torch TEXT, PRIMARY KEY (address, content_sha256, torch)
) WITHOUT ROWID;
"""
_UPSERT = (
    "INSERT INTO training VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
    "epochs = excluded.epochs, trained = excluded.trained WHERE excluded.epochs > training.epochs"
)
_ONE = (
    "SELECT trained FROM training WHERE address = ? AND content_sha256 = ? AND arch = ? "
    "AND seed = ? AND epochs >= ?"
)
_MADE_WITH = "INSERT OR IGNORE INTO made_with VALUES (?, ?, ?)"


@dataclass(frozen=True)
class Merged:
    """What was found in another journal: `new`, `longer` than ours, `known`.

    `differ` of the last two have other results than ours where both have some; seconds, which are
    never the same, don't count.
    """

    new: int
    longer: int
    known: int
    differ: int


class Contents(NamedTuple):
    """The rows of a journal's two tables."""

    trainings: list[tuple[Any, ...]]
    made_with: list[tuple[Any, ...]]


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
        key = (where.address, where.content_sha256, where.space.spell(arch), seed)
        with self._open() as file:
            found = file.execute(_ONE, (*key, epochs)).fetchone()
            return found and Trained(**json.loads(found[0]))

    def full(self, where: Trainable) -> dict[tuple[str, int], Trained]:
        """Return all trainings of the full length, by spelling and seed, in one reading."""
        select = (
            "SELECT arch, seed, trained FROM training WHERE address = ? AND content_sha256 = ? "
            "AND epochs >= ?"
        )
        asked = (where.address, where.content_sha256, where.epochs)
        with self._open() as file:
            rows = file.execute(select, asked).fetchall()
            return {(arch, seed): Trained(**json.loads(trained)) for arch, seed, trained in rows}

    def made_with(self, where: Trainable) -> list[str]:
        """Return the versions of torch that trained there, as far as they were noted."""
        select = "SELECT torch FROM made_with WHERE address = ? AND content_sha256 = ?"
        with self._open() as file:
            rows = file.execute(select, (where.address, where.content_sha256)).fetchall()
            return sorted(torch for (torch,) in rows)

    def add(self, where: Trainable, arch: Architecture, seed: int, trained: Trained) -> None:
        """Keep a training; one that went further is never replaced by a shorter one."""
        place, text = (where.address, where.content_sha256), _text(trained)
        with self._open() as file, file:
            file.execute(_UPSERT, (*place, where.space.spell(arch), seed, trained.epochs, text))
            file.execute(_MADE_WITH, (*place, _torch()))

    def merge(self, other: Contents) -> Merged:
        """Take over what another journal has, in one transaction.

        Of the same training the longer one stays, and of two that are as long ours.
        """
        new = longer = known = differ = 0
        select = (
            "SELECT trained FROM training WHERE address = ? AND content_sha256 = ? AND arch = ? "
            "AND seed = ?"
        )
        with self._open() as file, file:
            for *key, epochs, text in other.trainings:
                theirs = Trained(**json.loads(text))
                if ours := file.execute(select, key).fetchone():
                    mine = Trained(**json.loads(ours[0]))
                    known += mine.epochs >= theirs.epochs
                    longer += mine.epochs < theirs.epochs
                    differ += not _agree(mine, theirs)
                new += not ours
                file.execute(_UPSERT, (*key, epochs, text))
            file.executemany(_MADE_WITH, other.made_with)
        return Merged(new, longer, known, differ)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self.path, timeout=60)) as file:
                file.executescript(_SCHEMA)
                yield file
        except (OSError, sqlite3.Error, TypeError, ValueError) as error:
            raise BadFile(
                f"{self.path} can't be used: {error}; move it away, or set NASBENCH_HOME"
            ) from error


def contents(path: Path) -> Contents:
    """Read a journal, which may be from before versions were noted, and leave it as it is.

    Raises `BadFile` for what is none.
    """
    if not path.is_file():
        raise BadFile(f"no file {path.absolute()}")
    try:  # writable, because a killed writer's last transaction may have to be taken back
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=rw", uri=True)) as file:
            rows = file.execute(f"SELECT {_COLUMNS} FROM training").fetchall()
            there = file.execute("SELECT 1 FROM sqlite_master WHERE name = 'made_with'").fetchall()
            notes = file.execute("SELECT * FROM made_with").fetchall() if there else []
        for row in rows:
            Trained(**json.loads(row[-1]))
    except (sqlite3.Error, TypeError, ValueError) as error:
        raise BadFile(f"{path} is no journal of trainings, or is damaged: {error}") from error
    return Contents(rows, notes)


def _agree(one: Trained, other: Trained) -> bool:
    """Say whether two trainings have the same results as far as both go."""
    epochs = min(one.epochs, other.epochs)
    curves = [{name: c[:epochs] for name, c in each.curves.items()} for each in (one, other)]
    tests = one.test == other.test or one.epochs != other.epochs
    return curves[0] == curves[1] and tests


def _text(trained: Trained) -> str:
    return json.dumps(asdict(trained), separators=(",", ":"))


@cache
def _torch() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("torch")
    except PackageNotFoundError:
        return "not told"
