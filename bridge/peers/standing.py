"""Asks Prometheus and every Alertmanager how alerts stand now; one question each, however many episodes wait."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from bridge.decision.facts import Episode, Standing
from bridge.peers.alertmanager import YOUNG_SECONDS, View, ask
from bridge.peers.client import PeerClient
from bridge.peers.observer import Observer, ObserverError

Ask = Callable[[Sequence[Episode]], Mapping[str, Standing]]
"""How episodes stand, by fingerprint."""
Question = Callable[[PeerClient, Sequence[Episode], float], View]
"""What one Alertmanager is asked about episodes, at a unix time."""


class ClosedError(Exception):
    """These are asked no more."""


class Standings:
    """Asks all of them side by side. Silenced if any says so, firing if any does, gone only if all answered."""

    def __init__(
        self,
        observer: Observer | None,
        alertmanagers: Sequence[PeerClient],
        clock: Callable[[], float],
        young: float = YOUNG_SECONDS,
        question: Question | None = None,
    ) -> None:
        """Take whom to ask; absence proves nothing where an Alertmanager has been up for less than `young` seconds.

        `question` is what each Alertmanager is asked, where it is not about the alerts that it was sent.
        """
        self._observer, self._young = observer, young
        self._question = question or self._about_alerts
        self._alertmanagers = alertmanagers
        self._clock = clock
        self._pool = ThreadPoolExecutor(max(1, len(alertmanagers)), thread_name_prefix="ask")

    @property
    def asks_nobody(self) -> bool:
        """Whether neither a Prometheus nor an Alertmanager is configured."""
        return self._observer is None and not self._alertmanagers

    def ask(self, episodes: Sequence[Episode]) -> dict[str, Standing]:
        """Return how each episode stands, by fingerprint.

        Raises:
            ClosedError: they were closed meanwhile.
        """
        if self.asks_nobody:
            return {episode.fingerprint: _NOBODY for episode in episodes}
        now = self._clock()
        try:
            answers = [self._pool.submit(self._question, client, episodes, now) for client in self._alertmanagers]
        except RuntimeError as closed:
            raise ClosedError(str(closed)) from None
        active, error = self._active(episodes)
        views = [answer.result() for answer in answers]
        return {episode.fingerprint: _combine(episode, active, error, views) for episode in episodes}

    def close(self) -> None:
        """End the threads that ask."""
        self._pool.shutdown()

    def _about_alerts(self, client: PeerClient, episodes: Sequence[Episode], now: float) -> View:
        names = {episode.labels.get("alertname") for episode in episodes}
        return ask(client, names.pop() if len(names) == 1 else None, now, self._young)

    def _active(self, episodes: Sequence[Episode]) -> tuple[set[str] | None, str]:
        """Return the fingerprints of those that Prometheus finds firing; None: it was not asked, or why it failed.

        All labels must be those with which it sends an alert that fires: a forged alert must not pass.
        """
        if self._observer is None:
            return None, ""
        try:
            firing = {frozenset(labels.items()) for labels in self._observer.firing()}
        except ObserverError as error:
            return None, str(error)
        return {each.fingerprint for each in episodes if frozenset(each.labels.items()) in firing}, ""


_NOBODY = Standing()


def _combine(episode: Episode, active: set[str] | None, error: str, views: list[View]) -> Standing:
    listings = [view.listing_of(episode.fingerprint, episode.labels) for view in views]
    known = [listing for listing in listings if listing is not None]
    return Standing(
        prometheus=None if active is None else episode.fingerprint in active,
        prometheus_error=error,
        asked=len(views),
        answered=sum(
            listing is not None or (view.listings is not None and view.absence_counts)
            for view, listing in zip(views, listings, strict=True)
        ),
        listed=bool(known),
        silenced_by=_distinct(name for listing in known for name in listing.silenced_by),
        inhibited_by=_distinct(name for listing in known for name in listing.inhibited_by),
        trouble="; ".join(_trouble(view) for view, listing in zip(views, listings, strict=True) if listing is None),
    )


def _trouble(view: View) -> str:
    if view.listings is None:
        return view.trouble
    return f"{view.base} does not list the alert" + ("" if view.absence_counts else ", but has only just started")


def _distinct(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
