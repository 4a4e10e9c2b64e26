"""What one Alertmanager says of the alerts that it knows: listed, silenced, inhibited."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from bridge.peers.client import PeerClient, PeerError

YOUNG_SECONDS = 300
"""An Alertmanager up for less than this proves nothing by absence: Prometheus sends again only after a while."""


@dataclass(frozen=True)
class Listing:
    """One alert in an Alertmanager's answer."""

    silenced_by: tuple[str, ...]
    inhibited_by: tuple[str, ...]


@dataclass(frozen=True)
class View:
    """One Alertmanager's answer. `listings` is by fingerprint; None: it did not answer, `trouble` says why."""

    base: str
    listings: Mapping[str, Listing] | None
    absence_counts: bool = False
    trouble: str = ""


def ask(client: PeerClient, alertname: str | None, now: float) -> View:
    """Ask for all alerts (or for those of one name): one question, however many episodes wait for the answer."""
    try:
        parameters = {} if alertname is None else {"filter": f'alertname="{_quoted(alertname)}"'}
        alerts = client.get("/api/v2/alerts", **parameters)
        started = datetime.fromisoformat(client.get("/api/v2/status")["uptime"]).timestamp()
        listings = {
            alert["fingerprint"]: Listing(
                tuple(alert["status"].get("silencedBy") or ()), tuple(alert["status"].get("inhibitedBy") or ())
            )
            for alert in alerts
        }
        counts = isinstance(alerts, list) and now - started >= YOUNG_SECONDS
    except PeerError as error:
        return View(client.base, None, trouble=str(error))
    except (KeyError, TypeError, ValueError, AttributeError):
        return View(client.base, None, trouble=f"{client.base} did not answer as an Alertmanager does")
    return View(client.base, listings, absence_counts=counts)


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
