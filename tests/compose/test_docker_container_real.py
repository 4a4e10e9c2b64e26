"""docker_container against a real engine."""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bridge.actions.base import Allow, StepContext, StepError, StepOutcome
from bridge.actions.docker_container import DockerContainer
from tests.compose.engine import Engine
from tests.compose.standins import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.usefixtures("images")]


@pytest.fixture
def shop(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """An engine with two containers of one label, and one beside them."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{engine.socket}")
    ids = [
        engine.docker("run", "--detach", "--init", f"--name={name}", f"--label=app={app}", ROOT, *command).strip()
        for name, app, command in [
            ("shop-api", "shop", ["sleep", "600"]),
            ("shop-db", "shop", ["sleep", "600"]),
            ("mail", "mail", ["sleep", "600"]),
            ("brief", "brief", ["sh", "-c", "exit 7"]),
        ]
    ]
    yield engine
    engine.docker("rm", "--force", "--volumes", *ids)


def state(engine: Engine, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(engine.docker("inspect", name))[0]["State"]
    return found


def run(allowed: set[str], **fields: object) -> str:
    context = StepContext(
        labels={},
        target="t",
        host="h",
        allow=Allow(containers=frozenset(allowed)),
        backups=Path("/nonexistent"),
        deadline=time.monotonic() + 60,
        stop=threading.Event(),
    )
    return DockerContainer.model_validate({"settle": "300ms", "grace": "1s", **fields}).run(context)


def test_restart_stop_and_start(shop: Engine) -> None:
    first, allowed = state(shop, "shop-api")["StartedAt"], {"shop-api"}
    assert run(allowed, name="shop-api") == "the container 'shop-api' runs after restart"
    assert state(shop, "shop-api")["StartedAt"] > first
    assert run(allowed, name="shop-api", operation="stop") == "the container 'shop-api' is stopped"
    assert state(shop, "shop-api")["Status"] == "exited"
    assert run(allowed, name="shop-api", operation="stop"), "stopping what is stopped does no harm"
    assert run(allowed, name="shop-api", operation="start") == "the container 'shop-api' runs after start"


def test_a_label_means_all_that_carry_it_and_no_other(shop: Engine) -> None:
    run({"shop-api", "shop-db"}, label="app=shop", operation="stop")
    status = {name: state(shop, name)["Status"] for name in ("shop-api", "shop-db", "mail")}
    assert status == {"shop-api": "exited", "shop-db": "exited", "mail": "running"}


def test_what_is_not_allowed_is_not_touched(shop: Engine) -> None:
    with pytest.raises(StepError, match="'shop-db' is not in") as caught:
        run({"shop-api"}, label="app=shop", operation="stop")
    assert caught.value.outcome is StepOutcome.REFUSED
    assert state(shop, "shop-api")["Running"]
    assert state(shop, "shop-db")["Running"]


def test_the_beginning_of_an_id_is_no_name(shop: Engine) -> None:
    start = json.loads(shop.docker("inspect", "mail"))[0]["Id"][:12]
    with pytest.raises(StepError, match="there is no container named"):
        run({start}, name=start, operation="stop")
    assert state(shop, "mail")["Running"]


def test_one_that_ends_at_once_did_not_stay_up(shop: Engine) -> None:
    with pytest.raises(StepError, match="did not stay up: it is exited, exit code 7") as caught:
        run({"brief"}, name="brief")
    assert caught.value.exit_code == 7


def test_one_that_is_not_there(shop: Engine) -> None:
    with pytest.raises(StepError, match="No such container: shop-web"):
        run({"shop-web"}, name="shop-web")
