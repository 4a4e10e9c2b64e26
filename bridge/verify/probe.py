"""An exporter's `/probe?check=NAME`, or any URL that answers 200 when all is well."""

import re
import time
from collections.abc import Iterator
from datetime import timedelta

import requests
from pydantic import HttpUrl
from urllib3.exceptions import HTTPError

from bridge.verify.base import Evidence, Finding, Scene, Verification
from remedy.config.durations import Duration
from remedy.web.in_time import pieces, session

_TIMEOUT_SECONDS = 10.0
_LONGEST = 1024 * 1024
"""Bytes of an answer that are read at most."""
_FAILED = re.compile(rb"^(?:probe_success|healthcheck_success)(?:\{.*\})? 0(?:\.0*)?(?: \d+)?\s*$", re.MULTILINE)


class Probe(Verification):
    """`{probe: URL, within: 5m, stable_for: 0s}`. The URL is configured; nothing of it comes from labels.

    Healed is a 200. In an exporter's answer `probe_success` and `healthcheck_success` must not be 0 either.
    """

    probe: HttpUrl
    within: Duration = timedelta(minutes=5)

    def time_limit(self) -> timedelta:
        """The time in which the probe must pass."""
        return self.within

    def looks(self, scene: Scene) -> Iterator[Finding]:  # noqa: ARG002 - it asks now, so it is newer by itself
        """Fetch the URL."""
        while True:
            yield self._look()

    def _look(self) -> Finding:
        started = time.monotonic()
        try:
            with (
                session() as asking,
                asking.get(
                    str(self.probe),
                    timeout=_TIMEOUT_SECONDS,
                    allow_redirects=False,
                    stream=True,
                    headers={"X-Prometheus-Scrape-Timeout-Seconds": str(_TIMEOUT_SECONDS)},
                ) as answer,
            ):
                body = b"".join(pieces(answer, started + _TIMEOUT_SECONDS, _LONGEST))
        except (requests.RequestException, HTTPError, OSError) as error:
            return Finding(Evidence.NOT_HEALED, f"the probe failed: {type(error).__name__}")
        took = time.monotonic() - started
        if answer.status_code != requests.codes.ok:
            return Finding(Evidence.NOT_HEALED, f"the probe answered {answer.status_code}")
        if _FAILED.search(body):
            return Finding(Evidence.NOT_HEALED, "the probe answered that its check fails")
        return Finding(Evidence.HEALED, f"the probe passed in {took:.2f} s")
