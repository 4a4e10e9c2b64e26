"""The journal as a source: real journal files, written by systemd-journal-remote, read by the real journalctl."""

import shutil
import signal
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters.logs.journal import ExportReader
from tests.exporters.running import RunningExporter

_REMOTE = "/usr/lib/systemd/systemd-journal-remote"
_BOOT = "0" * 31 + "1"
_COUNTER = 'log_pattern_matches_total{pattern="disk_full"'
HIT = b"No space left on device"


class Writer:
    """Writes entries into journal files, as journald would."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.number = folder, 0
        self.remote = subprocess.Popen(
            [_REMOTE, f"--output={folder}/test.journal", "--split-mode=none", "-"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def write(self, message: bytes, unit: str = "app.service", identifier: str = "app") -> None:
        self.number += 1
        text = (
            f"__REALTIME_TIMESTAMP={1_790_000_000_000_000 + self.number}\n__MONOTONIC_TIMESTAMP={self.number}\n"
            f"_BOOT_ID={_BOOT}\n_TRANSPORT=stdout\n_SYSTEMD_UNIT={unit}\nSYSLOG_IDENTIFIER={identifier}\n"
        )
        assert self.remote.stdin
        self.remote.stdin.write(text.encode() + b"MESSAGE\n" + struct.pack("<Q", len(message)) + message + b"\n\n")
        self.remote.stdin.flush()

    def end(self) -> None:
        self.remote.communicate()


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Writer]:
    if not Path(_REMOTE).exists() or shutil.which("journalctl") is None:
        pytest.skip("there is no systemd-journal-remote on this machine (apt-get install systemd-journal-remote)")
    folder = tmp_path / "journal"
    folder.mkdir()
    made = Writer(folder)
    yield made
    made.end()


def exporter(folder: Path, **source: object) -> RunningExporter:
    sources = [{"name": "journal", "journal": {"directory": str(folder / "journal"), **source}}]
    return RunningExporter(folder, {"log_sources": sources})


def wait_for(running: RunningExporter, count: int) -> None:
    deadline = time.monotonic() + 20
    while (seen := running.metric(_COUNTER)) != count and time.monotonic() < deadline:
        time.sleep(0.05)
    assert seen == count


def test_every_entry_counts_once_over_kill_9(tmp_path: Path, writer: Writer) -> None:
    running = exporter(tmp_path)
    for _ in range(3):
        writer.write(HIT)  # before the first start, which begins at the end
    deadline = time.monotonic() + 10
    while not list((tmp_path / "journal").glob("*.journal")):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(0.5)  # for systemd-journal-remote, which says nothing
    written = 0
    try:
        for turn in range(4):
            running.start()
            for _ in range(50):
                writer.write(HIT)
                writer.write(b"all is well")
                written += 1
            if turn % 2:
                wait_for(running, written)
            running.stop(signal.SIGKILL)
            writer.write(b"while down \xff\0 " + HIT + b"\nand " + HIT)
            written += 2
        running.start()
        wait_for(running, written)
        time.sleep(0.7)  # for what would be counted twice
        assert running.metric(_COUNTER) == written
        assert running.metric("log_source_errors_total") == 0
    finally:
        running.stop(signal.SIGTERM)


def test_units_and_our_own_entries(tmp_path: Path, writer: Writer) -> None:
    with exporter(tmp_path, units=["app.service"]) as running:
        writer.write(HIT, unit="other.service")
        writer.write(HIT, identifier="remedy-bridge")
        writer.write(HIT, identifier="remedy")
        writer.write(HIT)
        wait_for(running, 1)


@pytest.mark.parametrize(("path", "folder"), [("/nothing", "/tmp"), (None, "/nothing/there")])
def test_what_cannot_be_read_is_an_error_and_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str | None, folder: str
) -> None:
    if path:
        monkeypatch.setenv("PATH", path)
    with RunningExporter(tmp_path, {"log_sources": [{"name": "j", "journal": {"directory": folder}}]}) as running:
        deadline = time.monotonic() + 20
        while (running.metric("log_source_errors_total") or 0) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.1)


@given(st.lists(st.binary(max_size=50), max_size=5), st.data())
def test_the_export_format_in_any_pieces(messages: list[bytes], data: st.DataObject) -> None:
    text = b""
    for number, message in enumerate(messages):
        text += b"__CURSOR=c%d\nMESSAGE\n" % number + struct.pack("<Q", len(message)) + message + b"\n_PID=1\n\n"
    reader, found = ExportReader(), []
    while text:
        size = data.draw(st.integers(1, len(text)))
        found += reader.feed(text[:size])
        text = text[size:]
    assert [(each.cursor, each.message) for each in found] == [(f"c{n}", m) for n, m in enumerate(messages)]
