"""`python -m tests.bridge.actions.interrupting ACTION FOLDER`: kills an action at every point where it changes a file.

Before each try everything is made anew. A child of ours does the action and is killed, as by `kill -9`, before its
first change, then before its second, and so on until it gets through; after each the state is looked at. Points are
what Python tells its audit hooks (open for writing, rename, remove, mkdir, chmod, …), and each write and fsync beside.
One line of JSON for each try tells what was found.
"""

import json
import os
import shutil
import signal
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.bridge.actions.file_actions import ACTIONS, LOG, ROWS, context_for, fill, keep_for_restore, work

_POINTS = (
    "os.rename",
    "os.remove",
    "os.mkdir",
    "os.rmdir",
    "os.chmod",
    "os.chown",
    "os.truncate",
    "os.link",
    "os.utime",
)
_MOST = 300


def fault_at(number: int) -> None:
    """Let this process be killed before its change of this number."""
    count = 0

    def point() -> None:
        nonlocal count
        count += 1
        if count == number:
            os.kill(os.getpid(), signal.SIGKILL)

    def hear(event: str, arguments: tuple[Any, ...]) -> None:
        opens_to_write = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        if event in _POINTS or opens_to_write or event == "ctypes.dlsym":
            point()

    def pointed(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **keys: Any) -> Any:
            point()
            return function(*arguments, **keys)

        return call

    sys.addaudithook(hear)
    for name in ("write", "fsync", "ftruncate"):
        setattr(os, name, pointed(getattr(os, name)))


def tries(name: str, home: Path) -> None:
    """Try each point of one action."""
    (each,) = (each for each in ACTIONS if each.name == name)
    root, backups = home / "root", home / "backups"
    for number in range(1, _MOST):
        for folder in (root, backups):
            shutil.rmtree(folder, ignore_errors=True)
        fill(root / "in")
        if name == "restore_backup":
            keep_for_restore(root / "in", root, backups)
            (root / "in" / "a.json").write_text("spoiled")
        child = os.fork()
        if child == 0:
            try:
                fault_at(number)
                work(each.make(root / "in"), context_for(root, backups))
            except BaseException as error:  # noqa: BLE001 - said by the exit code
                print(error, file=sys.stderr)
                os._exit(1)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        killed = os.WIFSIGNALED(status)
        found = wrong(root / "in")
        with (root / "in" / "logs" / "app.log").open("a") as log:
            log.write("more\n")  # so that there is something to rotate again
        work(each.make(root / "in"), context_for(root, backups, 2))
        again = wrong(root / "in") + [f"{left} is left" for left in (root / "in").rglob(".*unfinished*")]
        print(json.dumps({"point": number, "killed": killed, "exit": status, "wrong": found, "after again": again}))
        if not killed:
            return


def wrong(folder: Path) -> list[str]:
    """Say what is neither as it was before nor as it is to be after; what lies aside, unfinished, is no harm."""
    found = [f"{name} is cut" for name in ("a.json", "b.json") if not _is_json_or_as_before(folder / name)]
    record = json.loads((folder / "app/slot1/slot.json").read_text())
    if record["more"] != "受注" or record["state"] not in ("allocated", "error"):
        found.append("slot.json")
    if record["state"] == "error" and "isolated_at" not in record["metadata"]:
        found.append("slot.json is half isolated")
    with closing(sqlite3.connect(folder / "a.db")) as db:
        if db.execute("SELECT count(*) FROM t").fetchone() != (ROWS,) or db.execute(
            "PRAGMA integrity_check"
        ).fetchone() != ("ok",):
            found.append("a.db")
    for copy in (folder / "copies").glob("*.db"):
        with closing(sqlite3.connect(copy)) as db:
            if db.execute("SELECT count(*) FROM t").fetchone() != (ROWS,):
                found.append("a copy of a.db has its name and is not whole")
    if LOG not in _all_logs(folder / "logs"):
        found.append("lines of the log are lost")
    made = folder / "new"
    found += [
        f"{each} has a mode of nobody's"
        for each in made.rglob("*")
        if (each.stat().st_mode & 0o777) not in (0o750, 0o700)
    ]
    return found


def _is_json_or_as_before(file: Path) -> bool:
    text = file.read_text()
    if text in ('{"受注": [1, 2,]}', "spoiled"):
        return True
    return bool(json.loads(text) == {"受注": [1, 2]})


def _all_logs(folder: Path) -> str:
    import gzip

    parts = []
    for number in range(9, -1, -1):
        for suffix in ("", ".gz"):
            file = folder / (f"app.log.{number}{suffix}" if number else f"app.log{suffix}")
            if file.exists():
                parts.append(gzip.decompress(file.read_bytes()).decode() if suffix else file.read_text())
    return "".join(parts)


if __name__ == "__main__":
    tries(sys.argv[1], Path(sys.argv[2]))
