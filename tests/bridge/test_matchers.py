"""Matchers as Alertmanager writes them."""

import contextlib
import json
import subprocess
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from bridge.policy.matchers import all_match, first_miss, parse_matcher

LABELS = {"alertname": "Down", "severity": "critical", "path": 'C:\\a "b"\nc', "empty": ""}
HOLDS = [
    ('alertname="Down"', True),
    ("alertname=Down", True),
    ('alertname = "Down"', True),
    ('alertname="down"', False),
    ('alertname!="Down"', False),
    ('alertname!="Up"', True),
    ('severity=~"critical|warning"', True),
    ('severity=~"crit"', False),
    ('severity=~"crit.*"', True),
    ('severity!~"crit"', True),
    ('severity!~"crit.*"', False),
    ('absent=""', True),
    ('empty=""', True),
    ('absent!=""', False),
    ('absent=~".+"', False),
    ('absent=~".*"', True),
    ('absent!~".+"', True),
    ('severity=~"[[:alpha:]]+"', True),
    (r'path="C:\\a \"b\"\nc"', True),
]


@pytest.mark.parametrize(("text", "holds"), HOLDS)
def test_a_matcher_holds(text: str, holds: bool) -> None:
    assert parse_matcher(text).matches(LABELS) is holds


def test_alertmanager_says_the_same(tmp_path: Path) -> None:
    """A route for each matcher, each going on to the next: amtool names the receivers of those that hold."""
    routes = [{"receiver": f"r{i}", "matchers": [text], "continue": True} for i, (text, _) in enumerate(HOLDS)]
    receivers = [{"name": name} for name in ("none", *(route["receiver"] for route in routes))]
    config = tmp_path / "alertmanager.yml"
    config.write_text(yaml.safe_dump({"route": {"receiver": "none", "routes": routes}, "receivers": receivers}))
    labels = [f"{name}={json.dumps(value)}" for name, value in LABELS.items()]
    argv = ["amtool", "config", "routes", "test", f"--config.file={config}", *labels]
    said = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=10).stdout
    assert said.strip().split(",") == [f"r{i}" for i, (_, holds) in enumerate(HOLDS) if holds]


@pytest.mark.parametrize("expression", ["(.+,)*prod(,.+)*", "(a*)*b", ".*a.*b.*c.*d.*"])
def test_no_label_makes_a_matcher_go_back_and_try_again(expression: str) -> None:
    """Where it did, this would not end, and nothing else would be answered meanwhile."""
    label = "aa," * 10_000
    assert not parse_matcher(f'path=~"{expression}"').matches({"path": label})
    assert parse_matcher(f'path!~"{expression}"').matches({"path": label})


@pytest.mark.parametrize(
    "text", ["", "alertname", '="x"', 'a b="x"', 'a="x', 'a=="x"', 'a="x"y', 'a="x",b="y"', "1a=x", "a=x y", '{a="x"}']
)
def test_what_is_no_matcher_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a matcher such as"):
        parse_matcher(text)


@pytest.mark.parametrize(
    "regex", ["(", "a{2,1}", "a{1001}", "(?P<x>a", "[z-a]", "*", "(?=a)b", r"(a)\\1", "[[:letter:]]"]
)
def test_a_wrong_regular_expression_is_refused_in_words(regex: str) -> None:
    with pytest.raises(ValueError, match="holds a wrong regular expression"):
        parse_matcher(f'a=~"{regex}"')


@given(st.text(), st.sampled_from(["=", "!="]))
def test_any_value_can_be_written_and_read(value: str, op: str) -> None:
    spelled = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    if any(char in spelled for char in "\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"):
        return  # no line of YAML or of a command line holds these unescaped
    assert parse_matcher(f'a{op}"{spelled}"').matches({"a": value}) is (op == "=")


@given(st.text())
def test_any_text_is_a_matcher_or_refused_in_words(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert parse_matcher(text).name


def test_all_must_hold_and_the_first_that_does_not_is_named() -> None:
    matchers = [parse_matcher(text) for text in ('alertname="Down"', 'severity="low"', 'job="x"')]
    assert not all_match(matchers, LABELS)
    assert all_match(matchers[:1], LABELS)
    assert str(first_miss(matchers, LABELS)) == 'severity="low"'
    assert first_miss(matchers[:1], LABELS) is None
