"""A file."""

import grp
import pwd
import stat as modes
import time
from collections.abc import Iterator
from os import stat_result
from pathlib import Path

from pydantic import Field

from exporters.checks.base import Check, CheckContext, CheckResult, Status
from remedy.config.durations import Duration, format_duration


class File(Check):
    """A file that must exist (or must not), young, old, small or large enough, with the right owner and mode.

    Its value is the size in bytes.

        - {name: nightly_backup, kind: file, path: /var/backups/db.gz, max_age: 26h, min_bytes: 1000}
        - {name: app_log, kind: file, path: /var/log/app.log, max_bytes: 10485760}
        - {name: key_is_private, kind: file, path: /etc/ssl/private/app.key, owner: root, mode: "0600"}
    """

    path: Path
    exists: bool = Field(default=True, description="Must it be there?")
    max_age: Duration | None = Field(default=None, description="Since its last change.")
    min_age: Duration | None = None
    max_bytes: int | None = Field(default=None, ge=0)
    min_bytes: int | None = Field(default=None, ge=0)
    owner: str | None = Field(default=None, description="The user's name, or `user:group`.")
    mode: str | None = Field(default=None, pattern=r"^0?[0-7]{3,4}$", description="The mode exactly, octal.")

    def run(self, context: CheckContext) -> CheckResult:
        del context
        try:
            stat = self.path.stat()
        except FileNotFoundError:
            status = Status.UNHEALTHY if self.exists else Status.HEALTHY
            return CheckResult(status, f"{self.path} does not exist")
        if not self.exists:
            return CheckResult(Status.UNHEALTHY, f"{self.path} exists", stat.st_size, "bytes")
        age = max(0.0, time.time() - stat.st_mtime)
        wrong = [*self._wrong_age(age), *self._wrong_size(stat.st_size), *self._wrong_owner(stat)]
        status = Status.UNHEALTHY if wrong else Status.HEALTHY
        message = f"{self.path} {' and '.join(wrong) or 'is as it should be'}"
        details = {"size_bytes": stat.st_size, "age_seconds": round(age)}
        return CheckResult(status, message, stat.st_size, "bytes", self.max_bytes, details)

    def _wrong_age(self, age: float) -> Iterator[str]:
        if self.max_age is not None and age > self.max_age.total_seconds():
            yield f"was last changed {age:.0f} s ago, more than {format_duration(self.max_age)}"
        if self.min_age is not None and age < self.min_age.total_seconds():
            yield f"was last changed {age:.0f} s ago, less than {format_duration(self.min_age)}"

    def _wrong_size(self, size: int) -> Iterator[str]:
        if self.max_bytes is not None and size > self.max_bytes:
            yield f"has {size} bytes, more than {self.max_bytes}"
        if self.min_bytes is not None and size < self.min_bytes:
            yield f"has {size} bytes, fewer than {self.min_bytes}"

    def _wrong_owner(self, stat: stat_result) -> Iterator[str]:
        if self.owner is not None:
            owner, group = _user(stat.st_uid), _group(stat.st_gid)
            if self.owner not in (owner, f"{owner}:{group}"):
                yield f"belongs to {owner}:{group}, not to {self.owner}"
        mode = modes.S_IMODE(stat.st_mode)
        if self.mode is not None and mode != int(self.mode, 8):
            yield f"has mode {mode:04o}, not {int(self.mode, 8):04o}"


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
