"""`remedy init` and `remedy check-config`: from a real Prometheus' alerts to a file that the bridge accepts."""

import subprocess
import time
from pathlib import Path

import pytest
import requests
import yaml
from click.testing import CliRunner

from bridge.decision.own_alerts import MACHINERY
from bridge.policy.loading import load_policy
from remedy.commands import check_config, init
from remedy.starter.alerts import KnownAlert
from remedy.starter.draft import Place, draft
from tests.remedy.commands.test_operators import free_port

RULES = Path(__file__).parents[3] / "monitoring" / "alert_rules.yml"


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory):
    """Serve the shipped rules."""
    folder, port = tmp_path_factory.mktemp("prometheus"), free_port()
    (folder / "prometheus.yml").write_text(yaml.safe_dump({"rule_files": [str(RULES)]}))
    argv = ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
    process = subprocess.Popen([*argv, f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"])
    url = f"http://127.0.0.1:{port}"
    try:
        while process.poll() is None:
            try:
                if requests.get(f"{url}/-/ready", timeout=2).ok:
                    break
            except requests.RequestException:
                time.sleep(0.05)
        yield url
    finally:
        process.terminate()
        process.wait(20)


def run(command, *arguments):
    return CliRunner().invoke(command, list(map(str, arguments)))


def test_each_alert_of_prometheus_gets_a_remediation_that_changes_nothing(prometheus, tmp_path):
    folder = tmp_path / "etc"
    done = run(init.command, "--prometheus", prometheus, "--dir", folder)
    assert done.exit_code == 0, done.output
    assert str(folder / "token") in done.output
    file, token = folder / "remediation.yml", folder / "token"
    assert (file.stat().st_mode & 0o777, token.stat().st_mode & 0o777) == (0o640, 0o600)
    policy = load_policy(file)
    rules = [rule["alert"] for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
    matched = [remediation.matchers[0].value for remediation in policy.remediations]
    assert sorted(matched) == sorted(set(rules) - MACHINERY)
    assert {remediation.mode for remediation in policy.remediations} == {"dry_run"}
    assert run(check_config.command, file).exit_code == 0

    written = file.read_text()
    again = run(init.command, "--prometheus", prometheus, "--dir", folder)
    assert (again.exit_code, "--force" in again.output) == (2, True)
    secret = token.read_text()
    assert run(init.command, "--prometheus", prometheus, "--dir", folder, "--force").exit_code == 0
    assert (file.read_text(), token.read_text()) == (written, secret), "the token that Alertmanager knows stays"


def test_no_prometheus_is_one_sentence(tmp_path):
    done = run(init.command, "--prometheus", "http://127.0.0.1:1", "--dir", tmp_path)
    assert done.exit_code == 2
    assert "no Prometheus answers at http://127.0.0.1:1" in done.output
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "names",
    [
        [],
        ["HTTPErrors", "Http Errors", "http-errors"],
        ['it\'s "quoted"', "日本語", "x" * 300, "- {yaml: [trap]} # no", "a\nb"],
    ],
)
def test_any_names_make_a_file_that_is_accepted(names, tmp_path):
    file = tmp_path / "remediation.yml"
    place = Place("http://127.0.0.1:9090", "http://127.0.0.1:9093", tmp_path / "token", tmp_path / "ledger.db")
    file.write_text(draft([KnownAlert(name, {}, f"about {name}") for name in names], place))
    file.chmod(0o600)
    assert [remediation.matchers[0].value for remediation in load_policy(file).remediations] == names


def test_check_config_goes_through_all_files_and_says_everything(tmp_path):
    good, bad = tmp_path / "exporter.yml", tmp_path / "remediation.yml"
    good.write_text(f"state: {tmp_path}/exporter.db\nchecks: [{{name: root, kind: disk, path: /}}]\n")
    bad.write_text("mode: atuo\nremediations:\n  - {name: a, match: 'x=\"y\"', steps: [{servce_restart: {}}]}\n")
    bad.chmod(0o600)
    done = run(check_config.command, good, bad)
    assert done.exit_code == 2
    assert f"{good}: 1 checks" in done.output
    assert f"{bad}:1: mode: unknown value 'atuo' (did you mean 'auto'?)" in done.output
    assert "unknown action 'servce_restart' (did you mean 'service_restart'?)" in done.output


def test_check_config_without_files_takes_those_that_are_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(check_config.command).exit_code == 2
    (tmp_path / "exporter.yml").write_text("checks: []\n")
    assert run(check_config.command).exit_code == 0
