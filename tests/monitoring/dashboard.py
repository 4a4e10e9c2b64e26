"""The queries of a Grafana dashboard, with its variables filled in, for whoever wants to run them."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

EVERYTHING: Mapping[str, str] = {
    "instance": ".*",
    "check": ".*",
    "remediation": ".*",
    "__rate_interval": "1m",
    "__range": "1h",
}
"""What Grafana fills in when `All` is chosen everywhere."""


@dataclass(frozen=True)
class Query:
    """One query of one panel."""

    panel: str
    expr: str
    legend: str


def read(path: Path) -> dict[str, Any]:
    """Read a dashboard file."""
    dashboard: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return dashboard


def queries(dashboard: Mapping[str, Any], variables: Mapping[str, str] = EVERYTHING) -> list[Query]:
    """Return all queries, panel by panel.

    Raises:
        KeyError: a query uses a variable that is not in `variables`.
    """
    return [
        Query(panel["title"], Template(target["expr"]).substitute(variables), target["legendFormat"])
        for panel in panels(dashboard)
        for target in panel.get("targets", ())
    ]


def without_series(
    dashboard: Mapping[str, Any],
    ask: Callable[[str], Sequence[object]],
    variables: Mapping[str, str] = EVERYTHING,
) -> list[str]:
    """Return what would show nothing, as `panel: query`; `ask` runs a query and returns its series."""
    return [f"{query.panel}: {query.expr}" for query in queries(dashboard, variables) if not ask(query.expr)]


def panels(dashboard: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield every panel, those inside of collapsed rows too."""
    for panel in dashboard["panels"]:
        yield panel
        yield from panel.get("panels", ())


def variable_queries(dashboard: Mapping[str, Any]) -> dict[str, str]:
    """Return what the variables' lists are asked with, by name: `label_values(SELECTOR, LABEL)`."""
    return {
        variable["name"]: variable["query"]["query"]
        for variable in dashboard["templating"]["list"]
        if variable["type"] == "query"
    }
