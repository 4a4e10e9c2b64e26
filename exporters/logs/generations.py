"""What lies beside logs: older generations that came and went between two looks, and copies that hold what was lost.

It is looked for once for all the logs of a folder, since thousands of them may be rotated in one moment.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from exporters.logs.copies import UntoldError, copies_of
from exporters.logs.files import Beside, is_excluded, relatives
from exporters.logs.held import Files
from exporters.logs.position import FileId, Known, Position
from exporters.logs.store import Change


class Generations:
    """Older generations and copies of the logs of one source."""

    def __init__(self, files: Files, exclude: Sequence[str]) -> None:
        self._files, self._exclude = files, exclude
        self._sought = set[Path]()

    def seek(self, log: Path) -> None:
        """Look beside a log for what is not known yet."""
        self._sought.add(log)

    def lose(self, known: Known) -> None:
        """Look for what was not yet read of a file that is gone or was emptied: it may stand in a copy."""
        if not known.position.ignored:
            self._files.lost.append(known)

    def recover(self, now: float, change: Change) -> None:
        """Go on in the copies of what was lost; where that cannot be told, it is tried again the next time."""
        lost = defaultdict[Path, list[Known]](list)
        for known in self._files.lost:
            lost[known.path].append(known)
        self._files.lost = []
        for log, found in self._beside(lost, change):
            for known in lost[log]:
                if found is None:
                    self._files.lost.append(known)
                else:
                    self._go_on(known, found, now, change)

    def _go_on(self, lost: Known, found: Beside, now: float, change: Change) -> None:
        unread = {key: file for key, file in found.items() if not self._files.is_read(key)}
        for number, (key, beside) in enumerate(copies_of(lost.position, unread)):
            if key in self._files.empty:
                self._files.drop(self._files.tails[key])
            copy = self._files.open(key, beside, lost.position, change) if number == 0 else None
            if copy is not None and lost.position.holds(copy.fd):
                copy.path, copy.left_at = lost.path, now
                self._files.keep(copy, change)
                continue
            if copy is not None:
                self._files.drop(copy)
            self._files.set_aside(key, beside, 0, change)

    def adopt(self, now: float, change: Change) -> None:
        """Begin to read what came and went at the paths of logs: unknown files beside them, but no copies."""
        sought, self._sought = self._sought, set()
        for log, found in self._beside(sought, change):
            if found is None:
                self._sought.add(log)
                continue
            for key, (beside, _) in found.items():
                if not (key in self._files.known or is_excluded(beside, self._exclude)):
                    self._adopt(log, key, beside, now, change)

    def _adopt(self, log: Path, key: FileId, beside: Path, now: float, change: Change) -> None:
        tail = self._files.open(key, beside, Position(), change)
        if tail is None:
            return
        tail.path, tail.left_at = log, now
        if tail.is_empty:  # asked first: a copy may begin to be filled at any moment
            self._files.empty[key] = beside
            self._files.keep(tail, change)
            return
        try:
            self._files.keep_unless_copy(tail, beside, change)
        except UntoldError:
            self._sought.add(log)

    def _beside(self, logs: Iterable[Path], change: Change) -> Iterator[tuple[Path, Beside | None]]:
        """Yield what lies beside each log; None where its folder cannot be read."""
        folders = defaultdict[Path, list[Path]](list)
        for log in sorted(logs):
            folders[log.parent].append(log)
        for folder, inside in folders.items():
            try:
                found = relatives(folder, inside)
            except OSError:
                change.totals["errors"] += 1
                yield from ((log, None) for log in inside)
            else:
                yield from found.items()
