"""examples/service-outage, live: a service under systemd is killed, looked at, restarted, and proven to be up."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import yaml

from tests.bridge.actions.systemd_user import UserManager, user_manager
from tests.deploy.test_systemd import REMEDY
from tests.e2e.waiting import wait_for
from tests.examples.test_service_outage import EXAMPLE
from tests.remedy.commands.test_operators import free_port

SERVICE = """
import http.server, sys
class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b'{"status":"ok"}')
    def log_message(self, *words): pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Health).serve_forever()
"""
LEFT_OUT = {
    "https_endpoint", "certificate", "npm_packages", "core_dumps", "wal_size", "database", "app_unit", "cpu", "memory",
}  # fmt: skip
"""What the sample service has not (TLS, packages, a database, a bus), and what depends on the machine."""


@pytest.fixture
def manager() -> Iterator[UserManager]:
    with user_manager() as manager:
        yield manager


class Outage:
    """The example's two files beside a service of the test's own, in a folder of the test's."""

    def __init__(self, folder: Path, manager: UserManager) -> None:
        self.folder, self.manager, self.port, self.web = folder, manager, free_port(), free_port()
        for name in ("logs", "data"):
            (folder / "app" / name).mkdir(parents=True)
        (folder / "app" / "logs" / "app.log").write_text("started\n")
        (folder / "app" / "service.py").write_text(SERVICE)
        argv = f"{sys.executable} {folder}/app/service.py {self.port}"
        manager.write("app.service", f"[Service]\nExecStart={argv}\n")
        manager.call("start", "app.service")
        self._write_exporter()
        self._write_remediation()

    @property
    def pid(self) -> int:
        return int(self.manager.call("show", "--value", "-p", "MainPID", "app.service"))

    def _placed(self, name: str) -> str:
        text = (EXAMPLE / name).read_text().replace("/srv/app", f"{self.folder}/app")
        return text.replace("/var/lib/remedy", str(self.folder)).replace("node .*", f"{sys.executable} .*")

    def _write_exporter(self) -> None:
        text = self._placed("exporter.yml").replace("localhost:8080", f"127.0.0.1:{self.port}").replace("10s", "1s")
        exporter = yaml.safe_load(text.replace("unit: app.service", "unit: app.service, bus: user"))
        exporter["checks"] = [check for check in exporter["checks"] if check["name"] not in LEFT_OUT]
        (self.folder / "exporter.yml").write_text(yaml.safe_dump(exporter))

    def _write_remediation(self) -> None:
        lines = [
            line for line in self._placed("remediation.yml").splitlines() if not line.startswith(("alertm", "prom"))
        ]
        text = "\n".join(lines).replace("unit: app.service", "unit: app.service, manager: user")
        text = text.replace("/usr/local/lib/outage", str(self.folder / "bin")).replace(
            "stable_for: 1m", "stable_for: 2s"
        )
        text = text.replace("settle: 10s", "settle: 1s")
        (self.folder / "remediation.yml").write_text(f"web: {{listen: 127.0.0.1:{self.web}}}\n{text}\n")
        (self.folder / "bin").mkdir()
        for script in (EXAMPLE / "bin").iterdir():
            (self.folder / "bin" / script.name).write_text(script.read_text())
            (self.folder / "bin" / script.name).chmod(0o755)
        for name in ("exporter.yml", "remediation.yml"):
            (self.folder / name).chmod(0o600)


@pytest.mark.slow
def test_what_was_killed_is_looked_at_restarted_and_proven(tmp_path: Path, manager: UserManager) -> None:
    outage = Outage(tmp_path, manager)
    killed = outage.pid
    files = ["--config", tmp_path / "exporter.yml", "--config", tmp_path / "remediation.yml"]
    argv = [REMEDY, "run", "--continuous", "--json", *files]
    environment = {**os.environ, **manager.env}
    with (tmp_path / "log").open("wb") as log:
        daemon = subprocess.Popen(argv, env=environment, stdout=log, stderr=log)
    try:
        wait_for(lambda: history(tmp_path) == [], within=30)
        os.kill(killed, signal.SIGKILL)
        (run,) = wait_for(lambda: [r for r in history(tmp_path) or [] if r["outcome"]], within=60)
    finally:
        daemon.terminate()
        daemon.wait(60)
    assert (run["remediation"], run["outcome"]) == ("restart-when-gone", "fixed"), (tmp_path / "log").read_text()
    assert outage.pid != killed
    assert psutil.pid_exists(outage.pid)
    assert [step["action"] for step in run["steps"]] == ["collect_status", "service_restart"]


def history(folder: Path) -> list[dict[str, object]] | None:
    done = subprocess.run(
        [REMEDY, "history", "--json", "--config", folder / "remediation.yml"],
        check=False, capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    return None if done.returncode else json.loads(done.stdout)["runs"]
