"""The exporter as a service: what `remedy.web.serve` starts, reloads and stops."""

import resource
import signal
import socket
import time
from pathlib import Path
from types import FrameType

import click
from flask import Flask
from prometheus_client import CollectorRegistry

from exporters.access import access_of
from exporters.app import make_app
from exporters.config import read_config
from exporters.exporter import Exporter
from remedy.config.problems import ConfigError


class ExporterService:
    """One exporter and its HTTP side, for one configuration file."""

    def __init__(self, file: Path) -> None:
        """Read the configuration.

        Raises:
            ConfigError: it is wrong.
        """
        self._file = file
        config = read_config(file)
        self.exporter = Exporter(config, CollectorRegistry(), time)
        self._app = make_app(self.exporter, self._adopt, access_of(config, [socket.gethostname()]))

    @property
    def wsgi(self) -> Flask:
        """Return the HTTP side."""
        return self._app

    def start(self) -> None:
        """Begin to check and to follow; every log that is followed is held open."""
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        self._watch_for_the_end()
        self.exporter.start()

    def _watch_for_the_end(self) -> None:
        """Hear of SIGTERM at once: the server stops us only when every request is answered, those for probes too."""
        servers = signal.getsignal(signal.SIGTERM)

        def on_term(number: int, frame: FrameType | None) -> None:
            self.exporter.end_soon()
            if callable(servers):
                servers(number, frame)

        signal.signal(signal.SIGTERM, on_term)

    def reload(self) -> None:
        """Read the configuration anew; a wrong one keeps the old one and says so."""
        try:
            self._adopt()
        except ConfigError as wrong:
            click.echo(f"{wrong}\nthe configuration before stays in force", err=True)

    def stop(self) -> None:
        """End the work."""
        self.exporter.stop()

    def _adopt(self) -> None:
        try:
            self.exporter.adopt(read_config(self._file))
        except ConfigError:
            self.exporter.refused()
            raise
