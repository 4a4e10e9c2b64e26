"""Of which logs a file may be a generation or copy, by its name."""

from pathlib import Path

import pytest

from exporters.logs.files import logs_of


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
