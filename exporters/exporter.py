"""The exporter in one process: checks on their schedule and log sources followed, their metrics in a registry.

    exporter = Exporter(read_config(file), CollectorRegistry(), time)
    exporter.start()
    ...
    exporter.stop()

No HTTP is needed: `remedy run` reads `standings()` and the registry.
"""

import sqlite3
from collections.abc import Mapping
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge

from exporters.clock import Clock
from exporters.config import ExporterConfig
from exporters.logs.counts import LogCounts
from exporters.logs.engines import make_engine
from exporters.logs.follower import Follower
from exporters.logs.store import Store
from exporters.metrics import CheckMetrics
from exporters.run import Run
from exporters.schedule import Schedule, Standing
from remedy.config.problems import ConfigError, Problem


class Exporter:
    """Everything that runs behind the metrics; swapped in place when the configuration is read anew."""

    def __init__(self, config: ExporterConfig, registry: CollectorRegistry, clock: Clock) -> None:
        self.registry = registry
        self._clock = clock
        self._config = config
        self._schedule = Schedule(config.checks, clock)
        self.counts = LogCounts()
        self._follower = self._make_follower(config)
        self._reloaded = Gauge(
            "exporter_config_last_reload_successful",
            "1 if the configuration was accepted when it was last read, else 0.",
            registry=registry,
        )
        self._reloaded.set(1)
        registry.register(CheckMetrics(self.standings))
        registry.register(self.counts)

    @property
    def config(self) -> ExporterConfig:
        """Return the configuration that is in force."""
        return self._config

    def start(self) -> None:
        """Begin to check and to follow."""
        self._schedule.start()
        if self._follower:
            self._follower.start()

    def stop(self) -> None:
        """End; nothing that hangs delays it."""
        self._schedule.stop()
        if self._follower:
            self._follower.stop()

    def end_soon(self) -> None:
        """Let those go who wait for a probe: the end has begun. May be called in a signal's handler."""
        self._schedule.end_probes()

    def standings(self) -> Mapping[str, Standing]:
        """Return how every check stands, by name."""
        return self._schedule.standings()

    def probe(self, name: str, timeout: float) -> tuple[Standing, Run]:
        """Run one check now; see `Schedule.probe`."""
        run = self._schedule.probe(name, timeout)
        return self.standings()[name], run

    def again(self) -> None:
        """Run the checks that failed once more, at once."""
        self._schedule.again()

    def adopt(self, config: ExporterConfig) -> None:
        """Go on with another configuration; checks that are the same keep how they stand.

        Raises:
            ConfigError: its state cannot be opened; nothing has changed.
        """
        before = self.standings()
        another = config.state != self._config.state or self._follower is None
        store = _open_store(config.state) if another and config.log_sources else None  # before anything is stopped
        self.stop()
        self._config = config
        self._schedule = Schedule(config.checks, self._clock, before)
        self._follower = self._make_follower(config, store)
        self.start()
        self._reloaded.set(1)

    def refused(self) -> None:
        """Say in the metrics that the configuration that was read last is not the one in force."""
        self._reloaded.set(0)

    def _make_follower(self, config: ExporterConfig, store: Store | None = None) -> Follower | None:
        if not config.log_sources:
            self.counts.begin((), {})
            return None
        store = store or _open_store(config.state)
        try:
            return Follower(
                config.log_sources,
                config.log_patterns,
                engine=make_engine(config.log_patterns, config.engine),
                store=store,
                counts=self.counts,
                clock=self._clock,
            )
        except sqlite3.Error as error:
            store.close()
            raise _unusable(config.state, error) from None


def _open_store(path: Path) -> Store:
    """Open the state database; a person's mistake is a `ConfigError`."""
    try:
        return Store(path)
    except (OSError, sqlite3.Error) as error:
        raise _unusable(path, error) from None


def _unusable(path: Path, error: Exception) -> ConfigError:
    hint = " (does another exporter use it?)" if "locked" in str(error) else ""
    if any(each in str(error) for each in ("no such column", "malformed", "not a database")):
        hint = "; move it away to begin anew, without the counts in it"
    return ConfigError([Problem(str(path), None, "state", f"cannot be opened: {error}{hint}")])
