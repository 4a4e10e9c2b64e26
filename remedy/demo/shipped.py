"""The demo's Prometheus and Alertmanager configuration: what `monitoring/` ships, with addresses and timings replaced.

So the demo and its tests run the files that people will use, and a mistake in those is seen here.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from remedy.config.durations import parse_duration

_BRIDGE_PORT = 9095
_ADDRESS = re.compile(r"(?:[A-Za-z0-9.-]+):(?P<port>\d+)\b")
_WINDOW = re.compile(r"\b1m\b")


@dataclass(frozen=True)
class Timing:
    """How much faster than in real life things go here. Durations as Prometheus writes them."""

    scrape: str = "1s"
    """Also how often rules are evaluated."""
    log_window: str = "5s"
    """How long after its last line a log pattern's alert goes on; a minute in real life."""
    group_interval: str = "1s"
    """How soon the bridge hears of a change."""
    people_wait: str = "1m"
    """How long the machine has before people are told."""
    people_interval: str = "5m"
    """How soon people hear of a change. Alertmanager keeps a group for a while after its alerts have gone, and for what
    returns meanwhile this is all the wait there is."""


def prometheus(shipped: Path, rules: Path, ports: Mapping[int, int], token: Path, timing: Timing) -> str:
    """Derive prometheus.yml; `ports` maps the documented ports to those of the demo."""
    config = _read(shipped, ports, token)
    config.setdefault("global", {}).update(scrape_interval=timing.scrape, evaluation_interval=timing.scrape)
    config["global"]["scrape_timeout"] = timing.scrape
    config["rule_files"] = [str(rules)]
    for job in config["scrape_configs"]:
        for own in ("scrape_interval", "scrape_timeout"):
            job.pop(own, None)
    return _written(config)


def alert_rules(shipped: Path, timing: Timing) -> str:
    """Derive alert_rules.yml: the window of the log patterns is shorter."""
    config = yaml.safe_load(shipped.read_text(encoding="utf-8"))
    for rule in (rule for group in config["groups"] for rule in group["rules"]):
        if rule["alert"] == "LogPatternMatched":
            rule["expr"] = _WINDOW.sub(timing.log_window, rule["expr"])
    return _written(config)


def alertmanager(shipped: Path, ports: Mapping[int, int], token: Path, people: str, timing: Timing) -> str:
    """Derive alertmanager.yml; every receiver that is not the bridge becomes a webhook below the URL `people`."""
    config = _read(shipped, ports, token)
    bridge = {each["name"] for each in config["receivers"] if f":{ports[_BRIDGE_PORT]}/" in str(each)}
    for receiver in config["receivers"]:
        if len(receiver) > 1 and (name := receiver["name"]) not in bridge:
            receiver.clear()
            receiver.update(name=name, webhook_configs=[{"url": f"{people}/{name}", "send_resolved": False}])
    waits = {"group_wait": timing.people_wait, "group_interval": timing.people_interval}
    _hurry(config["route"], {name: {"group_interval": timing.group_interval} for name in bridge}, waits)
    return _written(config)


def _hurry(route: dict[str, Any], own: Mapping[str, Mapping[str, str]], others: Mapping[str, str]) -> None:
    """Let no route wait longer than `own` says for its receiver, or `others` where that says nothing."""
    for key, most in own.get(route.get("receiver", ""), others).items():
        if key in route:
            route[key] = min(str(route[key]), most, key=parse_duration)
    for inner in route.get("routes", ()):
        _hurry(inner, own, others)


def _read(shipped: Path, ports: Mapping[int, int], token: Path) -> dict[str, Any]:
    def moved(match: re.Match[str]) -> str:
        port = int(match["port"])
        return f"127.0.0.1:{ports[port]}" if port in ports else match[0]

    config = _mapped(yaml.safe_load(shipped.read_text(encoding="utf-8")), lambda text: _ADDRESS.sub(moved, text))
    result: dict[str, Any] = _with_token(config, str(token))
    return result


def _mapped(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, dict):
        return {key: _mapped(inner, change) for key, inner in value.items()}
    if isinstance(value, list):
        return [_mapped(inner, change) for inner in value]
    return change(value) if isinstance(value, str) else value


def _with_token(value: Any, token: str) -> Any:
    if isinstance(value, dict):
        return {key: token if key == "credentials_file" else _with_token(inner, token) for key, inner in value.items()}
    return [_with_token(inner, token) for inner in value] if isinstance(value, list) else value


def _written(config: Mapping[str, Any]) -> str:
    return "# Derived from monitoring/ for the demo: addresses and timings differ.\n" + yaml.safe_dump(
        config, sort_keys=False, allow_unicode=True, width=120
    )
