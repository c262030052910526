"""Rooms, for searches of widths and layers: two spaces of ours on the tasks of `rooms`.

Images and recipes are those of `rooms`. All of `width` can be trained; `mbconv` is too large for a
table, so `--live` trains what is asked for.
"""

from __future__ import annotations

from nasbench.benchmark import Declared
from nasbench.benchmarks.rooms import RECIPES
from nasbench.recipe import Live

BENCHMARK = Declared(
    name="rooms_width",
    title="Rooms: chains by their widths, and inverted residuals layer by layer, trained here",
    citation="this project",
    answers="final",
    live=Live({"width": "width", "mbconv": "mbconv"}, RECIPES),
    licence="Apache-2.0",
)
