"""The commands, a group in a module; each is one function, and its docstring is its help."""

from collections.abc import Callable
from typing import Any

from nasbench.commands.building import audit, build, merge, pack
from nasbench.commands.correlate import correlate
from nasbench.commands.latency import measure_latency
from nasbench.commands.lookup import best, query
from nasbench.commands.pilot import pilot
from nasbench.commands.reproduce import reproduce
from nasbench.commands.search import report, run, study
from nasbench.commands.tables import check, convert, count, images, import_, info, list_
from nasbench.commands.training import train
from nasbench.commands.transfer import transfer

COMMANDS: dict[str, Callable[..., Any]] = {
    "import": import_,
    "list": list_,
    "images": images,
    "info": info,
    "check": check,
    "convert": convert,
    "count": count,
    "measure-latency": measure_latency,
    "best": best,
    "query": query,
    "correlate": correlate,
    "run": run,
    "train": train,
    "build": build,
    "merge": merge,
    "pack": pack,
    "audit": audit,
    "pilot": pilot,
    "study": study,
    "transfer": transfer,
    "report": report,
    "reproduce": reproduce,
}
"""In the order of `nasbench --help`."""
