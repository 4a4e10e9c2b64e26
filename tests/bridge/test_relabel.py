"""Relabelling as Prometheus does it; that a real one agrees is seen in `test_asked_for_real`."""

# ruff: noqa: E501 - a table is read by its rows

import pytest

from bridge.peers.relabel import Rule, Sending

ALERT = {"alertname": "Down", "instance": "web-1:9100", "pod": "a", "severity": "warning"}

ROWS = [
    ("nothing", {}, {}),
    ("a label is set", {"target_label": "team", "replacement": "db"}, {"team": "db"}),
    (
        "a part of one",
        {"source_labels": ["instance"], "regex": "(.+):.*", "target_label": "instance"},
        {"instance": "web-1"},
    ),
    ("no match", {"source_labels": ["instance"], "regex": "db-.*", "target_label": "instance"}, {}),
    ("the whole value must match", {"source_labels": ["pod"], "regex": "", "target_label": "x"}, {}),
    ("an empty one is none", {"source_labels": ["severity"], "target_label": "severity", "replacement": ""}, {"severity": None}),
    ("two joined", {"source_labels": ["pod", "severity"], "target_label": "x"}, {"x": "a;warning"}),
    ("joined otherwise", {"source_labels": ["pod", "gone"], "separator": "/", "target_label": "x"}, {"x": "a/"}),
    ("a name in braces", {"source_labels": ["pod"], "regex": "(?P<p>.)", "target_label": "x", "replacement": "${p}1$$"}, {"x": "a1$"}),
    ("a name is as long as can be", {"source_labels": ["pod"], "regex": "(.)", "target_label": "x", "replacement": "-$1x-"}, {"x": "--"}),
    ("no such group", {"source_labels": ["pod"], "target_label": "x", "replacement": "$7 $z."}, {"x": " ."}),
    ("a target of the value", {"source_labels": ["pod"], "target_label": "p_$1", "replacement": "1"}, {"p_a": "1"}),
    ("a target that is no name", {"source_labels": ["instance"], "target_label": "$1", "replacement": "1"}, {}),
    ("lower", {"action": "lowercase", "source_labels": ["alertname"], "target_label": "alertname"}, {"alertname": "down"}),
    ("upper", {"action": "uppercase", "source_labels": ["pod"], "target_label": "pod"}, {"pod": "A"}),
    ("hashed", {"action": "hashmod", "source_labels": ["pod"], "modulus": 1000, "target_label": "x"}, {"x": "697"}),
    ("renamed", {"action": "labelmap", "regex": "(pod)", "replacement": "k8s_$1"}, {"k8s_pod": "a"}),
    ("dropped labels", {"action": "labeldrop", "regex": "pod|sever.*"}, {"pod": None, "severity": None}),
    ("kept labels", {"action": "labelkeep", "regex": "alertname|pod"}, {"instance": None, "severity": None}),
    ("kept", {"action": "keep", "source_labels": ["pod"], "regex": "a|b"}, {}),
    ("not kept", {"action": "keep", "source_labels": ["pod"], "regex": "b"}, None),
    ("dropped", {"action": "drop", "source_labels": ["severity"], "regex": "warning"}, None),
    ("not dropped", {"action": "drop", "source_labels": ["severity"], "regex": "info"}, {}),
    ("equal", {"action": "dropequal", "source_labels": ["pod"], "target_label": "pod"}, None),
    ("not equal", {"action": "keepequal", "source_labels": ["pod"], "target_label": "severity"}, None),
]  # fmt: skip


@pytest.mark.parametrize(("keys", "changed"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_one_rule(keys: dict, changed: dict | None) -> None:
    expected = None if changed is None else {k: v for k, v in {**ALERT, **changed}.items() if v is not None}
    rules = [Rule.of(keys)] if keys else []
    assert Sending({}, (tuple(rules),)).sent(ALERT) == ([] if expected is None else [expected])


def test_external_labels_come_first_and_change_nothing_that_the_alert_has() -> None:
    config = {
        "global": {"external_labels": {"cluster": "eu", "severity": "none", "replica": "a"}},
        "alerting": {
            "alert_relabel_configs": [
                {"action": "labeldrop", "regex": "replica"},
                {"source_labels": ["cluster", "pod"], "target_label": "pod"},
            ],
        },
    }
    assert Sending.of(config).sent(ALERT) == [{**ALERT, "cluster": "eu", "pod": "eu;a"}]


def test_each_alertmanager_may_have_rules_of_its_own() -> None:
    managers = [{}, {"alert_relabel_configs": [{"target_label": "to", "replacement": "b"}]}, {}]
    sent = Sending.of({"alerting": {"alertmanagers": managers}}).sent(ALERT)
    assert sorted(sent, key=len) == [ALERT, {**ALERT, "to": "b"}]


@pytest.mark.parametrize("keys", [{"action": "explode"}, {"regex": "("}, {"regex": "[[:alpha:"}])
def test_what_cannot_be_followed_is_said(keys: dict) -> None:
    with pytest.raises(ValueError, match=r"^relabels alerts with "):
        Rule.of(keys)
