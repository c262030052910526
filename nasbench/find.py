"""Name to thing. The file's name is the thing's name, so nothing needs registering."""

from __future__ import annotations

import os
import sys
from difflib import get_close_matches
from functools import cache
from hashlib import sha256
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, overload

from nasbench.errors import BadFile, NotApplicable, UnknownName
from nasbench.images import Images
from nasbench.search import Runner
from nasbench.space import Space
from nasbench.task import Task

if TYPE_CHECKING:
    from nasbench.benchmark import Declared
    from nasbench.correlate import Scorer

Kind: TypeAlias = Literal["spaces", "tasks", "images", "runners", "benchmarks", "scorers"]
HOLDS: dict[Kind, str] = {
    "spaces": "SPACE",
    "tasks": "TASK",
    "images": "IMAGES",
    "runners": "search",
    "benchmarks": "BENCHMARK",
    "scorers": "score",
}
FOLDERS: dict[Kind, str] = {"images": "tasks.images"}
"""The packages that have another name than the kind of thing in them."""


def names(kind: Kind) -> list[str]:
    """List a folder, and what installed packages offer, without importing any of it."""
    return sorted({*_files(kind), *_installed(kind)})


@overload
def find(kind: Literal["spaces"], name: str) -> Space: ...
@overload
def find(kind: Literal["tasks"], name: str) -> Task: ...
@overload
def find(kind: Literal["images"], name: str) -> Images: ...
@overload
def find(kind: Literal["runners"], name: str) -> Runner: ...
@overload
def find(kind: Literal["benchmarks"], name: str) -> Declared: ...
@overload
def find(kind: Literal["scorers"], name: str) -> Scorer: ...
def find(kind: Kind, name: str) -> Any:
    """Return the thing of that name, or in that file (`./mine.py`).

    A name is a file of our folder, or an entry point in the group `nasbench.<kind>` of an installed
    package. Raises `UnknownName`, with the nearest name, `BadFile` for a file that can't be
    imported or doesn't hold what it should, `NotApplicable` for what needs torch without torch.
    """
    if name.endswith(".py"):
        if not Path(name).is_file():
            own = f"a {kind[:-1]}'s own file is given by its path"
            raise UnknownName(f"no file {Path(name).absolute()}; {own}")
        path = Path(name).resolve()
        return _from_file(kind, path, path.stat().st_mtime_ns)
    if name.isidentifier():
        if name in _files(kind):
            try:
                return getattr(import_module(f"{_package(kind)}.{name}"), HOLDS[kind])
            except ModuleNotFoundError as error:
                if error.name != "torch":
                    raise
                how = "torch, which is not installed: pip install 'nasbench[live]'"
                raise NotApplicable(f"not applicable: {name} needs {how}") from error
        if name in (installed := _installed(kind)):
            try:
                return installed[name].load()
            except Exception as error:
                why = f"{type(error).__name__}: {error}"
                raise BadFile(
                    f"the installed {kind[:-1]} {name!r} can't be loaded: {why}"
                ) from error
    raise unknown(kind[:-1], name, names(kind))


def unknown(what: str, name: str, known: list[str]) -> UnknownName:
    """Make the error for a name that isn't there: the nearest one, and all there are."""
    near = get_close_matches(name, known, 1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return UnknownName(f"no {what} {name!r}; {hint}there are: {', '.join(known) or 'none'}")


@cache
def _files(kind: Kind) -> frozenset[str]:
    package = import_module(_package(kind))
    found = (m.name for m in iter_modules(package.__path__) if not m.ispkg)
    return frozenset(name for name in found if not name.startswith("_"))


def _package(kind: Kind) -> str:
    return f"nasbench.{FOLDERS.get(kind, kind)}"


def _installed(kind: Kind) -> dict[str, Any]:
    """What other packages offer; imported late, because few calls come this far."""
    from importlib.metadata import entry_points

    return {point.name: point for point in entry_points(group=f"nasbench.{kind}")}


@cache
def _from_file(kind: Kind, path: Path, changed: int) -> Any:
    name = f"nasbench_{kind}_{path.stem}_{sha256(os.fsencode(path)).hexdigest()[:8]}"
    spec = spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise BadFile(f"{path} is not a Python file")
    module = sys.modules[name] = module_from_spec(spec)  # dataclasses look their module up there
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise BadFile(f"{path} can't be imported: {type(error).__name__}: {error}") from error
    if not hasattr(module, HOLDS[kind]):
        raise BadFile(f"{path} holds no {HOLDS[kind]!r}, which a file of {kind}/ must")
    return getattr(module, HOLDS[kind])
