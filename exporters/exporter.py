"""The exporter in one process: checks on their schedule and log sources followed, their metrics in a registry.

    exporter = Exporter(read_config(file), CollectorRegistry(), time)
    exporter.start()
    ...
    exporter.stop()

No HTTP is needed: `remedy run` reads `standings()` and the registry.
"""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Gauge

from exporters.clock import Clock
from exporters.config import ExporterConfig
from exporters.metrics import CheckMetrics
from exporters.schedule import Run, Schedule, Standing


class Exporter:
    """Everything that runs behind the metrics; swapped in place when the configuration is read anew."""

    def __init__(self, config: ExporterConfig, registry: CollectorRegistry, clock: Clock) -> None:
        self.registry = registry
        self._clock = clock
        self._config = config
        self._schedule = Schedule(config.checks, clock)
        self._reloaded = Gauge(
            "exporter_config_last_reload_successful",
            "1 if the configuration was accepted when it was last read, else 0.",
            registry=registry,
        )
        self._reloaded.set(1)
        registry.register(CheckMetrics(self.standings))

    @property
    def config(self) -> ExporterConfig:
        """Return the configuration that is in force."""
        return self._config

    def start(self) -> None:
        """Begin to check and to follow."""
        self._schedule.start()

    def stop(self) -> None:
        """End; nothing that hangs delays it."""
        self._schedule.stop()

    def standings(self) -> Mapping[str, Standing]:
        """Return how every check stands, by name."""
        return self._schedule.standings()

    def probe(self, name: str, timeout: float) -> tuple[Standing, Run]:
        """Run one check now; see `Schedule.probe`."""
        run = self._schedule.probe(name, timeout)
        return self.standings()[name], run

    def adopt(self, config: ExporterConfig) -> None:
        """Go on with another configuration; checks that are the same keep how they stand."""
        before = self.standings()
        self._schedule.stop()
        self._schedule = Schedule(config.checks, self._clock, before)
        self._config = config
        self._schedule.start()
        self._reloaded.set(1)

    def refused(self) -> None:
        """Say in the metrics that the configuration that was read last is not the one in force."""
        self._reloaded.set(0)
