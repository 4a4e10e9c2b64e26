"""Every kind of health check of the daemons, in its spellings, as a check of the exporter."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from pydantic import ValidationError

from exporters import checks
from exporters.checks.base import Check
from remedy.config import kinds
from remedy.config.extras import MissingExtra
from remedy.error_patterns import values
from remedy.error_patterns.databases import PATHS, POSTGRESQL, SQLITE
from remedy.error_patterns.names import Names
from remedy.error_patterns.place import Place
from remedy.error_patterns.reading import Keys, plain

_URL_KEYS = ("url", "endpoint", "uri")
_DEFAULT_URL = "http://localhost:5000"
_HEALTHY = 200


@dataclass(frozen=True)
class Source:
    """One health check of the file, and where it was taken from."""

    keys: Keys
    place: Place
    project: Keys

    def text(self, *names: str, default: str = "") -> str:
        """Return a text."""
        return self.keys.get(values.text, *names, default=default)

    def host_and_port(self, port: int) -> dict[str, Any]:
        """Return host and port; `port` is the usual one."""
        return {
            "host": self.text("host", "hostname", "address", default="localhost"),
            "port": self.keys.get(values.whole, "port", default=port),
        }


def http(source: Source) -> dict[str, Any] | None:
    """Status 200; the daemon's environment variables change or skip it."""
    environment = source.place.environment
    url = source.text(*_URL_KEYS, default=_DEFAULT_URL)
    if port := environment.get("MKS_PORT"):
        url = f"http://localhost:{port}/api/health"
    url = environment.get("MKS_HEALTHCHECK_URL") or url
    url = url if "://" in url else f"http://{url}"
    status = source.keys.get(values.whole, "expected_status", "status_code", "status", default=_HEALTHY)
    fields: dict[str, Any] = {"kind": "http", "url": url, "status": [status]}
    if not source.keys.get(values.flag, "verify_ssl", "tls_verify", default=True):
        fields["tls_verify"] = False
    if environment.get("MKS_SKIP_HTTP_CHECK", "").lower() in ("1", "true", "yes", "on"):
        source.keys.note("is skipped, since MKS_SKIP_HTTP_CHECK is set")
        return None
    return fields


def tcp(source: Source) -> dict[str, Any]:
    """A port that is open."""
    return {"kind": "tcp", **source.host_and_port(80)}


def disk(source: Source) -> dict[str, Any]:
    """Percent of a file system."""
    path = source.place.path(source.text("path", "mount", "mount_point", default="/"))
    return {"kind": "disk", "path": str(path), "threshold": _percent(source, 90), "inodes_threshold": None}


def memory(source: Source) -> dict[str, Any]:
    """Percent of the memory."""
    return {"kind": "memory", "threshold": _percent(source, 85)}


def cpu(source: Source) -> dict[str, Any]:
    """Percent of the processors."""
    return {"kind": "cpu", "threshold": _percent(source, 95)}


def process(source: Source) -> dict[str, Any]:
    """A process, by name or command line."""
    line = source.text("command_line", "cmdline", "pattern")
    name = source.text("process_name", "process")
    return {"kind": "process", **({"cmdline": line} if line else {"process": name})}


def sqlite(source: Source) -> dict[str, Any]:
    """A SQLite file that opens; where none is named, that of `project_config`."""
    named = source.text(*PATHS) or source.project.get(values.text, "db_path", default="")
    if not named:
        raise ValueError("it names no file (path)")
    return {"kind": "sqlite", "path": str(source.place.path(named))}


def database(source: Source) -> dict[str, Any]:
    """A SQLite file where one is named, else PostgreSQL."""
    return sqlite(source) if source.keys.has(*PATHS) else postgresql(source)


def postgresql(source: Source) -> dict[str, Any]:
    """What pg_isready asks; host and port come from DATABASE_URL, PGHOST and PGPORT, as there."""
    environment = source.place.environment
    url = _url(environment.get("DATABASE_URL", ""))
    host = source.text("host") or url[0] or environment.get("PGHOST") or "localhost"
    usual = url[1] or _url(f"//h:{environment.get('PGPORT', '')}")[1] or 5432
    return {"kind": "postgresql", "host": host, "port": source.keys.get(values.whole, "port", default=usual)}


def redis(source: Source) -> dict[str, Any]:
    """A PING; without the library, whether the port is open, which is all that the daemon asked. REDIS_URL is heard."""
    url = _url(source.place.environment.get("REDIS_URL", ""))
    host, port = source.text("host", "hostname", default=url[0] or "localhost"), url[1] or 6379
    where = {"host": host, "port": source.keys.get(values.whole, "port", default=port)}
    try:
        kinds.load(checks, "redis", Check, "kind of check").model_validate({"name": "x", "kind": "redis"})
    except MissingExtra as missing:
        source.keys.note(f"only the port is looked at: PING {missing}")
        return {"kind": "tcp", **where}
    return {"kind": "redis", **where}


def exists(source: Source) -> dict[str, Any]:
    """A file or folder that must be there."""
    return {"kind": "file", "path": str(source.place.path(source.text("path", "directory", "file", default=".")))}


def unit(source: Source) -> dict[str, Any]:
    """A systemd unit that is active."""
    name = source.text("service", "unit", "service_name")
    return {"kind": "systemd_unit", "unit": name if "." in name else f"{name}.service"}


def certificate(source: Source) -> dict[str, Any]:
    """A certificate file that has not expired."""
    return {"kind": "tls_certificate", "path": str(source.place.path(source.text("path", "file", "cert_file")))}


KINDS: Mapping[str, Callable[[Source], dict[str, Any] | None]] = {
    **dict.fromkeys(("http", "https", "url", "http_endpoint", "endpoint", "api"), http),
    **dict.fromkeys(("tcp", "port", "tcp_port", "socket"), tcp),
    **dict.fromkeys(("disk", "disk_space", "disk_usage", "storage"), disk),
    **dict.fromkeys(("memory", "memory_usage", "ram", "mem"), memory),
    **dict.fromkeys(("cpu", "cpu_usage", "load"), cpu),
    **dict.fromkeys(("process", "process_running", "proc"), process),
    **dict.fromkeys(SQLITE, sqlite),
    **dict.fromkeys(POSTGRESQL, postgresql),
    **dict.fromkeys(("database", "db", "database_connection"), database),
    **dict.fromkeys(("redis", "redis_connection", "cache"), redis),
    **dict.fromkeys(("directory", "dir", "folder", "file", "path"), exists),
    **dict.fromkeys(("systemd", "systemd_unit", "service", "unit"), unit),
    **dict.fromkeys(("certificate", "ssl", "ssl_certificate", "tls", "cert"), certificate),
}
"""The daemons' words for a kind of check, and other spellings."""


def check(keys: Keys, project: Keys, place: Place, names: Names) -> dict[str, Any] | None:
    """Return the exporter's check for a health check; None where there can be none, which is noted."""
    word = _word(keys)
    name = names.noted(keys, keys.get(values.text, "name", "id", default=word), "check")
    make = KINDS.get(word)
    if not keys.get(values.flag, "enabled", default=True):
        keys.note("is switched off (enabled)")
        return None
    if make is None:
        keys.note(f"is left out: a health check of the type {word!r} is not known (known: {', '.join(sorted(KINDS))})")
        return None
    common = {
        key: keys.get(values.lasting, key, f"{key}_seconds", default=usual)
        for key, usual in (("interval", "1m"), ("timeout", "10s"))
    }
    critical = keys.get(values.flag, "critical", default=False)
    try:
        made = make(Source(keys, place, project))
    except ValueError as wrong:
        keys.note(f"is left out: {wrong}")
        return None
    if made is None:
        return None
    fields = {"name": name, **made, **common, "critical": critical}
    return fields if _holds(keys, fields) else None


def _word(keys: Keys) -> str:
    """Return what kind of check it is: what it says, or else what its name or its URL tells."""
    word = plain(keys.get(values.text, "type", "kind", default=""))
    if word:
        return word
    name = plain(keys.get(values.text, "name", "id", default=""))
    return name if name in KINDS else "http" if keys.has(*_URL_KEYS) else ""


def _holds(keys: Keys, fields: dict[str, Any]) -> bool:
    try:
        kinds.load(checks, fields["kind"], Check, "kind of check").model_validate(fields)
    except MissingExtra as missing:
        keys.note(f"is left out: it {missing}")
        return False
    except ValidationError as invalid:
        first = invalid.errors()[0]
        keys.note(f"is left out: {'.'.join(map(str, first['loc']))}: {first['msg'].removeprefix('Value error, ')}")
        return False
    return True


def _url(text: str) -> tuple[str | None, int | None]:
    """Return host and port of a URL, as far as it has them."""
    try:
        found = urlsplit(text)
        where = found.hostname, found.port
    except ValueError:
        return None, None
    return where


def _percent(source: Source, usual: float) -> float:
    share = source.keys.get(values.number, "threshold", "threshold_percent", "max_percent", default=usual)
    return share * 100 if 0 < share < 1 else share
