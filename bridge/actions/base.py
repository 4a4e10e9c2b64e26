"""What an action is: its own fields, a plan in words, and the work itself.

An action knows its fields and a `StepContext`; it never sees Flask, the ledger or the runner. One file per kind in this
package, named like the kind; the class's fields are its YAML keys and its docstring is its page in the reference.
"""

import math
import threading
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from remedy.config.durations import Duration

_MOMENT_SECONDS = 1.0
"""So old may be what is known of an action's refusals."""


class StepOutcome(StrEnum):
    """How one step ended. `succeeded` says that the step did its work, not that the alert's cause is gone."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    REFUSED = "refused"
    """A safety rule stopped it; nothing was changed."""
    INTERRUPTED = "interrupted"
    PLANNED = "planned"
    """A dry run: `reason` says what it would have done."""
    BACKUP_FAILED = "backup_failed"
    """What it would have changed could not be copied first, so it was not run."""


class StepError(Exception):
    """A step could not do its work; the message is a sentence for the record."""

    outcome: ClassVar[StepOutcome] = StepOutcome.FAILED

    def __init__(self, reason: str, *, exit_code: int | None = None) -> None:
        super().__init__(reason)
        self.exit_code = exit_code


class StepTimeoutError(StepError):
    """The step's time was up."""

    outcome = StepOutcome.TIMED_OUT


class StepRefusedError(StepError):
    """A safety rule forbids what the step would do."""

    outcome = StepOutcome.REFUSED


class BackupFailedError(StepError):
    """What the step would change could not be copied first."""

    outcome = StepOutcome.BACKUP_FAILED


class Touch(StrEnum):
    """What of a path a step changes, so what must be copied first."""

    CONTENT = "content"
    """The file, the SQLite database, or the folder with all that is in it."""
    PERMISSIONS = "permissions"
    """Owner, group and mode only."""


@dataclass(frozen=True)
class Touched:
    """One thing that a step is about to change."""

    path: Path
    touch: Touch = Touch.CONTENT


class Allow(BaseModel):
    """What steps may touch: `allow:` of remediation.yml. What is not named is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    units: frozenset[str] = frozenset()
    """systemd units, with their suffix; programs of supervisord."""
    roots: tuple[Path, ...] = ()
    """Absolute folders; a root itself is never deleted, and no symlink is followed out of one."""
    commands: tuple[Path, ...] = ()
    """Absolute paths of programs; never a shell or an interpreter."""
    ports: frozenset[int] = frozenset()
    """TCP ports whose listeners may be stopped."""
    processes: frozenset[str] = frozenset()
    """Names of processes (as `ps -o comm` shows them) that may be signalled by name, and of applications whose sessions
    in PostgreSQL may be ended."""
    urls: tuple[str, ...] = ()
    """Beginnings of URLs that may be requested: scheme, host, port, and path up to a slash."""
    repositories: frozenset[str] = frozenset()
    """GitHub repositories, as `owner/name`."""
    images: frozenset[str] = frozenset()
    """Docker images, as containers name theirs: all containers that were made from one."""
    containers: frozenset[str] = frozenset()
    """Docker containers, by name."""
    owners: frozenset[str] = frozenset()
    """Users whom files may be given to, besides the one that the bridge runs as."""


_SHORTEST_SECRET = 4


@dataclass
class Output:
    """What a step prints, bounded: the first and the last part are kept, and how much is missing is said."""

    limit: int = 64 * 1024
    _head: bytearray = field(default_factory=bytearray)
    _tail: bytearray = field(default_factory=bytearray)
    _dropped: int = 0
    _secrets: set[str] = field(default_factory=set)

    def hide(self, *secrets: str) -> None:
        """Let these never be seen, nor what follows the last space in them (`Bearer …`), whoever prints them."""
        words = (word for secret in secrets for word in (secret, secret.rpartition(" ")[2]))
        self._secrets.update(word for word in words if len(word) >= _SHORTEST_SECRET)

    def write(self, data: bytes) -> None:
        """Take bytes as they come."""
        half = self.limit // 2
        room = half - len(self._head)
        self._head += data[:room] if room > 0 else b""
        self._tail += data[max(room, 0) :]
        if len(self._tail) > half:
            self._dropped += len(self._tail) - half
            del self._tail[: len(self._tail) - half]

    def say(self, line: str) -> None:
        """Add a line of text."""
        self.write(line.encode("utf-8", "backslashreplace") + b"\n")

    def text(self) -> str:
        """Return what was kept, as text."""
        gap = f"\n… {self._dropped} bytes left out …\n".encode() if self._dropped else b""
        return self.without_secrets((bytes(self._head) + gap + bytes(self._tail)).decode("utf-8", "replace"))

    def without_secrets(self, text: str) -> str:
        """Take what is hidden out of a text."""
        for secret in sorted(self._secrets, key=len, reverse=True):
            text = text.replace(secret, "<redacted>")
        return text


@dataclass(frozen=True)
class StepContext:
    """The little world that a step sees."""

    labels: Mapping[str, str]
    target: str
    host: str
    allow: Allow
    backups: Path
    """The folder of this run's own for what was copied before it was changed; whoever writes there makes it."""
    deadline: float
    """On `time.monotonic`'s clock; the step must have ended by then."""
    stop: threading.Event
    """Set when the bridge wants to end now: give up soon, and raise `StepError`."""
    output: Output = field(default_factory=Output)
    tell: Callable[[Sequence[str], str], int] = lambda _notifiers, _message: 0
    """Lets notifiers tell people a message, with the story so far; returns how many had not heard it yet."""
    started: Callable[[int], None] = lambda _pid: None
    """Told the number of each program that the step has started and waits for."""
    results: Counter[str] = field(default_factory=Counter)
    """What a step came to, counted, for an action that has `counts`."""
    ours: tuple[str, ...] = ()
    """What the paths of the bridge's own files begin with: its ledger and its backups, which no cleanup deletes."""
    checked_at: float = -math.inf
    """On `time.monotonic`'s clock: when its action's `refusals` were looked at last."""

    def is_ours(self, path: Path) -> bool:
        """Tell whether a path is of the bridge's own files."""
        return str(path).startswith(self.ours)

    def remaining(self) -> float:
        """Return the seconds that the step has left.

        Raises:
            StepTimeoutError: none are left.
        """
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise StepTimeoutError("its time was up")
        return left

    def pause(self, seconds: float) -> None:
        """Wait, but no longer than the step may and not when the bridge wants to end.

        Raises:
            StepError: the bridge is stopping.
            StepTimeoutError: the step's time is up.
        """
        left = self.remaining()
        if self.stop.wait(min(seconds, left)):
            raise StepError("the bridge is stopping")
        self.remaining()


class Action(BaseModel, ABC):
    """A kind of fix. Subclasses add their fields; text fields carry a pattern, since labels may fill them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    idempotent: ClassVar[bool] = False
    """May it be run again by itself when a crash interrupted it?"""
    capabilities: ClassVar[frozenset[str]] = frozenset()
    """Of Linux, where what it changes is another user's and the bridge is not root: for `remedy install-service`."""
    counts: ClassVar[str] = ""
    """The metric that counts its results, by the label `result`; none: it has no results but its outcome."""
    groups: ClassVar[frozenset[str]] = frozenset()
    """That the bridge's user must be in."""

    timeout: Duration | None = Field(default=None, description="How long the step may take; else the remediation's.")
    backup: Literal["skip"] | None = Field(
        default=None, description="`skip`: copy nothing before it; else as the remediation says."
    )

    def refusals(self, allow: Allow) -> Iterator[tuple[str, str]]:  # noqa: ARG002
        """Yield (field, why) for whatever can be seen to be forbidden before it runs, so at load time too."""
        yield from ()

    def refuse(self, context: StepContext) -> None:
        """Stop where it is forbidden by now; what was looked at a moment ago is not looked at again.

        Raises:
            StepRefusedError: it is.
        """
        if time.monotonic() - context.checked_at > _MOMENT_SECONDS:
            for field, why in self.refusals(context.allow):
                raise StepRefusedError(f"{field}: {why}")

    def notifiers(self) -> tuple[str, ...]:
        """Name the notifiers that it tells something, so that they are looked for at load time."""
        return ()

    @property
    def starts_program(self) -> bool:
        """Whether the first that it does is to start a program, with nothing to copy before: then it has begun."""
        return False

    def wants_backup(self, usual: bool) -> bool:
        """Tell whether what it changes is to be copied first."""
        return usual and self.backup is None

    def touched(self, context: StepContext) -> Iterator[Touched]:  # noqa: ARG002
        """Yield what `run` would change now: it is copied first, so that `remedy restore` can put it back.

        Raises:
            StepError: it cannot be said.
        """
        yield from ()

    @abstractmethod
    def plan(self, context: StepContext) -> str:
        """Say in words what `run` would do now, changing nothing."""

    @abstractmethod
    def run(self, context: StepContext) -> str:
        """Do it and return a sentence on what was done; details go to `context.output`.

        Raises:
            StepError: it could not be done (`StepRefusedError`, `StepTimeoutError`: for what they say).
        """
