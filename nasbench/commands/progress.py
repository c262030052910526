"""Bars on stderr, for people."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, get_args

from nasbench.images import Split
from nasbench.recipe import Trainable

if TYPE_CHECKING:
    from rich.progress import Progress


def bars() -> Progress:
    """Make what shows bars; programs that read stderr see none."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    return Progress(console=console, transient=True, disable=not console.is_terminal)


def ticker(progress: Progress, what: str) -> Callable[[int, int | None], None]:
    """Add a bar, and return the `tick(done, total)` that moves it."""
    bar = progress.add_task(what, total=None)
    return lambda done, total: progress.update(bar, completed=done, total=total)


def load_images(progress: Progress, source: Trainable) -> None:
    """Load the images here, with a bar, so that workers find what is rendered."""
    from nasbench.live import load

    for split in get_args(Split):
        load(source, split, ticker(progress, f"loading {split}"))
