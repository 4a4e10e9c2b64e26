"""One thing that was seen to happen, and when."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol


class Stage(StrEnum):
    """Where in the story a sighting belongs; the value is the word that people see."""

    BREAK = "break"
    SERVICE = "service"
    CHECK = "check"
    LOG = "log"
    ALERT = "alert"
    NOTIFICATION = "notification"
    DECISION = "decision"
    STEP = "step"
    VERIFIED = "verified"
    PEOPLE = "people"
    PROCESS = "process"


class Mood(StrEnum):
    """Is it good news? The value is the colour that it is shown in."""

    GOOD = "green"
    BAD = "red"
    NEUTRAL = "default"
    ASIDE = "bright_black"


@dataclass(frozen=True, order=True)
class Sighting:
    """Something that happened, at `at` (Unix seconds; by the source's own record where it has one)."""

    at: float
    stage: Stage
    text: str
    mood: Mood = Mood.NEUTRAL


class Watch(Protocol):
    """Looks at one source again and again."""

    def look(self) -> list[Sighting]:
        """Ask the source once; return what is new since the last look. No answer is nothing new."""


def moment(stamp: object, otherwise: float) -> float:
    """Read a time of an API, RFC 3339 or Unix seconds."""
    if isinstance(stamp, int | float):
        return float(stamp)
    return datetime.fromisoformat(stamp).timestamp() if isinstance(stamp, str) and stamp else otherwise
