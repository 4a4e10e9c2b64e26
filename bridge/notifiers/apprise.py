"""Tell people where they are: mail, Slack, Discord, PagerDuty, Telegram and what else Apprise knows."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bridge.notifiers.base import Message, Notifier, PassingError, PermanentError, State
from remedy.config.extras import require

_LIBRARY: Any = require("apprise", "notify")
_TAG = "people"
"""Apprise tries again only what is asked for by a tag."""


class Apprise(Notifier):
    """Send the message to each URL of a file, in the words of https://github.com/caronc/apprise.

    **Needs** the extra `notify`, and a file that only the bridge may read: one URL a line; lines with `#` are left out.
    Each service is tried three times within the time that there is. Where some took the message and others did not, it
    is not sent to all of them again: those that failed are named in the record.

    Example:
        notifiers: {ops: {kind: apprise, urls_file: /etc/remedy/ops.urls}}
    """

    urls_file: Path
    """The file with the URLs; they hold secrets."""

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield a file that cannot be read, or that holds no URLs; which services Apprise knows costs 30 MB to ask."""
        found = list(super().problems())
        yield from found
        if not found:
            try:
                urls = self._urls()
            except PermanentError as error:
                yield "urls_file", str(error)
            else:
                yield from (
                    ("urls_file", f"the {number}. URL of {self.urls_file} is none")
                    for number, url in enumerate(urls, 1)
                    if "://" not in url
                )

    def deliver(self, message: Message, timeout: float) -> None:
        """Send it to all of them."""
        services = _LIBRARY.Apprise()
        for number, url in enumerate(self._urls(), 1):
            if not services.add(url, tag=_TAG):
                raise PermanentError(f"Apprise does not understand the {number}. URL of {self.urls_file}")
        result = services.notify(
            body=_body(message),
            title=message.title,
            notify_type=_kind(message),
            body_format=_LIBRARY.NotifyFormat.MARKDOWN,
            tag=f"{_TAG}:2",
            timeout=timeout,
        )
        if not result:
            raise _failure(result)

    def _urls(self) -> list[str]:
        try:
            lines = self.urls_file.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise PermanentError(f"{self.urls_file} cannot be read: {type(error).__name__}") from None
        urls = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
        if not urls:
            raise PermanentError(f"{self.urls_file} holds no URL")
        return urls


def _failure(result: Any) -> PassingError | PermanentError:
    failed = ", ".join(sorted({service.name for service in result if not service})) or "every service"
    reason = f"{result.failed_count} of {len(result.results)} did not take it ({failed})"
    return PermanentError(reason) if result.success_count else PassingError(reason)


def _body(message: Message) -> str:
    return f"{message.story}\n\n{message.runbook_url}" if message.runbook_url else message.story


def _kind(message: Message) -> Any:
    kinds = _LIBRARY.NotifyType
    if message.state is State.RESOLVED:
        return kinds.SUCCESS
    return kinds.FAILURE if message.severity == "critical" else kinds.WARNING
