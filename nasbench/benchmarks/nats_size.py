"""NATS-Bench, size space (Dong et al., TPAMI 2021): 32,768 widths on three image data sets.

Read from the published folder of records, or from the one file that holds them all: accuracy and
loss after every epoch of trainings of 1, 12 and 90 epochs, the 12 with three seeds.
"""

from __future__ import annotations

from pathlib import Path

from nasbench.benchmark import Declared, Job, Published
from nasbench.errors import BadFile
from nasbench.nats import Kind, live, read_file, read_folder

WANTS = "the folder NATS-sss-v1_0-50262-simple, or the file NATS-sss-v1_0-50262.pickle.pbz2"
KIND = Kind("nats_size", "nats_size", "size", (1, 12, 90), 14, "NATS-sss-v1_0-50262-simple")


def read(path: Path | None, job: Job) -> Published:
    """Read a folder or a file; raises `BadFile` for a damaged or different one."""
    if path is None:
        raise BadFile(f"nats_size needs the path of {WANTS}")
    return read_folder(path, KIND, job) if path.is_dir() else read_file(path, KIND, job)


BENCHMARK = Declared(
    name="nats_size",
    title="NATS-Bench, size space: 32,768 widths on CIFAR-10, CIFAR-100 and ImageNet16-120",
    citation="Dong, Liu, Musial & Gabrys, NATS-Bench, TPAMI 2021 (arXiv 2009.00437)",
    answers="final",
    wants=WANTS,
    read=read,
    live=live(KIND),
)
