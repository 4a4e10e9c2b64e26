"""examples/itsm-postgresql: real Redis, PostgreSQL and Flask, broken and healed by the file that the old daemon had."""

import os
import shutil
import signal
import subprocess
from contextlib import ExitStack

import psutil
import psycopg
import pytest
import yaml

from tests.bridge.durability.process import eventually
from tests.examples.itsm import Itsm, moved
from tests.exporters.checks.test_databases import postgres as postgres  # noqa: PLC0414 - a fixture to share

REDIS = shutil.which("redis-server")


@pytest.fixture
def itsm(tmp_path, postgres):
    if REDIS is None:
        pytest.skip("there is no Redis server on this machine (apt-get install redis-server)")
    ports = moved("5100", "6379")
    url = f"postgresql://remedy@/postgres?host={postgres.folder}"
    redis_url = f"redis://127.0.0.1:{ports['6379']}/0"
    itsm = Itsm("itsm-postgresql", tmp_path, ports, DATABASE_URL=url, REDIS_URL=redis_url, PGHOST=str(postgres.folder))
    argv = _plain_redis(itsm, ports["6379"])
    with ExitStack() as at_end:
        at_end.callback(_end_redis, itsm)
        subprocess.run([*argv, "--daemonize", "yes"], check=True, stdout=subprocess.DEVNULL)
        eventually(lambda: _redis(itsm))
        yield itsm


def _plain_redis(itsm: Itsm, port: int) -> list[str]:
    """There is no systemd here: in place of its unit Redis is a plain process, as a user's remediation.yml may say."""
    folder = itsm.home / "run"
    folder.mkdir(mode=0o700)
    program = shutil.copy(REDIS, folder / "redis-server")  # on Debian it is a symlink to a program of another name
    argv = [str(program), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
    extra = itsm.patterns.with_name("remediation.yml")
    keys = yaml.safe_load(extra.read_text())
    keys["allow"] |= {"commands": [argv[0]], "roots": [str(itsm.home)]}
    keys["allow"]["processes"] = [itsm.program]  # any other app.py on this machine is refused, not signalled
    pid_file = str(folder / "redis.pid")
    restart = {"process": {"pid_file": pid_file, "argv": [*argv, "--pidfile", pid_file]}, "settle": "500ms"}
    match = ['alertname="LogPatternMatched"', 'pattern="redis_connection_error"']
    steps = [{"service_restart": restart}, {"check_port": {"port": port, "expect": "open"}}]
    queue = "{{ labels.instance | host }}/redis"
    keys["remediations"] = [
        {"name": "redis_connection_error", "match": match, "host": queue, "steps": steps, "verify": {"quiet_for": "1s"}}
    ]
    extra.write_text(yaml.safe_dump(keys))
    extra.chmod(0o600)
    return [*argv, "--pidfile", pid_file]


def _redis(itsm: Itsm) -> psutil.Process | None:
    try:
        return psutil.Process(int((itsm.home / "run" / "redis.pid").read_text()))
    except (OSError, ValueError, psutil.NoSuchProcess):
        return None


def _end_redis(itsm: Itsm) -> None:
    process = _redis(itsm)
    if process is not None:
        os.kill(process.pid, signal.SIGKILL)


def test_redis_flask_and_postgresql_are_healed(itsm, postgres):
    with itsm.app():
        assert itsm.status() == 200
        killed = _redis(itsm)
        killed.kill()
        eventually(lambda: not killed.is_running() or killed.status() == psutil.STATUS_ZOMBIE)
        assert itsm.status() == 500
        assert itsm.post("/api/wedge") == 200
        code, counts, log = itsm.remedy()
        assert itsm.status() == 200, log
        assert "修復アクション実行: service_restart" in log
        assert "自動修復完了: redis_connection_error" in log
        assert "自動修復完了: http_5xx" in log, "Flask got its SIGHUP"
        assert counts["fixes_succeeded"] >= 2
        assert code == 0, log

        assert itsm.post("/api/misconnect") == 500
        _, _, log = itsm.remedy()
        assert "修復アクション実行: database_vacuum - VACUUM" in log
    with psycopg.connect(postgres.dsn) as connection:
        query = "SELECT count(*) FROM pg_stat_all_tables WHERE last_vacuum IS NOT NULL"
        eventually(lambda: connection.execute(query).fetchone()[0] > 0)
