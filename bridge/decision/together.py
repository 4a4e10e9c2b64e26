"""Notifications that wait beside one commit are recorded together: one question for all of their alerts."""

from collections.abc import Callable, Sequence

from bridge.decision.intake import Intake, Receipt
from bridge.decision.payload import Notification

Begin = Callable[[], Intake]
"""Makes an intake within the transaction."""


def take_together(begin: Begin, notifications: Sequence[Notification]) -> list[Receipt]:
    """Do what `Intake.take` does for each, in order; what cannot influence each other is taken as one."""
    if len(notifications) == 1:
        return _take(begin, notifications)
    receipts: list[Receipt] = []
    group: list[Notification] = []
    seen: set[str] = set()
    for notification in notifications:
        names = {alert.identity for alert in notification.alerts}
        if (
            not _is_plain(notification)
            or names & seen
            or (group and group[0].external_url != notification.external_url)
        ):
            receipts += _take(begin, group)
            group, seen = [], set()
        group.append(notification)
        seen |= names
        if not _is_plain(notification):
            receipts += _take(begin, group)
            group, seen = [], set()
    return receipts + _take(begin, group)


def _is_plain(notification: Notification) -> bool:
    return not notification.malformed and all(alert.status == "firing" for alert in notification.alerts)


def _take(begin: Begin, group: Sequence[Notification]) -> list[Receipt]:
    if len(group) <= 1:
        return [begin().take(notification) for notification in group]
    first = group[0]
    alerts = [alert for notification in group for alert in notification.alerts]
    merged = Notification(first.external_url, first.receiver, first.group_key, 0, alerts=alerts, malformed=[])
    intake = begin()
    whole = intake.take(merged)
    receipts = []
    for notification in group:
        accepted = len({alert.identity for alert in notification.alerts} & intake.opened)
        duplicates = len(notification.alerts) - accepted
        receipts.append(Receipt(accepted=accepted, duplicates=duplicates, waits=accepted > 0 and whole.waits))
    receipts[0].add(whole)
    return receipts
