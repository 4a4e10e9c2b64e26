"""Which logs are read: those that the file names, else those that the daemon read."""

import glob
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from remedy.error_patterns import values
from remedy.error_patterns.names import Names
from remedy.error_patterns.place import Place
from remedy.error_patterns.reading import Keys

KEYS = ("log_paths", "monitored_log_files", "log_files", "logs")
_USUAL = ("logs/app.log", "logs/auto_fix.log", "/var/log/syslog", "/var/log/postgresql/*.log")
_LAST_LINES = 1000


def log_files(keys: Keys, place: Place) -> list[Path]:
    """Return the logs; what we write ourselves is never read, and what is named is told so."""
    named = [entry for entry in keys.inner(*KEYS, plain="path") if entry.get(values.flag, "enabled", default=True)]
    found = list[Path]()
    for entry in named:
        found += _placed(entry, place)
    if not keys.has(*KEYS):
        found = [place.path(text) for text in _USUAL]
    elif not found:
        keys.note("names no log, so none is read")
    return [path for path in dict.fromkeys(found) if not place.is_own_log(path)]


def _placed(entry: Keys, place: Place) -> Iterator[Path]:
    text = entry.get(values.text, "path", "file", "log_path", "log_file", default="").strip()
    entry.has("name", "description", "type")
    entry.unused()
    if not text:
        return
    try:
        path = place.path(text)
    except ValueError as wrong:
        entry.note(f"is not read: {wrong}")
        return
    if place.is_own_log(path):
        entry.note(f"{path} is what we write ourselves, so it is not read")
    yield path if path.suffix or not path.is_dir() else path / "*.log"


def log_sources(files: list[Path], place: Place) -> list[dict[str, Any]]:
    """Return the exporter's sources: the last 1,000 lines of each at the first start, then what is new."""
    names = Names()
    plain = [str(file) for file in files if not glob.has_magic(str(file))]
    found = []
    for file in files:
        path = str(file)
        stem = file.parent.name if "*" in file.stem else file.stem
        source: dict[str, Any] = {"name": names.take(stem, "log"), "path": path}
        if path not in plain:
            own = [f"{glob.escape(str(log))}*" for log in place.own_logs]
            source["exclude"] = [*own, *(each for each in plain if fnmatch(each, path))]
        found.append({**source, "start_at": {"last_lines": _LAST_LINES}})
    return found
