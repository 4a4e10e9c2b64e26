"""YAML with line numbers: what is read, and what is refused, quickly and in one line."""
# ruff: noqa: E501 - a table is read by its rows

import json
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field

from remedy.config.problems import ConfigError, spell
from remedy.config.yamlfile import parse_yaml, read_yaml
from tests.wrong_files import cases, check

WRONG = Path(__file__).parent / "wrong" / "yaml"


@pytest.mark.parametrize("file", cases(WRONG))
def test_a_wrong_file_is_refused_with_every_problem(file: Path) -> None:
    check(file, read_yaml)


def message(text: str) -> str:
    with pytest.raises(ConfigError) as refused:
        parse_yaml(text, "f.yml")
    return str(refused.value)


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("", None),
        ("# nothing\n", None),
        ("---\n...\n", None),
        ("mode: off", {"mode": "off"}),
        ("yes: no", {"yes": "no"}),
        ("a: [true, True, false, on, y]", {"a": [True, True, False, "on", "y"]}),
        ("a: [1, -2, 0x1f, 0, 1.5, 1e3, .5, -.inf]", {"a": [1, -2, 31, 0, 1.5, 1000.0, 0.5, float("-inf")]}),
        ("a: [0644, 007, 1_000, 12:30, 1.2.3, 2026-11-21]", {"a": ["0644", "007", "1_000", "12:30", "1.2.3", "2026-11-21"]}),
        ("a: [~, null, '', nothing]", {"a": [None, None, "", "nothing"]}),
        ("5100: a", {"5100": "a"}),
        ("a: !!str 5", {"a": "5"}),
        ("\ufeffa: 1", {"a": 1}),
        ("a: &x {b: 1, c: 2}\nd: {<<: *x, c: 3}", {"a": {"b": 1, "c": 2}, "d": {"b": 1, "c": 3}}),
        ("a: &x {b: 1}\nc: &y {b: 2, e: 3}\nd: {<<: [*x, *y]}", {"a": {"b": 1}, "c": {"b": 2, "e": 3}, "d": {"b": 1, "e": 3}}),
        ("a: &x [1]\nb: [*x, *x]", {"a": [1], "b": [[1], [1]]}),
        ('{\n\t"a":\t"tab\\tbed"\n}', {"a": "tab\tbed"}),
        ('{"a": "\\ud83d\\ude00", "b": "\\/", "c": "\\ud800"}', {"a": "😀", "b": "/", "c": "\ufffd"}),
    ],
)  # fmt: skip
def test_what_is_read(text: str, data: Any) -> None:
    assert parse_yaml(text, "f.yml").data == data


def test_each_key_knows_its_line() -> None:
    document = parse_yaml(
        """\
# a comment
remediations:
  - name: first
    steps:
      - command: {argv: [a, b],
                  timeout: 5s}
  - name: second
    <<: {mode:
           auto}
shared: &x
  deep: 1
again: *x
""",
        "f.yml",
    )
    expected = {
        "remediations": 2, "remediations[0]": 3, "remediations[0].name": 3, "remediations[0].steps[0].command.argv[1]": 5,
        "remediations[0].steps[0].command.timeout": 6, "remediations[1].name": 7, "remediations[1].mode": 8, "shared.deep": 11,
        "again": 12, "again.deep": 11,
    }  # fmt: skip
    lines = {spell(path): line for path, line in document.lines.items()}
    assert {path: lines[path] for path in expected} == expected
    missing = document.problem(("remediations", 1, "steps", 0, "unit"), "is missing")
    assert str(missing) == "f.yml:7: remediations[1].steps[0].unit: is missing"


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
        max_leaves=20,
    )
)
def test_json_is_read_as_json_reads_it(value: Any) -> None:
    for text in (json.dumps(value), json.dumps(value, indent="\t")):
        assert parse_yaml(text, "f.json").data == json.loads(text)


def told_of(text: str) -> ConfigError | None:
    try:
        parse_yaml(text, "f.yml")
    except ConfigError as refused:
        return refused
    return None


@given(st.text() | st.text(alphabet="ab:-#&*!|>{}[],'\"%@`?<~ \n\t01"))
def test_any_text_is_data_or_one_line(text: str) -> None:
    told = told_of(text)
    assert told is None or len(str(told).splitlines()) == len(told.problems)


LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 12)
)
MERGED_LAUGHS = "a0: &a0 {x: 1}\n" + "".join(
    f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 10)}]}}\n" for i in range(1, 12)
)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (LAUGHS, "f.yml: holds more than 200000 values (do anchors repeat each other?)"),
        (MERGED_LAUGHS, "f.yml: holds more than 200000 values (do anchors repeat each other?)"),
        ("[" * 51 + "]" * 51, "f.yml:1: is nested more than 50 deep"),
        ("[" * 100_000, "f.yml:1: is nested more than 50 deep"),
        ("- " * 5000 + "a", "f.yml:1: is nested more than 50 deep"),
        ("a: &a [*a]", "f.yml:1: is nested more than 50 deep"),
        ("a: &a {<<: *a}", "f.yml:1: is nested more than 50 deep"),
        (f"a: {'9' * 5000}", f"f.yml:1: '{'9' * 40}' is no int"),
        ("a: !!int x", "f.yml:1: 'x' is no int"),
        ("a: !!python/object:os.system x", "f.yml:1: the tag 'python/object:os.system' is not known here"),
        ("a: !mine {b: 1}", "f.yml:1: the tag '!mine' is not known here"),
        ("a: !!binary aGk=", "f.yml:1: the tag 'binary' is not known here"),
        ("\n? [a, b]\n: c", "f.yml:2: a key is a plain word or text"),
        ("~: c", "f.yml:1: a key is a plain word or text"),
        ("a:\n  <<: 5", "f.yml:2: '<<' merges keys and values, such as those of an anchor"),
        ("a\nb: \0", "f.yml:2: is not YAML: the character U+0000 is not allowed"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else None,
)  # fmt: skip
def test_what_is_made_to_break_readers_is_refused_at_once(text: str, told: str) -> None:
    began = time.thread_time()
    assert message(text) == told
    assert time.thread_time() - began < 60, "bounded; in practice it is far below a second"


def test_both_parsers_say_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "a: [1, {b: off, c: &x 0644}]\nd: *x\ne: {<<: {f: 1}}\n"
    fast = parse_yaml(text, "f.yml")
    monkeypatch.delattr(yaml, "CSafeLoader", raising=False)
    assert parse_yaml(text, "f.yml") == fast


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"a: 1\nb: \xe9t\xe9\n", ":2: is not UTF-8 (byte 0xe9)"),
        ("a: 1".encode("utf-16"), ":1: is not UTF-8 (byte 0xff)"),
        (b"#" * (16 * 1024 * 1024 + 1), ": is larger than 16 MiB"),
    ],
    ids=["latin-1", "utf-16", "large"],
)
def test_what_is_no_text_is_told(tmp_path: Path, content: bytes, told: str) -> None:
    file = tmp_path / "f.yml"
    file.write_bytes(content)
    with pytest.raises(ConfigError) as refused:
        read_yaml(file)
    assert str(refused.value) == f"{file}{told}"


def test_what_is_no_file_is_told(tmp_path: Path) -> None:
    for file, why in ((tmp_path, "Is a directory"), (tmp_path / "none.yml", "No such file or directory")):
        with pytest.raises(ConfigError) as refused:
            read_yaml(file)
        assert str(refused.value) == f"{file}: cannot be read: {why}"


class Leaf(BaseModel):
    model_config = ConfigDict(extra="forbid")
    url: str = ""
    count: int = Field(default=1, ge=1, le=9)
    bearer_token: str = ""


class Tree(BaseModel):
    model_config = ConfigDict(extra="forbid")
    leaves: dict[str, Leaf] = Field(default_factory=dict)
    either: Leaf | list[Leaf] | None = None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("leaves:\n  my-leaf (1):\n    count: 10", "f.yml:3: leaves.my-leaf (1).count: must be at most 9, got 10"),
        ("leaves:\n  a: {cuont: 1}", "f.yml:2: leaves.a: unknown key 'cuont' (did you mean 'count'?)"),
        ("leaves:\n  a:\n    - x: secret", "f.yml:2: leaves.a: expected keys and values, got a list"),
        ("leaves:\n  a: {bearer_token: 12345}", "f.yml:2: leaves.a.bearer_token: input should be a valid string, got something else (not shown, it may be a secret)"),
        ('leaves:\n  a: {"x\\ny": 1}', "f.yml:2: leaves.a: unknown key 'x\\ny' (known: bearer_token, count, url)"),
        ("leaves: [1]", "f.yml:1: leaves: expected keys and values, got a list"),
        ("leaf:\n  a: 1", "f.yml:1: unknown key 'leaf' (did you mean 'leaves'?)"),
    ],
)  # fmt: skip
def test_pydantics_errors_are_told_where_they_are(text: str, told: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_yaml(text, "f.yml").validate(Tree)
    assert str(refused.value) == told


def test_members_of_a_union_are_not_part_of_the_path() -> None:
    with pytest.raises(ConfigError) as refused:
        parse_yaml("leaves: {}\neither:\n  - count: 1\n  - count: 0", "f.yml").validate(Tree)
    assert {(problem.line, problem.path) for problem in refused.value.problems} == {
        (2, "either"),
        (4, "either[1].count"),
    }
