"""Which silences of an Alertmanager cover alerts that it was never sent, as those of `remedy run`.

Every silence is read and matched here: its own filter compares the text of matchers, and misses a regex.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from bridge.decision.facts import Episode
from bridge.peers.alertmanager import Listing, View
from bridge.peers.client import PeerClient, PeerError


def ask(client: PeerClient, episodes: Sequence[Episode], _now: float) -> View:
    """Ask for the silences, and list every episode with those that cover it; none is inhibited."""
    try:
        found = [silence for silence in client.get("/api/v2/silences") if silence["status"]["state"] == "active"]
        listings = {
            episode.fingerprint: Listing(
                tuple(str(silence["id"]) for silence in found if _covers(silence["matchers"], episode.labels)), ()
            )
            for episode in episodes
        }
    except PeerError as error:
        return View(client.base, None, trouble=str(error))
    except (KeyError, TypeError, AttributeError, re.error):
        return View(client.base, None, trouble=f"{client.base} did not answer as an Alertmanager does")
    return View(client.base, listings, absence_counts=True)


def _covers(matchers: Sequence[Mapping[str, Any]], labels: Mapping[str, str]) -> bool:
    """Tell whether all matchers hold; a label that is missing is empty, and one that must not be equal says so."""
    return all(
        _matches(matcher, labels.get(matcher["name"], "")) is matcher.get("isEqual", True) for matcher in matchers
    )


def _matches(matcher: Mapping[str, Any], value: str) -> bool:
    if matcher["isRegex"]:
        return re.fullmatch(matcher["value"], value) is not None
    return bool(matcher["value"] == value)
