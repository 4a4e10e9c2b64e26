"""The steps of whatever writes and rotates logs, taken at chosen moments in the middle of a look at them."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType

CALLS = ("open", "pread", "fstat", "scandir", "stat")
"""What a look asks of the system: between any two of these, something else may happen."""


@dataclass(frozen=True)
class Step:
    """Something that happens to the files, or to us."""

    do: Callable[[], object]
    after: int
    """How many times something is asked of the system between the step before and this one."""


class Interleaved:
    """As long as it is entered, the next step happens whenever enough was asked of the system."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self.steps = list(steps)
        self._asked, self._busy = 0, False
        self._real = {name: getattr(os, name) for name in CALLS}

    def __enter__(self) -> "Interleaved":
        for name, real in self._real.items():
            setattr(os, name, self._wrapped(real))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name, real in self._real.items():
            setattr(os, name, real)

    def _wrapped(self, real: Callable[..., object]) -> Callable[..., object]:
        def asked(*args: object, **options: object) -> object:
            self._take_steps()
            return real(*args, **options)

        return asked

    def _take_steps(self) -> None:
        if self._busy:
            return
        self._busy = True
        try:
            while self.steps and self._asked >= self.steps[0].after:
                self._asked = 0
                self.steps.pop(0).do()
            self._asked += 1
        finally:
            self._busy = False
