"""grafana-dashboard.json: Prometheus can run its queries, Grafana's types accept it, and it can be provisioned."""

import shutil
import subprocess
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.monitoring import dashboard
from tests.monitoring.conftest import Tool

NPM_PROJECT = Path(__file__).parent / "grafana"


@pytest.fixture(scope="module")
def drawn(shipped: Path) -> dict[str, Any]:
    return dashboard.read(shipped / "grafana-dashboard.json")


@pytest.fixture(scope="module")
def grafana_types() -> Path:
    """Return node_modules with the types that Grafana publishes, installed once for each lock file."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed, so Grafana's types cannot be had (make test installs it)")
    modules = NPM_PROJECT / "node_modules"
    installed, lock = modules / ".package-lock.json", NPM_PROJECT / "package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        done = subprocess.run(["npm", "ci"], cwd=NPM_PROJECT, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    return modules


def test_prometheus_parses_every_query(drawn: dict[str, Any], tmp_path: Path, tool: Tool) -> None:
    queries = dashboard.queries(drawn)
    assert len(queries) > 20
    tool("promtool", "check", "rules", _as_rules(tmp_path, [query.expr for query in queries]))


def test_a_query_that_is_none_is_found(tmp_path: Path, tool: Tool) -> None:
    with pytest.raises(AssertionError, match="could not parse expression"):
        tool("promtool", "check", "rules", _as_rules(tmp_path, ["up", "sum by (instance (up)"]))


def test_a_query_without_series_is_found() -> None:
    empty = {"panels": [{"title": "Checks", "targets": [{"expr": 'up{a=~"$check"}', "legendFormat": ""}]}]}
    assert dashboard.without_series(empty, lambda _query: []) == ['Checks: up{a=~".*"}']
    assert dashboard.without_series(empty, lambda _query: ["series"]) == []


def test_grafanas_types_accept_it(shipped: Path, grafana_types: Path, tmp_path: Path) -> None:
    assert _compile((shipped / "grafana-dashboard.json").read_text(), grafana_types, tmp_path) == ""


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ('"graphMode"', '"graphMod"'),
        ('"lineInterpolation": "linear"', '"lineInterpolation": "linea"'),
        ('"mode": "palette-classic"', '"mode": "palette"'),
        ('"type": "state-timeline"', '"type": "statetimeline"'),
    ],
)
def test_grafanas_types_find_a_mistake(
    shipped: Path, grafana_types: Path, tmp_path: Path, right: str, wrong: str
) -> None:
    text = (shipped / "grafana-dashboard.json").read_text()
    assert right in text
    assert "error TS" in _compile(text.replace(right, wrong, 1), grafana_types, tmp_path)


def test_panels_have_their_own_ids_and_places(drawn: dict[str, Any]) -> None:
    panels = list(dashboard.panels(drawn))
    assert len({panel["id"] for panel in panels}) == len(panels)
    for one, other in combinations((panel["gridPos"] for panel in panels), 2):
        assert not _overlap(one, other), (one, other)
    assert all(place["x"] + place["w"] <= 24 for place in (panel["gridPos"] for panel in panels))


def test_everything_is_asked_of_the_data_source_that_was_chosen(drawn: dict[str, Any]) -> None:
    chosen = {"type": "prometheus", "uid": "${datasource}"}
    asked = [panel for panel in dashboard.panels(drawn) if panel["type"] != "row"]
    asked += [target for panel in asked for target in panel["targets"]]
    asked += [variable for variable in drawn["templating"]["list"] if variable["type"] == "query"]
    assert all(each["datasource"] == chosen for each in asked)


def test_the_data_source_that_is_provisioned_is_the_one_that_is_chosen_first(
    shipped: Path, drawn: dict[str, Any]
) -> None:
    provisioning = shipped / "grafana" / "provisioning"
    source = yaml.safe_load((provisioning / "datasources" / "prometheus.yml").read_text())["datasources"][0]
    first = next(variable for variable in drawn["templating"]["list"] if variable["name"] == "datasource")
    assert first["current"]["value"] == source["uid"]
    assert yaml.safe_load((provisioning / "dashboards" / "remediation-bridge.yml").read_text())["providers"]


def test_the_lock_names_no_registry() -> None:
    assert '"resolved"' not in (NPM_PROJECT / "package-lock.json").read_text()


def _as_rules(folder: Path, expressions: list[str]) -> Path:
    """Wrap expressions into a rules file, since promtool checks those."""
    rules = [{"record": f"panel:query{index}", "expr": expr} for index, expr in enumerate(expressions)]
    path = folder / "panels.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    return path


def _compile(dashboard_json: str, modules: Path, folder: Path) -> str:
    """Let TypeScript hold the text against the types; return what it complains about."""
    for name in ("checked.ts", "tsconfig.json"):
        shutil.copy(NPM_PROJECT / name, folder)
    (folder / "node_modules").symlink_to(modules)
    (folder / "dashboard.ts").write_text(
        f"import type {{ Checked }} from './checked.js';\nexport default {dashboard_json.strip()} satisfies Checked;\n"
    )
    compiler = modules / "typescript" / "bin" / "tsc"
    done = subprocess.run(["node", compiler, "-p", folder], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0 or done.stdout, done.stderr
    return done.stdout


def _overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    return (
        one["x"] < other["x"] + other["w"]
        and other["x"] < one["x"] + one["w"]
        and one["y"] < other["y"] + other["h"]
        and other["y"] < one["y"] + one["h"]
    )
