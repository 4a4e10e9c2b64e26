"""A TCP port."""

import errno
import socket
from typing import Literal

from pydantic import Field

from exporters.checks._patience import in_time
from exporters.checks.base import Check, CheckContext, CheckResult, healthy, unhealthy


class Tcp(Check):
    """A TCP port that must be open, or must be free.

    Its value is the time that connecting took.

        - {name: api_port, kind: tcp, port: 5100}
        - {name: port_is_free, kind: tcp, port: 6443, expect: free}
    """

    host: str = Field(default="127.0.0.1", description="Name or address.")
    port: int = Field(ge=1, le=65535)
    expect: Literal["open", "free"] = "open"

    def run(self, context: CheckContext) -> CheckResult:
        where, before = f"{self.host}:{self.port}", context.remaining()
        try:
            took = in_time(context, lambda: self._connected(context))
        except ConnectionRefusedError:
            return (
                healthy(f"{where} is free") if self.expect == "free" else unhealthy(f"{where} refused the connection")
            )
        except TimeoutError:
            return unhealthy(f"{where} did not answer within {before:.1f} s")
        except OSError as error:
            return unhealthy(f"{where}: {error.strerror or errno.errorcode.get(error.errno or 0, error)}")
        if self.expect == "free":
            return unhealthy(f"{where} is in use", took, "seconds")
        return healthy(f"{where} is open", took, "seconds")

    def _connected(self, context: CheckContext) -> float:
        before = context.remaining()
        with socket.create_connection((self.host, self.port), timeout=before):
            return before - context.remaining()
