"""Actions on files: rotate, clean up, repair, copy aside, with the defaults that were never written down."""

from collections.abc import Iterator
from pathlib import Path

from remedy.error_patterns import values
from remedy.error_patterns.steps import Source, Wanted, roots, strings

_TEMPORARY = (("/tmp", "*.tmp"), ("/tmp", "flask_*"), ("/var/tmp", "*.tmp"))  # noqa: S108 - the daemon's own default
_SHARED = ("*.tmp", "flask_*")
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
    paths = source.emptied(source.paths("directories", "paths", "cache_dirs", default=("cache",)))
    if paths:
        yield Wanted("cache_clear", {"directories": strings(paths), "missing_ok": True}, roots(paths))


def temp_file_cleanup(source: Source) -> Iterator[Wanted]:
    """Delete temporary files older than a day: by their names in folders that others share, all in those of the app."""
    wanted: dict[str, list[str]] = {}
    given = source.paths("paths", "patterns")
    for folder, patterns in _by_folder(source, [path for path in given if not path.is_dir()], None).items():
        wanted.setdefault(folder, []).extend(patterns)
    for each in [*source.paths("directories"), *(path for path in given if path.is_dir())]:
        own = each.is_relative_to(source.place.base)
        wanted.setdefault(str(each), []).extend(["*"] if own else _SHARED)
    if not source.keys.has("paths", "patterns", "directories"):
        for folder, pattern in _TEMPORARY:
            wanted.setdefault(folder, []).append(pattern)
    days = source.keys.get(values.number, "days", "max_age_days", default=1.0)
    age = {"older_than": f"{max(1, round(days * 24))}h", "missing_ok": True}
    for folder, patterns in wanted.items():
        if "*" not in patterns or source.emptied([Path(folder)]):
            yield Wanted(
                "temp_file_cleanup", {"directories": [folder], "patterns": patterns, **age}, {"roots": [folder]}
            )


def old_file_cleanup(source: Source) -> Iterator[Wanted]:
    """Delete what nobody has changed for days, never less than seven."""
    days = source.keys.get(values.whole, "days", "retention_days", "older_than_days", default=30)
    if days < _LEAST_DAYS:
        source.keys.note(f"files younger than {_LEAST_DAYS} days are never deleted; taken is {_LEAST_DAYS}", "days")
    paths = source.emptied(source.paths("directories", "paths", default=("logs", "cache", "uploads")))
    fields = {"directories": strings(paths), "days": max(_LEAST_DAYS, days), "missing_ok": True}
    if paths:
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


def _by_folder(source: Source, paths: list[Path], whole: str | None = "*.log") -> dict[str, list[str]]:
    """Group files by their folder, so that one that is not there is passed over.

    A path that looks like a folder stands for the files `whole` in it; with None none does.
    """
    found: dict[str, list[str]] = {}
    for path in paths:
        is_folder = whole is not None and (path.is_dir() or (not path.suffix and "*" not in path.name))
        folder, name = (path, whole or "*") if is_folder else (path.parent, path.name)
        if any(char in str(folder) for char in "*?["):
            source.keys.note(f"{path} is left out: only the name of a file may hold a wildcard, not a folder's")
            continue
        found.setdefault(str(folder), []).append(name)
    return found
