"""What lies beside logs, while names change, and of which logs it may be a generation or copy."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from exporters.logs.files import beside, logs_of


@pytest.mark.parametrize(
    ("name", "logs"),
    [
        ("app.log.1", {"app.log"}),
        ("app.log.1.log", {"app.log", "app.log.log"}),
        ("app.log-20261121", {"app.log"}),
        ("app-20261121.log", {"app.log", "app"}),
        ("app.1.log", {"app.log", "app"}),
        ("app.log.old", {"app.log"}),
        ("app.log.2026-11-21_10:00", {"app.log", "app.log.2026", "app.log.2026-11", "app.log.2026-11-21"}),
        ("app.log.1.2", {"app.log", "app.log.1", "app.log.2"}),
        ("app.1", {"app"}),
        ("app.log.2.gz", {"app.log.gz"}),
        ("app.log.older", set()),
        ("app.log", set()),
        ("app", set()),
        (".1", set()),
    ],
)
def test_a_name_says_of_which_logs_a_file_may_be_a_generation(name: str, logs: set[str]) -> None:
    assert logs_of(Path("/var/log") / name) == {Path("/var/log") / log for log in logs}


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[[Iterator[None]], None]:
    """Let something happen each time between reading a folder and asking about what was found there."""
    scandir = os.scandir

    def happens(steps: Iterator[None]) -> None:
        @contextmanager
        def read(folder: Path) -> Iterator[list[os.DirEntry[str]]]:
            with scandir(folder) as entries:
                found = list(entries)
            next(steps, None)
            yield found

        monkeypatch.setattr(os, "scandir", read)

    return happens


def test_what_is_renamed_while_its_folder_is_read_is_found(
    tmp_path: Path, meanwhile: Callable[[Iterator[None]], None]
) -> None:
    (tmp_path / "app.log.0").touch()
    (tmp_path / "other.log").touch()

    def rotations() -> Iterator[None]:
        for number in range(20):
            (tmp_path / f"app.log.{number}").rename(tmp_path / f"app.log.{number + 1}")
            yield

    meanwhile(rotations())
    assert {path.name for path, _ in beside(tmp_path).values()} == {"app.log.20", "other.log"}


def test_a_folder_that_is_never_still_is_read_to_an_end(
    tmp_path: Path, meanwhile: Callable[[Iterator[None]], None]
) -> None:
    (tmp_path / "app.log").touch()

    def restless() -> Iterator[None]:
        number = 0
        while True:
            number += 1
            (tmp_path / f"{number}.tmp").touch()
            yield

    meanwhile(restless())
    assert "app.log" in {path.name for path, _ in beside(tmp_path).values()}
