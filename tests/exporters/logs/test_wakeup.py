"""The follower is woken by what happens, long before it would look by itself."""

import shutil
import threading
import time
from pathlib import Path

from exporters.logs.wakeup import Wakeup

_LONG = 20.0


def woken(wakeup: Wakeup) -> set[Path]:
    began = time.monotonic()
    found = wakeup.wait(_LONG)
    assert time.monotonic() - began < _LONG / 2
    return found


def test_what_wakes(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    other.mkdir()
    wakeup = Wakeup()
    try:
        wakeup.watch({one, other, tmp_path / "not there"})
        (one / "app.log").touch()
        assert woken(wakeup) == {one}
        with (one / "app.log").open("ab", buffering=0) as log:
            log.write(b"x")
            assert woken(wakeup) == {one}
        (one / "app.log").rename(other / "app.log")
        assert woken(wakeup) == {one, other}

        shutil.rmtree(one)
        wakeup.wait(0.1)
        one.mkdir()
        wakeup.watch({one, other})
        (one / "app.log").touch()
        assert one in woken(wakeup)

        wakeup.watch({other})
        while wakeup.wait(0.05):
            pass
        (one / "more.log").touch()
        assert wakeup.wait(0.05) == set()
    finally:
        wakeup.close()


def test_interrupt() -> None:
    wakeup = Wakeup()
    try:
        thread = threading.Thread(target=wakeup.interrupt)
        thread.start()
        assert woken(wakeup) == set()
        thread.join()
    finally:
        wakeup.close()
