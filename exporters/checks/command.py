"""A program's verdict."""

import os
import re
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import IO

from pydantic import Field, field_validator

from exporters.checks._fields import Regex
from exporters.checks.base import Check, CheckContext, CheckError, CheckResult, healthy, unhealthy, within

_OUTPUT_LIMIT = 64 * 1024
_SHOWN = 200


class Command(Check):
    r"""A program's exit code, or a number from what it prints. No shell: `argv` is what is run.

    With `value` set, its first group (or all that it finds) is the number that is held against `threshold`.

        - {name: migrations, kind: command, argv: [/usr/local/bin/migrate, --check]}
        - {name: queue_length, kind: command, argv: [/usr/bin/qlen], value: 'length: (\d+)', threshold: 1000}
    """

    argv: list[str] = Field(min_length=1)
    cwd: Path | None = Field(default=None, description="The folder that it runs in.")
    exit_codes: list[int] = Field(default=[0], description="The exit codes that mean healthy.")
    value: Regex | None = Field(default=None, description="A regex that finds the number in the output.")
    unit: str = Field(default="", pattern=r"^[a-z_]*$")
    threshold: float | None = None

    @field_validator("argv")
    @classmethod
    def _absolute(cls, argv: list[str]) -> list[str]:
        if not argv[0].startswith("/"):
            raise ValueError(f"'{argv[0]}' must be an absolute path: it is looked up nowhere")
        return argv

    def run(self, context: CheckContext) -> CheckResult:
        with tempfile.TemporaryFile() as output:
            code = self._exit_code(output, context)
            output.seek(0)
            text = output.read(_OUTPUT_LIMIT).decode("utf-8", "replace")
        last = next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")[:_SHOWN]
        if code not in self.exit_codes:
            return unhealthy(f"{self.argv[0]} exited {code}{': ' if last else ''}{last}")
        if self.value is None:
            return healthy(last or f"{self.argv[0]} exited {code}")
        number = self._number(text)
        return within(number, self.threshold, self.unit, f"{self.argv[0]} says {number:g}")

    def _exit_code(self, output: IO[bytes], context: CheckContext) -> int:
        with subprocess.Popen(
            self.argv,
            cwd=self.cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process:
            try:
                return process.wait(context.remaining())
            except (subprocess.TimeoutExpired, CheckError):
                raise CheckError(f"{self.argv[0]} did not end in time and was killed") from None
            finally:
                if process.poll() is None:  # not yet reaped, so its group is still the one we made
                    os.killpg(process.pid, signal.SIGKILL)

    def _number(self, text: str) -> float:
        match = re.search(self.value or "", text)
        if match is None:
            raise CheckError(f"{self.argv[0]} printed nothing that {self.value!r} finds")
        found = match.group(1 if match.re.groups else 0)
        try:
            return float(found)
        except ValueError:
            raise CheckError(f"{self.argv[0]} printed {found!r}, which is no number") from None
