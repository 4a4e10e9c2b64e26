"""remediation.yml: what is wrong is refused whole and said at once, with file, line, key path and a suggestion."""

# ruff: noqa: E501 - a configuration is read by its lines

from datetime import timedelta
from pathlib import Path

import pytest

from bridge.policy.config import Mode, Settings
from bridge.policy.loading import load_policy
from remedy.config.problems import ConfigError
from tests.bridge.world import policy
from tests.wrong_files import cases, check

WRONG = Path(__file__).parent / "wrong"


@pytest.mark.parametrize("file", cases(WRONG))
def test_a_wrong_file_is_refused_with_these_words(file: Path) -> None:
    check(file, lambda wrong: load_policy(wrong, insecure=True))


def test_the_form_of_a_message_is_a_contract() -> None:
    said = (WRONG / "unknown_action.txt").read_text().splitlines()
    assert said[0] == (
        "unknown_action.yml:8: remediations[1].steps[0]: "
        "unknown action 'servce_restart' (did you mean 'service_restart'?)"
    )


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """The example of the design, with paths that are there."""
    for name in ("token", "ops.urls", "user.pw"):
        (tmp_path / name).write_text("json://127.0.0.1/x\n")
        (tmp_path / name).chmod(0o600)
    (tmp_path / "logs").mkdir()
    file = tmp_path / "remediation.yml"
    file.write_text(EXAMPLE.replace("FOLDER", str(tmp_path)))
    file.chmod(0o600)
    return file


EXAMPLE = """
mode: auto
alertmanagers:
  - {url: "http://127.0.0.1:9093/am/"}
  - {url: "https://am-2:9093", basic_auth: {username: u, password_file: FOLDER/user.pw}, tls_config: {insecure_skip_verify: true}}
prometheus: {url: "http://127.0.0.1:9090", authorization: {credentials: x}}
database: sqlite:///FOLDER/ledger.db
web: {listen: 127.0.0.1:9095, bearer_token_file: FOLDER/token, external_hosts: [bridge.example]}
limits: {concurrent: 4, runs_per_hour: 60, targets: {max: 5, window: 10m}}
defaults: {cooldown: 5m, max_retries: 3, retry_delay: 60s, timeout: 60s, backup: true}
allow: {units: [itsm-nexus.service], roots: [FOLDER/logs], commands: [/usr/bin/id], ports: [5100]}
notifiers:
  ops: {kind: apprise, urls_file: FOLDER/ops.urls}
remediations:
  - name: restart-api
    match: ['alertname="HealthCheckFailing"', 'check="http_endpoint"']
    host: "{{ labels.instance | host }}"
    target: "{{ labels.instance | host }}/{{ labels.check }}"
    mode: auto
    steps:
      - command: {argv: [/usr/bin/id, -u], timeout: 30s}
      - service_restart: {unit: itsm-nexus.service}
    verify: {alert_clears_within: 5m, stable_for: 0s}
    escalate:
      - {after_attempts: 3, to: [ops]}
      - {unresolved_for: 30m, to: [ops]}
  - name: every-key
    match: 'alertname="LogPatternMatched"'
    continue: true
    mode: off
    cooldown: 1h
    max_retries: 0
    retry_delay: 1s
    timeout: 5s
    backup: false
    on_step_failure: continue
    on_resolve: finish
    flapping: {times: 5, within: 2h}
    runbook_url: https://example.invalid/runbook
    escalate: [{flapping: true, to: [ops]}]
    steps: [{wait: {duration: "{{ labels.for }}"}}]
    verify: {quiet_for: 1m, within: 5m}
  - {name: probed, match: 'a="1"', steps: [{wait: {duration: 1s}}], verify: {probe: "http://127.0.0.1:9195/probe?check=x"}}
  - {name: asked, match: 'a="2"', steps: [{wait: {duration: 1s}}], verify: {query: "up == 1", within: 1m, stable_for: 10s}}
  - {name: unproven, match: 'a="3"', steps: [{wait: {duration: 1s}}], verify: none}
  - {name: told, match: 'a="4"', auto_fix: false}
"""


def test_the_designs_own_example_is_right(example: Path) -> None:
    loaded = load_policy(example)
    restart, every, *_, told = loaded.remediations
    assert [step.action for step in restart.steps] == ["command", "service_restart"]
    assert [str(matcher) for matcher in restart.matchers] == ['alertname="HealthCheckFailing"', 'check="http_endpoint"']
    assert (restart.cooldown, restart.max_retries, restart.mode) == (timedelta(minutes=5), 3, Mode.AUTO)
    assert restart.stop_on_failure
    assert restart.cancel_on_resolve
    assert (every.cooldown, every.max_retries, every.mode) == (timedelta(hours=1), 0, Mode.OFF)
    assert (every.stop_on_failure, every.cancel_on_resolve, every.backup) == (False, False, False)
    assert (every.flapping.times, every.goes_on) == (5, True)
    assert not told.auto_fix
    assert loaded.settings.alertmanagers[0].base == "http://127.0.0.1:9093/am"
    assert loaded.ledger_file == example.parent / "ledger.db"


def test_what_proves_it_is_chosen_by_its_key(example: Path) -> None:
    chosen = {r.name: type(r.verify).__name__ for r in load_policy(example).remediations}
    assert chosen == {
        "restart-api": "AlertClears",
        "every-key": "QuietFor",
        "probed": "Probe",
        "asked": "Query",
        "unproven": "NoVerification",
        "told": "NoneType",
    }


@pytest.mark.parametrize(
    ("above", "own", "holds"),
    [
        ("auto", "approve", "approve"),
        ("dry_run", "auto", "dry_run"),
        ("off", "dry_run", "off"),
        ("approve", "off", "off"),
    ],
)
def test_the_stricter_of_two_modes_holds(above: str, own: str, holds: str) -> None:
    text = f"mode: {above}\nremediations: [{{name: a, match: 'a=\"1\"', mode: {own}, steps: [{{wait: {{duration: 1s}}}}]}}]"
    assert policy(text).remediations[0].mode == holds


def test_off_is_a_mode_however_yaml_reads_it() -> None:
    assert policy("mode: off").settings.mode is Mode.OFF
    assert policy("mode: 'off'").settings.mode is Mode.OFF
    assert Settings.model_validate({"mode": False}).mode is Mode.OFF


@pytest.mark.parametrize("mode", [0o666, 0o660, 0o602])
def test_a_file_that_others_may_write_is_refused(example: Path, mode: int) -> None:
    example.chmod(mode)
    with pytest.raises(
        ConfigError, match=rf"{example}: others may write it: chmod [go]+-w .* \(or say --insecure-config\)"
    ):
        load_policy(example)
    assert load_policy(example, insecure=True).remediations


def test_sections_may_be_left_empty() -> None:
    empty = policy("web:\nlimits:\ndefaults:\nallow:\nnotifiers:\nremediations:\n")
    assert (empty.remediations, empty.settings.limits.concurrent, empty.settings.web.listen) == (
        (),
        4,
        "127.0.0.1:9095",
    )


def test_no_secret_is_repeated() -> None:
    secrets = """
        database: mysql://root:hunter2@db/ledger
        prometheus: {url: "hunter2://x", basic_auth: {username: x, password: [hunter2]}}
        alertmanagers: [{url: "ftp://hunter2@x", authorization: {credentials: {a: hunter2}}}]
        """
    with pytest.raises(ConfigError) as refused:
        policy(secrets)
    assert len(refused.value.problems) >= 4
    assert "hunter2" not in str(refused.value)


def test_what_labels_fill_is_not_refused_before_they_do() -> None:
    """Only what is forbidden whatever the labels say is refused at load; the rest when the step is filled."""
    text = """
        allow: {units: [app.service], roots: [/var/log/app], commands: [/usr/bin/id]}
        remediations:
          - name: a
            match: 'a="1"'
            steps:
              - service_restart: {unit: "{{ labels.unit }}"}
              - command: {argv: [/usr/bin/id, "{{ labels.user }}"]}
              - old_file_cleanup: {directories: ["{{ labels.folder }}"], days: 7, patterns: ["*.log"]}
        """
    assert len(policy(text).remediations[0].steps) == 3
    with pytest.raises(ConfigError, match="who' is not in allow"):
        policy(text.replace("[/usr/bin/id, ", "[/usr/bin/who, "))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("remediations: [{name: a, match: 'a=\"1\"', steps: [{xyzzy: {}}]}]", "unknown action 'xyzzy' (known: "),
        ("notifiers: {ops: {url: x}}", "the key 'kind' is missing (known: "),
    ],
)
def test_where_nothing_is_close_the_choices_are_named(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        policy(text)
    assert said in str(refused.value)
