"""`/metrics` and `/-/…`: what Prometheus, systemd and containers ask of the bridge itself."""

from collections.abc import Callable
from importlib import resources
from typing import Any

from flask import Blueprint, Response, jsonify
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from bridge.core import Bridge
from bridge.web.answers import refusal
from remedy.config.problems import ConfigError
from remedy.config.yamlfile import parse_yaml


def machinery_blueprint(bridge: Bridge, registry: CollectorRegistry, reload: Callable[[], None]) -> Blueprint:
    """Make the routes."""
    routes = Blueprint("machinery", __name__)

    @routes.get("/metrics")
    def metrics() -> Response:
        return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)

    @routes.get("/-/healthy")
    def healthy() -> Response:
        return Response("The bridge is healthy.\n", content_type="text/plain")

    @routes.get("/-/ready")
    def ready() -> Response:
        if bridge.ready:
            return Response("The bridge is ready.\n", content_type="text/plain")
        return Response(f"{bridge.trouble}\n", 503, content_type="text/plain")

    @routes.post("/-/reload")
    def reload_() -> Response:
        try:
            reload()
        except ConfigError as wrong:
            return refusal(400, str(wrong))
        return jsonify({"status": "reloaded"})

    @routes.get("/api/v1/openapi.json")
    def openapi() -> Response:
        return jsonify(description())

    return routes


def description() -> dict[str, Any]:
    """Return openapi.yaml, which describes every route; read when it is asked for, which is seldom."""
    text = resources.files("bridge.web").joinpath("openapi.yaml").read_text(encoding="utf-8")
    found: dict[str, Any] = parse_yaml(text, "openapi.yaml").data
    return found
