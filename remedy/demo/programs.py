"""Which programs the demo starts, with which arguments and files; with Prometheus, or without it."""

import secrets
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path

from remedy.config.shipped import shipped as shipped_folder
from remedy.demo import configs, shipped
from remedy.demo.place import Place
from remedy.demo.ports import free_ports
from remedy.demo.processes import Program
from remedy.demo.sample import SampleService

_RETENTION = "1d"


@dataclass(frozen=True)
class Ports:
    """The ports of one demo; each is free when it is chosen."""

    prometheus: int
    alertmanager: int
    bridge: int
    exporter: int
    sample: int
    people: int

    @classmethod
    def free(cls) -> "Ports":
        """Choose ports that nobody listens on."""
        return cls(*free_ports(6))

    def of_documented(self) -> dict[int, int]:
        """Map the ports that the shipped files name to those of the demo."""
        return {9090: self.prometheus, 9093: self.alertmanager, 9095: self.bridge, 9195: self.exporter}


@dataclass(frozen=True)
class Tools:
    """Where Prometheus and Alertmanager are on this machine."""

    prometheus: str | None
    alertmanager: str | None

    @classmethod
    def found(cls) -> "Tools":
        """Look for them on the path; Debian calls Alertmanager `prometheus-alertmanager`."""
        return cls(shutil.which("prometheus"), shutil.which("prometheus-alertmanager") or shutil.which("alertmanager"))

    def missing(self) -> list[str]:
        """Name what is not there."""
        pairs = (("Prometheus", self.prometheus), ("Alertmanager", self.alertmanager))
        return [name for name, path in pairs if path is None]


@dataclass(frozen=True)
class Plan:
    """Everything that is to run, in the order in which it is started."""

    sample: SampleService
    programs: tuple[Program, ...]
    urls: dict[str, str]
    """Base URLs by the names `exporter`, `prometheus`, `alertmanager`, `bridge`; those that there are."""


@dataclass(frozen=True)
class Settings:
    """What may differ from demo to demo, and from test to test."""

    timing: shipped.Timing = field(default_factory=shipped.Timing)
    pace: configs.Pace = field(default_factory=configs.Pace)


def plan(place: Place, ports: Ports, tools: Tools, settings: Settings) -> Plan:
    """Write all configuration into the demo's folder and say what to start.

    Raises:
        NotShippedError: Prometheus is to be used, but the project's files for it are not here.
    """
    sample = SampleService(place.root / "sample", ports.sample, leash=place.lock)
    sample.prepare()
    token = place.write("token", secrets.token_urlsafe(32) + "\n")
    exporter = place.write("exporter.yml", configs.exporter(sample, ports.exporter, place.root / "exporter.db"))
    urls = {"exporter": _url(ports.exporter), "bridge": _url(ports.bridge)}
    if tools.prometheus and tools.alertmanager:
        urls |= {"prometheus": _url(ports.prometheus), "alertmanager": _url(ports.alertmanager)}
    asked = (urls.get("prometheus"), urls.get("alertmanager"))
    addresses = configs.BridgeAddresses(ports.bridge, token, place.root / "ledger.db", _url(ports.people), *asked)
    remediation = place.write("remediation.yml", configs.remediation(sample, addresses, settings.pace))
    if not (tools.prometheus and tools.alertmanager):
        return Plan(sample, (_run(place, urls, exporter, remediation),), {"bridge": urls["bridge"]})
    programs = (
        _exporter(place, urls, exporter),
        _prometheus(place, urls, tools.prometheus, _prometheus_files(place, ports, token, settings)),
        _alertmanager(place, urls, tools.alertmanager, _alertmanager_file(place, ports, token, settings)),
        _bridge(place, urls, remediation),
    )
    return Plan(sample, programs, urls)


def _url(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def _remedy(*arguments: str | Path) -> tuple[str, ...]:
    return (sys.executable, "-m", "remedy", *map(str, arguments))


def _exporter(place: Place, urls: dict[str, str], config: Path) -> Program:
    return Program(
        name="exporter",
        argv=_remedy("exporter", "--config", config),
        log=place.root / "logs" / "exporter.log",
        ready_url=urls["exporter"] + "/-/healthy",
        without_it="no check runs and no log is read",
    )


def _bridge(place: Place, urls: dict[str, str], config: Path) -> Program:
    return Program(
        name="bridge",
        argv=_remedy("bridge", "--config", config),
        log=place.root / "logs" / "bridge.log",
        ready_url=urls["bridge"] + "/-/ready",
        without_it="nothing is fixed; Alertmanager keeps what it has to say and says it again",
    )


def _run(place: Place, urls: dict[str, str], exporter: Path, remediation: Path) -> Program:
    return Program(
        name="remedy run",
        argv=_remedy("run", "--continuous", "--wait-minutes=0", "--config", exporter, "--config", remediation),
        log=place.root / "logs" / "run.log",
        ready_url=urls["bridge"] + "/-/ready",
        without_it="nothing is checked and nothing is fixed",
    )


def _prometheus_files(place: Place, ports: Ports, token: Path, settings: Settings) -> Path:
    folder, timing = shipped_folder("monitoring"), settings.timing
    rules = place.write("alert_rules.yml", shipped.alert_rules(folder / "alert_rules.yml", timing))
    text = shipped.prometheus(folder / "prometheus.yml", rules, ports.of_documented(), token, timing)
    return place.write("prometheus.yml", text)


def _prometheus(place: Place, urls: dict[str, str], program: str, config: Path) -> Program:
    return Program(
        name="Prometheus",
        argv=(
            program,
            f"--config.file={config}",
            f"--storage.tsdb.path={place.root / 'prometheus'}",
            f"--storage.tsdb.retention.time={_RETENTION}",
            f"--web.listen-address={urls['prometheus'].removeprefix('http://')}",
            # An Alertmanager that was started again hears of what fires within seconds, not within a minute.
            "--rules.alert.resend-delay=5s",
        ),
        log=place.root / "logs" / "prometheus.log",
        ready_url=urls["prometheus"] + "/-/ready",
        without_it="no rule is evaluated, so no alert fires and none resolves",
    )


def _alertmanager_file(place: Place, ports: Ports, token: Path, settings: Settings) -> Path:
    source = shipped_folder("monitoring") / "alertmanager.yml"
    text = shipped.alertmanager(source, ports.of_documented(), token, _url(ports.people), settings.timing)
    return place.write("alertmanager.yml", text)


def _alertmanager(place: Place, urls: dict[str, str], program: str, config: Path) -> Program:
    return Program(
        name="Alertmanager",
        argv=(
            program,
            f"--config.file={config}",
            f"--storage.path={place.root / 'alertmanager'}",
            f"--web.listen-address={urls['alertmanager'].removeprefix('http://')}",
            "--cluster.listen-address=",
        ),
        log=place.root / "logs" / "alertmanager.log",
        ready_url=urls["alertmanager"] + "/-/ready",
        without_it="no alert reaches the bridge or people",
    )
