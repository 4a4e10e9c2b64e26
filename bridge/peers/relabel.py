"""The labels with which a Prometheus sends an alert: its external ones added, its `alert_relabel_configs` applied.

An alert is known by the labels that it was sent with, and its Prometheus shows only those from before. Source:
`model/relabel/relabel.go` and `notifier` of prometheus/prometheus, and Go's `Regexp.Expand`.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from remedy.config.expressions import Expression, Match

Labels = dict[str, str]
_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_VARIABLE = re.compile(r"\$(?:(?P<plain>\w+)|\{(?P<braced>\w+)\}|(?P<dollar>\$))", re.ASCII)


@dataclass(frozen=True)
class Rule:
    """One entry of `alert_relabel_configs`, with Prometheus' defaults."""

    action: str
    regex: Expression
    source_labels: tuple[str, ...] = ()
    separator: str = ";"
    target_label: str = ""
    replacement: str = "$1"
    modulus: int = 0

    @classmethod
    def of(cls, keys: Mapping[str, Any]) -> "Rule":
        """Read an entry.

        Raises:
            ValueError: it cannot be followed here; the message says why.
        """
        given = {name: keys[name] for name in ("separator", "target_label", "replacement") if name in keys}
        action, text = str(keys.get("action", "replace")).lower(), str(keys.get("regex", "(.*)"))
        if action not in _ACTIONS:
            raise ValueError(f"relabels alerts with the unknown action {action!r}")
        try:
            regex = Expression.of(text)
        except ValueError:
            raise ValueError(f"relabels alerts with {text!r}, a regular expression that cannot be read here") from None
        return cls(action, regex, tuple(keys.get("source_labels") or ()), modulus=int(keys.get("modulus", 0)), **given)

    def apply(self, labels: Labels) -> Labels | None:
        """Return the labels after this rule; None: the alert is dropped."""
        return _ACTIONS[self.action](self, labels)

    def value(self, labels: Labels) -> str:
        """Return the values of the source labels, joined."""
        return self.separator.join(labels.get(name, "") for name in self.source_labels)


@dataclass(frozen=True)
class Sending:
    """What a Prometheus does to its alerts before it sends them."""

    external: Mapping[str, str] = field(default_factory=dict)
    ways: tuple[tuple[Rule, ...], ...] = ((),)
    """The rules on each way to an Alertmanager."""

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> "Sending":
        """Read it from a Prometheus' configuration, as `/api/v1/status/config` shows it.

        Raises:
            ValueError: it holds a rule that cannot be followed here.
        """
        external = (config.get("global") or {}).get("external_labels") or {}
        alerting = config.get("alerting") or {}
        common = _rules(alerting.get("alert_relabel_configs"))
        own = {_rules(each.get("alert_relabel_configs")) for each in alerting.get("alertmanagers") or ()}
        return cls({str(k): str(v) for k, v in external.items()}, tuple(common + rules for rules in own or {()}))

    def sent(self, alert: Mapping[str, str]) -> list[Labels]:
        """Return the labels with which an alert is sent: one set for each way on which it is not dropped."""
        found: list[Labels] = []
        for rules in self.ways:
            labels: Labels | None = {**self.external, **alert}
            for rule in rules:
                labels = rule.apply(labels) if labels is not None else None
            if labels is not None and (whole := {name: value for name, value in labels.items() if value}) not in found:
                found.append(whole)
        return found


def _rules(entries: Iterable[Mapping[str, Any]] | None) -> tuple[Rule, ...]:
    return tuple(Rule.of(keys) for keys in entries or ())


def _expand(template: str, match: Match) -> str:
    """Fill `$1`, `${1}` and `$name` as Go does: what the expression does not have is empty."""

    def fill(variable: re.Match[str]) -> str:
        if variable["dollar"]:
            return "$"
        name = variable["plain"] or variable["braced"]
        try:
            return match[int(name) if name.isdigit() else name] or ""
        except IndexError:
            return ""

    return _VARIABLE.sub(fill, template)


def _replace(rule: Rule, labels: Labels) -> Labels:
    match = rule.regex.whole(rule.value(labels))
    if match is None:
        return labels
    target = _expand(rule.target_label, match)
    return {**labels, target: _expand(rule.replacement, match)} if _NAME.fullmatch(target) else labels


def _hashed(rule: Rule, labels: Labels) -> Labels:
    digest = hashlib.md5(rule.value(labels).encode(), usedforsecurity=False).digest()
    return {**labels, rule.target_label: str(int.from_bytes(digest[8:]) % rule.modulus)}


def _mapped(rule: Rule, labels: Labels) -> Labels:
    renamed = {
        _expand(rule.replacement, match): value
        for name, value in labels.items()
        if (match := rule.regex.whole(name)) is not None
    }
    return {**labels, **renamed}


def _only(rule: Rule, labels: Labels, *, matching: bool) -> Labels:
    return {name: value for name, value in labels.items() if (rule.regex.whole(name) is not None) is matching}


_ACTIONS: Mapping[str, Callable[[Rule, Labels], Labels | None]] = {
    "replace": _replace,
    "lowercase": lambda rule, labels: {**labels, rule.target_label: rule.value(labels).lower()},
    "uppercase": lambda rule, labels: {**labels, rule.target_label: rule.value(labels).upper()},
    "hashmod": _hashed,
    "labelmap": _mapped,
    "labeldrop": lambda rule, labels: _only(rule, labels, matching=False),
    "labelkeep": lambda rule, labels: _only(rule, labels, matching=True),
    "keep": lambda rule, labels: labels if rule.regex.whole(rule.value(labels)) else None,
    "drop": lambda rule, labels: None if rule.regex.whole(rule.value(labels)) else labels,
    "keepequal": lambda rule, labels: labels if rule.value(labels) == labels.get(rule.target_label, "") else None,
    "dropequal": lambda rule, labels: None if rule.value(labels) == labels.get(rule.target_label, "") else labels,
}
