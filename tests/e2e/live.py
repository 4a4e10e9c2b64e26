"""The demo's own stack, for tests: real processes, asked over HTTP."""

import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import requests

from remedy.demo.people import People
from remedy.demo.sample import SampleService
from remedy.demo.stack import Stack
from remedy.demo.watch.sighting import moment
from tests.e2e.waiting import wait_for

Row = dict[str, Any]


@dataclass
class Live:
    """What runs, and what tests do with it."""

    stack: Stack
    people: People

    @property
    def sample(self) -> SampleService:
        return self.stack.plan.sample

    def ask(self, what: str, **params: Any) -> list[Row]:
        """Return rows of the bridge's `runs`, `decisions` or `episodes`."""
        answer = self.stack.get("bridge", f"/api/v1/{what}", **params)
        assert answer is not None, f"the bridge does not answer /api/v1/{what}"
        return answer[what]

    def runs(self, remediation: str, since: float) -> list[Row]:
        rows = self.ask("runs", remediation=remediation)
        return [row for row in rows if moment(row["created_at"], 0) >= since]

    def ended_run(self, remediation: str, since: float, within: float = 60) -> Row:
        """Wait for the run that began after `since` to end, and return it."""
        return wait_for(lambda: [r for r in self.runs(remediation, since) if r["outcome"]], within)[0]

    def decisions(self, remediation: str, since: float) -> list[Row]:
        rows = self.ask("decisions", remediation=remediation)
        return [row for row in rows if moment(row["at"], 0) >= since]

    def query(self, promql: str) -> list[Row]:
        """Ask Prometheus; return the series that have a number: NaN draws nothing."""
        answer = self.stack.get("prometheus", "/api/v1/query", query=promql)
        assert answer is not None, f"Prometheus refuses {promql}"
        return [series for series in answer["data"]["result"] if series["value"][1] != "NaN"]

    def alerts(self) -> list[Row]:
        """Return the alerts that Alertmanager knows."""
        return self.stack.get("alertmanager", "/api/v2/alerts")

    def silence(self, seconds: float, **labels: str) -> str:
        """Silence alerts with these labels from now on; return the silence's id."""
        now = datetime.now(UTC)
        body = {
            "matchers": [{"name": k, "value": v, "isRegex": False, "isEqual": True} for k, v in labels.items()],
            "startsAt": now.isoformat(),
            "endsAt": (now + timedelta(seconds=seconds)).isoformat(),
            "createdBy": "somebody",
            "comment": "hands off",
        }
        answer = requests.post(self.stack.plan.urls["alertmanager"] + "/api/v2/silences", json=body, timeout=5)
        answer.raise_for_status()
        return answer.json()["silenceID"]

    def unsilence(self, silence: str) -> None:
        url = f"{self.stack.plan.urls['alertmanager']}/api/v2/silence/{silence}"
        requests.delete(url, timeout=5).raise_for_status()

    def calm(self) -> None:
        """Wait until the service is healthy, nothing fires and no episode is open; forget what people were told."""
        self.sample.prepare()
        for file in self.sample.uploads.glob("*.csv"):
            file.unlink()
        if self.sample.process() is None:
            self.sample.start(os.environ)
        wait_for(lambda: self.stack.get("prometheus", "/api/v1/alerts")["data"]["alerts"] == [], 30)
        wait_for(lambda: all(row["state"] == "closed" for row in self.ask("episodes")), 30)
        self.people.pages.clear()

    def kill(self) -> float:
        """Kill the service; return when, in Unix seconds."""
        zero = time.time()
        self.sample.kill()
        return zero

    def break_program(self) -> None:
        """Replace the service's program by one that cannot start, until `calm`."""
        self.sample.program.write_text("#!/bin/sh\necho broken on purpose\nexit 1\n")
