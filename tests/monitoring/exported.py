"""What exporter and bridge export, as their own registries say: the labels of every series, by its name."""

import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase

from bridge.metrics import Metrics, State, StateCollector
from exporters.config import read_config
from exporters.exporter import Exporter
from tests.e2e.waiting import wait_for

Exported = Mapping[str, frozenset[str]]

SCRAPED = frozenset({"instance", "job"})
"""The labels that Prometheus adds to every series when it scrapes."""


def exported(folder: Path) -> Exported:
    """Return the labels of all series; `folder` is for the exporter's state and log."""
    return {"up": SCRAPED} | _labels(_exporter(folder)) | _labels(_bridge())


def _exporter(folder: Path) -> CollectorRegistry:
    """Run one with a check that has value and threshold, and a log, until it has looked."""
    log = folder / "app.log"
    log.touch()
    file = folder / "exporter.yml"
    file.write_text(
        f"state: {folder / 'exporter.db'}\n"
        "checks: [{name: disk_space, kind: disk, path: /, threshold: 99}]\n"
        f"log_sources: [{{name: app, path: {log}}}]\n"
    )
    file.chmod(0o600)
    exporter = Exporter(read_config(file), CollectorRegistry(), time)
    exporter.start()
    try:
        wait_for(lambda: all(standing.last for standing in exporter.standings().values()))
        return exporter.registry
    finally:
        exporter.stop()


def _bridge() -> CollectorRegistry:
    """Make its metrics, each with one series."""
    registry = CollectorRegistry()
    for metric in vars(Metrics(registry)).values():
        if isinstance(metric, MetricWrapperBase) and metric._labelnames:
            metric.labels(*metric._labelnames)
    registry.register(StateCollector(lambda: State(runs={"running": 1}, paused=False, breakers={"any": False})))
    return registry


def _labels(registry: CollectorRegistry) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for family in registry.collect():
        for sample in family.samples:
            found[sample.name] |= set(sample.labels)
    return {name: SCRAPED | labels for name, labels in found.items()}
