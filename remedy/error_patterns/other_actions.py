"""Actions on services, ports and databases, and those that only look."""

from collections.abc import Iterator
from pathlib import Path

from remedy.error_patterns import values
from remedy.error_patterns.steps import Source, Wanted, roots_above, strings

_ANYBODY = "."
"""A command line that anybody has."""
_APP = r"(^|[\s/=])app\.py($|[\s:])"
"""A command line that has the file app.py; `test_app.py` is another one."""


def service_restart(source: Source) -> Iterator[Wanted]:
    """Restart a unit; `flask_app` stands for a SIGHUP to whatever has app.py in its command line."""
    name = source.keys.get(values.text, "service", "service_name", "unit", "name", default="").strip()
    if not name:
        source.keys.note("names no service, so there is nothing to restart")
        return
    if name == "flask_app":
        fields = {"processes": {"command_line": _APP}, "signal": "HUP", "most": 100}
        yield Wanted("process_signal", fields, {"processes": ["python3"]})
        return
    unit = name if "." in name else f"{name}.service"
    yield Wanted("service_restart", {"unit": unit}, {"units": [unit]})


def check_port(source: Source) -> Iterator[Wanted]:
    """Say who listens, as there; with `expect` it fails where that is not so."""
    port = _port(source)
    if port is None:
        return
    expect = source.keys.get(values.text, "expect", "expected", default="")
    if expect:
        yield Wanted("check_port", {"port": port, "expect": expect, "timeout": "10s"})
    else:
        yield Wanted("collect_status", {"ports": [port], "paths": []})


def kill_process_on_port(source: Source) -> Iterator[Wanted]:
    """End whoever listens on a port; the file may say what that must look like."""
    port = _port(source)
    if port is None:
        return
    expect = {
        key: found
        for key, names in (
            ("name", ("process_name", "process")),
            ("command_line", ("command_line", "cmdline")),
            ("user", ("user",)),
        )
        if (found := source.keys.get(values.text, *names, default=""))
    }
    if not expect.keys() & {"name", "command_line"}:
        expect["command_line"] = _ANYBODY
        source.keys.note("ends whoever listens there: say which process is meant by process_name or command_line")
    yield Wanted("kill_process_on_port", {"port": port, "expect": expect}, {"ports": [port]})


def database_vacuum(source: Source) -> Iterator[Wanted]:
    """Vacuum every database that the file knows of."""
    named: list[str] = source.keys.get(values.texts, "database", "databases", "db_path", "path", "paths", default=[])
    secret = source.keys.get(values.text, "postgresql_file", "dsn_file", default="")
    files = [source.place.path(name) for name in named] or list(source.databases.sqlite)
    for file in files:
        yield Wanted("database_vacuum", {"sqlite": str(file), "timeout": "5m"}, {"roots": [str(file.parent)]})
    if secret:
        yield Wanted("database_vacuum", {"postgresql_file": str(source.place.path(secret)), "timeout": "5m"})
    elif not files and source.databases.postgresql:
        yield Wanted("database_vacuum", {"postgresql_environment": True, "timeout": "5m"})
    elif not files:
        source.keys.note("knows of no database: name it by database, or have a health check of it")


def log_analysis(source: Source) -> Iterator[Wanted]:
    """Group what the logs complain about."""
    named = source.keys.has("log_files", "log_file", "files", "paths")
    paths = source.paths("log_files", "log_file", "files", "paths") if named else _logs(source)
    if not paths and not named:
        source.keys.note("is left out: there is no log to look at")
    if paths:
        yield Wanted("log_analysis", {"log_files": strings(paths), "missing_ok": True}, roots_above(paths))


def _logs(source: Source) -> list[Path]:
    """Return the logs that a step may read, else all; of a wildcard nobody knows which file is meant."""
    logs = [log for log in source.logs if "*" not in str(log)]
    return [log for log in logs if not source.place.outside(log)] or logs


def _port(source: Source) -> int | None:
    port = source.keys.get(values.whole, "port", default=0)
    if not port:
        source.keys.note("names no port")
    return port or None
