"""One of the ITSM examples, copied aside with its ports moved: its application, and `remedy run` over it."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from tests.bridge.durability.process import eventually, free_port

ROOT = Path(__file__).parents[2]
REMEDY = Path(sys.executable).with_name("remedy")


class Itsm:
    """An example at work in a folder."""

    def __init__(
        self, name: str, folder: Path, ports: dict[str, int], main: str = "app.py", **environment: str
    ) -> None:
        """Copy the example; `main` is what its application is called there."""
        self.home, self.main = folder / "backend", main
        shutil.copytree(ROOT / "examples" / name / "backend", self.home)
        (self.home / "app.py").rename(self.home / main)
        self.patterns = self.home / "scripts" / "error_patterns.json"
        text, extra = self.patterns.read_text(encoding="utf-8"), self.patterns.with_name("remediation.yml")
        allow = extra.read_text(encoding="utf-8")
        for port, moved in ports.items():
            text, allow = text.replace(port, str(moved)), allow.replace(port, str(moved))
        extra.write_text(allow, encoding="utf-8")
        content = json.loads(text)
        content["auto_fix_config"] |= {"quiet_for": 1}
        content["log_paths"] = ["logs/app.log"]
        content["health_checks"] = [
            check for check in content["health_checks"] if check["type"] not in ("disk", "memory")
        ]
        self.patterns.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
        self.port = ports["5100"]
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = {**os.environ, "MKS_PORT": str(self.port), **environment}

    @property
    def program(self) -> str:
        """The name under which the application's process is known, which no other process has."""
        return f"itsm-{self.port}"

    @contextmanager
    def app(self) -> Iterator[None]:
        """Run the application, under a name of its own: `flask_app` is looked for on the whole machine."""
        program = self.home / self.program
        program.symlink_to(Path(sys.executable).resolve())
        process = subprocess.Popen(
            [program, self.home / self.main],
            env={**self.environment, "PYTHONPATH": sysconfig.get_path("purelib")},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            eventually(lambda: process.poll() is None and self.status() is not None)
            yield
        finally:
            process.kill()
            process.wait()

    def status(self) -> int | None:
        """Ask for its health."""
        try:
            return requests.get(f"{self.url}/api/health", timeout=5).status_code
        except requests.RequestException:
            return None

    def post(self, path: str) -> int:
        """Tell it something."""
        return requests.post(f"{self.url}{path}", json={"title": "x"}, timeout=5).status_code

    def remedy(self, *arguments: str) -> tuple[int, dict, str]:
        """Run `remedy run --json`; return its exit code, the counts of the last iteration, and its log."""
        argv = [REMEDY, "run", "--json", "--insecure-config", "--config", self.patterns, *arguments]
        done = subprocess.run(argv, env=self.environment, capture_output=True, text=True, timeout=90, check=False)
        lines = done.stdout.splitlines()
        return done.returncode, json.loads(lines[-1]) if lines else {}, done.stderr


def moved(*ports: str) -> dict[str, int]:
    """Move ports to free ones."""
    return {port: free_port() for port in ports}
