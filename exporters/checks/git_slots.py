"""A pool of repository clones."""

import fcntl
import json
import os
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from exporters.checks.base import Check, CheckContext, CheckError, CheckResult, Status
from remedy.config.durations import Duration, format_duration

_STATES = frozenset({"available", "allocated", "cleaning", "error"})
_KEYS = frozenset({"slot_id", "repo_name", "slot_path", "state"})
_BAD_NEWS = ("error", "missing", "broken", "fatal")
_SAFE = ("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "safe.directory=*")
"""A clone's own configuration must not make git run anything."""
_SHOWN = 5

Finding = tuple[Literal["long_allocated", "corrupted", "orphaned_lock", "in_error"], str]


class GitSlots(Check):
    """The slots of a pool of repository clones: corrupted ones, ones allocated for too long, orphaned locks.

    Corrupted: no folder, no `.git`, no readable branch or commit, findings of `git fsck`, an invalid `slot.json`.
    A lock is orphaned when it is old, belongs to no slot and nobody holds it. The value is the number of findings.

        - {name: pool, kind: git_slots, path: /home/ci/.necrocode/workspaces/app, interval: 1h, timeout: 5m}
    """

    path: Path = Field(description="The repository's pool: the folder with pool.json and the slots.")
    locks: Path | None = Field(default=None, description="The folder of the locks; else `locks` beside the pool.")
    allocated_for: Duration = Field(default=timedelta(hours=24), description="Allocated longer is too long.")
    stale_lock_hours: float = Field(default=24, ge=0)
    fsck: bool = Field(default=True, description="Run `git fsck`, which reads everything.")

    def run(self, context: CheckContext) -> CheckResult:
        try:
            pool = json.loads((self.path / "pool.json").read_text(encoding="utf-8"))
            slots = {
                f"workspace-{pool['repo_name']}-slot{n + 1}": f"slot{n + 1}" for n in range(int(pool["num_slots"]))
            }
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CheckError(f"{self.path}/pool.json cannot be read: {error!r}") from None
        findings = [finding for folder in slots.values() for finding in self._slot(self.path / folder, context)]
        findings += self._orphans(f"workspace-{pool['repo_name']}-", set(slots))
        counts: Counter[str] = Counter(kind for kind, _ in findings)
        shown = "; ".join(text for _, text in findings[:_SHOWN])
        more = f"; and {len(findings) - _SHOWN} more" if len(findings) > _SHOWN else ""
        status = Status.UNHEALTHY if findings else Status.HEALTHY
        message = f"{shown}{more}" if findings else f"{len(slots)} slots are as they should be"
        return CheckResult(status, message, len(findings), "findings", 0, {"slots": len(slots)} | dict(counts))

    def _slot(self, folder: Path, context: CheckContext) -> Iterator[Finding]:
        if not folder.is_dir():
            yield "corrupted", f"{folder.name} has no folder"
            return
        if not (folder / ".git").exists():
            yield "corrupted", f"{folder.name} has no .git"
        elif why := self._git_problem(folder, context):
            yield "corrupted", f"{folder.name}: {why}"
        try:
            slot = _read_slot(folder / "slot.json")
        except (OSError, ValueError) as error:
            yield "corrupted", f"{folder.name}: slot.json is invalid: {error}"
            return
        if slot["state"] == "error":
            yield "in_error", f"{folder.name} is in error"
        since = slot.get("last_allocated_at")
        if slot["state"] == "allocated" and since and _age(since) > self.allocated_for.total_seconds():
            yield "long_allocated", f"{folder.name} is allocated for more than {format_duration(self.allocated_for)}"

    def _git_problem(self, folder: Path, context: CheckContext) -> str:
        for asked, what in (
            (("rev-parse", "--abbrev-ref", "HEAD"), "branch"),
            (("rev-parse", "--verify", "HEAD^{commit}"), "commit"),
        ):
            if _git(folder, context, *asked).returncode:
                return f"no readable {what}"
        if not self.fsck:
            return ""
        done = _git(folder, context, "fsck", "--no-progress", "--no-dangling")
        bad = [line for line in done.stdout.splitlines() if line.startswith(_BAD_NEWS)]
        return f"git fsck: {(bad or ['failed'])[0]}" if bad or done.returncode else ""

    def _orphans(self, prefix: str, slots: set[str]) -> Iterator[Finding]:
        folder = self.locks or self.path.parent / "locks"
        for lock in sorted(folder.glob("*.lock")) if folder.is_dir() else ():
            if not lock.stem.startswith(prefix) or lock.stem in slots:
                continue
            try:
                old = time.time() - lock.stat().st_mtime > self.stale_lock_hours * 3600
                if old and not _is_held(lock):
                    yield "orphaned_lock", f"{lock.name} is orphaned"
            except FileNotFoundError:
                continue


def _read_slot(file: Path) -> dict[str, Any]:
    slot = json.loads(file.read_text(encoding="utf-8"))
    if not isinstance(slot, dict) or not slot.keys() >= _KEYS:
        raise ValueError("keys are missing")
    if slot["state"] not in _STATES:
        raise ValueError(f"unknown state {slot['state']!r}")
    if slot.get("last_allocated_at"):
        _age(slot["last_allocated_at"])
    return slot


def _age(text: str) -> float:
    """Return how long ago that was; a time without a zone is local, as that system writes it."""
    return time.time() - datetime.fromisoformat(text).timestamp()


def _is_held(lock: Path) -> bool:
    with lock.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


def _git(folder: Path, context: CheckContext, *asked: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "GIT_DIR": str(folder / ".git"), "GIT_CONFIG_NOSYSTEM": "1", "GIT_OPTIONAL_LOCKS": "0"}
    try:
        return subprocess.run(
            ["git", *_SAFE, *asked],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=context.remaining(),
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise CheckError(f"git {asked[0]} in {folder} did not end in time") from None
