"""See whether somebody listens on a port."""

import socket
from enum import StrEnum
from typing import ClassVar

from bridge.actions.base import Action, StepContext, StepTimeoutError
from bridge.actions.host.fields import Port
from bridge.actions.host.matching import listeners

_LOOK_AGAIN_SECONDS = 0.1
_CONNECT_SECONDS = 2.0


class Wanted(StrEnum):
    """What is wanted of a port."""

    OPEN = "open"
    FREE = "free"


class CheckPort(Action):
    """Wait until a TCP port of this machine is open (a connection works), or free (nobody listens on it).

    **Changes** nothing. **Needs** nothing. **Idempotent**: yes. **Backed up**: nothing. It fails when that has not
    come true within the step's `timeout`.

    Example:
        - check_port: {port: 5100, expect: open, timeout: 30s}
    """

    idempotent: ClassVar[bool] = True

    port: Port
    """The port, on this machine."""
    expect: Wanted
    """`open` or `free`."""

    def plan(self, context: StepContext) -> str:
        """Say what is waited for."""
        del context
        return f"wait until port {self.port} is {self.expect}"

    def run(self, context: StepContext) -> str:
        """Look until it is so."""
        try:
            while not self._is_so(min(_CONNECT_SECONDS, context.remaining())):
                context.pause(_LOOK_AGAIN_SECONDS)
        except StepTimeoutError:
            raise StepTimeoutError(f"port {self.port} did not become {self.expect} in time") from None
        return f"port {self.port} is {self.expect}"

    def _is_so(self, seconds: float) -> bool:
        if self.expect is Wanted.FREE:
            return not listeners(self.port)
        return any(_connects(address, self.port, seconds) for address in ("127.0.0.1", "::1"))


def _connects(address: str, port: int, seconds: float) -> bool:
    try:
        with socket.create_connection((address, port), timeout=seconds):
            return True
    except OSError:
        return False
