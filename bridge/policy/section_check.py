"""Sections of remediation.yml looked at entry by entry as they stand there, so that no mistake hides another."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bridge.actions.host.programs import unsafe_program
from bridge.policy.config import EscalationLevel
from bridge.policy.peer import Peer
from bridge.policy.salvage import salvage
from remedy.config.problems import KeyPath, did_you_mean

Found = Iterator[tuple[KeyPath, str]]
"""Where something is wrong, and what."""
_SOMEWHERE = {"url": "http://127.0.0.1"}
"""Stands in for an address that is wrong."""


def levels(entries: Any, path: KeyPath, notifiers: Any) -> Found:
    """See that each level says when, and tells notifiers that there are; what is wrong with those is said there."""
    known = [str(name) for name in notifiers] if isinstance(notifiers, Mapping) else []
    for i, level in _each(entries):
        if isinstance(level, Mapping):
            try:
                EscalationLevel.say_when({key: value for key, value in level.items() if value is not None})
            except ValueError as wrong:
                yield (*path, i), str(wrong)
        for _, name in _each(level.get("to") if isinstance(level, Mapping) else None):
            if isinstance(name, str) and name not in known:
                hint = did_you_mean(name, known) or " (notifiers: is empty)"
                yield (*path, i, "to"), f"unknown notifier '{name}'{hint}"


def peer(entry: Any, path: KeyPath) -> Found:
    """See that the files can be read that a peer needs."""
    try:
        found = _right_part(entry)
    except ValidationError:
        return
    for name, file in found.files():
        try:
            file.open("rb").close()
        except OSError as error:
            yield (*path, *name.split(".")), f"{file} cannot be read: {error.strerror}"


def peers(entries: Any, path: KeyPath) -> Found:
    """See the same of several."""
    for i, entry in _each(entries):
        yield from peer(entry, (*path, i))


def programs(allow: Any, path: KeyPath) -> Found:
    """See that no program is allowed that nobody should allow; one that is not there yet may be."""
    for i, program in _each(allow.get("commands") if isinstance(allow, Mapping) else None):
        file = Path(program) if isinstance(program, str) else None
        why = unsafe_program(str(file)) if file is not None and file.is_absolute() and file.exists() else None
        if why is not None:
            yield (*path, "commands", i), why


def _right_part(entry: Any) -> Peer:
    try:
        return Peer.model_validate(entry)
    except ValidationError as invalid:
        return salvage(Peer, entry, invalid, _SOMEWHERE)


def _each(entries: Any) -> Iterator[tuple[int, Any]]:
    return enumerate(entries if isinstance(entries, Sequence) and not isinstance(entries, str) else ())
