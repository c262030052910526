"""What nasbench raises on purpose; each message says what was asked and what would be right."""

from __future__ import annotations


class NasbenchError(Exception):
    """Catch this to catch them all; the command line prints it as one line and exits with 2."""


class UnknownName(NasbenchError, LookupError):
    """No space, task, runner or benchmark goes by that name."""


class OutsideSpace(NasbenchError, ValueError):
    """The architecture is not one of the space's."""


class NotRecorded(NasbenchError, LookupError):
    """The table holds no such measurement; nothing is made up in its place."""


class NotApplicable(NotRecorded):
    """A search can't run there, because what it needs is not recorded."""


class BadFile(NasbenchError, ValueError):
    """A file is missing, damaged, not what it was said to be, or can't be written."""


class BadValue(NasbenchError, ValueError):
    """An argument has the right type and an impossible value."""


class NoMemory(NasbenchError, MemoryError):
    """There was not enough memory for a training."""


class RunnerFailed(NasbenchError):
    """A search method raised, or broke the contract of `nasbench.search`."""


class Diverged(NasbenchError):
    """Replaying a trace, the method asked for something else than it had asked before."""
