"""Read a pickle without executing any of it."""

from __future__ import annotations

import io
import pickle
from typing import Any, NoReturn

from nasbench.errors import BadFile


class _Plain(pickle.Unpickler):
    """Every way a pickle has to call something goes through a name it looks up here."""

    def find_class(self, module: str, name: str) -> NoReturn:
        raise BadFile(f"it wants to load {f'{module}.{name}'!r}; plain data needs no such thing")


def plain(data: bytes, what: str) -> Any:
    """Return the numbers, strings, lists and dictionaries of a pickle that holds nothing else.

    Raises `BadFile`, naming `what`, for anything else, and for a damaged pickle.
    """
    try:
        return _Plain(io.BytesIO(data)).load()
    except BadFile as error:
        raise BadFile(f"{what} was refused, nothing of it ran: {error}") from None
    except Exception as error:
        why = " ".join(f"{type(error).__name__}: {error}".split())
        raise BadFile(f"{what} is damaged: {why}") from error
