"""The log: what each line is about, the two files for people, secrets, rotation, and disks that take nothing more."""

import json
import logging
import re
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog

from bridge.decision.gates import Decision, Verdict
from bridge.log_files import LogFiles
from bridge.logs import configure_logs
from bridge.policy.log_keys import Logs
from bridge.telling import Event, News, about, tell
from tests.bridge.durability.process import BridgeProcess, eventually
from tests.bridge.world import alert, episode, notification

KEYS = ["timestamp", "severity", "message", "action", "description"]
Lines = Callable[[], list[dict]]


@pytest.fixture
def said(capfd: pytest.CaptureFixture[str]) -> Iterator[Lines]:
    """Return the lines of JSON on standard error; afterwards the log is as it was."""
    theirs = [logging.getLogger(name) for name in (None, "gunicorn.error")]
    handlers = [(logger, logger.handlers, logger.propagate) for logger in theirs]
    before = structlog.get_config()
    yield lambda: [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    for processor in structlog.get_config()["processors"]:
        if isinstance(processor, LogFiles):
            processor.close()
    structlog.configure(**before)
    for logger, its_handlers, propagates in handlers:
        logger.handlers, logger.propagate = its_handlers, propagates


def files(folder: Path) -> tuple[list[dict], list[str]]:
    alerts, fixes = folder / "alerts.log", folder / "auto_fix.log"
    lines = [json.loads(line) for line in alerts.read_text().splitlines()] if alerts.exists() else []
    return lines, fixes.read_text().splitlines() if fixes.exists() else []


def test_every_line_says_what_it_is_about(said: Lines) -> None:
    configure_logs(Logs(format="json"))
    log = structlog.get_logger("any")
    with about(episode(), "restart-api", 12):
        log.info("inside")
    log.info("outside")
    inside, outside = said()
    assert (
        inside.items()
        >= {
            "event": "inside",
            "episode": episode().fingerprint,
            "run": 12,
            "remediation": "restart-api",
            "alert": "Down on web-1:9100",
            "severity": "critical",
            "level": "info",
        }.items()
    )
    assert list(outside) == list(inside)[:3] == ["timestamp", "level", "event"]


@pytest.mark.parametrize(
    ("event", "fields", "action"),
    [
        (Event.DECIDED, {"decision": "breaker_open", "reason": "6 hosts"}, "breaker_open"),
        (Event.STARTED, {"target": "web-1"}, "started"),
        (Event.ATTEMPT_FAILED, {"reason": "it still fires"}, "attempt_failed"),
        (Event.ENDED, {"outcome": "fixed", "reason": "it cleared"}, "fixed"),
        (Event.TOLD, {"notifier": "ops", "title": "it was told"}, "escalated"),
        (Event.NOT_TOLD, {"dead": True, "reason": "no such host"}, "escalation_dead"),
    ],
)
def test_what_is_worth_an_eye_has_a_line_with_exactly_these_keys(
    tmp_path: Path, said: Lines, event: Event, fields: dict, action: str
) -> None:
    configure_logs(Logs(format="json", directory=tmp_path / "logs"))
    with about(episode(), "restart-api", 12):
        structlog.get_logger("any").info(event, **fields)
        structlog.get_logger("any").info("something else")
    (line,), _ = files(tmp_path / "logs")
    assert list(line) == KEYS
    assert (line["severity"], line["action"]) == ("critical", action)
    assert line["message"] == f"Down on web-1:9100: restart-api: {event}"
    assert line["description"] == fields.get("reason", fields.get("title", event))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", line["timestamp"])
    assert len(said()) == 2


def test_what_was_done_is_told_in_words_and_no_output_looks_like_a_line_of_ours(tmp_path: Path, said: Lines) -> None:
    configure_logs(Logs(format="json", directory=tmp_path))
    with about(episode(), "restart-api", 12):
        log = structlog.get_logger("any")
        log.info(Event.STARTED)
        log.info(Event.STEP, action="command", outcome="failed", reason="it said\n2026-01-01 run 1: fixed\x1b[2J")
        log.info(Event.DECIDED, decision="paused", reason="no news here")
    _, (started, step) = files(tmp_path)
    assert started.endswith(" run 12 restart-api (Down on web-1:9100): run started")
    assert step.endswith(": step: command: failed: it said 2026-01-01 run 1: fixed [2J")
    assert len(said()) == 3


def test_secrets_are_in_no_line(tmp_path: Path, said: Lines) -> None:
    configure_logs(Logs(format="json", directory=tmp_path))
    with about(episode({"alertname": "Down", "instance": "http://ann:hunter2@web-1"}), "restart-api"):
        structlog.get_logger("any").info(Event.ENDED, outcome="failed", reason="password=hunter2 was wrong")
    assert "hunter2" not in json.dumps(said())
    assert "hunter2" not in "".join(file.read_text() for file in tmp_path.iterdir())


def test_what_libraries_and_gunicorn_say_looks_like_ours(said: Lines) -> None:
    configure_logs(Logs(format="json"))
    logging.getLogger("urllib3").warning("token=%s", "hunter2")
    logging.getLogger("gunicorn.error").error("a worker ends")
    one, other = said()
    assert (one["event"], one["level"]) == ("token=<redacted>", "warning")
    assert (other["event"], other["level"]) == ("a worker ends", "error")


def test_columns_for_a_person(capfd: pytest.CaptureFixture[str], said: Lines) -> None:
    configure_logs(Logs(format="console"))
    structlog.get_logger("any").info("inside", run=12)
    line = capfd.readouterr().err
    assert re.search(r"\[info +\] inside +run=12", line)


def test_what_is_less_than_the_level_is_not_said(said: Lines) -> None:
    news = [News(episode(), "r", Decision(verdict, "why")) for verdict in (Verdict.COOLDOWN, Verdict.BREAKER_OPEN)]
    for level, expected in (("info", ["breaker_open"]), ("debug", ["breaker_open", "cooldown"]), ("error", [])):
        configure_logs(Logs(format="json", level=level))
        tell(structlog.get_logger("any"), news)
        assert [line["decision"] for line in said()] == expected


def test_a_storm_is_told_by_its_first(said: Lines) -> None:
    configure_logs(Logs(format="json"))
    tell(structlog.get_logger("any"), [News(episode(), "r", Decision(Verdict.BREAKER_OPEN, "why"))] * 10_000)
    lines = said()
    assert len(lines) == 11
    assert lines[-1]["decisions"] == 9_990


def test_a_file_is_ours_and_a_new_one_is_begun_at_10_MB(tmp_path: Path, said: Lines) -> None:
    folder = tmp_path / "logs"
    configure_logs(Logs(format="json", directory=folder, keep=2))
    with about(episode(), "restart-api", 12):
        for _ in range(5):
            structlog.get_logger("any").info(Event.STEP, action="command", outcome="succeeded", reason="done")
            with (folder / "auto_fix.log").open("a") as file:
                file.write("x" * (9_999_990 - file.tell()) + "\n")
    names = sorted(file.name for file in folder.iterdir())
    assert names == ["auto_fix.log", "auto_fix.log.1", "auto_fix.log.2"]
    assert all(file.stat().st_size <= 10_000_000 for file in folder.iterdir())
    assert {stat.S_IMODE(file.stat().st_mode) & ~0o640 for file in folder.iterdir()} == {0}
    assert folder.stat().st_mode & 0o007 == 0


def test_a_folder_that_cannot_be_written_is_said_once_and_stops_nothing(tmp_path: Path, said: Lines) -> None:
    folder = tmp_path / "logs"
    folder.write_text("a file is in its place")
    configure_logs(Logs(format="json", directory=folder))
    log = structlog.get_logger("any")
    for _ in range(3):
        log.info(Event.STARTED)
    told = [line["event"] for line in said()]
    assert told.count("run started") == 3
    assert told.count("a log file cannot be written") == 2  # one for each file
    folder.unlink()
    log.info(Event.STARTED)
    alerts, fixes = files(folder)
    assert (len(alerts), len(fixes)) == (1, 1)


def test_a_line_that_a_full_disk_cut_off_is_taken_away(tmp_path: Path, said: Lines) -> None:
    (tmp_path / "alerts.log").write_text('{"timestamp": "whole"}\n{"timest')
    configure_logs(Logs(format="json", directory=tmp_path))
    structlog.get_logger("any").info(Event.STARTED)
    alerts, _ = files(tmp_path)
    assert [line["timestamp"] == "whole" for line in alerts] == [True, False]


def test_a_link_in_their_place_is_not_followed(tmp_path: Path, said: Lines) -> None:
    (tmp_path / "dear").write_text("dear\n")
    (tmp_path / "alerts.log").symlink_to(tmp_path / "dear")
    configure_logs(Logs(format="json", directory=tmp_path))
    structlog.get_logger("any").info(Event.STARTED)
    assert (tmp_path / "dear").read_text() == "dear\n"


FULL = """
import os, structlog
os.dup2(os.open("/dev/full", os.O_WRONLY), 2)
from bridge.logs import configure_logs
from bridge.policy.log_keys import Logs
configure_logs(Logs(format="json"))
for _ in range(3):
    structlog.get_logger("any").warning("x" * 10000)
os.write(1, b"went on")
"""


def test_a_full_disk_behind_standard_error_stops_nothing() -> None:
    done = subprocess.run([sys.executable, "-c", FULL], stdout=subprocess.PIPE, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (0, b"went on")


BRIDGE = """
logs: {{directory: {folder}/logs, format: json, level: debug}}
defaults: {{cooldown: 0s, max_retries: 0, escalate: [{{after_attempts: 1, to: [record]}}]}}
allow: {{commands: [/bin/true, /bin/false]}}
notifiers: {{record: {{kind: log}}}}
remediations:
  - {{name: works, match: 'alertname="Works"', steps: [command: {{argv: [/bin/true]}}], verify: none}}
  - {{name: fails, match: 'alertname="Fails"', steps: [command: {{argv: [/bin/false]}}], verify: none}}
  - {{name: asks, match: 'alertname="Asks"', mode: approve, steps: [command: {{argv: [/bin/true]}}]}}
  - {{name: nobody, match: 'alertname="Nobody"', target: '{{{{ labels.none }}}}', steps: [wait: {{duration: 1s}}]}}
"""


def test_a_bridge_tells_the_whole_story(tmp_path: Path) -> None:
    bridge = BridgeProcess(tmp_path, BRIDGE.format(folder=tmp_path))
    bridge.start()
    try:
        names = ("Works", "Fails", "Asks", "Nobody")
        alerts = [alert({"alertname": name, "instance": name.lower(), "severity": "warning"}) for name in names]
        assert bridge.ask("POST", "/webhook", notification(*alerts))[0] == 200
        actions = {"started", "unverified", "failed", "escalated", "awaiting_approval", "no_target"}
        eventually(lambda: actions <= {line["action"] for line in files(tmp_path / "logs")[0]})
        assert bridge.terminate() == 0
    finally:
        bridge.close()
    lines, fixes = files(tmp_path / "logs")
    assert {tuple(line) for line in lines} == {tuple(KEYS)}
    one = [line.split("): ")[1].split(":")[0] for line in fixes if " works " in line]
    assert one == ["run started", "step", "run ended"]
    assert any("step: command: failed" in line for line in fixes)
    said = [json.loads(line) for line in bridge.log().splitlines() if not line.startswith("remedy bridge: http")]
    about_runs = [line for line in said if "run" in line]
    assert len(about_runs) >= 8
    assert all({"episode", "remediation"} <= set(line) for line in about_runs), about_runs
    decided = {line["decision"] for line in said if line["event"] == "decided"}
    assert decided == {"run", "awaiting_approval", "no_target"}
    assert all("episode" in line for line in said if line["event"] == "decided")
    modes = {stat.S_IMODE(file.stat().st_mode) & ~0o640 for file in (tmp_path / "logs").iterdir()}
    assert modes == {0}


def test_no_file_is_made_before_there_is_something_to_say(tmp_path: Path) -> None:
    assert LogFiles.of(Logs()) == []
    assert len(LogFiles.of(Logs(directory=tmp_path / "logs"))) == 1
    assert list(tmp_path.iterdir()) == []
