"""Which alerts a Prometheus has, and which labels each would carry."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import requests

_TIMEOUT_SECONDS = 5


class NoPrometheusError(Exception):
    """It did not answer as a Prometheus does; the message is a sentence."""


@dataclass(frozen=True)
class KnownAlert:
    """One alerting rule."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    """Those that the rule itself sets."""
    summary: str = ""


def known_alerts(prometheus: str) -> list[KnownAlert]:
    """Ask for the alerting rules, each name once, in the order in which they stand.

    Raises:
        NoPrometheusError: there is no answer.
    """
    try:
        with requests.Session() as session:
            session.trust_env = False
            answer = session.get(f"{prometheus.rstrip('/')}/api/v1/rules?type=alert", timeout=_TIMEOUT_SECONDS)
        groups = answer.json()["data"]["groups"]
        rules = [rule for group in groups for rule in group["rules"]]
        found = [
            KnownAlert(rule["name"], rule.get("labels") or {}, (rule.get("annotations") or {}).get("summary", ""))
            for rule in rules
        ]
    except requests.RequestException as error:
        raise NoPrometheusError(f"no Prometheus answers at {prometheus} ({type(error).__name__})") from None
    except (ValueError, KeyError, TypeError):
        raise NoPrometheusError(f"what answers at {prometheus} is no Prometheus") from None
    return list({alert.name: alert for alert in reversed(found)}.values())[::-1]
