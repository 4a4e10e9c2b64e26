"""A file for `remedy test` and the configuration that it tests: read, and refused whole where something is wrong."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bridge import actions
from bridge.decision.payload import NotAPayloadError, parse_notification
from bridge.policy.loading import load_policy
from bridge.policy.matchers import parse_matcher
from bridge.policy.remediation import Policy
from remedy.config import kinds
from remedy.config.problems import ConfigError, KeyPath, Problem, did_you_mean
from remedy.config.yamlfile import Document, read_yaml
from remedy.rehearsal.keys import Moment, Rehearsal, RehearsalFile

ALL = "all"
"""Every pause or breaker, in `resume` and `reset_breaker`."""
_FIRST, _LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)
"""No alert begins earlier, and no hold, however long, ends at a time that cannot be written."""
_Found = tuple[KeyPath, str]


@dataclass(frozen=True)
class Script:
    """One file, checked."""

    file: Path
    document: Document
    policy: Policy
    tests: tuple[Rehearsal, ...]

    def line(self, *path: str | int) -> int | None:
        """Return the line of a key path."""
        return self.document.problem(path, "").line


def read_script(file: Path) -> Script:
    """Read a file and its configuration.

    Raises:
        ConfigError: everything that is wrong with either.
    """
    document = read_yaml(file)
    keys = document.validate(RehearsalFile)
    config = file.parent / keys.config
    policy = load_policy(config, insecure=True)
    found = [
        document.problem(("tests", i, *path), message)
        for i, test in enumerate(keys.tests)
        for path, message in _wrong(test, policy, file.parent)
    ]
    found += _twice(document, keys)
    if found:
        raise ConfigError(found)
    return Script(file, document, policy, keys.tests)


def _twice(document: Document, keys: RehearsalFile) -> Iterator[Problem]:
    names = [test.name for test in keys.tests]
    for i, name in enumerate(names):
        if name in names[:i]:
            yield document.problem(("tests", i, "name"), f"the name '{name}' is taken above")


def _wrong(test: Rehearsal, policy: Policy, folder: Path) -> Iterator[_Found]:
    for key in ("attempts", "takes"):
        yield from (found for name in getattr(test, key) for found in _unknown(policy, name, (key, name)))
    if not _FIRST <= test.now <= _LAST:
        yield ("now",), f"a test begins between the years {_FIRST.year} and {_LAST.year}"
    for i, past in enumerate(test.history):
        if test.now.timestamp() - past.ended.total_seconds() < _FIRST.timestamp():
            yield ("history", i, "ended"), f"that is before the year {_FIRST.year}"
        yield from _unknown(policy, past.remediation, ("history", i, "remediation"))
    before = None
    for i, moment in enumerate(test.timeline):
        if before is not None and moment.at < before:
            yield ("timeline", i, "at"), "the timeline goes back: moments stand in order"
        before = moment.at
        yield from ((("timeline", i, *path), message) for path, message in _wrong_moment(moment, policy, folder))


def _wrong_moment(moment: Moment, policy: Policy, folder: Path) -> Iterator[_Found]:
    for key in ("approve", "deny", "cancel", "resume", "reset_breaker"):
        name = getattr(moment, key)
        if name is not None and not (name == ALL and key in ("resume", "reset_breaker")):
            yield from _unknown(policy, name, (key,))
    for key in ("pause", "fix"):
        section = getattr(moment, key)
        if section is not None and section.remediation:
            yield from _unknown(policy, section.remediation, (key, "remediation"))
    yield from (found for name in moment.attempts for found in _unknown(policy, name, ("attempts", name)))
    for key in ("decisions", "runs", "told"):
        for i, expected in enumerate(getattr(moment, key) or ()):
            if expected.remediation:
                yield from _unknown(policy, expected.remediation, (key, i, "remediation"))
    yield from _unknown_names(moment, policy)
    yield from _wrong_matchers(moment)
    yield from _wrong_payload(moment, folder)


def _unknown_names(moment: Moment, policy: Policy) -> Iterator[_Found]:
    for i, told in enumerate(moment.told or ()):
        if told.to not in policy.notifiers:
            yield ("told", i, "to"), f"unknown notifier '{told.to}'{did_you_mean(told.to, policy.notifiers)}"
    known = kinds.names(actions)
    for i, decision in enumerate(moment.decisions or ()):
        for j, step in enumerate(decision.steps or ()):
            if len(step) != 1:
                yield ("decisions", i, "steps", j), "a step is one action with its fields"
            for name in step:
                if name not in known:
                    yield ("decisions", i, "steps", j), f"unknown action '{name}'{did_you_mean(name, known)}"


def _wrong_matchers(moment: Moment) -> Iterator[_Found]:
    for key in ("silenced", "inhibited"):
        for i, text in enumerate(getattr(moment, key) or ()):
            try:
                parse_matcher(text)
            except ValueError as wrong:
                yield (key, i), str(wrong)


def _wrong_payload(moment: Moment, folder: Path) -> Iterator[_Found]:
    try:
        parse_notification(body_of(moment, folder) or b'{"version": "4", "alerts": []}')
    except OSError as error:
        yield ("notify",), f"{folder / str(moment.notify)} cannot be read: {error.strerror}"
    except NotAPayloadError as wrong:
        yield ("notify",), f"this is no version-4 notification of Alertmanager: {wrong}"


def body_of(moment: Moment, folder: Path) -> bytes | None:
    """Return the notification of a moment as it would be sent; paths are from `folder`.

    Raises:
        OSError: its file cannot be read.
    """
    if isinstance(moment.notify, Path):
        return (folder / moment.notify).read_bytes()
    return None if moment.notify is None else json.dumps({"version": "4", **moment.notify}).encode()


def _unknown(policy: Policy, name: str, path: KeyPath) -> Iterator[_Found]:
    if policy.named(name) is None:
        known = [remediation.name for remediation in policy.remediations]
        yield path, f"there is no remediation '{name}'{did_you_mean(name, known)}"
