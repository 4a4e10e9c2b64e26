"""Whatever stands in error_patterns.json is read, and becomes a configuration that is accepted; nothing is dropped."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import yaml
from hypothesis import HealthCheck, given, settings

from bridge.decision.facts import Episode
from bridge.decision.gates import choose
from bridge.policy.loading import load_policy
from exporters.config import read_config
from remedy.config.problems import ConfigError
from remedy.config.yamlfile import parse_yaml
from remedy.error_patterns.translation import Where, translate
from remedy.error_patterns.writing import exporter_text, remediation_text
from remedy.runner.task import Files, parsed
from tests.remedy.error_patterns.files import FILES, PATTERN, whole, written


def translated(folder, content, extra=None, **environment):
    return translate(Where(written(folder, content, extra), environment=environment))


def said(made):
    return "\n".join(f"{note.path}: {note.message}" for note in made.notes)


def steps(made, name):
    entry = next(entry for entry in made.remediation["remediations"] if entry["name"] == name)
    return entry.get("steps", [])


def one(action, **keys):
    return {"error_patterns": [PATTERN | {"auto_fix": True, "actions": [action]} | keys]}


def test_every_action_and_check_is_there_or_said_not_to_be(tmp_path):
    made = translated(tmp_path, whole())
    parsed(made)
    used = {next(iter(step)) for entry in made.remediation["remediations"] for step in entry.get("steps", [])}
    assert used == {
        "log_rotate", "cache_clear", "temp_file_cleanup", "old_file_cleanup", "create_missing_dirs", "fix_permissions",
        "check_permissions", "collect_status", "check_port", "backup_and_fix_json", "database_vacuum", "log_analysis",
        "backup",
    }  # fmt: skip
    left_out = said(made)
    for word in (
        "service_restart is disabled",
        "kill_process_on_port is disabled",
        "reticulate_splines",
        "phase_of_the_moon",
    ):
        assert word in left_out
    assert made.missing == {
        "units": ["shop.service"],
        "processes": ["python3"],
        "roots": ["/tmp", "/var/tmp"],
        "ports": [5100],
    }
    assert {check["kind"] for check in made.exporter["checks"]} >= {
        "http",
        "tcp",
        "disk",
        "memory",
        "cpu",
        "sqlite",
        "file",
    }


def test_what_is_missing_lets_everything_in(tmp_path):
    missing = translated(tmp_path, whole()).missing
    made = translated(tmp_path, whole(), yaml.safe_dump({"allow": missing}))
    assert made.missing == {}
    assert "units" in made.remediation["allow"]
    assert [next(iter(step)) for step in steps(made, "p0")] == ["service_restart"]
    assert steps(made, "p1") == [
        {
            "process_signal": {
                "processes": {"command_line": r"(^|[\s/=])app\.py($|[\s:])"},
                "signal": "HUP",
                "most": 100,
            }
        }
    ]


@pytest.mark.parametrize(
    ("action", "step"),
    [
        ({"type": "log_rotate"}, {"log_rotate": {"directories": ["{base}/logs"], "patterns": ["*.log"]}}),
        ({"type": "cache_clear"}, {"cache_clear": {"directories": ["{base}/cache"]}}),
        (
            {"type": "old_file_cleanup"},
            {"old_file_cleanup": {"directories": ["{base}/logs", "{base}/cache", "{base}/uploads"], "days": 30}},
        ),
        ({"type": "old_file_cleanup", "days": 2}, {"old_file_cleanup": {"days": 7}}),
        (
            {"type": "backup_and_fix_json"},
            {"backup_and_fix_json": {"directories": ["{base}/data"], "patterns": ["*.json"]}},
        ),
        ({"type": "backup"}, {"backup": {"paths": ["{base}/data"]}}),
        ({"type": "check_port", "port": "80"}, {"collect_status": {"ports": [80]}}),
        (
            {"type": "fix_permissions", "paths": ["data"], "mode": 644},
            {"fix_permissions": {"mode": "0644", "dir_mode": "0755"}},
        ),
        (
            {"type": "temp_file_cleanup", "directories": ["tmp"]},
            {"temp_file_cleanup": {"patterns": ["*"], "older_than": "24h"}},
        ),
    ],
)  # fmt: skip
def test_what_was_never_written_down(tmp_path, action, step):
    made = translated(tmp_path, one(action))
    base = str(tmp_path / "app")
    (found,) = steps(made, "http_5xx")
    (name, wanted), *_ = json.loads(json.dumps(step).replace("{base}", base)).items()
    assert found[name].items() >= wanted.items()


OUTSIDE = [
    {"type": "create_missing_dirs", "directories": ["/srv/elsewhere/new"]},
    {"type": "fix_permissions", "paths": ["/srv/elsewhere/data"], "mode": "755"},
    {"type": "check_permissions", "paths": ["/srv/elsewhere/data"]},
    {"type": "log_analysis", "log_files": ["/srv/elsewhere/x.log"]},
    {"type": "temp_file_cleanup", "paths": ["/srv/elsewhere/x-*"]},
    {"type": "old_file_cleanup", "directories": ["/srv/elsewhere/old"]},
    {"type": "cache_clear", "directories": ["/srv/elsewhere/cache"]},
    {"type": "backup", "paths": ["/srv/elsewhere/data"]},
]


@pytest.mark.parametrize("action", OUTSIDE, ids=[action["type"] for action in OUTSIDE])
def test_the_line_that_is_named_lets_it_in(tmp_path, action):
    before = translated(tmp_path, one(action))
    assert steps(before, "http_5xx") == []
    after = translated(tmp_path, one(action), yaml.safe_dump({"allow": before.missing}))
    assert len(steps(after, "http_5xx")) == 1, said(after)


def test_the_size_of_a_log_and_a_channel_that_is_not_there(tmp_path):
    made = translated(
        tmp_path,
        one("log_rotate") | {"auto_fix_config": {"max_log_size_mb": "2", "notification_channels": ["github_issue"]}},
    )
    assert steps(made, "http_5xx")[0]["log_rotate"]["size"] == "2MiB"
    assert "notifiers: {github_issue: {kind: github_issue" in said(made)


def test_the_usual_logs_and_never_our_own(tmp_path):
    usual = [source["path"] for source in translated(tmp_path, one("log_rotate")).exporter["log_sources"]]
    assert usual == [f"{tmp_path}/app/logs/app.log", "/var/log/syslog", "/var/log/postgresql/*.log"]
    made = translated(
        tmp_path, one("log_rotate") | {"log_paths": ["logs/app.log", "logs/auto_fix.log", "logs/alerts.log"]}
    )
    assert [source["name"] for source in made.exporter["log_sources"]] == ["app"]
    assert said(made).count("what we write ourselves") == 2


@pytest.mark.parametrize(
    ("environment", "url"),
    [
        ({}, "http://localhost:5100/api/health"),
        ({"MKS_PORT": "5999"}, "http://localhost:5999/api/health"),
        ({"MKS_PORT": "5999", "MKS_HEALTHCHECK_URL": "http://h/x"}, "http://h/x"),
        ({"MKS_SKIP_HTTP_CHECK": "true"}, None),
    ],
)
def test_the_environment_changes_or_skips_the_http_check(tmp_path, environment, url):
    made = translated(tmp_path, whole(), **environment)
    assert next((check["url"] for check in made.exporter["checks"] if check["kind"] == "http"), None) == url
    assert "health_checks[0].critical: the key is not known" not in said(made)


def test_without_auto_fix_people_are_told_if_it_alerts(tmp_path):
    alert = {"type": "alert", "description": "x"}
    for auto_fix, action, wants in ((False, alert, True), (False, {"type": "log_rotate"}, False), (True, alert, True)):
        made = translated(tmp_path, one(action, auto_fix=auto_fix))
        (entry,) = made.remediation["remediations"]
        assert entry["auto_fix"] is False
        assert ("escalate" in entry) is wants


def test_a_remediation_yml_holds_before_what_is_translated(tmp_path):
    own = "  - {name: http_5xx, match: ['pattern=\"http_5xx\"'], auto_fix: false}\n"
    extra = f"defaults: {{cooldown: 9m}}\nremediations:\n{own}"
    made = translated(tmp_path, one({"type": "log_rotate"}), extra)
    assert made.remediation["defaults"]["cooldown"] == "9m"
    assert [entry["name"] for entry in made.remediation["remediations"]] == ["http_5xx"]
    assert steps(made, "http_5xx") == []


def test_logs_that_nothing_may_read_are_named_where_they_are_to_be_analysed(tmp_path):
    analysis = one({"type": "log_analysis"})
    made = translated(tmp_path, analysis | {"log_paths": ["/srv/elsewhere/x.log"]})
    assert "log_analysis is disabled: '/srv/elsewhere/x.log' is in none of allow.roots" in said(made)
    assert made.missing == {"roots": ["/srv/elsewhere"]}
    assert "actions[0]: is left out: there is no log to look at" in said(
        translated(tmp_path, analysis | {"log_paths": []})
    )


def test_the_lines_that_let_things_in_stand_as_they_would_be(tmp_path):
    made = translated(tmp_path, one({"type": "service_restart", "service": "web"}) | whole())
    text = remediation_text(made)
    for line in text.splitlines():
        if line.startswith(("  # roots: ", "  # units: ", "  # ports: ", "  # processes: ")):
            key = line[4:].partition(":")[0]
            there = next((each for each in text.splitlines() if each.startswith(f"  {key}: ")), None)
            text = text.replace(there, "", 1) if there else text
            text = text.replace(line, line.replace("# ", "", 1), 1)
    (tmp_path / "remediation.yml").write_text(text)
    assert load_policy(tmp_path / "remediation.yml", insecure=True).settings.allow.ports == {5100}
    assert len(load_policy(tmp_path / "remediation.yml", insecure=True).settings.allow.roots) == 3


def test_a_wrong_remediation_yml_is_refused_with_its_line(tmp_path):
    with pytest.raises(ConfigError, match=r"remediation\.yml:1: allow: unknown key 'unit'"):
        translated(tmp_path, whole(), "allow: {unit: [x]}\n")


def test_what_json_takes_is_read_and_what_it_does_not_is_refused(tmp_path):
    file = written(tmp_path, {})
    file.write_text('{"error_patterns": [], "error_patterns": [{"id": "a", "pattern": "x", "severity": "error"}]}')
    made = translate(Where(file))
    assert [pattern.id for pattern in made.patterns] == ["a"]
    assert "stands here twice" in said(made)
    file.write_text('{"error_patterns": [}')
    with pytest.raises(ConfigError, match=r"error_patterns\.json:1: is not YAML"):
        translate(Where(file))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(FILES)
def test_any_file_is_accepted_and_imported_as_the_same(content):
    with TemporaryDirectory() as folder:
        made = translated(Path(folder), content)
        exporter, policy = parsed(made)
        _nothing_dropped_in_silence(content, made)
        out = Path(folder)
        (out / "exporter.yml").write_text(exporter_text(made))
        (out / "remediation.yml").write_text(remediation_text(made))
        (out / "remediation.yml").chmod(0o600)
        assert parse_yaml(exporter_text(made), "exporter.yml").data == made.exporter
        assert parse_yaml(remediation_text(made), "remediation.yml").data == made.remediation
        assert read_config(out / "exporter.yml") == exporter
        imported = load_policy(out / "remediation.yml", insecure=True)
        assert imported == policy
        for pattern in made.patterns:
            labels = {"alertname": "LogPatternMatched", "pattern": pattern.id, "instance": "h:1", "source": "app"}
            episode = Episode(1, "f", labels, {}, 0.0, 0.0, 0.0)
            ours, theirs = choose(episode, policy), choose(episode, imported)
            assert ours == theirs
            assert [each.name for each in ours[0]] == [pattern.id]


def _nothing_dropped_in_silence(content, made):
    """Each pattern and check of the file is used, or some note has its path."""
    paths = {note.path for note in made.notes}

    def noted(path):
        return any(each.startswith(path) for each in paths)

    lines = len(made.patterns) + sum(noted(f"error_patterns[{i}]") for i in range(len(content["error_patterns"])))
    assert lines >= len(content["error_patterns"])
    checks = content.get("health_checks", [])
    used = len(made.exporter["checks"]) + sum(noted(f"health_checks[{i}]") for i in range(len(checks)))
    assert used >= len(checks)


def test_what_others_may_write_is_refused_also_beside_the_file(tmp_path):
    file = written(tmp_path, whole(), "allow: {ports: [5100]}\n")
    for name in ("error_patterns.json", "remediation.yml"):
        file.with_name(name).chmod(0o666)
        with pytest.raises(ConfigError, match=f"{name}: others may write it"):
            Files((file,), None, None, {}).read()
        file.with_name(name).chmod(0o600)
