"""A service to be served in a process of its own: `python -m tests.remedy.served BIND WEB_CONFIG`."""

import os
import sys
import time
from functools import cached_property
from pathlib import Path

from flask import Flask, Response, request

from remedy.config.problems import ConfigError, Problem
from remedy.web.patience import PatientWorker
from remedy.web.peer import Peer
from remedy.web.serve import Listen, serve
from remedy.web.webconfig import read_web_config


class Sample:
    """Answers who is asking, and counts its reloads."""

    def __init__(self) -> None:
        if "SAMPLE_IS_WRONG" in os.environ:
            raise ConfigError([Problem("sample.yml", 3, "checks[0]", "the key 'kind' is missing")])
        self.reloads = 0

    @cached_property
    def wsgi(self) -> Flask:
        """The HTTP side, made when a file is there where one is waited for."""
        if (awaited := os.environ.get("SAMPLE_WAITS_FOR")) is not None:
            print("waiting", flush=True)
            while not Path(awaited).exists():
                time.sleep(0.01)
        app = Flask(__name__)
        app.add_url_rule("/", view_func=self.answer)
        app.add_url_rule("/slow", view_func=self.answer_late, methods=["POST"])
        return app

    def answer(self) -> Response:
        """Say how the request came, what it showed, and what a child of the process would inherit."""
        peer = Peer.of(request.environ)
        inherited = os.environ.get("NOTIFY_SOCKET", "nothing")
        return Response(f"{peer.reach} {peer.certificate} {self.reloads} {inherited}")

    def answer_late(self) -> Response:
        """Say how much came, after longer than a sender may take."""
        size = len(request.get_data())
        time.sleep(2)
        return Response(f"{size} bytes")

    def start(self) -> None:
        print("started", flush=True)

    def reload(self) -> None:
        self.reloads += 1
        print("reloaded", flush=True)

    def stop(self) -> None:
        print("stopped", flush=True)


if __name__ == "__main__":
    bind, config = sys.argv[1:]
    if "SAMPLE_IS_IMPATIENT" in os.environ:
        PatientWorker.head_seconds = PatientWorker.body_seconds = 0.3
    tls = read_web_config(Path(config)).tls_server_config if config else None
    serve(Sample, Listen(tuple(bind.split(",")), threads=2, tls=tls))
