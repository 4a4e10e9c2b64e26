"""openapi.yaml is valid, describes every route that there is and no other, and is what is served."""

import re
from collections.abc import Iterator

import pytest
from openapi_spec_validator import validate

from bridge.actions.base import StepOutcome
from bridge.decision.gates import Verdict
from bridge.ledger.episodes import EpisodeState
from bridge.ledger.runs import Outcome, RunState
from bridge.web.guard import WEBHOOK
from tests.bridge.described import described, hold
from tests.bridge.served_bridge import Served, served


@pytest.fixture(scope="module")
def bridge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("described")) as running:
        yield running


def test_it_is_valid_openapi() -> None:
    validate(described())


def test_every_route_is_described_and_no_other(bridge: Served) -> None:
    routes = {("POST", WEBHOOK)} | {
        (method, re.sub(r"<(?:[^:>]*:)?([^>]*)>", r"{\1}", rule.rule))
        for rule in bridge.service.wsgi.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.endpoint != "static"
    }
    written = {
        (method.upper(), path)
        for path, item in described()["paths"].items()
        for method in item
        if method in ("get", "put", "post", "delete")
    }
    assert written == routes


def test_it_is_served(bridge: Served) -> None:
    answer = bridge.ask("GET", "/api/v1/openapi.json")
    assert (answer.status_code, answer.json) == (200, described())


def test_every_operation_says_who_may_use_it_and_what_is_refused(bridge: Served) -> None:
    """What is described as open to all, or for operators, is what the bridge does."""
    for path, item in described()["paths"].items():
        for method, operation in item.items():
            if method == "parameters" or path == "/webhook":
                continue
            security = operation.get("security", described()["security"])
            answer = bridge.ask(method.upper(), path.replace("{run_id}", "1").replace("{name}", "auto"))
            assert (answer.status_code == 401) == ({} not in security), f"{method} {path}"
            from_afar = bridge.ask(method.upper(), path.replace("{run_id}", "1"), peer="network")
            assert (from_afar.status_code == 401) == ("401" in operation["responses"]), f"{method} {path}"


def enumerated(name: str) -> set[str]:
    return set(described()["components"]["schemas"][name]["enum"])


def test_words_are_those_of_the_code() -> None:
    schemas = described()["components"]["schemas"]
    assert enumerated("Verdict") == set(Verdict)
    assert enumerated("Outcome") == set(Outcome)
    assert set(schemas["Run"]["properties"]["state"]["enum"]) == set(RunState)
    assert set(schemas["WholeEpisode"]["properties"]["state"]["enum"]) == set(EpisodeState)
    assert set(schemas["Step"]["properties"]["outcome"]["enum"]) - {None} == set(StepOutcome)


def test_an_answer_that_is_not_as_described_is_seen(bridge: Served) -> None:
    answer = bridge.ask("GET", "/api/v1/runs")
    with pytest.raises(AssertionError, match="required property"):
        hold("GET", "/api/v1/decisions", answer)
    with pytest.raises(AssertionError, match="is not described"):
        hold("GET", "/metrics", answer)
