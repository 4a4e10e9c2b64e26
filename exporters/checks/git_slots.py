"""A pool of repository clones."""

import fcntl
import json
import os
import re
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import yaml
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

    path: Path = Field(description="A pool: the folder with pool.json and the slots; or the folder of all pools.")
    locks: Path | None = Field(default=None, description="The folder of the locks; else `locks` beside the pools.")
    pools_file: Path | None = Field(
        default=None, description="The pool manager's pools.yaml: a pool that it names must be there."
    )
    allocated_for: Duration = Field(default=timedelta(hours=24), description="Allocated longer is too long.")
    stale_lock_hours: float = Field(default=24, ge=0)
    fsck: bool = Field(default=True, description="Run `git fsck`, which reads everything.")

    def run(self, context: CheckContext) -> CheckResult:
        pools = self._pools()
        findings: list[Finding] = [
            ("corrupted", f"{name} has no pool") for name in sorted(self._wanted() - {p.name for p in pools})
        ]
        slots: set[str] = set()
        for pool in pools:
            for number in range(1, _slot_count(pool) + 1):
                slots.add(f"workspace-{pool.name}-slot{number}")
                found = self._slot(pool / f"slot{number}", context)
                findings += found if len(pools) == 1 else ((kind, f"{pool.name}/{text}") for kind, text in found)
        findings += self._orphans(pools, slots)
        counts: Counter[str] = Counter(kind for kind, _ in findings)
        shown = "; ".join(text for _, text in findings[:_SHOWN])
        more = f"; and {len(findings) - _SHOWN} more" if len(findings) > _SHOWN else ""
        status = Status.UNHEALTHY if findings else Status.HEALTHY
        message = f"{shown}{more}" if findings else f"{len(slots)} slots are as they should be"
        return CheckResult(status, message, len(findings), "findings", 0, {"slots": len(slots)} | dict(counts))

    def _pools(self) -> list[Path]:
        """Return the folder of each pool."""
        if (self.path / "pool.json").exists():
            return [self.path]
        found = sorted(file.parent for file in self.path.glob("*/pool.json"))
        if not found:
            raise CheckError(f"neither {self.path} nor a folder in it has a pool.json")
        return found

    def _wanted(self) -> set[str]:
        """Return the pools that the pool manager's own file names."""
        if self.pools_file is None:
            return set()
        try:
            return set(yaml.safe_load(self.pools_file.read_text(encoding="utf-8")).get("pools") or {})
        except (OSError, ValueError, AttributeError, yaml.YAMLError) as error:
            raise CheckError(f"{self.pools_file} cannot be read: {error!r}") from None

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

    def _orphans(self, pools: list[Path], slots: set[str]) -> Iterator[Finding]:
        """Yield old locks of slots that these pools do not have; a lock of another pool's is that one's."""
        folder = self.locks or (pools[0].parent / "locks")
        ours = re.compile(f"workspace-({'|'.join(re.escape(pool.name) for pool in pools)})-slot[0-9]+")
        for lock in sorted(folder.glob("*.lock")) if folder.is_dir() else ():
            if not ours.fullmatch(lock.stem) or lock.stem in slots:
                continue
            try:
                old = time.time() - lock.stat().st_mtime > self.stale_lock_hours * 3600
                if old and not _is_held(lock):
                    yield "orphaned_lock", f"{lock.name} is orphaned"
            except FileNotFoundError:
                continue


def _slot_count(pool: Path) -> int:
    try:
        return int(json.loads((pool / "pool.json").read_text(encoding="utf-8"))["num_slots"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckError(f"{pool}/pool.json cannot be read: {error!r}") from None


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
