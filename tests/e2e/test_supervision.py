"""Processes of the demo: what ends is named and started again, and nothing is left running, whatever ends the demo."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import psutil
import pytest

from remedy.demo.place import Place
from remedy.demo.ports import free_ports
from remedy.demo.processes import Program, Running, end_all, in_session, spell_exit
from remedy.demo.programs import Plan
from remedy.demo.sample import SampleService
from remedy.demo.stack import Stack, StackError
from tests.e2e.waiting import wait_for

SERVE = "import http.server as h, sys; h.test(h.SimpleHTTPRequestHandler, port=int(sys.argv[1]), bind='127.0.0.1')"
WITH_WORKER = f"""
import subprocess, threading
worker = subprocess.Popen(["sleep", "600"])
threading.Thread(target=worker.wait, daemon=True).start()
{SERVE}
"""


def program(folder, name, code=SERVE):
    port = free_ports(1)[0]
    argv = (sys.executable, "-c", code, str(port))
    return Program(name, argv, folder / "logs" / f"{name}.log", f"http://127.0.0.1:{port}/", "nothing is done")


@pytest.fixture
def place(tmp_path):
    with Place(tmp_path / "demo") as place:
        yield place


@pytest.fixture
def stack_of(place):
    """Makes a stack of programs, with what it said."""

    def make(*programs, **options):
        sample = SampleService(place.root / "sample", *free_ports(1), leash=place.lock)
        sample.prepare()
        stack = Stack(Plan(sample, programs, {}), (said := []).append, **options)
        return stack, said

    return make


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0, "ended with exit code 0"),
        (2, "ended with exit code 2"),
        (-9, "was ended by signal 9 (SIGKILL)"),
        (-15, "was ended by signal 15 (SIGTERM)"),
    ],
)
def test_how_a_process_ended_in_words(code, words):
    assert spell_exit(code) == words


def test_a_killed_program_is_named_and_started_again(place, stack_of):
    stack, said = stack_of(program(place.root, "exporter"))
    with stack:
        first = stack.running["exporter"].pid
        os.kill(first, signal.SIGKILL)
        wait_for(lambda: stack.check() or len(said) == 2)
        assert stack.running["exporter"].pid != first
    assert said[0] == (
        f"The exporter (pid {first}) was ended by signal 9 (SIGKILL). Without it nothing is done. Starting it again."
    )
    assert said[1].startswith("The exporter is back (pid ")


def test_a_program_that_ends_again_and_again_is_given_up(place, stack_of):
    stack, _ = stack_of(program(place.root, "Prometheus"), restarts=1)
    with stack:

        def kill_and_check():
            os.kill(stack.running["Prometheus"].pid, signal.SIGKILL)
            wait_for(stack.running["Prometheus"].how_it_ended)
            stack.check()

        kill_and_check()
        with pytest.raises(StackError, match=r"SIGKILL\), having ended 2 times: giving up"):
            kill_and_check()


def test_a_program_that_does_not_start_is_named_with_its_last_words(place, stack_of):
    good, bad = program(place.root, "bridge"), program(place.root, "Alertmanager", "raise SystemExit('no such flag')")
    stack, _ = stack_of(good, bad)
    with pytest.raises(StackError, match=r"Alertmanager ended with exit code 1 while starting: .* no such flag"), stack:
        pass
    assert [in_session(running.pid) for running in stack.running.values()] == [[], []]


def test_a_program_that_never_gets_ready_is_named(place, stack_of):
    stack, _ = stack_of(program(place.root, "Prometheus", "import time; time.sleep(60)"), ready_within=0.3)
    with pytest.raises(StackError, match=r"Prometheus is not ready after 0\.3 s"), stack:
        pass


def test_a_worker_that_ends_is_named(place, stack_of):
    stack, said = stack_of(program(place.root, "bridge", WITH_WORKER))
    with stack:
        stack.check()
        (worker,) = psutil.Process(stack.running["bridge"].pid).children()
        worker.kill()
        wait_for(lambda: stack.check() or said)
    assert said == [f"A worker of the bridge (pid {worker.pid}) ended; its parent replaces it."]


def test_ending_a_program_ends_what_it_started_too(tmp_path):
    code = "import subprocess,time; subprocess.Popen(['sleep','600']); time.sleep(600)"
    running = Running(program(tmp_path, "bridge", code), os.environ)
    wait_for(lambda: len(in_session(running.pid)) == 2)
    running.end()
    assert in_session(running.pid) == []


def test_what_does_not_listen_is_killed(tmp_path):
    code = "import signal,time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(600)"
    running = Running(made := program(tmp_path, "bridge", code), os.environ)
    wait_for(made.log.read_bytes)
    stubborn = psutil.Process(running.pid)
    end_all([stubborn], grace=0.1)
    assert not stubborn.is_running()
    running.end()


def test_a_killed_demo_leaves_nothing_running(tmp_path):
    """`kill -9` of the process that started everything: the kernel and the leash see to the rest."""
    made = program(tmp_path, "exporter")
    script = f"""
        import os, sys, time
        sys.path.insert(0, {str(Path.cwd())!r})
        from pathlib import Path
        from remedy.demo.place import Place
        from remedy.demo.ports import free_ports
        from remedy.demo.processes import Program
        from remedy.demo.programs import Plan
        from remedy.demo.sample import SampleService
        from remedy.demo.stack import Stack
        place = Place(Path({str(tmp_path / "demo")!r}))
        sample = SampleService(place.root / "sample", *free_ports(1), leash=place.lock)
        sample.prepare()
        program = Program("exporter", {made.argv!r}, Path({str(made.log)!r}), {made.ready_url!r}, "")
        with Stack(Plan(sample, (program,), {{}}), print) as stack:
            print(stack.running["exporter"].pid, sample.process().pid, flush=True)
            time.sleep(600)
    """
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, text=True) as demo:
        children = [psutil.Process(int(pid)) for pid in demo.stdout.readline().split()]
        demo.kill()
    gone, alive = psutil.wait_procs(children, timeout=10)
    end_all(alive)
    assert len(gone) == 2
    assert alive == []
