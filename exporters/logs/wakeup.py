"""Wakes the follower when something happens in a folder of a log; without inotify, time alone does."""

import os
import select
from collections.abc import Iterable
from pathlib import Path

from inotify_simple import INotify, flags

_EVENTS = flags.MODIFY | flags.CREATE | flags.MOVED_TO | flags.MOVED_FROM | flags.DELETE


class Wakeup:
    """Waits for events in folders, for a while at most. One thread uses it; others may only call `interrupt`."""

    def __init__(self) -> None:
        self._interrupt = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._watched: dict[Path, int] = {}
        try:
            self._inotify: INotify | None = INotify(nonblocking=True)
        except OSError:  # the user's instances are used up: polling goes on
            self._inotify = None

    def watch(self, folders: Iterable[Path]) -> None:
        """Watch these folders and no others; one that cannot be watched is left to polling."""
        if self._inotify is None:
            return
        wanted = set(folders)
        for folder in self._watched.keys() - wanted:
            self._unwatch(self._inotify, self._watched.pop(folder))
        for folder in wanted - self._watched.keys():
            try:
                self._watched[folder] = self._inotify.add_watch(folder, _EVENTS)
            except OSError:
                continue

    def wait(self, seconds: float) -> set[Path]:
        """Return the folders in which something happened; none when the time is up or `interrupt` was called."""
        waiting = select.poll()
        waiting.register(self._interrupt, select.POLLIN)
        if self._inotify is not None:
            waiting.register(self._inotify.fileno(), select.POLLIN)
        if not waiting.poll(seconds * 1000) or self._inotify is None:
            return set()
        happened = {event.wd for event in self._inotify.read(timeout=0)}
        # A folder that was removed and made anew has another watch: it is watched again at the next look.
        gone = {folder for folder, watch in self._watched.items() if watch in happened and not folder.is_dir()}
        found = {folder for folder, watch in self._watched.items() if watch in happened}
        for folder in gone:
            del self._watched[folder]
        return found

    def interrupt(self) -> None:
        """End a wait that is under way, and the next one."""
        os.eventfd_write(self._interrupt, 1)

    def close(self) -> None:
        """Let go of everything."""
        if self._inotify is not None:
            self._inotify.close()
        os.close(self._interrupt)

    @staticmethod
    def _unwatch(inotify: INotify, watch: int) -> None:
        try:
            inotify.rm_watch(watch)
        except OSError:  # its folder is gone, and the watch with it
            return
