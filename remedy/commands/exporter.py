"""`remedy exporter`: checks and log patterns as metrics."""

import socket
from contextlib import suppress
from pathlib import Path

import click

from exporters.access import access_of, web_config_of
from exporters.config import read_config
from exporters.service import ExporterService
from remedy.web.serve import Listen, serve


@click.command()
@click.option("--config", "file", type=click.Path(path_type=Path), default=Path("exporter.yml"), show_default=True)
def command(file: Path) -> None:
    """Run checks and follow logs; show both to Prometheus.

    Example: remedy exporter --config exporter.yml
    """
    config = read_config(file)  # a mistake in it is said here, before anything is started
    access_of(config, [])
    tls = web_config_of(config).tls_server_config
    bind = config.listen
    host, _, port = bind.rpartition(":")
    if int(port) == 0:
        listener = socket.create_server((host, 0))
        bind, port = f"fd://{listener.fileno()}", str(listener.getsockname()[1])
    scheme = "https" if tls else "http"
    with suppress(OSError):  # its log may be on a full disk, which is what it is to find
        click.echo(f"remedy exporter: {scheme}://{host}:{port}/metrics")
    serve(lambda: ExporterService(file), Listen(bind=(bind,), tls=tls))
