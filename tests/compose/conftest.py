"""One engine with its stand-in images for all tests that need containers."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.compose.engine import CannotBeHad, Engine, running_engine
from tests.compose.standins import download_wheels, make_images, make_root, tags_in

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def compose() -> list[str]:
    """The command: Compose as Docker's plugin, else the program of its own that older distributions have."""
    if shutil.which("docker") is not None:
        plugin = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
        if plugin.returncode == 0:
            return ["docker", "compose"]
    if shutil.which("docker-compose") is None:
        pytest.skip("Docker Compose is not installed (deploy/system-packages drills)")
    return ["docker-compose"]


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """A Docker engine of our own; tests that need it are skipped where it cannot be had."""
    home = Path(tempfile.mkdtemp(prefix="remedy-docker-"))
    try:
        with running_engine(home / "engine") as found:
            yield found
    except CannotBeHad as why:
        pytest.skip(f"no Docker here: {why}")
    finally:
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def images(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The base images under the tags that are committed: repository → tag."""
    tags = tags_in(PROJECT / "Dockerfile", PROJECT / "docker-compose.yml")
    folder = tmp_path_factory.mktemp("images")
    try:
        download_wheels(PROJECT / "requirements-image.lock", folder / "wheels")
        make_root(engine, folder / "root")
    except CannotBeHad as why:
        pytest.skip(str(why))
    make_images(engine, tags, folder / "wheels", folder)
    shutil.rmtree(folder)
    return tags
