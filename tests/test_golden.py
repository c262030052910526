"""Every method still does what it did."""

from __future__ import annotations

import json

import pytest

from nasbench.find import names
from tests.golden import FOLDER, golden


@pytest.mark.parametrize("runner", names("runners"))
def test_trace_is_as_it_was(runner: str) -> None:
    file = FOLDER / f"{runner}.json"
    assert file.is_file(), f"{runner} has no golden trace: `make golden` writes it"
    assert golden(runner) == json.loads(file.read_text())
