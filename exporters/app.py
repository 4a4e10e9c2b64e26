"""The exporter's HTTP side. A scrape never runs a check."""

import time
from collections.abc import Callable, Iterator

from flask import Flask, Response, jsonify, render_template_string, request
from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from exporters.access import Access
from exporters.clock import Clock
from exporters.exporter import Exporter
from exporters.exposition import Exposition
from exporters.health import Overall, document, overall
from exporters.logs.redaction import shown
from exporters.metrics import check_families
from exporters.probing import NotProbedError
from exporters.schedule import UnknownCheckError
from remedy.config.problems import ConfigError

_SCRAPE_TIMEOUT = 10.0
"""Seconds that a probe may take when nobody says how long they wait: Prometheus' default."""
_MARGIN = 0.5
"""Seconds before the end of the asker's patience in which the answer must be on its way."""


def make_app(exporter: Exporter, reload: Callable[[], None], access: Access, clock: Clock = time) -> Flask:
    """Make the application; `reload` reads the configuration anew, or raises `ConfigError`."""
    app = Flask(__name__)
    app.before_request(access.look)
    app.after_request(access.dress)

    exposition = Exposition(exporter.registry)

    @app.get("/metrics")
    def metrics() -> Response:
        return _exposition(exposition)

    @app.get("/health")
    def health() -> tuple[Response, int]:
        standings = exporter.standings()
        status = 503 if overall(standings) is Overall.CRITICAL else 200
        return jsonify(document(standings, clock.time())), status

    @app.get("/probe")
    def probe() -> Response:
        return _probe(exporter, request.args.get("check", ""))

    @app.get("/api/v1/matches")
    def matches() -> Response:
        wanted = request.args.get("pattern", "")
        return jsonify({"pattern": wanted, "sources": _matches(exporter, wanted)})

    @app.get("/-/healthy")
    def alive() -> Response:
        return _text("The exporter is healthy.\n", 200)

    @app.post("/-/reload")
    def reload_() -> Response:
        try:
            reload()
        except ConfigError as wrong:
            return _text(f"{wrong}\n", 400)
        return _text("reloaded\n", 200)

    @app.get("/")
    def front() -> str:
        standings = exporter.standings()
        return render_template_string(_PAGE, health=document(standings, clock.time()))

    return app


class _Once(Collector):
    """Metrics that are already made."""

    def __init__(self, metrics: Iterator[Metric]) -> None:
        self._metrics = list(metrics)

    def collect(self) -> Iterator[Metric]:
        yield from self._metrics


def _probe(exporter: Exporter, name: str) -> Response:
    try:
        standing, run = exporter.probe(name, _patience())
    except UnknownCheckError:
        return _text(f"there is no check '{name}': /probe?check=NAME\n", 404)
    except NotProbedError as why:
        return _text(f"{why}\n", 503)
    registry = CollectorRegistry()
    registry.register(_Once(check_families([standing.after(run)])))
    return _exposition(Exposition(registry))


def _matches(exporter: Exporter, pattern: str) -> dict[str, list[str]]:
    return {source: [shown(line) for line in lines] for source, lines in exporter.counts.latest(pattern).items()}


def _exposition(exposition: Exposition) -> Response:
    text, content_type = exposition.text(request.headers.get("Accept", ""))
    return Response(text, content_type=content_type)


def _text(text: str, status: int) -> Response:
    return Response(text, status, content_type="text/plain; charset=utf-8")


def _patience() -> float:
    """Return how long a probe may take; Prometheus says so in a header."""
    said = request.headers.get("X-Prometheus-Scrape-Timeout-Seconds", "")
    try:
        seconds = float(said) if said else _SCRAPE_TIMEOUT
    except ValueError:
        seconds = _SCRAPE_TIMEOUT
    return max(_MARGIN, seconds - _MARGIN)


_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>remedy exporter</title>
<style>body{font:16px/1.5 system-ui;margin:2rem}td,th{padding:.2rem 1rem .2rem 0;text-align:left}
.unhealthy,.unknown{color:#b00020}</style>
<h1>remedy exporter: {{ health.overall_status }}</h1>
<p><a href="metrics">metrics</a> · <a href="health">health</a></p>
<table><tr><th>check<th>status<th>message
{%- for name, check in health.checks.items() %}
<tr><td>{{ name }}<td class="{{ check.status }}">{{ check.status }}<td>{{ check.message }}
{%- endfor %}</table></html>
"""
