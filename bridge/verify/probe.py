"""An exporter's `/probe?check=NAME`, or any URL that answers 200 when all is well."""

import time
from collections.abc import Iterator
from datetime import timedelta

import requests
from pydantic import HttpUrl

from bridge.verify.base import Evidence, Finding, Scene, Verification
from remedy.config.durations import Duration

_TIMEOUT_SECONDS = 10


class Probe(Verification):
    """`{probe: URL, within: 5m, stable_for: 0s}`. The URL is configured; nothing of it comes from labels."""

    probe: HttpUrl
    within: Duration = timedelta(minutes=5)

    def time_limit(self) -> timedelta:
        """The time in which the probe must pass."""
        return self.within

    def looks(self, scene: Scene) -> Iterator[Finding]:  # noqa: ARG002 - it asks now, so it is newer by itself
        """Fetch the URL; an exporter's probe also says `probe_success`."""
        while True:
            yield self._look()

    def _look(self) -> Finding:
        started = time.monotonic()
        try:
            answer = requests.get(str(self.probe), timeout=_TIMEOUT_SECONDS, allow_redirects=False)
        except requests.RequestException as error:
            return Finding(Evidence.NOT_HEALED, f"the probe failed: {type(error).__name__}")
        took = time.monotonic() - started
        if answer.status_code != requests.codes.ok or "\nprobe_success 0" in f"\n{answer.text}":
            return Finding(Evidence.NOT_HEALED, f"the probe answered {answer.status_code} without success")
        return Finding(Evidence.HEALED, f"the probe passed in {took:.2f} s")
