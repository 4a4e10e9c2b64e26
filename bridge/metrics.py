"""The bridge's metrics. Names and labels are contract; a label never holds free text."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from bridge.decision.gates import Verdict
from bridge.ledger.runs import Outcome
from bridge.policy.remediation import Remediation

_RUN_SECONDS = (0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800)
_DELAY_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 300)


class Answered(StrEnum):
    """How a request to /webhook was answered."""

    ACCEPTED = "accepted"
    MALFORMED = "malformed"
    """400: it is no notification."""
    UNAUTHORIZED = "unauthorized"
    """401 or 403: no credential, a wrong one, or a page of another site."""
    TOO_LARGE = "too_large"
    WRONG_TYPE = "wrong_type"
    OTHER_HOST = "other_host"
    """421: the Host header names another service."""
    UNAVAILABLE = "unavailable"
    """503: it was not made durable, its body broke off, or too many passwords were being checked; it comes again."""
    REFUSED = "refused"
    """Anything else."""


class Metrics:
    """All of them, in a registry that is passed in."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self.notifications = Counter(
            "remediation_notifications",
            "Requests to /webhook, by how they were answered.",
            ["result"],
            registry=registry,
        )
        for result in Answered:
            self.notifications.labels(result)
        self.decisions = Counter(
            "remediation_decisions",
            "Decisions on episodes; a held one counts once for each verdict.",
            ["remediation", "decision"],
            registry=registry,
        )
        self.runs = Counter(
            "remediation_runs", "Runs that ended, by outcome.", ["remediation", "outcome"], registry=registry
        )
        self.steps = Counter(
            "remediation_steps",
            "Steps that ended, by outcome.",
            ["remediation", "action", "outcome"],
            registry=registry,
        )
        self.run_duration = Histogram(
            "remediation_run_duration_seconds",
            "From the first step to the end of the run.",
            ["remediation"],
            buckets=_RUN_SECONDS,
            registry=registry,
        )
        self.start_delay = Histogram(
            "remediation_start_delay_seconds",
            "From the receipt of an episode's first notification to the first step of its first attempt.",
            buckets=_DELAY_SECONDS,
            registry=registry,
        )
        self.escalations = Counter(
            "remediation_escalations",
            "Messages to people, by how their delivery went.",
            ["remediation", "notifier", "result"],
            registry=registry,
        )
        self.ledger_writable = Gauge(
            "remediation_ledger_writable",
            "1 while what is received can be made durable.",
            registry=registry,
        )
        self.ledger_reserve = Gauge(
            "remediation_ledger_reserve_bytes",
            "Room on the ledger's disk that is kept for when it is full.",
            registry=registry,
        )
        self.reload_successful = Gauge(
            "remediation_config_last_reload_successful",
            "1 when the configuration that was read last is the one in use.",
            registry=registry,
        )

        self._results: dict[str, Counter] = {}

    def count_results(self, name: str, results: Mapping[str, int]) -> None:
        """Count what a step came to, in the metric of its action's own; no name: it has none."""
        if not name:
            return
        if name not in self._results:
            self._results[name] = Counter(name, "What steps came to.", ["result"], registry=self.registry)
        for result, count in results.items():
            self._results[name].labels(result).inc(count)

    def expect(self, remediations: Iterable[Remediation]) -> None:
        """Begin at 0 what they will count: `increase()` takes a counter's first sample for its beginning."""
        for remediation in remediations:
            self.run_duration.labels(remediation.name)
            for outcome in Outcome:
                self.runs.labels(remediation.name, outcome)
            for verdict in Verdict:
                self.decisions.labels(remediation.name, verdict)
            for notifier in {name for level in remediation.escalate for name in level.to}:
                for result in ("delivered", "failed", "dead"):
                    self.escalations.labels(remediation.name, notifier, result)

    def watch_ledger(self, reserve: Callable[[], float], writable: Callable[[], bool]) -> None:
        """Ask these at each scrape."""
        self.ledger_reserve.set_function(reserve)
        self.ledger_writable.set_function(writable)

    def count(self, decided: Mapping[tuple[str, str], int], ended: Mapping[tuple[str, str], int]) -> None:
        """Count decisions and ends of runs, by remediation and word."""
        for (remediation, verdict), count in decided.items():
            self.decisions.labels(remediation, verdict).inc(count)
        for (remediation, outcome), count in ended.items():
            self.runs.labels(remediation, outcome).inc(count)


@dataclass(frozen=True)
class State:
    """What the ledger says at the moment of a scrape."""

    runs: Mapping[str, int]
    """How many runs are in each state that is not `ended`."""
    paused: bool
    breakers: Mapping[str, bool]
    """Whether the breaker is open, for every remediation."""


class StateCollector(Collector):
    """Gauges that are read from the ledger at the scrape, so that they are right after a restart too.

    `remediation_runs` shares its family name with the counter `remediation_runs_total`, which the text format allows
    and OpenMetrics does not: the bridge answers in the text format.
    """

    def __init__(self, state: Callable[[], State]) -> None:
        self._state = state

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Name nothing: the registry would refuse the shared name."""
        return []

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Read the state and yield its gauges."""
        state = self._state()
        runs = GaugeMetricFamily("remediation_runs", "Runs that have not ended, by state.", labels=["state"])
        for name, count in state.runs.items():
            runs.add_metric([name], count)
        paused = GaugeMetricFamily("remediation_paused", "1 while anything is paused.", value=float(state.paused))
        breakers = GaugeMetricFamily("remediation_breaker_open", "1 while the breaker is open.", labels=["remediation"])
        for name, is_open in state.breakers.items():
            breakers.add_metric([name], float(is_open))
        yield from (runs, paused, breakers)
