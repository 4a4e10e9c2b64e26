"""Each error pattern of the file: a log pattern for the exporter, and a remediation with its steps."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bridge.actions.base import Allow
from bridge.policy.step_check import StepCheck
from exporters.logs.pattern import LogPattern
from remedy.config.problems import Problem, did_you_mean
from remedy.config.yamlfile import Document
from remedy.error_patterns import values
from remedy.error_patterns.actions import ACTIONS, ALERTS
from remedy.error_patterns.databases import Databases
from remedy.error_patterns.names import Names
from remedy.error_patterns.place import Place
from remedy.error_patterns.reading import Keys, plain
from remedy.error_patterns.regexes import for_bytes
from remedy.error_patterns.steps import Source, Wanted

_QUEUE = "{{ labels.instance | host }}/{{ labels.pattern }}"
_SEVERITIES = {
    **dict.fromkeys(("info", "information", "notice", "debug", "low"), "info"),
    **dict.fromkeys(("warning", "warn", "medium", "minor"), "warning"),
    **dict.fromkeys(("error", "err", "high", "major"), "error"),
    **dict.fromkeys(("critical", "crit", "fatal", "emergency", "urgent"), "critical"),
}


@dataclass(frozen=True)
class Told:
    """The file's own words for a step: an action's type and description."""

    type: str
    description: str


@dataclass(frozen=True)
class Disabled:
    """A step that is left out, because nothing allows what it would touch, or it cannot be done at all."""

    step: Wanted
    why: str
    needs: dict[str, list[Any]] = field(default_factory=dict)
    """What `allow:` would have to name; empty where that would not help."""


@dataclass(frozen=True)
class ErrorPattern:
    """One error pattern, put into our words."""

    id: str
    name: str
    line: int | None
    auto_fix: bool
    alerts: bool
    """One of its actions tells people."""
    pattern: dict[str, Any]
    steps: tuple[Wanted, ...]
    told: tuple[Told, ...]
    """What the file says of each of the steps."""
    disabled: tuple[Disabled, ...]

    def remediation(self, levels: list[dict[str, Any]], at_once: list[dict[str, Any]]) -> dict[str, Any]:
        """Return the remediation; `levels` tell people when a fix does not help, `at_once` where there is none."""
        runs = self.auto_fix and bool(self.steps)
        keys: dict[str, Any] = {
            "name": self.id,
            "match": ['alertname="LogPatternMatched"', f'pattern="{self.id}"'],
            "host": _QUEUE,
            "target": _QUEUE,
        }
        if runs:
            steps = [{step.action: dict(step.fields)} for step in self.steps]
            return {**keys, "steps": steps, "escalate": [*(at_once if self.alerts else ()), *levels]}
        return {**keys, "auto_fix": False, **({"escalate": at_once} if self.alerts or self.auto_fix else {})}


@dataclass(frozen=True)
class PatternReader:
    """Reads error patterns."""

    place: Place
    databases: Databases
    logs: tuple[Path, ...]
    names: Names
    rotate_mb: float

    def read(self, keys: Keys) -> ErrorPattern | None:
        """Return one, or None where it cannot be used, which is noted."""
        given = keys.get(values.text, "id", "name", default="")
        id_ = self.names.noted(keys, given, "pattern")
        name = keys.get(values.text, "name", "title", default="") or id_
        keys.has("description")
        regex = keys.get(values.regex, "pattern", "patterns", "regex", "regexp", default="")
        pattern = {"id": id_, "name": name, "regex": regex, "severity": self._severity(keys)}
        auto_fix = keys.get(values.flag, "auto_fix", "autofix", default=False)
        actions = keys.inner("actions", "action", plain="type")
        if not keys.get(values.flag, "enabled", default=True):
            keys.note("is switched off (enabled)")
            return None
        if not _holds(keys, pattern):
            return None
        steps, told, disabled = list[Wanted](), list[Told](), list[Disabled]()
        alerts = False
        for action in actions:
            given = action.get(values.text, "type", "action", default="").strip()
            word, said = plain(given), Told(given, action.get(values.text, "description", default=""))
            alerts |= word in ALERTS
            for step in self._steps(action, word):
                refused = self._refused(step)
                if refused is None:
                    steps.append(step)
                    told.append(said)
                else:
                    disabled.append(refused)
                    action.note(self._spelled(word, refused))
            action.unused()
        return ErrorPattern(id_, name, keys.line, auto_fix, alerts, pattern, tuple(steps), tuple(told), tuple(disabled))

    def _steps(self, action: Keys, word: str) -> Iterator[Wanted]:
        make = ACTIONS.get(word)
        if word in ALERTS:
            action.has("channel", "channels", "severity", "level", "message", "recipients", "to", "subject")
            return
        if make is None:
            action.note(f"is left out: an action of the type {word!r} is not known{did_you_mean(word, ACTIONS)}")
            return
        if not action.get(values.flag, "enabled", default=True):
            action.note("is switched off (enabled)")
            return
        try:
            yield from make(Source(action, self.place, self.databases, self.logs, self.rotate_mb))
        except ValueError as wrong:
            action.note(f"is left out: {wrong}")

    def _severity(self, keys: Keys) -> str:
        word = keys.get(values.text, "severity", "level", default="").strip().lower()
        if word not in _SEVERITIES:
            keys.note(
                f"the severity {word!r} is not known; taken is 'warning'" if word else "has no severity: 'warning'"
            )
        return _SEVERITIES.get(word, "warning")

    def _refused(self, step: Wanted) -> Disabled | None:
        """Ask the bridge itself whether it takes the step; what would have to be named is said where that helps."""
        found = _problems(step, self.place.allow)
        if not found:
            return None
        missing = {key: list(wanted) for key, wanted in step.needs.items() if _unnamed(self.place, key, wanted)}
        helps = bool(missing) and len(_problems(step, _with(self.place.allow, missing))) < len(found)
        return Disabled(step, "; ".join(dict.fromkeys(problem.message for problem in found)), missing if helps else {})

    def _spelled(self, word: str, refused: Disabled) -> str:
        line = f"; add to {self.place.extra}: {spell_allow(refused.needs)}" if refused.needs else ""
        return f"{word} is disabled: {refused.why}{line}"


def spell_allow(needs: dict[str, list[Any]]) -> str:
    """Write the line that allows something."""
    inner = ", ".join(f"{key}: [{', '.join(map(str, wanted))}]" for key, wanted in needs.items())
    return f"allow: {{{inner}}}"


def _problems(step: Wanted, allow: Allow) -> list[Problem]:
    """Check a step as the bridge does when it reads remediation.yml."""
    found: list[Problem] = []
    StepCheck(Document("", None), allow, found).step({step.action: dict(step.fields)}, ())
    return found


def _with(allow: Allow, more: dict[str, list[Any]]) -> Allow:
    return Allow.model_validate({**dict(allow), **{key: [*getattr(allow, key), *add] for key, add in more.items()}})


def _unnamed(place: Place, key: str, wanted: list[Any]) -> bool:
    if key == "roots":
        return any(place.outside(Path(path)) for path in wanted)
    return not set(wanted) <= set(getattr(place.allow, key))


def _holds(keys: Keys, pattern: dict[str, Any]) -> bool:
    """Tell whether the exporter takes a pattern, written for bytes; if not, that is noted."""
    if not pattern["regex"]:
        keys.note("is disabled: it has no pattern to look for")
        return False
    try:
        pattern["regex"] = for_bytes(pattern["regex"])
    except ValueError as wrong:
        keys.note(f"is disabled: {wrong}", "pattern")
        return False
    try:
        LogPattern.model_validate(pattern)
    except ValidationError as invalid:
        first = invalid.errors()[0]
        keys.note(f"is disabled: {first['msg'].removeprefix('Value error, ')}", "pattern")
        return False
    return True
