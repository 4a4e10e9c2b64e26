"""The rhythm: so many detection cycles shortly after one another, then a pause, and again."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from bridge.decision.payload import Alert
from exporters.health import Overall
from remedy.runner.engine import Engine
from remedy.runner.log import DaemonLog
from remedy.runner.record import Counts, Record

_WORK_SECONDS = 0.5
"""How often it is told during a pause what the runs do."""


@dataclass(frozen=True)
class Rhythm:
    """How often, and for how long."""

    cycles: int = 15
    between_seconds: float = 2.0
    """From the end of a cycle to the next."""
    wait_seconds: float = 300.0
    """After the last cycle of an iteration."""
    iterations: int | None = None
    """None: for ever."""


class Cycles:
    """Runs them until they are done, or the engine is stopped."""

    def __init__(
        self, engine: Engine, record: Record, log: DaemonLog, rhythm: Rhythm, told: Callable[[Counts], None]
    ) -> None:
        """Take what does the work; `told` gets the counts of each iteration when it is over."""
        self._engine, self._record, self._log, self._rhythm, self._told = engine, record, log, rhythm, told
        self._stopping = engine.stopping

    def run(self, found: list[Alert]) -> int:
        """Run them all; `found` is what fired at the start. Return 0 if nothing is wrong any more, else 1."""
        iteration = 0
        while not self._stopping.is_set():
            iteration += 1
            last = iteration == self._rhythm.iterations
            self._iteration(iteration, found, last=last)
            found = []
            if last:
                break
        return 1 if self._left() else 0

    def _iteration(self, number: int, found: list[Alert], *, last: bool) -> None:
        self._record.begin(number)
        self._log.say(f"イテレーション {number} 開始")
        for cycle in range(1, self._rhythm.cycles + 1):
            self._cycle(cycle, found)
            found = []
            if self._stopping.is_set() or (cycle < self._rhythm.cycles and self._pause(self._rhythm.between_seconds)):
                break
        if last:
            self._engine.settle(self._record.look)
            self._record.look()
        elif not self._stopping.is_set():
            self._log.say(f"{self._rhythm.wait_seconds / 60:g}分間待機します...")
            self._pause(self._rhythm.wait_seconds)
        self._log.say(f"イテレーション {number} 完了: {self._record.counts}")
        self._told(self._record.counts)

    def _cycle(self, number: int, found: list[Alert]) -> None:
        self._log.say(f"=== 検知サイクル {number} 開始 ===")
        health = self._engine.health()
        self._log.say(f"ヘルスチェック完了: {health}", "INFO" if health is Overall.HEALTHY else "WARNING")
        new = found or self._engine.detect()
        self._log.say(
            f"{len(new)} 件のエラーを検出" if new else "エラーは検出されませんでした", "WARNING" if new else "INFO"
        )
        for alert in new:
            if self._stopping.is_set():
                return
            self._record.detected(alert)
            self._engine.give(alert, self._record.look)
            self._record.look()
            self._record.decided(alert)
        self._record.look()
        self._log.say(f"=== 検知サイクル {number} 完了 ===")

    def _pause(self, seconds: float) -> bool:
        """Wait, telling meanwhile what the runs do; tell whether it is to end."""
        until = time.monotonic() + seconds
        while not self._stopping.is_set() and (left := until - time.monotonic()) > 0:
            self._stopping.wait(min(left, _WORK_SECONDS))
            self._record.look()
        return self._stopping.is_set()

    def _left(self) -> list[str]:
        left = [*self._record.left(), *self._engine.failing()]
        for each in left:
            self._log.say(f"未解決: {each}", "WARNING")
        return left
