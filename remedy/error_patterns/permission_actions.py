"""Actions on folders and permissions."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from remedy.error_patterns import values
from remedy.error_patterns.steps import Source, Wanted, roots_above, strings

_FOLDERS = ("data", "logs", "uploads", "cache")
"""Those that the daemon made."""


def create_missing_dirs(source: Source) -> Iterator[Wanted]:
    """Make folders."""
    paths = source.paths("directories", "paths", "dirs", default=_FOLDERS)
    yield Wanted("create_missing_dirs", {"directories": strings(paths), **_owner(source)}, _needs(source, paths))


def fix_permissions(source: Source) -> Iterator[Wanted]:
    """Set owner and mode, also of what is below."""
    paths = source.paths("paths", "directories", "files", default=_FOLDERS)
    fields = {"paths": strings(paths), **_owner(source), **_modes(source), "recursive": True}
    yield Wanted("fix_permissions", fields, _needs(source, paths))


def check_permissions(source: Source) -> Iterator[Wanted]:
    """See whether owner and mode are as wanted."""
    paths = source.paths("paths", "directories", "files", default=_FOLDERS)
    modes = _modes(source) if source.keys.has("mode", "permissions") else {"dir_mode": "0755"}
    yield Wanted("check_permissions", {"paths": strings(paths), **_owner(source), **modes}, roots_above(paths))


def _owner(source: Source) -> dict[str, str]:
    owner, _, group = source.keys.get(values.text, "owner", "user", default="").partition(":")
    group = source.keys.get(values.text, "group", default=group)
    return {key: name for key, name in (("owner", owner), ("group", group)) if name}


def _needs(source: Source, paths: list[Path]) -> dict[str, list[Any]]:
    owner = _owner(source).get("owner")
    return {**roots_above(paths), **({"owners": [owner]} if owner else {})}


def _modes(source: Source) -> dict[str, str]:
    """Return the mode for files, and for folders the same with leave to enter wherever there is leave to read."""
    text = source.keys.get(values.text, "mode", "permissions", default="")
    if not text:
        return {} if source.keys.has("owner", "user", "group") else {"mode": "0644", "dir_mode": "0755"}
    try:
        mode = int(text.removeprefix("0o"), 8)
    except ValueError:
        source.keys.note(f"{text!r} is no octal mode such as 755; it is left as it is", "mode")
        return {"dir_mode": "0755"}
    return {"mode": f"{mode:04o}", "dir_mode": f"{mode | (mode & 0o444) >> 2:04o}"}
