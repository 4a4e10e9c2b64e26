"""Watches the bridge's record: episodes, decisions with their reasons, steps, outcomes."""

import time
from collections.abc import Callable, Iterator
from typing import Any

from remedy.demo.watch.sighting import Mood, Sighting, Stage, moment

Rows = list[dict[str, Any]]
Ask = Callable[[str], Rows]
"""Returns the rows of `episodes`, `decisions` or `runs`; none when there is no answer."""

_MOODS = {"run": Mood.GOOD, "succeeded": Mood.GOOD, "fixed": Mood.GOOD, "no_match": Mood.ASIDE, "dry_run": Mood.NEUTRAL}


class BridgeWatch:
    """Sees what the bridge writes down, each thing once; what was there at the first look is no news."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._seen: set[tuple[object, ...]] = set()
        self.look()

    def look(self) -> list[Sighting]:
        """Read the newest rows of the record."""
        found = [*self._episodes(), *self._decisions(), *self._runs()]
        return [sighting for key, sighting in found if self._is_new(key)]

    def _is_new(self, key: tuple[object, ...]) -> bool:
        new = key not in self._seen
        self._seen.add(key)
        return new

    def _episodes(self) -> Iterator[tuple[tuple[object, ...], Sighting]]:
        for row in self._ask("episodes"):
            at = moment(row.get("received_at") or row.get("opened_at"), time.time())
            text = f"the bridge is told of {_alert(row)}"
            yield (*_episode(row), "told"), Sighting(at, Stage.NOTIFICATION, text)

    def _decisions(self) -> Iterator[tuple[tuple[object, ...], Sighting]]:
        for row in self._ask("decisions"):
            decision = row["decision"]
            what = " ".join(filter(None, (decision, row.get("remediation"))))
            mood = _MOODS.get(decision, Mood.BAD)
            at = moment(row.get("at"), time.time())
            key = (*_episode(row["episode"]), decision, row.get("remediation"), row.get("run_id"))
            yield key, Sighting(at, Stage.DECISION, f"{what}: {row['reason']}", mood)

    def _runs(self) -> Iterator[tuple[tuple[object, ...], Sighting]]:
        for run in self._ask("runs"):
            for number, step in enumerate(run.get("steps") or ()):
                if step.get("outcome"):
                    yield (run["id"], number, step["outcome"]), _step(step)
            if run.get("outcome"):
                mood = _MOODS.get(run["outcome"], Mood.BAD)
                text = f"{run['outcome']}: {run.get('reason') or ''}".rstrip(": ")
                yield (run["id"], "end"), Sighting(moment(run["ended_at"], time.time()), Stage.VERIFIED, text, mood)


def _step(step: dict[str, Any]) -> Sighting:
    outcome = step["outcome"]
    text = f"{step.get('action')} {outcome}: {step.get('summary') or step.get('reason') or ''}".rstrip(": ")
    return Sighting(moment(step.get("ended_at"), time.time()), Stage.STEP, text, _MOODS.get(outcome, Mood.BAD))


def _episode(row: dict[str, Any]) -> tuple[object, ...]:
    return (row.get("fingerprint"), row.get("starts_at"))


def _alert(row: dict[str, Any]) -> str:
    return str(row.get("labels", {}).get("alertname", "an alert"))
