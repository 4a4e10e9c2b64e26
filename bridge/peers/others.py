"""Whom the bridge asks: the Prometheus and the Alertmanagers of the configuration in use, exchanged at a reload."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bridge.decision.facts import Episode, Standing
from bridge.peers import silences
from bridge.peers.client import PeerClient
from bridge.peers.observer import NoObserver, Observer, RuleView, Sample
from bridge.peers.prometheus import PrometheusObserver
from bridge.peers.standing import ClosedError, Standings
from bridge.policy.config import Settings


@dataclass(frozen=True)
class _Asked:
    observer: Observer
    standings: Standings
    clients: tuple[PeerClient, ...]

    def close(self) -> None:
        self.standings.close()
        for client in self.clients:
            client.close()


class Others:
    """Asks how alerts stand, and is the `Observer` for verification."""

    def __init__(self, settings: Settings, given: Observer | None, clock: Callable[[], float]) -> None:
        """Take the configuration; `given` stands in for its Prometheus."""
        self._given, self._clock = given, clock
        self._settings, self._asked = settings, self._made(settings)

    def adopt(self, settings: Settings) -> None:
        """Ask those of another configuration from now on."""
        before, now = self._settings, settings
        if (before.prometheus, before.alertmanagers) != (now.prometheus, now.alertmanagers):
            asked, self._asked = self._asked, self._made(settings)
            asked.close()
        self._settings = settings

    @property
    def asks_nobody(self) -> bool:
        """Whether there is nobody to ask before an attempt."""
        return self._asked.standings.asks_nobody

    def close(self) -> None:
        """Close the connections."""
        self._asked.close()

    def ask(self, episodes: Sequence[Episode]) -> Mapping[str, Standing]:
        """Return how each episode stands, by fingerprint."""
        while True:
            asked = self._asked
            try:
                return asked.standings.ask(episodes)
            except ClosedError:
                if asked is self._asked:
                    raise  # else a reload has just exchanged them

    def rule(self, alertname: str) -> RuleView | None:
        """See `Observer`."""
        return self._asked.observer.rule(alertname)

    def firing(self) -> list[Mapping[str, str]]:
        """See `Observer`."""
        return self._asked.observer.firing()

    def series(self, metric: str, labels: Mapping[str, str]) -> list[Sample]:
        """See `Observer`."""
        return self._asked.observer.series(metric, labels)

    def query(self, expression: str) -> list[Sample]:
        """See `Observer`."""
        return self._asked.observer.query(expression)

    def _made(self, settings: Settings) -> _Asked:
        alertmanagers = tuple(PeerClient(peer) for peer in settings.alertmanagers)
        prometheus = tuple(PeerClient(peer) for peer in (settings.prometheus,) if peer and not self._given)
        observer = self._given or (PrometheusObserver(prometheus[0], self._clock) if prometheus else None)
        question = silences.ask if self._given else None  # whoever stands in for Prometheus sends them no alerts
        standings = Standings(observer, alertmanagers, self._clock, question=question)
        return _Asked(observer or NoObserver(), standings, alertmanagers + prometheus)
