"""`command`: what may run, how it runs, and that nothing of it is left when its time is up."""

import errno
import os
import threading
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from pydantic import ValidationError

from bridge.actions.base import Allow, StepError, StepRefusedError, StepTimeoutError
from bridge.actions.command import Command
from bridge.actions.host.programs import runs_what_it_is_told, unsafe_program
from tests.bridge.actions.conftest import MakeContext, MakeScript

ECHO = '#!/bin/sh\nfor word; do printf "<%s>" "$word"; done\n'
HOSTILE = ["$(id)", "`id`", "a;b", "a b", "'", '"', "*", "日本語 🚨", "--x=1", "&& reboot", "\\"]


@pytest.mark.parametrize("value", HOSTILE)
def test_each_word_arrives_as_it_is(value: str, make_context: MakeContext, make_script: MakeScript) -> None:
    script = make_script("echo", ECHO)
    context = make_context(Allow(commands=(script,)))
    Command(argv=(str(script), value)).run(context)
    assert context.output.text() == f"<{value}>"


@pytest.mark.parametrize(
    "value", ["a\nb", "a\0b", "\x1b[31m", "x\u202egnp.exe", "\u2066x", "x" * 65536, "a\x7f", "\u2028"]
)
def test_words_that_deceive_are_no_words(value: str) -> None:
    with pytest.raises(ValidationError):
        Command(argv=("/usr/bin/true", value))


def test_a_label_cannot_become_an_option(make_context: MakeContext, make_script: MakeScript) -> None:
    script = make_script("echo", ECHO)
    context = make_context(Allow(commands=(script,)), labels={"host": "-rf"})
    with pytest.raises(StepRefusedError, match="label 'host'"):
        Command(argv=(str(script), "-rf")).run(context)
    assert context.output.text() == ""


REFUSED = [
    "/bin/sh",
    "/usr/bin/env",
    "/usr/bin/xargs",
    "/usr/bin/find",
    "/usr/bin/perl",
    "/usr/bin/awk",
    "/usr/bin/python3",
]


@pytest.mark.parametrize("program", [path for path in REFUSED if Path(path).exists()])
def test_what_runs_what_it_is_told_is_refused_although_allowed(program: str) -> None:
    refused = list(Command(argv=(program, "x")).refusals(Allow(commands=(Path(program),))))
    assert [field for field, _ in refused] == ["argv"]


@pytest.mark.parametrize(
    "name", ["python3.11", "perl5.36.0", "bash", "node18", "ld-linux-x86-64.so.2", "ruby3.1", "lua5.4", "sudo"]
)
def test_versions_do_not_hide_an_interpreter(name: str) -> None:
    assert runs_what_it_is_told(name)


@pytest.mark.parametrize("name", ["migrate", "python-report", "shred", "nodetool", "environment", "itsm.sh"])
def test_look_alikes_are_no_interpreters(name: str) -> None:
    assert not runs_what_it_is_told(name)


def test_a_link_to_an_interpreter_is_one(home: Path) -> None:
    (home / "innocent").symlink_to("/bin/sh")
    assert "interpreter" in str(unsafe_program(str(home / "innocent")))


@pytest.mark.parametrize(
    ("mode", "folder_mode", "why"),
    [(0o757, 0o755, "everyone"), (0o755, 0o757, "everyone"), (0o644, 0o755, "not an exec")],
)
def test_what_others_could_replace_is_refused(mode: int, folder_mode: int, why: str, home: Path) -> None:
    folder = home / "bin"
    folder.mkdir()
    program = folder / "tool"
    program.write_text(ECHO)
    program.chmod(mode)
    folder.chmod(folder_mode)
    assert why in str(unsafe_program(str(program)))


@pytest.mark.parametrize("ago", [None, 2.0], ids=["never", "longer ago than a moment"])
def test_it_is_looked_at_again_before_it_runs(
    ago: float | None, make_context: MakeContext, make_script: MakeScript
) -> None:
    script = make_script("tool", ECHO)
    action, allow = Command(argv=(str(script),)), Allow(commands=(script,))
    assert not list(action.refusals(allow))
    script.chmod(0o777)
    context = make_context(allow)
    checked = context if ago is None else replace(context, checked_at=time.monotonic() - ago)
    with pytest.raises(StepRefusedError, match="everyone may write"):
        action.run(checked)


def test_what_was_looked_at_a_moment_ago_is_not_looked_at_twice(make_context: MakeContext) -> None:
    action, context = Command(argv=("/usr/bin/true",)), make_context()
    assert list(action.refusals(context.allow)), "so that a second look would be seen"
    action.refuse(replace(context, checked_at=time.monotonic()))


def test_what_is_not_named_does_not_run(make_context: MakeContext) -> None:
    with pytest.raises(StepRefusedError, match=r"not in allow\.commands"):
        Command(argv=("/usr/bin/true",)).run(make_context())


def test_exit_codes(make_context: MakeContext, make_script: MakeScript) -> None:
    script = make_script("three", "#!/bin/sh\necho trouble >&2\nexit 3\n")
    context = make_context(Allow(commands=(script,)))
    with pytest.raises(StepError, match="exit code 3") as failed:
        Command(argv=(str(script),)).run(context)
    assert failed.value.exit_code == 3
    assert context.output.text() == "trouble\n"
    assert "exit code 3" in Command(argv=(str(script),), exit_codes=frozenset({0, 3})).run(context)


def test_its_environment_holds_only_what_is_named(
    home: Path, make_context: MakeContext, make_script: MakeScript, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIVEN", "yes")
    monkeypatch.setenv("SECRET_OF_THE_BRIDGE", "x")
    (home / "password").write_text("s3cret\n")
    script = make_script("show", "#!/bin/sh\nenv | sort | grep -v -e ^_= -e ^PWD= -e ^SHLVL= -e ^OLDPWD=\npwd\n")
    context = make_context(Allow(commands=(script,)))
    Command(
        argv=(str(script),), cwd=home, env={"A": "1"}, env_from=("GIVEN",), env_files={"PASSWORD": home / "password"}
    ).run(context)
    assert [line.split("=")[0] for line in context.output.text().splitlines()] == [
        "A", "GIVEN", "LC_CTYPE", "PASSWORD", "PATH", str(home),
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["LD_PRELOAD", "LD_LIBRARY_PATH", "BASH_ENV", "ENV", "IFS"])
def test_names_that_load_code_are_refused(name: str, make_script: MakeScript) -> None:
    script = make_script("tool", ECHO)
    refused = list(Command(argv=(str(script),), env={name: "/tmp/x.so"}).refusals(Allow(commands=(script,))))
    assert [field for field, _ in refused] == ["env"]


FAMILY = """#!/bin/sh
trap "" TERM
sh -c 'trap "" TERM; setsid sh -c "echo \\$\\$; sleep 300; true"' &
sh -c 'echo $$; sleep 300; true' &
echo $$
while :; do sleep 300; done
"""


def test_when_its_time_is_up_all_of_it_is_killed(make_context: MakeContext, make_script: MakeScript) -> None:
    script = make_script("family", FAMILY)
    context = make_context(Allow(commands=(script,)), seconds=1)
    with pytest.raises(StepTimeoutError):
        Command(argv=(str(script),)).run(context)
    family = [int(pid) for pid in context.output.text().split()]
    assert len(family) == 3
    assert not [pid for pid in family if _runs(pid)]


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_the_bridges_end_ends_it(make_context: MakeContext, make_script: MakeScript) -> None:
    script = make_script("sleeper", "#!/bin/sh\nexec sleep 300\n")
    context = make_context(Allow(commands=(script,)))
    threading.Timer(0.3, context.stop.set).start()
    began = time.monotonic()
    with pytest.raises(StepError, match="stopping"):
        Command(argv=(str(script),)).run(context)
    assert time.monotonic() - began < 10


def test_a_flood_is_bounded(make_context: MakeContext, make_script: MakeScript) -> None:
    script = make_script("flood", "#!/bin/sh\necho first\nhead -c 30000000 /dev/zero\necho last\n")
    context = make_context(Allow(commands=(script,)))
    Command(argv=(str(script),)).run(context)
    text = context.output.text()
    assert text.startswith("first\n")
    assert text.endswith("last\n")
    assert len(text) < 70_000


def test_what_it_leaves_behind_does_not_hold_the_step(make_context: MakeContext, make_script: MakeScript) -> None:
    script = make_script("daemon", "#!/bin/sh\nsleep 5 &\necho $!\n")
    context = make_context(Allow(commands=(script,)), seconds=4)
    Command(argv=(str(script),)).run(context)
    left = psutil.Process(int(context.output.text()))
    assert left.is_running()
    left.kill()


def test_a_secret_that_a_program_prints_is_not_kept(
    home: Path, make_context: MakeContext, make_script: MakeScript
) -> None:
    script = make_script("talkative", '#!/bin/sh\necho "connecting with $KEY"\n')
    (home / "key").write_text("hunter2-受注\n")
    context = make_context(Allow(commands=(script,)))
    Command(argv=(str(script),), env_files={"KEY": home / "key"}).run(context)
    assert context.output.text() == "connecting with <redacted>\n"


def test_what_left_its_group_and_lost_its_parent_is_killed_too(
    home: Path, make_context: MakeContext, make_script: MakeScript
) -> None:
    """With job control a shell puts what it starts into groups of their own; their parent ends at once."""
    inner = f"trap '' TERM; echo $$ > {home}/pid; exec sleep 60"
    script = make_script("strays", f'#!/bin/sh\n(set -m; sh -c "{inner}" & )\nsleep 60\n')
    with pytest.raises(StepTimeoutError):
        Command(argv=(str(script),)).run(make_context(Allow(commands=(script,)), seconds=1))
    assert not psutil.pid_exists(int((home / "pid").read_text()))


def test_one_that_writes_without_an_end_gives_way_to_the_end_of_the_bridge(
    make_context: MakeContext, make_script: MakeScript
) -> None:
    script = make_script("endless", "#!/bin/sh\nexec yes\n")
    context = make_context(Allow(commands=(script,)), seconds=600)
    threading.Timer(0.3, context.stop.set).start()
    with pytest.raises(StepError, match="the bridge is stopping"):
        Command(argv=(str(script),)).run(context)
    assert len(context.output.text()) < 100 * 1024


@pytest.mark.parametrize("call", ["pipe", "pidfd_open"])
def test_where_there_are_no_descriptors_left_it_fails_and_nothing_hangs(
    call: str, make_context: MakeContext, make_script: MakeScript, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program whose output nobody reads writes no further than its pipe is long, and never ends."""

    def none_left(*_: object) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    script = make_script("prints", "#!/bin/sh\nhead -c 300000 /dev/zero\n")
    monkeypatch.setattr(os, call, none_left)
    with pytest.raises(StepError, match="Too many open files"):
        Command(argv=(str(script),)).run(make_context(Allow(commands=(script,))))
