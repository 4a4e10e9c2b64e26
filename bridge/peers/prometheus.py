"""A Prometheus as `Observer`: its rules, its active alerts, and the samples that it scraped last."""

import functools
import json
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Concatenate, ParamSpec, TypeVar

import requests
import yaml

from bridge.peers.client import PeerClient, PeerError
from bridge.peers.observer import ObserverError, RuleView, Sample
from bridge.peers.relabel import Sending

Given = ParamSpec("Given")
Answer = TypeVar("Answer")
_LOOKBACK = "5m"
_PlainLoader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
"""Every value is a text, as Go wrote it: YAML for Python has another mind of `=`, and refused all of it for that."""
_SAME_CLOCK_SECONDS = 2.0
_KNOWN_SECONDS = 60.0
"""So long what it does to alerts before it sends them is not asked for again."""


def _sensible(method: Callable[Concatenate["PrometheusObserver", Given], Answer]) -> Callable[..., Answer]:
    """Turn an answer of another form than Prometheus gives into an error that says so."""

    @functools.wraps(method)
    def ask(self: "PrometheusObserver", *args: Given.args, **keys: Given.kwargs) -> Answer:
        try:
            return method(self, *args, **keys)
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError, yaml.YAMLError):
            raise ObserverError(f"{self.base} did not answer as a Prometheus does") from None

    return ask


class PrometheusObserver:
    """Asks one Prometheus. Label values are quoted: they come from logs, and logs from attackers."""

    def __init__(
        self,
        client: PeerClient,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take whom to ask; the times of its answers are turned into those of our own clock, `now`."""
        self.base = client.base
        self._client, self._now, self._monotonic = client, now, monotonic
        self._known: tuple[float, str, Sending] | None = None

    @_sensible
    def rule(self, alertname: str) -> RuleView | None:
        """Return what the alerting rules of a name say now (`/api/v1/rules`)."""
        data, ahead = self._ask("/api/v1/rules", type="alert")
        groups = data["groups"]
        rules = [rule for group in groups for rule in group["rules"] if rule["name"] == alertname]
        if not rules:
            return None
        return RuleView(
            evaluated_at=min(datetime.fromisoformat(rule["lastEvaluation"]).timestamp() for rule in rules) - ahead,
            healthy=all(rule["health"] == "ok" for rule in rules),
            active=tuple(
                form for rule in rules for alert in rule.get("alerts") or () for form in self._forms(alert, rule)
            ),
            expressions=tuple(_text(rule["query"]) for rule in rules),
        )

    @_sensible
    def firing(self) -> list[Mapping[str, str]]:
        """Return the labels with which every firing alert (`/api/v1/alerts`) is sent."""
        (data, _), sending = self._ask("/api/v1/alerts"), self._sending()
        return [
            labels
            for alert in data["alerts"]
            if alert["state"] == "firing"
            for labels in sending.sent(_labels(alert["labels"]))
        ]

    @_sensible
    def series(self, metric: str, labels: Mapping[str, str]) -> list[Sample]:
        """Return the last sample of each series, with the time at which it was scraped.

        A range is asked for, because an instant vector carries the time of the question.
        """
        matchers = ",".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in labels.items())
        data, ahead = self._ask("/api/v1/query", query=f"{metric}{{{matchers}}}[{_LOOKBACK}]")
        return [
            Sample(_labels(series["metric"]), float(value), at - ahead)
            for series in data["result"]
            for at, value in series["values"][-1:]
        ]

    @_sensible
    def query(self, expression: str) -> list[Sample]:
        """Evaluate an expression; a scalar is one sample without labels."""
        data, ahead = self._ask("/api/v1/query", query=expression)
        if data["resultType"] == "scalar":
            at, value = data["result"]
            return [Sample({}, float(value), at - ahead)]
        if data["resultType"] != "vector":
            raise ObserverError(f"the query gives a {data['resultType']}, not a vector")
        return [
            Sample(_labels(series["metric"]), float(series["value"][1]), series["value"][0] - ahead)
            for series in data["result"]
        ]

    def _forms(self, alert: Mapping[str, Any], rule: Mapping[str, Any]) -> list[Mapping[str, str]]:
        """Return an alert's labels as it has them and as they are sent, without those that its rule fills in.

        What is filled in (a value, or a severity that follows from one) changes while the same series stays bad.
        """
        filled_in = {name for name, text in _labels(rule.get("labels") or {}).items() if "{{" in text}
        labels = _labels(alert["labels"])
        return [
            {name: value for name, value in form.items() if name not in filled_in}
            for form in (labels, *self._sending().sent(labels))
        ]

    def _sending(self) -> Sending:
        """Return what becomes of alerts on their way; who only evaluates rules, as vmalert does, shows nothing."""
        known = self._known
        if known is not None and self._monotonic() - known[0] <= _KNOWN_SECONDS:
            return known[2]
        try:
            text = _text(self._client.get("/api/v1/status/config")["data"]["yaml"])
            if known is not None and known[1] == text:  # it may be long, and to read it takes its time
                sending = known[2]
            else:
                sending = Sending.of(yaml.load(text, _PlainLoader) or {})  # noqa: S506 - it makes nothing but texts
        except PeerError as error:
            if error.status != requests.codes.not_found:
                raise ObserverError(str(error)) from None
            text, sending = "", Sending()
        except ValueError as error:
            raise ObserverError(f"{self.base} {error}") from None
        self._known = (self._monotonic(), text, sending)
        return sending

    def _ask(self, path: str, **parameters: str) -> tuple[Any, float]:
        """Return the data of an answer, and by how many seconds its clock is ahead of ours.

        Evidence must be newer than a step, whose time is ours. The header `Date` has whole seconds, so a smaller
        difference counts as none, and a larger one for as much as it can be: evidence seems older rather than newer.
        """
        try:
            answer = self._client.ask(path, parameters, self._client.time_limit())
        except PeerError as error:
            raise ObserverError(str(error)) from None
        if not isinstance(answer.data, dict) or answer.data.get("status") != "success":
            raise ObserverError(f"{self._client.base} did not answer as a Prometheus does")
        ahead = 0.0 if answer.at is None else answer.at - self._now()
        return answer.data["data"], 0.0 if abs(ahead) <= _SAME_CLOCK_SECONDS else ahead + 1


def _labels(given: Any) -> Mapping[str, str]:
    """Return labels.

    Raises:
        TypeError, AttributeError: they are none.
    """
    for value in given.values():
        _text(value)
    labels: Mapping[str, str] = given
    return labels


def _text(given: Any) -> str:
    """Return a text.

    Raises:
        TypeError: it is none.
    """
    if not isinstance(given, str):
        raise TypeError(given)
    return given
