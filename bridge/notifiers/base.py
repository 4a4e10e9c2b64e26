"""What a notifier is: its own fields, and one attempt to hand a message over.

When to tell whom, how often to try again and what becomes of a message that nobody took is the core's business. One
file per kind in this package, named like the kind; the class's fields are its YAML keys and its docstring is its page.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from remedy.config.durations import Duration


class State(StrEnum):
    """Has the trouble begun, or ended?"""

    RAISED = "raised"
    RESOLVED = "resolved"


@dataclass(frozen=True)
class Message:
    """What people are told, once: the same `dedup_key` and `labels` when it is raised and when it is resolved."""

    title: str
    """One line; it carries the names that people gave, in any script."""
    story: str
    """Markdown that reads well as plain text: alert, decisions, attempts, outputs, what to do by hand."""
    dedup_key: str
    """The same for the same trouble."""
    severity: str = "warning"
    """As in the alert: `critical`, `warning`, `info`."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """The alert's own."""
    runbook_url: str | None = None
    state: State = State.RAISED


class DeliveryError(Exception):
    """A message was not handed over; the reason is a sentence without any secret, not even that of a URL."""


class PassingError(DeliveryError):
    """It may work later: nobody answered, too many messages, a server in trouble."""

    def __init__(self, reason: str, wait: float = 0) -> None:
        super().__init__(reason)
        self.wait = wait
        """Seconds that we were asked to leave the server in peace for."""


class PermanentError(DeliveryError):
    """Trying again changes nothing until a person changes something: a wrong token, an unknown address."""


class RateLimit(BaseModel):
    """So many messages within a window; what comes beyond waits in the outbox."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max: Annotated[int, Field(ge=1, le=10_000)] = 30
    """Messages within the window, tries that failed included."""
    window: Annotated[Duration, Field(gt=timedelta(0), le=timedelta(days=1))] = timedelta(minutes=1)
    """How long a message counts."""


class Notifier(BaseModel, ABC):
    """A way to tell people. Subclasses add their fields; secrets are read from files when they are needed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    opens_issues: ClassVar[bool] = False
    """Whether a message becomes something that people work on and close."""

    send_resolved: bool = True
    """Tell those who heard of the trouble that it is over, too."""
    rate_limit: RateLimit = RateLimit()
    """How many messages it is given within a time; the others wait."""

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield (field, why) for what can be seen to be wrong before anything is delivered: at night it is too late."""
        yield from _unreadable(self)

    @abstractmethod
    def deliver(self, message: Message, timeout: float) -> None:
        """Hand the message over within `timeout` seconds.

        Raises:
            PassingError: it may work later.
            PermanentError: a person must change something first.
        """


def _unreadable(keys: BaseModel, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield (field, why) for each file that some keys name and that cannot be read."""
    for name, value in keys:
        if isinstance(value, BaseModel):
            yield from _unreadable(value, f"{prefix}{name}.")
        elif isinstance(value, Path):
            try:
                value.open("rb").close()
            except OSError as error:
                yield f"{prefix}{name}", f"{value} cannot be read: {error.strerror}"
