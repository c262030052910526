"""A small folder in the layouts of Taskonomy, with labels that are known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

LAYOUTS = ("{building}/{domain}", "{domain}/taskonomy/{building}", "{building}_{domain}")
SIZE = 16
SELECTED = {"class_object": (1000, 75), "class_scene": (365, 47)}
BUILDINGS = ("allensville", "beechwood", "collierville", "corozal", "darden", "hanson")


def write(
    root: Path,
    buildings: tuple[str, ...] = BUILDINGS,
    points: int = 3,
    layout: str = LAYOUTS[0],
    **called: str,
) -> Path:
    """Write images; `called` gives a domain's folder and files another name."""
    for name, (classes, selected) in SELECTED.items():
        mask = np.zeros(classes)
        mask[3 : 3 + 2 * selected : 2] = 1
        root.mkdir(exist_ok=True)
        np.save(root / f"{name}_final5k.npy", mask)
    for b, building in enumerate(buildings):
        for point in range(points):
            rng = np.random.default_rng([b, point])
            told: dict[str, NDArray[Any]] = {
                "rgb": rng.integers(256, size=(SIZE, SIZE, 3), dtype=np.uint8),
                "normal": rng.integers(256, size=(SIZE, SIZE, 3), dtype=np.uint8),
                "segmentsemantic": rng.integers(18, size=(SIZE, SIZE), dtype=np.uint8),
                "class_object": rng.random(1000).astype(np.float32),
                "class_scene": rng.random(365).astype(np.float32),
                "room_layout": rng.normal(size=9),
            }
            for domain, values in told.items():
                name = called.get(domain, domain)
                folder = root / layout.format(building=building, domain=name)
                folder.mkdir(parents=True, exist_ok=True)
                file = folder / f"point_{point}_view_{b}_domain_{name}"
                if values.dtype == np.uint8:
                    Image.fromarray(values).save(file.with_suffix(".png"))
                else:
                    np.save(file.with_suffix(".npy"), values)
    return root


def file(root: Path, building: str, domain: str, point: int = 0, suffix: str = "png") -> Path:
    """Return a file of the first layout."""
    view = BUILDINGS.index(building)
    return root / building / domain / f"point_{point}_view_{view}_domain_{domain}.{suffix}"
