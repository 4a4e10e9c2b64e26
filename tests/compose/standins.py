"""Base images made on this machine, under the tags that docker-compose.yml and Dockerfile use.

No registry is asked. All are one Debian 13 root: its Python 3.13, Prometheus, Alertmanager and HAProxy are real,
only older than the tags say. Grafana is in no distribution: its stand-in answers the health check and nothing else.
"""

import json
import os
import platform
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.compose.engine import CannotBeHad, Engine, search_path

ROOT = "standin:root"
_PACKAGES = "python3-venv,python3-pip,prometheus,prometheus-alertmanager,haproxy,busybox"
_LINKS = {
    "usr/bin/alertmanager": "prometheus-alertmanager",
    "usr/bin/wget": "busybox",
    "usr/local/bin/pip": "/usr/bin/pip3",
}
_GRAFANA = """
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Health(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == '/api/health' else 501)
        self.end_headers()
    do_HEAD = do_GET
ThreadingHTTPServer(('', 3000), Health).serve_forever()
"""
UNREAL = "Grafana is a stand-in that only answers its health check: no Grafana can be had here"


@dataclass(frozen=True)
class StandIn:
    """How an image is made from the root folder: like the real one, as far as the compose file relies on it."""

    repository: str
    instructions: str
    context: Path | None = None


def stand_ins(wheels: Path) -> list[StandIn]:
    """List them; `wheels` holds what pip installs, since the image is built without a network too."""
    return [
        StandIn(
            "python",
            "COPY . /var/cache/wheels\n"
            "RUN ln -s /usr/bin/python3 /usr/local/bin/python"
            " && printf '[global]\\nno-index = true\\nfind-links = /var/cache/wheels\\n' > /etc/pip.conf",
            wheels,
        ),
        StandIn(
            "prom/prometheus",
            "RUN install -d -o nobody -g nogroup /prometheus /etc/prometheus\nWORKDIR /prometheus\nUSER nobody\n"
            'VOLUME ["/prometheus"]\nENTRYPOINT ["/bin/prometheus"]\n'
            'CMD ["--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/prometheus"]',
        ),
        StandIn(
            "prom/alertmanager",
            "RUN install -d -o nobody -g nogroup /alertmanager /etc/alertmanager\nWORKDIR /alertmanager\nUSER nobody\n"
            'VOLUME ["/alertmanager"]\nENTRYPOINT ["/bin/alertmanager"]\n'
            'CMD ["--config.file=/etc/alertmanager/alertmanager.yml", "--storage.path=/alertmanager"]',
        ),
        StandIn("haproxy", 'USER haproxy\nCMD ["haproxy", "-W", "-db", "-f", "/usr/local/etc/haproxy/haproxy.cfg"]'),
        StandIn(
            "grafana/grafana",
            "RUN install -d -o 472 -g 0 /var/lib/grafana /etc/grafana\nUSER 472\n"
            f"ENTRYPOINT {as_json('python3', '-c', _GRAFANA)}",
        ),
    ]


def as_json(*words: str) -> str:
    """Spell a command as Dockerfiles do."""
    return json.dumps(words)


def make_root(engine: Engine, folder: Path) -> None:
    """Make the root folder with Debian's own tool and import it.

    Raises:
        CannotBeHad: Debian's packages are out of reach.
    """
    _get("debootstrap", "--variant=minbase", f"--include={_PACKAGES}", "trixie", str(folder))
    for link, target in _LINKS.items():
        (folder / link).symlink_to(target)
    left_out = [
        f"--exclude=./{path}" for path in ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/locale")
    ]
    with subprocess.Popen(["tar", "-C", str(folder), *left_out, "-c", "."], stdout=subprocess.PIPE) as tar:
        subprocess.run(
            ["docker", "import", "-", ROOT], stdin=tar.stdout, env=engine.environment, check=True, capture_output=True
        )


def make_images(engine: Engine, tags: dict[str, str], wheels: Path, folder: Path) -> None:
    """Make every stand-in; `tags` maps repositories to the tags in use."""
    empty = folder / "empty"
    empty.mkdir(parents=True)
    for stand_in in stand_ins(wheels):
        dockerfile = folder / "Dockerfile"
        dockerfile.write_text(f"FROM {ROOT}\n{stand_in.instructions}\n", encoding="utf-8")
        tag = f"{stand_in.repository}:{tags[stand_in.repository]}"
        engine.docker("build", "--quiet", "--tag", tag, "--file", str(dockerfile), str(stand_in.context or empty))


def download_wheels(lock: Path, folder: Path) -> None:
    """Get what the image installs, for its Python rather than ours, the way pip is set up on this machine.

    Raises:
        CannotBeHad: it is out of reach.
    """
    machine = platform.machine()
    platforms = [f"--platform=manylinux{glibc}_{machine}" for glibc in ("2014", "_2_17", "_2_28", "_2_34")]
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--require-hashes"]
    target = ["--only-binary=:all:", "--implementation=cp", "--python-version=3.13", *platforms]
    _get(*pip, *target, f"--dest={folder}", f"--requirement={lock}")


def _get(*argv: str) -> None:
    env = {**os.environ, "PATH": search_path()}
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = (done.stderr + done.stdout).strip().splitlines()
        raise CannotBeHad(f"{Path(argv[0]).name} cannot get what the images are made of: {said[-1] if said else ''}")


def tags_in(*files: Path) -> dict[str, str]:
    """Find the images that files name: repository → tag."""
    text = "\n".join(file.read_text(encoding="utf-8") for file in files)
    return dict(re.findall(r"(?m)^\s*(?:FROM|image:) ([a-z/-]+):([\w.-]+)", text))
