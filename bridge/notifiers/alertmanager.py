"""Tell people through Alertmanager."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import Field, HttpUrl

from bridge.decision.own_alerts import REMEDIATION_FAILED
from bridge.notifiers._http import HttpAccess
from bridge.notifiers.base import Message, Notifier, State
from remedy.config.durations import Duration


class Alertmanager(HttpAccess, Notifier):
    """Raise the alert `RemediationFailed`, and resolve it when the trouble ends.

    **Needs** the URL of an Alertmanager, which routes this alert to people at once (monitoring/alertmanager.yml does).
    It carries the original's labels, the original's name as `failed_alert`, and `labels`; the story is its
    `description`. Alertmanager forgets it after `lasts` if nobody resolves it.

    Example:
        notifiers: {people: {kind: alertmanager, url: "http://127.0.0.1:9093", labels: {severity: critical}}}
    """

    url: HttpUrl
    """Its address, with its path prefix if it has one."""
    labels: Mapping[Annotated[str, Field(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$")], str] = {}
    """Labels to add, or to put in place of the original's."""
    lasts: Annotated[Duration, Field(ge=timedelta(minutes=5))] = timedelta(days=1)
    """How long it stays raised when nobody resolves it."""

    def deliver(self, message: Message, timeout: float) -> None:
        """POST it to `/api/v2/alerts`."""
        now = datetime.now(UTC)
        ends = now if message.state is State.RESOLVED else now + self.lasts
        alert = {
            "labels": self._labels(message),
            "annotations": _annotations(message),
            "endsAt": ends.isoformat(),
        }
        self.send("POST", f"{str(self.url).rstrip('/')}/api/v2/alerts", [alert], timeout)

    def _labels(self, message: Message) -> dict[str, str]:
        original = message.labels.get("alertname", "")
        named = {"failed_alert": original} if original else {}
        labels = {"severity": message.severity, **message.labels, **named, **self.labels}
        return {name: value for name, value in {**labels, "alertname": REMEDIATION_FAILED}.items() if value}


def _annotations(message: Message) -> dict[str, str]:
    annotations = {"summary": message.title, "description": message.story, "dedup_key": message.dedup_key}
    return annotations | ({"runbook_url": message.runbook_url} if message.runbook_url else {})
