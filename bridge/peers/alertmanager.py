"""What one Alertmanager says of the alerts that it knows: listed, silenced, inhibited."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from bridge.peers.client import PeerClient, PeerError

YOUNG_SECONDS = 300
"""An Alertmanager up for less than this proves nothing by absence: Prometheus sends again only after a while."""


@dataclass(frozen=True)
class Listing:
    """One alert in an Alertmanager's answer."""

    silenced_by: tuple[str, ...]
    inhibited_by: tuple[str, ...]
    labels: Mapping[str, str] | None = None
    """None: it does not say."""


@dataclass(frozen=True)
class View:
    """One Alertmanager's answer. `listings` is by fingerprint; None: it did not answer, `trouble` says why."""

    base: str
    listings: Mapping[str, Listing] | None
    absence_counts: bool = False
    trouble: str = ""

    def listing_of(self, fingerprint: str, labels: Mapping[str, str]) -> Listing | None:
        """Return what it says of an alert: labels tell which it is, whatever fingerprint a sender made up for it."""
        known = (self.listings or {}).get(fingerprint)
        if known is not None and known.labels in (None, labels):
            return known
        return self._by_labels.get(frozenset(labels.items()))

    @cached_property
    def _by_labels(self) -> Mapping[frozenset[tuple[str, str]], Listing]:
        known = (self.listings or {}).values()
        return {frozenset(each.labels.items()): each for each in known if each.labels is not None}


def ask(client: PeerClient, alertname: str | None, now: float, young: float = YOUNG_SECONDS) -> View:
    """Ask for all alerts (or for those of one name): one question, however many episodes wait for the answer.

    Where it has been up for less than `young` seconds, absence proves nothing. How long it has been up is counted by
    its own clock; `now` serves where it does not tell the time.
    """
    until = client.time_limit()
    try:
        parameters = {} if alertname is None else {"filter": f'alertname="{_quoted(alertname)}"'}
        alerts = client.ask("/api/v2/alerts", parameters, until).data
        listings = {
            alert["fingerprint"]: Listing(
                _names(alert["status"], "silencedBy"), _names(alert["status"], "inhibitedBy"), _labels(alert)
            )
            for alert in _as_list(alerts)
        }
        status = client.ask("/api/v2/status", {}, until)
        started = datetime.fromisoformat(status.data["uptime"]).timestamp()
    except PeerError as error:
        return View(client.base, None, trouble=str(error))
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        return View(client.base, None, trouble=f"{client.base} did not answer as an Alertmanager does")
    its_now = now if status.at is None else status.at
    return View(client.base, listings, absence_counts=its_now - started >= young)


def _as_list(alerts: Any) -> list[Any]:
    if not isinstance(alerts, list):
        raise TypeError
    return alerts


def _labels(alert: Mapping[str, Any]) -> Mapping[str, str] | None:
    labels = alert.get("labels")
    if isinstance(labels, dict) and all(isinstance(value, str) for value in labels.values()):
        return labels
    return None


def _names(status: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """Return the ids of silences, or the fingerprints of alerts, that keep an alert from being notified."""
    return tuple(str(name) for name in status.get(key) or ())


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
