"""The exporter's pages, asked of a real exporter in a process of its own."""

import http.server
import json
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
import requests

from exporters.logs.store import Store
from tests.exporters.running import RunningExporter


class Site(http.server.ThreadingHTTPServer):
    """A site that can be broken, and can hang."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Page)
        self.status, self.go_on = 200, threading.Event()
        self.go_on.set()
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Site)
        self.server.go_on.wait(20)
        self.send_response(self.server.status)
        self.end_headers()
        self.wfile.write(b'{"status":"ok"}')

    def log_message(self, *_args: object) -> None:
        pass


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.go_on.set()
        server.shutdown()
        thread.join()


def config(site: Site) -> dict[str, object]:
    return {
        "checks": [
            {"name": "web", "kind": "http", "url": site.url, "interval": "1s", "timeout": "300ms", "critical": True},
            {"name": "disk", "kind": "disk", "path": "/", "threshold": 100},
            {"name": "memory", "kind": "memory", "threshold": 100},
        ]
    }


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < until, "it did not come"
        time.sleep(0.02)


def test_pages(tmp_path: Path, site: Site) -> None:
    """A check that is healthy, breaks and hangs, as every page shows it; one exporter for all of it."""
    with RunningExporter(tmp_path, config(site)) as exporter:
        wait_for(lambda: exporter.metric('healthcheck_success{check="web"') == 1)
        healthy = exporter.get("/health")
        assert (healthy.status_code, healthy.json()["overall_status"]) == (200, "healthy")
        assert healthy.json()["checks"]["disk"].keys() >= {"status", "message", "critical", "usage_percent", "free_gb"}
        assert healthy.json()["checks"]["memory"].keys() >= {"usage_percent", "available_gb"}
        inner = {key: set(value) for key, value in healthy.json()["metrics"].items()}
        assert inner == {
            "cpu": {"usage_percent", "count"},
            "memory": {"total_gb", "used_gb"},
            "disk": {"total_gb", "used_gb"},
            "network": {"bytes_sent_mb", "bytes_recv_mb"},
            "processes": {"count"},
        }

        lint = subprocess.run(
            ["promtool", "check", "metrics"], input=exporter.get("/metrics").content, capture_output=True, check=False
        )
        assert (lint.returncode, lint.stderr) == (0, b"")

        assert (
            'healthcheck_success{check="web",critical="true",kind="http"} 1.0'
            in exporter.get("/probe", check="web").text
        )
        assert exporter.get("/probe", check="nothing").status_code == 404

        site.status = 500
        assert (
            'healthcheck_success{check="web",critical="true",kind="http"} 0.0'
            in exporter.get("/probe", check="web").text
        )
        wait_for(lambda: (exporter.metric('healthcheck_consecutive_failures{check="web"}') or 0) >= 1)
        assert exporter.get("/health").status_code == 503
        assert "answered 500" in exporter.get("/").text
        asked = subprocess.run(
            [sys.executable, "-m", "remedy", "health", "--url", exporter.url], capture_output=True, check=False
        )
        assert (asked.returncode, json.loads(asked.stdout)["overall_status"]) == (2, "critical")

        site.go_on.clear()
        wait_for(lambda: "did not" in exporter.get("/health").json()["checks"]["web"]["message"])
        began = time.monotonic()
        exporter.get("/metrics").raise_for_status()
        assert time.monotonic() - began < 5, "a scrape waits for no check"


def test_the_end_waits_for_no_probe(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor() as pool:
        port = listener.getsockname()[1]
        web = {"name": "web", "kind": "http", "url": f"http://127.0.0.1:{port}/", "interval": "1h", "timeout": "60s"}
        exporter = RunningExporter(tmp_path, {"checks": [web]})
        exporter.start()
        its_own, _ = listener.accept()
        patient = {"X-Prometheus-Scrape-Timeout-Seconds": "60"}
        asked = pool.submit(requests.get, f"{exporter.url}/probe?check=web", headers=patient, timeout=60)
        probe, _ = listener.accept()
        exporter.stop(signal.SIGTERM)  # raises after 20 s
        assert 'healthcheck_success{check="web",critical="false",kind="http"} 0.0' in asked.result().text
        its_own.close()
        probe.close()


def test_reload(tmp_path: Path, site: Site) -> None:
    """A wrong configuration keeps the old one and says so; a right one is taken, without a counter going back."""
    logs = tmp_path / "app.log"
    logs.touch()
    good = {**config(site), "log_sources": [{"name": "app", "path": str(logs)}]}
    with RunningExporter(tmp_path, good) as exporter:
        with logs.open("a") as out:
            out.write("No space left on device\n")
        counter = 'log_pattern_matches_total{pattern="disk_full",severity="critical",source="app"}'
        wait_for(lambda: exporter.metric(counter) == 1)

        kept = exporter.config
        exporter.configure({**kept, "checks": [{"name": "web", "kind": "htp"}]})
        refused = requests.post(f"{exporter.url}/-/reload", timeout=10)
        assert refused.status_code == 400
        assert "unknown kind of check 'htp' (did you mean 'http'?)" in refused.text
        assert exporter.metric("exporter_config_last_reload_successful") == 0
        assert exporter.metric('healthcheck_success{check="web"') == 1

        exporter.configure({**kept, "state": "/proc/nothing/here.db"})
        assert requests.post(f"{exporter.url}/-/reload", timeout=10).status_code == 400
        assert exporter.metric(counter) == 1

        exporter.configure({**kept, "checks": []})
        assert requests.post(f"{exporter.url}/-/reload", timeout=10).status_code == 200
        assert exporter.metric("exporter_config_last_reload_successful") == 1
        assert exporter.metric('healthcheck_success{check="web"') is None
        assert exporter.metric(counter) == 1
        with logs.open("a") as out:
            out.write("No space left on device\n")
        wait_for(lambda: exporter.metric(counter) == 2)


def test_scan_and_health_commands(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_text("1 No space left on device\n2 fine\n3 ENOSPC", encoding="utf-8")
    scan = subprocess.run(
        [sys.executable, "-m", "remedy", "scan", str(log), "--json"], capture_output=True, check=False
    )
    assert (scan.returncode, json.loads(scan.stdout)) == (0, {str(log): {"disk_full": 2}})
    file = tmp_path / "exporter.yml"
    file.write_text(f"checks: [{{name: there, kind: file, path: {tmp_path}/nothing}}]", encoding="utf-8")
    health = subprocess.run(
        [sys.executable, "-m", "remedy", "health", "--config", str(file)], capture_output=True, check=False
    )
    assert (health.returncode, json.loads(health.stdout)["overall_status"]) == (1, "degraded")


@pytest.mark.parametrize("kind", ["no database", "another's", "damaged"])
def test_a_state_that_cannot_be_used_is_a_sentence(tmp_path: Path, kind: str) -> None:
    state = tmp_path / "exporter.db"
    if kind == "no database":
        state.write_text("something else " * 100)
    elif kind == "another's":
        with closing(sqlite3.connect(state)) as database:
            database.execute("CREATE TABLE files (something TEXT)")
    else:
        Store(state).close()
        data = bytearray(state.read_bytes())
        data[4096:] = b"x" * len(data[4096:])
        state.write_bytes(data)
    (tmp_path / "exporter.yml").write_text(
        f"listen: 127.0.0.1:0\nstate: {state}\nlog_sources: [{{name: app, path: {tmp_path}/app.log}}]\n"
    )
    argv = [sys.executable, "-m", "remedy", "exporter", "--config", str(tmp_path / "exporter.yml")]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=20)
    said = done.stderr.splitlines()
    assert done.returncode == 2
    assert said[0].startswith(f"{state}: state: cannot be opened: ")
    assert said[0].endswith("move it away to begin anew, without the counts in it")
    assert "Traceback" not in done.stderr
