"""Alerts that are none, among the decisions: one row for the same content, however often it comes."""

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, insert, select, update

from bridge.decision.gates import Verdict
from bridge.ledger.prepared import Prepared
from bridge.ledger.schema import decisions

_LATEST = 20
"""Rows, at least, among which the same content is looked for."""


def add(connection: Connection, found: Sequence[tuple[str, str, int]], now: float) -> None:
    """Record alerts that are none: (what came, why, how often).

    There is one row for the same content, as long as the last such rows go back. They are read once, and by an index:
    thousands may come at once, and nobody else can write meanwhile.
    """
    known = {row.subject: row.id for row in _KNOWN.rows(connection, count=_LATEST + len(found))}
    again = [(known[subject], count) for subject, _, count in found if subject in known]
    _AGAIN.each(connection, [{"which": id_, "times": count, "now": now} for id_, count in again])
    values = {"at": now, "looked_at": now, "remediation": "", "host": "", "target": "", "current": False}
    said = {**values, "decision": Verdict.MALFORMED}
    rows = [(subject, why, count) for subject, why, count in found if subject not in known]
    _ADD.each(connection, [{**said, "subject": s, "reason": why, "looks": n - 1} for s, why, n in rows])


_ADD = Prepared(
    insert(decisions),
    "at",
    "remediation",
    "host",
    "target",
    "decision",
    "reason",
    "current",
    "looks",
    "looked_at",
    "subject",
)
_KNOWN = Prepared(
    select(decisions.c.id, decisions.c.subject)
    .where(decisions.c.episode_id.is_(None), decisions.c.decision == Verdict.MALFORMED)
    .order_by(decisions.c.id.desc())
    .limit(bindparam("count"))
)
_AGAIN = Prepared(
    update(decisions)
    .where(decisions.c.id == bindparam("which"))
    .values(looks=decisions.c.looks + bindparam("times"), looked_at=bindparam("now"))
)
