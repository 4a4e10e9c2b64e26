"""Tell systemd that the service is ready, and that it is alive (sd_notify; `Type=notify`, `WatchdogSec=`)."""

import socket
from collections.abc import MutableMapping
from typing import Self


class Systemd:
    """The socket of the service manager; without one, telling does nothing."""

    def __init__(self, address: str | None) -> None:
        self._address = address

    @classmethod
    def taken_from(cls, environ: MutableMapping[str, str]) -> Self:
        """Take the address out of an environment: what is started from here on cannot speak for the service."""
        return cls(environ.pop("NOTIFY_SOCKET", None))

    def ready(self) -> None:
        """Say that requests are answered from now on."""
        self._tell("READY=1")

    def alive(self) -> None:
        """Feed the watchdog."""
        self._tell("WATCHDOG=1")

    def _tell(self, state: str) -> None:
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as connection:
            connection.setblocking(False)
            try:
                connection.sendto(state.encode(), address)
            except OSError:
                return  # the service manager is gone or busy; it is no reason to stop healing
