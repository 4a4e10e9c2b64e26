"""Tables of runs and decisions, for a terminal or a pipe."""

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from remedy.control.story import cell

Columns = Mapping[str, Callable[[dict[str, Any]], str]]
"""By its heading, what a column shows of a row."""
_WIDE = 10_000


def show(rows: Sequence[dict[str, Any]], columns: Columns) -> None:
    """Print a table, folded to a terminal's width; a pipe gets each row in one line."""
    table = Table(*columns, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(cell(value(row)) for value in columns.values()))
    Console(width=None if sys.stdout.isatty() else _WIDE).print(table if rows else "nothing is on record")


RUN: Columns = {
    "run": lambda run: str(run["id"]),
    "created": lambda run: str(run["created_at"]),
    "remediation": lambda run: str(run["remediation"]),
    "target": lambda run: str(run["target"]),
    "outcome": lambda run: str(run["outcome"] or run["state"]),
    "reason": lambda run: str(run["reason"]),
}
DECISION: Columns = {
    "at": lambda said: str(said["at"]),
    "alert": lambda said: str(said["episode"]["labels"].get("alertname", "")) if said["episode"] else "",
    "remediation": lambda said: str(said["remediation"] or ""),
    "target": lambda said: str(said["target"] or ""),
    "decision": lambda said: str(said["decision"]),
    "reason": lambda said: str(said["reason"]) + (f" (run {said['run_id']})" if said["run_id"] else ""),
}
