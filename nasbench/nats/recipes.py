"""How the networks of the archives are trained."""

from __future__ import annotations

from dataclasses import replace

from nasbench.nats.archive import Kind
from nasbench.recipe import Live, Recipe


def live(kind: Kind) -> Live:
    """Return how the networks are trained for the longest schedule.

    Settings are those of D-X-Y/AutoDL-Projects, configs/nas-benchmark/hyper-opts. On `cifar10` two
    trainings are one row of the table (`tables.TASKS`): it is no training, `cifar10_valid` is.
    """
    cifar = Recipe(
        images="cifar10",
        size=32,
        epochs=max(kind.schedules),
        batch=256,
        lr=0.1,
        nesterov=True,
        weight_decay=5e-4,
        augment="flip_crop",
    )
    recipes = {
        "cifar10_valid": cifar,
        "cifar100": replace(cifar, images="cifar100"),
        "imagenet16_120": replace(cifar, images="imagenet16_120", size=16),
    }
    return Live({kind.short: kind.space}, recipes)
