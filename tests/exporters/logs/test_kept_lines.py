"""What is kept of matching lines for people is little, however long they are."""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from exporters.logs.engines import make_engine
from exporters.logs.program import Programs, ProgramSource, Record
from exporters.logs.redaction import MOST_BYTES
from exporters.logs.settings import LogSource
from exporters.logs.source import Source
from exporters.logs.store import Change, Saved
from tests.exporters.logs.world import HIT, PATTERNS

_LINE = b"x" * 900_000 + HIT.encode()
_NOTHING = Saved(begun=True, files={}, lines={}, totals={})


class _Feed:
    def follow(self, cursors: Mapping[str, str], programs: Programs) -> Iterator[list[Record]]:
        del cursors
        yield [Record("one", str(number), _LINE) for number in range(9)]
        programs.stopping.wait()


def test_long_lines_of_a_file(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_bytes((_LINE + b"\n") * 9)
    settings = LogSource(name="app", path=str(log))
    source = Source(settings, make_engine(PATTERNS), ["disk_full"], _NOTHING)
    _look(source)


def test_long_lines_of_a_program() -> None:
    _look(ProgramSource("app", _Feed(), make_engine(PATTERNS), ["disk_full"], _NOTHING))


def _look(source: Source | ProgramSource) -> None:
    change, samples = Change(), dict[str, list[bytes]]()
    deadline = time.monotonic() + 10
    while change.lines["disk_full"] < 9 and time.monotonic() < deadline:
        source.look(0.0, change, samples)
        time.sleep(0.01)
    source.close()
    assert change.lines["disk_full"] == 9
    assert {len(line) for line in samples["disk_full"]} == {MOST_BYTES}
