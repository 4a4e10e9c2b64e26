"""`gunicorn bridge.wsgi:app` with the shipped gunicorn.conf.py, as README says it."""

import os
import socket
import subprocess
from pathlib import Path

import requests

from tests.e2e.waiting import wait_for

ROOT = Path(__file__).parent.parent.parent


def start(config: Path) -> tuple["subprocess.Popen[str]", str]:
    """Start it in the clone, on a free port; the rest is the shipped file's."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    process = subprocess.Popen(
        [ROOT / ".venv/bin/gunicorn", "bridge.wsgi:app"],
        cwd=ROOT,
        env={**os.environ, "REMEDY_CONFIG": str(config), "GUNICORN_CMD_ARGS": f"--bind {address}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return process, f"http://{address}"


def test_it_serves_from_one_process_and_ends_cleanly(tmp_path: Path) -> None:
    config = tmp_path / "remediation.yml"
    config.write_text(f"database: sqlite:///{tmp_path}/ledger.db\n")
    config.chmod(0o600)
    process, url = start(config)
    try:
        wait_for(lambda: answers(f"{url}/-/ready"))
        assert "remediation_paused 0.0" in requests.get(f"{url}/metrics", timeout=10).text
        workers = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        assert len(workers) == 1
    finally:
        process.terminate()
        said, _ = process.communicate(timeout=40)
    assert process.returncode == 0, said
    assert "Traceback" not in said


def answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=10).ok
    except requests.ConnectionError:
        return False


def test_a_wrong_configuration_is_a_line_and_not_a_trace(tmp_path: Path) -> None:
    config = tmp_path / "remediation.yml"
    config.write_text("remediation: []\n")
    config.chmod(0o600)
    process, _url = start(config)
    said, _ = process.communicate(timeout=40)
    assert process.returncode != 0
    assert f"{config}:1: unknown key 'remediation' (did you mean 'remediations'?)" in said.splitlines()
    assert "Traceback" not in said
