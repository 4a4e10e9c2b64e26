"""Programs of steps that outlived their bridge: known by number and birth, and ended before anything else is done.

A number alone may be somebody else's by now, so each is written down with the moment at which it began: in ticks since
a start of the machine that is named, which no setting of the clock moves. What is signalled is held by a pidfd, and
looked at again while it is held.
"""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bridge.actions.base import StepRefusedError
from bridge.actions.host.processes import Process, descendants, end_all, hold

_GRACE_SECONDS = 1.0
_SESSION, _STARTED = 3, 19
"""Where proc_pid_stat(5) has them, counted after the name, which ends with the last bracket."""


def birth(pid: int) -> str | None:
    """Return when a process began, as no other process of its number ever will; None: there is none."""
    stat = _stat(pid)
    return f"{_boot()} {stat[_STARTED]}" if stat else None


@dataclass(frozen=True)
class Survivor:
    """The program of a step, as it was written down."""

    pid: int
    born: str

    def runs(self) -> bool:
        """Tell whether it still runs; one that nobody has reaped yet does not."""
        held = self._held()
        if held is None:
            return False
        held.close()
        return True

    def end(self) -> str | None:
        """End it, its session and its descendants; return why it still runs, or None.

        What it has left behind when it ended by itself is left alone, as it is while the bridge runs.
        """
        with ExitStack() as holding:
            leader = self._held()
            if leader is None:
                return None
            all_ = [leader, *_of_session(self.pid), *descendants(self.pid)]
            for each in all_:
                holding.enter_context(each)
            held = list({each.pid: each for each in all_}.values())
            try:
                end_all(held, _GRACE_SECONDS)
            except StepRefusedError as refused:
                return str(refused)
            left = [str(each) for each in held if not each.ended()]
        return f"it does not end: {', '.join(left)}" if left else None

    def _held(self) -> Process | None:
        held = hold(self.pid)
        if held is not None and birth(self.pid) == self.born:
            return held
        if held is not None:
            held.close()
        return None


def _of_session(leader: int) -> list[Process]:
    """Hold the processes of a session, whose number is its own while its leader is there."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or not _is_of(int(entry.name), leader):
            continue
        held = hold(int(entry.name))
        if held is not None and _is_of(held.pid, leader):
            found.append(held)
        elif held is not None:
            held.close()
    return found


def _is_of(pid: int, session: int) -> bool:
    stat = _stat(pid)
    return bool(stat) and stat[_SESSION] == str(session)


def _stat(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return []


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
