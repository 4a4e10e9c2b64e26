"""`cache_clear`: folders are emptied but stay; of a Redis, only the keys of the prefix go."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from pydantic import ValidationError

from bridge.actions.base import Allow, StepError, StepRefusedError
from bridge.actions.cache_clear import CacheClear
from tests.bridge.actions.conftest import MakeContext

_PROGRAM = shutil.which("redis-server")


def test_a_folder_is_emptied_and_stays(home: Path, make_context: MakeContext) -> None:
    cache = home / "cache"
    for name in ("a", "deep/er/b", "-rf", "new\nline"):
        (cache / name).parent.mkdir(parents=True, exist_ok=True)
        (cache / name).write_text("x")
    (cache / "empty").mkdir()
    assert CacheClear(directories=(cache,)).run(make_context(Allow(roots=(cache,)))).startswith("deleted 4 files")
    assert list(cache.iterdir()) == []


def test_what_is_young_or_named_otherwise_stays(home: Path, make_context: MakeContext) -> None:
    cache = home / "cache"
    (cache / "old").mkdir(parents=True)
    for name in ("old/a.tmp", "young.tmp", "old.txt"):
        (cache / name).write_text("x")
    then = time.time() - 7200
    for name in ("old/a.tmp", "old.txt"):
        os.utime(cache / name, (then, then))
    CacheClear(directories=(cache,), patterns=("*.tmp",), older_than="1h").run(make_context(Allow(roots=(home,))))
    assert sorted(path.name for path in cache.iterdir()) == ["old.txt", "young.tmp"]


def test_symlinks_lead_nowhere(home: Path, make_context: MakeContext) -> None:
    (home / "outside" / "inner").mkdir(parents=True)
    (home / "outside" / "precious").write_text("x")
    cache = home / "cache"
    cache.mkdir()
    (cache / "way").symlink_to(home / "outside")
    context = make_context(Allow(roots=(cache,)))
    CacheClear(directories=(cache,)).run(context)
    assert sorted(path.name for path in (home / "outside").iterdir()) == ["inner", "precious"]
    with pytest.raises(StepRefusedError, match="symlink"):
        CacheClear(directories=(cache / "way",)).run(context)


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"directories": []},
        {"directories": ["/srv/x"], "redis_url_file": "/x", "prefix": "a"},
        {"redis_url_file": "/x"},
        {"redis_url_file": "/x", "prefix": ""},
        {"redis_url_file": "/x", "prefix": "a\nb"},
        {"directories": ["/srv/x"], "prefix": "a"},
    ],
)
def test_wrong_keys(keys: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        CacheClear.model_validate(keys)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Start a Redis of our own."""
    if _PROGRAM is None:
        pytest.skip("there is no Redis on this machine (apt-get install redis-server)")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    command = [_PROGRAM, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--requirepass", "hunter2"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        assert any("Ready to accept" in line for line in server.stdout)
        yield port
        server.terminate()


@pytest.fixture
def url_file(home: Path, port: int) -> Path:
    file = home / "redis.url"
    file.write_text(f"redis://:hunter2@127.0.0.1:{port}/2\n")
    return file


PREFIXES = ["cache:", "a*b", "[x]", "a?", "\\", "日本:", "^-"]


@pytest.mark.parametrize("prefix", PREFIXES)
def test_only_keys_of_the_prefix_go(prefix: str, port: int, url_file: Path, make_context: MakeContext) -> None:
    with (
        redis.Redis(port=port, db=2, password="hunter2") as two,
        redis.Redis(port=port, db=3, password="hunter2") as three,
    ):
        two.flushall()
        others = ["cache", "other:cache:1", "aXXb", "x", "ab", "日本", *(p for p in PREFIXES if p != prefix)]
        two.mset(dict.fromkeys([*others, *(f"{prefix}{number}" for number in range(1200))], "x"))
        three.set(f"{prefix}1", "x")
        action = CacheClear(redis_url_file=url_file, prefix=prefix)
        assert action.plan(make_context()).startswith("delete 1")
        assert two.dbsize() == 1200 + len(others)
        said = action.run(make_context())
        assert said == f"deleted 1200 keys that began with '{prefix}'"
        assert {key.decode() for key in two.scan_iter()} == set(others)
        assert three.dbsize() == 1


def test_failures_tell_no_secret(home: Path, make_context: MakeContext) -> None:
    file = home / "redis.url"
    for text in ("redis://:hunter2@127.0.0.1:1/0", "http://:hunter2@nowhere", "redis://:hunter2@127.0.0.1:x/0"):
        file.write_text(text)
        with pytest.raises(StepError) as failed:
            CacheClear(redis_url_file=file, prefix="a").run(make_context())
        assert "hunter2" not in str(failed.value)
