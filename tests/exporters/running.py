"""A real `remedy exporter` in a process of its own."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType

import requests
import yaml


class RunningExporter:
    """Started with a configuration, on a port of its own; stopped, or killed, at the end."""

    def __init__(self, folder: Path, config: dict[str, object]) -> None:
        self.file = folder / "exporter.yml"
        self.configure({"listen": "127.0.0.1:0", "state": str(folder / "state" / "exporter.db"), **config})
        self._process: subprocess.Popen[str] | None = None
        self.url = ""

    def configure(self, config: dict[str, object]) -> None:
        self.config = config
        self.file.write_text(yaml.safe_dump(config), encoding="utf-8")

    def __enter__(self) -> "RunningExporter":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop(signal.SIGTERM)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        argv = [sys.executable, "-m", "remedy", "exporter", "--config", str(self.file)]
        self._process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, start_new_session=True)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        found = re.search(r"http://\S+:\d+", line)
        assert found, f"it said {line!r}"
        self.url = found[0]
        requests.get(f"{self.url}/-/healthy", timeout=10).raise_for_status()

    def stop(self, how: signal.Signals = signal.SIGKILL) -> None:
        """End it; SIGKILL ends the whole of it at once, as the out-of-memory killer would."""
        if self._process is None:
            return
        if how is signal.SIGKILL:
            os.killpg(self._process.pid, how)
        else:
            self._process.send_signal(how)
        self._process.wait(timeout=20)
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._process = None

    def get(self, path: str, **params: str) -> requests.Response:
        return requests.get(f"{self.url}{path}", params=params, timeout=10)

    def metric(self, start: str) -> float | None:
        """Return the value of the first sample whose line starts so."""
        for line in self.get("/metrics").text.splitlines():
            if line.startswith(start):
                return float(line.rpartition(" ")[2])
        return None
