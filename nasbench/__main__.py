"""The command line: look results up, run searches on them, report what came out.

Every failure that is foreseen is one line on stderr and exit code 2. `--json` prints one JSON
value, described in `docs/guide.md`; what is not a finite number is null there.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from typing import Any

import typer
from typer.exceptions import TyperException
from typer.main import get_command

from nasbench.commands import COMMANDS
from nasbench.errors import NasbenchError

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Say, honestly and fast, how good an architecture-search method is across tasks.",
)
for name, command in COMMANDS.items():
    app.command(name)(command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        if _command()(given or ["--help"], standalone_mode=False, prog_name="nasbench") == 130:
            raise KeyboardInterrupt  # which typer turned into this code
        sys.stdout.flush()
    except SystemExit:  # what typer makes of a closed pipe: nobody reads on, and that is no error
        _hush()
    except TyperException as error:
        return _fail(error.format_message() or "see nasbench --help")
    except NasbenchError as error:
        return _fail(str(error))
    except OSError as error:
        _hush()
        if isinstance(error, BrokenPipeError):
            return 0
        return _fail(f"{error.filename or ''}: {error.strerror or error}".removeprefix(": "))
    except (KeyboardInterrupt, typer.Abort):
        _flush()
        print("nasbench: stopped; what was finished is kept", file=sys.stderr)
        return 130
    return 0


@cache
def _command() -> Any:
    """Make what reads a command line, once: the signatures of all commands take their time."""
    return get_command(app)


def _hush() -> None:
    """Let what is still to be printed go nowhere: the interpreter would fail on it again."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _flush() -> None:
    """Let what was said stand before the line that ends it, in a log of both."""
    with suppress(OSError, ValueError):
        sys.stdout.flush()


def _fail(message: str) -> int:
    line = " ".join(message.split())
    plain = (c if c.isprintable() else ascii(c)[1:-1] for c in line)
    _flush()
    print(f"nasbench: {''.join(plain)}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
