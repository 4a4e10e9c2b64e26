"""Tell a program over HTTP."""

from pathlib import Path
from typing import Self

from pydantic import HttpUrl, model_validator

from bridge.notifiers._http import HttpAccess, secret
from bridge.notifiers.base import Message, Notifier


class Webhook(HttpAccess, Notifier):
    """POST the message as JSON.

    **Needs** a URL that answers with a 200; a URL that is itself a secret belongs into `url_file`. The body:
    `{"version": "1", "state": "raised|resolved", "title", "story", "severity", "labels", "runbook_url", "dedup_key"}`.

    Example:
        notifiers: {hook: {kind: webhook, url_file: /etc/remedy/hook.url}}
    """

    url: HttpUrl | None = None
    """Where to. This or `url_file`."""
    url_file: Path | None = None
    """A file that holds the URL."""

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.url is None) == (self.url_file is None):
            raise ValueError("takes exactly one of url and url_file")
        return self

    def deliver(self, message: Message, timeout: float) -> None:
        """POST it."""
        url = secret(self.url_file) if self.url_file else str(self.url)
        self.send("POST", url, _body(message), timeout)


def _body(message: Message) -> dict[str, object]:
    return {
        "version": "1",
        "state": str(message.state),
        "title": message.title,
        "story": message.story,
        "severity": message.severity,
        "labels": dict(message.labels),
        "runbook_url": message.runbook_url,
        "dedup_key": message.dedup_key,
    }
