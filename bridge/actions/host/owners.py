"""Owners and modes of files."""

import grp
import os
import pwd
import re
from typing import Annotated

from pydantic import BeforeValidator

from bridge.actions.base import Allow, StepError

_FORM = re.compile(r"0?[0-7]{3}")
_KEEP = -1
"""What chown takes for "leave it"."""


def check_mode(text: object) -> str:
    """Return a mode such as `"0750"`. Set-user-id, set-group-id and what everyone may write to are no fix.

    Raises:
        ValueError: it is none, or one of those.
    """
    if not isinstance(text, str):
        raise ValueError(f'write the mode in quotes, as "0750": YAML reads {text!r} as another number')  # noqa: TRY004
    if not _FORM.fullmatch(text):
        raise ValueError(f'{text!r} is not a mode such as "0750"')
    if mode_bits(text) & 0o002:
        raise ValueError(f"the mode {text} lets everyone write")
    return text


def mode_bits(text: str) -> int:
    """Read a checked mode."""
    return int(text, 8)


Mode = Annotated[str, BeforeValidator(check_mode, json_schema_input_type=str)]


def spell_mode(mode: int) -> str:
    """Write a mode as people do: `0750`."""
    return f"{mode & 0o7777:04o}"


def user_id(name: str | None) -> int:
    """Return a user's number; -1, which changes nothing, for None.

    Raises:
        StepError: there is no such user.
    """
    try:
        return _KEEP if name is None else pwd.getpwnam(name).pw_uid
    except KeyError:
        raise StepError(f"there is no user '{name}'") from None


def owner_refusal(name: str | None, allow: Allow) -> str | None:
    """Say why files may not be given to a user, or None.

    Raises:
        StepError: there is no such user.
    """
    if name is None or name in allow.owners or user_id(name) == os.geteuid():
        return None
    return f"'{name}' is not in allow.owners"


def group_id(name: str | None) -> int:
    """Return a group's number; -1, which changes nothing, for None.

    Raises:
        StepError: there is no such group.
    """
    try:
        return _KEEP if name is None else grp.getgrnam(name).gr_gid
    except KeyError:
        raise StepError(f"there is no group '{name}'") from None
