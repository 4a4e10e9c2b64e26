"""What docker-compose.yml, Dockerfile and deploy/compose promise, read from the files; test_up.py sees it run."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from bridge.policy.loading import load_policy
from exporters.config import read_config

PROJECT = Path(__file__).resolve().parents[2]
CONFIGS = PROJECT / "deploy" / "compose"
COMPOSE: dict[str, Any] = yaml.safe_load((PROJECT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
ONE_SHOT = "service_completed_successfully"
SOCKET = "/var/run/docker.sock"
PINNED = re.compile(r"[a-z/-]+:v?\d+\.\d+\.\d+(-[a-z0-9-]+)?")


def read(file: Path) -> Any:
    return yaml.safe_load(file.read_text(encoding="utf-8"))


def mounts(service: dict[str, Any]) -> list[tuple[str, str, bool]]:
    """Return (source, target, read-only?) of each."""
    parts = [re.fullmatch(r"(\$\{.+?\}|[^:]+):([^:]+)(:ro)?", volume) for volume in service.get("volumes", [])]
    return [(part[1], part[2], bool(part[3])) for part in parts if part]


def hosts(value: Any) -> set[str]:
    """Find every `host:port` and host of a URL in a configuration."""
    if isinstance(value, dict):
        return {host for inner in value.values() for host in hosts(inner)}
    if isinstance(value, list):
        return {host for inner in value for host in hosts(inner)}
    text = str(value)
    if "://" in text:
        return {urlsplit(text).hostname or ""} - {""}
    found = re.fullmatch(r"([a-z][\w.-]*):\d+", text)
    return {found[1]} if found else set()


def one_shots() -> set[str]:
    return {
        name
        for service in SERVICES.values()
        for name, how in service.get("depends_on", {}).items()
        if how["condition"] == ONE_SHOT
    }


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_confined(name: str) -> None:
    service = SERVICES[name]
    assert service["init"] is True
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert re.fullmatch(r"\d+m", service["mem_limit"])
    assert service["pids_limit"] <= 256
    assert not {"privileged", "cap_add", "pid", "ipc", "devices"} & service.keys()


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_shows_its_health_or_ends(name: str) -> None:
    service = SERVICES[name]
    if name in one_shots():
        assert service["restart"] == "no"
    else:
        assert service["healthcheck"]["test"][0] == "CMD", "a shell is not needed to ask"


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_published_on_loopback_only(name: str) -> None:
    for port in SERVICES[name].get("ports", []):
        assert re.fullmatch(r"127\.0\.0\.1:\$\{[A-Z]+_PORT:-(\d+)\}:\1", port), port


@pytest.mark.parametrize("name", SERVICES)
def test_images_are_pinned(name: str) -> None:
    service = SERVICES[name]
    assert "build" in service or PINNED.fullmatch(service["image"])


def test_pinned_base_images_in_the_dockerfile() -> None:
    text = (PROJECT / "Dockerfile").read_text(encoding="utf-8")
    bases = re.findall(r"(?m)^FROM (\S+)", text)
    assert len(bases) == 2
    assert all(PINNED.fullmatch(base) for base in bases)
    assert re.search(r"(?m)^USER (\d+):(\d+)$", text.rsplit("FROM", 1)[1]), "by number, so that others can check it"
    assert "--require-hashes -r requirements-image.lock" in text


def test_what_is_mounted_from_the_clone_is_there_and_read_only() -> None:
    for name, service in SERVICES.items():
        for source, target, read_only in mounts(service):
            if source.startswith("."):
                assert read_only, f"{name}: {target}"
                assert (PROJECT / source).exists(), f"{name}: {source}"


def test_only_the_proxy_has_the_socket_and_only_it_is_root() -> None:
    with_socket = {
        name for name, service in SERVICES.items() if any(SOCKET in source for source, *_ in mounts(service))
    }
    assert with_socket == {"docker-proxy"}
    assert {name for name, service in SERVICES.items() if "user" in service} == {"docker-proxy"}
    assert SERVICES["docker-proxy"]["networks"] == ["docker"], "nobody but the bridge can talk to it"
    assert {name for name, service in SERVICES.items() if "docker" in service.get("networks", [])} == {
        "docker-proxy",
        "bridge",
    }
    assert COMPOSE["networks"]["docker"] == {"internal": True}


def test_docker_does_not_heal_the_app_itself() -> None:
    assert SERVICES["app"]["restart"] == "no"


def test_the_one_container_is_named_alike_everywhere() -> None:
    name = SERVICES["app"]["container_name"]
    policy = load_policy(CONFIGS / "remediation.yml", insecure=True)
    assert policy.settings.allow.containers == {name}
    proxy = (CONFIGS / "haproxy.cfg").read_text(encoding="utf-8")
    assert set(re.findall(r"/containers/([\w.-]+)/", proxy)) == {name}


def test_the_exporters_configuration_is_right() -> None:
    config = read_config(CONFIGS / "exporter.yml")
    assert config.listen == "0.0.0.0:9195"


@pytest.mark.parametrize("file", ["prometheus.yml", "alertmanager.yml", "exporter.yml", "remediation.yml"])
def test_every_address_is_a_service(file: str) -> None:
    assert hosts(read(CONFIGS / file)) - {"127.0.0.1", "0.0.0.0"} <= SERVICES.keys()


def test_alertmanager_routes_as_the_shipped_one() -> None:
    """The copy differs in the bridge's address and the token's file, and in nothing else."""
    shipped = (PROJECT / "monitoring" / "alertmanager.yml").read_text(encoding="utf-8")
    moved = shipped.replace("//127.0.0.1:9095/", "//bridge:9095/").replace(
        "/etc/remedy/token", "/etc/remedy/secrets/token"
    )
    assert yaml.safe_load(moved) == read(CONFIGS / "alertmanager.yml")


def test_prometheus_is_the_shipped_one_but_for_addresses_and_pace() -> None:
    ours, shipped = read(CONFIGS / "prometheus.yml"), read(PROJECT / "monitoring" / "prometheus.yml")
    assert ours["rule_files"] == shipped["rule_files"]
    assert [job["job_name"] for job in ours["scrape_configs"]] == [job["job_name"] for job in shipped["scrape_configs"]]
    assert ours.keys() == shipped.keys()


@pytest.mark.parametrize(
    "argv",
    [
        ["promtool", "check", "config", "--syntax-only", "prometheus.yml"],
        ["amtool", "check-config", "alertmanager.yml"],
    ],
    ids=["prometheus", "alertmanager"],
)
def test_their_own_tools_accept_the_files(argv: list[str]) -> None:
    if shutil.which(argv[0]) is None:
        pytest.skip(f"{argv[0]} is not installed (deploy/system-packages prometheus)")
    done = subprocess.run(argv, cwd=CONFIGS, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_compose_accepts_the_file(compose: list[str]) -> None:
    done = subprocess.run([*compose, "config", "--quiet"], cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def locked(file: str) -> dict[str, str]:
    text = (PROJECT / file).read_text(encoding="utf-8")
    return dict(re.findall(r"(?m)^([\w.-]+)==(\S+)", text))


def test_the_image_gets_the_versions_that_are_tested() -> None:
    image, developers = locked("requirements-image.lock"), locked("requirements.lock")
    assert {name: developers.get(name) for name in image} == image, "run: make lock"
    assert not {"pytest", "mypy", "ruff"} & image.keys()
