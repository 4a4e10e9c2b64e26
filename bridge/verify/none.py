"""`verify: none`: nothing is proven, and the outcome says so."""

from collections.abc import Iterator
from datetime import timedelta
from typing import ClassVar

from bridge.verify.base import NOTHING_WANTED, Evidence, Finding, Scene, Verification


class NoVerification(Verification):
    """`none`: the outcome is `unverified`, never `fixed`."""

    proves: ClassVar[bool] = False

    def time_limit(self) -> timedelta:
        """No time at all."""
        return timedelta(0)

    def looks(self, scene: Scene) -> Iterator[Finding]:  # noqa: ARG002
        """Find nothing."""
        while True:
            yield Finding(Evidence.UNPROVABLE, NOTHING_WANTED)
