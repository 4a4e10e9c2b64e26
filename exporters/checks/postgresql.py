"""A PostgreSQL server."""

import os
import socket
import struct
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from exporters.checks._patience import in_time
from exporters.checks.base import Check, CheckContext, CheckError, CheckResult, Status, healthy, unhealthy
from remedy.config.extras import require

_PROTOCOL_3 = 196608
_STARTING_UP = b"57P03"
"""The SQLSTATE cannot_connect_now."""


class Postgresql(Check):
    """That a PostgreSQL server takes connections. With a DSN (or DATABASE_URL) it also logs in and runs a query.

    Without, it asks what pg_isready asks, and needs neither a password nor a library. PGHOST and PGPORT are honoured.

        - {name: postgres, kind: postgresql, critical: true}
        - {name: orders, kind: postgresql, dsn_file: /etc/remedy/orders.dsn, query: "SELECT 1 FROM orders LIMIT 1"}
    """

    host: str | None = Field(default=None, description="A name, or a folder with its socket; else PGHOST or localhost.")
    port: int | None = Field(default=None, ge=1, le=65535, description="Else PGPORT or 5432.")
    dsn: str | None = Field(default=None, description="A connection string; with a password, better in `dsn_file`.")
    dsn_file: Path | None = Field(default=None, description="A file that holds the connection string.")
    query: str = Field(default="SELECT 1", description="What is asked after logging in.")

    @model_validator(mode="after")
    def _can_log_in(self) -> "Postgresql":
        if self.dsn and self.dsn_file:
            raise ValueError("only one of the keys 'dsn' and 'dsn_file' is taken")
        if self.dsn or self.dsn_file or (self.host is None and "DATABASE_URL" in os.environ):
            require("psycopg", "postgres")
        return self

    def run(self, context: CheckContext) -> CheckResult:
        dsn = self.dsn
        if self.dsn_file is not None:
            dsn = self.dsn_file.read_text(encoding="utf-8").strip()
        elif dsn is None and self.host is None:
            dsn = os.environ.get("DATABASE_URL")
        before = context.remaining()
        try:
            return in_time(context, lambda: self._ask(dsn, context) if dsn else self._knock(context))
        except TimeoutError:
            return unhealthy(f"PostgreSQL did not answer within {before:.1f} s")

    def _ask(self, dsn: str, context: CheckContext) -> CheckResult:
        psycopg: Any = require("psycopg", "postgres")
        before, milliseconds = context.remaining(), int(context.remaining() * 1000)
        try:
            with psycopg.connect(
                dsn,
                connect_timeout=max(2, int(before)),
                options=f"-c statement_timeout={milliseconds} -c default_transaction_read_only=on",
                tcp_user_timeout=milliseconds,
                application_name="remedy exporter",
            ) as connection:
                connection.execute(self.query)
                version = connection.info.parameter_status("server_version")
        except psycopg.Error as error:
            return unhealthy(str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__)
        return healthy(f"PostgreSQL {version} answered", before - context.remaining(), "seconds")

    def _knock(self, context: CheckContext) -> CheckResult:
        """Send a startup message, as pg_isready does: whatever is answered but "starting up" is life."""
        host = self.host or os.environ.get("PGHOST", "localhost")
        port, before = self.port or int(os.environ.get("PGPORT", "5432")), context.remaining()
        where = f"{host}:{port}"
        try:
            with _connected(host, port, before) as server:
                body = struct.pack("!i", _PROTOCOL_3) + b"user\0remedy\0database\0postgres\0\0"
                server.sendall(struct.pack("!i", len(body) + 4) + body)
                kind, text = server.recv(1), server.recv(1024)
        except TimeoutError:
            return unhealthy(f"{where} did not answer within {before:.1f} s")
        except OSError as error:
            return unhealthy(f"{where}: {error.strerror or error}")
        if kind not in (b"R", b"E", b"v"):
            raise CheckError(f"what answers at {where} is no PostgreSQL")
        if _STARTING_UP in text:
            return CheckResult(Status.UNHEALTHY, f"{where} is starting up, or shutting down")
        return healthy(f"{where} takes connections", before - context.remaining(), "seconds")


def _connected(host: str, port: int, timeout: float) -> socket.socket:
    if not host.startswith("/"):
        return socket.create_connection((host, port), timeout)
    server = socket.socket(socket.AF_UNIX)
    server.settimeout(timeout)
    try:
        server.connect(f"{host}/.s.PGSQL.{port}")
    except OSError:
        server.close()
        raise
    return server
