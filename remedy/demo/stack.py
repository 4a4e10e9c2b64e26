"""Starts a plan's processes, waits until they are ready, starts again what ends too early, and ends them all."""

import json
import os
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Any, Self

import psutil
import requests

from remedy.demo.processes import Program, Running
from remedy.demo.programs import Plan

Say = Callable[[str], None]
_POLL = 0.1
_ASK_TIMEOUT = 2.0


class StackError(Exception):
    """The stack cannot do its work; the message is a sentence for people."""


class Stack:
    """The processes of one demo. Enter it on the main thread; leaving it ends every one of them."""

    def __init__(self, plan: Plan, say: Say, *, ready_within: float = 60.0, restarts: int = 3) -> None:
        self.plan = plan
        self._say = say
        self._ready_within = ready_within
        self._restarts = restarts
        self._running: dict[str, Running] = {}
        self._workers: dict[str, set[int]] = {}
        self._getting_ready: set[str] = set()
        self._ended: Counter[str] = Counter()
        self._http = requests.Session()
        self._http.trust_env = False

    @property
    def running(self) -> dict[str, Running]:
        """What runs now, by the programs' names; the sample service is `plan.sample`."""
        return dict(self._running)

    def get(self, name: str, path: str, **params: Any) -> Any:
        """Ask one of the plan's URLs and return the JSON, or None when there is no answer."""
        try:
            return json.loads(self.text(name, path, **params) or "null")
        except ValueError:
            return None

    def text(self, name: str, path: str, **params: Any) -> str | None:
        """Ask one of the plan's URLs and return what it says, or None when there is no answer."""
        if name not in self.plan.urls:
            return None
        try:
            answer = self._http.get(self.plan.urls[name] + path, params=params, timeout=_ASK_TIMEOUT)
        except requests.RequestException:
            return None
        return answer.text if answer.ok else None

    def __enter__(self) -> Self:
        try:
            self._start_all()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _start_all(self) -> None:
        self.plan.sample.start(_environment())
        for program in self.plan.programs:
            self._start(program)
        for program in self.plan.programs:
            self._await(partial(self._answers, program.ready_url), f"{program.name} is not ready")
            self._getting_ready.discard(program.name)
        self._await(partial(self._answers, self.plan.sample.health_url), "the sample service does not answer")
        if "prometheus" in self.plan.urls:
            self._await(self._is_wired, "Prometheus does not see all of its targets and Alertmanager")

    def _start(self, program: Program) -> None:
        self._running[program.name] = Running(program, _environment())
        self._workers[program.name] = set()
        self._getting_ready.add(program.name)

    def _answers(self, url: str) -> bool:
        try:
            return self._http.get(url, timeout=_ASK_TIMEOUT).ok
        except requests.RequestException:
            return False

    def _is_wired(self) -> bool:
        targets = self.get("prometheus", "/api/v1/targets", state="active") or {}
        alertmanagers = self.get("prometheus", "/api/v1/alertmanagers") or {}
        health = [target["health"] for target in targets.get("data", {}).get("activeTargets", ())]
        return set(health) == {"up"} and bool(alertmanagers.get("data", {}).get("activeAlertmanagers"))

    def _await(self, reached: Callable[[], bool], otherwise: str) -> None:
        """Wait until something is so.

        Raises:
            StackError: it is not so in time, or a program ended meanwhile.
        """
        deadline = time.monotonic() + self._ready_within
        while not reached():
            for running in self._running.values():
                how = running.how_it_ended()
                if how is not None:
                    raise StackError(f"{_subject(running.program)} {how} while starting: {_where(running)}")
            if time.monotonic() > deadline:
                raise StackError(f"{otherwise} after {self._ready_within:g} s; the logs are in {self._logs()}")
            time.sleep(_POLL)

    def _logs(self) -> str:
        return str(self.plan.programs[0].log.parent)

    def check(self) -> None:
        """See whether all still run; say what ended, how, what that means, and start it again.

        Raises:
            StackError: one of them ends again and again.
        """
        for name, running in list(self._running.items()):
            how = running.how_it_ended()
            if how is not None:
                self._replace(name, running, how)
            elif name in self._getting_ready:
                self._look_whether_ready(running)
            else:
                self._look_at_workers(running)

    def _replace(self, name: str, running: Running, how: str) -> None:
        running.end()
        self._ended[name] += 1
        what = f"{_subject(running.program)} (pid {running.pid}) {how}"
        if self._ended[name] > self._restarts:
            raise StackError(f"{what}, having ended {self._ended[name]} times: giving up; {_where(running)}")
        self._say(f"{what}. Without it {running.program.without_it}. Starting it again.")
        self._start(running.program)

    def _look_whether_ready(self, running: Running) -> None:
        if self._answers(running.program.ready_url):
            self._getting_ready.discard(running.program.name)
            self._say(f"{_subject(running.program)} is back (pid {running.pid}).")

    def _look_at_workers(self, running: Running) -> None:
        """Gunicorn replaces a worker that dies; people should hear of that too."""
        workers = {child.pid for child in psutil.Process(running.pid).children()}
        for gone in self._workers[running.program.name] - workers:
            self._say(f"A worker of {_subject(running.program).lower()} (pid {gone}) ended; its parent replaces it.")
        self._workers[running.program.name] = workers

    def stop(self) -> None:
        """End everything, the bridge first so that it starts nothing meanwhile; returns when all are gone."""
        for running in reversed(self._running.values()):
            running.ask_to_end()
        for running in reversed(self._running.values()):
            running.end()
        self.plan.sample.end()
        self._http.close()


def _environment() -> dict[str, str]:
    return {**os.environ, "NO_PROXY": "127.0.0.1,localhost", "PYTHONUNBUFFERED": "1"}


def _subject(program: Program) -> str:
    return f"The {program.name}" if program.name.islower() and " " not in program.name else program.name


def _where(running: Running) -> str:
    return f"its log {running.program.log} ends with: {running.last_words()}"
