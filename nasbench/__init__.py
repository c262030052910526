"""Say, honestly and fast, how good an architecture-search method is across tasks.

`nasbench.open("transnas101")` looks results up, `nasbench.run(method, "transnas101/cell/jigsaw")`
runs a search on them; the command `nasbench --help` does the same from a shell.
"""

from nasbench.benchmark import open_benchmark as open
from nasbench.budget import Budget, Cost
from nasbench.errors import NasbenchError
from nasbench.find import find, names
from nasbench.loop import run
from nasbench.search import Outcome, Problem, Query, Runner, Search, ask, ask_all
from nasbench.space import Architecture, Space
from nasbench.store import Benchmark
from nasbench.table import Record, Table
from nasbench.task import Metric, Task
from nasbench.trace import Traces

__version__ = "0.1.0"

__all__ = [
    "Architecture",
    "Benchmark",
    "Budget",
    "Cost",
    "Metric",
    "NasbenchError",
    "Outcome",
    "Problem",
    "Query",
    "Record",
    "Runner",
    "Search",
    "Space",
    "Table",
    "Task",
    "Traces",
    "ask",
    "ask_all",
    "find",
    "names",
    "open",
    "run",
]
