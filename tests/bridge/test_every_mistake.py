"""No mistake hides another: what is said of one is also said where there is a second one, wherever that is."""

import functools
from typing import Any

import pytest
import yaml

from bridge.policy.loading import check_policy
from remedy.config.problems import ConfigError
from remedy.config.yamlfile import parse_yaml

RIGHT = """
mode: auto
alertmanagers: [{url: "http://127.0.0.1:9093"}, {url: "http://127.0.0.1:9094"}]
prometheus: {url: "http://127.0.0.1:9090"}
web: {listen: "127.0.0.1:9095"}
limits: {concurrent: 4, targets: {max: 5, window: 10m}}
defaults: {cooldown: 5m, escalate: [{after_attempts: 1, to: [ops]}, {unresolved_for: 1h, to: [ops]}]}
allow: {units: [app.service, other.service], roots: [/var/log/app, /var/log/other], commands: [/usr/bin/id, /bin/ls]}
notifiers: {ops: {kind: log}, lead: {kind: webhook, url: "http://127.0.0.1:9/x"}}
remediations:
  - name: first
    match: ['alertname="A"', 'severity="critical"']
    steps:
      - command: {argv: [/usr/bin/id, -u], timeout: 30s}
      - service_restart: {unit: app.service}
      - old_file_cleanup: {directories: [/var/log/app], days: 7, patterns: ["*.log"]}
    verify: {alert_clears_within: 5m}
    escalate: [{after_attempts: 1, to: [ops]}, {unresolved_for: 1h, to: [lead]}]
  - name: second
    match: 'alertname="B"'
    steps: [{wait: {duration: 1s}}]
"""
FIRST = ("remediations", 0)
STEP = (*FIRST, "steps", 0, "command")
MISTAKES: dict[str, tuple[tuple[Any, ...], Any]] = {
    "a strange key": (("mood",), "good"),
    "a strange mode": (("mode",), "automatic"),
    "an address": (("alertmanagers", 0, "url"), "here"),
    "a secret that is not there": (("alertmanagers", 1, "authorization"), {"credentials_file": "/gone/a"}),
    "a strange key of a peer": (("prometheus", "uri"), "x"),
    "another that is not there": (("prometheus", "basic_auth"), {"username": "x", "password_file": "/gone/b"}),
    "where to listen": (("web", "listen"), "nowhere"),
    "a limit": (("limits", "concurrent"), 0),
    "a window": (("limits", "targets", "window"), "soon"),
    "a default": (("defaults", "cooldown"), "5 minutes"),
    "a default level": (("defaults", "escalate", 0, "after_attempts"), 0),
    "a default level to nobody": (("defaults", "escalate", 1, "to"), ["opps"]),
    "an allowed unit": (("allow", "units", 0), 5),
    "an allowed root": (("allow", "roots", 1), 5),
    "an allowed shell": (("allow", "commands", 1), "/bin/sh"),
    "a strange key of allow": (("allow", "unit"), "x"),
    "a notifier of no kind": (("notifiers", "other"), {"url": "x"}),
    "a notifier's field": (("notifiers", "lead", "url"), "there"),
    "a matcher": ((*FIRST, "match", 0), "alertname is A"),
    "a matcher that is a number": ((*FIRST, "match", 1), 5),
    "a name": ((*FIRST, "name"), "restart everything"),
    "a name twice": (("remediations", 1, "name"), "first"),
    "a mode of its own": ((*FIRST, "mode"), "of"),
    "a template": ((*FIRST, "host"), "{{ labels.host "),
    "another template": ((*FIRST, "target"), "{{ label }}"),
    "a strange key of a remediation": ((*FIRST, "retries"), 3),
    "a cooldown": ((*FIRST, "cooldown"), -1),
    "a step's timeout": ((*STEP, "timeout"), "long"),
    "a program that is not allowed": ((*STEP, "argv", 0), "/usr/bin/who"),
    "a strange field": ((*STEP, "shell"), True),
    "a unit that is not allowed": ((*FIRST, "steps", 1, "service_restart", "unit"), "ap.service"),
    "an action": ((*FIRST, "steps", 1), {"servce_restart": {}}),
    "a folder that is not allowed": ((*FIRST, "steps", 2, "old_file_cleanup", "directories", 0), "/etc"),
    "a number of days": ((*FIRST, "steps", 2, "old_file_cleanup", "days"), "many"),
    "a proof": ((*FIRST, "verify"), {"alert_clear_within": "5m"}),
    "a proof's time": ((*FIRST, "verify", "stable_for"), "long"),
    "a level": ((*FIRST, "escalate", 0, "after_attempts"), "three"),
    "a level that says when twice": ((*FIRST, "escalate", 0, "flapping"), True),
    "a level to nobody": ((*FIRST, "escalate", 1, "to"), ["leed"]),
    "a level without anybody": ((*FIRST, "escalate", 1, "to"), []),
    "flapping": ((*FIRST, "flapping"), {"times": 0, "in": "1h"}),
    "what is no remediation": (("remediations", 1), "restart"),
    "no steps": (("remediations", 1, "steps"), []),
}
"""One each: where it is, and what stands there."""
ALLOWED = {"an allowed unit", "an allowed root", "an allowed shell", "a strange key of allow"}
NOT_ALLOWED = {"a program that is not allowed", "a unit that is not allowed", "a folder that is not allowed"}
NO_TWO = [{"a name", "a name twice"}, *({one, other} for one in ALLOWED for other in NOT_ALLOWED)]
"""No two mistakes: a name that is another one is not taken, and what is allowed is not known where that is wrong."""


@functools.cache
def said(*mistakes: str) -> set[tuple[str, str]]:
    """Return the key's path and the message of each problem."""
    data = yaml.safe_load(RIGHT)
    for path, value in (MISTAKES[name] for name in mistakes):
        at = data
        for key in path[:-1]:
            at = at[key]
        at[path[-1]] = value
    try:
        check_policy(parse_yaml(yaml.safe_dump(data, sort_keys=False), "remediation.yml"))
    except ConfigError as refused:
        return {(problem.path, problem.message) for problem in refused.problems}
    return set()


def test_without_a_mistake_nothing_is_said() -> None:
    assert said() == set()


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_said_once_where_it_is(mistake: str) -> None:
    found = said(mistake)
    assert len(found) >= 1
    assert all(message for _, message in found)
    within = str(MISTAKES[mistake][0][0])
    assert {path.partition("[")[0].partition(".")[0] for path, _ in found} <= {within, ""}


def apart(one: str, other: str) -> bool:
    """Tell whether two mistakes have nothing to do with each other."""
    a, b = MISTAKES[one][0], MISTAKES[other][0]
    return a[: len(b)] != b and b[: len(a)] != a and {one, other} not in NO_TWO


def with_as_many_as_can_be(mistake: str) -> list[str]:
    """Return a mistake with all others that go together with it and with each other."""
    together = [mistake]
    for other in MISTAKES:
        if all(apart(other, each) for each in together):
            together.append(other)
    return together


@pytest.mark.parametrize("mistake", MISTAKES)
def test_none_hides_another(mistake: str) -> None:
    together = with_as_many_as_can_be(mistake)
    assert len(together) > 20
    assert set().union(*(said(each) for each in together)) - said(*together) == set()
