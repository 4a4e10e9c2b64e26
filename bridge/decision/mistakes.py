"""What the bridge made a mistake on: it is held, with what went wrong, and keeps nothing else from being decided."""

from sqlalchemy import Connection

from bridge.decision.due import Due
from bridge.decision.gates import LOOK_AGAIN_SECONDS, Decision, Verdict
from bridge.ledger import decisions, runs
from bridge.ledger.decisions import Entry


def hold(connection: Connection, due: Due, error: Exception, now: float) -> list[tuple[str, str]]:
    """Hold what is due; return (remediation, verdict) of each for which that is news.

    What returns is left as it is: it is asked about again by itself.
    """
    reason = f"the bridge made a mistake and looks again in a minute: {type(error).__name__}: {error}"
    decision = Decision(Verdict.MISTAKE, reason, now + LOOK_AGAIN_SECONDS)
    still = decisions.still_held(connection, due.held)
    entries = [Entry(candidate, decision) for candidate in due.held if candidate.decision_id in still]
    for read in due.waiting:
        run = runs.get(connection, read.id)
        if run is None or run.state is not read.state:
            continue  # somebody has ended it meanwhile
        runs.change(connection, run.id, due_at=decision.due)
        candidate = decisions.current(connection, run.episode.id, run.remediation)
        if candidate is not None:
            entries.append(Entry(candidate, decision, run.id))
    decisions.record(connection, entries, now)
    return [(entry.candidate.remediation, str(decision.verdict)) for entry in entries if entry.is_news]
