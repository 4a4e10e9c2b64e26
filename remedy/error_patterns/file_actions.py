"""Actions on files: rotate, clean up, repair, copy aside, with the defaults that were never written down."""

from collections.abc import Iterator
from pathlib import Path

from remedy.error_patterns import values
from remedy.error_patterns.steps import Source, Wanted, roots, strings

_TEMPORARY = (("/tmp", "*.tmp"), ("/tmp", "flask_*"), ("/var/tmp", "*.tmp"))  # noqa: S108 - the daemon's own default
_LEAST_DAYS = 7


def log_rotate(source: Source) -> Iterator[Wanted]:
    """Rotate what is over 10 MB; the writers do not open their logs anew, so it is copied and cut."""
    paths = source.paths("log_files", "files", "paths", default=("logs/*.log",))
    size = source.keys.get(values.number, "max_size_mb", "size_mb", "threshold_mb", default=source.rotate_mb)
    limits = {"size": f"{size:g}MiB", "method": "copytruncate", "missing_ok": True}
    for folder, patterns in _by_folder(source, paths).items():
        yield Wanted("log_rotate", {"directories": [folder], "patterns": patterns, **limits}, {"roots": [folder]})


def cache_clear(source: Source) -> Iterator[Wanted]:
    """Empty the cache folders."""
    paths = source.paths("directories", "paths", "cache_dirs", default=("cache",))
    yield Wanted("cache_clear", {"directories": strings(paths), "missing_ok": True}, roots(paths))


def temp_file_cleanup(source: Source) -> Iterator[Wanted]:
    """Delete temporary files older than a day: by their names in folders that others share, all in those of the app."""
    wanted: dict[str, list[str]] = {}
    for path in source.paths("paths", "patterns"):
        wanted.setdefault(str(path.parent), []).append(path.name)
    for folder in source.paths("directories"):
        own = folder.is_relative_to(source.place.base)
        wanted.setdefault(str(folder), []).extend(["*"] if own else ["*.tmp", "flask_*"])
    if not source.keys.has("paths", "patterns", "directories"):
        for folder_name, pattern in _TEMPORARY:
            wanted.setdefault(folder_name, []).append(pattern)
    days = source.keys.get(values.number, "days", "max_age_days", default=1.0)
    age = {"older_than": f"{max(1, round(days * 24))}h", "missing_ok": True}
    for name, patterns in wanted.items():
        yield Wanted("temp_file_cleanup", {"directories": [name], "patterns": patterns, **age}, {"roots": [name]})


def old_file_cleanup(source: Source) -> Iterator[Wanted]:
    """Delete what nobody has changed for days, never less than seven."""
    days = source.keys.get(values.whole, "days", "retention_days", "older_than_days", default=30)
    if days < _LEAST_DAYS:
        source.keys.note(f"files younger than {_LEAST_DAYS} days are never deleted; taken is {_LEAST_DAYS}", "days")
    paths = source.paths("directories", "paths", default=("logs", "cache", "uploads"))
    fields = {"directories": strings(paths), "days": max(_LEAST_DAYS, days), "missing_ok": True}
    yield Wanted("old_file_cleanup", fields, roots(paths))


def backup_and_fix_json(source: Source) -> Iterator[Wanted]:
    """Repair what can be repaired, or put the newest valid copy back."""
    paths = source.paths("paths", "files", "directories", default=("data/*.json",))
    json_files = [path if path.suffix or "*" in path.name else path / "*.json" for path in paths]
    for folder, patterns in _by_folder(source, json_files).items():
        fields = {"directories": [folder], "patterns": patterns, "missing_ok": True}
        yield Wanted("backup_and_fix_json", fields, {"roots": [folder]})


def backup(source: Source) -> Iterator[Wanted]:
    """Copy `data/` aside."""
    paths = source.paths("paths", "directories", "files", "sources", default=("data",))
    yield Wanted("backup", {"paths": strings(paths), "missing_ok": True}, roots(paths))


def _by_folder(source: Source, paths: list[Path]) -> dict[str, list[str]]:
    """Group files by their folder, so that one that is not there is passed over; a folder stands for its logs."""
    found: dict[str, list[str]] = {}
    for path in paths:
        is_folder = not path.suffix and "*" not in path.name
        folder, name = (path, "*.log") if is_folder else (path.parent, path.name)
        if any(char in str(folder) for char in "*?["):
            source.keys.note(f"{path} is left out: only the name of a file may hold a wildcard, not a folder's")
            continue
        found.setdefault(str(folder), []).append(name)
    return found
