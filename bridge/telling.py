"""What the log says of episodes and runs: the same words everywhere, each line with whom and what it is about."""

import logging
from collections.abc import Sequence
from contextvars import ContextVar, Token
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from bridge.decision.facts import Episode
from bridge.decision.gates import Decision, Verdict
from bridge.escalation.stories import subject
from remedy.config.logger import EventDict, FilteringBoundLogger, WrappedLogger

_MOST_LINES = 10
"""Of one round or notification: a storm is told by its first, and by how many more there are."""
_WORTH_A_LOOK = frozenset(
    {
        Verdict.NO_TARGET,
        Verdict.DISABLED,
        Verdict.PAUSED,
        Verdict.BREAKER_OPEN,
        Verdict.FLAPPING,
        Verdict.SILENCED,
        Verdict.INHIBITED,
        Verdict.AWAITING_APPROVAL,
        Verdict.DENIED,
        Verdict.DRY_RUN,
    }
)
"""Of the others `run` is told when it starts, and the rest passes by itself or is no news: they are `debug`."""


class Event(StrEnum):
    """What happens to an episode or a run."""

    DECIDED = "decided"
    STARTED = "run started"
    STEP = "step"
    ATTEMPT_FAILED = "attempt failed"
    ENDED = "run ended"
    TOLD = "people were told"
    NOT_TOLD = "an escalation was not delivered"


@dataclass(frozen=True)
class News:
    """A decision that is another than before."""

    episode: Episode
    remediation: str
    decision: Decision
    run_id: int | None = None

    @property
    def is_worth_a_look(self) -> bool:
        """Whether a person wants to read it."""
        return self.decision.verdict in _WORTH_A_LOOK


_About = tuple[Episode, str, int | None]
_ABOUT: ContextVar[_About | None] = ContextVar("about", default=None)


class about:  # noqa: N801 - it is used as a function
    """Let every line that is said meanwhile, in this thread, say what it is about.

    Cheaper than structlog's own, since it is in the way of every first step: words are found where a line is said.
    """

    __slots__ = ("_about", "_before")
    _before: Token[_About | None]

    def __init__(self, episode: Episode, remediation: str, run_id: int | None = None) -> None:
        self._about: _About = (episode, remediation, run_id)

    def __enter__(self) -> None:
        self._before = _ABOUT.set(self._about)

    def __exit__(self, *_: object) -> None:
        _ABOUT.reset(self._before)


def say_about(_logger: WrappedLogger, _method: str, said: EventDict) -> EventDict:
    """Let a line say what it is about; a processor for structlog."""
    meanwhile = _ABOUT.get()
    return {**names(*meanwhile), **said} if meanwhile is not None else said


def names(episode: Episode, remediation: str, run_id: int | None = None) -> dict[str, Any]:
    """Return what a line says of what it is about."""
    named = {"episode": episode.fingerprint, "remediation": remediation, "run": run_id}
    alert = {"alert": subject(episode), "severity": episode.labels.get("severity", "warning")}
    return {name: value for name, value in {**named, **alert}.items() if value}


def tell(log: FilteringBoundLogger, news: Sequence[News]) -> None:
    """Say what was decided."""
    worth = [each for each in news if each.is_worth_a_look]
    for each in worth[:_MOST_LINES]:
        said = {"decision": str(each.decision.verdict), "reason": each.decision.reason}
        log.info(Event.DECIDED, **names(each.episode, each.remediation, each.run_id), **said)
    if len(worth) > _MOST_LINES:
        log.info("and more of the like", decisions=len(worth) - _MOST_LINES)
    for each in news if log.is_enabled_for(logging.DEBUG) else ():
        if not each.is_worth_a_look:
            said = {"decision": str(each.decision.verdict), "reason": each.decision.reason}
            log.debug(Event.DECIDED, **names(each.episode, each.remediation, each.run_id), **said)
