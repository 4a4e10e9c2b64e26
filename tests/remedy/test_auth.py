"""Who sends a request: tokens, users, certificates, the local socket; and the rule for beyond loopback."""

import base64
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import bcrypt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.datastructures import Headers

from remedy.config.problems import ConfigError
from remedy.web.auth import Authenticator, BusyError, Identity, Proof, TokenFile, Users, refuse_open, token_problems
from remedy.web.peer import Peer, Reach
from tests.e2e.waiting import wait_for

LOOPBACK, NETWORK, SOCKET = (Peer(reach) for reach in (Reach.LOOPBACK, Reach.NETWORK, Reach.LOCAL_SOCKET))
EVE = Users({"eve": bcrypt.hashpw("pässword".encode(), bcrypt.gensalt(4)).decode()}, "operator")


def basic(name: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


def ask(authenticator: Authenticator, authorization: str | None, peer: Peer = NETWORK) -> Identity | None:
    headers = Headers({} if authorization is None else {"authorization": authorization})
    return authenticator.identify(headers, peer)


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    file = tmp_path / "token"
    file.write_text("first-token\n")
    return file


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that others can enter, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def both(token_file: Path) -> Authenticator:
    return Authenticator([TokenFile(token_file, "webhook")], EVE, certificates="peer", local_socket="operator")


@pytest.mark.parametrize(
    ("authorization", "who"),
    [
        ("Bearer first-token", Identity("token", Proof.BEARER, "webhook")),
        ("bearer  first-token ", Identity("token", Proof.BEARER, "webhook")),
        (basic("eve", "pässword"), Identity("eve", Proof.BASIC, "operator")),
        (None, None),
        ("", None),
        ("Bearer", None),
        ("Bearer ", None),
        ("Bearer first-toke", None),
        ("Bearer first-token2", None),
        ("Bearer \xff", None),
        ("first-token", None),
        ("Digest first-token", None),
        (basic("eve", "wrong"), None),
        (basic("eve", ""), None),
        (basic("", ""), None),
        (basic("nobody", "pässword"), None),
        (basic("token", "first-token"), None),
        ("Basic eve:pässword", None),
        ("Basic ====", None),
        ("Basic " + base64.b64encode(b"eve").decode(), None),
        ("Basic " + base64.b64encode(b"eve:\xff").decode(), None),
    ],
)
def test_only_a_right_credential_names_someone(
    both: Authenticator, authorization: str | None, who: Identity | None
) -> None:
    for _again in range(2):
        assert ask(both, authorization) == who


@pytest.mark.parametrize(
    ("peer", "who"),
    [
        (SOCKET, Identity("local socket", Proof.LOCAL_SOCKET, "operator")),
        (LOOPBACK, None),
        (NETWORK, None),
        (Peer(Reach.NETWORK, "am.example"), Identity("am.example", Proof.CERTIFICATE, "peer")),
    ],
)
def test_the_connection_itself_can_be_the_credential(both: Authenticator, peer: Peer, who: Identity | None) -> None:
    assert ask(both, None, peer) == who
    assert ask(both, "Bearer wrong", peer) is None, "a wrong credential is wrong everywhere"
    assert ask(Authenticator(), None, peer) is None


def test_a_token_file_is_read_anew_when_it_changes_and_an_empty_one_opens_nothing(token_file: Path) -> None:
    authenticator = Authenticator([TokenFile(token_file, "webhook")])
    token_file.write_text("first-token\nsecond-token\n")
    assert ask(authenticator, "Bearer first-token")
    assert ask(authenticator, "Bearer second-token")
    replacement = token_file.with_name("new")
    replacement.write_text("second-token\n")
    replacement.replace(token_file)
    assert not ask(authenticator, "Bearer first-token")
    assert ask(authenticator, "Bearer second-token")
    token_file.write_text("\n \n")
    assert not ask(authenticator, "Bearer ")
    assert not ask(authenticator, "Bearer second-token")
    token_file.unlink()
    assert not ask(authenticator, "Bearer second-token")
    token_file.write_text("second-token")
    assert ask(authenticator, "Bearer second-token")


def test_what_a_401_offers(both: Authenticator) -> None:
    assert both.challenges() == ['Bearer realm="remedy"', 'Basic realm="remedy", charset="UTF-8"']
    assert Authenticator().challenges() == []


@given(password=st.text(max_size=100))
def test_no_other_password_is_right(password: str) -> None:
    assert EVE.holds("eve", password) == (password == "pässword")


def test_bcrypt_is_paid_once_for_a_right_password_and_always_for_a_wrong_one(monkeypatch: pytest.MonkeyPatch) -> None:
    users = Users({"eve": bcrypt.hashpw(b"right", bcrypt.gensalt(4)).decode()}, "operator")
    paid: list[tuple[bytes, bytes]] = []
    real = bcrypt.checkpw
    monkeypatch.setattr(bcrypt, "checkpw", lambda *args: paid.append(args) or real(*args))
    assert [users.holds("eve", "right") for _ in range(3)] == [True] * 3
    assert len(paid) == 1
    assert not any(users.holds("eve", "wrong") for _ in range(3))
    assert len(paid) == 4
    assert not users.holds("nobody", "right")
    assert not users.holds("eve", "x" * 73)
    assert len(paid) == 6, "who does not exist, or cannot be right, costs as much"
    assert {known[:7] for _, known in paid} == {b"$2b$04$"}, "and the same rounds"


def test_guessing_holds_few_threads_and_nobody_who_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    users = Users({"eve": bcrypt.hashpw(b"right", bcrypt.gensalt(4)).decode()}, "operator")
    assert users.holds("eve", "right")
    go_on, answers = threading.Event(), list[bool | str]()
    monkeypatch.setattr(bcrypt, "checkpw", lambda *_args: not go_on.wait(20))

    def guess_once() -> None:
        try:
            answers.append(users.holds("eve", "wrong"))
        except BusyError:
            answers.append("later")

    guesses = [threading.Thread(target=guess_once) for _ in range(12)]
    for guess in guesses:
        guess.start()
    wait_for(lambda: len(answers) == 8)
    assert users.holds("eve", "right"), "a remembered password does not stand in line"
    go_on.set()
    for guess in guesses:
        guess.join()
    assert answers == ["later"] * 8 + [False] * 4


@pytest.mark.parametrize(
    ("content", "mode", "message"),
    [
        (b"abc\n", 0o600, None),
        (b"abc\ndef\n\n", 0o640, None),
        (b"", 0o600, "holds no token; make one with: openssl rand -hex 32"),
        (b"\n  \n", 0o600, "holds no token; make one with: openssl rand -hex 32"),
        (b"a b\n", 0o600, "a token has no spaces in it"),
        (bytes(range(0x21, 0x7F)), 0o600, None),
        ("tökén\n".encode(), 0o600, "a token has printable ASCII characters only"),
        ("\ufefffirst-token\n".encode(), 0o600, "a token has printable ASCII characters only"),
        ("first\u200btoken\n".encode(), 0o600, "a token has printable ASCII characters only"),
        (b"first\0token\n", 0o600, "a token has printable ASCII characters only"),
        (b"first\x7ftoken\n", 0o600, "a token has printable ASCII characters only"),
        ("a b\u00f6\n".encode(), 0o600, "a token has no spaces in it"),
        (b"\xff\xfe", 0o600, "is no token: it is not text"),
        (None, 0o600, "cannot be read: No such file or directory"),
    ],
)
def test_a_token_file_is_looked_at_first(tmp_path: Path, content: bytes | None, mode: int, message: str | None) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
        file.chmod(mode)
    assert [problem.message for problem in token_problems(file)] == ([message] if message else [])


def test_a_token_that_no_header_can_carry_is_refused_with_its_line(token_file: Path) -> None:
    token_file.chmod(0o600)
    token_file.write_text("first-token\n\npässword\n", encoding="utf-8")
    assert [str(problem) for problem in token_problems(token_file)] == [
        f"{token_file}:3: a token has printable ASCII characters only"
    ]


def test_a_token_that_every_user_can_read_is_refused_unless_told_so(open_folder: Path) -> None:
    file = open_folder / "token"
    file.write_text("abc")
    file.chmod(0o644)
    message = f"every user of this machine can read it: chmod o-r {file}"
    assert [problem.message for problem in token_problems(file)] == [message]
    assert token_problems(file, insecure=True) == []
    open_folder.chmod(0o750)
    assert token_problems(file) == [], "nobody else gets as far as the file"


@pytest.mark.parametrize(
    ("binds", "refused"),
    [
        (("127.0.0.1:9095",), []),
        (("localhost:9095", "[::1]:9095", "unix:/run/remedy/bridge.sock", "127.8.8.8:1"), []),
        (("0.0.0.0:9095",), ["0.0.0.0:9095"]),
        ((":9095", "[::]:9095", "[::ffff:10.0.0.1]:9095"), [":9095", "[::]:9095", "[::ffff:10.0.0.1]:9095"]),
        (("127.0.0.1:9095", "bridge.example:9095"), ["bridge.example:9095"]),
        (("127.0.0.1.example:9095",), ["127.0.0.1.example:9095"]),
    ],
)
def test_beyond_loopback_only_with_authentication(binds: tuple[str, ...], refused: list[str]) -> None:
    refuse_open(binds, authenticates=True, remedy="set a token")
    if not refused:
        refuse_open(binds, authenticates=False, remedy="set a token")
        return
    with pytest.raises(ConfigError) as error:
        refuse_open(binds, authenticates=False, remedy="set a token")
    assert sorted(problem.file for problem in error.value.problems) == sorted(refused)
    assert all("set a token" in str(problem) for problem in error.value.problems)
