"""Every method still does what it did."""

from __future__ import annotations

import json

import pytest

from tests.golden import FOLDER, golden
from tests.made_up import BLACK_BOX


@pytest.mark.parametrize("runner", BLACK_BOX)
def test_trace_is_as_it_was(runner: str) -> None:
    file = FOLDER / f"{runner}.json"
    assert file.is_file(), f"{runner} has no golden trace: `make golden` writes it"
    assert golden(runner) == json.loads(file.read_text())
