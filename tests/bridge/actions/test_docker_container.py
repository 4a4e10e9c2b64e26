"""docker_container against a small engine that speaks Docker's API; tests/compose has the real one."""

import gc
import json
import threading
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import ValidationError

from bridge.actions import docker_container
from bridge.actions.base import Allow, StepContext, StepError, StepOutcome, StepRefusedError
from bridge.actions.docker_container import DockerContainer

ID = "1f" * 32


@dataclass
class Engine:
    """Containers by name, what was asked of them, and how the engine answers."""

    statuses: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    posts: list[str] = field(default_factory=list)
    after: str = "running"
    refuse: int = 0
    delay: float = 0


class _Handler(BaseHTTPRequestHandler):
    engine: Engine

    def do_GET(self) -> None:
        path = urlsplit(self.path).path.split("/", 2)[2] if self.path != "/version" else "version"
        if path == "version":
            self._answer(200, {"ApiVersion": "1.44"})
        elif path == "containers/json":
            wanted = json.loads(parse_qs(urlsplit(self.path).query)["filters"][0])["label"][0]
            names = [name for name, label in self.engine.labels.items() if label == wanted]
            self._answer(200, [{"Id": ID, "Names": [f"/linked/{name}", f"/{name}"]} for name in names])
        else:
            self._describe(path.split("/")[1])

    def _describe(self, asked: str) -> None:
        found = asked if asked in self.engine.statuses else next(iter(self.engine.statuses), None)
        if found is None or not (asked == found or ID.startswith(asked)):
            self._answer(404, {"message": f"No such container: {asked}"})
            return
        status = self.engine.statuses[found]
        state = {"Status": status, "Running": status in ("running", "restarting"), "ExitCode": 3}
        self._answer(200, {"Id": ID, "Name": f"/{found}", "State": state, "Config": {"Image": f"{found}:1"}})

    def do_POST(self) -> None:
        if self.engine.refuse:
            self._answer(self.engine.refuse, {"message": "no"})
            return
        time.sleep(self.engine.delay)
        self.engine.posts.append(self.path.split("/", 2)[2])
        name, operation = self.path.split("?")[0].split("/")[-2:]
        self.engine.statuses[name] = "exited" if operation == "stop" else self.engine.after
        self.send_response(204)
        self.end_headers()

    def _answer(self, status: int, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    found = Engine()
    handler = type("_Bound", (_Handler,), {"engine": found})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{server.server_port}")
        yield found
        server.shutdown()
        thread.join()


@pytest.fixture
def context(tmp_path: Path) -> StepContext:
    return StepContext(
        labels={},
        target="shop",
        host="shop",
        allow=Allow(containers=frozenset({"shop-api", "shop-db", "1f1f"})),
        backups=tmp_path,
        deadline=time.monotonic() + 20,
        stop=threading.Event(),
    )


def action(**fields: object) -> DockerContainer:
    return DockerContainer.model_validate({"settle": "0s", **fields})


@pytest.mark.parametrize(
    ("operation", "post", "said"),
    [
        ("restart", "containers/shop-api/restart?t=10", "the container 'shop-api' runs after restart"),
        ("start", "containers/shop-api/start", "the container 'shop-api' runs after start"),
        ("stop", "containers/shop-api/stop?t=10", "the container 'shop-api' is stopped"),
    ],
)
def test_it_does_what_it_says(engine: Engine, context: StepContext, operation: str, post: str, said: str) -> None:
    engine.statuses["shop-api"] = "running"
    assert action(name="shop-api", operation=operation).run(context) == said
    assert engine.posts == [post]
    assert "POST /containers/shop-api/" in context.output.text()


def test_every_container_with_the_label_is_meant(engine: Engine, context: StepContext) -> None:
    engine.statuses |= {"shop-api": "exited", "shop-db": "running"}
    engine.labels |= {"shop-api": "app=shop", "shop-db": "app=shop", "mail": "app=mail"}
    action(label="app=shop").run(context)
    assert engine.posts == ["containers/shop-api/restart?t=10", "containers/shop-db/restart?t=10"]


@pytest.mark.parametrize("allowed", [Allow(images=frozenset({"mail:1"})), Allow(containers=frozenset({"mail"}))])
def test_its_image_may_be_what_is_allowed(engine: Engine, context: StepContext, allowed: Allow) -> None:
    engine.statuses |= {"mail": "exited"}
    action(name="mail", operation="start").run(replace(context, allow=allowed))
    assert engine.posts == ["containers/mail/start"]


@pytest.mark.parametrize("image", ["mail", "mail:2", "docker.io/mail:1", "other:1"])
def test_another_image_is_not(engine: Engine, context: StepContext, image: str) -> None:
    engine.statuses |= {"mail": "running"}
    with pytest.raises(
        StepRefusedError, match=r"'mail' is not in allow\.containers, nor its image 'mail:1' in allow\.images"
    ):
        action(name="mail").run(replace(context, allow=Allow(images=frozenset({image}))))
    assert engine.posts == []


@pytest.mark.parametrize(
    ("fields", "names", "expected"),
    [
        ({"name": "mail"}, ["mail"], (StepOutcome.REFUSED, "name: the container 'mail' is not in allow.containers")),
        ({"label": "app=shop"}, ["shop-api", "mail"], (StepOutcome.REFUSED, "'mail' is not in allow.containers")),
        ({"label": "app=none"}, ["shop-api"], (StepOutcome.FAILED, "no container has the label 'app=none'")),
        ({"name": "shop-api"}, [], (StepOutcome.FAILED, "No such container: shop-api")),
        ({"name": "1f1f"}, ["mail"], (StepOutcome.FAILED, "there is no container named '1f1f'")),
    ],
    ids=["not allowed", "one of the label's not allowed", "empty label", "unknown", "the beginning of another's id"],
)
def test_nothing_is_touched(
    engine: Engine, context: StepContext, fields: dict[str, str], names: list[str], expected: tuple[StepOutcome, str]
) -> None:
    engine.statuses |= dict.fromkeys(names, "running")
    engine.labels |= dict.fromkeys(names, "app=shop")
    with pytest.raises(StepError) as caught:
        action(**fields).run(context)
    outcome, why = expected
    assert why in str(caught.value)
    assert caught.value.outcome is outcome
    assert engine.posts == []


@pytest.mark.parametrize(
    ("status", "outcome", "why"),
    [
        (403, StepOutcome.REFUSED, "does not allow it"),
        (409, StepOutcome.FAILED, "says: no"),
        (500, StepOutcome.FAILED, "says: no"),
    ],
)
def test_what_the_engine_answers_is_said(
    engine: Engine, context: StepContext, status: int, outcome: StepOutcome, why: str
) -> None:
    engine.statuses["shop-api"], engine.refuse = "running", status
    with pytest.raises(StepError, match=why) as caught:
        action(name="shop-api").run(context)
    assert caught.value.outcome is outcome


@pytest.mark.parametrize("after", ["exited", "restarting", "dead", "created", "paused"])
def test_a_container_that_does_not_stay_up_is_a_failure(engine: Engine, context: StepContext, after: str) -> None:
    engine.statuses["shop-api"], engine.after = "exited", after
    with pytest.raises(StepError, match=f"did not stay up: it is {after}, exit code 3") as caught:
        action(name="shop-api").run(context)
    assert caught.value.exit_code == 3


def test_an_engine_that_hangs_is_a_timeout(engine: Engine, context: StepContext) -> None:
    engine.statuses["shop-api"], engine.delay = "running", 2.5
    hurried = StepContext(**{**vars(context), "deadline": time.monotonic() + 1.5})
    with pytest.raises(StepError, match=r"did not answer in time|its time was up") as caught:
        action(name="shop-api", grace="0s").run(hurried)
    assert caught.value.outcome is StepOutcome.TIMED_OUT


@pytest.mark.parametrize("host", ["tcp://127.0.0.1:9", "unix:///nowhere/docker.sock", "gopher://x"])
def test_no_engine_is_one_sentence(monkeypatch: pytest.MonkeyPatch, context: StepContext, host: str) -> None:
    monkeypatch.setenv("DOCKER_HOST", host)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # docker's library leaves a socket that could not connect
        with pytest.raises(StepError, match=f"^Docker at {host} cannot be (used|reached)"):
            action(name="shop-api").run(context)
        gc.collect()


def test_the_containers_that_it_runs_in_are_known_by_their_hostname_file(tmp_path: Path) -> None:
    mounts = tmp_path / "mountinfo"
    line = "661 640 254:0 /var/lib/docker/containers/{id}/{file} {point} rw,relatime - ext4 /dev/vda rw\n"
    mounts.write_text(line.format(id=ID, file="hostname", point="/etc/hostname"), encoding="utf-8")
    assert docker_container._is_ours(ID, mounts)
    assert not docker_container._is_ours("2e" * 32, mounts)
    mounts.write_text(line.format(id=ID, file="mounts/shm", point=f"/var/lib/docker/{ID}/shm"), encoding="utf-8")
    assert not docker_container._is_ours(ID, mounts), "on the host, every container's mounts are seen"


def test_it_refuses_the_container_that_it_runs_in(
    engine: Engine, context: StepContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.statuses["shop-api"] = "running"
    monkeypatch.setattr(docker_container, "_is_ours", lambda _id, _mounts: True)
    with pytest.raises(StepRefusedError, match="the bridge itself runs in the container 'shop-api'"):
        action(name="shop-api").run(context)
    assert engine.posts == []


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"name": "shop-api", "label": "app=shop"},
        {"name": "-rf"},
        {"name": "../../etc"},
        {"name": "shop api"},
        {"name": "shop\napi"},
        {"name": "shop\u202eapi"},
        {"name": "a" * 300},
        {"name": ""},
        {"label": "app=$(id)"},
        {"label": '{"a":1}'},
        {"name": "shop-api", "operation": "remove"},
    ],
)
def test_fields_that_are_refused(fields: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        action(**fields)


def test_the_plan_is_in_words(context: StepContext) -> None:
    assert action(name="shop-api").plan(context) == (
        "restart the container 'shop-api', killing it if it has not ended by itself in 10s"
    )
    assert action(label="app=shop", operation="start").plan(context) == (
        "start every container with the label 'app=shop'"
    )


def test_refusals_at_load_time() -> None:
    assert list(action(name="mail").refusals(Allow())) == [("name", "the container 'mail' is not in allow.containers")]
    assert list(action(label="a=b").refusals(Allow())) == [("label", "allow.containers names no container")]
    assert list(action(name="mail").refusals(Allow(containers=frozenset({"mail"})))) == []
