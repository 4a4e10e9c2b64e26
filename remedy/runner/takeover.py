"""What fired when the last process ended, and fires no more, or anew: nobody was there to see it end.

Without this a new line in a log would only join the old episode, whose run has ended, and nothing would be done.
"""

from collections.abc import Sequence
from typing import Literal

from bridge.decision.facts import Episode
from bridge.decision.payload import Alert, fingerprint
from bridge.ledger.progress import Open
from remedy.runner.rules import JOB
from remedy.runner.watch import Watch


def ended_meanwhile(left: Sequence[Open], watch: Watch) -> list[Alert]:
    """Return the ends of those episodes that are over.

    One that fires now goes on where something is still to come of it. A log pattern whose run has ended is over, since
    lines that came later are a new time of firing.
    """
    firing = {fingerprint(labels) for labels in watch.firing()}
    return [
        _end(each.episode)
        for each in left
        if each.episode.labels.get("job") == JOB
        and (each.episode.fingerprint not in firing or ("pattern" in each.episode.labels and not each.pending))
    ]


def _end(episode: Episode) -> Alert:
    status: Literal["resolved"] = "resolved"
    return Alert.model_construct(
        status=status, labels=dict(episode.labels), starts_at=episode.starts_at, ends_at=episode.notified_at
    )
