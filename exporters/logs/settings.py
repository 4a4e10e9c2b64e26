"""What a log source is in the configuration."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from exporters.checks.base import Name


class LastLines(BaseModel):
    """`start_at: {last_lines: 1000}`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    last_lines: int = Field(ge=1)
    """So many lines before the end."""


StartAt = Literal["end", "beginning"] | LastLines


class Journal(BaseModel):
    """systemd's journal, all of it or some units or programs, read with journalctl.

    Who may not read the journal sees nothing in it: the exporter's user has to be in the group `systemd-journal`.
    Out of reach is what journald deleted while we were down.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    units: list[Name] = Field(default=[], description="Units; else all.")
    identifiers: list[Name] = Field(default=[], description="What programs call themselves in it (SYSLOG_IDENTIFIER).")
    directory: Path | None = Field(default=None, description="A folder with journal files, else this machine's.")


class DockerLogs(BaseModel):
    """A container's output, read with `docker logs`, whatever its logging driver, if that can be read at all.

    One that is created anew under the same name is read from its beginning. Lines that Docker splits (at 16 KiB) are
    put together again; of those the driver `local` loses the end, so that one counts together with the next line. Out
    of reach is what Docker rotated away, or removed with its container, before it was read.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    container: Name
    """Its name."""
    host: str | None = Field(default=None, description="Such as unix:///run/docker.sock; else DOCKER_HOST's.")


class LogSource(BaseModel):
    """One source of log lines: files, systemd's journal or a Docker container; what a glob names adds up.

    Rotated files are read to their end, whatever they are called by then; what was copied and truncated is looked for
    in the copy. Out of reach is what was written between a copy and its truncation, and what was deleted or compressed
    before anyone read it: compressed files are left alone. What is away or cannot be read for a while is neither
    forgotten nor read twice. Lines are bytes and end with a newline: in UTF-16 no pattern finds its text.

        - {name: app, path: "/var/log/app/*.log", exclude: ["/var/log/app/debug*.log"]}
        - {name: api, journal: {units: [api.service]}}
        - {name: db, docker: {container: db}}
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name
    """The label `source` of its metrics."""
    path: str | None = Field(default=None, pattern=r"^/", description="An absolute path or glob.")
    exclude: list[str] = Field(default=[], description="Paths or globs of files that are left out. `*` takes `/` too.")
    journal: Journal | None = Field(default=None, description="The journal in place of a path; `{}` for all of it.")
    docker: DockerLogs | None = Field(default=None, description="A container in place of a path.")
    start_at: StartAt = Field(default="end", description="Where to begin in what is there at the first start.")

    @model_validator(mode="after")
    def _is_one_thing(self) -> "LogSource":
        if sum(each is not None for each in (self.path, self.journal, self.docker)) != 1:
            raise ValueError("exactly one of the keys 'path', 'journal' and 'docker' is needed")
        if self.exclude and self.path is None:
            raise ValueError("the key 'exclude' needs 'path'")
        return self
