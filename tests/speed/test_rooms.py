"""How long people wait for rooms: `make bench`.

Promised on one core: at most 2 ms an image of 32x32, so 512 ms a round; kept images in 0.3 s.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nasbench.cache import cached
from nasbench.images import Wanted
from nasbench.tasks.images.rooms import IMAGES


@pytest.mark.benchmark(group="render 256 rooms")
@pytest.mark.parametrize("size", [32, 64])
def test_render(benchmark: Any, size: int) -> None:
    arrays = benchmark(IMAGES.render, Wanted("train", size, 256))
    assert len(arrays["rgb"]) == 256


@pytest.mark.benchmark(group="read 16,384 kept images")
@pytest.mark.parametrize("label", ["segmentsemantic", "normal"])
def test_read(benchmark: Any, label: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NASBENCH_HOME", str(tmp_path))
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (16384, 32, 32, 3), np.uint8)
    arrays = {"rgb": image, "normal": image, "segmentsemantic": image[..., 0]}
    cached("rooms", "0", ["rgb"], lambda: arrays)
    found = benchmark(cached, "rooms", "0", ["rgb", label], dict)
    assert np.array_equal(found["rgb"], image)
