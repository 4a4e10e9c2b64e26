"""Which logs are read: those that the file names, else those that the daemon read."""

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
    named = keys.has(*KEYS)
    found = [place.path(text) for text in keys.get(values.texts, *KEYS, default=list(_USUAL))]
    for path in found if named else []:
        if path in place.own_logs:
            keys.note(f"{path} is what we write ourselves, so it is not read")
    return [path for path in dict.fromkeys(found) if path not in place.own_logs]


def log_sources(files: list[Path]) -> list[dict[str, Any]]:
    """Return the exporter's sources: the last 1,000 lines of each at the first start, then what is new."""
    names = Names()
    found = []
    for file in files:
        path = file if file.suffix or not file.is_dir() else file / "*.log"
        stem = file.parent.name if "*" in file.stem else file.stem
        name = names.take(stem, "log")
        found.append({"name": name, "path": str(path), "start_at": {"last_lines": _LAST_LINES}})
    return found
