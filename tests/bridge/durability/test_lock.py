"""The lock beside a ledger: one holder, and nothing left of whoever could not have it."""

import errno
import fcntl
import os
from pathlib import Path

import pytest

from bridge.lock import LedgerLock


def test_one_has_it_until_it_is_released(tmp_path: Path) -> None:
    one, other = (LedgerLock(tmp_path / "ledger.db") for _ in range(2))
    assert (one.take(), one.take(), other.take()) == (True, True, False)
    one.release()
    assert other.take()
    other.release()


@pytest.mark.parametrize("error", [errno.EWOULDBLOCK, errno.ENOLCK])
def test_no_descriptor_is_left_of_a_lock_that_cannot_be_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    """A bridge that waits for another one tries five times a second, for weeks."""

    def refuse(*_: object) -> None:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(fcntl, "flock", refuse)
    lock = LedgerLock(tmp_path / "ledger.db")
    for _ in range(20):
        try:
            assert not lock.take()
        except OSError as raised:
            assert raised.errno == errno.ENOLCK  # noqa: PT017 - only one of the two is raised
    assert not [fd for fd in Path("/proc/self/fd").iterdir() if fd.exists() and fd.resolve() == lock.file]
