"""`service_restart` with plain processes: the right one is stopped, surely, and the new one stands on its own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from bridge.actions.base import Allow, StepContext, StepError, StepRefusedError
from bridge.actions.host.processes import Process, untouchable
from bridge.actions.service_restart import ServiceRestart
from tests.bridge.actions.conftest import MakeContext, MakeScript

SERVICE = "#!/bin/sh\necho up\nexec sleep 300\n"
STUBBORN = '#!/bin/sh\ntrap "" TERM\nsleep 301 &\nwhile :; do wait; sleep 302; done\n'


class Service:
    """A plain service in a folder of its own."""

    def __init__(self, home: Path, script: Path) -> None:
        self.home, self.script = home, script
        self.pid_file, self.log = home / "run" / "app.pid", home / "out.log"
        self.pid_file.parent.mkdir(exist_ok=True)

    def action(self, operation: str = "restart", settle: str = "100ms", **keys: object) -> ServiceRestart:
        process = {"pid_file": self.pid_file, "argv": [str(self.script), "a b"], "log_file": self.log, "grace": "300ms"}
        return ServiceRestart.model_validate(
            {"process": {**process, "cwd": self.home, **keys}, "operation": operation, "settle": settle}
        )

    @property
    def pid(self) -> int:
        return int(self.pid_file.read_text())

    @property
    def process(self) -> psutil.Process:
        return psutil.Process(self.pid)

    def end(self) -> None:
        """Kill what runs in our own folder: never what the pid file names, which tests fill with strangers."""
        for process in psutil.process_iter():
            try:
                if Path(process.cwd()) == self.home:
                    process.kill()
            except psutil.Error:
                continue


@pytest.fixture
def service(home: Path, make_script: MakeScript) -> Iterator[Service]:
    found = Service(home, make_script("service", SERVICE))
    yield found
    found.end()


@pytest.fixture
def context(service: Service, make_context: MakeContext) -> StepContext:
    return make_context(Allow(commands=(service.script,)))


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


SLEEP = {"command_line": "^sleep 300$"}


def test_it_stands_on_its_own(service: Service, context: StepContext) -> None:
    assert "it was not running; started" in service.action(**SLEEP).run(context)
    process = service.process
    assert process.ppid() != os.getpid()
    assert os.getsid(process.pid) == os.getpgid(process.pid) == process.pid
    assert Path(process.cwd()) == service.home
    assert {Path(f"/proc/{process.pid}/fd/{fd}").readlink() for fd in (1, 2)} == {service.log}
    assert {fd.name for fd in Path(f"/proc/{process.pid}/fd").iterdir()} == {"0", "1", "2"}
    assert set(process.environ()) - {"PWD", "_", "SHLVL", "OLDPWD"} == {"PATH", "LC_CTYPE"}
    assert service.log.read_text() == "up\n"


def test_a_restart_ends_the_old_one(service: Service, context: StepContext) -> None:
    service.action(**SLEEP).run(context)
    old = service.pid
    assert f"process {old} (sleep 300" in service.action(**SLEEP).plan(context)
    assert "ended on SIGTERM; started" in service.action(**SLEEP).run(context)
    assert gone(old)
    assert service.process.cmdline() == ["sleep", "300"]
    assert service.log.read_text() == "up\nup\n"


def test_start_and_stop_change_nothing_twice(service: Service, context: StepContext) -> None:
    service.action("start", **SLEEP).run(context)
    pid = service.pid
    assert "runs already" in service.action("start", **SLEEP).run(context)
    assert service.pid == pid
    service.action("stop", **SLEEP).run(context)
    assert gone(pid)
    assert "it was not running" in service.action("stop", **SLEEP).run(context)


def test_one_that_will_not_end_is_killed_with_its_children(
    service: Service, context: StepContext, make_script: MakeScript
) -> None:
    make_script("service", STUBBORN)
    service.action("start").run(context)
    family = [service.process, *service.process.children(recursive=True)]
    assert len(family) >= 2
    assert "got SIGKILL" in service.action("stop").run(context)
    assert all(gone(process.pid) for process in family)


def test_the_shebang_form_is_recognised(service: Service, context: StepContext, make_script: MakeScript) -> None:
    make_script("service", f"#!{sys.executable}\nimport time\ntime.sleep(300)\n")
    service.action().run(context)
    old = service.pid
    service.action().run(context)
    assert gone(old)


def write_pid(service: Service, pid: int, age: float = 0) -> None:
    service.pid_file.write_text(f"{pid}\n")
    os.utime(service.pid_file, (time.time() - age, time.time() - age))


@pytest.fixture
def stranger() -> Iterator["subprocess.Popen[bytes]"]:
    with subprocess.Popen(["sleep", "303"]) as process:
        yield process
        process.kill()


def test_a_reused_number_is_not_signalled(
    service: Service, context: StepContext, stranger: "subprocess.Popen[bytes]"
) -> None:
    write_pid(service, stranger.pid, age=3600)
    assert "it was not running; started" in service.action().run(context)
    assert "is left over" in context.output.text()
    assert stranger.poll() is None


def test_another_process_is_not_signalled_and_no_second_one_started(
    service: Service, context: StepContext, stranger: "subprocess.Popen[bytes]"
) -> None:
    write_pid(service, stranger.pid)
    with pytest.raises(StepRefusedError, match="does not look like"):
        service.action().run(context)
    assert stranger.poll() is None
    assert service.pid == stranger.pid


_NAMESPACED = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")
NAMESPACE = """
import os, sys, threading, time
from pathlib import Path
from bridge.actions.base import Allow, StepContext, StepRefusedError
from bridge.actions.service_restart import ServiceRestart
home, script = Path(sys.argv[1]), Path(sys.argv[2])
assert os.getppid() != 1 and len(list(Path("/proc").glob("[0-9]*"))) < 10, "not in a process namespace of its own"
context = StepContext({}, "t", "h", Allow(commands=(script,)), home, time.monotonic() + 20, threading.Event())
for pid in (1, os.getpid(), os.getppid()):
    (home / "app.pid").write_text(str(pid))
    try:
        ServiceRestart.model_validate(
            {"process": {"pid_file": home / "app.pid", "argv": [str(script)], "command_line": "."}, "operation": "stop"}
        ).run(context)
    except StepRefusedError as refused:
        print(str(refused).rpartition(": ")[2])
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a process namespace")
def test_who_must_never_be_signalled(service: Service) -> None:
    """In a process namespace of its own: were the rule broken, its pid 1 would end, not the machine's."""
    inner = (
        'python="$1"; shift; "$python" -c "import subprocess, sys; subprocess.run(sys.argv[1:])" "$python" -c "$@"; :'
    )
    said = subprocess.run(
        [*_NAMESPACED, "sh", "-c", inner, "sh", sys.executable, NAMESPACE, str(service.home), str(service.script)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert said.stdout.splitlines() == ["it is pid 1", "it is the bridge itself", "it is a parent of the bridge"], said


def test_kernel_threads_are_never_signalled() -> None:
    thread = Process(pid=77, pidfd=-1, name="kworker", command_line=(), user="root", parent=2, started=0.0)
    assert untouchable(thread) == "it is a kernel thread"


@pytest.mark.parametrize("text", ["", "-1", "0", "1 2", "99999999999", "\uff11\uff12", "x", "1\0", "0x10", "x" * 65536])
def test_what_is_no_pid_is_refused(text: str, service: Service, context: StepContext) -> None:
    service.pid_file.write_text(text)
    with pytest.raises(StepRefusedError, match="no process number"):
        service.action().run(context)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("#!/bin/sh\necho cannot find my database\nexit 1\n", "ended.*cannot find my database"),
        ("#!/no/such/interpreter\n", "could not be started: No such file"),
        ("not a program\n", "could not be started: Exec format error"),
    ],
)
def test_one_that_does_not_stay_up(
    text: str, why: str, service: Service, context: StepContext, make_script: MakeScript
) -> None:
    make_script("service", text)
    with pytest.raises(StepError, match=why):
        service.action(settle="1s").run(context)


@pytest.mark.parametrize("trap", ["symlink", "hard link", "pipe"])
def test_a_log_that_is_no_file_of_its_own_is_refused(trap: str, service: Service, context: StepContext) -> None:
    precious = service.home / "precious"
    precious.write_text("before\n")
    match trap:
        case "symlink":
            service.log.symlink_to(precious)
        case "hard link":
            service.log.hardlink_to(precious)
        case _:
            os.mkfifo(service.log)
    with pytest.raises(StepError, match="could not be started"):
        service.action().run(context)
    assert precious.read_text() == "before\n"


def test_a_pid_file_that_is_a_symlink_is_not_followed(service: Service, context: StepContext) -> None:
    (service.home / "elsewhere").write_text(str(os.getpid()))
    service.pid_file.symlink_to(service.home / "elsewhere")
    with pytest.raises(StepRefusedError, match="cannot be read"):
        service.action().run(context)


def test_files_where_others_write_are_refused(service: Service, context: StepContext) -> None:
    service.pid_file.parent.chmod(0o777)
    (why,) = dict(service.action().refusals(context.allow)).values()
    assert "could be switched" in why
    allowed = Allow(commands=(service.script,), roots=(service.pid_file.parent,))
    assert not list(service.action().refusals(allowed))


def test_a_folder_that_is_not_there_yet_is_no_refusal(service: Service, context: StepContext) -> None:
    service.pid_file.parent.rmdir()
    assert not list(service.action().refusals(context.allow))
    with pytest.raises(StepError, match=r"could not be started: .*No such file"):
        service.action().run(context)


def test_it_runs_as_another_user(service: Service, make_context: MakeContext, make_script: MakeScript) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    service.home.chmod(0o755)
    service.action(user="nobody", **SLEEP).run(make_context(Allow(commands=(service.script,))))
    status = Path(f"/proc/{service.pid}/status").read_text()
    ids = {
        line.split()[0]: set(line.split()[1:])
        for line in status.splitlines()
        if line.startswith(("Uid", "Gid", "Groups"))
    }
    assert ids == {"Uid:": {"65534"}, "Gid:": {"65534"}, "Groups:": set()}


DAEMON = """
import os, signal, sys, threading, time
from pathlib import Path
from bridge.actions.base import Allow, StepContext
from bridge.actions.service_restart import ServiceRestart
home, script = Path(sys.argv[1]), Path(sys.argv[2])
action = ServiceRestart.model_validate(
    {"process": {"pid_file": home / "run/app.pid", "argv": [str(script)], "cwd": home}, "settle": "50ms"}
)
action.run(StepContext({}, "t", "h", Allow(commands=(script,)), home, time.monotonic() + 20, threading.Event()))
assert os.getpgid(0) == os.getpid()
os.killpg(0, signal.SIGKILL)
"""


def test_the_bridges_death_does_not_reach_it(service: Service, home: Path) -> None:
    bridge = [sys.executable, "-c", DAEMON, str(home), str(service.script)]
    assert subprocess.run(bridge, check=False, start_new_session=True, timeout=60).returncode == -signal.SIGKILL
    assert not gone(service.pid)
