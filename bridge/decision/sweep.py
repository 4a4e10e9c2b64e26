"""What nobody announces: which of the open episodes have gone without a word, and of which nobody can say anything.

It must cost next to nothing while thousands of alerts stay open: one question for all of them, the less often the more
there are, and no transaction unless there is something to write.
"""

from collections.abc import Sequence

from sqlalchemy import Connection

from bridge.decision.facts import Episode
from bridge.decision.intake import Intake, Receipt
from bridge.decision.round import GONE_REASON, TWICE_SECONDS
from bridge.escalation import overdue
from bridge.ledger import episodes
from bridge.ledger.store import Ledger
from bridge.peers.standing import Ask
from bridge.policy.remediation import Policy

SWEEP_SECONDS = 30.0
"""How often the open episodes are looked at, at most."""
_EPISODES_A_SECOND = 40
"""Where there are many, the questions about them are as rare as that: 20,000 are asked about every 500 s."""


class Sweep:
    """Called between rounds; what it remembers may be lost, then it looks once more."""

    def __init__(self, ledger: Ledger, ask: Ask) -> None:
        self._ledger, self._ask = ledger, ask
        self._next = 0.0
        self._gone: dict[int, float] = {}
        """When open episodes were first found gone, by id."""
        self._overdue = overdue.Overdue(ledger)
        self._somebody: tuple[Policy, bool] | None = None
        """Whether there is anybody to ask with a configuration."""

    def forget(self) -> None:
        """Look anew at everything: times are other times now."""
        self._next = 0.0
        self._gone.clear()
        self._overdue.forget()

    def look(self, policy: Policy, now: float) -> Receipt:
        """Close what has gone, and tell people of what has been open for too long."""
        self._overdue.tell(policy, now)
        if now < self._next or not self._is_there_somebody(policy):
            return Receipt()
        with self._ledger.read() as connection:
            opened = episodes.watched(connection)
        self._next = now + max(SWEEP_SECONDS, len(opened) / _EPISODES_A_SECOND)
        return self._asked(opened, policy, now) if opened else Receipt()

    def _is_there_somebody(self, policy: Policy) -> bool:
        """Tell whether there is anybody to ask; one question shows it for each configuration."""
        if self._somebody is None or self._somebody[0] is not policy:
            with self._ledger.read() as connection:
                first = episodes.watched(connection, limit=1)
            if not first:
                return False
            self._somebody = (policy, not any(each.nobody_to_ask for each in self._ask(first).values()))
        return self._somebody[1]

    def _asked(self, opened: Sequence[Episode], policy: Policy, now: float) -> Receipt:
        standings = self._ask(opened)
        gone = {episode.id for episode in opened if standings[episode.fingerprint].gone}
        self._gone = {id_: min(self._gone.get(id_, now), now) for id_ in gone}
        over = [id_ for id_, since in self._gone.items() if now - since >= TWICE_SECONDS]
        unknown = [each.id for each in opened if standings[each.fingerprint].unknown]
        self._overdue.tell_of_unknown(unknown, policy, now)
        if not over:
            return Receipt()

        def close(connection: Connection) -> Receipt:
            intake = Intake(connection, policy, now)
            for id_ in over:
                intake.close(id_, None, GONE_REASON)
            return intake.receipt

        return self._ledger.write(close)
