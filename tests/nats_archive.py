"""Archives with made-up numbers in the true format of NATS-Bench and NAS-Bench-201."""

from __future__ import annotations

import bz2
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nasbench.find import find

SPACES = {"tss": "nasbench201", "sss": "nats_size"}
FOLDERS = {"tss": "NATS-tss-v1_0-3ffb9-simple", "sss": "NATS-sss-v1_0-50262-simple"}
CLASSES = {"cifar10-valid": 10, "cifar10": 10, "cifar100": 100, "ImageNet16-120": 120}
SETS = {
    "cifar10-valid": ["x-valid", "ori-test"],
    "cifar10": ["ori-test"],
    "cifar100": ["x-valid", "x-test", "ori-test"],
    "ImageNet16-120": ["x-valid", "x-test", "ori-test"],
}
CURVES = {"cifar10-valid": "x-valid"}
"""What a topology training of 200 epochs evaluated after every epoch; else `ori-test`."""

Record = dict[str, Any]


def names(kind: str, count: int | None = None) -> list[str]:
    """Name architectures in an order that is not that of the space."""
    space = find("spaces", SPACES[kind])
    order = np.random.default_rng(201).permutation(len(space))[:count]
    return [space.spell(space.at(int(index))) for index in order]


def record(kind: str, index: int, name: str, only: str | None = None) -> Record:
    """Make all trainings of one architecture, or those of one schedule; an index says it all."""
    rng = np.random.default_rng(index)
    if kind == "sss":
        schedules = {"01": [777], "12": [777, 888, 999], "90": [777]}
        told = {hp: [(d, s) for s in seeds for d in SETS] for hp, seeds in schedules.items()}
    else:
        seeds = [999, 777, 888][: 1 + rng.choice(3, p=[0.14, 0.35, 0.51])]
        short = [("cifar10-valid", 777), *((data_set, 111) for data_set in SETS)]
        told = {"12": short, "200": [(data_set, seed) for seed in seeds for data_set in SETS]}
    return {
        hp: _results(kind, index, name, int(hp), pairs, rng)
        for hp, pairs in told.items()
        if only in (hp, None)
    }


def _results(
    kind: str,
    index: int,
    name: str,
    epochs: int,
    pairs: Sequence[tuple[str, int]],
    rng: np.random.Generator,
) -> Record:
    seeds: dict[str, list[int]] = {data_set: [] for data_set in SETS}
    for data_set, seed in pairs:
        seeds[data_set].append(seed)
    return {
        "arch_index": index,
        "arch_str": name,
        "all_results": {
            (data_set, seed): training(kind, index, name, epochs, data_set, seed, rng)
            for data_set, seed in pairs
        },
        "dataset_seed": seeds,
        "clear_net_done": True,
    }


def training(
    kind: str,
    index: int,
    name: str,
    epochs: int,
    data_set: str,
    seed: int,
    rng: np.random.Generator,
) -> Record:
    """Make one training: accuracies that rise, losses that fall, one time for every epoch."""
    rise = 1 - np.exp(-np.arange(1, epochs + 1) / (2 + epochs / 5))
    top = 20 + 70 * rng.random()

    def accuracy() -> list[float]:
        noisy: list[float] = (top * rise + rng.normal(0, 0.5, epochs)).clip(0, 100).tolist()
        return noisy

    def losses() -> list[float]:
        noisy: list[float] = (4 - 3 * rise + rng.normal(0, 0.02, epochs)).tolist()
        return noisy

    long = kind == "tss" and epochs == 200
    found: dict[str, tuple[list[float], list[float]]] = {
        images: (accuracy(), losses()) for images in SETS[data_set]
    }
    if "x-test" in found:  # ori-test is both halves together
        both = zip(found["x-valid"], found["x-test"], strict=True)
        a, b = ([(v + t) / 2 for v, t in zip(*halves, strict=True)] for halves in both)
        found["ori-test"] = a, b
    kept = {
        f"{images}@{epoch}": (found[images][0][epoch], found[images][1][epoch])
        for images in SETS[data_set]
        for epoch in range(epochs)
        if not long or epoch == epochs - 1 or images == CURVES.get(data_set, "ori-test")
    }
    per_epoch = (5 + index % 50 / 7) * {"cifar10": 2, "ImageNet16-120": 6}.get(data_set, 1)
    keys = [f"{images}@{epoch}" for images in SETS[data_set] for epoch in range(epochs)]
    config = {"channel": 16, "num_cells": 5, "arch_str": name, "class_num": CLASSES[data_set]}
    if kind == "sss":
        config = {"name": "infer.shape.tiny", "channels": name, "arch_str": name, "genotype": ""}
        config |= {"class_num": CLASSES[data_set]}
    return {
        "name": data_set,
        "train_acc1es": dict(enumerate(accuracy())),
        "train_acc5es": None if long else dict(enumerate(accuracy())),
        "train_losses": dict(enumerate(losses())),
        "train_times": OrderedDict.fromkeys(range(epochs), per_epoch),
        "arch_config": config,
        "params": np.float64((100_000 + 7 * index + 90 * CLASSES[data_set]) / 1e6),
        "flop": (15_000_000 + 1000 * index + CLASSES[data_set]) / 1e6,
        "seed": f"{seed:04d}",
        "epochs": epochs,
        "latency": [np.float64(0.01 + CLASSES[data_set] / 1e5 + rng.random() / 1e3)],
        "eval_names": list(SETS[data_set]),
        "eval_acc1es": {key: top1 for key, (top1, _) in kept.items()},
        "eval_times": dict.fromkeys(keys, per_epoch / 5),
        "eval_losses": {key: loss for key, (_, loss) in kept.items()},
        "net_state_dict": None,
    }


def pack(value: Any) -> bytes:
    """Pickle and compress, as the published files are."""
    return bz2.compress(pickle.dumps(value, 4))


def write_meta(folder: Path, listed: Sequence[str]) -> None:
    """Write the file beside the records that names all architectures."""
    meta = {"meta_archs": list(listed), "total_archs": len(listed)}
    meta |= {"arch2infos": None, "evaluated_indexes": set()}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "meta.pickle.pbz2").write_bytes(pack(meta))


def write_record(folder: Path, index: int, told: Record) -> Path:
    """Write one record into a folder."""
    path = folder / f"{index:06d}.pickle.pbz2"
    path.write_bytes(pack(told))
    return path


def write_folder(
    parent: Path, kind: str, count: int | None = None, only: str | None = None
) -> Path:
    """Write an archive of so many architectures, or all, as a folder of records."""
    folder, listed = parent / FOLDERS[kind], names(kind, count)
    write_meta(folder, listed)
    for index, name in enumerate(listed):
        write_record(folder, index, record(kind, index, name, only))
    return folder


def whole(kind: str, count: int) -> dict[str, Any]:
    """Make an archive of so many architectures as one value."""
    listed = names(kind, count)
    records = {index: record(kind, index, name) for index, name in enumerate(listed)}
    return {"meta_archs": listed, "arch2infos": records, "evaluated_indexes": set(records)}


def write_file(path: Path, kind: str, count: int) -> Path:
    """Write an archive as one file of NATS-Bench."""
    path.write_bytes(pack(whole(kind, count)))
    return path


def as_201(archive: dict[str, Any], version: str) -> dict[str, Any]:
    """Turn a topology archive into what NAS-Bench-201 was published as; v1_0 has less."""
    found = {}
    for index, told in archive["arch2infos"].items():
        short, full = told["12"], told["200"]
        if version == "v1_0":
            trials = {("cifar10-valid", 777): short["all_results"]["cifar10-valid", 777]}
            short = {**short, "all_results": trials, "dataset_seed": {"cifar10-valid": [777]}}
        found[index] = {"less": short, "full": full}
    return {**archive, "arch2infos": found, "evaluated_indexes": list(found)}


def write_pth(path: Path, archive: dict[str, Any], legacy: bool = False) -> Path:
    """Write what `torch.save` writes for a value without tensors."""
    if legacy:
        sizes = {"short": 2, "int": 4, "long": 4}
        system = {"protocol_version": 1001, "little_endian": True, "type_sizes": sizes}
        parts: list[Any] = [0x1950A86A20F9469CFC6C, 1001, system, archive, []]
        path.write_bytes(b"".join(pickle.dumps(part, 2) for part in parts))
        return path
    with zipfile.ZipFile(path, "w") as out:
        out.writestr(f"{path.stem}/data.pkl", pickle.dumps(archive, 2))
        out.writestr(f"{path.stem}/version", "3\n")
    return path
