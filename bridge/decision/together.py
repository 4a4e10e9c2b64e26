"""Notifications that wait beside one commit are recorded together: one question for all of their alerts."""

from collections import Counter
from collections.abc import Sequence

from sqlalchemy import Connection

from bridge.decision.intake import Intake, Receipt
from bridge.decision.payload import Notification
from bridge.policy.remediation import Policy


def take_together(
    connection: Connection, policy: Policy, now: float, notifications: Sequence[Notification]
) -> list[Receipt]:
    """Do what `Intake.take` does for each, in order; what cannot influence each other is taken as one."""
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
            receipts += _take(connection, policy, now, group)
            group, seen = [], set()
        group.append(notification)
        seen |= names
        if not _is_plain(notification):
            receipts += _take(connection, policy, now, group)
            group, seen = [], set()
    return receipts + _take(connection, policy, now, group)


def _is_plain(notification: Notification) -> bool:
    return not notification.malformed and all(alert.status == "firing" for alert in notification.alerts)


def _take(connection: Connection, policy: Policy, now: float, group: list[Notification]) -> list[Receipt]:
    if len(group) <= 1:
        return [Intake(connection, policy, now).take(notification) for notification in group]
    first = group[0]
    alerts = [alert for notification in group for alert in notification.alerts]
    merged = Notification(first.external_url, first.receiver, first.group_key, 0, alerts=alerts, malformed=[])
    intake = Intake(connection, policy, now)
    whole = intake.take(merged)
    receipts = []
    for notification in group:
        accepted = len({alert.identity for alert in notification.alerts} & intake.opened)
        receipts.append(Receipt(accepted=accepted, duplicates=len(notification.alerts) - accepted, waits=accepted > 0))
    receipts[0].decided, receipts[0].news = Counter(whole.decided), whole.news
    return receipts
