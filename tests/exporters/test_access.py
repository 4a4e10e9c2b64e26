"""Who may ask the exporter what: from this machine, from beyond it, by a name of somebody else's, from another site."""

import base64
from pathlib import Path

import bcrypt
import pytest
from flask import Flask

from exporters.access import access_of
from exporters.config import ExporterConfig, WebSettings

PAGES = ("/metrics", "/health", "/", "/probe", "/-/reload", "/-/healthy")


def app_of(folder: Path, *, token: bool = False, users: bool = False) -> Flask:
    """Make an application whose pages all answer 200 to whoever gets that far."""
    token_file, config_file = folder / "token", folder / "web.yml"
    token_file.write_text("the-token\n")
    hashed = bcrypt.hashpw(b"right", bcrypt.gensalt(4)).decode()
    config_file.write_text(
        f"basic_auth_users: {{alice: {hashed}}}\nhttp_server_config: {{headers: {{X-Frame-Options: deny}}}}\n"
    )
    web = WebSettings(bearer_token_file=token_file if token else None, config_file=config_file if users else None)
    access = access_of(ExporterConfig(listen="0.0.0.0:9195", web=web), ["web1"])
    app = Flask(__name__)
    app.before_request(access.look)
    app.after_request(access.dress)
    for page in PAGES:
        app.add_url_rule(page, page, lambda: "ok", methods=["GET", "POST"])
    return app


def ask(app: Flask, page: str, *, peer: str = "10.0.0.9", host: str = "web1:9195", **headers: str) -> int:
    method = "POST" if page == "/-/reload" else "GET"
    answer = app.test_client().open(
        page, method=method, headers={"Host": host, **headers}, environ_base={"REMOTE_ADDR": peer}
    )
    return answer.status_code


BEARER = "Bearer the-token"
BASIC = f"Basic {base64.b64encode(b'alice:right').decode()}"


@pytest.mark.parametrize(
    ("credentials", "closed_to_others"),
    [
        ({}, {"/", "/probe", "/-/reload"}),
        ({"token": True}, set(PAGES) - {"/-/healthy"}),
        ({"users": True}, set(PAGES) - {"/-/healthy"}),
    ],
)
def test_what_is_open_beyond_loopback(tmp_path: Path, credentials: dict[str, bool], closed_to_others: set[str]) -> None:
    app = app_of(tmp_path, **credentials)
    assert {page for page in PAGES if ask(app, page) == 401} == closed_to_others
    assert {ask(app, page, peer="127.0.0.1") for page in PAGES} == {200}, "on loopback all of it is open"
    forwarded = {page for page in PAGES if ask(app, page, peer="127.0.0.1", **{"X-Forwarded-For": "10.0.0.9"}) == 401}
    assert forwarded == closed_to_others, "what a proxy on this machine forwards is from beyond it"


def test_a_credential_opens_everything(tmp_path: Path) -> None:
    app = app_of(tmp_path, token=True, users=True)
    assert {ask(app, page, Authorization=BEARER) for page in PAGES} == {200}
    assert {ask(app, page, Authorization=BASIC) for page in PAGES} == {200}
    assert ask(app, "/metrics", Authorization="Bearer another") == 401


def test_a_name_of_somebody_elses_is_answered_only_to_scrapes(tmp_path: Path) -> None:
    app = app_of(tmp_path)
    refused = {page for page in PAGES if ask(app, page, peer="127.0.0.1", host="attacker.example") == 421}
    assert refused == {"/", "/probe", "/-/reload"}


def test_a_page_of_another_site_reloads_nothing(tmp_path: Path) -> None:
    app = app_of(tmp_path)
    assert ask(app, "/-/reload", peer="127.0.0.1", Origin="https://attacker.example") == 403
    assert ask(app, "/-/reload", peer="127.0.0.1", Origin="http://web1:9195") == 200


def test_the_headers_of_the_web_configuration_are_sent(tmp_path: Path) -> None:
    client = app_of(tmp_path, users=True).test_client()
    assert client.get("/-/healthy").headers["X-Frame-Options"] == "deny"
