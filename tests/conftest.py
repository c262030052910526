"""What several test modules share."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The published data beside the checkout; a test that reads it is skipped where it is not."""
    if not SHARED.is_dir():
        pytest.skip(f"no published data: {SHARED} is absent")
    return SHARED
