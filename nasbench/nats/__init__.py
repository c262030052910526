"""Records of NAS-Bench-201 and NATS-Bench (pickled dictionaries of trainings) become arrays.

A record is what one architecture did: by schedule, and there by data set and seed, one training
with its numbers by epoch. An archive is a folder of records, which is read one by one, or a pickle
of all of them, which must fit into memory. What was read lies in the job's scratch folder in parts,
each written at once: an interrupted import goes on after the last one, and two at the same time
share them. Columns are put together from the parts, one at a time.
"""

from __future__ import annotations

from pathlib import Path

from nasbench.benchmark import Job, Published
from nasbench.errors import BadFile
from nasbench.nats.archive import (
    META,
    Kind,
    available_memory,
    needed_memory,
    open_file,
    open_folder,
)
from nasbench.nats.reading import gather
from nasbench.nats.recipes import live
from nasbench.nats.tables import published

__all__ = ["META", "Kind", "available_memory", "live", "needed_memory", "read_file", "read_folder"]


def read_folder(path: Path, kind: Kind, job: Job) -> Published:
    """Read a folder of records, `000000.pickle.pbz2` and so on, beside `meta.pickle.pbz2`.

    Raises `BadFile` for a file that is damaged, or not of this benchmark.
    """
    archive = open_folder(path, kind)
    return published(archive, gather(archive, kind, job, path), kind)


def read_file(path: Path, kind: Kind, job: Job) -> Published:
    """Read all records from one pickle: a NATS-Bench file, or the `.pth` of NAS-Bench-201.

    Raises `BadFile` where there is too little memory for it, and as `read_folder` does.
    """
    need, free = needed_memory(path, kind), available_memory()
    told = f"{path} is one pickle, which takes about {need / 1e9:,.1f} GB of memory to read"
    if need > free:
        raise BadFile(
            f"{told}, and {free / 1e9:,.1f} GB are free; the folder {kind.folder} needs 0.5 GB"
        )
    job.say(f"{told}; {free / 1e9:,.1f} GB are free")
    archive = open_file(path, kind, limit=free // 4)
    return published(archive, gather(archive, kind, job), kind)
