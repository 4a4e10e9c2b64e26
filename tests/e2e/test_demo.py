"""`remedy demo` as people run it: healed before their eyes, clear words when a process is killed, nothing left."""

import os
import re
import signal
import subprocess
import sys
import threading

import psutil
import pytest

from tests.e2e.waiting import wait_for

PROGRAMS = {
    "exporter": ("remedy", "exporter"),
    "Prometheus": ("--storage.tsdb.path",),
    "Alertmanager": ("--cluster.listen-address=",),
    "bridge": ("remedy", "bridge"),
}
"""How each program is told from the others by its command line."""


class Demo:
    """A demo under way, in a folder of its own."""

    def __init__(self, folder, *options):
        self.folder, self.lines = folder, []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "remedy", "demo", "--dir", str(folder), *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        with self.process.stdout as out:
            for line in out:
                self.lines.append(line.rstrip("\n"))

    @property
    def text(self):
        return "\n".join(self.lines)

    def wait_for(self, pattern, within=90):
        """Wait for a line that a regular expression is found in."""
        return wait_for(lambda: re.search(pattern, self.text) or self._has_ended(), within)

    def _has_ended(self):
        assert self.process.poll() is None, f"the demo ended:\n{self.text}"

    def find(self, name):
        """Find the first process of a program of this demo."""
        for process in psutil.Process(self.process.pid).children():
            try:
                argv = process.cmdline()
            except psutil.Error:
                continue  # one of the short ones, which has just ended
            if all(any(part in word for word in argv) for part in PROGRAMS[name]):
                return process
        raise AssertionError(f"no {name} among the demo's processes")

    def everything(self):
        """Find all processes that have to do with this demo, itself left out."""
        found = psutil.Process(self.process.pid).children(recursive=True) if self.process.poll() is None else []
        for process in psutil.process_iter():
            try:
                if str(self.folder) in " ".join(process.cmdline()) and process.pid != self.process.pid:
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def end(self, number=signal.SIGINT):
        """End it; return its exit code, having seen that nothing is left and that nobody saw a stack trace."""
        started = self.everything()
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(30)
        self._reader.join()
        _, left = psutil.wait_procs(started, timeout=5)
        assert left == [], f"left running: {left}"
        assert self.everything() == []
        assert "Traceback" not in self.text
        return code


@pytest.fixture
def demo(tmp_path):
    """Starts demos, and ends them whatever happens."""
    started = []

    def start(*options):
        started.append(Demo(tmp_path / f"demo{len(started)}", *options))
        return started[-1]

    yield start
    for each in started:
        each.process.kill()
        each.process.wait()


@pytest.mark.slow
def test_exit_ends_by_itself_with_0_when_all_is_healed(demo):
    shown = demo("--exit")
    assert shown.process.wait(150) == 0, shown.text
    shown.end()
    stages = re.findall(r"^ +\d+\.\d s  (\w+)", shown.text, re.MULTILINE)
    order = [stages.index(s) for s in ("break", "check", "alert", "notification", "decision", "step", "verified")]
    assert order == sorted(order), shown.text
    assert "Healed 2 of 2, and nobody was paged." in shown.text


@pytest.mark.slow
def test_where_prometheus_is_missing_one_line_says_so_and_all_is_healed(demo, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    shown = demo("--exit")
    assert shown.process.wait(150) == 0, shown.text
    shown.end()
    assert shown.lines[0] == (
        "Prometheus and Alertmanager not found on this machine: going on with `remedy run`, the way without Prometheus."
    )
    stages = set(re.findall(r"^ +\d+\.\d s  (\w+)", shown.text, re.MULTILINE))
    assert stages >= {"break", "decision", "step", "verified"}


@pytest.mark.slow
@pytest.mark.parametrize("name", PROGRAMS)
def test_killing_a_program_during_the_first_story_is_answered_in_words_and_healed(demo, name):
    shown = demo("--exit")
    shown.wait_for("First story")
    shown.find(name).kill()
    shown.wait_for(rf"{name} \(pid \d+\) was ended by signal 9 \(SIGKILL\)\. Without it .+ Starting it again\.")
    assert shown.process.wait(200) == 0, shown.text
    shown.end()


@pytest.mark.slow
def test_it_goes_on_until_told_to_end_and_heals_what_people_break(demo):
    shown = demo()
    shown.wait_for("It goes on running until Ctrl-C", within=150)
    pid = int((shown.folder / "sample" / "sample.pid").read_text())
    fixed = shown.text.count("fixed")
    os.kill(pid, signal.SIGKILL)
    shown.wait_for(rf"the sample service \(pid {pid}\) is gone")
    wait_for(lambda: shown.text.count("fixed") > fixed, 60)
    for name in PROGRAMS:
        shown.find(name).kill()
        shown.wait_for(rf"{name} is back")
    assert shown.end(signal.SIGTERM) == 0


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_nothing_is_left_whatever_ends_it(demo, number):
    shown = demo()
    shown.wait_for(r"\d s  check ")
    shown.end(number)
    if number is not signal.SIGKILL:
        assert "ending everything" in shown.text


def test_wrong_use_is_one_line(demo, tmp_path):
    (tmp_path / "demo0").mkdir()
    (tmp_path / "demo0" / "thesis.txt").write_text("mine")
    shown = demo("--exit")
    assert shown.process.wait(20) == 1
    shown.end()
    assert shown.lines == [
        f"remedy demo: {shown.folder} holds files that are no demo's; choose an empty or a new folder"
    ]
