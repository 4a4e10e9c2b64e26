"""Proves that an attempt helped: looks again and again until there is proof, or the time for it is up."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

from bridge.steady import TOLERANCE_SECONDS, since_boot
from bridge.verify.alert_clears_within import AlertClears
from bridge.verify.base import Evidence, Finding, Scene, Verification
from bridge.verify.quiet_for import QuietFor

_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 0.25, 5.0
_WAIT_SHARE = 0.05
"""The wait between looks is this share of the time since the step, between the two bounds."""


@dataclass(frozen=True)
class Proof:
    """What was found in the end."""

    evidence: Evidence
    reason: str


def suitable(scene: Scene) -> Verification:
    """Choose what suits the alert: quiet for log patterns, else the alert must clear."""
    return QuietFor() if scene.labels.get("pattern") and scene.labels.get("source") else AlertClears()


def prove(verification: Verification | None, scene: Scene, stop: threading.Event) -> Proof | None:
    """Look until healed for as long as it must be, or until the time is up; None: the bridge is stopping."""
    how = verification or suitable(scene)
    began = time.monotonic()
    limit, stable = how.time_limit().total_seconds(), how.stable_for.total_seconds()
    healed_since: float | None = None
    for finding in _looks(how, scene):
        now = time.monotonic()
        if finding.evidence is Evidence.HEALED:
            healed_since = now if healed_since is None else healed_since
            if now - healed_since >= stable:
                return Proof(finding.evidence, finding.reason)
        else:
            healed_since = None
        hopeless = finding.evidence is Evidence.UNPROVABLE
        if hopeless or (now - began >= limit and healed_since is None):
            return Proof(finding.evidence, finding.reason)
        wait = min(max(_FIRST_WAIT_SECONDS, (now - began) * _WAIT_SHARE), _LONGEST_WAIT_SECONDS)
        if stop.wait(wait):
            return None
    raise AssertionError("looks never end")


def _looks(how: Verification, scene: Scene) -> Iterator[Finding]:
    """Look again and again; where the clock is put forward meanwhile, the step ended as much later by it.

    Else what is older than the step would seem newer. After a clock was set back nothing seems newer, which is safe.
    """
    looks, offset = how.looks(scene), scene.now() - since_boot()
    while True:
        forward = scene.now() - since_boot() - offset
        if forward > TOLERANCE_SECONDS:
            scene, offset = replace(scene, since=scene.since + forward), offset + forward
            looks = how.looks(scene)
        yield next(looks)
