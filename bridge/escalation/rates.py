"""How many messages a notifier may be given within a time: people who are flooded read nothing."""

from collections import defaultdict, deque

from bridge.notifiers.base import RateLimit


class Rates:
    """Remembers when each notifier was given a message. Times are unix seconds; a restart begins anew."""

    def __init__(self) -> None:
        self._given: defaultdict[str, deque[float]] = defaultdict(deque)

    def take(self, notifier: str, limit: RateLimit, now: float) -> bool:
        """Count one more message, unless the limit forbids it now."""
        given, window = self._given[notifier], limit.window.total_seconds()
        while given and not now - window < given[0] <= now:  # a clock that jumped back holds nothing up
            given.popleft()
        if len(given) >= limit.max:
            return False
        given.append(now)
        return True
