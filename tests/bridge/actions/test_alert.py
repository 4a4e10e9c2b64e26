"""`alert` tells people once, with the story so far, and nobody waits for it."""

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from remedy.config.problems import ConfigError
from tests.bridge import world
from tests.remedy.commands.test_operators import Running, free_port, served

CONFIG = """
database: sqlite:///{folder}/data/ledger.db
web: {{listen: 127.0.0.1:{port}}}
notifiers: {{ops: {{kind: log}}, lead: {{kind: log}}}}
remediations:
  - name: tell
    match: alertname="Broken"
    max_retries: 1
    retry_delay: 10ms
    on_step_failure: continue
    steps:
      - alert: {{to: [ops, lead], message: "{{{{ labels.instance }}}} is being looked at 🚨"}}
      - check_port: {{port: 1, expect: open, timeout: 100ms}}
    verify: none
"""


@pytest.fixture
def bridge(tmp_path: Path) -> Iterator[Running]:
    port = free_port()
    (tmp_path / "remediation.yml").write_text(CONFIG.format(folder=tmp_path, port=port))
    with served([sys.executable, "-m", "remedy", "bridge", "--config", "remediation.yml"], tmp_path, port) as running:
        yield running


def test_people_are_told_once_for_two_attempts(bridge: Running) -> None:
    bridge.fires("Broken")
    run = bridge.ended(bridge.decided(alertname="Broken", decision="run")["run_id"])
    alerts = [step["reason"] for step in run["steps"] if step["action"] == "alert"]
    assert alerts == ["told ops, lead", "ops, lead have been told before"]
    with closing(sqlite3.connect(bridge.folder / "data" / "ledger.db")) as ledger:
        told = ledger.execute("SELECT notifier, title, story FROM escalations ORDER BY notifier").fetchall()
    title = "Broken on web-1:9100: tell: web-1:9100 is being looked at 🚨"
    assert [(notifier, told_title) for notifier, told_title, _ in told] == [("lead", title), ("ops", title)]
    assert all("**Alert** since" in story for _, _, story in told)


@pytest.mark.parametrize(
    ("notifiers", "said"),
    [
        ("{ops: {kind: log}}", "remediations[0].steps[0].alert.to: unknown notifier 'opps' (did you mean 'ops'?)"),
        ("{}", "remediations[0].steps[0].alert.to: unknown notifier 'opps' (notifiers: is empty)"),
    ],
)
def test_an_unknown_notifier_is_refused_at_load(notifiers: str, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        world.policy(
            f"notifiers: {notifiers}\n"
            "remediations: [{name: tell, match: 'a=b', steps: [{alert: {to: [opps]}}], verify: none}]"
        )
    assert said in str(refused.value)
