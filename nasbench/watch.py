"""Ends a search that thinks for ever."""

from __future__ import annotations

import signal
import sys
from threading import current_thread, main_thread
from typing import Any, Self

from nasbench.errors import RunnerFailed

PATIENCE = 600.0
"""Seconds that a search may think before its next question, or choice."""


class Watch:
    """Looks every `PATIENCE` seconds whether a search still thinks about the same question.

    Only a main thread can be called away from its work, and not on Windows: elsewhere it is blind.
    """

    __slots__ = ("_before", "_seen", "step", "thinking")

    def __init__(self) -> None:
        self.step, self.thinking, self._seen = 0, False, -1

    def __enter__(self) -> Self:
        self._before: Any = None
        if sys.platform != "win32" and current_thread() is main_thread():
            self._before = signal.signal(signal.SIGALRM, self._look)
            signal.setitimer(signal.ITIMER_REAL, PATIENCE, PATIENCE)
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, self._before)

    def _look(self, *_: object) -> None:
        if self.thinking and self.step == self._seen:
            raise RunnerFailed(f"it asked nothing for {PATIENCE:g} seconds")
        self._seen = self.step
